//! The transcripts of `tests/pop3_fetch`: against the binary over a socket, and against the bare engine, each turn of the server cut at
//! every byte.

mod support;

#[path = "pop3_fetch/bare.rs"]
mod bare;
#[path = "pop3_fetch/hostile.rs"]
mod hostile;
#[path = "pop3_fetch/mailboxes.rs"]
mod mailboxes;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use support::certs::authority;
use support::login::PASSWORD;
use support::played::serve;
use support::process::{Ran, run, tool};
use support::transcript::{self, Transcript};

/// Line by line; a closing `…` stands for any text.
fn is_stored(out: &str, transcript: &Transcript) -> bool {
    let wanted = String::from_utf8_lossy(&transcript.stored).into_owned();
    let same = |(line, wanted): (&str, &str)| wanted.strip_suffix('…').map_or(line == wanted, |start| line.starts_with(start));
    out.lines().count() == wanted.lines().count() && out.lines().zip(wanted.lines()).all(same)
}

fn check(transcript: &Transcript) {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (authority(), authority());
    let ca = ours.certificate_file(dir.path(), "ca");
    let other_ca = other.certificate_file(dir.path(), "other-ca");
    let files = ours.issue(&["mx.test"], 10).files(dir.path(), "host");
    let password = dir.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serving = {
        let transcript = transcript.clone();
        thread::spawn(move || serve(&transcript, &listener, &files))
    };
    assert_eq!(transcript.args[0], "pop3-fetch");
    let arguments = transcript.args[1..].iter().map(|word| {
        word.replace("$SERVER", &address)
            .replace("$CA", &ca.display().to_string())
            .replace("$PASSWORD", &password.display().to_string())
            .replace("$OTHER_CA", &other_ca.display().to_string())
    });
    let Ran { status, out, err, .. } = run(tool("pop3-fetch").env("HOME", dir.path()).args(arguments), b"");
    let place = format!("{}: stderr\n{err}stdout\n{out}", transcript.path.display());
    if let Err(why) = serving.join().unwrap() {
        panic!("{place}{why}");
    }
    if transcript.stored.is_empty() {
        let rows: Vec<String> = out.lines().map(|line| line.replace('\t', " ")).collect();
        assert!(transcript.same_outcomes(&rows), "wanted {:#?}\n{place}", transcript.outcomes);
    } else {
        assert!(is_stored(&out, transcript), "wanted\n{}{place}", String::from_utf8_lossy(&transcript.stored));
    }
    assert_eq!(Some(status), transcript.exit, "{place}");
    assert!(matches!(status, 0 | 66) == err.is_empty(), "a failure is shown, a success is silent: {place}");
    assert!(!err.contains(PASSWORD) && !err.contains("AHMzY3JldA"), "a password is shown: {place}");
}

#[test]
fn every_transcript_passes_against_the_binary() {
    transcript::check_all("pop3_fetch", check);
}
