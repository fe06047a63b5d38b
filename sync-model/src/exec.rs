//! Both sides of `exec`: the shorter conversation, without rootfs, hooks or gate.

use crate::machine::Machine;
use crate::table::machine;

/// `exec`, outside the container.
pub type ExecCreator<V = crate::variation::Lawful> = Machine<ExecCreatorState, V>;

/// The process that `exec` brings into the container.
pub type ExecInit<V = crate::variation::Lawful> = Machine<ExecInitState, V>;

machine! {
    /// What `exec` does or awaits.
    ExecCreatorState = ExecCreator;

    acts SendBootstrap "starts the process in the container's cgroup":
        recv [] send [Bootstrap => SendConfig];
    acts SendConfig "sends the process's plan":
        recv [] send [Config => AwaitReady];
    awaits AwaitReady "waits until the process is in the container":
        recv [Ready => Release] send [];
    acts Release "writes the pid file":
        recv [] send [Run if seccomp_fd => AwaitSeccompFd else AwaitStarting];
    awaits AwaitSeccompFd "waits for the seccomp notify descriptor":
        recv [SeccompFd => PassSeccompFd] send [];
    acts PassSeccompFd "hands the notify descriptor to its listener":
        recv [] send [SeccompFdTaken => AwaitStarting];
    awaits AwaitStarting "waits until the process has dropped its privileges":
        recv [Starting => AwaitExec] send [];
    awaits_exec AwaitExec "waits for execve, which closes the process's end of the wire":
        recv [] send [];
}

machine! {
    /// What exec's process does or awaits.
    ExecInitState = ExecInit;

    awaits AwaitBootstrap "joins the container's namespaces, waits for its first orders":
        recv [Bootstrap => AwaitConfig] send [];
    awaits AwaitConfig "waits for the plan":
        recv [Config => EnterContainer] send [];
    acts EnterContainer "terminal, labels, limits":
        recv [] send [Ready => AwaitRun];
    awaits AwaitRun "waits for leave to go on":
        recv [Run if seccomp_fd => LoadSeccomp else DropPrivileges] send [];
    acts LoadSeccomp "loads the seccomp filter with its listener":
        recv [] send [SeccompFd => AwaitSeccompFdTaken];
    awaits AwaitSeccompFdTaken "waits until the notify descriptor has its listener":
        recv [SeccompFdTaken => DropPrivileges] send [];
    acts DropPrivileges "no-new-privs, seccomp, capabilities, user":
        recv [] send [Starting => Execute];
    acts Execute "execve of the program":
        recv [] send [];
}
