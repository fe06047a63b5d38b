//! What must hold of the table by itself, and beside the machine's headers.

#![allow(clippy::unwrap_used)]

use super::table::ROWS;
use super::*;

#[test]
fn rows_are_in_order_and_found_by_name() {
    assert!(ROWS.is_sorted_by(|a, b| a.0 < b.0), "each name once");
    assert_eq!(Syscall::all().count(), ROWS.len());
    for (call, (name, numbers)) in Syscall::all().zip(ROWS) {
        assert_eq!(call.name(), name);
        assert_eq!(Syscall::from_name(name), Some(call));
        assert!(numbers.iter().any(|&number| number != NO), "{name}");
        for (index, arch) in Arch::ALL.into_iter().enumerate() {
            assert_eq!(arch as usize, index);
            assert_eq!(call.number(arch).is_none(), numbers[index] == NO);
        }
    }
}

#[test]
fn names_that_are_not_there() {
    for name in [
        "", "a", "reaD", "read ", "rea", "readx", "umount3", "syscall", "\0",
    ] {
        assert_eq!(Syscall::from_name(name), None, "{name:?}");
    }
    let known = |name: &str| ROWS.iter().any(|row| row.0 == name);
    for call in Syscall::all() {
        let name = call.name();
        for near in [&name[1..], &name[..name.len() - 1], &format!("{name}2")] {
            assert_eq!(Syscall::from_name(near).is_some(), known(near), "{near}");
        }
    }
}

#[test]
fn a_number_has_one_name() {
    for arch in Arch::ALL {
        for call in Syscall::all() {
            let Some(number) = call.number(arch) else {
                continue;
            };
            assert_eq!(Syscall::from_number(arch, number), Some(call), "{arch:?}");
        }
        assert_eq!(Syscall::from_number(arch, 5000), None);
    }
}

#[test]
fn numbers_outside_of_the_usual_range() {
    let number = |name, arch| Syscall::from_name(name).unwrap().number(arch);
    assert_eq!(number("read", Arch::X32), Some(0x4000_0000));
    assert_eq!(number("preadv2", Arch::X32), Some(0x4000_0000 | 546));
    assert_eq!(number("breakpoint", Arch::Arm), Some(0x0f_0001));
    assert_eq!(number("get_tls", Arch::Arm), Some(0x0f_0006));
    assert_eq!(number("get_tls", Arch::X86), None);
    for arch in Arch::ALL {
        for call in Syscall::all() {
            let Some(number) = call.number(arch) else {
                continue;
            };
            match arch {
                Arch::X32 => assert!((0x4000_0000..0x4000_0400).contains(&number)),
                Arch::Arm if number >= 0x0f_0000 => assert!((1..=6).contains(&(number & 0xffff))),
                _ => assert!(number < 0x400, "{} of {arch:?}: {number}", call.name()),
            }
        }
    }
}

/// Since Linux 5.1 a new system call gets the same number everywhere.
#[test]
fn newer_numbers_are_the_same_everywhere() {
    let first = 424; // pidfd_send_signal
    let mut newest = 0;
    for call in Syscall::all() {
        // x32 had a range of its own before, 512 to 547.
        let numbers = Arch::ALL.map(|arch| call.number(arch).map(|number| number & !X32_BIT));
        let new = |number: &u32| (first..512).contains(number);
        if let Some(number) = numbers.into_iter().flatten().find(new) {
            assert!(
                numbers.into_iter().flatten().all(|other| other == number),
                "{}",
                call.name()
            );
            newest = newest.max(number);
        }
    }
    for number in first..=newest {
        assert!(
            Syscall::from_number(Arch::Riscv64, number).is_some(),
            "{number} is left out"
        );
    }
}
