//! Exec's process: `runc-rs init PRESERVED NAMESPACES`.
//!
//! It begins outside of the container, but for its cgroup. From before it joins the namespaces until the program's execve nobody
//! in them can look into it, unless they have CAP_SYS_PTRACE where the runtime's executable belongs to (CVE-2016-9962).

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use sync_model::{Driver, ExecInit, Features, Message, Step};

use super::failure::At;
use super::{End, end_of, exit_code, filter, flush, hand_over_notify, next, no_wire, send, tell};
use super::{log, privileges};
use crate::plan::Namespaces;
use crate::process::attrs;
use crate::process::birth::{Certificate, Stage};
use crate::process::exec::ExecConfig;
use crate::process::peer::INIT_NAME;
use crate::process::spawn::InitFds;
use crate::process::wire::Wire;
use crate::sys::creds;
use crate::sys::status::Status;
use crate::{sys, tty};

type Outside = Driver<Wire, sync_model::exec::ExecInitState>;

/// The process in the container, at the beginning of the handshake.
struct Inside {
    wire: OwnedFd,
    fds: InitFds,
    status: Status,
}

/// Returns only when the program is not executed.
pub(super) fn main(fds: InitFds, kinds: u64) -> i32 {
    if sys::fd::close_on_exec(fds.wire()).is_err() {
        return no_wire();
    }
    let wire = sys::fd::inherited(fds.wire());
    let failed = |wire: &OwnedFd, stage, error: &sys::Error| {
        let errno = error.errno as i32;
        let pid = 0;
        Certificate { stage, errno, pid }.say(wire);
        1
    };
    let status = match enter(fds, kinds) {
        Ok(status) => status,
        Err((stage, error)) => return failed(&wire, stage, &error),
    };
    let inside = Inside { wire, fds, status };
    if !Namespaces(kinds).has(Namespaces::PID) {
        return match born(0).say(&inside.wire) {
            true => converse(inside),
            false => 0,
        };
    }
    let wire = inside.wire.as_raw_fd();
    let (error, inside) = sys::sibling::go_on(wire, |pid| born(pid).encode(), inside, converse);
    failed(&inside.wire, Stage::Birth, &error)
}

fn born(pid: i32) -> Certificate {
    Certificate {
        stage: Stage::Born,
        errno: 0,
        pid,
    }
}

/// Into the namespaces of the container's init, all at once.
fn enter(fds: InitFds, kinds: u64) -> Result<Status, (Stage, sys::Error)> {
    let at = |stage| move |error| (stage, error);
    sys::hide().map_err(at(Stage::Prepare))?;
    sys::set_name(INIT_NAME).map_err(at(Stage::Prepare))?;
    // Of the host's /proc; what it says is asked for inside.
    let file = Status::open().map_err(at(Stage::Prepare))?;
    let init = sys::fd::inherited(fds.container_init());
    sys::namespace::enter_all(init.as_fd(), kinds).map_err(at(Stage::Join))?;
    let status = file.read().map_err(at(Stage::Prepare))?;
    if !Namespaces(kinds).has(Namespaces::USER) {
        return Ok(status);
    }
    // Where it is denied the groups stay, and whoever asks for others gets an error.
    let no_groups = creds::setgroups(&[]).is_ok();
    creds::setresgid(0).map_err(at(Stage::Root))?;
    creds::setresuid(0).map_err(at(Stage::Root))?;
    Ok(status.as_root(no_groups))
}

fn converse(inside: Inside) -> i32 {
    let Inside { wire, fds, status } = inside;
    let mut driver = Driver::new(Wire::from_init(wire), ExecInit::new(), ());
    let end = match talk(&mut driver, fds, &status) {
        Ok(mut exec) => {
            driver.transport().speak_plainly();
            let failure = exec.execute();
            end_of(tell(&mut driver, &failure), failure)
        }
        Err(End::Failed(failure)) => end_of(tell(&mut driver, &failure), failure),
        Err(end) => end,
    };
    exit_code(&end)
}

/// From `Bootstrap` to `Starting`.
fn talk(driver: &mut Outside, fds: InitFds, status: &Status) -> Result<privileges::Exec, End> {
    let Message::Bootstrap(bootstrap) = next(driver)? else {
        return Err(End::Left);
    };
    log::init(bootstrap.log_level, fds);
    let config = match next(driver)? {
        Message::Config(payload) => ExecConfig::decode(&payload).at(Step::Config)?,
        _ => return Err(End::Left),
    };
    prepare(&config, fds)?;
    send(driver, &Message::Ready)?;
    let filter = match next(driver)? {
        Message::Run(payload) => filter(&payload)?,
        _ => return Err(End::Left),
    };
    let mut exec = privileges::drop(&config.process, status, filter, config.may_setgroups)?;
    if bootstrap.features.has(Features::SECCOMP_FD) {
        hand_over_notify(driver, &mut exec)?;
    }
    send(driver, &Message::Starting)?;
    flush(driver)?;
    Ok(exec)
}

/// Terminal, labels, and how the kernel runs it. In runc's order.
fn prepare(config: &ExecConfig, fds: InitFds) -> Result<(), End> {
    let mut optional = fds.optional()..;
    let mut take = |present: bool| {
        present
            .then(|| optional.next().map(sys::fd::inherited))
            .flatten()
    };
    let console = take(config.console);
    let proc = take(config.proc);
    if !config.cpus.is_empty() {
        sys::execution::set_affinity(&config.cpus).at(Step::Scheduler)?;
    }
    let labels = attrs::labels::Labels::below(proc.as_ref().map(AsFd::as_fd));
    if let Some(id) = &config.keyring {
        // A keyring that is not there any more is made anew.
        let label = &config.execution.selinux_label;
        if !label.is_empty() {
            labels.of_keys(label).at(Step::Labels)?;
        }
        attrs::join_session_keyring(id).at(Step::Keyring)?;
        if !label.is_empty() {
            labels.of_keys("").at(Step::Labels)?;
        }
    }
    sys::setsid().at(Step::Terminal)?;
    if let Some(console) = console {
        let pty = tty::Pty::open(config.process.console_size).at(Step::Terminal)?;
        pty.send_master(&console).at(Step::Terminal)?;
        pty.become_console().at(Step::Terminal)?;
    }
    attrs::no_new_privileges(&config.process).at(Step::NoNewPrivileges)?;
    labels.on_exec(&config.execution).at(Step::Labels)?;
    attrs::execution::apply(&config.execution).at(Step::Scheduler)?;
    Ok(())
}
