//! Signals while clients are silent: each hears 421 where it can hear anything (RFC 5321 section 3.8), and the listener ends soon.

use crate::support::certs::authority;
use crate::support::process::{Process, heeding};
use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// None of the waits that a signal ends is shorter; all of them together are no longer.
const SOON: Duration = Duration::from_secs(20);
const GOODBYE: &str = "421 4.3.2 mx.test is shutting down, try again\r\n";

fn listen(words: &[&str]) -> (Process, SocketAddr) {
    let mut command = heeding("smtp-listen");
    let mut process =
        Process::start(command.args(["--listen", "127.0.0.1:0", "--hostname", "mx.test", "--config", "/dev/null"]).args(words));
    let mut line = String::new();
    BufReader::new(process.stdout()).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening ").unwrap().parse().unwrap();
    (process, address)
}

/// A client that says these lines, hears as many replies, and no more says anything.
fn client(address: SocketAddr, lines: &[&str]) -> BufReader<TcpStream> {
    let mut client = BufReader::new(TcpStream::connect(address).unwrap());
    client.get_ref().set_read_timeout(Some(SOON)).unwrap();
    let mut said = String::new();
    for line in [None].into_iter().chain(lines.iter().map(Some)) {
        if let Some(line) = line {
            client.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        }
        loop {
            said.clear();
            client.read_line(&mut said).unwrap();
            if said.as_bytes()[3] == b' ' {
                break;
            }
        }
    }
    client
}

/// What the client hears, and how the listener ends, which is soon.
fn ended(mut process: Process, signal: Signal, mut client: BufReader<TcpStream>) -> (String, Option<i32>) {
    let began = Instant::now();
    process.signal(signal);
    let mut heard = String::new();
    let _ = client.read_to_string(&mut heard);
    let ended = process.wait();
    assert!(began.elapsed() < SOON, "{heard:?} after {:?}", began.elapsed());
    (heard, ended.status.code())
}

fn certificate(dir: &Path) -> [String; 4] {
    let files = authority().issue(&["mx.test"], 10).files(dir, "host");
    let (certificate, key) = (files.certificate.display().to_string(), files.key.display().to_string());
    ["--tls-cert".into(), certificate, "--tls-key".into(), key]
}

#[test]
fn silent_clients_hear_it_wherever_they_are() {
    let transaction = ["EHLO a.test", "MAIL FROM:<a@a.test>", "RCPT TO:<b@b.test>", "DATA"];
    for (signal, lines) in [
        (Signal::SIGTERM, &[][..]),
        (Signal::SIGINT, &transaction[..1]),
        (Signal::SIGHUP, &transaction[..3]),
        (Signal::SIGTERM, &transaction),
    ] {
        let (process, address) = listen(&["--discard"]);
        let client = client(address, lines);
        assert_eq!(ended(process, signal, client), (GOODBYE.to_owned(), Some(0)), "{signal} {lines:?}");
    }
}

/// There is no way to say anything.
#[test]
fn one_in_the_handshake_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let certificate = certificate(dir.path());
    let words: Vec<&str> = certificate.iter().map(String::as_str).chain(["--discard"]).collect();
    let (process, address) = listen(&words);
    let client = client(address, &["EHLO a.test", "STARTTLS"]);
    assert_eq!(ended(process, Signal::SIGTERM, client), (String::new(), Some(0)));
}

/// The client keeps its message.
#[test]
fn a_command_that_does_not_end_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let (process, address) = listen(&["--exec", &format!("sh -c 'echo $$ > {}; exec sleep 600'", pid.display())]);
    let mut client = client(address, &["EHLO a.test", "MAIL FROM:<a@a.test>", "RCPT TO:<b@b.test>", "DATA"]);
    client.get_mut().write_all(b"Subject: x\r\n\r\nhi\r\n.\r\n").unwrap();
    let began = Instant::now();
    while !std::fs::read_to_string(&pid).is_ok_and(|text| text.ends_with('\n')) {
        assert!(began.elapsed() < SOON, "it was not started");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (heard, status) = ended(process, Signal::SIGTERM, client);
    assert_eq!((heard, status), (format!("451 4.3.0 Cannot store the message, try again later\r\n{GOODBYE}"), Some(0)));
    let program = std::fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    assert!(nix::sys::signal::kill(nix::unistd::Pid::from_raw(program), None).is_err(), "it goes on");
}

#[test]
fn nobody_is_let_in_to_wait_for_a_greeting() {
    let (mut process, address) = listen(&["--discard"]);
    let mut client = client(address, &["EHLO a.test"]);
    process.terminate();
    let mut said = String::new();
    client.read_line(&mut said).unwrap();
    assert_eq!(said, GOODBYE);
    let late = TcpStream::connect(address).map(drop).map_err(|error| error.kind());
    assert_eq!(late, Err(std::io::ErrorKind::ConnectionRefused));
    drop(client);
    assert_eq!(process.wait().status.code(), Some(0));
}
