//! A root filesystem without an image: the host's static busybox, and a link for each program in it.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Why there is no root filesystem.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to copy.
    #[error(
        "no busybox found in $PATH, /bin or /usr/bin: install a static one (Debian, Ubuntu: apt install busybox-static)"
    )]
    None,
    /// Would not run in a root without libraries.
    #[error(
        "{0} is not a static executable: install a static busybox (Debian, Ubuntu: apt install busybox-static)"
    )]
    Dynamic(String),
    /// There is something already.
    #[error("{0} is not empty. Remove it first")]
    NotEmpty(String),
    /// `busybox --list` did not list.
    #[error("{0} --list gave no list of its programs")]
    NoList(String),
    /// A call failed.
    #[error("{call} {path}: {}", words(.source))]
    Io {
        /// What was tried.
        call: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// The errno's words, without Rust's "(os error N)".
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(errno) => crate::sys::words(nix::errno::Errno::from_raw(errno)),
        None => error.to_string(),
    }
}

fn failed(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.display().to_string();
    move |source| Error::Io { call, path, source }
}

/// The directories of the root; the container's mounts cover some. Links go to `bin`.
const DIRECTORIES: [(&str, u32); 8] = [
    ("bin", 0o755),
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("sys", 0o555),
    ("tmp", 0o1777),
];

/// What programs ask for: the names of root's user and group.
const FILES: [(&str, &str); 2] = [
    ("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"),
    ("etc/group", "root:x:0:\n"),
];

/// What will be laid, found before anything is written.
#[derive(Debug)]
pub struct Busybox {
    path: PathBuf,
    programs: Vec<String>,
}

impl Busybox {
    /// Finds the host's busybox and asks it for its programs.
    pub fn find() -> Result<Self, Error> {
        let path = env::var_os("PATH").unwrap_or_default();
        let usual = ["/bin", "/usr/bin"].map(PathBuf::from);
        Self::find_in(env::split_paths(&path).chain(usual))
    }

    fn find_in(directories: impl Iterator<Item = PathBuf>) -> Result<Self, Error> {
        let mut dynamic = None;
        for path in directories
            .map(|d| d.join("busybox"))
            .filter(|p| p.is_file())
        {
            if is_static(&path).map_err(failed("read", &path))? {
                let programs = programs(&path)?;
                return Ok(Self { path, programs });
            }
            dynamic.get_or_insert(path);
        }
        Err(dynamic.map_or(Error::None, |p| Error::Dynamic(p.display().to_string())))
    }

    /// Lays the root filesystem into `root`, which must be empty or missing.
    pub fn lay(&self, root: &Path) -> Result<(), Error> {
        must_be_empty(root)?;
        let directory = |path: &Path, mode| {
            let made = DirBuilder::new().recursive(true).mode(mode).create(path);
            made.map_err(failed("mkdir", path))?;
            // Past the umask; the bit of /tmp too.
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(path, mode).map_err(failed("chmod", path))
        };
        directory(root, 0o755)?;
        for (name, mode) in DIRECTORIES {
            directory(&root.join(name), mode)?;
        }
        for (name, text) in FILES {
            let path = root.join(name);
            let written =
                File::create_new(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(failed("write", &path))?;
        }
        let copy = root.join("bin/busybox");
        fs::copy(&self.path, &copy).map_err(failed("copy", &self.path))?;
        fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))
            .map_err(failed("chmod", &copy))?;
        for program in &self.programs {
            let link = root.join("bin").join(program);
            symlink("busybox", &link).map_err(failed("symlink", &link))?;
        }
        Ok(())
    }
}

/// Is there nothing at `root`, or an empty directory?
pub fn must_be_empty(root: &Path) -> Result<(), Error> {
    match fs::read_dir(root) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Error::NotEmpty(root.display().to_string())),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(failed("open", root)(e)),
    }
}

/// The programs in a busybox, by its own word; `[` is one.
fn programs(path: &Path) -> Result<Vec<String>, Error> {
    let output = Command::new(path)
        .arg("--list")
        .output()
        .map_err(failed("execve", path))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let is_name = |name: &&str| {
        !name.is_empty() && *name != "busybox" && !name.contains('/') && !name.starts_with('.')
    };
    let programs: Vec<String> = text.lines().filter(is_name).map(str::to_owned).collect();
    if !output.status.success() || !programs.iter().any(|p| p == "sh") {
        return Err(Error::NoList(path.display().to_string()));
    }
    Ok(programs)
}

