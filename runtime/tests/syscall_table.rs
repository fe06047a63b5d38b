//! The table of system calls beside libseccomp's, both ways, and beside the headers of the machine.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use libseccomp::{ScmpArch, ScmpSyscall};
use runc_rs::seccomp::{Arch, Syscall};

/// Names that libseccomp 2.5.4 (of Linux 5.17; Debian's has those up to 6.7 beside) need not know, and the Linux that brought
/// them.
const NEWER: [(&str, &str); 25] = [
    ("riscv_hwprobe", "6.4"),
    ("cachestat", "6.5"),
    ("fchmodat2", "6.6"),
    ("map_shadow_stack", "6.6"),
    ("futex_wake", "6.7"),
    ("futex_wait", "6.7"),
    ("futex_requeue", "6.7"),
    ("statmount", "6.8"),
    ("listmount", "6.8"),
    ("lsm_get_self_attr", "6.8"),
    ("lsm_set_self_attr", "6.8"),
    ("lsm_list_modules", "6.8"),
    ("mseal", "6.10"),
    ("uretprobe", "6.11"),
    ("setxattrat", "6.13"),
    ("getxattrat", "6.13"),
    ("listxattrat", "6.13"),
    ("removexattrat", "6.13"),
    ("open_tree_attr", "6.15"),
    ("file_getattr", "6.17"),
    ("file_setattr", "6.17"),
    ("uprobe", "6.18"),
    ("listns", "6.19"),
    ("rseq_slice_yield", "7.0 or later"),
    ("fchroot", "7.0 or later"),
];

/// What libseccomp may know the name of and have no number for, as architectures got it later than others: memfd_secret
/// came to riscv64 with Linux 5.14 and to libseccomp with 2.5.5; map_shadow_stack was for x86_64 alone at first.
const LATE: [(&str, Arch, u32); 2] = [
    ("memfd_secret", Arch::Riscv64, 447),
    ("map_shadow_stack", Arch::X32, 0x4000_0000 | 453),
];

fn theirs(arch: Arch) -> ScmpArch {
    match arch {
        Arch::X86_64 => ScmpArch::X8664,
        Arch::X86 => ScmpArch::X86,
        Arch::X32 => ScmpArch::X32,
        Arch::Aarch64 => ScmpArch::Aarch64,
        Arch::Arm => ScmpArch::Arm,
        Arch::Riscv64 => ScmpArch::Riscv64,
    }
}

/// libseccomp's number: `Some(Ok)` a number, `Some(Err)` a negative stand-in (the architecture does not have it, or has it
/// by a multiplexed call), `None` an unknown name.
fn number(name: &str, arch: Arch) -> Option<Result<u32, i32>> {
    let number = ScmpSyscall::from_name_by_arch(name, theirs(arch))
        .ok()?
        .as_raw_syscall();
    Some(u32::try_from(number).map_err(|_| number))
}

/// `__PNR_*` of socketcall(2) and ipc(2): what stands for a multiplexed call on every architecture that has such.
fn multiplexed(stand_in: i32) -> Option<(&'static str, u32)> {
    match stand_in {
        -120..=-101 => Some(("socketcall", stand_in.unsigned_abs() - 100)),
        -224..=-201 => Some(("ipc", stand_in.unsigned_abs() - 200)),
        _ => None,
    }
}

#[test]
fn every_name_has_libseccomps_number() {
    let mut newer = BTreeSet::new();
    let (mut compared, mut through) = (0, 0);
    for call in Syscall::all() {
        for arch in Arch::ALL {
            let what = format!("{} on {arch:?}", call.name());
            let ours = call.number(arch);
            let ours_through = call
                .multiplexed(arch)
                .map(|(via, first)| (via.name(), first));
            match number(call.name(), arch) {
                None => {
                    newer.insert(call.name());
                }
                Some(Ok(number)) => {
                    assert_eq!(ours, Some(number), "{what}");
                    assert_eq!(ours_through, None, "{what}");
                    compared += 1;
                }
                Some(Err(stand_in)) if multiplexed(stand_in).is_some() && arch == Arch::X86 => {
                    assert_eq!(ours_through, multiplexed(stand_in), "{what}");
                    through += 1;
                }
                Some(Err(_)) => {
                    let known = LATE.iter().find(|it| (it.0, it.1) == (call.name(), arch));
                    assert_eq!(ours, known.map(|it| it.2), "{what}");
                    assert_eq!(ours_through, None, "{what}");
                }
            }
        }
    }
    for name in newer {
        assert!(NEWER.iter().any(|it| it.0 == name), "{name}");
    }
    for (name, _) in NEWER {
        assert!(Syscall::from_name(name).is_some(), "{name}");
    }
    assert!(compared > 2000, "{compared} numbers compared");
    assert_eq!(through, 32);
    println!("{compared} numbers and {through} multiplexed calls as libseccomp has them");
}

