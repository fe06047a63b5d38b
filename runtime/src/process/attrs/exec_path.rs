//! Finding the program: Go's `exec.LookPath`, whose rules and words runc has; and HOME.

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, open};
use nix::sys::stat::{Mode, SFlag, stat};
use nix::unistd::{AccessFlags, faccessat};

use super::{Error, error::LookupFailure};
use crate::sys;

/// The path to execute for `name` (`args[0]`): itself if it has a slash, else from the PATH of the container's environment.
///
/// To be called as the container's user, in its working directory.
///
/// # Errors
/// [`Error::Lookup`]
pub fn lookup(name: &str, env: &[String]) -> Result<String, Error> {
    find(name, env).map_err(|reason| Error::Lookup {
        name: name.to_owned(),
        reason,
    })
}

fn find(name: &str, env: &[String]) -> Result<String, LookupFailure> {
    if name.contains('/') {
        return executable(name).map(|()| name.to_owned());
    }
    let path = variable(env, "PATH").unwrap_or_default();
    // An empty PATH has no entries; an empty entry is the working directory.
    for dir in path.split(':').filter(|_| !path.is_empty()) {
        let candidate = match dir {
            "" => format!("./{name}"),
            _ => format!("{}/{name}", dir.trim_end_matches('/')),
        };
        if executable(&candidate).is_ok() {
            return if candidate.starts_with('/') {
                Ok(candidate)
            } else {
                Err(LookupFailure::RelativeEntry)
            };
        }
    }
    Err(LookupFailure::NotInPath)
}

/// Is it a file that this user may execute, by its mode, its ACL and its mount?
fn executable(path: &str) -> Result<(), LookupFailure> {
    // Permission first: most entries of a PATH miss, and one call has said so.
    let access = match faccessat(AT_FDCWD, path, AccessFlags::X_OK, AtFlags::AT_EACCESS) {
        Err(errno @ (Errno::ENOENT | Errno::ENOTDIR)) => {
            return Err(LookupFailure::Stat(sys::Error::new("stat", path, errno)));
        }
        access => access,
    };
    let found =
        stat(path).map_err(|errno| LookupFailure::Stat(sys::Error::new("stat", path, errno)))?;
    if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR {
        return Err(LookupFailure::Directory);
    }
    access.map_err(|errno| LookupFailure::Access(sys::Error::new("faccessat2", path, errno)))
}

/// The value of `key` in an environment without duplicates.
fn variable<'a>(env: &'a [String], key: &str) -> Option<&'a str> {
    env.iter()
        .find_map(|entry| entry.strip_prefix(key)?.strip_prefix('='))
}

/// Sets HOME, if the plan's environment has none or an empty one, to what the container's /etc/passwd says of `uid`, or "/".
pub fn set_home(env: &mut Vec<String>, uid: u32) {
    if variable(env, "HOME").is_some_and(|home| !home.is_empty()) {
        return;
    }
    let home = home_of(uid).unwrap_or_else(|| String::from("/"));
    let entry = format!("HOME={home}");
    match env.iter_mut().find(|entry| entry.starts_with("HOME=")) {
        Some(empty) => *empty = entry,
        None => env.push(entry),
    }
}

/// As much of /etc/passwd as is looked at: 1 MiB has tens of thousands of users, and the file is the image's.
const PASSWD_LIMIT: usize = 1 << 20;
const CHUNK: usize = 4096;

/// The home of `uid` in /etc/passwd, which is read no further than its line.
fn home_of(uid: u32) -> Option<String> {
    // The image may have made it a fifo: O_NONBLOCK, so that nothing waits for a writer.
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = open("/etc/passwd", flags, Mode::empty()).ok()?;
    let mut text = Vec::new();
    let (mut start, mut len) = (0, 0);
    while len < PASSWD_LIMIT {
        text.resize(len + CHUNK, 0);
        let n = match nix::unistd::read(&file, &mut text[len..]) {
            Err(Errno::EINTR) => continue,
            Err(_) => return None,
            Ok(n) => n,
        };
        len += n;
        while let Some(end) = text[start..len].iter().position(|&byte| byte == b'\n') {
            if let Some(home) = home_in(&text[start..start + end], uid) {
                return Some(home);
            }
            start += end + 1;
        }
        if n == 0 {
            return home_in(&text[start..len], uid);
        }
    }
    None
}

/// The home in a line of passwd(5), if it is that of `uid` (name:password:uid:gid:comment:home:shell).
fn home_in(line: &[u8], uid: u32) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.trim();
    let mut fields = line.split(':');
    let found: u32 = fields.nth(2)?.parse().ok()?;
    let home = fields.nth(2)?;
    // It goes into the environment: no NUL.
    (found == uid && !home.contains('\0')).then(|| home.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_lines() {
        let line = b"www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin";
        assert_eq!(home_in(line, 33).as_deref(), Some("/var/www"));
        assert_eq!(home_in(line, 3), None);
        assert_eq!(home_in(b"a:b:c:d:e:/f:g", 0), None, "a uid that is none");
        assert_eq!(home_in(b"root:x:0", 0), None, "cut short");
        assert_eq!(home_in(b"root::0:0::/root", 0).as_deref(), Some("/root"));
        assert_eq!(home_in(b"# comment", 0), None);
        assert_eq!(home_in(b"\xff:x:0:0::/:", 0), None);
    }

    #[test]
    fn home_is_kept_or_found() {
        let mut env = vec![String::from("HOME=/kept"), String::from("HOMER=/no")];
        set_home(&mut env, 0);
        assert_eq!(env, ["HOME=/kept", "HOMER=/no"]);

        let mut env = vec![String::from("HOME="), String::from("A=b")];
        set_home(&mut env, 0);
        assert_eq!(env, ["HOME=/root", "A=b"]);

        let mut env = vec![];
        set_home(&mut env, 3_999_999_999);
        assert_eq!(env, ["HOME=/"]);
    }

    fn fails(name: &str, path: &str) -> String {
        lookup(name, &[format!("PATH={path}")]).map_or_else(|e| e.to_string(), |p| panic!("{p}"))
    }

    #[test]
    fn lookup_speaks_gos_words() {
        for (name, path, words) in [
            (
                "foo",
                "/bin",
                r#""foo": executable file not found in $PATH"#,
            ),
            ("/x", "/bin", r#""/x": stat /x: no such file or directory"#),
            ("/etc", "/bin", r#""/etc": permission denied"#),
            ("/etc/passwd", "/bin", r#""/etc/passwd": permission denied"#),
            (
                "/etc/passwd/x",
                "/bin",
                r#""/etc/passwd/x": stat /etc/passwd/x: not a directory"#,
            ),
            ("sh", "", r#""sh": executable file not found in $PATH"#),
            ("etc", "/", r#""etc": executable file not found in $PATH"#),
            (
                "passwd",
                "/etc",
                r#""passwd": executable file not found in $PATH"#,
            ),
        ] {
            assert_eq!(fails(name, path), format!("exec: {words}"));
        }
        assert!(lookup("sh", &[]).is_err(), "no PATH at all");
    }

    #[test]
    fn lookup_walks_the_path() {
        let env = [String::from("PATH=/nonexistent:/etc:/bin/")];
        assert_eq!(lookup("sh", &env).ok().as_deref(), Some("/bin/sh"));
        assert_eq!(lookup("/bin/sh", &[]).ok().as_deref(), Some("/bin/sh"));
    }
}
