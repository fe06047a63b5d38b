//! Where each hierarchy is mounted: the first place below /sys/fs/cgroup that can be reached.

use nix::fcntl::OFlag;

use super::error::Result;
use super::layout::{Hierarchy, ROOT, malformed};
use super::{file, parse};
use crate::sys::close::Batch;

const MOUNTS: &str = "/proc/self/mountinfo";

/// Finds the mount of each hierarchy, and stops reading the mount table when it has them all: the kernel makes the
/// table's text as it is read, and on a busy host most of it is containers' mounts behind the host's own.
pub(super) fn locate(hierarchies: &mut [Hierarchy], files: &mut Batch) -> Result<()> {
    let fd = file::open_file(MOUNTS, OFlag::O_RDONLY)?;
    let mut table = Table::default();
    let mut bytes = Vec::new();
    let mut done = 0;
    let mut number = 0;
    loop {
        let count = file::read_more(&fd, MOUNTS, &mut bytes)?;
        while let Some(length) = bytes[done..].iter().position(|&byte| byte == b'\n') {
            let line = &bytes[done..done + length];
            done += length + 1;
            number += 1;
            table.take(line, number, hierarchies)?;
        }
        if table.give(hierarchies) || count == 0 {
            break;
        }
    }
    files.push(fd);
    Ok(())
}

/// What the lines so far say of /sys/fs/cgroup.
#[derive(Debug, Default)]
struct Table {
    /// Every mount above it, on it and below it.
    mounts: Vec<Mount>,
    /// Those of hierarchies that we manage.
    places: Vec<Place>,
    /// Each hierarchy has a place.
    complete: bool,
}

#[derive(Debug)]
struct Mount {
    id: u32,
    parent: u32,
    point: Vec<u8>,
}

#[derive(Debug)]
struct Place {
    /// In the list of hierarchies.
    hierarchy: usize,
    /// In the list of mounts.
    mount: usize,
    point: String,
    root: String,
}

impl Table {
    fn take(&mut self, line: &[u8], number: usize, hierarchies: &[Hierarchy]) -> Result<()> {
        let malformed = |what| malformed(MOUNTS, (number, what));
        let mount = match parse::mount(line) {
            Ok(mount) => mount,
            // Somebody's file system, which writes its options as it likes: only what hides others is of interest here.
            Err(_) if self.complete => return Ok(()),
            Err(what) => return Err(malformed(what)),
        };
        let point = mount.mount_point;
        if !is_at_or_below(ROOT.as_bytes(), &point) && !is_at_or_below(&point, ROOT.as_bytes()) {
            return Ok(());
        }
        if mount.fstype == b"cgroup" || mount.fstype == b"cgroup2" {
            let text = |bytes| String::from_utf8(bytes).map_err(|_| malformed("not UTF-8"));
            let (point, root) = (text(point.clone())?, text(mount.root)?);
            let options = std::str::from_utf8(mount.super_options);
            let options = options.map_err(|_| malformed("not UTF-8"))?;
            let v2 = mount.fstype == b"cgroup2";
            if let Some(hierarchy) = which(&point, v2, options, hierarchies) {
                self.places.push(Place {
                    hierarchy,
                    mount: self.mounts.len(),
                    point,
                    root,
                });
                let has_place = |at| self.places.iter().any(|place| place.hierarchy == at);
                self.complete = (0..hierarchies.len()).all(has_place);
            }
        }
        self.mounts.push(Mount {
            id: mount.id,
            parent: mount.parent,
            point,
        });
        Ok(())
    }

    /// Gives each hierarchy its first place that nothing hides. Have all of them one?
    fn give(&mut self, hierarchies: &mut [Hierarchy]) -> bool {
        let mut all = self.complete;
        for (at, one) in hierarchies.iter_mut().enumerate() {
            let mut places = self.places.iter().filter(|place| place.hierarchy == at);
            match places.find(|place| !self.is_hidden(place.mount)) {
                Some(place) => {
                    one.mount_point.clone_from(&place.point);
                    one.mount_root.clone_from(&place.root);
                }
                None => {
                    one.mount_point.clear();
                    all = false;
                }
            }
        }
        all
    }

    /// Does the path of this mount lead to another one? To who is mounted on it, or at or above a place where the way to it leaves the
    /// mount that they are both mounted on.
    fn is_hidden(&self, mount: usize) -> bool {
        let Some(mut at) = self.mounts.get(mount) else {
            return false;
        };
        let on = |parent: &Mount, end: &[u8], strictly: bool| {
            let mut children = self.mounts.iter().filter(|it| it.parent == parent.id);
            children.any(|it| {
                let ends_here = it.point.len() == end.len();
                it.id != parent.id && is_at_or_below(&it.point, end) && !(strictly && ends_here)
            })
        };
        if on(at, &at.point, false) {
            return true;
        }
        // Not more steps than there are mounts, whatever the text says.
        for _ in &self.mounts {
            let is_parent = |it: &&Mount| it.id == at.parent && it.id != at.id;
            let Some(parent) = self.mounts.iter().find(is_parent) else {
                return false;
            };
            if on(parent, &at.point, true) {
                return true;
            }
            at = parent;
        }
        false
    }
}

