//! One container's world: who is in it, and what is possible next.

use sync_model::gate::Gate;
use sync_model::lifecycle::{Evidence, Record, Status};
use sync_model::msg::Features;
use sync_model::outcome::Death;

pub use crate::actors::*;
use crate::kernel::{CLIENT, CREATOR, Disk, HOOK, Holder, INIT, Kernel, Life, Wire};
use crate::port::Port;
use crate::rules::{Bend, Rules};
use crate::search::{self, Broken, Label, Next, Parts};
use crate::{client, creator, init, properties};

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World<V> {
    pub creator: Creator<V>,
    pub init: Init<V>,
    pub clients: Vec<Client<V>>,
    pub kernel: Kernel,
}

const NOTHING_SEEN: Evidence = Evidence {
    record: Record::Missing,
    creator_alive: false,
    init_alive: false,
    gate_held: false,
    frozen: false,
};

pub fn bit(index: usize) -> Holder {
    CLIENT << index
}

/// The status as a bit of a window; there is one more for "does not exist".
pub fn status_bit(status: Option<Status>) -> u8 {
    match status {
        None => 1,
        Some(Status::Creating) => 2,
        Some(Status::Created) => 4,
        Some(Status::Running) => 8,
        Some(Status::Paused) => 16,
        Some(Status::Stopped) => 32,
    }
}

impl<V: Rules> World<V> {
    pub fn nothing_seen() -> Evidence {
        NOTHING_SEEN
    }

    pub fn new(setup: &Setup<V>) -> World<V> {
        let rules = setup.rules;
        World {
            creator: Creator {
                at: CreatorAt::MakeDir,
                port: Port::new(rules),
                hook: Hook::None,
                own: None,
                report: None,
            },
            init: Init {
                rules,
                at: InitAt::Talk,
                port: Port::new(rules),
                gate: Gate::with_variation(rules),
                filtered: false,
                logged: false,
                hooked: 0,
            },
            clients: setup
                .clients
                .iter()
                .map(|_| Client {
                    at: ClientAt::Idle,
                    seen: NOTHING_SEEN,
                    talk: Talk::Nothing,
                    wire: Wire::default(),
                    again: false,
                    thaw: false,
                    listed: false,
                    window: 0,
                })
                .collect(),
            kernel: Kernel::new(),
        }
    }

    pub fn creator_works(&self) -> bool {
        !matches!(self.creator.at, CreatorAt::Left(_) | CreatorAt::Dead)
    }

    /// What the kernel and the directory say to one who asks about everything in one moment.
    pub fn evidence(&self, setup: &Setup<V>, me: Holder) -> Evidence {
        let kernel = &self.kernel;
        Evidence {
            record: self.record_seen(),
            creator_alive: kernel.lock & !me != 0,
            init_alive: self.init_seen_alive(setup),
            gate_held: self.gate_seen(setup),
            frozen: kernel.frozen,
        }
    }

    pub fn record_seen(&self) -> Record {
        match self.kernel.record {
            _ if !self.kernel.dir => Record::Missing,
            // A directory without a record is a container that is begun.
            Disk::Missing | Disk::WithoutInit => Record::WithoutInit,
            Disk::WithInit => Record::WithInit,
        }
    }

    pub fn init_seen_alive(&self, setup: &Setup<V>) -> bool {
        let kernel = &self.kernel;
        if kernel.record != Disk::WithInit {
            return false;
        }
        kernel.init_lives()
            || (kernel.init == Life::Exiting && setup.rules.bent(Bend::DyingIsAlive))
            || (kernel.number_reused && setup.rules.bent(Bend::PidAlone))
    }

    pub fn gate_seen(&self, setup: &Setup<V>) -> bool {
        if setup.rules.bent(Bend::StatusFromStarter) || setup.rules.bent(Bend::StatusBeforeStart) {
            return !self.kernel.stored_running;
        }
        self.kernel.gate != 0
    }

    /// The statuses that are true now.
    pub fn truth(&self) -> u8 {
        let kernel = &self.kernel;
        if !kernel.dir {
            return status_bit(None);
        }
        let at_work = status_bit(Some(Status::Creating));
        let stopped = status_bit(Some(Status::Stopped));
        match kernel.init {
            _ if kernel.record != Disk::WithInit => match self.creator.at {
                // Somebody else may be removing what its creator has left.
                CreatorAt::Left(_)
                | CreatorAt::Dead
                | CreatorAt::Foreground
                | CreatorAt::Relock
                    if kernel.lock == 0 =>
                {
                    stopped
                }
                CreatorAt::Foreground | CreatorAt::Relock => stopped | at_work,
                CreatorAt::Left(_) | CreatorAt::Dead => stopped | at_work,
                CreatorAt::Lock | CreatorAt::RemoveDir => stopped | at_work,
                _ => at_work,
            },
            Life::Unborn | Life::Exiting | Life::Zombie | Life::Reaped => stopped,
            // `create` has not finished, and init holds the gate already: a start may be queued there. Both is true, and a
            // dead creator's child may have copies of its lock for a moment.
            Life::PreExec | Life::Init if kernel.lock & (CREATOR | INIT | HOOK) != 0 => {
                at_work | status_bit(Some(Status::Created)) | status_bit(Some(Status::Paused))
            }
            _ if kernel.frozen => status_bit(Some(Status::Paused)),
            Life::PreExec | Life::Init => status_bit(Some(Status::Created)),
            Life::Program => status_bit(Some(Status::Running)),
        }
    }

