//! A pseudo-terminal: the terminal of the person who types `runc-rs run`.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Instant;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::hang;
use crate::host::readable;

/// The master side; everything read so far is kept.
#[derive(Debug)]
pub struct Pty {
    master: File,
    /// The slave's path.
    pub slave: PathBuf,
    seen: String,
}

impl Pty {
    /// A new pair with this size.
    pub fn new(rows: u16, cols: u16) -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("openpt");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let slave = PathBuf::from(
            ptsname(&master, Vec::new())
                .expect("ptsname")
                .into_string()
                .expect("UTF-8"),
        );
        let pty = Self {
            master: File::from(master),
            slave,
            seen: String::new(),
        };
        pty.resize(rows, cols);
        pty
    }

    /// The slave opened once more, for a child's standard input, output or error. Never this process's own terminal.
    pub fn open_slave(&self) -> File {
        File::from(
            rustix::fs::open(
                &self.slave,
                OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .expect("open the slave"),
        )
    }

    /// Changes the size; tells nobody (SIGWINCH goes only to a controlling terminal's foreground group).
    pub fn resize(&self, rows: u16, cols: u16) {
        tcsetwinsize(
            &self.master,
            Winsize {
                ws_row: rows,
                ws_col: cols,
                ws_xpixel: 0,
                ws_ypixel: 0,
            },
        )
        .expect("TIOCSWINSZ");
    }

    /// Types.
    pub fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("type");
    }

    /// Reads until these words have appeared after everything that an earlier call returned.
    #[track_caller]
    pub fn expect(&mut self, words: &str) -> String {
        let end = Instant::now() + hang();
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "hang: {words:?} never came; seen: {:?}",
                self.seen
            );
            if readable(self.master.as_fd(), left) {
                let mut buffer = [0; 4096];
                match self.master.read(&mut buffer) {
                    Ok(n) if n > 0 => self.seen.push_str(&String::from_utf8_lossy(&buffer[..n])),
                    // EIO: nobody holds the slave any more.
                    _ => panic!(
                        "the terminal was closed; {words:?} never came; seen: {:?}",
                        self.seen
                    ),
                }
            }
        }
    }
}
