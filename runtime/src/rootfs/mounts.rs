//! The entries of `mounts`, in order.
//!
//! A filesystem is mounted by mount(2) on `.`, its mount point having been opened below the root and made the current directory: two calls
//! besides the mount itself, and nothing can be swapped in between. Mount points that are missing in a tmpfs of ours (/dev/pts, /dev/shm) are
//! cheaper still: that tmpfs is in nobody's reach yet, so the name just made is used as it is.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::stat::SFlag;

use super::cgroup_mount::{CgroupView, mount_cgroup};
use super::error::{Error, MountError};
use super::path::{Make, Root, split};
use super::{bind, copyup, proc};
use crate::plan::{MountKind, MountPlan};
use crate::sys::path as fs;
use crate::sys::{self, mount};

/// The root while its mounts are being made.
pub struct Builder<'a> {
    root: &'a Root,
    /// Filesystems of our own making in which nobody else can put anything, topmost last.
    fresh: Vec<Fresh>,
    /// Which of them is the current directory.
    here: Option<String>,
    /// `linux.mountLabel`
    label: &'a str,
}

struct Fresh {
    dest: String,
    /// Its root, once it was needed.
    fd: Option<OwnedFd>,
}

impl<'a> Builder<'a> {
    /// Starts with nothing mounted.
    pub fn new(root: &'a Root) -> Self {
        Self {
            root,
            fresh: Vec::new(),
            here: None,
            label: "",
        }
    }

    /// New filesystems get this SELinux label (empty: none).
    pub fn labelled(mut self, label: &'a str) -> Self {
        self.label = label;
        self
    }

