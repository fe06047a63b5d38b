//! runc-rs beside Debian's runc on random configs: what a container sees of itself, how the command ends, and what is
//! left on the host must be the same, but for what [`known`] lists.
//!
//! A case is its seed. `BESIDE=5000` plays so many cases instead of the few of the normal suite, `BESIDE_SEED=7` begins
//! at another seed, and both together repeat one: `BESIDE=1 BESIDE_SEED=7`.

mod config;
mod known;
mod lines;
mod linux;
mod mounts;
mod random;
mod seen;
mod shrink;
mod stage;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use integration::{is_ours, is_v2, need_root, skip};
use serde_json::Value;

use known::{Case, unknown};
use random::Random;
use seen::{Difference, Ending, Seen};
use stage::{Stage, Who};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}"))
    })
}

fn stage(test: &str) -> Option<Stage> {
    if !is_ours() {
        skip(test, "compares runc-rs with runc: RUNTIME is another");
        return None;
    }
    if is_v2() {
        skip(test, "compares with runc on cgroup v1");
        return None;
    }
    let stage = super::differential::runc().and_then(Stage::new);
    if stage.is_none() {
        skip(
            test,
            "no runc (apt-get install runc), or no probe beside the runtime",
        );
    }
    stage
}

/// Both, and where they differ.
fn both(stage: &Stage, config: &Value) -> (Vec<Difference>, Seen, Seen) {
    let ours = stage.play(Who::Ours, config);
    let runc = stage.play(Who::Runc, config);
    let case = Case {
        config,
        ours: &ours,
        runc: &runc,
    };
    (unknown(&case), ours, runc)
}

/// The namespaces have no mount namespace, or there is no version: not for runc.
fn is_playable(config: &Value) -> bool {
    // Without the one runc mounts into this namespace, and leaves it so.
    config["linux"]["namespaces"]
        .to_string()
        .contains("\"mount\"")
        && config["ociVersion"].is_string()
}

/// Is more than one thing wrong, so that each may name another? Then both name the same when the other is mended.
fn two_faults(stage: &Stage, config: &Value, ended: &(Ending, Ending)) -> bool {
    shrink::smaller(config).filter(is_playable).any(|config| {
        let (_, ours, runc) = both(stage, &config);
        let cause = |seen: &Seen| seen.get("cause").to_owned();
        cause(&ours) == cause(&runc)
            && ours.get("exit") == runc.get("exit")
            && (ours.ending() != ended.0 || runc.ending() != ended.1)
            && [&ended.0, &ended.1]
                .iter()
                .any(|e| e.1 == ours.ending().1 || e.1 == runc.ending().1)
    })
}

fn describe(seed: u64, stage: &Stage, config: &Value) -> String {
    let (differences, ours, runc) = both(stage, config);
    let mut text = format!(
        "seed {seed}: {}\n",
        serde_json::to_string(config).expect("JSON")
    );
    for d in differences.into_iter().take(8) {
        text += &format!(
            "  {}\n    ours: {}\n    runc: {}\n",
            d.key,
            d.ours.as_deref().unwrap_or("-"),
            d.runc.as_deref().unwrap_or("-")
        );
    }
    for (who, seen) in [("ours", ours), ("runc", runc)] {
        for line in seen.stderr.lines().rev().take(2) {
            text += &format!("  {who} said: {line}\n");
        }
    }
    text
}

