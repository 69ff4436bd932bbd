//! The transcripts of `tests/smtp_send` against the binary over a socket.

mod support;

use support::played;
use support::transcript::{self, Transcript};

fn check(transcript: &Transcript) {
    played::check("smtp-send", &[0], transcript);
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
