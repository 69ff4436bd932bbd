//! pop3-fetch at servers that speak in another way than Dovecot.

use super::dialect::{Dialect, Kind};
use super::letters::{assert_same, letters, lf};
use crate::support::process::Ran;
use std::path::Path;

const PLAIN: [&str; 2] = ["--auth", "PLAIN"];

fn good(ran: &Ran, dialect: &Dialect) {
    assert_eq!(ran.status, 0, "{}{}\n{}", ran.out, ran.err, dialect.said());
}

fn stored(maildir: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(maildir.join("new")).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// Fetched into a Maildir, then nothing is new, then all goes.
fn fetched(dialect: &Dialect, count: usize) -> Vec<Vec<u8>> {
    let maildir = dialect.dir.path().join("Here");
    let here = maildir.to_str().unwrap();
    let by_tls = |words: &[&str]| dialect.by_tls("alice", &[words, &PLAIN].concat());
    let first = by_tls(&["--maildir", here, "--create"]);
    good(&first, dialect);
    assert_eq!(first.out.lines().filter(|row| row.starts_with("delivered\t")).count(), count, "{}", first.out);
    let second = by_tls(&["--maildir", here, "--exit-empty"]);
    assert_eq!(second.status, 66, "nothing is new: {}{}", second.out, second.err);
    let gone = by_tls(&["--maildir", here, "--delete"]);
    good(&gone, dialect);
    assert_eq!(gone.out.lines().filter(|row| row.starts_with("deleted\t")).count(), count, "{}", gone.out);
    let stat = dialect.by_stls("alice", &[&["--stat"], &PLAIN[..]].concat());
    assert_eq!(stat.out, "0\t0\n", "{}", stat.err);
    stored(&maildir)
}

/// With a date: a message without one gets one from whoever hands it in.
fn dated() -> Vec<Vec<u8>> {
    let date = b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n";
    letters().into_iter().map(|letter| [&date[..], &letter].concat()).collect()
}

/// Without the fields that Cyrus puts before it.
fn as_sent(message: Vec<u8>) -> Vec<u8> {
    let at = message.windows(6).position(|window| window == b"Date: ").expect("a letter");
    message[at..].to_vec()
}

/// It discards what comes behind PASS, though it announces PIPELINING.
#[test]
fn pop3_fetch_brings_courier_s_messages_home_byte_for_byte() {
    let sent = letters();
    let dialect = Dialect::start(Kind::Courier, &sent);
    for ran in [dialect.by_stls("alice", &["--stat", "-v"]), dialect.by_tls("alice", &["--stat", "-v", "--login", "user"])] {
        good(&ran, &dialect);
        assert!(ran.out.starts_with(&format!("{}\t", sent.len())), "{}", ran.out);
    }
    let info = dialect.fetch(&dialect.pop3.to_string(), &["--serverinfo"]);
    good(&info, &dialect);
    for told in ["PIPELINING", "LOGIN-DELAY 10", "IMPLEMENTATION Courier Mail Server"] {
        assert!(info.out.contains(told), "{told}: {}", info.out);
    }
    assert_same(fetched(&dialect, sent.len()), sent.iter().map(|message| lf(message)).collect());
}

#[test]
fn pop3_fetch_logs_in_at_cyrus_by_every_way() {
    let dialect = Dialect::start(Kind::Cyrus, &letters()[..1]);
    for way in ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"] {
        for ran in [dialect.by_tls("alice", &["--stat", "--auth", way]), dialect.by_stls("alice", &["--stat", "--auth", way])] {
            good(&ran, &dialect);
            assert!(ran.out.starts_with("1\t"), "{}", ran.out);
        }
    }
    // This Cyrus binds to what TLS 1.3 no longer has (RFC 9266).
    let bound = dialect.by_tls("alice", &["--stat"]);
    assert_eq!(bound.status, 77, "{}{}", bound.out, bound.err);
    assert!(bound.err.contains("try a mechanism without -PLUS"), "{}", bound.err);
    for how in ["apop", "user"] {
        good(&dialect.by_tls("alice", &["--stat", "--login", how]), &dialect);
    }
    std::fs::write(&dialect.password, "wrong\n").unwrap();
    assert_eq!(dialect.by_tls("alice", &["--stat"]).status, 77);
}

/// There by LMTP, back by POP3, on by LMTP to bob, and back again.
#[test]
fn pop3_fetch_hands_messages_over_to_cyrus() {
    let sent = dated();
    let dialect = Dialect::start(Kind::Cyrus, &sent);
    let server = format!("lmtp://{}", dialect.lmtp);
    let words =
        ["--lmtp", &server, "--recipient", "bob@localhost", "--recipient", "nobody@localhost", "--delete", "--auth", "PLAIN"];
    let ran = dialect.by_tls("alice", &words);
    assert_eq!(ran.status, 1, "{}{}", ran.out, ran.err);
    let refused =
        |row: &str| row.starts_with("failed\t") && row.contains("accepted for bob@localhost; refused for nobody@localhost: 550");
    assert!(ran.out.lines().count() == sent.len() && ran.out.lines().all(refused), "{}", ran.out);
    let maildir = dialect.dir.path().join("Bob");
    let words = ["--maildir", maildir.to_str().unwrap(), "--create", "--auth", "PLAIN"];
    good(&dialect.by_stls("bob", &words), &dialect);
    let ran = dialect.by_tls("alice", &["--lmtp", &server, "--recipient", "bob@localhost", "--delete", "--auth", "PLAIN"]);
    good(&ran, &dialect);
    assert!(ran.out.lines().all(|row| row.contains("accepted earlier")), "{}", ran.out);
    good(&dialect.by_stls("bob", &words), &dialect);
    let arrived = stored(&maildir).into_iter().map(as_sent).collect();
    assert_same(arrived, sent.iter().map(|message| lf(message)).collect());
    assert_eq!(dialect.by_stls("alice", &["--stat", "--auth", "PLAIN"]).out, "0\t0\n");
}

#[test]
fn pop3_fetch_brings_cyrus_s_messages_home_byte_for_byte() {
    let sent = dated();
    let dialect = Dialect::start(Kind::Cyrus, &sent);
    let home = fetched(&dialect, sent.len()).into_iter().map(as_sent).collect();
    assert_same(home, sent.iter().map(|message| lf(message)).collect());
}
