//! The rows of `table`, laid out at compile time: one string of all names, where each starts, an array of numbers for each
//! architecture, and a hash table. 15 KiB without a pointer, so that nothing is relocated at the program's start.

use super::table::ROWS;
use crate::seccomp::Arch;

/// In a row: the architecture does not have the system call. In the hash table: an empty slot.
pub(super) const NO: u16 = u16::MAX;

pub(super) const COUNT: usize = ROWS.len();
const ARCHS: usize = Arch::ALL.len();

/// Where each name starts in [`TEXT`], and the end of the last one.
pub(super) static STARTS: [u16; COUNT + 1] = STARTS_;
/// All names, one after the other. A constant: a static of this type would be a pointer to relocate.
pub(super) const TEXT: &str = match str::from_utf8(&BYTES) {
    Ok(text) => text,
    Err(_) => panic!("a name is not UTF-8"),
};
/// For each of `Arch::ALL`, the column of its numbers.
pub(super) static NUMBERS: [[u16; COUNT]; ARCHS] = numbers();

/// At least twice the names, so that a search seldom takes more than two comparisons.
pub(super) const SLOTS_LEN: usize = 1024;
const _: () = assert!(SLOTS_LEN >= 2 * COUNT && SLOTS_LEN.is_power_of_two());
/// A hash table with linear probing: rows, or [`NO`].
pub(super) static SLOTS: [u16; SLOTS_LEN] = SLOTS_;

const STARTS_: [u16; COUNT + 1] = starts();
const BYTES: [u8; STARTS_[COUNT] as usize] = bytes();
const SLOTS_: [u16; SLOTS_LEN] = slots();

/// Where a search for a name begins: FNV-1a, folded.
pub(super) const fn first_slot(name: &[u8]) -> usize {
    let mut hash: u32 = 0x811c_9dc5;
    let mut rest = name;
    while let [byte, after @ ..] = rest {
        hash = (hash ^ *byte as u32).wrapping_mul(0x0100_0193);
        rest = after;
    }
    (hash ^ (hash >> 16)) as usize % SLOTS_LEN
}

/// The row of a name that must be there: for constants.
pub(super) const fn row_of(name: &str) -> u16 {
    let mut slot = first_slot(name.as_bytes());
    while SLOTS_[slot] != NO {
        if same(ROWS[SLOTS_[slot] as usize].0, name) {
            return SLOTS_[slot];
        }
        slot = (slot + 1) % SLOTS_LEN;
    }
    panic!("no such system call")
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

#[allow(clippy::cast_possible_truncation)] // an index past u16 does not build: see the assertion
const fn starts() -> [u16; COUNT + 1] {
    let mut starts = [0; COUNT + 1];
    let mut end = 0;
    let mut row = 0;
    while row < COUNT {
        starts[row] = end as u16;
        end += ROWS[row].0.len();
        row += 1;
    }
    assert!(end <= u16::MAX as usize);
    starts[COUNT] = end as u16;
    starts
}

const fn bytes() -> [u8; STARTS_[COUNT] as usize] {
    let mut bytes = [0; STARTS_[COUNT] as usize];
    let mut at = 0;
    let mut row = 0;
    while row < COUNT {
        let mut rest = ROWS[row].0.as_bytes();
        while let [byte, after @ ..] = rest {
            bytes[at] = *byte;
            at += 1;
            rest = after;
        }
        row += 1;
    }
    bytes
}

const fn numbers() -> [[u16; COUNT]; ARCHS] {
    let mut numbers = [[NO; COUNT]; ARCHS];
    let mut row = 0;
    while row < COUNT {
        let mut arch = 0;
        while arch < ARCHS {
            numbers[arch][row] = ROWS[row].1[arch];
            arch += 1;
        }
        row += 1;
    }
    numbers
}

#[allow(clippy::cast_possible_truncation)] // COUNT is below SLOTS_LEN
const fn slots() -> [u16; SLOTS_LEN] {
    let mut slots = [NO; SLOTS_LEN];
    let mut row = 0;
    while row < COUNT {
        let mut slot = first_slot(ROWS[row].0.as_bytes());
        while slots[slot] != NO {
            slot = (slot + 1) % SLOTS_LEN;
        }
        slots[slot] = row as u16;
        row += 1;
    }
    slots
}