#[test]
fn every_name_of_libseccomp_is_there() {
    let mut seen = 0;
    for arch in Arch::ALL {
        let bit = if arch == Arch::X32 { 0x4000_0000 } else { 0 };
        let private = if arch == Arch::Arm {
            0x0f_0000..0x0f_0010
        } else {
            0..0
        };
        for number in (0..=1023).map(|number| number | bit).chain(private) {
            let raw = ScmpSyscall::from_raw_syscall(i32::try_from(number).unwrap());
            let Ok(name) = raw.get_name_by_arch(theirs(arch)) else {
                continue;
            };
            let call = Syscall::from_name(&name).unwrap_or_else(|| panic!("{name} of {arch:?}"));
            assert_eq!(call.number(arch), Some(number), "{name} of {arch:?}");
            assert_eq!(
                Syscall::from_number(arch, number),
                Some(call),
                "{name} of {arch:?}"
            );
            seen += 1;
        }
    }
    assert!(seen > 2000, "{seen} names seen");
    println!("{seen} names of libseccomp are in the table");
}

/// On x86 libseccomp answers a name with the multiplexed call, and a number with the name of the direct one.
#[test]
fn direct_numbers_of_multiplexed_calls() {
    let direct: Vec<_> = Syscall::all()
        .filter(|call| call.multiplexed(Arch::X86).is_some())
        .map(|call| (call.name(), call.number(Arch::X86)))
        .collect();
    assert_eq!(direct.len(), 32);
    for (name, number) in &direct {
        let Some(number) = number else { continue };
        let raw = ScmpSyscall::from_raw_syscall(i32::try_from(*number).unwrap());
        assert_eq!(raw.get_name_by_arch(ScmpArch::X86).unwrap(), *name);
    }
    let without: Vec<_> = direct
        .iter()
        .filter(|it| it.1.is_none())
        .map(|it| it.0)
        .collect();
    assert_eq!(without, ["accept", "recv", "semop", "semtimedop", "send"]);
    let socket = Syscall::from_name("socket").unwrap();
    assert_eq!(socket.number(Arch::X86), Some(359));
    for arch in Arch::ALL.into_iter().filter(|&arch| arch != Arch::X86) {
        assert!(Syscall::all().all(|call| call.multiplexed(arch).is_none()));
    }
}

/// asm/unistd_*.h of the kernel that the machine's C library was made with.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_machines_headers() {
    let newest = Syscall::from_name("fchroot").unwrap();
    let newest = newest.number(Arch::X86_64).unwrap();
    for (file, arch) in [
        ("unistd_64.h", Arch::X86_64),
        ("unistd_32.h", Arch::X86),
        ("unistd_x32.h", Arch::X32),
    ] {
        let path = format!("/usr/include/x86_64-linux-gnu/asm/{file}");
        let text = std::fs::read_to_string(&path).expect("Debian's libc6-dev brings it");
        let mut seen = 0;
        for line in text.lines() {
            let Some((name, value)) = line
                .strip_prefix("#define __NR_")
                .and_then(|rest| rest.split_once(' '))
            else {
                continue;
            };
            let value = value.trim_matches(['(', ')']);
            let number: u32 = match value.strip_prefix("__X32_SYSCALL_BIT + ") {
                Some(low) => 0x4000_0000 | low.parse::<u32>().unwrap(),
                None => value.parse().unwrap(),
            };
            let ours = Syscall::from_name(name).and_then(|call| call.number(arch));
            // Headers of a kernel that is newer than the table.
            if ours.is_none() && number & 0x3ff > newest {
                continue;
            }
            assert_eq!(ours, Some(number), "{name} of {path}");
            seen += 1;
        }
        assert!(seen > 300, "{seen} numbers in {path}");
        println!("{seen} numbers of {path}");
    }
}
