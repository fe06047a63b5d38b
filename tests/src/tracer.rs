//! A small ptrace(2) tracer: follows a command and everybody it starts, up to the container's program, and breaks one
//! system call of one of them.
//!
//! Processes are known by the order of their birth: 0 is the command, for `run` and `create` 1 is init. A call is known by its name and
//! how many of that name the process has made, so that a loop which turns once more does not shift all that follows.
//!
//! A traced init differs from one that is not in one thing: the kernel spares the first process of a pid namespace its own
//! fatal faults while it is traced ([`Tracer::let_go`]).

use std::collections::{HashMap, HashSet};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use libseccomp::ScmpSyscall;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait, waitpid};

use crate::host::at_most;

/// How long a command may take.
pub fn limit() -> Duration {
    at_most(Duration::from_secs(5))
}

/// wait(2): every kind of child, and only this thread's.
const WAIT: u32 = 0x4000_0000 | 0x2000_0000;
/// `PTRACE_EVENT_EXEC`
const EVENT_EXEC: i32 = 4;
/// `PTRACE_EVENT_EXIT`
const EVENT_EXIT: i32 = 6;
/// `PTRACE_EVENT_STOP`
const EVENT_STOP: i32 = 128;

/// What happens in place of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL of the process.
    Kill,
    /// This errno.
    Errno(i32),
    /// Not in its place but after it: SIGSTOP, and nobody traces the process any more. Whoever may look into it can do so, until a
    /// SIGCONT.
    Stop,
}

impl Action {
    /// Can the kernel do this? Some calls have no error, and brk(2) one alone.
    pub fn is_possible(self, call: &Call) -> bool {
        match call.name.as_str() {
            "rt_sigreturn" | "exit" | "exit_group" | "umask" | "getpid" | "getppid" | "gettid"
            | "getuid" | "geteuid" | "getgid" | "getegid" | "set_tid_address" | "sched_yield"
            | "clock_gettime" => self == Self::Kill,
            "brk" => matches!(self, Self::Kill | Self::Errno(libc::ENOMEM)),
            _ => true,
        }
    }
}

/// A system call of a process.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// In the order of birth.
    pub process: usize,
    /// The kernel's name.
    pub name: String,
    /// Which of that name, from 1.
    pub nth: u32,
}

/// What is traced, and how far.
#[derive(Debug)]
pub struct Task<'a> {
    /// The command.
    pub command: &'a Command,
    /// Its standard streams.
    pub stdio: [Stdio; 3],
    /// End of the path of the container's program: its execution is counted.
    pub program: &'a str,
    /// End of the path of programs that are left alone: hooks.
    pub others: &'a str,
    /// A process to follow from the start, as number 1.
    pub also: Option<u32>,
    /// What is broken.
    pub fault: Option<(&'a Call, Action)>,
    /// Take down what passes; without it nobody is stopped at calls once the fault is over.
    pub record: bool,
}

/// What a traced command did.
#[derive(Debug, Default)]
pub struct Trace {
    /// Exit code of the command, or 128 + signal.
    pub code: i32,
    /// It did not end within [`limit`]: its processes then, and what they waited for.
    pub hung: Option<String>,
    /// The call that was to be broken was made.
    pub fired: bool,
    /// Every call, up to the container's program.
    pub calls: Vec<Call>,
    /// Every process that was followed.
    pub pids: Vec<u32>,
    /// How often the container's program was executed.
    pub executions: u32,
    /// What passed between them, and what they did.
    pub record: crate::conformance::Record,
}

#[derive(Debug, Default)]
struct Thread {
    process: usize,
    inside: bool,
    /// The answer to the call it is inside of.
    answer: Option<i32>,
    /// The first argument of the call it is inside of, which was replaced: the program counts on what is in its register.
    argument: Option<u64>,
}

struct Tracer<'a> {
    threads: HashMap<i32, Thread>,
    processes: HashMap<i32, usize>,
    /// Deaths of who was not known: a SIGKILL that meets a process at its birth may be told before the birth is.
    stillborn: HashSet<i32>,
    counts: HashMap<(usize, i64), u32>,
    names: HashMap<i64, String>,
    task: Task<'a>,
    booted: bool,
    leaving: bool,
    trace: Trace,
    recorder: crate::conformance::Recorder,
    alive: Arc<Mutex<Vec<i32>>>,
}

