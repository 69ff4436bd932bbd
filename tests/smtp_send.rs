//! The transcripts of `tests/smtp_send` against the binary over a socket.

mod support;

use support::played::play;
use support::process::Ran;
use support::transcript::{self, Transcript};

fn check(transcript: &Transcript) {
    let (Ran { status, out, err, .. }, place) = play("smtp-send", transcript);
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
