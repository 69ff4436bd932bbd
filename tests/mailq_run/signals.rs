//! Signals while a peer is silent: mailq-run ends in order, soon, and what it had not sent stays as it was.

use crate::support::process::{Process, heeding};
use crate::support::usage::Ended;
use crate::support::world::Server;
use crate::{HELLO, Site, silent, wait_for};
use nix::sys::signal::Signal;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// None of the waits that a signal ends is shorter; all of them together are no longer.
const SOON: Duration = Duration::from_secs(30);

impl Site {
    fn start(&self, words: &[&str]) -> Process {
        let mut command = heeding("mailq-run");
        command.env("POSTROAD_SPOOL", self.spool()).env("POSTROAD_CONFIG", self.dir.path().join("config.toml"));
        Process::start(command.args(["--log", &format!("{}/log", self.dir.path().display())]).args(words))
    }

    /// State, and outcome and attempts of each recipient.
    fn states(&self) -> Vec<String> {
        let rows = self.run("list").out;
        let row = |line: &str| {
            let fields: Vec<&str> = line.split('\t').collect();
            format!("{} {} {} {}", fields[1], fields[6], fields[7], fields[8])
        };
        rows.lines().map(row).collect()
    }
}

fn soon(mut process: Process) -> Ended {
    let began = Instant::now();
    loop {
        if let Some(ended) = process.poll() {
            return ended;
        }
        assert!(began.elapsed() < SOON, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn falls_silent(server: &Server) {
    wait_for(|| server.silences.load(Ordering::Relaxed) == 1);
}

#[test]
fn a_peer_that_is_silent_in_any_phase_holds_nothing_up() {
    for (signal, at, reply) in [
        (Signal::SIGTERM, "greeting", "SILENT"),
        (Signal::SIGINT, "EHLO", "SILENT"),
        (Signal::SIGHUP, "STARTTLS", "220 go ahead\r\nSILENT"),
        (Signal::SIGTERM, "MAIL", "SILENT"),
        (Signal::SIGTERM, "DATA", "SILENT"),
        (Signal::SIGTERM, "DATA", "354 go ahead\r\nSILENT"),
    ] {
        let site = Site::new();
        site.server.say(at, reply);
        if at == "STARTTLS" {
            site.server.extensions.lock().unwrap().push(at.to_owned());
        }
        // More than the kernel holds for a peer that does not read.
        let body = if reply.starts_with("354") { [HELLO, &b"x\r\n".repeat(6_000_000)].concat() } else { HELLO.to_vec() };
        site.accept_body("alice@crepes.test", &["bob@hamburger.test"], &body);
        let mut process = site.start(&[]);
        falls_silent(&site.server);
        process.signal(signal);
        let ended = soon(process);
        assert_eq!(ended.status.code(), Some(0), "{at} {reply}");
        assert_eq!(site.states(), ["due bob@hamburger.test pending 0"], "{at} {reply}");
        assert_eq!((site.server.sessions(), site.log().lines().count()), (1, 0), "{at}: {}", site.log());
    }
}

#[test]
fn so_does_none_that_never_answers_a_connection() {
    let site = Site::new();
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // The backlog takes one or two.
    let mut kept = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        kept.push(stream);
    }
    site.config(&format!("[[route]]\nmatch = \"hamburger.test\"\nto = \"smtp://{address}\"\n"));
    site.accept("alice@crepes.test", &["bob@hamburger.test"]);
    let mut process = site.start(&["--watch"]);
    std::thread::sleep(Duration::from_millis(500));
    process.terminate();
    assert_eq!(soon(process).status.code(), Some(0));
    assert_eq!(site.states(), ["due bob@hamburger.test pending 0"]);
}

/// Whether it has the message, only the server knows.
#[test]
fn an_answer_to_the_final_dot_that_does_not_come_is_a_doubt() {
    let site = Site::new();
    site.server.say(".", "SILENT");
    let id = site.accept("alice@crepes.test", &["bob@hamburger.test"]);
    let mut process = site.start(&["--watch"]);
    falls_silent(&site.server);
    process.terminate();
    assert_eq!(soon(process).status.code(), Some(0));
    assert_eq!(site.states(), ["deferred bob@hamburger.test indoubt 1"]);
    assert!(site.log().contains("outcome=indoubt"), "{}", site.log());
    site.server.behave();
    assert_eq!(site.run(&format!("retry {id}")), silent());
    assert_eq!(site.run(""), silent());
    assert_eq!((site.server.taken().len(), site.states().len()), (1, 0));
}

#[test]
fn one_that_comes_a_little_later_counts() {
    let site = Site::new();
    site.server.say(".", "SILENT");
    site.accept("alice@crepes.test", &["bob@hamburger.test"]);
    site.accept("alice@crepes.test", &["carol@hamburger.test"]);
    let mut process = site.start(&[]);
    falls_silent(&site.server);
    process.terminate();
    std::thread::sleep(Duration::from_millis(500));
    assert!(process.poll().is_none(), "it did not wait");
    site.server.speaks.store(true, Ordering::Relaxed);
    assert_eq!(soon(process).status.code(), Some(0));
    wait_for(|| site.server.taken().len() == 1);
    // The other one was not begun.
    let states = site.states();
    assert!(states.len() == 1 && states[0].starts_with("due ") && states[0].ends_with(" pending 0"), "{states:?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let site = Site::new();
    site.server.say(".", "SILENT");
    site.accept("alice@crepes.test", &["bob@hamburger.test"]);
    let mut process = site.start(&[]);
    falls_silent(&site.server);
    process.terminate();
    std::thread::sleep(Duration::from_millis(500));
    process.terminate();
    assert_eq!(soon(process).status.code(), Some(128 + 15));
    assert_eq!(site.states(), ["due bob@hamburger.test pending 0"]);
}

/// What one server took is not sent there again for the sake of the other.
#[test]
fn what_was_accepted_already_is_marked() {
    let site = Site::new();
    let (other, address) = Server::listen();
    site.config(&format!(
        "[[route]]\nmatch = \"hamburger.test\"\nto = \"smtp://{}\"\n[[route]]\nmatch = \"slow.test\"\nto = \"smtp://{address}\"\n",
        site.address
    ));
    other.say("RCPT", "SILENT");
    site.accept("alice@crepes.test", &["bob@hamburger.test", "carol@slow.test"]);
    let mut process = site.start(&[]);
    falls_silent(&other);
    wait_for(|| site.log().contains("outcome=accepted"));
    process.terminate();
    assert_eq!(soon(process).status.code(), Some(0));
    assert_eq!(site.states(), ["due bob@hamburger.test accepted 1", "due carol@slow.test pending 0"]);
    other.behave();
    assert_eq!(site.run(""), silent());
    assert_eq!((site.server.taken().len(), other.taken().len(), site.states().len()), (1, 1, 0));
}

#[test]
fn a_program_is_ended_with_it_unless_it_ends_by_itself() {
    for (script, want) in [
        ("exec sleep 600", &["due bob@pipe.test indoubt 1", "due carol@pipe.test pending 0"][..]),
        ("trap '' TERM; sleep 600; sleep 600", &["due bob@pipe.test indoubt 1", "due carol@pipe.test pending 0"]),
        // Its own status counts.
        ("sleep 0.2; cat > /dev/null", &["due bob@pipe.test accepted 1", "due carol@pipe.test pending 0"]),
    ] {
        let site = Site::new();
        let pid = site.dir.path().join("mail/pid");
        let to = format!("pipe:sh -c \\\"echo $$ > {}; {script}\\\"", pid.display());
        site.config(&format!("[[route]]\nmatch = \"pipe.test\"\nto = \"{to}\"\n"));
        site.accept("alice@crepes.test", &["bob@pipe.test", "carol@pipe.test"]);
        let mut process = site.start(&[]);
        wait_for(|| std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')));
        let program = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        process.terminate();
        assert_eq!(soon(process).status.code(), Some(0), "{script}");
        assert!(nix::sys::signal::kill(nix::unistd::Pid::from_raw(program), None).is_err(), "{script}: it goes on");
        assert_eq!(site.states(), want, "{script}");
    }
}

/// It would hold the message, and the pass, for as long as it lives.
#[test]
fn what_a_program_leaves_behind_with_its_stdin_is_not_waited_for() {
    let site = Site::new();
    let (pid, script) = (site.dir.path().join("mail/pid"), site.dir.path().join("mail/script"));
    std::fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec sleep 600\n", pid.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    site.config(&format!("[[route]]\nmatch = \"pipe.test\"\nto = \"pipe:setsid -f {}\"\n", script.display()));
    site.accept_body("alice@crepes.test", &["bob@pipe.test"], &[HELLO, &b"x\r\n".repeat(200_000)].concat());
    let ended = soon(site.start(&[]));
    let left = nix::unistd::Pid::from_raw(std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap());
    nix::sys::signal::kill(left, Signal::SIGKILL).unwrap();
    assert_eq!((ended.status.code(), site.states().len()), (Some(0), 0), "{}", site.log());
}
