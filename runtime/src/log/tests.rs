//! The lines against what Debian's runc prints, byte for byte, and the promise that writing ends.
#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Instant;

use super::gotext::{push_field, push_json, push_quoted, push_rfc3339};
use super::*;

fn with(push: impl Fn(&mut String)) -> String {
    let mut out = String::new();
    push(&mut out);
    out
}

fn json(text: &str) -> String {
    with(|out| push_json(out, text))
}

#[test]
fn json_strings_are_gos() {
    assert_eq!(json("a/b é \u{10ffff}"), "\"a/b é \u{10ffff}\"");
    assert_eq!(json("\"\\\n\r\t"), r#""\"\\\n\r\t""#);
    assert_eq!(
        json("<&>\u{2028}\u{1}\u{7f}"),
        "\"\\u003c\\u0026\\u003e\\u2028\\u0001\u{7f}\""
    );
}

#[test]
fn json_strings_mean_the_text() {
    for text in [
        "",
        "\0\u{1}\u{1f}",
        "a\"b\\c",
        "</script>&",
        "\u{2028}\u{2029}",
        "é\u{1f600}",
    ] {
        assert_eq!(serde_json::from_str::<String>(&json(text)).unwrap(), text);
    }
}

#[test]
fn quoted_strings_are_gos() {
    // Go's own: fmt.Printf("%q", ...)
    assert_eq!(quoted("\u{7}\u{8}\u{c}\n\r\t\u{b}"), r#""\a\b\f\n\r\t\v""#);
    assert_eq!(quoted("\u{0}\u{7f}\"\\é'"), r#""\x00\x7f\"\\é'""#);
    assert_eq!(
        quoted("\u{200b}\u{feff}\u{e0001}"),
        r#""\u200b\ufeff\U000e0001""#
    );
    assert_eq!(with(|out| push_quoted(out, "")), "\"\"");
}

#[test]
fn fields_are_quoted_where_logrus_quotes() {
    assert_eq!(with(|out| push_field(out, "a-B.9_/@^+")), "a-B.9_/@^+");
    assert_eq!(with(|out| push_field(out, "a b")), "\"a b\"");
    assert_eq!(with(|out| push_field(out, "a=b")), "\"a=b\"");
}

#[test]
fn times_are_gos() {
    let time = |s, n, o| with(|out| push_rfc3339(out, s, n, o));
    assert_eq!(time(0, 0, 0), "1970-01-01T00:00:00Z");
    assert_eq!(time(951_782_400, 0, 0), "2000-02-29T00:00:00Z");
    assert_eq!(
        time(1_795_457_401, 925_823_338, 0),
        "2026-11-23T18:10:01.925823338Z"
    );
    assert_eq!(
        time(1_795_457_401, 900_000_000, 0),
        "2026-11-23T18:10:01.9Z"
    );
    assert_eq!(time(1_795_457_401, 1, 0), "2026-11-23T18:10:01.000000001Z");
    assert_eq!(time(1_795_457_401, 0, 19_800), "2026-11-23T23:40:01+05:30");
    assert_eq!(time(1_795_457_401, 0, -12_600), "2026-11-23T14:40:01-03:30");
    assert_eq!(time(-1, 0, 0), "1969-12-31T23:59:59Z");
}

/// Against date(1), over four hundred years of odd days.
#[test]
fn times_are_dates() {
    let seconds: Vec<i64> = (0..400).map(|i| i * 86_400 * 365 + i * 7919).collect();
    let lines: String = seconds.iter().map(|s| format!("@{s}\n")).collect();
    let file = std::env::temp_dir().join(format!("dates-{}", std::process::id()));
    std::fs::write(&file, lines).unwrap();
    let date = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-f"])
        .arg(&file)
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let ours: String = seconds
        .iter()
        .map(|s| with(|out| push_rfc3339(out, *s, 0, 0)) + "\n")
        .collect();
    assert_eq!(ours, String::from_utf8(date.stdout).unwrap());
}

#[test]
fn lines_are_logrus() {
    let noon = Duration::from_secs(0);
    let message = "a \"b\"\n";
    let text = with(|out| text_line(out, &Level::WARN, message, noon, None));
    assert_eq!(
        text,
        "time=\"1970-01-01T00:00:00Z\" level=warning msg=\"a \\\"b\\\"\\n\"\n"
    );
    let text = with(|out| json_line(out, &Level::ERROR, message, noon, None));
    assert_eq!(
        text,
        "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\\n\",\"time\":\"1970-01-01T00:00:00Z\"}\n"
    );
    let caller = Caller {
        target: "runc_rs::cli",
        file: "cli/mod.rs",
        line: 7,
    };
    let text = with(|out| text_line(out, &Level::DEBUG, "x", noon, Some(&caller)));
    assert_eq!(
        text,
        "time=\"1970-01-01T00:00:00Z\" level=debug msg=x func=\"runc_rs::cli\" file=\"cli/mod.rs:7\"\n"
    );
    let text = with(|out| json_line(out, &Level::INFO, "x", noon, Some(&caller)));
    assert_eq!(
        text,
        "{\"file\":\"cli/mod.rs:7\",\"func\":\"runc_rs::cli\",\"level\":\"info\",\"msg\":\"x\",\"time\":\"1970-01-01T00:00:00Z\"}\n"
    );
    // Seen of Debian's runc under script(1).
    let text = with(|out| terminal_line(out, &Level::ERROR, "container does not exist", None));
    assert_eq!(
        text,
        format!(
            "\x1b[31mERRO\x1b[0m[0000] container does not exist{} \n",
            " ".repeat(20)
        )
    );
}

/// A sink on the write end of a pipe, as a `--log` file or as stderr would be one.
fn sink_on(fd: OwnedFd) -> Sink {
    Sink::from(std::fs::File::from(fd))
}

#[test]
fn a_reader_that_does_not_read_does_not_hold_us() {
    let (reader, writer) = std::io::pipe().unwrap();
    let sink = sink_on(writer.as_fd().try_clone_to_owned().unwrap());
    let line = vec![b'x'; 100_000];
    let start = Instant::now();
    sink.write(&line);
    let first = start.elapsed();
    assert!(
        first >= Duration::from_millis(900),
        "it gave the reader no time: {first:?}"
    );
    assert!(first < Duration::from_secs(5), "{first:?}");
    let start = Instant::now();
    for _ in 0..100 {
        sink.write(&line);
    }
    assert!(
        start.elapsed() < Duration::from_millis(500),
        "later lines wait again: {:?}",
        start.elapsed()
    );
    drop(reader);
}

#[test]
fn a_slow_reader_gets_all() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let sink = sink_on(writer.into());
    let line: Vec<u8> = (0..1_000_000_u32)
        .map(|i| b'a' + u8::try_from(i % 26).unwrap())
        .collect();
    let expected = line.clone();
    let writer = std::thread::spawn(move || sink.write(&line));
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
}

#[test]
fn a_reader_that_left_is_no_signal() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    // The runtime does not ignore SIGPIPE as the test harness does: without the harness this line would end it.
    sink_on(writer.into()).write(b"gone\n");
}

#[test]
fn a_fifo_that_nobody_reads_is_an_error() {
    let path = std::env::temp_dir().join(format!("log-fifo-{}", std::process::id()));
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let opened = Sink::file(&path);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(opened.unwrap_err().errno, nix::errno::Errno::ENXIO);
}