/// Which of ours is mounted at `point`? As runc, only what is below /sys/fs/cgroup counts.
fn which(point: &str, v2: bool, options: &str, hierarchies: &[Hierarchy]) -> Option<usize> {
    let name = point.strip_prefix(ROOT)?.strip_prefix('/')?;
    if v2 && name != "unified" {
        return None;
    }
    hierarchies.iter().position(|one| {
        if v2 {
            return one.controllers.is_empty();
        }
        // "rw,xattr,name=systemd", "rw,cpu,cpuacct": the controllers are among the options.
        let first = one.controllers.split(',').next().unwrap_or_default();
        !first.is_empty() && options.split(',').any(|option| option == first)
    })
}

/// Is `path` at `above`, or below it?
fn is_at_or_below(above: &[u8], path: &[u8]) -> bool {
    let above = above.strip_suffix(b"/").unwrap_or(above);
    let rest = path.strip_prefix(above);
    rest.is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Where the memory hierarchy is, of a table of `ID PARENT ROOT POINT TYPE` lines.
    fn memory(table: &[&str]) -> Option<(String, String)> {
        let mut hierarchies = [Hierarchy {
            controllers: "memory".to_owned(),
            mount_point: String::new(),
            mount_root: String::new(),
            own: "/".to_owned(),
        }];
        let mut read = Table::default();
        for (index, line) in table.iter().enumerate() {
            let words: Vec<&str> = line.split(' ').collect();
            let [id, parent, root, point, fstype] = words[..] else {
                panic!("{line}");
            };
            let text = format!("{id} {parent} 0:1 {root} {point} rw - {fstype} none rw,memory");
            read.take(text.as_bytes(), index + 1, &hierarchies).unwrap();
        }
        let all = read.give(&mut hierarchies);
        let [memory] = hierarchies;
        all.then_some((memory.mount_point, memory.mount_root))
    }

    const HOST: [&str; 3] = [
        "20 1 / / ext4",
        "30 20 / /sys/fs/cgroup tmpfs",
        "31 30 / /sys/fs/cgroup/memory cgroup",
    ];

    fn with(more: &[&str]) -> Option<(String, String)> {
        memory(&[&HOST, more].concat())
    }

    fn at(point: &str, root: &str) -> Option<(String, String)> {
        Some((point.to_owned(), root.to_owned()))
    }

    #[test]
    fn the_first_that_nothing_hides() {
        let first = at("/sys/fs/cgroup/memory", "/");
        let second = at("/sys/fs/cgroup/second", "/x");
        assert_eq!(with(&[]), first);
        let again = "40 30 /x /sys/fs/cgroup/second cgroup";
        assert_eq!(with(&[again]), first);
        // Elsewhere, or below: it is not hidden.
        let others = [
            "40 20 / /system tmpfs",
            "41 31 / /sys/fs/cgroup/memory/x tmpfs",
        ];
        assert_eq!(with(&others), first);
        // On it.
        assert_eq!(with(&["39 31 / /sys/fs/cgroup/memory tmpfs"]), None);
        assert_eq!(
            with(&["39 31 / /sys/fs/cgroup/memory tmpfs", again]),
            second
        );
        // Above it, with another one in the new place or in the same.
        let above = "39 30 / /sys/fs/cgroup tmpfs";
        assert_eq!(with(&[above]), None);
        assert_eq!(with(&["40 20 / /sys tmpfs"]), None);
        let in_new = "40 39 /x /sys/fs/cgroup/second cgroup";
        assert_eq!(with(&[above, in_new]), second);
        let in_same = "40 39 /x /sys/fs/cgroup/memory cgroup";
        assert_eq!(with(&[above, in_same]), at("/sys/fs/cgroup/memory", "/x"));
        assert_eq!(with(&["39 20 / /sys/fs tmpfs", in_new]), second);
    }

    #[test]
    fn a_table_that_makes_no_sense_has_an_end() {
        let circle = ["2 3 / /sys tmpfs", "3 2 / /sys tmpfs"];
        memory(&[&circle[..], &["4 3 / /sys/fs/cgroup/memory cgroup"]].concat());
        memory(&["4 4 / /sys/fs/cgroup/memory cgroup"]).unwrap();
    }
}
