//! The steps of init, as they are named in its errors.
//!
//! A number never changes its meaning: the `start` of one release may read the error of an init of another.

/// Makes [`Step`] with its numbers and names. The names lie in one string, not in an array of `&str`: a static-pie
/// binary relocates every pointer at each start, used or not.
macro_rules! steps {
    ($( $(#[$doc:meta])* $number:literal $step:ident $name:literal; )+) => {
        /// What init (or the creator's half that works for it) was doing when it failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Step { $( $(#[$doc])* $step = $number, )+ }

        impl Step {
            /// Every step, in the order of their numbers.
            pub const ALL: &'static [Step] = &[$( Step::$step, )+];

            const NAMES: &'static str = concat!($( $name, "\n", )+);
        }
    };
}

steps! {
    /// A number that this release does not know.
    0 Unknown "an unknown step";
    /// Reading the bootstrap message.
    1 Bootstrap "bootstrap";
    /// Joining or making namespaces.
    2 Namespaces "namespaces";
    /// Waiting for, and taking, the user and group mappings.
    3 IdMaps "id mappings";
    /// Reading the container's plan.
    4 Config "configuration";
    /// Loopback and the network devices.
    5 Network "network";
    /// Making the mount tree private, slave, ... before anything is mounted.
    6 RootfsPropagation "rootfs propagation";
    /// The mounts of the configuration.
    7 Mounts "mounts";
    /// Device nodes and the links beside them.
    8 Devices "devices";
    /// prestart and createRuntime hooks, run by the creator.
    9 CreateRuntimeHooks "createRuntime hooks";
    /// createContainer hooks.
    10 CreateContainerHooks "createContainer hooks";
    /// pivot_root, or what stands for it.
    11 PivotRoot "pivot_root";
    /// Read-only paths.
    12 ReadonlyPaths "read-only paths";
    /// Masked paths.
    13 MaskedPaths "masked paths";
    /// Kernel parameters.
    14 Sysctl "sysctl";
    /// Host and domain name.
    15 Hostname "hostname";
    /// AppArmor or SELinux labels.
    16 Labels "security labels";
    /// The terminal.
    17 Terminal "terminal";
    /// Resource limits.
    18 Rlimits "rlimits";
    /// oom_score_adj.
    19 OomScore "oom_score_adj";
    /// Scheduler, I/O priority, CPU affinity, memory policy.
    20 Scheduler "scheduler";
    /// no_new_privs.
    21 NoNewPrivileges "no_new_privs";
    /// Loading the seccomp filter.
    22 Seccomp "seccomp";
    /// Capability sets.
    23 Capabilities "capabilities";
    /// User, groups, umask.
    24 User "user";
    /// The working directory.
    25 Cwd "working directory";
    /// Closing what must not cross into the container.
    26 CloseDescriptors "closing descriptors";
    /// The start gate.
    27 Gate "start gate";
    /// startContainer hooks.
    28 StartContainerHooks "startContainer hooks";
    /// execve of the user's program.
    29 Exec "exec";
    /// Init found a fault in itself.
    30 Panic "internal error";
    /// Joining the cgroup, or its namespace.
    31 Cgroup "cgroup";
    /// Making the root read-only.
    32 ReadonlyRootfs "read-only rootfs";
    /// Personality of the process.
    33 Personality "personality";
    /// Session and kernel keyring.
    34 Keyring "session keyring";
    /// Talking to the other side.
    35 Handshake "handshake";
    /// Environment and home directory.
    36 Environment "environment";
    /// Standard input, output and error.
    37 Stdio "standard streams";
}

impl Step {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The step with this number; [`Step::Unknown`] where a newer release has more: the cause must not be lost
    /// for want of a name.
    pub fn from_number(number: u16) -> Step {
        Step::ALL
            .get(usize::from(number))
            .copied()
            .unwrap_or(Step::Unknown)
    }

    /// The name, as people read it.
    pub fn name(self) -> &'static str {
        Step::NAMES
            .lines()
            .nth(usize::from(self.number()))
            .unwrap_or("?")
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Step;

    /// `from_number` and `name` index by number: the list must be without a gap.
    #[test]
    fn numbers_are_dense_and_round_trip() {
        for (index, step) in Step::ALL.iter().enumerate() {
            assert_eq!(usize::from(step.number()), index);
            assert_eq!(Step::from_number(step.number()), *step);
            assert_ne!(step.name(), "?");
        }
        assert_eq!(Step::NAMES.lines().count(), Step::ALL.len());
        assert_eq!(Step::from_number(u16::MAX), Step::Unknown);
        assert_eq!(Step::Panic.name(), "internal error");
    }
}
