//! Numbers that a seed decides: a case is its seed.

/// splitmix64.
pub struct Random {
    state: u64,
    /// A case without what is meant to fail, so that the rest is seen.
    tame: bool,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut r = Self {
            state: seed,
            tame: false,
        };
        r.tame = r.chance(65);
        r
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n).expect("64 bits");
        usize::try_from(self.next() % n).expect("64 bits")
    }

    /// True in `percent` of 100 cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// What is odd: never in a tame case.
    pub fn odd(&mut self, percent: usize) -> bool {
        self.chance(percent) && !self.tame
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Up to `most` of them, the same one perhaps more than once.
    pub fn some<T: Clone>(&mut self, of: &[T], most: usize) -> Vec<T> {
        let n = self.below(most + 1);
        (0..n).map(|_| self.pick(of).clone()).collect()
    }

    /// Each of them in `percent` of 100 cases, in their order.
    pub fn each<T: Clone>(&mut self, of: &[T], percent: usize) -> Vec<T> {
        of.iter()
            .filter(|_| self.chance(percent))
            .cloned()
            .collect()
    }
}
