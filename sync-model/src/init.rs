//! Init's side of `create` and `run`, up to the start gate.

use crate::machine::Machine;
use crate::table::machine;

/// The container's init, talking to its creator.
///
/// With `create` it ends with [`crate::Outcome::AtGate`]: init closes the wire, and the [`crate::Gate`] goes on. With
/// `run` the start comes over the wire itself, possibly queued behind `Run` already.
pub type Init<V = crate::variation::Lawful> = Machine<InitState, V>;

machine! {
    /// What init does or awaits.
    InitState = Init;

    awaits AwaitBootstrap "waits for its first orders, and with them for its id maps":
        recv [Bootstrap => AwaitConfig] send [];
    awaits AwaitConfig "waits for the plan":
        recv [Config if hooks => MountRootfs else BuildContainer] send [];
    acts MountRootfs "mounts, devices":
        recv [] send [Hooks => AwaitResume];
    awaits AwaitResume "waits for the prestart and createRuntime hooks":
        recv [Resume => BuildContainer] send [];
    acts BuildContainer "rootfs, createContainer hooks, pivot_root, masks, sysctl, labels":
        recv [] send [Ready => AwaitRun];
    awaits AwaitRun "waits until the state is durable":
        recv [Run if seccomp_fd => LoadSeccomp else DropPrivileges] send [];
    acts LoadSeccomp "capabilities, user, the seccomp filter with its listener":
        recv [] send [SeccompFd => AwaitSeccompFdTaken];
    awaits AwaitSeccompFdTaken "waits until the notify descriptor has its listener":
        recv [SeccompFdTaken => DropPrivileges] send [];
    acts DropPrivileges "capabilities, user":
        recv [] send [AtGate if start_on_wire => AwaitStart else AtGate];
    awaits AwaitStart "holds the start gate":
        recv [Start => AcceptStart, Abort => AcceptAbort] send [];
    acts AcceptStart "accepts the start":
        recv [] send [Starting => Execute];
    acts AcceptAbort "accepts the abort":
        recv [] send [Aborting => Aborted];
    acts Execute "startContainer hooks, seccomp filter, execve of the user's program":
        recv [] send [];
    ends AtGate "closes the wire, holds the start gate": recv [] send [];
    ends Aborted "leaves": recv [] send [];
}