    /// After each step: connections that init has closed by dying or by execve, and those who are looking.
    fn settle(&mut self) {
        let truth = self.truth();
        let gone = !matches!(self.kernel.init, Life::PreExec | Life::Init);
        for client in &mut self.clients {
            if gone {
                client.wire.inner = 0;
            }
            if client.wire.inner == 0 {
                client.wire.down.clear();
            }
            if client.wire.outer == 0 {
                client.wire.up.clear();
            }
            if client.window != 0 {
                client.window |= truth;
            }
        }
        self.kernel.settle();
    }
}

/// Collects the steps that are possible in one world.
pub struct Steps<'a, V> {
    pub world: &'a World<V>,
    pub setup: &'a Setup<V>,
    pub out: &'a mut Vec<Next<World<V>>>,
    pub who: &'static str,
}

impl<V: Rules> Steps<'_, V> {
    fn add(
        &mut self,
        progress: bool,
        what: &'static str,
        change: impl FnOnce(&mut World<V>) -> Option<&'static str>,
    ) {
        let mut world = self.world.clone();
        if let Some(about) = change(&mut world) {
            world.settle();
            let label = Label {
                who: self.who,
                what,
                about,
            };
            self.out.push(Next {
                label,
                progress,
                world,
            });
        }
    }

    /// A step of somebody who is able to go on.
    pub fn go(&mut self, what: &'static str, change: impl FnOnce(&mut World<V>)) {
        self.add(true, what, |world| {
            change(world);
            Some("")
        });
    }

    /// The same, if it is possible at all; it says about what it was.
    pub fn go_if(
        &mut self,
        what: &'static str,
        change: impl FnOnce(&mut World<V>) -> Option<&'static str>,
    ) {
        self.add(true, what, change);
    }

    /// Something that may happen, and need not.
    pub fn may(&mut self, allowed: bool, what: &'static str, change: impl FnOnce(&mut World<V>)) {
        if allowed {
            self.add(false, what, |world| {
                change(world);
                Some("")
            });
        }
    }
}

/// What is kept once of each part.
pub struct Store<V> {
    creators: Parts<Creator<V>>,
    inits: Parts<Init<V>>,
    clients: Parts<Client<V>>,
    kernels: Parts<Kernel>,
}

impl<V> Default for Store<V> {
    fn default() -> Store<V> {
        Store {
            creators: Parts::default(),
            inits: Parts::default(),
            clients: Parts::default(),
            kernels: Parts::default(),
        }
    }
}

/// The most clients that a world has.
const CLIENTS: usize = 6;

impl<V: Rules> search::World for World<V> {
    type Setup = Setup<V>;
    type Key = [u32; 3 + CLIENTS];
    type Store = Store<V>;

    fn pack(self, store: &mut Store<V>) -> Self::Key {
        let mut key = [u32::MAX; 3 + CLIENTS];
        key[0] = store.creators.number(self.creator);
        key[1] = store.inits.number(self.init);
        key[2] = store.kernels.number(self.kernel);
        for (place, client) in key[3..].iter_mut().zip(self.clients) {
            *place = store.clients.number(client);
        }
        key
    }

    fn unpack(key: &Self::Key, store: &Store<V>) -> World<V> {
        World {
            creator: store.creators.part(key[0]),
            init: store.inits.part(key[1]),
            kernel: store.kernels.part(key[2]),
            clients: key[3..]
                .iter()
                .take_while(|number| **number != u32::MAX)
                .map(|number| store.clients.part(*number))
                .collect(),
        }
    }

    fn steps(&self, setup: &Setup<V>, out: &mut Vec<Next<World<V>>>) {
        let mut steps = Steps {
            world: self,
            setup,
            out,
            who: "creator",
        };
        creator::steps(&mut steps);
        steps.who = "init";
        init::steps(&mut steps);
        for index in 0..self.clients.len() {
            steps.who = match (setup.clients[index], index) {
                (Command::Start, 0) => "start",
                (Command::Start, _) => "start'",
                (Command::Delete, _) => "delete",
                (Command::ForceDelete, _) => "delete -f",
                (Command::Janitor, _) => "janitor",
                (Command::State, _) => "state",
            };
            client::steps(&mut steps, index);
        }
        steps.who = "kernel";
        kernel_steps(&mut steps);
        // The janitor comes when all others have come to rest.
        if let Some(index) = setup
            .clients
            .iter()
            .position(|command| *command == Command::Janitor)
            && self.clients[index].at == ClientAt::Idle
            && !steps.out.iter().any(|next| next.progress)
        {
            steps.who = "janitor";
            steps.may(true, "begins", |world| {
                world.kernel.truth.closing = true;
                world.clients[index].at = ClientAt::ReadLock;
            });
        }
    }