/// Runs the task's command to its end and breaks its fault.
pub fn trace(mut task: Task<'_>) -> Trace {
    let [stdin, stdout, stderr] = std::mem::replace(
        &mut task.stdio,
        [Stdio::null(), Stdio::null(), Stdio::null()],
    );
    // Stops itself: a process cannot ask to be traced between fork and execve without unsafe code.
    let mut child = Command::new(crate::find_busybox())
        .args(["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"])
        .arg(task.command.get_program())
        .args(task.command.get_args())
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .expect("spawn");
    let first = child.id().cast_signed();
    let pid = rustix::process::Pid::from_raw(first);
    waitpid(pid, WaitOptions::UNTRACED).expect("wait for the stop");
    let alive = Arc::new(Mutex::new(vec![]));
    let mut tracer = Tracer {
        threads: HashMap::new(),
        processes: HashMap::new(),
        stillborn: HashSet::new(),
        counts: HashMap::new(),
        names: HashMap::new(),
        task,
        booted: false,
        leaving: false,
        trace: Trace::default(),
        recorder: crate::conformance::Recorder::default(),
        alive: Arc::clone(&alive),
    };
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEEXEC;
    tracer.meet(first);
    ptrace::seize(Pid::from_raw(first), options | Options::PTRACE_O_EXITKILL).expect("seize");
    if let Some(other) = tracer.task.also {
        tracer.meet(other.cast_signed());
        let other = Pid::from_raw(other.cast_signed());
        // Its parent is this process, and a tracer that collects it would be a parent in a hurry: its death must tell the command
        // what it can. So it is let go right before.
        ptrace::seize(other, options | Options::PTRACE_O_TRACEEXIT).expect("seize init");
        ptrace::interrupt(other).expect("interrupt init");
    }
    let (done, over) = mpsc::channel::<()>();
    let watch = std::thread::spawn(move || {
        if over.recv_timeout(limit()) != Err(mpsc::RecvTimeoutError::Timeout) {
            return None;
        }
        let alive = alive.lock().expect("no panic").clone();
        let seen: String = alive.iter().map(|pid| describe(*pid)).collect();
        for pid in alive {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        Some(seen)
    });
    kill(Pid::from_raw(first), Signal::SIGCONT).expect("continue");
    while !tracer.threads.is_empty() {
        match wait(WaitOptions::from_bits_retain(WAIT)) {
            Ok(Some((pid, status))) => {
                tracer.on(pid.as_raw_nonzero().get(), status.as_raw(), first)
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            // No child of this thread is left, and it has no others.
            Err(_) => break,
        }
    }
    let _ = done.send(());
    tracer.trace.hung = watch.join().expect("the watch");
    // Reaped above: this only tells the standard library.
    let _ = child.try_wait();
    tracer.trace.record = tracer.recorder.take();
    tracer.trace
}

impl Tracer<'_> {
    fn meet(&mut self, tid: i32) {
        let tgid = crate::proc_status(tid.cast_unsigned(), "Tgid")
            .and_then(|text| text.parse().ok())
            .unwrap_or(tid);
        let next = self.processes.len();
        let process = *self.processes.entry(tgid).or_insert(next);
        if process == next {
            self.trace.pids.push(tgid.cast_unsigned());
            self.alive.lock().expect("no panic").push(tgid);
            self.recorder.born(process);
        }
        self.threads.insert(
            tid,
            Thread {
                process,
                ..Thread::default()
            },
        );
    }

    fn forget(&mut self, tid: i32) {
        self.threads.remove(&tid);
        self.alive
            .lock()
            .expect("no panic")
            .retain(|pid| *pid != tid);
    }

    fn on(&mut self, tid: i32, status: i32, first: i32) {
        let (low, high) = (status & 0x7f, (status >> 8) & 0xff);
        if low != 0x7f {
            if let Some(process) = self.processes.get(&tid) {
                self.recorder.ended(*process, status);
            }
            if !self.threads.contains_key(&tid) {
                self.stillborn.insert(tid);
            }
            self.forget(tid);
            if tid == first {
                self.trace.code = if low == 0 { high } else { 128 + low };
                self.leaving = true;
                for tid in self.threads.keys() {
                    let _ = ptrace::interrupt(Pid::from_raw(*tid));
                }
            }
            return;
        }
        if !self.threads.contains_key(&tid) {
            // It lives, whoever had its number before.
            self.stillborn.remove(&tid);
            self.meet(tid);
        }
        let pid = Pid::from_raw(tid);
        let event = status >> 16;
        let mut signal = None;
        if (1..=3).contains(&event) {
            // Known from here on: it may not have come to its first stop when its parent dies.
            let child = ptrace::getevent(pid)
                .ok()
                .and_then(|child| i32::try_from(child).ok());
            let unmet = |child: &i32| !self.threads.contains_key(child);
            if let Some(child) = child.filter(unmet)
                && !self.stillborn.remove(&child)
            {
                self.meet(child);
            }
        } else if event == EVENT_EXIT {
            let status = ptrace::getevent(pid).ok();
            let status = status.and_then(|status| i32::try_from(status).ok());
            return self.let_go(tid, status.unwrap_or(0), None);
        } else if high == 0x85 {
            self.call(tid);
        } else if event == EVENT_EXEC {
            self.booted = true;
            let exe = std::fs::read_link(format!("/proc/{tid}/exe")).unwrap_or_default();
            let is_program = exe.ends_with(self.task.program);
            if let Some(thread) = self.threads.get(&tid) {
                self.recorder.executed(thread.process, tid, is_program);
            }
            // The other threads of the process are gone.
            if is_program || exe.ends_with(self.task.others) {
                self.trace.executions += u32::from(is_program);
                self.forget(tid);
                let _ = ptrace::detach(pid, None);
                return;
            }
        } else if event == 0 {
            signal = Signal::try_from(high).ok();
            if tid != first && signal.is_some_and(is_fault) {
                return self.let_go(tid, high, signal);
            }
        }
        let pending = self
            .threads
            .get(&tid)
            .is_some_and(|thread| thread.answer.is_some() || thread.argument.is_some());
        if self.leaving && !pending && (event == EVENT_STOP || high == 0x85 || event == 0) {
            self.forget(tid);
            let _ = ptrace::detach(pid, signal);
            return;
        }
        if self.trace.fired && !pending && !self.task.record {
            let _ = ptrace::cont(pid, signal);
        } else {
            let _ = ptrace::syscall(pid, signal);
        }
    }

    /// It goes alone from here to its death.
    ///
    /// One that has a fault, such as of a C library that cannot start, must: while it is traced a namespace's first process does
    /// not die of it, but repeats it for ever (`force_sig_info_to_task`).
    fn let_go(&mut self, tid: i32, status: i32, signal: Option<Signal>) {
        if let Some(process) = self.processes.get(&tid) {
            self.recorder.ended(*process, status);
        }
        self.forget(tid);
        let _ = ptrace::detach(Pid::from_raw(tid), signal);
    }

    /// The entry to a system call, or its exit.
    fn call(&mut self, tid: i32) {
        let pid = Pid::from_raw(tid);
        let (Ok(mut registers), Some(thread)) = (ptrace::getregs(pid), self.threads.get_mut(&tid))
        else {
            return;
        };
        if thread.inside {
            thread.inside = false;
            if let Some(argument) = thread.argument.take() {
                registers.rdi = argument;
                let _ = ptrace::setregs(pid, registers);
            }
            if let Some(errno) = thread.answer.take() {
                if registers.orig_rax != u64::MAX {
                    let (process, registers) = (thread.process, &registers);
                    self.recorder.returned(process, tid, &registers.into());
                }
                registers.rax = i64::from(-errno).cast_unsigned();
                let _ = ptrace::setregs(pid, registers);
            } else {
                let (process, registers) = (thread.process, &registers);
                self.recorder.returned(process, tid, &registers.into());
            }
            return;
        }
        thread.inside = true;
        if !self.booted {
            return;
        }
        let number = registers.orig_rax.cast_signed();
        let process = thread.process;
        let nth = self.counts.entry((process, number)).or_default();
        *nth += 1;
        let name = self.names.entry(number).or_insert_with(|| {
            i32::try_from(number)
                .ok()
                .and_then(|number| ScmpSyscall::from(number).get_name().ok())
                .unwrap_or_else(|| number.to_string())
        });
        let call = Call {
            process,
            name: name.clone(),
            nth: *nth,
        };
        if let Some((wanted, action)) = self.task.fault
            && !self.trace.fired
            && *wanted == call
        {
            self.trace.fired = true;
            match action {
                // It is a signal that the kernel may not stop for once more, on the way to its end.
                Action::Kill if self.task.also.is_some_and(|also| also.cast_signed() == tid) => {
                    self.trace.calls.push(call);
                    return self.let_go(tid, libc::SIGKILL, Some(Signal::SIGKILL));
                }
                Action::Kill => {
                    let _ = kill(pid, Signal::SIGKILL);
                }
                // It has no errno: one that fails says where the break still is, as one that only asks.
                Action::Errno(_) if call.name == "brk" => {
                    thread.argument = Some(std::mem::take(&mut registers.rdi));
                    let _ = ptrace::setregs(pid, registers);
                }
                // Whatever it returns, it has closed: close(2).
                Action::Errno(errno) if call.name == "close" => thread.answer = Some(errno),
                Action::Errno(errno) => {
                    thread.answer = Some(errno);
                    registers.orig_rax = u64::MAX;
                    let _ = ptrace::setregs(pid, registers);
                }
                Action::Stop => {
                    let _ = kill(pid, Signal::SIGSTOP);
                    self.trace.calls.push(call);
                    return self.let_go(tid, 0, None);
                }
            }
        }
        self.trace.calls.push(call);
    }
}

fn is_fault(signal: Signal) -> bool {
    matches!(
        signal,
        Signal::SIGSEGV | Signal::SIGBUS | Signal::SIGILL | Signal::SIGFPE
    )
}

/// A process, and where in the kernel it is.
fn describe(pid: i32) -> String {
    let read = |what: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        text.replace('\0', " ").trim().to_owned()
    };
    let state = crate::proc_status(pid.cast_unsigned(), "State").unwrap_or_default();
    format!(
        "  {pid} {} {state} wchan={} syscall={}\n",
        read("comm"),
        read("wchan"),
        read("syscall")
    )
}
