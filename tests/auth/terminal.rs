//! The question on the terminal: stdin is the message, the answer is not shown, and the terminal is set back however it ends.

use super::host::{Host, MESSAGE, password, welcome};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

const QUESTION: &str = "Password for alice at 127.0.0.1: ";

/// smtp-send in a session of its own, with a terminal or with none.
fn start(host: &Host, terminal: Option<&OpenptyResult>) -> Child {
    start_with(host, terminal, &[])
}

fn start_with(host: &Host, terminal: Option<&OpenptyResult>, options: &[&str]) -> Child {
    std::fs::write(host.path("message"), MESSAGE).unwrap();
    let inner = host.command(&[&["--user", "alice", "--tls", "never", "--allow-plaintext-auth"], options].concat());
    let mut command = Command::new("/usr/bin/setsid");
    if let Some(terminal) = terminal {
        command.arg("--ctty").stdin(File::from(terminal.slave.try_clone().unwrap()));
    } else {
        command.stdin(Stdio::null());
    }
    // Whoever runs the tests in the background may have SIGINT ignored, which is inherited.
    command.args(["/usr/bin/env", "--default-signal=INT"]);
    command.args(["/bin/sh", "-c", "exec \"$@\" < \"$HOME/message\"", "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.env_clear().env("HOME", host.dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("setsid: {error}; on Debian: apt-get install util-linux"))
}

/// Reads what the terminal shows up to and with `text`.
fn shown_until(master: &mut File, text: &str) -> String {
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains(text) {
        let mut byte = [0];
        master.read_exact(&mut byte).unwrap();
        shown.push(byte[0]);
    }
    String::from_utf8(shown).unwrap()
}

fn echoes(terminal: &OpenptyResult) -> bool {
    tcgetattr(&terminal.master).unwrap().local_flags.contains(LocalFlags::ECHO)
}

#[test]
fn the_answer_is_the_password_and_is_not_shown() {
    let (host, terminal) = (Host::new(), openpty(None, None).unwrap());
    let serving = host.serve("PLAIN", false, Box::new(welcome));
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let child = start(&host, Some(&terminal));
    shown_until(&mut master, QUESTION);
    assert!(!echoes(&terminal));
    master.write_all(b"s3crex\x7ft\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(password(&serving.join().unwrap()).as_deref(), Some("s3cret"), "with the editing of a terminal's line");
    assert!(echoes(&terminal), "the terminal is as before");
    master.write_all(b"END\n").unwrap();
    assert!(!shown_until(&mut master, "END").contains("s3cre"));
}

#[test]
fn a_signal_at_the_question_sets_the_terminal_back() {
    let (host, terminal) = (Host::new(), openpty(None, None).unwrap());
    let serving = host.serve("PLAIN", false, Box::new(welcome));
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let child = start(&host, Some(&terminal));
    shown_until(&mut master, QUESTION);
    assert!(!echoes(&terminal));
    master.write_all(b"s3cret\x03").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.signal(), Some(2), "{ended:?}");
    assert!(echoes(&terminal), "the terminal is as before");
    assert!(serving.join().unwrap().iter().all(|line| !line.starts_with("AUTH")));
}

/// A program that asks as `pass` and pinentry do.
const ASKS: &str =
    r#"sh -c 'stty -echo < /dev/tty; printf "PIN: " > /dev/tty; read pin < /dev/tty; stty echo < /dev/tty; echo "$pin"'"#;

#[test]
fn a_password_command_may_ask_on_the_terminal() {
    let (host, terminal) = (Host::new(), openpty(None, None).unwrap());
    let serving = host.serve("PLAIN", false, Box::new(welcome));
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let child = start_with(&host, Some(&terminal), &["--password-command", ASKS]);
    shown_until(&mut master, "PIN: ");
    master.write_all(b"1234\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(password(&serving.join().unwrap()).as_deref(), Some("1234"));
}

/// What it started is ended as well, and the terminal is as it was; Ctrl-C is the program's as it is ours.
#[test]
fn a_password_command_that_nobody_answers_is_ended() {
    let asks = ASKS.replace("read pin < /dev/tty", "sleep 600 & echo $! > pid; sleep 600");
    let (host, terminal) = (Host::new(), openpty(None, None).unwrap());
    let serving = host.serve("PLAIN", false, Box::new(welcome));
    let asks = asks.replace("> pid", &format!("> {}", host.path("pid").display()));
    let options = ["--password-command", &asks, "--password-timeout", "1s"];
    let ended = start_with(&host, Some(&terminal), &options).wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), said.contains("the password command sh took longer than 1s")), (Some(77), true), "{said}");
    assert!(echoes(&terminal), "the terminal is as before");
    serving.join().unwrap();
    let pid = std::fs::read_to_string(host.path("pid")).unwrap();
    let stat = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let is_there = || stat().rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'));
    // Whoever reaps the orphan may take a moment.
    let gone = (0..400).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        !is_there()
    });
    assert!(gone, "{}", stat());

    let terminal = openpty(None, None).unwrap();
    let serving = host.serve("PLAIN", false, Box::new(welcome));
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let child = start_with(&host, Some(&terminal), &["--password-command", ASKS]);
    shown_until(&mut master, "PIN: ");
    master.write_all(b"\x03").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.signal(), Some(2));
    serving.join().unwrap();
}

#[test]
fn an_empty_answer_and_no_terminal_are_77() {
    let (host, terminal) = (Host::new(), openpty(None, None).unwrap());
    let serving = host.serve("PLAIN", false, Box::new(welcome));
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let child = start(&host, Some(&terminal));
    shown_until(&mut master, QUESTION);
    master.write_all(b"\n").unwrap();
    let ended = child.wait_with_output().unwrap();
    serving.join().unwrap();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");

    let serving = host.serve("PLAIN", false, Box::new(welcome));
    let ended = start(&host, None).wait_with_output().unwrap();
    serving.join().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(77), "{said}");
    assert!(
        said.contains("Password for alice at 127.0.0.1: no terminal to ask on: ") && said.contains("--password-command"),
        "{said}"
    );
}

#[test]
fn nobody_is_asked_where_the_server_offers_no_way_to_log_in() {
    let (host, terminal) = (Host::new(), openpty(None, None).unwrap());
    let serving = host.serve("GSSAPI", false, Box::new(welcome));
    let mut master = File::from(terminal.master.try_clone().unwrap());
    let ended = start(&host, Some(&terminal)).wait_with_output().unwrap();
    serving.join().unwrap();
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
    master.write_all(b"END\n").unwrap();
    assert!(!shown_until(&mut master, "END").contains("Password"));
}
