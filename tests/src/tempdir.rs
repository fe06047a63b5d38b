//! Temporary directories that never delete through a mount.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::host::mounts_below;

/// A directory of this test, removed on drop.
#[derive(Debug)]
pub struct TempDir(PathBuf);

impl TempDir {
    /// A new empty directory, mode 0755 (a container's unprivileged user passes through it).
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let base = std::env::temp_dir()
            .canonicalize()
            .expect("TMPDIR must exist");
        let path = base.join(format!("rrt-{}-{n}-{name}", std::process::id()));
        std::fs::create_dir(&path).unwrap_or_else(|e| panic!("mkdir {path:?}: {e}"));
        Self(path)
    }

    /// Its absolute path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // A mount that leaked into this namespace may be a bind of the host's own files: detach first, and delete
        // nothing when that fails.
        for mount in mounts_below(&self.0).iter().rev() {
            if let Err(e) =
                rustix::mount::unmount(mount.as_path(), rustix::mount::UnmountFlags::DETACH)
            {
                eprintln!("umount {mount:?}: {e}; {:?} is left", self.0);
                return;
            }
        }
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            eprintln!("rm {:?}: {e}", self.0);
        }
    }
}
