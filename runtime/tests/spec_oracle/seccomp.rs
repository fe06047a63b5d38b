//! What a seccomp section means, in one shape, from either side's types.

use oci_spec::runtime::{LinuxSeccomp, LinuxSeccompAction};
use runc_rs::seccomp::{Arch, Flags, Listed, Profile, Syscall};
use serde_json::{Value, json};

pub fn ours(profile: &Profile) -> Value {
    let rules: Vec<Value> = profile
        .rules
        .iter()
        .map(|rule| {
            let names: Vec<&str> = rule.syscalls.iter().map(|call| call.name()).collect();
            let conditions: Vec<Value> = rule
                .conditions
                .iter()
                .map(|it| json!([it.index, format!("{:?}", it.op), it.value, it.value_two]))
                .collect();
            json!([names, format!("{:?}", rule.action), conditions])
        })
        .collect();
    json!({
        "default": format!("{:?}", profile.default_action),
        "archs": profile.architectures.iter().map(|arch| arch.oci_name()).collect::<Vec<_>>(),
        "flags": profile.flags.0,
        "rules": rules,
        "listener": profile.listener.as_ref().map(|listener| [&listener.path, &listener.metadata]),
    })
}

fn action(action: LinuxSeccompAction, errno: Option<u32>) -> String {
    use LinuxSeccompAction::*;
    let errno = errno.unwrap_or(1);
    match action {
        ScmpActKill | ScmpActKillThread => "KillThread".to_owned(),
        ScmpActKillProcess => "KillProcess".to_owned(),
        ScmpActTrap => "Trap".to_owned(),
        ScmpActErrno => format!("Errno({errno})"),
        ScmpActNotify => "Notify".to_owned(),
        ScmpActTrace => format!("Trace({errno})"),
        ScmpActLog => "Log".to_owned(),
        ScmpActAllow => "Allow".to_owned(),
    }
}

/// The word of a value in JSON.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

pub fn theirs(section: &LinuxSeccomp) -> Value {
    let default = action(section.default_action(), section.default_errno_ret());
    let mut archs = vec![Arch::NATIVE.oci_name()];
    for arch in section.architectures().iter().flatten() {
        if let Some(Listed::Known(arch)) = Arch::from_oci(&word(arch))
            && !archs.contains(&arch.oci_name())
        {
            archs.push(arch.oci_name());
        }
    }
    let flags = section.flags().as_ref().map_or(Flags::SPEC_ALLOW, |flags| {
        flags.iter().fold(0, |bits, flag| {
            bits | match word(flag).as_str() {
                "SECCOMP_FILTER_FLAG_LOG" => 2,
                "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => 4,
                "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => 32,
                _ => 0,
            }
        })
    });
    let mut rules = Vec::new();
    let mut notifies = false;
    for entry in section.syscalls().iter().flatten() {
        let names: Vec<&String> = entry
            .names()
            .iter()
            .filter(|name| Syscall::from_name(name).is_some())
            .collect();
        let action = action(entry.action(), entry.errno_ret());
        if names.is_empty() || action == default {
            continue;
        }
        notifies |= action == "Notify";
        let conditions: Vec<Value> = entry
            .args()
            .iter()
            .flatten()
            .map(|it| {
                let op = word(it.op()).replace("SCMP_CMP_", "");
                let op = match op.as_str() {
                    "MASKED_EQ" => "MaskedEq".to_owned(),
                    op => format!("{}{}", &op[..1], op[1..].to_lowercase()),
                };
                json!([it.index(), op, it.value(), it.value_two().unwrap_or(0)])
            })
            .collect();
        let mut indices: Vec<usize> = entry.args().iter().flatten().map(|it| it.index()).collect();
        let count = indices.len();
        indices.sort_unstable();
        indices.dedup();
        if indices.len() == count {
            rules.push(json!([names, action, conditions]));
        } else {
            rules.extend(conditions.iter().map(|one| json!([names, action, [one]])));
        }
    }
    let listener = section.listener_path().as_ref().filter(|_| notifies);
    json!({
        "default": default, "archs": archs, "flags": flags, "rules": rules,
        "listener": listener.map(|path| [path.to_str().unwrap(), section.listener_metadata().as_deref().unwrap_or("")]),
    })
}
