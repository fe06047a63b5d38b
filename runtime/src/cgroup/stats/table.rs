//! Parsers of what the kernel counts: pure functions from text.

use std::collections::BTreeMap;

use super::super::parse::ParseError;
use super::{BlkioEntry, Psi, PsiData};

type Parsed<T> = Result<T, ParseError>;

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines())
}

fn decimal(text: &str, line: usize) -> Parsed<u64> {
    text.parse()
        .map_err(|_| (line, "not a number from 0 to 2^64-1"))
}

/// One number, or "max". Some kernels' counters may be below zero for a moment: that is 0.
pub(super) fn number(text: &str) -> Parsed<u64> {
    match text.trim() {
        "max" => Ok(u64::MAX),
        text if text.parse::<i64>().is_ok_and(|number| number < 0) => Ok(0),
        text => decimal(text, 1),
    }
}

/// One number that may be negative.
pub(super) fn signed(text: &str) -> Parsed<i64> {
    text.trim().parse().map_err(|_| (1, "not a number"))
}

/// Numbers on one line, or several.
pub(super) fn numbers(text: &str) -> Parsed<Vec<u64>> {
    lines(text)
        .flat_map(|(line, text)| text.split_whitespace().map(move |word| (line, word)))
        .map(|(line, word)| decimal(word, line))
        .collect()
}

/// "KEY NUMBER" on each line.
pub(super) fn flat(text: &str) -> Parsed<BTreeMap<String, u64>> {
    lines(text)
        .map(|(line, text)| {
            let (key, value) = text.split_once(' ').ok_or((line, "no key and number"))?;
            Ok((key.to_owned(), decimal(value, line)?))
        })
        .collect()
}

/// A list of CPUs or memory nodes: "0-3,5".
pub(super) fn list(text: &str) -> Parsed<Vec<u16>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let number = |text: &str| {
        text.parse::<u16>()
            .map_err(|_| (1, "not a number from 0 to 65535"))
    };
    let mut all = Vec::new();
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err((1, "a range that ends before it begins"));
        }
        all.extend(first..=last);
        // The kernel's are sorted, without doubles.
        if all.len() > 1 << 16 {
            return Err((1, "more than 65536 members"));
        }
    }
    Ok(all)
}

/// cpuacct.usage_all: a line of titles, then "CPU USER SYSTEM". Gives what the kernel used, and programs.
pub(super) fn usage_all(text: &str) -> Parsed<(Vec<u64>, Vec<u64>)> {
    let (mut kernel, mut user) = (Vec::new(), Vec::new());
    for (line, text) in lines(text).skip(1) {
        let mut words = text.split_whitespace().skip(1);
        let mut next = || decimal(words.next().ok_or((line, "less than three numbers"))?, line);
        user.push(next()?);
        kernel.push(next()?);
    }
    Ok((kernel, user))
}

/// A v1 blkio file: "8:0 Read 124", "8:0 6792", and a total, which is left out.
pub(super) fn blkio(text: &str) -> Parsed<Vec<BlkioEntry>> {
    let mut all = Vec::new();
    for (line, text) in lines(text) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (device, op, value) = match words.as_slice() {
            ["Total", _] => continue,
            [device, value] => (device, "", value),
            [device, op, value] => (device, *op, value),
            _ => return Err((line, "not DEVICE OPERATION NUMBER")),
        };
        let (major, minor) = device.split_once(':').ok_or((line, "no device"))?;
        all.push(BlkioEntry {
            major: decimal(major, line)?,
            minor: decimal(minor, line)?,
            op: op.to_owned(),
            value: decimal(value, line)?,
        });
    }
    Ok(all)
}

/// io.stat: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6", and what the device's controllers add. Gives bytes and
/// requests under v1's names. A device that has done nothing may be a line by itself, with no numbers.
pub(super) fn io_stat(text: &str) -> Parsed<(Vec<BlkioEntry>, Vec<BlkioEntry>)> {
    let (mut bytes, mut requests) = (Vec::new(), Vec::new());
    for (line, text) in lines(text) {
        let mut words = text.split_whitespace();
        let Some((major, minor)) = words.next().and_then(|word| word.split_once(':')) else {
            continue;
        };
        let (major, minor) = (decimal(major, line)?, decimal(minor, line)?);
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let (table, op) = match key {
                "rbytes" => (&mut bytes, "Read"),
                "wbytes" => (&mut bytes, "Write"),
                "rios" => (&mut requests, "Read"),
                "wios" => (&mut requests, "Write"),
                _ => continue,
            };
            table.push(BlkioEntry {
                major,
                minor,
                op: op.to_owned(),
                value: decimal(value, line)?,
            });
        }
    }
    Ok((bytes, requests))
}

/// cpu.pressure and its like: "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and "full" likewise.
pub(super) fn psi(text: &str) -> Parsed<Psi> {
    let mut psi = Psi::default();
    for (line, text) in lines(text) {
        let mut words = text.split_whitespace();
        let data = match words.next() {
            Some("some") => &mut psi.some,
            Some("full") => &mut psi.full,
            _ => continue,
        };
        *data = psi_data(words, line)?;
    }
    Ok(psi)
}

