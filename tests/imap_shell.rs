//! The transcripts of `tests/imap_shell` against the binary over a socket.

mod support;

use support::login::PASSWORD;
use support::played::play;
use support::process::Ran;
use support::transcript::{self, Transcript};

fn check(transcript: &Transcript) {
    let (Ran { status, out, err, .. }, place) = play("imap-shell", transcript);
    let rows: Vec<String> = out.lines().map(|line| line.replace('\t', " ")).collect();
    assert!(transcript.same_outcomes(&rows), "wanted {:#?}\n{place}", transcript.outcomes);
    assert_eq!(Some(status), transcript.exit, "{place}");
    assert!((status == 0) == err.is_empty(), "a failure is shown, a success is silent: {place}");
    assert!(!err.contains(PASSWORD), "a password is shown: {place}");
}

#[test]
fn every_transcript_passes_against_the_binary() {
    transcript::check_all("imap_shell", check);
}
