//! Programs that take a message on stdin: started without a shell, with nothing inherited, in a process group of their own, ended
//! when their time is up. What their end means is `local`'s.

use crate::bytes::newline::ToLf;
use crate::net::inherited;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Gid, Pid, Uid};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// How much of what a program says on stderr is read.
const SAID_LIMIT: u64 = 4096;
/// How often a running program is looked at: the first time soon, then ever less often.
const LOOK: Duration = Duration::from_micros(500);
const SELDOM: Duration = Duration::from_millis(10);
/// How long a program that is called off may take to end by itself: most have all but done what they were started for.
const BY_ITSELF: Duration = Duration::from_secs(1);
/// How long it may then take to end once it was told to.
const GRACE: Duration = Duration::from_secs(1);
/// How long stderr may stay open, or stdin take nothing, once the program and its group are gone.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often it is looked whether they are, while stdin takes nothing.
const ROOM_LOOK: Duration = Duration::from_millis(100);
const CHUNK: usize = 32 * 1024;

/// Whom a child becomes. Never root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub uid: Uid,
    pub gid: Gid,
}

/// A program to be run.
pub struct Child<'a> {
    pub program: &'a Path,
    pub arguments: Vec<OsString>,
    /// All of it: nothing is inherited.
    pub environment: Vec<(&'a str, String)>,
    /// Where it runs.
    pub directory: &'a Path,
    /// Whom it runs as, where not as ourselves.
    pub identity: Option<Identity>,
    pub within: Duration,
    /// Set: it is told to end a second later, and killed another second later.
    pub over: Option<&'a AtomicBool>,
    pub line_ends: LineEnds,
}

/// How lines of the message end on the program's stdin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnds {
    Lf,
    AsTheyAre,
}

/// How a program ended.
#[derive(Debug)]
pub enum Ending {
    NotStarted(io::Error),
    /// `said`: the first line of its stderr.
    Exited {
        status: i32,
        said: String,
    },
    Killed(i32),
    TimedOut,
    /// It was told to end, since it did not by itself. What it made of that is not asked: some end with 0 at SIGTERM whatever they were at.
    CalledOff,
}

/// What the writing side came to.
enum Fed {
    /// All of it, or as much as the program wanted.
    Enough,
    Unreadable(io::Error),
}

impl Child<'_> {
    /// Starts the program, feeds it `prefix` and `body`, and waits for its end. The error is that of a body that can't be read: the
    /// program is killed before its stdin ends.
    pub fn run(&self, prefix: &[u8], body: &mut dyn Read) -> io::Result<Ending> {
        inherited::withhold();
        let mut child = match self.command(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => return Ok(Ending::NotStarted(error)),
        };
        let said = listen(child.stderr.take());
        let (word, words) = mpsc::channel();
        let gone = AtomicBool::new(false);
        if let Some(Err(error)) = child.stdin.as_ref().map(never_block) {
            // Killed before its stdin ends: that would look like the end of the message.
            let _ = child.kill();
            let _ = child.wait();
            return Ok(Ending::NotStarted(error));
        }
        let mut stdin = child.stdin.take().map(|pipe| Pipe { pipe, gone: &gone });
        let (fed, ending) = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let words = words;
                let watched = self.watch(child, &words);
                gone.store(true, Ordering::SeqCst);
                watched
            });
            let fed = stdin.as_mut().map_or(Ok(Fed::Enough), |stdin| feed(stdin, prefix, body, self.line_ends));
            if let Ok(Fed::Unreadable(_)) = fed {
                let _ = word.send(Word::Kill);
                // Its stdin stays open until it is dead: an early end would look like a whole message.
                return (fed, watcher.join());
            }
            drop(stdin.take());
            let _ = word.send(Word::Fed);
            (fed, watcher.join())
        });
        if let Ok(Fed::Unreadable(error)) = fed {
            return Err(error);
        }
        Ok(match ending {
            Ok(watched) => ending_of(watched, said),
            Err(_) => Ending::NotStarted(io::Error::other("its watcher died")),
        })
    }

    /// The same with a file for its stdin, read from where it stands, bytes as they are. Should we be killed, the program still reads all of it: the
    /// end of a pipe would look like the end of the message.
    pub fn run_on(&self, body: OwnedFd) -> Ending {
        inherited::withhold();
        let mut child = match self.command(Stdio::from(body)).spawn() {
            Ok(child) => child,
            Err(error) => return Ending::NotStarted(error),
        };
        let said = listen(child.stderr.take());
        let (_word, words) = mpsc::channel();
        ending_of(self.watch(child, &words), said)
    }

    fn command(&self, stdin: Stdio) -> Command {
        let mut command = Command::new(self.program);
        command.args(&self.arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.directory).stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        if let Some(who) = self.identity {
            // With a uid, the standard library also drops the supplementary groups of root.
            command.uid(who.uid.as_raw()).gid(who.gid.as_raw());
        }
        command
    }

    /// Waits for the end, or brings it about. The time counts from the start, so that a program that never reads
    /// has no more of it. Nothing of the group outlives its leader.
    fn watch(&self, mut child: process::Child, words: &Receiver<Word>) -> io::Result<Watched> {
        let group = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
        // Not reaped before the group is killed: until then nobody else can have its number.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let (mut left, mut look_in, mut called_off) = (self.within, LOOK, CalledOff::No);
        let ended = loop {
            if waitid(Id::Pid(group), look)? != WaitStatus::StillAlive {
                break true;
            }
            match called_off {
                CalledOff::No if self.is_over() => {
                    called_off = CalledOff::Yes;
                    left = left.min(BY_ITSELF);
                }
                CalledOff::Yes if left.is_zero() => {
                    called_off = CalledOff::Told;
                    left = GRACE;
                    let _ = killpg(group, Signal::SIGTERM);
                }
                _ if left.is_zero() => break false,
                _ => {}
            }
            let pause = look_in.min(left);
            match words.recv_timeout(pause) {
                Ok(Word::Kill) => break false,
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(pause),
                Ok(Word::Fed) | Err(RecvTimeoutError::Timeout) => {}
            }
            left -= pause;
            look_in = SELDOM.min(look_in * 2);
        };
        let _ = killpg(group, Signal::SIGKILL);
        let status = child.wait()?;
        Ok(match ended {
            _ if called_off == CalledOff::Told => Watched::CalledOff,
            true => Watched::Ended(status),
            false => Watched::TimedOut,
        })
    }

    fn is_over(&self) -> bool {
        self.over.is_some_and(|over| over.load(Ordering::SeqCst))
    }
}

