//! The transcripts of `tests/smtp_send` against the binary over a socket.

mod support;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use support::certs::authority;
use support::login::PASSWORD;
use support::played::serve;
use support::process::{Ran, run, tool};
use support::transcript::{self, Transcript};

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
    assert_eq!(transcript.args[0], "smtp-send");
    let arguments = transcript.args[1..].iter().map(|word| {
        word.replace("$SERVER", &address)
            .replace("$CA", &ca.display().to_string())
            .replace("$PASSWORD", &password.display().to_string())
            .replace("$OTHER_CA", &other_ca.display().to_string())
    });
    let Ran { status, out, err, .. } = run(tool("smtp-send").args(arguments), &transcript.stdin);
    let place = format!("{}: stderr\n{err}stdout\n{out}", transcript.path.display());
    if let Err(why) = serving.join().unwrap() {
        panic!("{place}{why}");
    }
    let rows: Vec<String> = out.lines().map(|line| line.replace('\t', " ")).collect();
    assert!(transcript.same_outcomes(&rows), "wanted {:#?}\n{place}", transcript.outcomes);
    assert_eq!(Some(status), transcript.exit, "{place}");
    assert_eq!(err.is_empty(), transcript.exit == Some(0), "a failure is shown, a success is silent: {place}");
}

#[test]
fn every_transcript_passes_against_the_binary() {
    transcript::check_all("smtp_send", check);
}

/// As above, with many messages or recipients: more than one connection, or transactions that depend on the ones before.
#[test]
fn every_batch_passes_against_the_binary() {
    transcript::check_all("smtp_batch", check);
}
