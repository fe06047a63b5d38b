//! What can go wrong with the root filesystem. The texts begin as runc's do, and end in the kernel's words.

use nix::errno::Errno;

use crate::plan::MountKind;
use crate::sys;

/// A failure while making or entering the root filesystem. The text of the cause is part of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The root itself could not be prepared.
    #[error("error preparing rootfs: {0}")]
    Root(#[source] sys::Error),
    /// An entry of `mounts`.
    #[error("error mounting {source_name:?} to rootfs at {destination:?}: {cause}")]
    Mount {
        /// As the config has it.
        source_name: String,
        /// In the container.
        destination: String,
        /// Why.
        #[source]
        cause: MountError,
    },
    /// A device node, or the bind mount in its place.
    #[error("error creating device nodes: {path}: {cause}")]
    Device {
        /// In the container.
        path: String,
        /// Why.
        #[source]
        cause: sys::Error,
    },
    /// /dev/ptmx or one of the default links.
    #[error("error setting up /dev symlinks: {0}")]
    Links(#[source] sys::Error),
    /// The console on /dev/console.
    #[error("error setting up /dev/console: {0}")]
    Console(#[source] sys::Error),
    /// pivot_root, or what `--no-pivot` does instead.
    #[error("error jailing process inside rootfs: {0}")]
    Pivot(#[source] sys::Error),
    /// A standard stream that was the host's /dev/null.
    #[error("error reopening /dev/null inside container: {0}")]
    DevNull(#[source] sys::Error),
    /// `root.readonly`, or a mount that is made read-only last.
    #[error("error remounting {path} read-only: {cause}")]
    Readonly {
        /// In the container.
        path: String,
        /// Why.
        #[source]
        cause: sys::Error,
    },
    /// An entry of `linux.readonlyPaths`.
    #[error("can't make {path:?} read-only: {cause}")]
    ReadonlyPath {
        /// In the container.
        path: String,
        /// Why.
        #[source]
        cause: sys::Error,
    },
    /// An entry of `linux.maskedPaths`.
    #[error("can't mask path {path:?}: {cause}")]
    Mask {
        /// In the container.
        path: String,
        /// Why.
        #[source]
        cause: sys::Error,
    },
    /// The container's /dev/null is something else, so nothing can be masked with it.
    #[error("can't mask paths: the container's /dev/null is not the null device (1:3)")]
    NotNull,
}

/// Why one mount failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MountError {
    /// The kernel refused.
    #[error(transparent)]
    Sys(#[from] sys::Error),
    /// proc and sysfs: runc's text for a link or a file in the way.
    #[error("filesystem {0:?} must be mounted on ordinary directory")]
    NotADirectory(String),
    /// Something else than proc on /proc.
    #[error("{0:?} cannot be mounted because it is not of type proc")]
    NotProc(String),
    /// Below /proc, and not on the list.
    #[error("{0:?} cannot be mounted because it is inside /proc")]
    InsideProc(String),
    /// An id-mapped mount: the kernel says no more than EINVAL or EPERM.
    #[error(
        "{0}: it cannot be id-mapped (its filesystem does not support that, is of another user namespace, or it is an id-mapped mount already)"
    )]
    IdMap(#[source] sys::Error),
    /// The kernel refused, and why can be guessed.
    #[error("{0} ({1})")]
    Hint(#[source] sys::Error, &'static str),
    /// `type: cgroup`, and the creator found no hierarchy.
    #[error("no cgroup hierarchy is mounted on this host")]
    NoCgroup,
}

impl MountError {
    /// With what people get wrong in user namespaces (user_namespaces(7), mount_namespaces(7)), where the kernel gives one number for all
    /// of it.
    pub(super) fn explained(self, kind: &MountKind) -> Self {
        let Self::Sys(error) = self else { return self };
        let hint = match (kind, error.errno) {
            (MountKind::Filesystem { fstype, .. }, Errno::EPERM) => match fstype.as_str() {
                "sysfs" => {
                    "in a user namespace this needs a network namespace of the container's own; or bind /sys"
                }
                "proc" => {
                    "in a user namespace this needs a pid namespace of the container's own, and a /proc outside of which nothing is hidden"
                }
                "mqueue" => {
                    "in a user namespace this needs an ipc namespace of the container's own"
                }
                _ => "in a user namespace not every filesystem can be mounted",
            },
            (MountKind::Filesystem { fstype, .. }, Errno::EINVAL)
                if matches!(fstype.as_str(), "devpts" | "tmpfs") =>
            {
                "a wrong option; or a uid= or gid= that is not mapped in the user namespace"
            }
            (
                MountKind::Bind {
                    recursive: false, ..
                },
                Errno::EINVAL,
            ) if error.call == "open_tree" => {
                "in a user namespace what other mounts cover stays covered: use rbind"
            }
            _ => return Self::Sys(error),
        };
        Self::Hint(error, hint)
    }
}

/// Result of this module.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The error number behind it, where the kernel gave one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Root(e)
            | Self::Links(e)
            | Self::Console(e)
            | Self::Pivot(e)
            | Self::DevNull(e) => Some(e.errno),
            Self::Device { cause, .. }
            | Self::Readonly { cause, .. }
            | Self::ReadonlyPath { cause, .. }
            | Self::Mask { cause, .. } => Some(cause.errno),
            Self::Mount {
                cause: MountError::Sys(e) | MountError::IdMap(e) | MountError::Hint(e, _),
                ..
            } => Some(e.errno),
            Self::Mount { .. } | Self::NotNull => None,
        }
    }
}
