//! For tests only: a body in a process with one thread, as init and the creator are. The test harness always has two.

use std::convert::Infallible;
use std::ffi::CString;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, fork};

/// Runs `body` in a fork of this process and wants it to return.
///
/// Only for a process in which no other thread is doing anything (see `testing::alone`): what another thread holds at the
/// fork stays held for ever in the child.
pub(crate) fn in_one_thread(body: impl FnOnce()) {
    // Not its exit status: some tests ignore SIGCHLD.
    let (mut read, mut write) = std::io::pipe().expect("a pipe");
    // SAFETY: the only other thread is the harness's, asleep until this one ends: it holds no lock that the body needs.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            drop(read);
            if catch_unwind(AssertUnwindSafe(body)).is_ok() {
                let _ = write.write_all(b"k");
            }
            // SAFETY: ends the process without running what the harness has registered for its own end.
            unsafe { libc::_exit(0) }
        }
        Ok(ForkResult::Parent { child }) => {
            drop(write);
            let mut word = String::new();
            let read = read.read_to_string(&mut word);
            let _ = waitpid(child, None);
            assert_eq!(
                (read.ok(), word.as_str()),
                (Some(1), "k"),
                "the body failed"
            );
        }
        Err(errno) => panic!("fork: {errno}"),
    }
}

/// Starts `args` as init becomes the user's program: in a session of its own if `before` makes one, with clean signals. Returns its pid.
///
/// Not std's `Command`: that one hands on the signal mask, as it is told to.
pub(crate) fn spawn(args: &[&str], before: impl FnOnce() -> super::Result<()>) -> i32 {
    // SAFETY: called in the one thread of `in_one_thread`.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { child }) => child.as_raw(),
        Err(errno) => panic!("fork: {errno}"),
        Ok(ForkResult::Child) => {
            let _ = catch_unwind(AssertUnwindSafe(|| -> Infallible {
                let args: Vec<_> = (args.iter().map(|arg| CString::new(*arg)))
                    .collect::<Result<_, _>>()
                    .expect("no NUL");
                before().expect("prepared");
                let status = super::status::Status::read().expect("/proc");
                super::signal::reset_for_exec(&status).expect("signals");
                nix::unistd::execvp(&args[0], &args).expect("a program")
            }));
            // SAFETY: as above.
            unsafe { libc::_exit(127) }
        }
    }
}
