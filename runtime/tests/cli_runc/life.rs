//! Lives of a container, told by the commands.

use std::fs;
use std::path::Path;
use std::process::Command;

use integration::{skip, this_test};

use super::OURS;
use super::place::Place;

/// A container that sleeps, for both runtimes.
fn sleeper(name: &str) -> Option<Place> {
    if !nix::unistd::geteuid().is_root() {
        skip(&this_test(), "needs root to run containers");
        return None;
    }
    let place = Place::new(name)?;
    let laid = Command::new(OURS)
        .args(["spec", "--busybox", "-b"])
        .arg(place.0.join("bundle"))
        .output()
        .unwrap();
    if !laid.status.success() {
        skip(
            &this_test(),
            &format!("{}", String::from_utf8_lossy(&laid.stderr)),
        );
        return None;
    }
    let config = place.0.join("bundle/config.json");
    let text = fs::read_to_string(&config).unwrap();
    // The cgroup of each is named for the container, as that of none else on this host.
    let text = text.replacen('{', "{\"annotations\": {\"b\": \"<2>\", \"a\": \"1\"},", 1);
    fs::write(&config, text.replace("\"sh\"", "\"sleep\", \"1000\"")).unwrap();
    Some(place)
}

/// A life, step by step, and all that was said in it.
struct Life<'a> {
    place: &'a Place,
    who: &'a str,
    id: String,
    said: String,
}

impl Life<'_> {
    /// What a command says.
    fn ask(&self, line: &str) -> String {
        let line = line.split(' ').map(|word| word.replace("ID", &self.id));
        let line: Vec<String> = line.collect();
        let words: Vec<&str> = line.iter().map(String::as_str).collect();
        let mut seen = self.place.run(self.who, &words, &[]);
        // Where runc tries to undo its own failure it fails again, and says so.
        seen.stderr = (seen.stderr.lines())
            .filter(|line| !line.contains("Setting back cgroup configs failed"))
            .collect::<Vec<_>>()
            .join("\n");
        // The exit status as a word: numbers are taken out.
        let code = match seen.code {
            Some(0) => "well",
            Some(1) => "failed",
            _ => "otherwise",
        };
        format!("{line:?} {code}\n{seen:#?}\n").replace(&self.id, "ID")
    }

    fn steps(&mut self, lines: &[&str]) {
        for line in lines {
            let said = self.ask(line);
            self.said.push_str(&said);
        }
    }

    /// A death takes its time; nothing else tells of it to who did not start the container.
    fn until(&self, line: &str, words: &str) {
        let come = (0..2000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(5));
            self.ask(line).contains(words)
        });
        assert!(come, "{line}: {words:?} does not come: {}", self.said);
    }
}

