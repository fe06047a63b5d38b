//! The state directory: made exclusively, locked, and removed by name.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::dir::Dir as DirStream;
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, mkdir, unlinkat};

use super::{Error, Id, Record, Result};
use crate::notify;
use crate::process::gate;
use crate::spec::{self, ConfigFile};
use crate::sys::close::Batch;
use crate::sys::{self, lock};

/// The record's file in the directory.
const RECORD: &str = "state.json";
/// What becomes the record by rename.
const RECORD_TMP: &str = "state.json.tmp";
/// The config.json that the container was made of, for `exec`: the bundle's may be another by then.
const CONFIG: &str = "config.json";
/// What a finished container's directory always holds.
const USUAL: [&str; 3] = [gate::LOCK, RECORD, CONFIG];
/// What else this runtime puts into a state directory: `remove` removes nothing but these two lists, and what is `notify`'s.
const OTHERS: [&str; 2] = [gate::SOCKET, RECORD_TMP];
/// A record is a few KiB, but it holds the annotations of a config.json of at most 16 MiB, of which one byte may be six
/// in it ("\u0001"); more than this is not one. It is also the most that is written: what could not be read again could
/// not be deleted either.
const RECORD_MAX: u64 = 100 << 20;

/// The byte of the directory whose lock says that the creator lives.
const CREATOR: i64 = 0;

/// A state directory, open. Its creator's handle holds a lock of the directory itself as long as it is open: no file to
/// make, and who asks for it takes nothing that could stand in a creator's way.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
    root: PathBuf,
    id: Id,
    /// Records as written; closed together with this handle.
    written: RefCell<Batch>,
}

fn fail(what: &'static str, call: &'static str, path: &Path) -> impl FnOnce(Errno) -> Error {
    let object = path.display().to_string();
    move |errno| Error::Sys {
        what,
        source: sys::Error::new(call, object, errno),
    }
}

const DIRECTORY: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

impl Dir {
    /// Makes `<root>/<id>` (and the root, when missing) and locks it. mkdir(2) is the arbiter between two creators:
    /// the loser gets [`Error::Exists`].
    ///
    /// # Errors
    /// [`Error::Exists`]; a root or directory that cannot be made, opened or locked: it is removed again then.
    pub fn create_exclusive(root: &Path, id: &Id) -> Result<Self> {
        let path = root.join(id.as_str());
        let mode = Mode::from_bits_truncate(0o711);
        match mkdir(&path, mode) {
            Ok(()) => {}
            Err(Errno::EEXIST) => return Err(Error::Exists),
            Err(Errno::ENOENT) => {
                make_root(root).map_err(|error| no_root(root, sys::errno_of(&error)))?;
                match mkdir(&path, mode) {
                    Ok(()) => {}
                    Err(Errno::EEXIST) => return Err(Error::Exists),
                    Err(e) => {
                        return Err(fail("cannot make the state directory", "mkdir", &path)(e));
                    }
                }
            }
            Err(e) => return Err(fail("cannot make the state directory", "mkdir", &path)(e)),
        }
        // Another command may see the directory before the lock, and take the container for one whose creator died. If it
        // removes the directory, the first `write` fails, with nothing made yet.
        let dir = Self::open_path(root, id).inspect_err(|_| {
            // Nothing is in it yet.
            let _ = remove_dir(&path);
        })?;
        match lock::hold(dir.fd.as_fd(), CREATOR) {
            Ok(true) => Ok(dir),
            // Nobody takes it but creators, of which mkdir lets through one.
            Ok(false) => Err(Error::Locked(id.to_string())),
            Err(source) => {
                let what = "cannot lock the state directory";
                // Nothing is in it yet.
                let _ = remove_dir(&path);
                Err(Error::Sys { what, source })
            }
        }
    }

    /// Opens the state directory of an existing container, without the lock.
    ///
    /// # Errors
    /// [`Error::NotFound`]; a directory that cannot be opened.
    pub fn open(root: &Path, id: &Id) -> Result<Self> {
        Self::open_path(root, id)
    }

