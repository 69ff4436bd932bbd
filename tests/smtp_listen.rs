//! The transcripts of `tests/smtp_listen` against the binary over a socket.

#[path = "smtp_listen/leaving.rs"]
mod leaving;
mod support;

use std::io::Write;
use std::path::Path;
use support::certs::authority;
use support::process::Listener;
use support::speaker::Speaker;
use support::stored::{in_spool, without};
use support::transcript::{self, Handshake, Line, Transcript};

/// The arguments, `$CERT` and `$KEY` replaced by files in `dir`.
fn arguments(transcript: &Transcript, dir: &Path) -> Vec<String> {
    assert_eq!(transcript.args[0], "smtp-listen");
    let files = authority().issue(&["mx.test"], 10).files(dir, "host");
    let replaced = |word: &String| match word.as_str() {
        "$CERT" => files.certificate.display().to_string(),
        "$KEY" => files.key.display().to_string(),
        _ => word.clone(),
    };
    transcript.args[1..].iter().map(replaced).chain(["--spool".into(), dir.join("spool").display().to_string()]).collect()
}

/// Speaks the client's part; panics where the server says anything but what it should.
fn play(transcript: &Transcript, talk: Speaker) {
    let place = transcript.path.display();
    let mut talk = talk;
    let mut server_spoke = false;
    for turn in transcript.turns() {
        match &turn[0] {
            Line::Client(_) => talk.write_all(&transcript::client_bytes(turn)).unwrap(),
            Line::Server(_) => {
                let said = talk.lines(turn.len()).unwrap_or_else(|error| panic!("{place}: {error}, wanted {turn:#?}"));
                assert!(
                    transcript::server_said(turn, &said),
                    "{place}: wanted {turn:#?}\nsaid {}",
                    String::from_utf8_lossy(&said)
                );
            }
            Line::Tls(Handshake::Made) => talk = talk.secure_as_client(),
            Line::Close => {
                // Who spoke last closes.
                if !server_spoke {
                    talk.hang_up().unwrap();
                }
                let rest = talk.rest().unwrap_or_else(|error| panic!("{place}: {error}"));
                assert!(rest.is_empty(), "{place}: said {} too much", String::from_utf8_lossy(&rest));
            }
            Line::Tls(_) | Line::Connect | Line::Lost => panic!("{place}: not for a server"),
        }
        server_spoke = matches!(turn[0], Line::Server(_));
    }
}

fn check(transcript: &Transcript) {
    let dir = tempfile::tempdir().unwrap();
    let arguments = arguments(transcript, dir.path());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let listener = Listener::start(&arguments, &dir.path().join("log"));
    play(transcript, Speaker::connect(listener.address));
    assert_eq!(listener.stop().status.code(), Some(0), "{}", transcript.path.display());
    let stored: Vec<u8> =
        in_spool(&dir.path().join("spool")).iter().flat_map(|message| without("Received", message).to_vec()).collect();
    let stored = String::from_utf8(stored).unwrap().replace("\r\n", "\n");
    assert_eq!(stored, String::from_utf8_lossy(&transcript.stored), "{}", transcript.path.display());
}

#[test]
fn every_transcript_passes_against_the_binary() {
    transcript::check_all("smtp_listen", check);
}

/// As inetd starts it: the client's socket is fd 0, 1 and 2. Gives all that the client hears.
fn under_inetd(arguments: &[&str], says: &[u8]) -> String {
    let (mut client, server) = std::os::unix::net::UnixStream::pair().unwrap();
    let stream = || std::process::Stdio::from(std::os::fd::OwnedFd::from(server.try_clone().unwrap()));
    let mut listener = std::process::Command::new(env!("CARGO_BIN_EXE_smtp-listen"))
        .args(arguments)
        .stdin(stream())
        .stdout(stream())
        .stderr(stream())
        .spawn()
        .unwrap();
    drop(server);
    client.write_all(says).unwrap();
    let mut heard = String::new();
    std::io::Read::read_to_string(&mut client, &mut heard).unwrap();
    listener.wait().unwrap();
    heard
}

#[test]
fn a_client_of_inetd_hears_the_protocol_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool").display().to_string();
    let quit = under_inetd(&["--inetd", "--hostname", "mx.test", "--spool", &spool, "-v", "--log", "stderr"], b"QUIT\r\n");
    assert_eq!(quit, "220 mx.test ESMTP Postroad\r\n221 2.0.0 mx.test closing connection\r\n");
    let nothing = dir.path().join("no.toml").display().to_string();
    assert_eq!(under_inetd(&["--inetd", "--config", &nothing], b""), "");
}

#[test]
fn a_client_that_is_silent_in_the_handshake_is_held_no_longer_than_any() {
    let dir = tempfile::tempdir().unwrap();
    let files = authority().issue(&["mx.test"], 10).files(dir.path(), "host");
    let (certificate, key) = (files.certificate.display().to_string(), files.key.display().to_string());
    let arguments = ["--discard", "--timeout", "1", "--tls-cert", &certificate, "--tls-key", &key];
    let listener = Listener::start(&arguments, &dir.path().join("log"));
    let mut client = std::net::TcpStream::connect(listener.address).unwrap();
    client.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    client.write_all(b"EHLO client.test\r\nSTARTTLS\r\n").unwrap();
    let mut heard = Vec::new();
    // Until the server hangs up.
    std::io::Read::read_to_end(&mut client, &mut heard).unwrap();
}
