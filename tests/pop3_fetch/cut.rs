//! A connection that is lost in mid-message, whatever the target: the message before it is there, nothing of this one is, and the next run
//! fetches it once.

use crate::answers::{Answers, LOST};
use crate::lmtp::{data, greeted, mail, quits};
use crate::mailboxes::fetch;
use crate::support::dialogue::{Site, serve_each};
use crate::support::process::{Ran, run_as_is};
use std::fs;
use std::path::{Path, PathBuf};

const ONE: &str = "Subject: one\n\n1";
const TWO: &str = "Subject: two\n\n2";

/// Of two messages the second is cut off.
fn server() -> Answers {
    Answers::new(&[
        ("STAT", "+OK 2 40"),
        ("LIST", "+OK\n1 20\n2 20\n."),
        ("UIDL", "+OK\n1 a\n2 b\n."),
        ("RETR 1", &format!("+OK\n{ONE}\n.")),
        ("RETR 2", &format!("+OK\nSubject: tw{LOST}")),
    ])
}

fn run(server: &Answers, home: &Path, words: &[&str]) -> Ran {
    run_as_is(fetch(home, &server.url()).current_dir(home).arg("--delete").args(words))
}

/// Runs twice, and looks each time at what has come: `found` gives the messages that somebody has.
fn cut_off_and_fetched(home: &Path, words: &[&str], found: impl Fn() -> Vec<String>) {
    let server = server();
    let cut = run(&server, home, words);
    assert_eq!(cut.status, 75, "{words:?}: {}{}", cut.out, cut.err);
    assert!(cut.out.lines().any(|row| row.starts_with("failed\t2\t") && row.contains("cut off in mid-message")), "{}", cut.out);
    assert_eq!(found(), [ONE], "{words:?}: {}", cut.err);
    assert!(server.heard("DELE").is_empty(), "{words:?}");
    server.say("RETR 2", &format!("+OK\n{TWO}\n."));
    let whole = run(&server, home, words);
    assert_eq!(whole.status, 0, "{words:?}: {}{}", whole.out, whole.err);
    assert_eq!(found(), [ONE, TWO], "{words:?}: {}", whole.err);
    let deleted = server.heard("DELE");
    assert!(deleted.len() == 2 && deleted.contains(&"DELE 1".to_owned()), "{words:?}: {deleted:?}");
}

/// What the files in these directories hold from the first field on, in the order of the subjects.
fn held(dirs: &[PathBuf]) -> Vec<String> {
    let files =
        dirs.iter().flat_map(|dir| fs::read_dir(dir).unwrap()).map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let mut texts: Vec<String> = files.map(|text| from_subject(&text)).collect();
    texts.sort();
    texts
}

fn from_subject(text: &str) -> String {
    let at = text.find("Subject: ").unwrap_or_else(|| panic!("no message: {text}"));
    text[at..].lines().take(3).collect::<Vec<_>>().join("\n")
}

#[test]
fn into_a_maildir() {
    let home = tempfile::tempdir().unwrap();
    let dirs = ["new", "cur", "tmp"].map(|part| home.path().join("Mail").join(part));
    cut_off_and_fetched(home.path(), &["--create", "--maildir", "Mail"], || held(&dirs));
}

#[test]
fn into_an_mbox() {
    let home = tempfile::tempdir().unwrap();
    let found = || {
        let text = fs::read_to_string(home.path().join("box")).unwrap();
        text.split("From MAILER-DAEMON ").skip(1).map(from_subject).collect()
    };
    cut_off_and_fetched(home.path(), &["--mbox", "box"], found);
}

#[test]
fn to_a_program() {
    let home = tempfile::tempdir().unwrap();
    let found = || {
        let text = fs::read_to_string(home.path().join("got")).unwrap();
        text.split_inclusive("\n1\n").map(|text| text.trim_end().to_owned()).collect()
    };
    cut_off_and_fetched(home.path(), &["--exec", "tee -a got"], found);
}

#[test]
fn into_a_spool() {
    let home = tempfile::tempdir().unwrap();
    let dirs = ["new"].map(|part| home.path().join("spool").join(part));
    let words = ["--create", "--spool", "spool", "--recipient", "alice@crepes.test"];
    cut_off_and_fetched(home.path(), &words, || held(&dirs));
}

#[test]
fn to_an_lmtp_server() {
    let site = Site::new();
    let home = site.dir.path();
    fs::write(home.join("config.toml"), "hostname = \"mx.test\"\n").unwrap();
    let each = |text: &str| {
        let wire = text.replace('\n', "\r\n");
        greeted([mail(&[("a@x.test", "250 ok")]), data(&wire, "250 stored"), quits()].concat())
    };
    // Neither session has more than its one message.
    let (address, served) = serve_each(&site, vec![each(ONE), each(TWO)]);
    let lmtp = format!("lmtp://{address}");
    let server = server();
    let words = ["--config", "config.toml", "--lmtp", &lmtp, "--recipient", "a@x.test"];
    let cut = run(&server, home, &words);
    assert_eq!(cut.status, 75, "{}{}", cut.out, cut.err);
    assert!(server.heard("DELE").is_empty());
    server.say("RETR 2", &format!("+OK\n{TWO}\n."));
    let whole = run(&server, home, &words);
    assert_eq!(whole.status, 0, "{}{}", whole.out, whole.err);
    served.join().unwrap().unwrap();
}
