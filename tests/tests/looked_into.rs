//! CVE-2016-9962, CVE-2019-5736: a process of the runtime's on its way into a container, seen from inside. It is stopped after each of
//! its calls, and somebody in the container tries all that /proc and ptrace(2) have.

use std::cell::RefCell;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use integration::tracer::{Action, Call, Task, Trace, trace};
use integration::{
    Config, Container, Fifo, Signal, TempDir, copy_program, is_ours, kill, need_root,
    pids_of_cgroup, proc_status, signal, skip, slow, this_test, wait_gone, wait_until,
};
use serde_json::json;

use crate::userns::{mapped, own};

/// Tries everything with each process whose number it reads, and says what it got.
const SPY: &str = r#"
own=$(stat -L -c %d:%i /)
while read p </ask; do
    for f in exe root cwd; do t=$(readlink /proc/$p/$f) && echo link $f $t; done
    for f in /proc/$p/fd/*; do
        t=$(readlink $f) && echo link ${f##*/} $t || continue
        [ -d $f/. ] && echo directory ${f##*/}
        case $t in /*) (: >>$f) && echo written $t;; esac
    done
    (: >>/proc/$p/exe) && echo written exe
    cat /proc/$p/maps >/dev/null && echo maps
    e=$(cat /proc/$p/environ) && echo environ $e
    (: <>/proc/$p/mem) && echo mem
    for f in root cwd; do t=$(stat -L -c %d:%i /proc/$p/$f) && [ $t != $own ] && echo other $f; done
    w=$(busybox timeout 1 /bin/strace -o /dev/null -p $p 2>&1)
    case $w in *"not permitted"*|*"No such "*) ;; *) echo ptrace $w;; esac
    echo .
done 2>/dev/null >/answer
"#;

/// A container whose program is the spy.
struct Spy {
    c: Container,
    pipes: RefCell<(Fifo, Fifo)>,
}

impl Spy {
    fn new(c: Container, change: impl FnOnce(&mut Config)) -> Self {
        for path in libraries("/usr/bin/strace") {
            copy(&path, &c.bundle.rootfs(&path));
        }
        copy("/usr/bin/strace", &c.bundle.rootfs("/bin/strace"));
        let pipes = RefCell::new((c.fifo("ask"), c.fifo("answer")));
        let c = c.with_config(|g| {
            g.sh(SPY);
            change(g);
        });
        c.detach();
        Self { c, pipes }
    }

    /// What it gets of the process of this number.
    fn ask(&self, pid: &str) -> Vec<String> {
        let (ask, answer) = &mut *self.pipes.borrow_mut();
        ask.say(pid);
        let lines = std::iter::repeat_with(|| answer.line());
        lines.take_while(|line| line != ".").collect()
    }

    /// Its end, where nobody else's is.
    fn end(&self) {
        self.c.kill("KILL").ok();
        self.c.wait();
    }

    /// The number of a process in the spy's pid namespace, if it is there.
    fn number(&self, pid: u32) -> Option<String> {
        let space = |pid| std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        (space(pid)? == space(self.c.pid())?).then_some(())?;
        Some(
            proc_status(pid, "NSpid")?
                .split_whitespace()
                .last()?
                .to_owned(),
        )
    }

    /// What it gets of `command`'s processes in the cgroups of `of`, each with the call that it was stopped after, from behind the
    /// last of `after` on. There are at least `least` that it can ask about.
    fn sweep(&self, command: &Command, of: &Container, after: &str, least: u32) -> Vec<String> {
        let dir = TempDir::new("stdio");
        let whole = run(command, dir.path(), None);
        assert_eq!((whole.code, whole.executions), (0, 1), "{whole:?}");
        let begin = whole.calls.iter().rposition(|call| call.name == after);
        let calls = &whole.calls[begin.expect("this call") + 1..];
        // Not its twentieth mount; and all of its last calls, when its privileges go.
        let last = calls.iter().rposition(|call| call.name == "capset");
        let last = last.expect("it gives up capabilities");
        let on_the_way = |(n, call): &(usize, &Call)| {
            let seldom = call.nth == 1 || *n >= last;
            seldom && call.process != 0 && !call.name.starts_with("exec")
        };
        let calls_asked = calls.iter().enumerate().filter(on_the_way);
        let (mut asked, mut all) = (0, Vec::new());
        for (_, call) in calls_asked.step_by(slow().try_into().unwrap()) {
            let look = |pid| Some(self.ask(&self.number(pid)?));
            // Where many make cgroups at once, one of them may wait for longer than a traced command may.
            let got = (0..3).find_map(|_| {
                let got = stopped(command, dir.path(), of, call, look);
                if got.is_err() {
                    if of.id != self.c.id {
                        let _ = of.call(&["delete", "--force"]);
                    }
                    of.reap_orphans();
                }
                got.ok()
            });
            // Not asked about, then.
            let got = got.flatten().flatten();
            asked += u32::from(got.is_some());
            let of = |line| format!("{} {} {}: {line}", call.process, call.name, call.nth);
            all.extend(got.unwrap_or_default().into_iter().map(of));
        }
        assert!(asked * slow() >= least, "{asked}: {calls:?}");
        all
    }
}

/// The shared objects of a program, and its interpreter.
fn libraries(program: &str) -> Vec<String> {
    let out = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let words = text.split_whitespace();
    let paths = words.filter(|word| word.starts_with('/'));
    paths.map(str::to_owned).collect()
}

fn copy(from: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    copy_program(from, to);
}

pub fn run(command: &Command, dir: &Path, fault: Option<(&Call, Action)>) -> Trace {
    let file = |name: &str| {
        let mut options = File::options();
        options.create(true).append(true).read(true);
        options.open(dir.join(name)).unwrap().into()
    };
    trace(Task {
        command,
        stdio: [file("in"), file("out"), file("err")],
        program: "bin/busybox",
        others: "no other program",
        also: None,
        fault,
        record: false,
    })
}

/// Looks at a process in the cgroups of `of` that stops after this call. `None`: it did not make the call this time. An error: the
/// command took too long.
fn stopped<T>(
    command: &Command,
    dir: &Path,
    of: &Container,
    call: &Call,
    look: impl FnOnce(u32) -> T,
) -> Result<Option<T>, String> {
    let (seen, found) = while_stopped(command, dir, of, call, |pid| {
        let looked = look(pid);
        signal(pid, Signal::CONT);
        (pid, looked)
    });
    if let Some(hung) = seen.hung {
        if let Some((pid, _)) = found {
            kill(pid);
            wait_gone(pid);
        }
        return Err(hung);
    }
    assert_eq!(seen.code, 0, "{call:?}");
    Ok(found.map(|(_, looked)| looked))
}

/// What the command did, and what came of `meanwhile`, if a process in the cgroups of `of` stopped after this call: then it has the
/// process, and lets it go on.
pub fn while_stopped<T>(
    command: &Command,
    dir: &Path,
    of: &Container,
    call: &Call,
    meanwhile: impl FnOnce(u32) -> T,
) -> (Trace, Option<T>) {
    std::thread::scope(|scope| {
        let tracing = scope.spawn(|| run(command, dir, Some((call, Action::Stop))));
        let is_stopped = |pid: &u32| proc_status(*pid, "State").is_some_and(|s| s.starts_with('T'));
        let mut found = None;
        assert!(wait_until(|| {
            found = pids_of_cgroup(&of.id).into_iter().find(is_stopped);
            found.is_some() || tracing.is_finished()
        }));
        let done = found.map(meanwhile);
        (tracing.join().unwrap(), done)
    })
}

/// `exec` into the spy's own container: what it gets of a process that has joined its namespaces, or hides before.
fn of_exec(spy: &Spy, after: &str, least: u32) -> Vec<String> {
    let mut command = Command::new(spy.c.runtime.binary());
    command
        .arg("--root")
        .arg(spy.c.runtime.root())
        .args(["exec", &spy.c.id, "true"]);
    spy.sweep(&command, &spy.c, after, least)
}

/// Skips where there is nothing to be learnt.
macro_rules! need_ours {
    () => {
        need_root!();
        if !is_ours() {
            return skip(&this_test(), "runc's has thousands of calls, and others");
        }
    };
    (fast) => {
        need_ours!();
        if slow() > 1 {
            return skip(
                &this_test(),
                "a slow machine: the others say the same of its kernel",
            );
        }
    };
}

#[test]
fn execs_process() {
    need_ours!();
    let spy = Spy::new(Container::unsaved(), |_| {});
    let got = of_exec(&spy, "setns", 15);
    assert!(got.is_empty(), "{got:#?}");
}

/// Visible from its birth on.
#[test]
fn execs_process_in_the_hosts_pid_namespace() {
    need_ours!(fast);
    let spy = Spy::new(Container::unsaved(), |g| {
        g.without_namespace("pid");
    });
    let got = of_exec(&spy, "clone3", 25);
    spy.end();
    assert!(got.is_empty(), "{got:#?}");
}

#[test]
fn execs_process_of_another_user() {
    need_ours!(fast);
    let spy = Spy::new(Container::unsaved(), |g| {
        g.set("/process/user", json!({"uid": 1000, "gid": 1000}));
    });
    let got = of_exec(&spy, "setns", 15);
    assert!(got.is_empty(), "{got:#?}");
}

/// Root of a user namespace with CAP_SYS_PTRACE has that over the processes of the container alone.
#[test]
fn execs_process_by_root_of_a_user_namespace() {
    need_ours!();
    let spy = Spy::new(mapped(|_| {}), |g| {
        g.caps(&["CAP_SYS_PTRACE"]);
    });
    own(&spy.c);
    let got = of_exec(&spy, "setns", 15);
    assert!(got.is_empty(), "{got:#?}");
}

/// With CAP_SYS_PTRACE over the host's processes it may look, and nothing that it sees leads out.
#[test]
fn execs_process_by_who_may_look() {
    need_ours!(fast);
    let spy = Spy::new(Container::unsaved(), |g| {
        g.caps(&["CAP_SYS_PTRACE"]);
    });
    // It may, and is held no longer for it.
    std::fs::remove_file(spy.c.bundle.rootfs("/bin/strace")).unwrap();
    let got = of_exec(&spy, "setns", 15);
    assert!(got.iter().any(|line| line.contains("link exe")), "{got:#?}");
    let leads_out = |line: &&String| {
        let words: Vec<&str> = line.split(": ").nth(1).unwrap().split(' ').collect();
        match words[0] {
            // The caller's streams are to be the program's.
            "written" => !["/in", "/out", "/err"]
                .iter()
                .any(|name| line.ends_with(name)),
            "environ" => words.len() > 1,
            "directory" | "other" => true,
            _ => false,
        }
    };
    let out: Vec<_> = got.iter().filter(leads_out).collect();
    assert!(out.is_empty(), "{out:#?}");
}

/// `run` of a container in the spy's namespaces of these kinds: what it gets of init.
fn of_init(spy: &Spy, c: Container, kinds: &[(&str, &str)], least: u32) -> Vec<String> {
    let pid = spy.c.pid();
    let c = c.with_config(|g| {
        for (kind, link) in kinds {
            g.without_namespace(kind);
            let path = format!("/proc/{pid}/ns/{link}");
            g.push("/linux/namespaces", json!({"type": kind, "path": path}));
        }
    });
    let mut command = Command::new(c.runtime.binary());
    command.arg("--root").arg(c.runtime.root()).args([
        "run",
        "--bundle",
        c.bundle.path().to_str().unwrap(),
        &c.id,
    ]);
    spy.sweep(&command, &c, "clone3", least)
}

#[test]
fn init_in_anothers_pid_namespace() {
    need_ours!(fast);
    let spy = Spy::new(Container::unsaved(), |_| {});
    let got = of_init(&spy, Container::unsaved(), &[("pid", "pid")], 30);
    spy.end();
    assert!(got.is_empty(), "{got:#?}");
}

/// A pod with a user namespace, in which one container has CAP_SYS_PTRACE.
#[test]
fn init_in_anothers_user_and_pid_namespace() {
    need_ours!();
    let spy = Spy::new(mapped(|_| {}), |g| {
        g.caps(&["CAP_SYS_PTRACE"]);
    });
    let kinds = [("user", "user"), ("pid", "pid")];
    let got = of_init(&spy, mapped(|_| {}), &kinds, 30);
    spy.end();
    assert!(got.is_empty(), "{got:#?}");
}