    fn open_path(root: &Path, id: &Id) -> Result<Self> {
        let path = root.join(id.as_str());
        match open(&path, DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Self {
                fd,
                root: root.to_owned(),
                id: id.clone(),
                written: RefCell::default(),
            }),
            Err(Errno::ENOENT) => Err(Error::NotFound),
            Err(e) => Err(fail("cannot open the state directory", "open", &path)(e)),
        }
    }

    /// The container's name.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The directory's absolute path.
    pub fn path(&self) -> PathBuf {
        self.root.join(self.id.as_str())
    }

    /// Does the creator live, and work on this container?
    ///
    /// # Errors
    /// That of fcntl(2).
    pub fn is_locked(&self) -> Result<bool> {
        lock::is_held(self.fd.as_fd(), CREATOR).map_err(|source| Error::Sys {
            what: "cannot ask for the state directory's lock",
            source,
        })
    }

    /// Keeps other deleters out as long as the guard lives; `None`: one is at work. (flock(2): it has nothing to do with
    /// the creator's lock.)
    ///
    /// # Errors
    /// That of flock(2).
    pub fn try_lock_for_removal(&self) -> Result<Option<Alone>> {
        let what = "cannot lock the state directory";
        let copy = self
            .fd
            .try_clone()
            .map_err(|e| fail(what, "fcntl", &self.path())(sys::errno_of(&e)))?;
        match Flock::lock(copy, FlockArg::LockExclusiveNonblock) {
            Ok(guard) => Ok(Some(Alone(Some(guard)))),
            Err((_, Errno::EWOULDBLOCK | Errno::EINTR)) => Ok(None),
            Err((_, errno)) => Err(fail(what, "flock", &self.path())(errno)),
        }
    }

    /// Is it removed? The path may be another container's by now.
    ///
    /// # Errors
    /// That of fstat(2).
    pub fn is_removed(&self) -> Result<bool> {
        fstat(&self.fd).map(|stat| stat.st_nlink == 0).map_err(fail(
            "cannot read the state directory",
            "fstat",
            &self.path(),
        ))
    }

    /// The directory's owner.
    ///
    /// # Errors
    /// That of fstat(2).
    pub fn owner(&self) -> Result<u32> {
        fstat(&self.fd).map(|s| s.st_uid).map_err(fail(
            "cannot read the state directory",
            "fstat",
            &self.path(),
        ))
    }

    /// Writes the record: all of it is there after a rename, or nothing has changed.
    ///
    /// # Errors
    /// `EFBIG`: larger than [`Self::read`] would take. Else that of the call, and the old record is there.
    pub fn write(&self, record: &Record) -> Result<()> {
        let path = self.path().join(RECORD_TMP);
        let what = "cannot write the container's record";
        let mut text = Vec::with_capacity(2048);
        serde_json::to_writer(&mut text, record).map_err(|e| Error::Junk {
            path: path.display().to_string(),
            reason: e.to_string(),
        })?;
        if text.len() as u64 > RECORD_MAX {
            return Err(fail(what, "write", &path)(Errno::EFBIG));
        }
        let flags = OFlag::O_WRONLY
            | OFlag::O_CREAT
            | OFlag::O_TRUNC
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let fd = openat(&self.fd, RECORD_TMP, flags, Mode::from_bits_truncate(0o600))
            .map_err(fail(what, "open", &path))?;
        let mut file = File::from(fd);
        let done = file.write_all(&text);
        self.written.borrow_mut().push(file.into());
        done.map_err(|e| fail(what, "write", &path)(sys::errno_of(&e)))?;
        renameat(&self.fd, RECORD_TMP, &self.fd, RECORD).map_err(fail(what, "rename", &path))
    }

    /// Reads the record. [`Error::NotFound`]: its creator never came to write it.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Junk`]: of another container or format, or no record at all.
    pub fn read(&self) -> Result<Record> {
        let path = self.path().join(RECORD);
        let what = "cannot read the container's record";
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = match openat(&self.fd, RECORD, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ENOENT) => return Err(Error::NotFound),
            Err(e) => return Err(fail(what, "open", &path)(e)),
        };
        let mut text = Vec::with_capacity(4096);
        File::from(fd)
            .take(RECORD_MAX + 1)
            .read_to_end(&mut text)
            .map_err(|e| fail(what, "read", &path)(sys::errno_of(&e)))?;
        let junk = |reason: String| Error::Junk {
            path: path.display().to_string(),
            reason,
        };
        if text.len() as u64 > RECORD_MAX {
            return Err(junk(format!("larger than {RECORD_MAX} bytes")));
        }
        let record: Record = serde_json::from_slice(&text).map_err(|e| junk(e.to_string()))?;
        if record.id != self.id.as_str() {
            return Err(junk(format!("it is of container {:?}", record.id)));
        }
        if record.runtime.version != Record::VERSION {
            return Err(junk(format!("format version {}", record.runtime.version)));
        }
        Ok(record)
    }

    /// Removes what this runtime put into the directory, then the directory. What somebody else put there stays, and
    /// is named by the error. Works on what a `remove` that died half-way left.
    ///
    /// # Errors
    /// `ENOTEMPTY`: something of somebody else is in it. Else that of the call.
    pub fn remove(&self) -> Result<()> {
        let path = self.path();
        self.unlink(&USUAL)?;
        let mut removed = remove_dir(&path);
        if removed == Err(Errno::ENOTEMPTY) {
            self.unlink(&OTHERS)?;
            removed = remove_dir(&path);
        }
        if removed == Err(Errno::ENOTEMPTY) {
            notify::remove_dir(self.fd.as_fd()).map_err(|source| Error::Sys {
                what: "cannot remove",
                source,
            })?;
            removed = remove_dir(&path);
        }
        removed.map_err(fail("cannot remove the state directory", "rmdir", &path))
    }

    /// Keeps a copy of config.json. The kernel copies it: a large one takes no memory of ours.
    ///
    /// # Errors
    /// That of making the file, or of copying to it.
    pub fn keep_config(&self, config: ConfigFile) -> Result<()> {
        let what = "cannot keep the container's config.json";
        let path = self.path().join(CONFIG);
        let flags = OFlag::O_WRONLY
            | OFlag::O_CREAT
            | OFlag::O_TRUNC
            | OFlag::O_NOFOLLOW
            | OFlag::O_CLOEXEC;
        let copy = openat(&self.fd, CONFIG, flags, Mode::from_bits_truncate(0o600))
            .map_err(fail(what, "open", &path))?;
        let done = sys::fd::copy(config.file.as_fd(), config.size, copy.as_fd());
        let mut written = self.written.borrow_mut();
        written.push(config.file);
        written.push(copy);
        done.map_err(|error| fail(what, error.call, &path)(error.errno))
    }

    /// The config.json that the container was made of.
    ///
    /// # Errors
    /// That of opening or reading it. [`Error::NotFound`]: it is being deleted.
    pub fn config(&self) -> Result<Vec<u8>> {
        let path = self.path().join(CONFIG);
        let what = "cannot read the container's config.json";
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let fd = match openat(&self.fd, CONFIG, flags, Mode::empty()) {
            // Somebody deletes it.
            Err(Errno::ENOENT) if matches!(self.read(), Err(Error::NotFound)) => {
                return Err(Error::NotFound);
            }
            opened => opened.map_err(fail(what, "open", &path))?,
        };
        let mut text = Vec::with_capacity(16 << 10);
        File::from(fd)
            .take(spec::MAX_SIZE + 1)
            .read_to_end(&mut text)
            .map_err(|e| fail(what, "read", &path)(sys::errno_of(&e)))?;
        Ok(text)
    }

    fn unlink(&self, names: &[&str]) -> Result<()> {
        for name in names {
            match unlinkat(&self.fd, *name, UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(e) => return Err(fail("cannot remove", "unlink", &self.path().join(name))(e)),
            }
        }
        Ok(())
    }
}

