//! The programs of others: found, started, ended; and places for them.

use crate::support::engines::PATIENCE;
use crate::support::process::Listener;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::{File, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const NOBODY: u32 = 65534;

/// A program of a Debian package. Where it is missing, the test fails and names the package.
pub fn program(path: &str, package: &str) -> Command {
    assert!(Path::new(path).exists(), "{path} is missing: apt-get install {package}");
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

pub fn need_root(what: &str) {
    assert!(nix::unistd::geteuid().is_root(), "{what} must be started by root: run make interop as root");
}

/// A directory that other users may enter.
pub fn open_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    dir
}

/// A directory below `dir` that belongs to another user.
pub fn dir_of(dir: &Path, name: &str, uid: u32) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir(&path).unwrap();
    chown(&path, Some(uid), None).unwrap();
    path
}

/// A port for a program that cannot be given port 0: free now, and below those that the kernel gives to others.
pub fn free_port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + u16::try_from(std::process::id() % 9_000).unwrap();
    loop {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_768, "no free port");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// smtp-listen on a port that the kernel chooses, its log in `dir`.
pub fn listen(arguments: &[String], dir: &Path) -> Listener {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Listener::start(&words, &dir.join("smtp-listen.log"))
}

/// Runs a client to its end, which must be good.
pub fn run(command: &mut Command) -> Output {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{}{}", output.status, said(&output.stdout), said(&output.stderr));
    output
}

/// A program in the background, in a process group of its own. Dropped, the whole group is ended.
pub struct Running {
    child: Child,
    name: String,
    stderr: PathBuf,
}

impl Running {
    /// Its stderr goes to a file in `dir`.
    pub fn start(command: &mut Command, dir: &Path) -> Running {
        let name = Path::new(command.get_program()).file_name().unwrap().to_string_lossy().into_owned();
        let stderr = dir.join(format!("{name}.stderr"));
        let log = File::options().append(true).create(true).open(&stderr).unwrap();
        let child = command.stderr(log).process_group(0).spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Running { child, name, stderr }
    }

    /// What it said on stderr so far.
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap()).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Tells it to end, as a service manager does, and waits until it did.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits until it ends by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{} does not end; it said:\n{}", self.name, self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = killpg(Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX)), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// Asks until the answer is yes.
pub fn wait_for(what: &str, patience: Duration, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < patience, "waited {patience:?} for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}
