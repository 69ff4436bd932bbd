//! A program and what it started, ended together. On a terminal they stay in our process group: only so may they ask there, and only so
//! does Ctrl-C reach them as it reaches us. Without one they have a group of their own.

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// How long it may take to end once it is told to.
const GRACE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// How a program that is about to be started is ended.
pub enum Family {
    /// A process group of its own.
    Group,
    /// The terminal, and how it was set before.
    Terminal(File, Option<Termios>),
}

impl Family {
    /// Has `command` start a family.
    pub fn of(command: &mut Command) -> Family {
        match File::options().read(true).write(true).open("/dev/tty") {
            Ok(terminal) => {
                let before = tcgetattr(&terminal).ok();
                Family::Terminal(terminal, before)
            }
            Err(_) => {
                command.process_group(0);
                Family::Group
            }
        }
    }

    /// Tells all of it to end, and a second later ends what is left. On a terminal that is what the system lists as the program's
    /// descendants; the program alone where it lists none (no /proc).
    pub fn end(&self, child: &mut Child) {
        let Some(leader) = i32::try_from(child.id()).ok().map(Pid::from_raw) else { return };
        let members = match self {
            Family::Group => Vec::new(),
            Family::Terminal(..) => descendants(leader),
        };
        // Not reaped yet: the number is still its own.
        let _ = match self {
            Family::Group => killpg(leader, Signal::SIGTERM),
            Family::Terminal(..) => kill(leader, Signal::SIGTERM),
        };
        signal(&members, Signal::SIGTERM);
        let is_left = |child: &mut Child| match self {
            Family::Group => matches!(child.try_wait(), Ok(None)) || killpg(leader, None).is_ok(),
            Family::Terminal(..) => matches!(child.try_wait(), Ok(None)) || members.iter().any(Process::is_there),
        };
        let until = Instant::now() + GRACE;
        while is_left(child) && Instant::now() < until {
            thread::sleep(LOOK);
        }
        if matches!(self, Family::Group) {
            let _ = killpg(leader, Signal::SIGKILL);
        }
        signal(&members, Signal::SIGKILL);
        let _ = child.kill();
        let _ = child.wait();
        self.set_back();
    }

    /// Sets the terminal as it was before: a program that is gone may have asked with the echo off.
    pub fn set_back(&self) {
        if let Family::Terminal(terminal, Some(before)) = self {
            let _ = tcsetattr(terminal, SetArg::TCSADRAIN, before);
        }
    }
}

/// To those that are still what they were when they were listed.
fn signal(members: &[Process], signal: Signal) {
    for member in members.iter().filter(|member| member.is_there()) {
        let _ = kill(member.pid, signal);
    }
}

/// A process as the system lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    pid: Pid,
    parent: Pid,
    /// In ticks since the system started: with the number, it names one process.
    started: u64,
}

impl Process {
    /// proc(5): the fields behind the name, which may hold anything, begin with state and parent.
    fn of(pid: Pid) -> Option<Process> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let running = fields.next()? != "Z";
        let parent = Pid::from_raw(fields.next()?.parse().ok()?);
        let started = fields.nth(17)?.parse().ok()?;
        running.then_some(Process { pid, parent, started })
    }

    fn is_there(&self) -> bool {
        Process::of(self.pid).is_some_and(|now| now.started == self.started)
    }
}

/// What a process started, and what that did, as far as each still has its parent.
fn descendants(of: Pid) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw));
    let all: Vec<Process> = pids.filter_map(Process::of).collect();
    let (mut found, mut parents) = (Vec::new(), vec![of]);
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|one| one.parent == parent && !found.contains(*one));
        let children: Vec<Process> = children.copied().collect();
        parents.extend(children.iter().map(|one| one.pid));
        found.extend(children);
    }
    found
}
