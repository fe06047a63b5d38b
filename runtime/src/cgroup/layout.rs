//! Which hierarchies this host has, and where we are in them.

use nix::fcntl::OFlag;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::error::{Error, Result};
use super::{file, mounts, parse};
use crate::sys::{self, close::Batch};

/// Where every distribution mounts them; runc knows no other place for v2 either.
pub(super) const ROOT: &str = "/sys/fs/cgroup";
const MEMBERSHIPS: &str = "/proc/self/cgroup";

/// v1 controllers that a container gets a group in, as runc; of named hierarchies only systemd's. Others are somebody
/// else's business.
const MANAGED: [&str; 15] = [
    "cpuset",
    "devices",
    "memory",
    "cpu",
    "cpuacct",
    "pids",
    "blkio",
    "hugetlb",
    "net_cls",
    "net_prio",
    "perf_event",
    "freezer",
    "rdma",
    "misc",
    "name=systemd",
];

/// How the hierarchies are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// v1 controllers only.
    V1,
    /// v1 controllers, and a v2 hierarchy on /sys/fs/cgroup/unified.
    Hybrid,
    /// One v2 hierarchy.
    V2,
}

/// One hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// "cpu,cpuacct", "name=systemd"; empty on v2.
    pub controllers: String,
    /// Where it is mounted.
    pub mount_point: String,
    /// Which of its directories is mounted there: not "/" in a container without its own cgroup namespace.
    pub mount_root: String,
    /// The group of this process. On v2 empty until [`super::CgroupPaths::plan`] wants to know.
    pub own: String,
}

/// All hierarchies that containers get a group in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Kind.
    pub mode: Mode,
    /// In the order of /proc/self/cgroup.
    pub hierarchies: Vec<Hierarchy>,
}

impl Layout {
    /// A host without cgroups.
    pub const fn none() -> Self {
        Self {
            mode: Mode::V1,
            hierarchies: Vec::new(),
        }
    }

    /// Looks. One call on v2; seven on v1 and hybrid with an ordinary mount table.
    ///
    /// # Errors
    /// [`Error::NotMounted`]; /proc unreadable or not as documented.
    pub fn detect() -> Result<Self> {
        let mut files = Batch::with_capacity(2);
        let mut hierarchies = managed_memberships(&mut files)?;
        // Where there is nothing but v2, what is mounted decides: a v1 host without controllers looks the same.
        if hierarchies.iter().all(|one| one.controllers.is_empty()) && is_v2(ROOT)? {
            return Ok(Self::v2());
        }
        mounts::locate(&mut hierarchies, &mut files)?;
        hierarchies.retain(|one| !one.mount_point.is_empty());
        let v2 = hierarchies.iter().any(|one| one.controllers.is_empty());
        match hierarchies.len() {
            // Somebody uses a v1 controller in a place of their own: it is listed, and not for containers.
            0 if is_v2(ROOT)? => Ok(Self::v2()),
            0 => Err(Error::NotMounted),
            // A tmpfs with nothing but a v2 hierarchy below it has no device controller, no freezer: not hybrid.
            1 if v2 => Err(Error::NotMounted),
            _ => Ok(Self {
                mode: if v2 { Mode::Hybrid } else { Mode::V1 },
                hierarchies,
            }),
        }
    }

    fn v2() -> Self {
        Self {
            mode: Mode::V2,
            hierarchies: vec![Hierarchy {
                controllers: String::new(),
                mount_point: ROOT.to_owned(),
                mount_root: "/".to_owned(),
                own: String::new(),
            }],
        }
    }
}

/// Is a v2 hierarchy mounted there?
fn is_v2(path: &str) -> Result<bool> {
    let there = statfs(path).map_err(|errno| sys::Error::new("statfs", path, errno))?;
    Ok(there.filesystem_type() == CGROUP2_SUPER_MAGIC)
}

/// The group of this process on v2.
pub(super) fn own_v2() -> Result<String> {
    let text = file::read_line(MEMBERSHIPS)?;
    let found = parse::memberships(text.as_bytes()).map_err(|why| malformed(MEMBERSHIPS, why))?;
    found
        .iter()
        .find(|one| one.id == 0)
        .map(|one| one.path.to_owned())
        .ok_or(Error::NotMounted)
}

/// Hierarchies of /proc/self/cgroup that we manage, not yet located.
fn managed_memberships(files: &mut Batch) -> Result<Vec<Hierarchy>> {
    let fd = file::open_file(MEMBERSHIPS, OFlag::O_RDONLY)?;
    let text = file::read_one(&fd, MEMBERSHIPS)?;
    files.push(fd);
    let found = parse::memberships(text.as_bytes()).map_err(|why| malformed(MEMBERSHIPS, why))?;
    Ok(found
        .iter()
        .filter(|one| {
            one.id == 0
                || one
                    .controllers
                    .split(',')
                    .any(|name| MANAGED.contains(&name))
        })
        .map(|one| Hierarchy {
            controllers: one.controllers.to_owned(),
            mount_point: String::new(),
            mount_root: String::new(),
            own: one.path.to_owned(),
        })
        .collect())
}

pub(super) fn malformed(file: &str, (line, what): parse::ParseError) -> Error {
    Error::Parse {
        file: file.to_owned(),
        line,
        what,
    }
}