    /// The container's root.
    pub fn root(&self) -> &'a Root {
        self.root
    }

    /// Carries out one entry.
    pub fn mount(
        &mut self,
        plan: &MountPlan,
        cgroups: &CgroupView,
        opened: Option<OwnedFd>,
    ) -> Result<(), Error> {
        let (source, done) = match &plan.kind {
            MountKind::Bind { source, recursive } => {
                self.forget(&plan.destination);
                (
                    source.as_str(),
                    bind::bind(self.root, plan, source, *recursive, opened),
                )
            }
            MountKind::Filesystem { fstype, source } => {
                (source.as_str(), self.planned(plan, fstype, source))
            }
            MountKind::Cgroup => ("cgroup", mount_cgroup(self, plan, cgroups)),
        };
        done.map_err(|cause| Error::Mount {
            source_name: source.to_owned(),
            destination: plan.destination.clone(),
            cause: cause.explained(&plan.kind),
        })
    }

    /// A filesystem of the config.
    fn planned(&mut self, plan: &MountPlan, fstype: &str, source: &str) -> Result<(), MountError> {
        let mut flags = plan.flags;
        if is_late_readonly(plan) {
            // Mount points, devices and copies are still to be made in it: `finish` makes it read-only.
            flags &= !libc::MS_RDONLY;
        }
        let covered = if plan.tmpcopyup && fstype == "tmpfs" {
            copyup::open(self.root, &plan.destination)?
        } else {
            None
        };
        self.filesystem(
            &plan.destination,
            fstype,
            source,
            flags,
            &plan.data,
            &plan.propagation,
        )?;
        if let Some(covered) = covered {
            let top = self.enter(&plan.destination)?;
            copyup::copy(covered, top.as_fd(), &plan.destination)?;
        }
        if plan.rec_attr_set != 0 || plan.rec_attr_clear != 0 {
            let top = self.root.find(&plan.destination)?;
            super::recursive_attrs(top.fd.as_fd(), plan, &plan.destination)?;
        }
        Ok(())
    }

    /// Mounts a filesystem on `dest`, which is made if it is missing.
    pub fn filesystem(
        &mut self,
        dest: &str,
        fstype: &str,
        source: &str,
        flags: u64,
        data: &str,
        propagation: &[u64],
    ) -> Result<(), MountError> {
        self.forget(dest);
        let labelled = self.with_label(fstype, data);
        let data = labelled.as_deref().unwrap_or(data);
        if let Some(name) = self.new_name_in_fresh(dest)? {
            mount::mount(source, name, fstype, flags, data, dest)?;
        } else {
            let (target, made) = self.mount_point(dest, fstype)?;
            fs::chdir_fd(target.as_fd(), dest)?;
            self.here = None;
            let covered_mode = if fstype == "tmpfs" && !made {
                covered_mode(target.as_fd(), data, dest)?
            } else {
                None
            };
            let data = covered_mode.as_deref().unwrap_or(data);
            mount::mount(source, ".", fstype, flags, data, dest)?;
            self.root.done(target);
        }
        if fstype == "tmpfs" {
            self.fresh.push(Fresh {
                dest: dest.to_owned(),
                fd: None,
            });
        }
        if !propagation.is_empty() {
            let top = self.root.find(dest)?;
            super::propagate(top.fd.as_fd(), propagation, dest)?;
        }
        Ok(())
    }

    /// The data with `mountLabel`, for the filesystems that runc labels; the kernel's own have labels of their policy.
    fn with_label(&self, fstype: &str, data: &str) -> Option<String> {
        let own = matches!(fstype, "proc" | "sysfs" | "mqueue" | "cgroup" | "cgroup2");
        (!self.label.is_empty() && !own).then(|| context(self.label, data))
    }

    /// The directory to mount on, and whether it was made for that.
    fn mount_point(&self, dest: &str, fstype: &str) -> Result<(OwnedFd, bool), MountError> {
        proc::check_filesystem(dest, fstype)?;
        if matches!(fstype, "proc" | "sysfs") {
            // These must really be where they seem to be: what the runtime later writes below them depends on it.
            let dir = self
                .root
                .ensure_dir_plain(dest)
                .map_err(|error| match error.errno {
                    Errno::ELOOP | Errno::ENOTDIR => MountError::NotADirectory(fstype.to_owned()),
                    _ => error.into(),
                })?;
            return Ok((dir, false));
        }
        let target = self.root.ensure(dest, Make::Dir)?;
        proc::check_filesystem(&target.path, fstype)?;
        Ok((target.fd, target.made))
    }

    /// Makes `dest` in the fresh filesystem that is its parent, and that filesystem the current directory. `None`: no such parent, or the name exists.
    fn new_name_in_fresh<'d>(&mut self, dest: &'d str) -> sys::Result<Option<&'d str>> {
        let (parent, name) = split(dest);
        if !self.fresh.iter().any(|fresh| fresh.dest == parent) {
            return Ok(None);
        }
        self.enter_fresh(parent)?;
        match fs::mkdir_at(fs::HERE, name, 0o755, dest) {
            Ok(()) => Ok(Some(name)),
            Err(error) if error.errno == Errno::EEXIST => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the filesystem mounted on `dest` the current directory.
    fn enter_fresh(&mut self, dest: &str) -> sys::Result<()> {
        if self.here.as_deref() == Some(dest) {
            return Ok(());
        }
        let Some(fresh) = self.fresh.iter_mut().rfind(|fresh| fresh.dest == dest) else {
            return Ok(());
        };
        if fresh.fd.is_none() {
            fresh.fd = Some(self.root.find(dest)?.fd);
        }
        if let Some(fd) = &fresh.fd {
            fs::chdir_fd(fd.as_fd(), dest)?;
            self.here = Some(dest.to_owned());
        }
        Ok(())
    }

    /// Like [`Builder::enter_fresh`] for any directory, which is returned open.
    pub fn enter(&mut self, dest: &str) -> sys::Result<OwnedFd> {
        let top = self.root.find(dest)?;
        fs::chdir_fd(top.fd.as_fd(), dest)?;
        self.here = None;
        Ok(top.fd)
    }

    /// /dev, made if missing: that of the config's tmpfs, as a rule.
    pub fn dev(&mut self) -> sys::Result<OwnedFd> {
        if let Some(fd) = self
            .fresh
            .iter_mut()
            .rfind(|fresh| fresh.dest == "/dev")
            .and_then(|fresh| fresh.fd.take())
        {
            return Ok(fd);
        }
        let dev = self.root.ensure("/dev", Make::Dir)?;
        Ok(dev.fd)
    }

    /// `dest` is about to be covered: what was known about it and what is below it is no longer true.
    fn forget(&mut self, dest: &str) {
        let covered = |path: &str| {
            path.strip_prefix(dest)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.fresh.retain(|fresh| !covered(&fresh.dest));
        if self.here.as_deref().is_some_and(covered) {
            self.here = None;
        }
    }

    /// What was open is done with.
    pub fn finish(self) {
        for fd in self.fresh.into_iter().filter_map(|fresh| fresh.fd) {
            self.root.done(fd);
        }
    }
}

/// Data with the option that labels a whole filesystem. In quotes: categories are separated by commas.
pub fn context(label: &str, data: &str) -> String {
    if data.is_empty() {
        format!("context=\"{label}\"")
    } else {
        format!("{data},context=\"{label}\"")
    }
}

/// Is this mount made read-only only when everything in it is done?
pub fn is_late_readonly(plan: &MountPlan) -> bool {
    let tmpfs = matches!(&plan.kind, MountKind::Filesystem { fstype, .. } if fstype == "tmpfs");
    let dev = plan.destination == "/dev" && !matches!(plan.kind, MountKind::Bind { .. });
    plan.flags & libc::MS_RDONLY != 0 && (tmpfs || dev)
}

/// The data for a tmpfs that takes over the mode of the directory that it covers; `None` when the config has a mode.
fn covered_mode(target: BorrowedFd<'_>, data: &str, dest: &str) -> sys::Result<Option<String>> {
    if data.split(',').any(|option| option.starts_with("mode=")) {
        return Ok(None);
    }
    let mode = fs::stat_fd(target, dest)?.st_mode & !SFlag::S_IFMT.bits();
    Ok(Some(if data.is_empty() {
        format!("mode={mode:04o}")
    } else {
        format!("mode={mode:04o},{data}")
    }))
}
