//! A tool on a pseudo-terminal: keys go in, what is on the screen comes out.

use super::process::{PATIENCE, heeding};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

/// A tool on a terminal of its own.
pub struct Terminal {
    screen: File,
    /// How it was set before the tool began.
    before: Termios,
    shown: String,
    child: Child,
}

impl Terminal {
    pub fn open(name: &str, words: &[&str], state: &Path) -> Terminal {
        Terminal::with_pager(name, words, state, "")
    }

    /// Where long output is shown by this program.
    pub fn with_pager(name: &str, words: &[&str], state: &Path, pager: &str) -> Terminal {
        let pty = openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = Command::new("/usr/bin/env");
        command
            .args(heeding(name).get_args())
            .args(words)
            .env("XDG_STATE_HOME", state)
            .env("TERM", "xterm")
            .env("PAGER", pager)
            .stdin(end())
            .stdout(end())
            .stderr(end());
        let before = tcgetattr(&pty.master).unwrap();
        let child = command.spawn().unwrap();
        drop(command);
        drop(pty.slave);
        Terminal { screen: pty.master.into(), before, shown: String::new(), child }
    }

    /// Waits until this is on the screen, after what was waited for before; all that came until then.
    pub fn until(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            if let Some(at) = self.shown.find(text) {
                return self.shown.drain(..at + text.len()).collect();
            }
            let mut waits = [PollFd::new(self.screen.as_fd(), PollFlags::POLLIN)];
            let left = PATIENCE.saturating_sub(started.elapsed());
            let came = poll(&mut waits, PollTimeout::try_from(left).unwrap()).unwrap();
            assert!(came > 0, "{text:?} does not come: {:?}", self.shown);
            let mut piece = [0; 4096];
            match self.screen.read(&mut piece) {
                Ok(n) if n > 0 => self.shown.push_str(&String::from_utf8_lossy(&piece[..n])),
                _ => panic!("the terminal is closed before {text:?}: {:?}", self.shown),
            }
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.screen.write_all(keys.as_bytes()).unwrap();
    }

    /// As Ctrl-C does where the terminal makes signals of it.
    pub fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    pub fn signal(&self, signal: Signal) {
        kill(nix::unistd::Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Of the tool, once it has ended and left the terminal as it was.
    pub fn status(mut self) -> i32 {
        // What is still written must not block the tool.
        let mut screen = self.screen.try_clone().unwrap();
        thread::spawn(move || drop(screen.read_to_end(&mut Vec::new())));
        let status = self.child.wait().unwrap().code().expect("a status");
        let flags = |set: &Termios| (set.input_flags, set.output_flags, set.control_flags, set.local_flags);
        assert_eq!(flags(&tcgetattr(&self.screen).unwrap()), flags(&self.before), "the terminal is left otherwise");
        status
    }
}
