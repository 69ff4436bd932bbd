//! The ways by which smtp-send comes to a server, beside a plain connection: a program, and a header that a balancer would send.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread::{self, JoinHandle};
use support::process::{Ran, run, tool};
use support::stored::in_maildir;

const MESSAGE: &[u8] = b"From: <alice@crepes.test>\nSubject: Hi\n\nHello.\n";

fn send(arguments: &[&str]) -> Ran {
    run(tool("smtp-send").args(["-f", "alice@crepes.test"]).args(arguments), MESSAGE)
}

fn listen_command(arguments: &str) -> String {
    let program = Path::new(tool("smtp-listen").get_program()).to_owned();
    format!("'{}' {arguments}", program.display())
}

#[test]
fn a_program_is_spoken_to_as_inetd_would() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = dir.path().join("mail box");
    let command = listen_command(&format!("--inetd --maildir '{}'", maildir.display()));
    let ran = send(&["--pipe", &command, "-v", "bob@hamburger.test"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.starts_with("accepted\tbob@hamburger.test\t250\t"));
    let stored = in_maildir(&maildir);
    assert_eq!(stored.len(), 1);
    assert!(stored[0].ends_with(b"\n\nHello.\n"));
}

#[test]
fn a_program_may_speak_lmtp() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = dir.path().join("mail");
    let command = listen_command(&format!("--inetd --role lmtp --maildir '{}'", maildir.display()));
    let ran = send(&["--pipe", &command, "--lmtp", "bob@hamburger.test", "carol@hamburger.test"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(ran.out.lines().count(), 2);
    assert_eq!(in_maildir(&maildir).len(), 1, "one copy for both");
}

#[test]
fn a_program_that_is_no_server_or_none_at_all_is_told() {
    let ran = send(&["--pipe", "/nowhere/server", "bob@hamburger.test", "carol@hamburger.test"]);
    let row = |to| format!("refused\t{to}@hamburger.test\t-\t5.3.5\tcannot start /nowhere/server: No such file or directory\n");
    assert_eq!((ran.status, ran.out), (78, row("bob") + &row("carol")));
    for (program, why) in [("/dev/null", "Permission denied"), ("/dev/null/x", "Not a directory")] {
        let ran = send(&["--pipe", program, "bob@hamburger.test"]);
        assert!(ran.status == 78 && ran.out.contains(why), "{program}: {ran:?}");
    }
    for stage in
        [&["--quit-after", "ehlo"][..], &["--quit-after", "rcpt", "bob@hamburger.test"], &["--serverinfo"], &["--interactive"]]
    {
        let ran = send(&[&["--pipe", "/nowhere/server"][..], stage].concat());
        assert!(ran.status == 78 && (ran.err + &ran.out).contains("cannot start /nowhere/server"), "{stage:?}: {}", ran.status);
    }
    let ran = send(&["--pipe", "true", "bob@hamburger.test"]);
    assert_eq!(ran.status, 75, "it says nothing and ends: {}", ran.err);
    let ran = send(&["--pipe", "echo 'no greeting'", "bob@hamburger.test"]);
    assert_eq!(ran.status, 76, "{}", ran.err);
    let ran = send(&["--pipe", "'sh", "bob@hamburger.test"]);
    assert_eq!(ran.status, 64, "{}", ran.err);
}

/// Reads `length` octets or, with none, a line before it greets; gives them, and says goodbye to whatever follows.
fn behind_a_balancer(length: Option<usize>) -> (String, JoinHandle<(Vec<u8>, u16)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let seen = thread::spawn(move || {
        let (stream, peer) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut header = vec![0; length.unwrap_or(0)];
        match length {
            Some(_) => reader.read_exact(&mut header).unwrap(),
            None => drop(reader.read_until(b'\n', &mut header).unwrap()),
        }
        refuse(stream, reader);
        (header, peer.port())
    });
    (server, seen)
}

fn refuse(mut stream: TcpStream, mut reader: impl BufRead) {
    stream.write_all(b"554 5.3.2 not now\r\n").unwrap();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "QUIT\r\n");
    stream.write_all(b"221 bye\r\n").unwrap();
}

#[test]
fn a_proxy_header_comes_before_all_else() {
    let (server, seen) = behind_a_balancer(None);
    let ran = send(&["-s", &server, "--proxy-header", "v1", "bob@hamburger.test"]);
    let (header, port) = seen.join().unwrap();
    let own = server.rsplit_once(':').unwrap().1;
    assert_eq!(String::from_utf8(header).unwrap(), format!("PROXY TCP4 127.0.0.1 127.0.0.1 {port} {own}\r\n"));
    assert_eq!(ran.status, 69, "{}", ran.err);

    let (server, seen) = behind_a_balancer(Some(28));
    let flags = ["--proxy-header", "v2", "--proxy-source", "192.0.2.9:4000", "--proxy-dest", "192.0.2.25:25"];
    send(&[&["-s", &server][..], &flags, &["bob@hamburger.test"]].concat());
    let (header, _) = seen.join().unwrap();
    assert_eq!(header[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
    assert_eq!(header[16..], [192, 0, 2, 9, 192, 0, 2, 25, 0x0f, 0xa0, 0, 25]);
}

/// What crossed the wire first stands first in the transcript, and a reply to it is nobody's.
#[test]
fn a_proxy_header_is_in_the_transcript() {
    let ends = ["--proxy-source", "192.0.2.9:4000", "--proxy-dest", "192.0.2.25:25"];
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let shown = |version: &str, length, flags: &[&str]| {
        let (server, seen) = behind_a_balancer(length);
        let to = ["-s", &server, "--proxy-header", version, "--trace-json", trace.to_str().unwrap(), "bob@hamburger.test"];
        let ran = send(&[&to[..], &ends, flags].concat());
        seen.join().unwrap();
        ran.err
    };
    let text = "PROXY TCP4 192.0.2.9 192.0.2.25 4000 25";
    let line = shown("v1", None, &["-v"]);
    assert!(line.contains(&format!("\n -> {text}\n<** 554 5.3.2 not now\n -> QUIT\n")), "{line}");
    let traced = std::fs::read_to_string(&trace).unwrap();
    let told = |part: &str| traced.lines().any(|line| line.contains(part) && line.contains("\"stage\":\"connect\""));
    assert!(told(&format!("\"event\":\"proxy\",\"text\":\"{text}\"")) || told("\"event\":\"proxy\""), "{traced}");
    assert!(traced.contains(text) && told("\"code\":554"), "{traced}");
    let words = format!("=== sent a PROXY header of version 2, 28 octets: {text}\n");
    let line = shown("v2", Some(28), &["-v"]);
    assert!(line.contains(&format!("{words}<** 554")), "{line}");
    let line = shown("v2", Some(28), &["--hex"]);
    assert!(line.contains(&words) && line.contains("0d 0a 0d 0a 00 0d 0a 51"), "{line}");
}

#[test]
fn what_a_proxy_header_says_is_checked_before_anything_is_sent() {
    for flags in
        [&["--proxy-source", "192.0.2.1:1"][..], &["--proxy-header", "v3"], &["--proxy-header", "v1", "--proxy-dest", "x"]]
    {
        let ran = send(&[flags, &["-s", "127.0.0.1:9", "bob@hamburger.test"]].concat());
        assert_eq!(ran.status, 64, "{flags:?}: {}", ran.err);
    }
}