/// Two lives, and what was said in them is the same.
fn are_the_same(place: &Place, name: &str, live: impl Fn(&mut Life<'_>)) {
    let lives = ["ours", "theirs"].map(|who| {
        let mut life = Life {
            place,
            who,
            id: format!("cli-{name}-{who}-{}", std::process::id()),
            said: String::new(),
        };
        live(&mut life);
        plain(&life.said)
    });
    for word in ["well", "failed"] {
        assert!(lives[0].contains(word), "{}", lives[0]);
    }
    for (ours, theirs) in lives[0].split("\n[").zip(lives[1].split("\n[")) {
        assert_eq!(ours, theirs, "\nleft: ours, right: runc's");
    }
    assert_eq!(lives[0], lives[1]);
}

#[test]
fn a_life_is_runcs() {
    let Some(place) = sleeper("life") else {
        return;
    };
    are_the_same(&place, "life", |life| {
        life.steps(&[
            "create ID",
            "create ID",
            "run ID",
            "state ID",
            "list",
            "list -f json",
            "list -q",
            "kill ID BOGUS",
            "start ID",
            "start ID",
            "delete ID",
            "create ID",
            "state ID",
            "kill ID 0",
            "kill ID KILL",
        ]);
        life.until("state ID", "stopped");
        life.steps(&[
            "state ID",
            "list",
            "kill ID KILL",
            "kill --all ID KILL",
            "start ID",
            "delete ID",
            "delete ID",
            "run -d --pid-file ../pid ID",
            "delete -f ID",
            "delete -f ID",
            "list -q",
        ]);
    });
}

/// The commands on a container that lives: what they say, and what they do to each other.
#[test]
fn changes_of_a_life_are_runcs() {
    let Some(place) = sleeper("changes") else {
        return;
    };
    let bundle = place.0.join("bundle");
    for (name, text) in [
        ("empty", "{}"),
        (
            "memory",
            r#"{"memory": {"limit": 67108864}, "foo": [1]} and more"#,
        ),
        (
            "others",
            r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 1}], "devices": [{"allow": true, "access": "rwm"}]}"#,
        ),
        ("unified", r#"{"unified": {"memory.max": "1"}}"#),
    ] {
        fs::write(bundle.join(name), text).unwrap();
    }
    let v1 = Path::new("/sys/fs/cgroup/memory").is_dir();

    are_the_same(&place, "changes", |life| {
        life.steps(&[
            "create ID",
            "resume ID",
            "pause ID",
            "pause ID",
            "start ID",
            "state ID",
            "list -f json",
            "delete ID",
            "update --pids-limit 50 ID",
            "ps -f json ID",
            "resume ID",
            "resume ID",
            "start ID",
            "pause ID",
            "delete ID",
            "kill ID TERM",
            "kill ID 0",
            "state ID",
            "ps ID -o args,stat -C sleep",
            "ps ID",
            "ps -f table ID -o pid,args",
            "ps ID -f json",
            "ps ID -- -ef",
            "ps ID -o comm",
            "ps -f json ID",
            "ps -f=table -f=xml ID",
            "resume ID",
            "state ID",
            "kill -a ID CONT",
            "events --interval 0s ID",
            "update ID",
            "update -r empty ID",
            "update -r nothing ID",
            "update -r empty --memory junk ID",
            "update --memory junk ID",
            "update --memory -2 ID",
            "update --memory 1.2.3m ID",
            "update --memory-swap x ID",
            "update --memory-reservation 5e7 ID",
            "update --memory= --memory-swap= ID",
            "update --cpu-share x ID",
            "update --cpu-share -5 ID",
            "update --cpu-share +5 ID",
            "update --cpu-period 18446744073709551616 ID",
            "update --cpu-quota 9999999999999999999 ID",
            "update --cpu-quota 1.5 ID",
            "update --cpu-rt-runtime x ID",
            "update --cpu-rt-period x ID",
            "update --pids-limit 0x20 ID",
            "update --pids-limit=-1 ID",
            "update --pids-limit=0 ID",
            "update --kernel-memory 5m ID",
            "update --kernel-memory-tcp 5m ID",
            "update --kernel-memory junk ID",
            "update --kernel-memory 0 ID",
            "update --l3-cache-schema x ID",
            "update --mem-bw-schema x ID",
            "update -memory=64m -memory 65m ID --cpu-share=512",
        ]);
        if v1 {
            life.steps(&[
                "update -r memory ID",
                "update -r others ID",
                "update -r unified ID",
                "update --memory 64m --memory-swap 128m ID",
                "update --memory 16m --memory-swap 32m ID",
                "update --memory-swap 8m ID",
                "update --cpu-share 1 ID",
                "update --cpu-share 262145 ID",
                "update --cpu-quota 500 ID",
                "update --cpu-period 10 ID",
                "update --cpuset-cpus 700 ID",
                "update --cpuset-mems x ID",
            ]);
        }
        life.steps(&["pause ID", "kill ID KILL"]);
        life.until("state ID", "stopped");
        // Its cgroup is empty a moment later than that.
        life.until("ps -f json ID", "null");
        life.steps(&[
            "state ID",
            "pause ID",
            "resume ID",
            "ps ID",
            "ps -f json ID",
            "update --memory 5m ID",
            "update ID",
            "events ID",
            "events --stats ID",
            "kill ID KILL",
            "kill --all ID KILL",
            "kill -a ID TERM",
            "delete --force=false ID",
            "delete ID",
            "delete -force ID",
            "run -d ID",
            "pause ID",
            "delete -f ID",
            "list -q",
        ]);
    });
}

/// Without pids, times, the length of names, and the version of the specification.
fn plain(life: &str) -> String {
    let mut out = String::new();
    let life = life.replace("-dev", "");
    let mut chars = life.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_ascii_digit() {
            while chars
                .next_if(|c| c.is_ascii_digit() || matches!(c, '.' | '-'))
                .is_some()
            {}
            out.push('0');
        } else {
            out.push(c);
        }
    }
    // Columns are as wide as the names in them.
    out.split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
