//! Is a record one of the model's runs? Every end of every connection is replayed, the two ends of one are compared, and
//! what the processes did is held against where their machines were.

use sync_model::creator::CreatorState;
use sync_model::exec::{ExecCreatorState, ExecInitState};
use sync_model::frame::FRAME_VERSION;
use sync_model::gate::{DeleterState, GateState, StarterState};
use sync_model::init::InitState;
use sync_model::table::States;
use sync_model::{Kind, Outcome};

use super::{Act, Channel, Clock, Origin, Passed, Record, Spoken, Walk, walk};

/// What is known of a command besides its record.
#[derive(Debug, Clone, Copy)]
pub struct Judgement<'a> {
    /// `run`, `create`, `start`, `delete`, `exec`, `exec-detach` (with a pid file), ...
    pub command: &'a str,
    /// Its exit code.
    pub code: i32,
    /// What it said on standard error.
    pub stderr: &'a str,
    /// The process and the name of the call that was broken, and whether it was killed there.
    pub broken: Option<(usize, &'a str, bool)>,
}

/// The command itself.
const COMMAND: usize = 0;

/// Calls by which a creator lets go of a failed init: if one of them is refused, init ends by itself (L2), and later.
const LETS_GO: [&str; 6] = [
    "pidfd_send_signal",
    "kill",
    "poll",
    "ppoll",
    "waitid",
    "wait4",
];

/// Calls by which init speaks: if one of them is refused it cannot say so.
const SPEAKS: [&str; 4] = ["sendto", "sendmsg", "write", "writev"];

/// Why the record is none of the model's runs; empty if it is one.
pub fn deviations(record: &Record, judgement: &Judgement<'_>) -> Vec<String> {
    let mut judge = Judge {
        record,
        judgement,
        found: Vec::new(),
    };
    judge.creator();
    judge.init();
    judge.gate();
    judge.clients();
    judge.pairs();
    judge.deaths();
    judge.found
}

struct Judge<'a> {
    record: &'a Record,
    judgement: &'a Judgement<'a>,
    found: Vec<String>,
}

/// An end that speaks the handshake, replayed.
struct Replayed {
    process: usize,
    spoken: Spoken,
    walk: Walk,
}

