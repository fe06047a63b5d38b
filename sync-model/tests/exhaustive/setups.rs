//! The configurations that are searched: each one goes through some of the actors' combinations completely.

use sync_model::msg::Features;

use crate::rules::Rules;
use crate::world::{Command, Setup};

use Command::{Delete, ForceDelete, Janitor, Start, State};

/// `create` of a container that asks for nothing, one `start`, and the janitor; everything may be killed or fail.
pub fn base<V: Rules>(rules: V) -> Setup<V> {
    Setup {
        name: "create, start",
        rules,
        features: Features::NONE,
        clients: vec![Start, Janitor],
        queue_start: false,
        detach: false,
        pid_ns: true,
        born_in_cgroup: false,
        user_ns: false,
        room: 2,
        pieces: 0,
        log: false,
        kills: 3,
        faults: true,
        stalls: true,
        reuse: false,
        pause: false,
        late: false,
    }
}

/// `run`, in the foreground, with its start queued behind `Run`.
pub fn run<V: Rules>(rules: V) -> Setup<V> {
    Setup {
        name: "run",
        features: Features::START_ON_WIRE,
        clients: vec![Janitor],
        queue_start: true,
        ..base(rules)
    }
}

/// Those of the ordinary test.
pub fn all<V: Rules>(rules: V) -> Vec<Setup<V>> {
    let every = Features::HOOKS.with(Features::SECCOMP_FD);
    let on_wire = Features::START_ON_WIRE;
    vec![
        base(rules),
        Setup {
            name: "create on cgroup v2; start, start'",
            clients: vec![Start, Start, Janitor],
            born_in_cgroup: true,
            kills: 1,
            faults: false,
            stalls: false,
            ..base(rules)
        },
        Setup {
            name: "create with id maps, hooks, seccomp agent; start",
            features: every,
            user_ns: true,
            ..base(rules)
        },
        Setup {
            name: "create; start, delete",
            clients: vec![Start, Delete, Janitor],
            kills: 1,
            stalls: false,
            faults: false,
            ..base(rules)
        },
        Setup {
            name: "create; start, delete -f",
            clients: vec![Start, ForceDelete, Janitor],
            kills: 1,
            stalls: false,
            faults: false,
            ..base(rules)
        },
        Setup {
            name: "create; start, state",
            clients: vec![Start, State, Janitor],
            kills: 1,
            stalls: false,
            faults: false,
            ..base(rules)
        },
        Setup {
            name: "create; delete -f, state",
            clients: vec![ForceDelete, State, Janitor],
            kills: 1,
            stalls: false,
            faults: false,
            ..base(rules)
        },
        Setup {
            name: "create without pid namespace; start, delete -f; pids and names used again",
            clients: vec![Start, ForceDelete, Janitor],
            pid_ns: false,
            reuse: true,
            faults: false,
            stalls: false,
            kills: 1,
            ..base(rules)
        },
        Setup {
            name: "create; start, delete -f; somebody freezes",
            clients: vec![Start, ForceDelete, Janitor],
            pause: true,
            stalls: false,
            faults: false,
            kills: 1,
            ..base(rules)
        },
        Setup {
            name: "create with id maps and hooks, errors larger than the wire, a stopped log reader",
            features: Features::HOOKS,
            user_ns: true,
            clients: vec![Start, Janitor],
            room: 1,
            pieces: 3,
            log: true,
            ..base(rules)
        },
        Setup {
            name: "create with hooks that may never end; delete -f",
            features: Features::HOOKS,
            clients: vec![ForceDelete, Janitor],
            faults: false,
            kills: 1,
            ..base(rules)
        },
        run(rules),
        Setup {
            name: "run with id maps, hooks, seccomp agent",
            user_ns: true,
            features: every.with(on_wire),
            ..run(rules)
        },
        Setup {
            name: "run, start not queued; delete, delete -f",
            clients: vec![Delete, ForceDelete, Janitor],
            queue_start: false,
            kills: 1,
            stalls: false,
            faults: false,
            ..run(rules)
        },
        Setup {
            name: "run with hooks; start, delete",
            features: Features::HOOKS.with(Features::START_ON_WIRE),
            clients: vec![Start, Delete, Janitor],
            kills: 1,
            stalls: false,
            faults: false,
            ..run(rules)
        },
        Setup {
            name: "run without pid namespace; delete -f; pids and names used again",
            clients: vec![ForceDelete, Janitor],
            pid_ns: false,
            reuse: true,
            ..run(rules)
        },
        Setup {
            name: "run with hooks, errors larger than the wire, a stopped log reader",
            features: Features::HOOKS.with(Features::START_ON_WIRE),
            room: 1,
            pieces: 3,
            log: true,
            ..run(rules)
        },
    ]
}

/// Those that take minutes.
pub fn large<V: Rules>(rules: V) -> Vec<Setup<V>> {
    vec![
        Setup {
            name: "create; start, start', start'', delete; no faults",
            clients: vec![Start, Start, Start, Delete, Janitor],
            faults: false,
            stalls: false,
            late: true,
            kills: 0,
            ..base(rules)
        },
        Setup {
            name: "create; delete, delete -f",
            clients: vec![Delete, ForceDelete, Janitor],
            kills: 1,
            stalls: false,
            faults: false,
            ..base(rules)
        },
        Setup {
            name: "create without pid namespace; start, delete; pids and names used again",
            clients: vec![Start, Delete, Janitor],
            pid_ns: false,
            reuse: true,
            faults: false,
            stalls: false,
            kills: 1,
            ..base(rules)
        },
        Setup {
            name: "create; start, state; somebody freezes",
            clients: vec![Start, State, Janitor],
            pause: true,
            stalls: false,
            faults: false,
            kills: 1,
            ..base(rules)
        },
        Setup {
            name: "run with hooks; delete -f, state",
            features: Features::HOOKS.with(Features::START_ON_WIRE),
            clients: vec![ForceDelete, State, Janitor],
            kills: 1,
            stalls: false,
            faults: false,
            ..run(rules)
        },
        Setup {
            name: "run --detach without pid namespace; delete, delete -f; pids and names used again",
            clients: vec![Delete, ForceDelete, Janitor],
            detach: true,
            pid_ns: false,
            reuse: true,
            kills: 1,
            stalls: false,
            faults: false,
            ..run(rules)
        },
        Setup {
            name: "create; start, delete, delete -f; no faults",
            clients: vec![Start, Delete, ForceDelete, Janitor],
            faults: false,
            stalls: false,
            late: true,
            kills: 1,
            ..base(rules)
        },
        Setup {
            name: "create; start, start', delete; no faults",
            clients: vec![Start, Start, Delete, Janitor],
            faults: false,
            stalls: false,
            late: true,
            kills: 1,
            ..base(rules)
        },
    ]
}