fn psi_data<'a>(words: impl Iterator<Item = &'a str>, line: usize) -> Parsed<PsiData> {
    let mut data = PsiData::default();
    for word in words {
        let (key, value) = word.split_once('=').ok_or((line, "no KEY=NUMBER"))?;
        let share = || match value.parse::<f64>() {
            Ok(share) if share.is_finite() => Ok(share),
            _ => Err((line, "not a share of time")),
        };
        match key {
            "avg10" => data.avg10 = share()?,
            "avg60" => data.avg60 = share()?,
            "avg300" => data.avg300 = share()?,
            "total" => data.total = decimal(value, line)?,
            _ => {}
        }
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn entry(major: u64, minor: u64, op: &str, value: u64) -> BlkioEntry {
        BlkioEntry {
            major,
            minor,
            op: op.to_owned(),
            value,
        }
    }

    #[test]
    fn numbers_of_the_kernel() {
        assert_eq!(number("max\n"), Ok(u64::MAX));
        assert_eq!(number("18446744073709551615\n"), Ok(u64::MAX));
        assert_eq!(number("-1\n"), Ok(0));
        assert_eq!(signed("-1\n"), Ok(-1));
        assert!(number("").is_err() && number("1 2").is_err() && number("x").is_err());
        assert_eq!(numbers("1 2 3 \n"), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn lists_of_cpus() {
        assert_eq!(list("0-3,5\n"), Ok(vec![0, 1, 2, 3, 5]));
        assert_eq!(list("\n"), Ok(vec![]));
        assert_eq!(list("7"), Ok(vec![7]));
        for bad in ["x", "3-1", "1-", "-1", "1-2-3", "70000", "0-65535,0-65535"] {
            assert!(list(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn tables_of_v1() {
        assert_eq!(
            usage_all("cpu user system\n0 1 2\n1 3 4\n"),
            Ok((vec![2, 4], vec![1, 3]))
        );
        let text = "8:0 Read 124\n8:0 Total 228\n253:16 7\nTotal 228\n";
        assert_eq!(
            blkio(text),
            Ok(vec![
                entry(8, 0, "Read", 124),
                entry(8, 0, "Total", 228),
                entry(253, 16, "", 7)
            ])
        );
        assert_eq!(blkio("8:0\n"), Err((1, "not DEVICE OPERATION NUMBER")));
        assert_eq!(flat("cache 5\nrss 6\n").unwrap()["rss"], 6);
        assert!(flat("cache\n").is_err() && flat("cache five\n").is_err());
    }

    #[test]
    fn tables_of_v2() {
        let text = "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6 cost.usage=7\n7:0 \nanon\n";
        let (bytes, requests) = io_stat(text).unwrap();
        assert_eq!(bytes, [entry(8, 0, "Read", 1), entry(8, 0, "Write", 2)]);
        assert_eq!(requests, [entry(8, 0, "Read", 3), entry(8, 0, "Write", 4)]);
        let text = "some avg10=0.12 avg60=0.00 avg300=1.50 total=99\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n";
        let both = psi(text).unwrap();
        assert_eq!(
            (both.some.avg10, both.some.avg300, both.some.total),
            (0.12, 1.5, 99)
        );
        assert_eq!(both.full.total, 3);
        assert!(psi("some avg10=x\n").is_err() && psi("full total\n").is_err());
        assert!(psi("some avg10=inf\n").is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_them_panic(text in "[ -~\n]{0,200}", wild in ".{0,80}") {
            for text in [text, wild] {
                let _ = (number(&text), signed(&text), numbers(&text), flat(&text), list(&text));
                let _ = (usage_all(&text), blkio(&text), io_stat(&text), psi(&text));
            }
        }

        /// What was written in the kernel's form is what is read.
        #[test]
        fn io_stat_reads_what_is_there(devices in prop::collection::btree_map((0..4096_u64, 0..1_048_576_u64), any::<[u64; 4]>(), 0..8)) {
            let mut text = String::new();
            let (mut bytes, mut requests) = (Vec::new(), Vec::new());
            for ((major, minor), [rb, wb, ri, wi]) in devices {
                text.push_str(&format!("{major}:{minor} rbytes={rb} wbytes={wb} rios={ri} wios={wi} dbytes=0 dios=0\n"));
                bytes.extend([entry(major, minor, "Read", rb), entry(major, minor, "Write", wb)]);
                requests.extend([entry(major, minor, "Read", ri), entry(major, minor, "Write", wi)]);
            }
            prop_assert_eq!(io_stat(&text), Ok((bytes, requests)));
        }

        #[test]
        fn flat_reads_what_is_there(map in prop::collection::btree_map("[a-z_]{1,20}", any::<u64>(), 0..40)) {
            let text: String = map.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
            prop_assert_eq!(flat(&text), Ok(map));
        }

        #[test]
        fn lists_read_what_is_there(cpus in prop::collection::btree_set(0..2048_u16, 1..60)) {
            let cpus: Vec<u16> = cpus.into_iter().collect();
            let mut text = String::new();
            for run in cpus.chunk_by(|a, b| a + 1 == *b) {
                let (first, last) = (run[0], run[run.len() - 1]);
                let comma = if text.is_empty() { "" } else { "," };
                text.push_str(&if first == last { format!("{comma}{first}") } else { format!("{comma}{first}-{last}") });
            }
            prop_assert_eq!(list(&text), Ok(cpus));
        }
    }
}