/// Keeps other deleters, and updates, out as long as it lives.
#[derive(Debug)]
pub struct Alone(Option<Flock<OwnedFd>>);

impl Drop for Alone {
    fn drop(&mut self) {
        // What cannot be unlocked is unlocked by our end. A guard of nix's own panics instead.
        if let Some(Err((guard, _))) = self.0.take().map(Flock::unlock) {
            std::mem::forget(guard);
        }
    }
}

/// rmdir(2); a directory that is not there is removed.
fn remove_dir(path: &Path) -> std::result::Result<(), Errno> {
    match unlinkat(AT_FDCWD, path, UnlinkatFlags::RemoveDir) {
        Err(Errno::ENOENT) => Ok(()),
        result => result,
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Dir {
    fn as_raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

/// Makes the root and its parents: the root itself 0700, as runc does.
///
/// # Errors
/// That of mkdir(2).
pub fn make_root(root: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root)
}

/// The error of a root that cannot be used: an ordinary user learns of a better one.
fn no_root(root: &Path, errno: Errno) -> Error {
    let what = "cannot make the root of the state directories";
    let mut error = fail(what, "mkdir", root)(errno);
    if let Error::Sys { source, .. } = &mut error
        && matches!(errno, Errno::EACCES | Errno::EPERM)
        && sys::euid() != 0
    {
        source
            .object
            .push_str(" (set $XDG_RUNTIME_DIR to a directory of your own, or give --root)");
    }
    error
}

/// The names of all containers below `root`, sorted; names that are no container's are passed over. A missing root has none.
///
/// # Errors
/// That of opening or reading the root.
pub fn list(root: &Path) -> Result<Vec<Id>> {
    let what = "cannot read the root of the state directories";
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut stream = match DirStream::open(root, flags, Mode::empty()) {
        Ok(stream) => stream,
        Err(Errno::ENOENT) => return Ok(Vec::new()),
        Err(e) => return Err(fail(what, "open", root)(e)),
    };
    let mut ids = Vec::new();
    for entry in stream.iter() {
        let entry = entry.map_err(fail(what, "getdents", root))?;
        if matches!(entry.file_type(), Some(kind) if kind != nix::dir::Type::Directory) {
            continue;
        }
        if let Ok(id) = entry
            .file_name()
            .to_str()
            .map_err(|_| Error::InvalidId)
            .and_then(Id::parse)
        {
            ids.push(id);
        }
    }
    ids.sort_unstable();
    Ok(ids)
}
