//! runc-rs: a low-level OCI container runtime for Linux.
//!
//! Data goes one way: config.json -> [`plan::Plan`] (made by `spec`) -> the handshake (`process`, over `sync-model`)
//! -> the kernel (`rootfs`, `cgroup`, `sys`).
//!
//! For who knows runc, and looks for:
//! - its commands: [`cli`] reads the line, [`container`] has a module for each, [`state`] the record that they share;
//! - the two halves of `run`: [`process::creator`] and [`process::init`]; of `exec`: [`process::exec`] and `process::init::exec`;
//! - the fifo: the start gate, [`process::gate`]; what passes between the halves: the crate `sync_model`, over [`process::wire`];
//! - the copied executable: [`process::spawn`] and [`sys::sealed_exe`]; `nsexec`: [`sys::clone`] and [`sys::sibling`];
//! - what the program is given before its execve: [`process::attrs`], [`seccomp`];
//! - [`rootfs`], [`cgroup`], [`hooks`], [`net`]; consoles: [`tty`]; signals of `run` in the foreground: [`foreground`]; systemd's
//!   `$NOTIFY_SOCKET`: [`notify`].

pub mod cgroup;
pub mod cli;
pub mod container;
pub mod explain;
pub mod foreground;
#[doc(hidden)]
pub mod fuzzing;
pub mod hooks;
pub mod log;
pub mod net;
pub mod notify;
pub mod plan;
pub mod process;
pub mod rootfs;
pub mod seccomp;
pub mod spec;
pub mod state;
pub mod sys;
#[cfg(test)]
mod testing;
pub mod tty;

/// The program: what `main` does. Ends the process.
pub fn entry() -> ! {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "init")
    {
        std::process::exit(process::init::main());
    }
    if let Err(error) = sys::open_standard_streams() {
        log::fatal(&error.to_string());
        std::process::exit(1);
    }
    // std::process::exit flushes what is printed.
    std::process::exit(cli::main(std::env::args_os()))
}