#[test]
fn random_configs_give_the_same_container() {
    need_root!();
    let Some(stage) = stage("random_configs_give_the_same_container") else {
        return;
    };
    let (cases, first) = (number("BESIDE", 36), number("BESIDE_SEED", 1));
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    let mut found = Vec::new();
    for seed in first..first + cases {
        let config = config::random(&mut Random::new(seed));
        let (differences, ours, runc) = both(&stage, &config);
        *ends
            .entry(format!("{} {}", ours.get("exit"), runc.get("exit")))
            .or_default() += 1;
        if std::env::var_os("BESIDE_SHOW").is_some() {
            for (who, seen) in [("ours", &ours), ("runc", &runc)] {
                let last = seen.stderr.lines().last().unwrap_or_default();
                eprintln!("{seed} {who} {}: {last}", seen.get("exit"));
            }
        }
        if [&ours, &runc].iter().any(|seen| seen.get("exit") == "hang") {
            eprintln!(
                "seed {seed}: ours {}, runc {}",
                ours.get("exit"),
                runc.get("exit")
            );
            // runc hangs now and then (docs/hangs.md), and both where the machine is too slow.
            if runc.get("exit") == "hang" {
                continue;
            }
        }
        let Some(one) = differences.first() else {
            continue;
        };
        // Once more: a machine in trouble makes differences of its own.
        let again = both(&stage, &config).0;
        if !again.iter().any(|d| d.key == one.key) {
            eprintln!("seed {seed}: only once: {one:?}");
            continue;
        }
        // The first of a kind is made small, a few more are for the second cause of the same sign.
        let kind = one.key.split(' ').next().unwrap_or_default().to_owned();
        let n = kinds.entry(kind).or_default();
        *n += 1;
        if *n > u32::try_from(number("BESIDE_KIND", 3)).expect("small") {
            continue;
        }
        let key = one.key.clone();
        let ended = (ours.ending(), runc.ending());
        let began = Instant::now();
        let small = shrink::shrink(&config, &mut |candidate| {
            if began.elapsed() > Duration::from_secs(30) {
                return false;
            }
            if !is_playable(candidate) {
                return false;
            }
            let (differences, ours, runc) = both(&stage, candidate);
            differences.iter().any(|d| d.key == key) && (ours.ending(), runc.ending()) == ended
        });
        if key == "cause" && two_faults(&stage, &small, &ended) {
            eprintln!("seed {seed}: two faults");
            *kinds.entry("two faults".to_owned()).or_default() += 1;
            continue;
        }
        let text = describe(seed, &stage, &small);
        eprintln!("{text}");
        found.push(text);
    }
    eprintln!("{cases} cases from seed {first}; ended (ours, runc): {ends:?}; differ: {kinds:?}");
    assert!(
        found.is_empty(),
        "{} differ:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn random_command_lines_end_alike() {
    need_root!();
    let Some(stage) = stage("random_command_lines_end_alike") else {
        return;
    };
    let (cases, first) = (number("BESIDE", 15), number("BESIDE_SEED", 1));
    let mut found = Vec::new();
    let mut kinds: BTreeMap<String, u32> = BTreeMap::new();
    let play = |script: &Value| {
        let (ours, runc) = (
            lines::play(&stage, Who::Ours, script),
            lines::play(&stage, Who::Runc, script),
        );
        let mut all = Seen::differences(&ours, &runc);
        all.retain(|d| !known::in_a_line(script, d));
        all
    };
    for seed in first..first + cases {
        let script = lines::random(&mut Random::new(seed));
        let differences = play(&script);
        let Some(one) = differences
            .iter()
            .find(|d| d.key.ends_with("words"))
            .or(differences.first())
        else {
            continue;
        };
        if !play(&script).iter().any(|d| d.key == one.key) {
            eprintln!("seed {seed}: only once: {one:?}");
            continue;
        }
        let kind = format!(
            "{} {}",
            one.key.split_once(' ').map_or("", |k| k.1),
            script["lines"][0][0]
        );
        let n = kinds.entry(kind).or_default();
        *n += 1;
        if *n > u32::try_from(number("BESIDE_KIND", 3)).expect("small") {
            continue;
        }
        let key = one.key.split_once(' ').map_or("", |k| k.1).to_owned();
        let (ours, runc) = (one.ours.clone(), one.runc.clone());
        let began = Instant::now();
        let small = shrink::shrink(&script, &mut |candidate| {
            began.elapsed() < Duration::from_secs(20)
                && candidate["state"].is_string()
                && play(candidate)
                    .iter()
                    .any(|d| d.key.ends_with(&key) && d.ours == ours && d.runc == runc)
        });
        // Of two faults in a line each may name another.
        let alike = |smaller: Value| {
            let ours = lines::play(&stage, Who::Ours, &smaller);
            let runc = lines::play(&stage, Who::Runc, &smaller);
            let both = |key: &str| ours.get(key) == runc.get(key);
            let last = (0..4)
                .rev()
                .find(|n| !ours.get(&format!("{n} exit")).is_empty())
                .unwrap_or(0);
            let key = format!("{last} words");
            both(&key)
                && !ours.get(&key).is_empty()
                && both(&format!("{last} exit"))
                && [one.ours.as_deref(), one.runc.as_deref()].contains(&Some(ours.get(&key)))
        };
        let soft = matches!(key.as_str(), "words" | "stdout");
        let words = play(&small).into_iter().find(|d| d.key.ends_with("words"));
        if soft
            && words.is_some()
            && shrink::smaller(&small)
                .filter(|s| s["state"].is_string() && s["lines"].is_array())
                .any(alike)
        {
            eprintln!("seed {seed}: two faults in {small}");
            continue;
        }
        let mut text = format!("seed {seed}: {small}\n");
        for d in play(&small).iter().take(6) {
            text += &format!(
                "  {}\n    ours: {}\n    runc: {}\n",
                d.key,
                d.ours.as_deref().unwrap_or("-"),
                d.runc.as_deref().unwrap_or("-")
            );
        }
        eprintln!("{text}");
        found.push(text);
    }
    eprintln!("{cases} cases from seed {first}; differ: {kinds:?}");
    assert!(
        found.is_empty(),
        "{} differ:\n{}",
        found.len(),
        found.join("\n")
    );
}
