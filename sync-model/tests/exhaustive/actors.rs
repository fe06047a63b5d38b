//! Who is in the world, and what one search is about.

use sync_model::creator::CreatorState;
use sync_model::gate::{DeleterState, Gate, StarterState};
use sync_model::init::InitState;
use sync_model::lifecycle::Evidence;
use sync_model::msg::Features;
use sync_model::outcome::Death;
use sync_model::variation::Lawful;

use crate::kernel::{Cause, Wire};
use crate::port::Port;

/// A command besides the creator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    Start,
    Delete,
    ForceDelete,
    /// The last one: `delete --force` when all others have come to rest. Nobody kills it.
    Janitor,
    State,
}

/// What one search is about.
#[derive(Debug, Clone)]
pub struct Setup<V> {
    pub name: &'static str,
    pub rules: V,
    pub features: Features,
    pub clients: Vec<Command>,
    /// `run` queues its `Start` behind `Run`.
    pub queue_start: bool,
    /// `run --detach`.
    pub detach: bool,
    /// The container has its own pid namespace: its processes die with init.
    pub pid_ns: bool,
    /// Init is cloned into its cgroup (v2); else it is put there (v1).
    pub born_in_cgroup: bool,
    /// Init is born in a new user namespace: it waits for its maps before it executes itself.
    pub user_ns: bool,
    /// Units that fit on a wire before the writer must wait.
    pub room: usize,
    /// Pieces of an error before its last one.
    pub pieces: usize,
    /// Init has something to log, and whoever reads the log has stopped reading.
    pub log: bool,
    /// How many of them the killer may kill.
    pub kills: u8,
    pub faults: bool,
    pub stalls: bool,
    /// A program forks, pid numbers are used again, names are used again.
    pub reuse: bool,
    pub pause: bool,
    /// The commands begin only when `create` is over.
    pub late: bool,
}

impl<V> Setup<V> {
    /// The same with no rule bent.
    pub fn lawful(&self) -> Setup<Lawful> {
        Setup {
            name: self.name,
            rules: Lawful,
            features: self.features,
            clients: self.clients.clone(),
            queue_start: self.queue_start,
            detach: self.detach,
            pid_ns: self.pid_ns,
            born_in_cgroup: self.born_in_cgroup,
            user_ns: self.user_ns,
            room: self.room,
            pieces: self.pieces,
            log: self.log,
            kills: self.kills,
            faults: self.faults,
            stalls: self.stalls,
            reuse: self.reuse,
            pause: self.pause,
            late: self.late,
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Report {
    Success,
    /// Init's own words.
    Init(Cause),
    Died(Death),
    Own(Cause),
    Refused,
    /// The connection ended, and nothing else is known.
    Closed,
    Broken,
}

/// Where the creator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CreatorAt {
    MakeDir,
    Lock,
    WriteRecord,
    MakeGate,
    MakeCgroup,
    Clone,
    CloseEnds,
    WritePid,
    Join,
    MapIds,
    Talk,
    AwaitHook,
    AwaitAgent,
    Blocked,
    Created,
    Look,
    Kill,
    Reap,
    Poststart,
    Foreground,
    Relock,
    KillLeft,
    RemoveCgroup,
    RemoveRecord,
    RemoveDir,
    Left(Report),
    Dead,
}

/// A hook that the creator has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    None,
    /// Forked: it has copies of the creator's descriptors until its execve.
    Forked,
    Running,
    Stalled,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Creator<V> {
    pub at: CreatorAt,
    pub port: Port<CreatorState, V>,
    pub hook: Hook,
    /// Its own failure.
    pub own: Option<Cause>,
    pub report: Option<Report>,
}

/// Where init is, within its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InitAt {
    Talk,
    AwaitHook(u8),
    Stalled,
    Gate,
    Execute,
    Exit(i32),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Init<V> {
    pub rules: V,
    pub at: InitAt,
    pub port: Port<InitState, V>,
    pub gate: Gate<V>,
    /// A seccomp filter is loaded, which may kill it at its next call.
    pub filtered: bool,
    pub logged: bool,
    /// Which of its hooks have run.
    pub hooked: u8,
}

/// Where another command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAt {
    Idle,
    ReadLock,
    ReadRecord,
    ReadGate,
    ReadProcess,
    Knock,
    Talk,
    Poststart,
    Stalled,
    Kill,
    Lock,
    AwaitDeath,
    KillCgroup,
    RemoveCgroup,
    RemoveRecord,
    RemoveDir,
    Poststop,
    Left(Report),
    Dead,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Talk<V> {
    Nothing,
    Start(Port<StarterState, V>),
    Abort(Port<DeleterState, V>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Client<V> {
    pub at: ClientAt,
    pub seen: Evidence,
    pub talk: Talk<V>,
    pub wire: Wire,
    /// It looked a second time already.
    pub again: bool,
    pub thaw: bool,
    /// The cgroup's list had a child in it.
    pub listed: bool,
    /// The statuses that were true at some moment since it began to look.
    pub window: u8,
}
