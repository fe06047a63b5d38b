//! The creator's side of `create` and `run`.

use crate::machine::Machine;
use crate::table::machine;

/// The creator of a container.
///
/// It makes the state durable before it sends `Run` (S2), and it reports success only after `AtGate`: what follows
/// `Run` in init (seccomp, capabilities, the user) can fail too, and its end must not be taken for success (S6).
pub type Creator<V = crate::variation::Lawful> = Machine<CreatorState, V>;

machine! {
    /// What the creator does or awaits.
    CreatorState = Creator;

    acts SendBootstrap "makes cgroups and limits, starts init, records it, writes its id maps":
        recv [] send [Bootstrap => SendConfig];
    acts SendConfig "encodes the plan":
        recv [] send [Config if hooks => AwaitHooks else AwaitReady];
    awaits AwaitHooks "waits for the mounts":
        recv [Hooks => RunHooks] send [];
    acts RunHooks "runs the prestart and createRuntime hooks":
        recv [] send [Resume => AwaitReady];
    awaits AwaitReady "waits until the container is built":
        recv [Ready => SaveState] send [];
    acts SaveState "lets init go on (its record is durable)":
        recv [] send [Run if seccomp_fd => AwaitSeccompFd else AwaitAtGate];
    awaits AwaitSeccompFd "waits for the seccomp notify descriptor":
        recv [SeccompFd => PassSeccompFd] send [];
    acts PassSeccompFd "hands the notify descriptor to its listener":
        recv [] send [SeccompFdTaken => AwaitAtGate];
    awaits AwaitAtGate "waits until init has dropped its privileges":
        recv [AtGate if start_on_wire => SendStart else Created] send [Start if start_on_wire => AwaitAtGateStarted];
    awaits AwaitAtGateStarted "waits until init has dropped its privileges (the start is queued)":
        recv [AtGate => AwaitStarting] send [];
    acts SendStart "opens the start gate":
        recv [] send [Start => AwaitStarting, Abort => AwaitAborting];
    awaits AwaitStarting "waits until init accepts the start":
        recv [Starting => AwaitExec] send [];
    awaits_exec AwaitExec "waits for execve, which closes init's end of the wire":
        recv [] send [];
    awaits AwaitAborting "waits until init accepts the abort":
        recv [Aborting => AwaitExit] send [];
    awaits_exit AwaitExit "waits until init has left":
        recv [] send [];
    ends Created "leaves, the container is created": recv [] send [];
}
