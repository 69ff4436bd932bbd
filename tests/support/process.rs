//! The tools as processes: started with a clean environment, fed, measured, and ended whatever becomes of the test. Each test
//! program uses a part of it.

#![allow(dead_code)]

use super::usage::{Ended, wait4};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a machine that does much else at the same time.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// A process that is ended when it is dropped.
pub struct Process(Option<Child>);

/// What a tool printed and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
    /// Bytes: see [`Ended::peak`].
    pub peak: u64,
}

/// A listener of its own, and where it listens.
pub struct Listener {
    process: Process,
    pub address: SocketAddr,
    /// Open, so that what else it prints does not break a pipe.
    _out: BufReader<ChildStdout>,
}

/// A tool of ours that sees nothing of the environment but where temporary files go, and no config but what it is given.
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_smtp-send")).with_file_name(name));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(std::env::var_os("TMPDIR").map(|dir| ("TMPDIR", dir)));
    command
}

/// The same where signals count: whoever runs the tests in the background, or under nohup, has some ignored, which is inherited.
pub fn heeding(name: &str) -> Command {
    let tool = tool(name);
    let mut command = Command::new("/usr/bin/env");
    command.env_clear().envs(tool.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.arg("--default-signal").arg(tool.get_program());
    command
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        Process(Some(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))))
    }

    /// Its process group, if it was given one of its own, and both pipes.
    pub fn pipes(&mut self) -> (nix::unistd::Pid, ChildStdin, ChildStdout) {
        let child = self.child();
        let group = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        (group, child.stdin.take().unwrap(), child.stdout.take().unwrap())
    }

    pub fn stdout(&mut self) -> ChildStdout {
        self.child().stdout.take().unwrap()
    }

    pub fn stderr(&mut self) -> ChildStderr {
        self.child().stderr.take().unwrap()
    }

    fn child(&mut self) -> &mut Child {
        self.0.as_mut().expect("a process that was not waited for")
    }

    /// As `kill -9`: it does nothing more.
    pub fn kill(&mut self) {
        self.child().kill().unwrap();
    }

    /// As `kill`: it ends in order.
    pub fn terminate(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
    }

    pub fn signal(&mut self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child().id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Is it still at it?
    pub fn poll(&mut self) -> Option<Ended> {
        let ended = wait4(self.child().id()).unwrap();
        if ended.is_some() {
            self.0 = None;
        }
        ended
    }

    pub fn wait(mut self) -> Ended {
        let began = Instant::now();
        loop {
            if let Some(ended) = self.poll() {
                return ended;
            }
            assert!(began.elapsed() < PATIENCE, "a process that does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Runs a tool to its end, with what `feed` writes on its stdin. A stdin that it does not read to its end is no fault.
pub fn run_fed(command: &mut Command, feed: impl FnOnce(&mut dyn Write) -> std::io::Result<()> + Send) -> Ran {
    let mut process = Process::start(command.stdin(Stdio::piped()));
    let mut stdin = process.child().stdin.take().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || drop(feed(&mut stdin)));
        finish(process)
    })
}

/// Runs a tool to its end, with `stdin` on its stdin.
pub fn run(command: &mut Command, stdin: &[u8]) -> Ran {
    run_fed(command, |to| to.write_all(stdin))
}

/// Runs a tool to its end, with the stdin that the command has.
pub fn run_as_is(command: &mut Command) -> Ran {
    finish(Process::start(command))
}

fn finish(mut process: Process) -> Ran {
    let (out, err) = (process.child().stdout.take(), process.child().stderr.take());
    thread::scope(|scope| {
        let err = scope.spawn(move || text(err));
        let out = text(out);
        let ended = process.wait();
        let status = ended.status.code().unwrap_or_else(|| panic!("ended by a signal: {:?}", ended.status));
        Ran { status, out, err: err.join().unwrap(), peak: ended.peak }
    })
}

fn text(from: Option<impl Read>) -> String {
    let mut text = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut text).unwrap();
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl Listener {
    /// Starts smtp-listen on a port that the kernel chooses. Its log and what it complains of are appended to `log`.
    pub fn start(arguments: &[&str], log: &Path) -> Listener {
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = tool("smtp-listen");
        command.args(["--listen", "127.0.0.1:0"]).args(arguments).stderr(errors);
        let mut process = Process::start(&mut command);
        let mut out = BufReader::new(process.child().stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening ").and_then(|address| address.parse().ok());
        let said = || std::fs::read_to_string(log).unwrap_or_default();
        Listener { process, address: address.unwrap_or_else(|| panic!("not listening: {line:?}, {}", said())), _out: out }
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Lets sessions come to their end.
    pub fn stop(mut self) -> Ended {
        self.process.terminate();
        self.process.wait()
    }

    /// As `kill -9`.
    pub fn kill(mut self) {
        self.process.kill();
        self.process.wait();
    }
}
