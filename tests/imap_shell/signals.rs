//! SIGINT and SIGTERM while a script runs.

use crate::support::login::PASSWORD;
use crate::support::process::{PATIENCE, Process, heeding};
use nix::sys::signal::{Signal, kill};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

struct Running {
    process: Process,
    group: nix::unistd::Pid,
    server: BufReader<TcpStream>,
    /// Open: a script that comes from it has not ended, and somebody may yet read what is shown.
    _pipes: (std::process::ChildStdin, std::process::ChildStdout),
    _dir: tempfile::TempDir,
}

/// With its first command on the wire.
fn start(words: &[&str]) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = heeding("imap-shell");
    command.args(["--user", "bob", "--tls", "never", "--allow-plaintext-auth", "--tags", "a", "--login", "login"]);
    command.arg("--password-file").arg(&password).arg(format!("{}/INBOX", listener.local_addr().unwrap())).args(words);
    let mut process = Process::start(command.stdin(Stdio::piped()));
    let (group, script, shown) = process.pipes();
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut running = Running { process, group, server: BufReader::new(stream), _pipes: (script, shown), _dir: dir };
    running.says("* OK [CAPABILITY IMAP4rev1 IDLE] ready");
    running.hears("a1 LOGIN bob s3cret");
    running.says("a1 OK [CAPABILITY IMAP4rev1 IDLE] in");
    running.hears("a2 SELECT INBOX");
    running.says("a2 OK x");
    running
}

impl Running {
    fn says(&mut self, line: &str) {
        self.server.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    fn hears(&mut self, wanted: &str) {
        let mut line = String::new();
        self.server.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    fn signal(&self, signal: Signal) {
        kill(self.group, signal).unwrap();
    }

    /// Its status, and how long it took.
    fn end(mut self) -> (i32, Duration) {
        let began = Instant::now();
        drop(self.server);
        loop {
            if let Some(ended) = self.process.poll() {
                return (ended.status.code().unwrap(), began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "it goes on");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_command_that_ends_in_time_is_followed_by_a_farewell() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut running = start(&["-c", "noop", "-c", "noop"]);
        running.hears("a3 NOOP");
        running.signal(signal);
        thread::sleep(Duration::from_millis(100));
        running.says("a3 OK x");
        running.hears("a4 LOGOUT");
        running.says("* BYE\r\na4 OK x");
        assert_eq!(running.end().0, 75);
    }
}

#[test]
fn a_command_without_an_answer_is_left() {
    let mut running = start(&["-c", "noop"]);
    running.hears("a3 NOOP");
    running.signal(Signal::SIGTERM);
    // It closes the connection by itself.
    running.hears("");
    assert_eq!(running.end().0, 75);
}

#[test]
fn a_script_that_waits_for_its_next_line_ends() {
    let mut running = start(&[]);
    running.signal(Signal::SIGTERM);
    running.hears("a3 LOGOUT");
    running.says("* BYE\r\na3 OK x");
    assert_eq!(running.end().0, 75);
}

#[test]
fn a_script_that_waits_for_a_message_ends() {
    let mut running = start(&["-c", "append - x"]);
    thread::sleep(Duration::from_millis(400));
    running.signal(Signal::SIGTERM);
    running.hears("a3 LOGOUT");
    running.says("* BYE\r\na3 OK x");
    assert_eq!(running.end().0, 75);
}

/// It waits for a reader, which may never read on.
#[test]
fn rows_that_nobody_reads_hold_nothing_up() {
    let mut running = start(&["-c", "ls"]);
    running.hears("a3 LIST \"\" \"*\"");
    (0..20_000).for_each(|n| running.says(&format!("* LIST () NIL name{n}")));
    running.signal(Signal::SIGTERM);
    assert_eq!(running.end().0, 75);
}

/// `-c` may hold several lines, as a script does.
#[test]
fn each_line_of_an_option_is_a_command() {
    let mut running = start(&["-c", "noop\nsearch seen"]);
    running.hears("a3 NOOP");
    running.says("a3 OK x");
    running.hears("a4 UID SEARCH SEEN");
    running.says("a4 OK x");
    running.hears("a5 LOGOUT");
    running.says("* BYE\r\na5 OK x");
    assert_eq!(running.end().0, 0);
}