impl Judge<'_> {
    fn deviates(&mut self, why: impl Into<String>) {
        self.found.push(why.into());
    }

    fn breaks(&self, process: usize, calls: &[&str]) -> bool {
        let broken = self.judgement.broken;
        broken.is_some_and(|(by, call, _)| by == process && calls.contains(&call))
    }

    fn is_killed_by_us(&self, process: usize) -> bool {
        matches!(self.judgement.broken, Some((by, _, true)) if by == process)
    }

    /// By a signal, ours or another: which ones are in order is a question of its own.
    fn is_killed(&self, process: usize) -> bool {
        let end = self.record.end(process);
        self.is_killed_by_us(process) || matches!(end, Some((_, Act::Killed(_))))
    }

    fn is_broken(&self, process: usize) -> bool {
        matches!(self.judgement.broken, Some((by, ..)) if by == process)
    }

    fn replay<S: States>(&mut self, channel: &Channel) -> Option<Replayed> {
        let role = S::ROLE;
        let spoken = match Spoken::of(channel) {
            Ok(spoken) => spoken,
            Err(error) => {
                self.deviates(format!("{role}: {error}"));
                return None;
            }
        };
        match walk::<S>(&spoken) {
            Ok(walk) => Some(Replayed {
                process: channel.process,
                spoken,
                walk,
            }),
            Err(why) => {
                self.deviates(format!("{role}: {why}"));
                None
            }
        }
    }

    fn creator(&mut self) {
        let wires: Vec<&Channel> = ends(self.record, Origin::Pair).collect();
        if wires.len() > 1 {
            self.deviates(format!("{} wires", wires.len()));
        }
        let Some(wire) = wires.first().filter(|wire| wire.process == COMMAND) else {
            return;
        };
        let creator = match self.is_exec() {
            true => self.replay::<ExecCreatorState>(wire),
            false => self.replay::<CreatorState>(wire),
        };
        let Some(creator) = creator else {
            return;
        };
        // S2: twice, when it is begun and when init is known. An init that was quicker to fail is not spoken to at all.
        // Exec's pid file is there before its process may go on.
        let (last, needed, what) = match self.judgement.command {
            "exec" => (None, 0, ""),
            "exec-detach" => {
                let mut sent = creator.spoken.sent.iter();
                let run = sent.find(|(_, it)| it.kind() == Kind::Run);
                (run, 1, "exec: it says Run before its pid file is there")
            }
            _ => {
                let what = "creator: it speaks to init before its record is durable (S2)";
                (creator.spoken.sent.first(), 2, what)
            }
        };
        if let Some((said, _)) = last {
            let durable = (self.record.acts.iter())
                .filter(|(clock, by, act)| *by == COMMAND && *act == Act::Renamed && clock < said)
                .count();
            if durable < needed {
                self.deviates(what);
            }
        }
        self.reports("creator", &creator.walk);
        let executed = self.programs().next();
        let Judgement { command, code, .. } = *self.judgement;
        match (command, code) {
            ("create", 0) if creator.walk.outcome != Some(Outcome::Created) => {
                self.deviates(format!("creator: exit code 0 at {}", place(&creator.walk)))
            }
            ("run" | "exec" | "exec-detach", 0)
                if !creator.walk.is_at("AwaitExec") || executed.is_none() =>
            {
                self.deviates(format!("creator: exit code 0 at {}", place(&creator.walk)));
            }
            _ => {}
        }
        // The table's way to fail: init is killed and collected before the command ends.
        let Some(init) = self.init_process() else {
            return;
        };
        if code != 0
            && executed.is_none()
            && !self.is_killed(COMMAND)
            && !self.breaks(COMMAND, &LETS_GO)
        {
            match (self.record.end(init), self.record.end(COMMAND)) {
                (Some((init, _)), Some((command, _))) if init < command => {}
                (_, None) => {}
                _ => self.deviates(format!(
                    "creator: it fails at {} and leaves init alive",
                    place(&creator.walk)
                )),
            }
        }
    }

    fn is_exec(&self) -> bool {
        self.judgement.command.starts_with("exec")
    }

    /// S6: what init says is what the command says.
    fn reports(&mut self, role: &str, walk: &Walk) {
        let Some(Outcome::Failed(error)) = &walk.outcome else {
            return;
        };
        if self.judgement.code == 0 {
            self.deviates(format!("{role}: exit code 0 although init says: {error}"));
        }
        let cause = plain(&error.message);
        let cause = cause.lines().last().unwrap_or_default();
        if !self.is_broken(COMMAND) && !plain(self.judgement.stderr).contains(cause) {
            self.deviates(format!("{role}: it does not report init's words: {error}"));
        }
    }

    fn init_process(&self) -> Option<usize> {
        let acts = self.record.acts.iter();
        acts.filter(|(_, _, act)| *act == Act::BecameInit)
            .map(|(_, process, _)| *process)
            .next_back()
    }

    fn programs(&self) -> impl Iterator<Item = usize> + use<'_> {
        let acts = self.record.acts.iter();
        acts.filter(|(_, _, act)| *act == Act::BecameProgram)
            .map(|(_, process, _)| *process)
    }

    fn init(&mut self) {
        let record = self.record;
        let init = inits_wire(record).and_then(|wire| match self.is_exec() {
            true => self.replay::<ExecInitState>(wire),
            false => self.replay::<InitState>(wire),
        });
        let Some(init) = init else {
            return;
        };
        let (process, walk) = (init.process, &init.walk);
        let programs: Vec<usize> = self.programs().collect();
        if programs.contains(&process) {
            let mute = init.spoken.unheard || self.breaks(process, &SPEAKS);
            let started = walk.is_at("Execute") || mute && walk.is_at("AcceptStart");
            if !started && walk.outcome != Some(Outcome::AtGate) {
                self.deviates(format!("init: executes the program at {}", place(walk)));
            }
            return;
        }
        let Some((_, Act::Exited(code))) = record.end(process) else {
            return;
        };
        // The creator is gone (L2): it leaves, or has an error that nobody hears.
        if init.spoken.ended || init.spoken.unheard {
            return;
        }
        let fits = match &walk.outcome {
            Some(Outcome::Failed(_)) => code == 1,
            Some(Outcome::Aborted) => code == 0,
            // What happens at the gate is judged there.
            Some(_) => true,
            // The C library's start, and what is done before there is a wire, has no words.
            None if walk.is_at("AwaitBootstrap") => self.is_broken(process),
            None => self.breaks(process, &SPEAKS),
        };
        if !fits {
            self.deviates(format!(
                "init: exits with code {code} at {} without a word",
                place(walk)
            ));
        }
    }

    fn gate(&mut self) {
        let record = self.record;
        let mut accepted: Vec<Replayed> = Vec::new();
        let mut unanswered: Vec<usize> = Vec::new();
        for channel in ends(record, Origin::Accepted) {
            let Some(gate) = self.replay::<GateState>(channel) else {
                continue;
            };
            let mute = gate.spoken.unheard || self.breaks(gate.process, &SPEAKS);
            if mute
                && gate
                    .spoken
                    .received
                    .iter()
                    .any(|(_, it)| it.kind() == Kind::Start)
            {
                unanswered.push(gate.process);
            }
            let answers = |kind| gate.spoken.sent.iter().any(|(_, it)| it.kind() == kind);
            if answers(Kind::Starting) || answers(Kind::Aborting) {
                accepted.push(gate);
            }
        }
        if accepted.len() > 1 {
            self.deviates(format!("gate: {} requests are accepted", accepted.len()));
        }
        let wire = (record.channels.iter()).any(|it| it.origin == Origin::Inherited);
        for process in self.programs().collect::<Vec<_>>() {
            let started = accepted
                .iter()
                .any(|gate| gate.process == process && gate.walk.is_at("Execute"));
            // A request that was heard counts, whether its answer arrives or not.
            let started = started || unanswered.contains(&process);
            // With `run` the start comes over the wire, and is judged there.
            if !started && (!wire || self.judgement.command == "create") {
                self.deviates("gate: the program is executed without an accepted start (S1)");
            }
        }
        for gate in accepted {
            if let Some((_, Act::Exited(code))) = record.end(gate.process)
                && gate.walk.is_at("Execute")
                && !gate.spoken.unheard
                && !self.breaks(gate.process, &SPEAKS)
            {
                self.deviates(format!("gate: init exits with code {code} without a word"));
            }
        }
    }

    fn clients(&mut self) {
        let record = self.record;
        let Judgement { command, code, .. } = *self.judgement;
        let (mut started, mut asked) = (None, false);
        for channel in ends(record, Origin::Connected) {
            let first = Spoken::of(channel)
                .ok()
                .and_then(|spoken| spoken.sent.first().map(|(_, message)| message.kind()));
            if first.is_some_and(|first| (first == Kind::Start) != (command == "start")) {
                self.deviates(format!("{command}: it asks for another thing"));
            }
            if first == Some(Kind::Abort) {
                asked = self
                    .replay::<DeleterState>(channel)
                    .is_some_and(|deleter| !deleter.walk.is_at("AwaitAborting"));
                let unbroken = self.judgement.broken.is_none();
                if !asked && unbroken && self.judgement.code == 0 {
                    self.deviates("deleter: exit code 0 without an answer");
                }
            } else if let Some(starter) = self.replay::<StarterState>(channel) {
                self.reports("starter", &starter.walk);
                started = Some(starter.walk);
            }
        }
        if (command, code) == ("start", 0)
            && (!started.as_ref().is_some_and(|walk| walk.is_at("AwaitExec"))
                || self.programs().next().is_none())
        {
            let at = started.as_ref().map_or("nothing".to_owned(), place);
            self.deviates(format!("starter: exit code 0 at {at}"));
        }
        if asked && self.programs().next().is_some() {
            self.deviates("gate: the program is executed after an accepted abort");
        }
    }

    /// What one end has read the other has written.
    fn pairs(&mut self) {
        let record = self.record;
        let wires = ends(record, Origin::Pair).zip(inits_wire(record));
        let gates = ends(record, Origin::Connected).zip(ends(record, Origin::Accepted));
        for (one, other) in wires.chain(gates) {
            for (writer, reader) in [(one, other), (other, one)] {
                let written = bytes(writer, |it| match it {
                    Passed::Sent(bytes) => Some(bytes),
                    _ => None,
                });
                let read = bytes(reader, |it| match it {
                    Passed::Received(bytes) => Some(bytes),
                    _ => None,
                });
                // The last call of one that was killed was not seen to return.
                let killed = matches!(record.end(writer.process), Some((_, Act::Killed(_))));
                let common = written.len().min(read.len());
                if written[..common] != read[..common] || (read.len() > common && !killed) {
                    self.deviates(format!(
                        "{:?}: what was read is not what was written",
                        reader.origin
                    ));
                }
            }
        }
    }

    /// Nobody dies of a signal that was not sent on purpose.
    fn deaths(&mut self) {
        for (_, process, act) in &self.record.acts {
            // One that was broken may have ended so: the C library's start has no other way.
            let Act::Killed(signal) = act else { continue };
            if self.is_broken(*process) {
                continue;
            }
            if *signal != libc::SIGKILL || (*process == COMMAND && !self.is_killed_by_us(COMMAND)) {
                self.deviates(format!("process {process} is killed by signal {signal}"));
            }
        }
    }
}

