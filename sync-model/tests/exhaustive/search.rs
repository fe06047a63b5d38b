//! Breadth-first search over explicit states, and what is asked of the finished graph.
//!
//! States are compared whole (`Hash` + `Eq`, no hash compaction). A state is stored as a few numbers: each of its parts
//! (an actor, the kernel's tables) is kept once and named by its number.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::rc::Rc;

/// The properties of the design, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    S1,
    S2,
    S3,
    S4,
    S5,
    S6,
    S7,
    S8,
    S9,
    L1,
    L2,
    L3,
}

impl Property {
    pub const ALL: [Property; 12] = [
        Property::S1,
        Property::S2,
        Property::S3,
        Property::S4,
        Property::S5,
        Property::S6,
        Property::S7,
        Property::S8,
        Property::S9,
        Property::L1,
        Property::L2,
        Property::L3,
    ];
}

/// A property that does not hold, and how.
pub type Broken = (Property, &'static str);

/// One step, for the trace: who does what, about which message or cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    pub who: &'static str,
    pub what: &'static str,
    pub about: &'static str,
}

/// A step and the state that it leads to.
pub struct Next<W> {
    pub label: Label,
    /// Somebody who is able to go on does so. The rest are deaths, failures, stalls and commands that begin: they may
    /// happen, and need not.
    pub progress: bool,
    pub world: W,
}

/// Something that can be searched.
pub trait World: Clone + Eq {
    /// What never changes within one search.
    type Setup;
    /// The state as numbers.
    type Key: Copy + Eq + Hash;
    /// What the numbers mean.
    type Store: Default;

    fn pack(self, store: &mut Self::Store) -> Self::Key;
    fn unpack(key: &Self::Key, store: &Self::Store) -> Self;
    /// Every step that is possible here.
    fn steps(&self, setup: &Self::Setup, out: &mut Vec<Next<Self>>);
    /// Every property that one state can break.
    fn check(&self, setup: &Self::Setup) -> Result<(), Broken>;
    /// What must hold where nobody can go on by himself.
    fn check_at_rest(&self, setup: &Self::Setup) -> Result<(), Broken>;
}

/// Keeps each part once.
pub struct Parts<T> {
    numbers: HashMap<Rc<T>, u32, Fast>,
    parts: Vec<Rc<T>>,
}

impl<T> Default for Parts<T> {
    fn default() -> Parts<T> {
        Parts {
            numbers: HashMap::default(),
            parts: Vec::new(),
        }
    }
}

impl<T: Hash + Eq + Clone> Parts<T> {
    pub fn number(&mut self, part: T) -> u32 {
        if let Some(number) = self.numbers.get(&part) {
            return *number;
        }
        let number = u32::try_from(self.parts.len()).expect("fewer than 2^32 parts");
        let part = Rc::new(part);
        self.parts.push(Rc::clone(&part));
        self.numbers.insert(part, number);
        number
    }

    pub fn part(&self, number: u32) -> T {
        (*self.parts[number as usize]).clone()
    }
}

/// A quick hasher: multiply and rotate. Equality decides, so its quality only costs time.
#[derive(Default)]
pub struct FastHasher(u64);
pub type Fast = BuildHasherDefault<FastHasher>;

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, n: u8) {
        self.write_u64(u64::from(n));
    }
    fn write_u32(&mut self, n: u32) {
        self.write_u64(u64::from(n));
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }
}

/// What a search found.
pub struct Found {
    pub states: usize,
    pub transitions: usize,
    /// The first violation in breadth-first order, so with a shortest trace, one line a step.
    pub violation: Option<(Broken, Vec<String>)>,
}

/// Searches everything that can be reached from `start`, until something is broken.
pub fn search<W: World>(start: &W, setup: &W::Setup, most: usize) -> Found {
    let mut store = W::Store::default();
    let mut numbers: HashMap<W::Key, u32, Fast> = HashMap::default();
    let mut keys: Vec<W::Key> = Vec::new();
    let mut parents: Vec<u32> = Vec::new();
    // The steps of progress alone, for the cycles: those of state n end at ends[n].
    let (mut edges, mut ends): (Vec<u32>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut transitions = 0;
    let mut steps = Vec::new();

    let key = start.clone().pack(&mut store);
    numbers.insert(key, 0);
    keys.push(key);
    parents.push(0);

    let mut at = 0;
    while at < keys.len() {
        let world = W::unpack(&keys[at], &store);
        let broken = world.check(setup).err();
        steps.clear();
        world.steps(setup, &mut steps);
        let broken = broken.or_else(|| {
            let rests = !steps.iter().any(|next| next.progress);
            rests.then(|| world.check_at_rest(setup).err()).flatten()
        });
        if let Some(broken) = broken {
            let trace = trace::<W>(at, &keys, &parents, &store, setup);
            return Found {
                states: keys.len(),
                transitions,
                violation: Some((broken, trace)),
            };
        }
        transitions += steps.len();
        for next in steps.drain(..) {
            let key = next.world.pack(&mut store);
            let fresh = u32::try_from(keys.len()).expect("fewer than 2^32 states");
            let number = *numbers.entry(key).or_insert(fresh);
            if number == fresh {
                keys.push(key);
                parents.push(u32::try_from(at).expect("fewer than 2^32 states"));
            }
            if next.progress {
                edges.push(number);
            }
        }
        ends.push(edges.len());
        at += 1;
        assert!(
            keys.len() <= most,
            "more than {most} states: the bounds of this search are wrong"
        );
    }
    let violation = cycle(&edges, &ends).map(|state| {
        let mut lines = trace::<W>(state, &keys, &parents, &store, setup);
        lines.push("... and from here round and round, without an event to wait for".to_owned());
        (
            (Property::L3, "a cycle of steps without an end: a busy loop"),
            lines,
        )
    });
    Found {
        states: keys.len(),
        transitions,
        violation,
    }
}

/// A state from which the steps of progress lead round for ever, if there is one: what is left when states without
/// steps are taken away again and again. Where there is none, everybody's going on always comes to rest.
fn cycle(edges: &[u32], ends: &[usize]) -> Option<usize> {
    let states = ends.len();
    let mut ins = vec![0_u32; states + 1];
    for edge in edges {
        ins[*edge as usize] += 1;
    }
    let steps = |state: usize| &edges[if state == 0 { 0 } else { ends[state - 1] }..ends[state]];
    let mut free: Vec<usize> = (0..states).filter(|state| ins[*state] == 0).collect();
    let mut taken = vec![false; states];
    while let Some(state) = free.pop() {
        taken[state] = true;
        for to in steps(state) {
            ins[*to as usize] -= 1;
            if ins[*to as usize] == 0 {
                free.push(*to as usize);
            }
        }
    }
    (0..states).find(|state| !taken[*state])
}

fn trace<W: World>(
    to: usize,
    keys: &[W::Key],
    parents: &[u32],
    store: &W::Store,
    setup: &W::Setup,
) -> Vec<String> {
    let mut path = vec![to];
    while let Some(&last) = path.last() {
        if last == 0 {
            break;
        }
        path.push(parents[last] as usize);
    }
    path.reverse();
    let mut steps = Vec::new();
    path.windows(2)
        .map(|pair| {
            let (from, to) = (
                W::unpack(&keys[pair[0]], store),
                W::unpack(&keys[pair[1]], store),
            );
            steps.clear();
            from.steps(setup, &mut steps);
            match steps.iter().find(|next| next.world == to) {
                Some(Next { label, .. }) => {
                    format!("{:>9}  {} {}", label.who, label.what, label.about)
                }
                None => "?".to_owned(),
            }
        })
        .collect()
}
