//! The transcripts of `tests/pop3_fetch`: against the binary over a socket, and against the bare engine, each turn of the server cut at
//! every byte.

mod support;

#[path = "pop3_fetch/answers.rs"]
mod answers;
#[path = "pop3_fetch/bare.rs"]
mod bare;
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
#[path = "pop3_fetch/spool.rs"]
mod spool;

use support::login::PASSWORD;
use support::played::play;
use support::process::Ran;
use support::transcript::{self, Transcript};

/// Line by line; a closing `…` stands for any text.
fn is_stored(out: &str, transcript: &Transcript) -> bool {
    let wanted = String::from_utf8_lossy(&transcript.stored).into_owned();
    let same = |(line, wanted): (&str, &str)| wanted.strip_suffix('…').map_or(line == wanted, |start| line.starts_with(start));
    out.lines().count() == wanted.lines().count() && out.lines().zip(wanted.lines()).all(same)
}

fn check(transcript: &Transcript) {
    let (Ran { status, out, err, .. }, place) = play("pop3-fetch", transcript);
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
