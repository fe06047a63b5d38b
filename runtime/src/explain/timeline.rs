//! What both sides did, and when: the creator's states as they were, init's as the table says they must have been.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sync_model::init::InitState;
use sync_model::table::States;
use sync_model::{
    Bootstrap, Direction, Event, Features, Init, Kind, Level, Message, Role, Step, WireError,
};

/// One side of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `run` or `create`.
    Creator,
    /// The container's init.
    Init,
}

/// What a side did, up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doing {
    /// In the table's words.
    pub what: &'static str,
    /// For how long.
    pub time: Duration,
}

/// A message, with what went before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Since the start of the clock.
    pub at: Duration,
    /// Who spoke.
    pub sender: Side,
    /// What it is.
    pub kind: Kind,
    /// What the creator did until now.
    pub creator: Doing,
    /// What init did until now.
    pub init: Doing,
}

/// A finished stretch of one side, for the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Whose.
    pub side: Side,
    /// The table's words.
    pub what: &'static str,
    /// When it began.
    pub from: Duration,
    /// When it ended.
    pub to: Duration,
}

/// The conversation so far.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    features: Features,
    creator: (&'static str, Duration),
    init: Init,
    init_since: Duration,
    /// Sent to init while it was at something else; it reads them when it comes to it.
    queued: VecDeque<Kind>,
    /// For the trace.
    pub spans: Vec<Span>,
    /// For the trace: when, who, what.
    pub messages: Vec<(Duration, Side, Kind)>,
    /// For the trace: init's log lines.
    pub notes: Vec<(Duration, String)>,
}

impl Timeline {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            features: Features::NONE,
            creator: (first_doing(Role::Creator), Duration::ZERO),
            init: Init::new(),
            init_since: Duration::ZERO,
            queued: VecDeque::new(),
            spans: Vec::new(),
            messages: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// `None` for a log line: it is no step of the conversation.
    pub fn message(&mut self, event: &Event) -> Option<Entry> {
        if event.kind == Kind::Log {
            return None;
        }
        self.features = event.features;
        let at = self.start.elapsed();
        let sender = match event.direction {
            Direction::Send => Side::Creator,
            Direction::Receive => Side::Init,
        };
        let entry = Entry {
            at,
            sender,
            kind: event.kind,
            creator: Doing {
                what: self.creator.0,
                time: at.saturating_sub(self.creator.1),
            },
            init: Doing {
                what: doing(&self.init),
                time: at.saturating_sub(self.init_since),
            },
        };
        self.messages.push((at, sender, event.kind));
        let next = event.to.map_or("", |state| state.doing());
        self.span(Side::Creator, self.creator.0, self.creator.1, at);
        self.creator = (next, at);
        match sender {
            Side::Creator => self.queued.push_back(event.kind),
            Side::Init => self.init_speaks(event.kind, at),
        }
        self.init_reads(at);
        Some(entry)
    }

    /// A log line of init. Returns when.
    pub fn note(&mut self, text: &str) -> Duration {
        let at = self.start.elapsed();
        self.notes.push((at, text.to_owned()));
        at
    }

    /// After the last message.
    pub fn end(&mut self) -> Entry {
        let at = self.start.elapsed();
        let creator = Doing {
            what: self.creator.0,
            time: at.saturating_sub(self.creator.1),
        };
        let init = Doing {
            what: doing(&self.init),
            time: at.saturating_sub(self.init_since),
        };
        self.span(Side::Creator, creator.what, self.creator.1, at);
        self.span(Side::Init, init.what, self.init_since, at);
        Entry {
            at,
            sender: Side::Init,
            kind: Kind::Starting,
            creator,
            init,
        }
    }

    fn init_speaks(&mut self, kind: Kind, at: Duration) {
        let next = self.init.clone().send(&specimen(kind, self.features));
        self.init_becomes(next.ok(), at);
    }

    fn init_reads(&mut self, at: Duration) {
        while let Some(kind) = self.queued.front().copied() {
            match self.init.clone().receive(&specimen(kind, self.features)) {
                Ok(next) => {
                    self.queued.pop_front();
                    self.init_becomes(Some(next), at);
                }
                Err(_) => break,
            }
        }
    }

    fn init_becomes(&mut self, next: Option<Init>, at: Duration) {
        if let Some(next) = next {
            self.span(Side::Init, doing(&self.init), self.init_since, at);
            self.init = next;
            self.init_since = at;
        }
    }

    fn span(&mut self, side: Side, what: &'static str, from: Duration, to: Duration) {
        if !what.is_empty() {
            self.spans.push(Span {
                side,
                what,
                from,
                to,
            });
        }
    }
}

fn first_doing(role: Role) -> &'static str {
    role.states().next().map_or("", |state| state.doing())
}

fn doing(init: &Init) -> &'static str {
    match init.state() {
        Some(state) => InitState::id(state).doing(),
        None => "",
    }
}

/// Any message of this kind: the table looks at nothing else, but for the features of the bootstrap.
fn specimen(kind: Kind, features: Features) -> Message {
    match kind.bare() {
        Some(message) => message,
        None => match kind {
            Kind::Bootstrap => Message::Bootstrap(Bootstrap::new(features, Level::Info)),
            Kind::Config => Message::Config(Vec::new()),
            _ => Message::Error(WireError {
                step: Step::Unknown,
                errno: 0,
                path: String::new(),
                message: String::new(),
            }),
        },
    }
}
