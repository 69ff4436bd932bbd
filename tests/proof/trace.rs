//! A tool under strace(1): which calls to the system it makes in a tree, and what it does when one of them fails or is its last.

use crate::process::{Process, tool};
use nix::sys::signal::killpg;
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// What touches files. A question mark lets strace pass over a call that the machine does not have.
const CALLS: &str = "?open,openat,?creat,read,write,pread64,pwrite64,fsync,fdatasync,?link,linkat,?rename,renameat,renameat2,\
                     ?unlink,unlinkat,?mkdir,mkdirat,?rmdir,ftruncate,fallocate,flock,getdents64,statx,?newfstatat,statfs,fstatfs,\
                     ?chmod,fchmod,fchmodat";

/// A call by its name and its number among those of that name in its thread, from 1, as strace counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    pub name: String,
    pub number: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The call fails with this error, and does nothing.
    Error(&'static str),
    /// The process is killed as by `kill -9`, and the call does nothing.
    Kill,
}

pub struct Traced {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
    /// Calls in the tree, and what each was about.
    pub calls: BTreeMap<Call, String>,
    /// How many calls failed by the fault; 1 where it killed.
    pub hits: usize,
}

/// What a tool is told on its stdin, and says on its stdout. The end of both is its end, or a signal to its process group.
pub type Talk<'a> = &'a mut dyn FnMut(ChildStdin, BufReader<ChildStdout>, Pid) -> String;

/// Who is traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// The tool and all that it starts.
    All,
    /// The tool alone: a fault in a program of somebody else's proves nothing of ours.
    ToolAlone,
}

/// Runs a tool to its end, once, with the fault at that call if there is one.
pub fn run(whom: Whom, name: &str, arguments: &[String], tree: &Path, fault: Option<(&Call, Fault)>, talk: Talk<'_>) -> Traced {
    let dir = tempfile::tempdir().unwrap();
    let (log, said) = (dir.path().join("trace"), dir.path().join("said"));
    let program = tool(name);
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-qq", "-s", "0", "-o"]).arg(&log).arg(format!("--trace={CALLS}"));
    if whom == Whom::ToolAlone {
        command.arg("--detach-on=execve");
    }
    if let Some((call, fault)) = fault {
        let what = match fault {
            Fault::Error(code) => format!("error={code}"),
            Fault::Kill => "signal=KILL".to_owned(),
        };
        command.arg(format!("--inject={}:{what}:when={}", call.name, call.number));
    }
    command.arg(program.get_program()).args(arguments);
    // The directory of a call shows in its line: ours must not lie in the tree.
    command.env_clear().current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(File::create(&said).unwrap());
    let mut process = Process::start(&mut command);
    let (group, stdin, stdout) = process.pipes();
    let out = talk(stdin, BufReader::new(stdout), group);
    let status = process.wait().status;
    assert!(whom == Whom::ToolAlone || killpg(group, None).is_err(), "a process of {name} outlived it");
    let log = fs::read_to_string(&log).unwrap();
    let hits = if status.signal().is_some() { 1 } else { log.matches("(INJECTED)").count() };
    Traced { status, out, err: fs::read_to_string(&said).unwrap(), calls: calls(&log, &tree.display().to_string()), hits }
}

/// Lets a tool read nothing, and gives all that it prints.
pub fn silent(stdin: ChildStdin, stdout: BufReader<ChildStdout>, _: Pid) -> String {
    drop(stdin);
    rest(stdout)
}

/// All that a tool still prints.
pub fn rest(mut stdout: BufReader<ChildStdout>) -> String {
    let mut text = Vec::new();
    stdout.read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The calls that name the tree. Lines are `PID name(what) = result`; one that was interrupted by another thread's goes on in a line
/// `PID <... name resumed>`, which is no call of its own. As strace counts in each thread, a number that is something else's in the first
/// thread, which starts the others, is left out: the fault would strike there, in the loader for instance, and end it all.
fn calls(log: &str, tree: &str) -> BTreeMap<Call, String> {
    let mut threads = BTreeMap::<&str, BTreeMap<Call, &str>>::new();
    let mut first = None;
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((name, what)) = rest.trim_start().split_once('(').filter(|(name, _)| !name.contains(' ')) else { continue };
        first.get_or_insert(thread);
        let seen = threads.entry(thread).or_default();
        let number = 1 + seen.keys().filter(|call| call.name == name).count();
        seen.insert(Call { name: name.to_owned(), number }, what);
    }
    let main = first.and_then(|first| threads.get(first)).cloned().unwrap_or_default();
    let all = threads.into_values().flatten().filter(|(_, what)| what.contains(tree));
    let apt = all.filter(|(call, _)| main.get(call).is_none_or(|what| what.contains(tree)));
    apt.map(|(call, what)| (call, what.replace(tree, ""))).collect()
}
