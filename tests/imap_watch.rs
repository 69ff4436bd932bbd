//! imap-shell's `watch`: several mailboxes over several connections, programs that are run, connections that are lost, signals.

mod support;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::Duration;
use support::login::PASSWORD;
use support::process::{PATIENCE, heeding};

/// One connection, on the server's side.
struct Server(BufReader<TcpStream>);

impl Server {
    fn accept(listener: &TcpListener) -> Server {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Server(BufReader::new(stream))
    }

    fn says(&mut self, lines: &str) {
        let bytes: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
        self.0.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    fn hears(&mut self, wanted: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    fn lets_in(&mut self, offers: &str) {
        self.says(&format!("* OK [CAPABILITY IMAP4rev1 {offers}] ready"));
        self.hears(&format!("a1 LOGIN bob {PASSWORD}"));
        self.says(&format!("a1 OK [CAPABILITY IMAP4rev1 {offers}] in"));
    }

    /// Up to IDLE; gives the mailbox that was opened.
    fn opens(&mut self, command: &str, exists: u32) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let name = line.trim_end().strip_prefix(command).unwrap_or_else(|| panic!("{line}")).to_owned();
        self.says(&format!("* {exists} EXISTS\na2 OK [READ-ONLY] x"));
        self.hears("a3 IDLE");
        self.says("+ idling");
        name
    }

    fn is_done(&mut self) {
        self.hears("DONE");
        self.says("a3 OK x");
    }

    fn quits(&mut self) {
        self.hears("a4 LOGOUT");
        self.says("* BYE\na4 OK x");
    }

    fn leaves(&mut self) {
        self.is_done();
        self.quits();
    }
}

/// The tool, running.
struct Watching {
    dir: tempfile::TempDir,
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Watching {
    fn start(listener: &TcpListener, commands: &[&str]) -> Watching {
        let dir = tempfile::tempdir().unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = heeding("imap-shell");
        command.arg(listener.local_addr().unwrap().to_string()).arg("--password-file").arg(password);
        command.args(["--user", "bob", "--tls", "never", "--allow-plaintext-auth", "--tags", "a", "--login", "login"]);
        command.args(commands.iter().flat_map(|command| ["-c", command])).current_dir(dir.path());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Watching { dir, child, out }
    }

    fn tells(&mut self, wanted: &str) {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    fn gets(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// What is still told, what stood on stderr, the status.
    fn ends(mut self) -> (String, String, Option<i32>) {
        let (mut out, mut err) = (String::new(), String::new());
        self.out.read_to_string(&mut out).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (out, err, self.child.wait().unwrap().code())
    }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn several_mailboxes_have_a_connection_each_where_there_is_no_notify() {
    let listener = listen();
    let mut watching = Watching::start(&listener, &["watch one two three", "noop"]);
    let mut servers: Vec<(Server, String)> = Vec::new();
    for _ in 0..3 {
        let mut server = Server::accept(&listener);
        server.lets_in("IDLE");
        let name = server.opens("a2 EXAMINE ", 1);
        servers.push((server, name));
    }
    for (server, name) in &mut servers {
        server.says("* 2 EXISTS");
        watching.tells(&format!("{name}\texists\t2"));
    }
    let names: std::collections::BTreeSet<&str> = servers.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(names.len(), 3);
    // Who ends it so wants no more: no NOOP.
    watching.gets(Signal::SIGINT);
    servers.iter_mut().for_each(|(server, _)| server.is_done());
    // The shell's own session is the first, and leaves last.
    servers.iter_mut().rev().for_each(|(server, _)| server.quits());
    assert_eq!(watching.ends(), (String::new(), String::new(), Some(0)));
}

#[test]
fn a_mailbox_that_is_not_there_ends_it() {
    let listener = listen();
    let watching = Watching::start(&listener, &["watch one two"]);
    let mut first = Server::accept(&listener);
    first.lets_in("IDLE");
    first.opens("a2 EXAMINE ", 1);
    let mut second = Server::accept(&listener);
    second.lets_in("IDLE");
    second.hears("a2 EXAMINE two");
    second.says("a2 NO [NONEXISTENT] no such mailbox");
    first.is_done();
    second.hears("a3 LOGOUT");
    second.says("* BYE\na3 OK x");
    first.quits();
    let (_, err, status) = watching.ends();
    assert_eq!(status, Some(69));
    assert!(err.contains("imap-shell: two: NO"), "{err}");
}

#[test]
fn sigterm_ends_it_well() {
    let listener = listen();
    let watching = Watching::start(&listener, &["watch INBOX"]);
    let mut server = Server::accept(&listener);
    server.lets_in("IDLE");
    server.opens("a2 EXAMINE ", 1);
    watching.gets(Signal::SIGTERM);
    server.leaves();
    assert_eq!(watching.ends(), (String::new(), String::new(), Some(0)));
}

/// Behind it, signals end the script; a command without an answer has a second.
#[test]
fn behind_a_watch_a_signal_ends_the_script() {
    let listener = listen();
    let watching = Watching::start(&listener, &["watch INBOX -t 1s", "noop"]);
    let mut server = Server::accept(&listener);
    server.lets_in("IDLE");
    server.opens("a2 EXAMINE ", 1);
    server.hears("DONE");
    server.says("a3 OK x");
    server.hears("a4 NOOP");
    watching.gets(Signal::SIGTERM);
    let (out, err, status) = watching.ends();
    assert!(err.contains("ended by a signal"), "{err}");
    assert_eq!((out, status), (String::new(), Some(75)));
}

#[test]
fn a_server_without_idle_is_asked_again_and_again() {
    let listener = listen();
    let mut watching = Watching::start(&listener, &["watch INBOX --every 1s"]);
    let mut server = Server::accept(&listener);
    server.lets_in("UIDPLUS");
    server.hears("a2 EXAMINE INBOX");
    server.says("* 1 EXISTS\na2 OK x");
    server.hears("a3 NOOP");
    server.says("a3 OK x");
    server.hears("a4 NOOP");
    server.says("* 2 EXISTS\n* 1 FETCH (UID 7 FLAGS (\\Seen))\na4 OK x");
    watching.tells("INBOX\texists\t2");
    watching.tells("INBOX\tfetch\t1\t7\t\\Seen");
    watching.gets(Signal::SIGINT);
    server.hears("a5 LOGOUT");
    server.says("* BYE\na5 OK x");
    assert_eq!(watching.ends(), (String::new(), String::new(), Some(0)));
}

#[test]
fn a_lost_connection_is_made_anew_and_what_changed_is_told() {
    let listener = listen();
    let mut watching = Watching::start(&listener, &["watch INBOX other"]);
    let mut servers = Vec::new();
    for _ in 0..2 {
        let mut server = Server::accept(&listener);
        server.lets_in("IDLE");
        let name = server.opens("a2 EXAMINE ", 1);
        servers.push((name, server));
    }
    servers.sort_by(|a, b| a.0.cmp(&b.0));
    let (_, mut other) = servers.pop().unwrap();
    drop(other);
    other = Server::accept(&listener);
    other.lets_in("IDLE");
    assert_eq!(other.opens("a2 EXAMINE ", 3), "other");
    watching.tells("other\texists\t3");
    // The shell's own session: the others begin anew with it.
    let (_, mut inbox) = servers.pop().unwrap();
    inbox.says("* BYE restart");
    drop(inbox);
    other.leaves();
    for _ in 0..2 {
        let mut server = Server::accept(&listener);
        server.lets_in("IDLE");
        let name = server.opens("a2 EXAMINE ", 5);
        servers.push((name, server));
    }
    watching.tells("INBOX\texists\t5");
    watching.gets(Signal::SIGINT);
    servers.iter_mut().for_each(|(_, server)| server.is_done());
    servers.sort_by(|a, b| b.0.cmp(&a.0));
    servers.iter_mut().for_each(|(_, server)| server.quits());
    let (out, err, status) = watching.ends();
    assert_eq!((out.as_str(), status), ("", Some(0)), "{err}");
    assert!(err.contains("; again in 1 s") && err.contains("restart"), "{err}");
}

#[test]
fn once_means_once() {
    let listener = listen();
    let watching = Watching::start(&listener, &["watch INBOX --once"]);
    let mut server = Server::accept(&listener);
    server.lets_in("IDLE");
    server.opens("a2 EXAMINE ", 1);
    drop(server);
    let (_, err, status) = watching.ends();
    assert_eq!(status, Some(75), "{err}");
}

#[test]
fn a_program_is_run_for_each_event_without_a_shell() {
    let listener = listen();
    let program = |dir: &std::path::Path| {
        let path = dir.join("my program");
        std::fs::write(&path, "#!/bin/sh\n{ echo \"$MAIL_MAILBOX|$MAIL_EVENT|$MAIL_EXISTS|$MAIL_FLAGS|$1\"; cat; } >> told\n[ \"$MAIL_EVENT\" = exists ]\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let place = tempfile::tempdir().unwrap();
    let path = program(place.path());
    let command = format!("watch 'a b' -t 2s --exec '{}' '$(touch x); \"'", path.display());
    let mut watching = Watching::start(&listener, &[&command]);
    let mut server = Server::accept(&listener);
    server.lets_in("IDLE");
    server.opens("a2 EXAMINE ", 1);
    server.says("* 2 EXISTS\n* 1 FETCH (FLAGS (\\Seen x))");
    watching.tells("a b\texists\t2");
    watching.tells("a b\tfetch\t1\t-\t\\Seen x");
    server.leaves();
    let told = watching.dir.path().join("told");
    let dir = std::mem::replace(&mut watching.dir, tempfile::tempdir().unwrap());
    let (_, err, status) = watching.ends();
    // The second run failed.
    assert_eq!(status, Some(1), "{err}");
    assert!(err.contains("my program: status 1"), "{err}");
    let wanted = "a b|exists|2||$(touch x); \"\n{\"mailbox\":\"a b\",\"event\":\"exists\",\"exists\":2}\n\
                  a b|fetch||\\Seen x|$(touch x); \"\n{\"mailbox\":\"a b\",\"event\":\"fetch\",\"seq\":1,\"flags\":[\"\\\\Seen\",\"x\"]}\n";
    assert_eq!(std::fs::read_to_string(told).unwrap(), wanted);
    assert!(!dir.path().join("x").exists());
}

/// Nobody reads what is told: the tool ends, as any other in a pipe.
#[test]
fn a_closed_pipe_ends_it() {
    let listener = listen();
    let mut watching = Watching::start(&listener, &["watch INBOX"]);
    let mut server = Server::accept(&listener);
    server.lets_in("IDLE");
    server.opens("a2 EXAMINE ", 1);
    let nothing = std::process::Command::new("true").stdout(Stdio::piped()).spawn().unwrap().stdout.take().unwrap();
    watching.out = BufReader::new(nothing);
    std::thread::sleep(Duration::from_millis(100));
    server.says("* 2 EXISTS");
    server.leaves();
    let (_, err, _) = watching.ends();
    assert_eq!(err, "");
}