/// Is `path` an ELF executable without an interpreter (elf(5))?
fn is_static(path: &Path) -> io::Result<bool> {
    // The program headers follow the ELF header in what linkers write.
    let mut head = Vec::with_capacity(4096);
    File::open(path)?.take(4096).read_to_end(&mut head)?;
    Ok(has_no_interpreter(&head).unwrap_or(false))
}

/// `None`: not an ELF file of this machine's byte order, or its program headers are not in `head`.
fn has_no_interpreter(head: &[u8]) -> Option<bool> {
    const PT_INTERP: u32 = 3;
    let wide = match head.get(..5)? {
        [0x7f, b'E', b'L', b'F', 1] => false,
        [0x7f, b'E', b'L', b'F', 2] => true,
        _ => return None,
    };
    let u16_at = |at: usize| Some(u16::from_ne_bytes(head.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let u64_at = |at: usize| Some(u64::from_ne_bytes(head.get(at..at + 8)?.try_into().ok()?));
    let (offset, size, count) = if wide {
        (u64_at(0x20)?, u16_at(0x36)?, u16_at(0x38)?)
    } else {
        (u64::from(u32_at(0x1c)?), u16_at(0x2a)?, u16_at(0x2c)?)
    };
    let offset = usize::try_from(offset).ok()?;
    for at in 0..usize::from(count) {
        let header = offset.checked_add(at * usize::from(size))?;
        if header > head.len() || u32_at(header)? == PT_INTERP {
            return (header <= head.len()).then_some(false);
        }
    }
    Some(count > 0)
}

/// The name by which the errors call a bundle's root.
pub fn rootfs() -> &'static Path {
    Path::new(OsStr::new("rootfs"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// An ELF64 header with program headers of these types.
    fn elf(types: &[u32]) -> Vec<u8> {
        let mut out = vec![0; 64];
        out[..5].copy_from_slice(b"\x7fELF\x02");
        out[0x20..0x28].copy_from_slice(&64_u64.to_ne_bytes());
        out[0x36..0x38].copy_from_slice(&56_u16.to_ne_bytes());
        out[0x38..0x3a].copy_from_slice(&u16::try_from(types.len()).unwrap().to_ne_bytes());
        for kind in types {
            let start = out.len();
            out.resize(start + 56, 0);
            out[start..start + 4].copy_from_slice(&kind.to_ne_bytes());
        }
        out
    }

    #[test]
    fn an_interpreter_makes_it_dynamic() {
        assert_eq!(has_no_interpreter(&elf(&[1, 1, 7])), Some(true));
        assert_eq!(has_no_interpreter(&elf(&[6, 3, 1])), Some(false));
        assert_eq!(has_no_interpreter(&elf(&[1, 1, 3])), Some(false));
        assert_eq!(
            has_no_interpreter(&elf(&[])),
            Some(false),
            "nothing to load"
        );
        let cut = elf(&[1, 1, 3]);
        assert_eq!(has_no_interpreter(&cut[..cut.len() - 56]), None);
        assert_eq!(has_no_interpreter(b"#!/bin/sh\n"), None);
        let mut far = elf(&[1]);
        far[0x20..0x28].copy_from_slice(&u64::MAX.to_ne_bytes());
        assert_eq!(has_no_interpreter(&far), None);
    }

    #[test]
    fn the_tests_own_host_has_dynamic_programs() {
        assert!(!is_static(Path::new("/bin/ls")).unwrap());
    }

    #[test]
    fn none_and_dynamic_are_told_apart() {
        let dir = env::temp_dir().join(format!("busybox-find-{}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        let none = Busybox::find_in([dir.clone()].into_iter()).unwrap_err();
        fs::copy("/bin/ls", dir.join("busybox")).unwrap();
        let dynamic = Busybox::find_in([dir.clone()].into_iter()).unwrap_err();
        fs::remove_file(dir.join("busybox")).unwrap();
        fs::remove_dir(&dir).unwrap();
        assert!(matches!(none, Error::None));
        assert!(matches!(dynamic, Error::Dynamic(_)));
        assert!(dynamic.to_string().contains("busybox-static"), "{dynamic}");
    }
}