/// Init's end of the wire. Exec's process may have handed it on: it is the last one's.
fn inits_wire(record: &Record) -> Option<&Channel> {
    let mut channels = record.channels.iter().rev();
    channels.find(|it| it.origin == Origin::Inherited)
}

/// The ends of this origin on which the handshake is spoken: other connections have other bytes, or none.
fn ends(record: &Record, origin: Origin) -> impl Iterator<Item = &Channel> {
    let channels = record.channels.iter();
    channels.filter(move |it| it.origin == origin && first_byte(it) == Some(FRAME_VERSION))
}

fn first_byte(channel: &Channel) -> Option<u8> {
    channel.log.iter().find_map(|(_, passed)| match passed {
        Passed::Sent(bytes) | Passed::Received(bytes) => bytes.first().copied(),
        _ => None,
    })
}

fn bytes<'a>(channel: &'a Channel, which: impl Fn(&'a Passed) -> Option<&'a Vec<u8>>) -> Vec<u8> {
    let log = channel.log.iter();
    log.filter_map(|(_, passed): &(Clock, Passed)| which(passed))
        .flatten()
        .copied()
        .collect()
}

/// Without what quoting in a log line adds.
fn plain(text: &str) -> String {
    text.replace(['\\', '"'], "")
}

fn place(walk: &Walk) -> String {
    match (&walk.state, &walk.outcome) {
        (Some(state), _) => state.name().to_owned(),
        (None, Some(outcome)) => format!("the end ({outcome})"),
        (None, None) => "nowhere".to_owned(),
    }
}