    fn check(&self, setup: &Setup<V>) -> Result<(), Broken> {
        properties::always(self, setup)
    }

    fn check_at_rest(&self, setup: &Setup<V>) -> Result<(), Broken> {
        properties::at_rest(self, setup)
    }
}

/// What happens of itself, and who may be killed.
fn kernel_steps<V: Rules>(steps: &mut Steps<'_, V>) {
    let (world, setup) = (steps.world, steps.setup);
    let kernel = &world.kernel;
    match kernel.init {
        Life::Exiting => steps.go("init can be waited for", |world| {
            world.kernel.init = Life::Zombie;
            world.kernel.child &= !setup.pid_ns;
        }),
        Life::Zombie if !world.creator_works() => {
            steps.go("the host's reaper collects init", |world| {
                world.kernel.init = Life::Reaped
            });
        }
        Life::Reaped => steps.may(
            setup.reuse && !kernel.number_reused,
            "a foreign process gets init's number",
            |world| world.kernel.number_reused = true,
        ),
        Life::Program => {
            steps.may(true, "the program ends", |world| {
                world.kernel.die(Death::Exited(0))
            });
            let forks =
                setup.reuse && !kernel.child && !kernel.child_reused && kernel.init_in_cgroup;
            steps.may(forks, "the program forks a child", |world| {
                world.kernel.child = true
            });
        }
        _ => {}
    }
    steps.may(
        kernel.child && !kernel.truth.closing,
        "the child ends, and a foreign process gets its number",
        |world| {
            world.kernel.child = false;
            world.kernel.child_reused = true;
        },
    );
    let free = !kernel.dir && !world.creator_works() && !kernel.reborn && !kernel.truth.closing;
    steps.may(
        setup.reuse && free,
        "another container of this name is created",
        |world| {
            world.kernel.reborn = true;
        },
    );
    let freezes = setup.pause
        && !kernel.frozen
        && kernel.init_in_cgroup
        && matches!(kernel.init, Life::Init | Life::Program);
    let freezes = freezes && !kernel.truth.closing;
    steps.may(freezes, "somebody freezes the cgroup", |world| {
        world.kernel.frozen = true
    });
    if kernel.truth.killed >= setup.kills {
        return;
    }
    let working = world.creator_works();
    steps.who = "killer";
    steps.may(working, "SIGKILL to the creator", |world| {
        world.kernel.truth.killed += 1;
        world.kernel.close_all(CREATOR);
        // The dead have no memory: worlds that differ in it only are one.
        world.creator = Creator {
            at: CreatorAt::Dead,
            port: Port::new(setup.rules),
            hook: world.creator.hook,
            own: None,
            report: None,
        };
    });
    steps.may(
        kernel.init_lives() && !kernel.doomed,
        "SIGKILL to init",
        |world| {
            world.kernel.truth.killed += 1;
            world.kernel.kill_init();
        },
    );
    for index in 0..world.clients.len() {
        let at = world.clients[index].at;
        let alive = !matches!(at, ClientAt::Idle | ClientAt::Left(_) | ClientAt::Dead);
        let who = match setup.clients[index] {
            Command::Janitor | Command::State => continue,
            Command::Start => "SIGKILL to start",
            Command::Delete => "SIGKILL to delete",
            Command::ForceDelete => "SIGKILL to delete -f",
        };
        steps.may(alive, who, |world| {
            world.kernel.truth.killed += 1;
            client::leave(world, index, ClientAt::Dead);
        });
    }
}

/// A hook of the creator loses its copies of the creator's descriptors.
pub fn hook_executes<V: Rules>(world: &mut World<V>, rules: V) {
    let kept = world.kernel.wire.outer & HOOK;
    world.kernel.close_all(HOOK);
    if rules.bent(Bend::HookKeepsWire) {
        world.kernel.wire.outer |= kept;
    }
    world.creator.hook = Hook::Running;
}

/// Clone: init has copies of everything.
pub fn clone_init<V: Rules>(world: &mut World<V>, setup: &Setup<V>) {
    let kernel = &mut world.kernel;
    kernel.init = Life::PreExec;
    kernel.init_in_cgroup = setup.born_in_cgroup;
    kernel.gate |= INIT;
    kernel.lock |= INIT;
    kernel.wire = Wire {
        outer: CREATOR | INIT,
        inner: CREATOR | INIT,
        ..Wire::default()
    };
    if !setup.features.has(Features::START_ON_WIRE) {
        kernel.listener |= INIT;
    }
}