/// Whether nobody waits for a program any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CalledOff {
    No,
    /// It may still end by itself, and its status counts.
    Yes,
    Told,
}

/// How the wait for a program ended.
enum Watched {
    Ended(ExitStatus),
    TimedOut,
    CalledOff,
}

/// What the feeding side tells the watching one.
enum Word {
    Fed,
    Kill,
}

/// A program's stdin. What it started may hold it open and read nothing, in a session of its own: once the program is gone, that is not waited for.
struct Pipe<'a> {
    pipe: ChildStdin,
    gone: &'a AtomicBool,
}

/// The flag belongs to our end of the pipe, which nobody else has.
fn never_block(pipe: &ChildStdin) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(pipe, FcntlArg::F_GETFL)?);
    fcntl(pipe, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Waits for room.
impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut left = PATIENCE;
        loop {
            match self.pipe.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return written,
            }
            if left.is_zero() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            if self.gone.load(Ordering::SeqCst) {
                left = left.saturating_sub(ROOM_LOOK);
            }
            // An interrupted wait is one that ended early.
            let room = PollTimeout::try_from(ROOM_LOOK).unwrap_or(PollTimeout::ZERO);
            let _ = poll(&mut [PollFd::new(self.pipe.as_fd(), PollFlags::POLLOUT)], room);
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A program that closes its stdin early has seen enough: its status tells.
fn feed(stdin: &mut impl Write, prefix: &[u8], body: &mut dyn Read, line_ends: LineEnds) -> io::Result<Fed> {
    let (mut newline, mut out, mut chunk) = (ToLf::default(), Vec::new(), vec![0; CHUNK]);
    let mut convert = |bytes: &[u8], out: &mut Vec<u8>| match line_ends {
        LineEnds::Lf => newline.push(bytes, out),
        LineEnds::AsTheyAre => out.extend_from_slice(bytes),
    };
    convert(prefix, &mut out);
    loop {
        if let Err(error) = stdin.write_all(&out) {
            return if error.kind() == io::ErrorKind::BrokenPipe { Ok(Fed::Enough) } else { Err(error) };
        }
        out.clear();
        match body.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => convert(&chunk[..n], &mut out),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Fed::Unreadable(error)),
        }
    }
    if line_ends == LineEnds::Lf {
        newline.finish(&mut out);
        let _ = stdin.write_all(&out);
    }
    Ok(Fed::Enough)
}

/// Reads stderr on a thread of its own: a descendant that keeps it open must not hold us.
fn listen(stderr: Option<process::ChildStderr>) -> Option<Receiver<Vec<u8>>> {
    let mut stderr = stderr?;
    let (told, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = stderr.by_ref().take(SAID_LIMIT).read_to_end(&mut text);
        let _ = told.send(text);
        let _ = io::copy(&mut stderr, &mut io::sink());
    });
    Some(said)
}

fn ending_of(watched: io::Result<Watched>, said: Option<Receiver<Vec<u8>>>) -> Ending {
    let said = said.and_then(|said| said.recv_timeout(PATIENCE).ok()).unwrap_or_default();
    match watched {
        Ok(Watched::Ended(status)) => ended(status, first_line(&said)),
        Ok(Watched::TimedOut) => Ending::TimedOut,
        Ok(Watched::CalledOff) => Ending::CalledOff,
        Err(error) => Ending::NotStarted(error),
    }
}

fn ended(status: ExitStatus, said: String) -> Ending {
    match (status.code(), status.signal()) {
        (Some(status), _) => Ending::Exited { status, said },
        (None, signal) => Ending::Killed(signal.unwrap_or_default()),
    }
}

fn first_line(said: &[u8]) -> String {
    let line = said.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
    String::from_utf8_lossy(line.unwrap_or_default()).into_owned()
}
