//! The transcripts of `tests/pop3_fetch`: against the binary over a socket, and against the bare engine, each turn of the server cut at
//! every byte.

mod support;

#[path = "pop3_fetch/again.rs"]
mod again;
#[path = "pop3_fetch/answers.rs"]
mod answers;
#[path = "pop3_fetch/bare.rs"]
mod bare;
#[path = "pop3_fetch/cut.rs"]
mod cut;
#[path = "pop3_fetch/hostile.rs"]
mod hostile;
#[path = "pop3_fetch/lmtp.rs"]
mod lmtp;
#[path = "pop3_fetch/mailboxes.rs"]
mod mailboxes;
#[path = "pop3_fetch/outcomes.rs"]
mod outcomes;
#[path = "pop3_fetch/output.rs"]
mod output;
#[path = "pop3_fetch/signals.rs"]
mod signals;
#[path = "pop3_fetch/spool.rs"]
mod spool;
#[path = "pop3_fetch/usage.rs"]
mod usage;

use support::played;
use support::transcript::{self, Transcript};

fn check(transcript: &Transcript) {
    played::check("pop3-fetch", &[0, 66], transcript);
}

#[test]
fn every_transcript_passes_against_the_binary() {
    transcript::check_all("pop3_fetch", check);
}
