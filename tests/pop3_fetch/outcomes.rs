//! What becomes of each message, in its order, and what that makes of the status.

use crate::answers::Answers;
use crate::mailboxes::fetch;
use crate::support::process::{Process, Ran, run_as_is};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const THREE: &[(&str, &str)] = &[
    ("STAT", "+OK 3 60"),
    ("LIST", "+OK\n1 20\n2 20\n3 20\n."),
    ("UIDL", "+OK\n1 a\n2 b\n3 c\n."),
    ("RETR 1", "+OK\nSubject: one\n\n1\n."),
    ("RETR 2", "+OK\nSubject: two\n\n2\n."),
    ("RETR 3", "+OK\nSubject: three\n\n3\n."),
    ("TOP 1 0", "+OK\nSubject: one\n\n."),
    ("TOP 2 0", "+OK\nSubject: two\n\n."),
    ("TOP 3 0", "+OK\nSubject: three\n\n."),
];

/// Three messages, and other answers to some lines.
pub fn server(other: &[(&str, &str)]) -> Answers {
    let table: Vec<(&str, &str)> = other.iter().chain(THREE).copied().collect();
    Answers::new(&table)
}

/// In a home of its own, with a Maildir in it.
fn run(server: &Answers, words: &[&str]) -> (Ran, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let ran = run_as_is(command(home.path(), server).args(words));
    (ran, home)
}

pub fn command(home: &Path, server: &Answers) -> Command {
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(home.join("Mail").join(part)).unwrap();
    }
    let mut command = fetch(home, &server.url());
    command.current_dir(home);
    command
}

/// The first word of each row, and its number.
pub fn rows(ran: &Ran) -> Vec<(&str, &str)> {
    ran.out.lines().map(|line| line.split('\t').collect::<Vec<_>>()).map(|fields| (fields[0], fields[1])).collect()
}

#[test]
fn rows_come_in_the_order_of_the_messages() {
    let server = server(&[("RETR 1", "-ERR not now"), ("RETR 3", "-ERR not now")]);
    for words in [&["--maildir", "Mail"][..], &["--maildir", "Mail", "--delete"], &["--mbox", "box"]] {
        let (ran, _home) = run(&server, words);
        assert_eq!(rows(&ran), [("failed", "1"), ("delivered", "2"), ("failed", "3")], "{}", ran.err);
        assert_eq!(ran.status, 1, "{}", ran.err);
    }
}

#[test]
fn what_was_not_deleted_in_the_end_is_never_told_as_deleted() {
    let server = server(&[("QUIT", "-ERR not all of them")]);
    let (ran, _home) = run(&server, &["--maildir", "Mail", "--delete", "--json"]);
    assert!(ran.out.lines().count() == 3 && !ran.out.contains("\"deleted\":true"), "{}", ran.out);
    assert_eq!(ran.status, 1);
}

#[test]
fn ids_that_are_none_are_shown() {
    let server = server(&[("UIDL", "+OK\n1 same\n2 same\n3 \x1b[2J\n.")]);
    let (listed, _home) = run(&server, &["--list"]);
    assert_eq!(listed.out, "1\t20\tsame\n2\t20\tsame\n3\t20\t\\x1b[2J\n", "{}", listed.err);
    let (ran, _home) = run(&server, &["--maildir", "Mail", "--json"]);
    let uids: Vec<String> =
        ran.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["uid"].to_string()).collect();
    assert_eq!(uids, ["\"same\"", "\"same\"", "\"\\u001b[2J\""]);
    assert_eq!(ran.status, 0, "{}", ran.err);
}

#[test]
fn where_nothing_was_accepted_the_status_says_whether_a_retry_may_help() {
    let all = |text| [("RETR 1", text), ("RETR 2", text), ("RETR 3", text)];
    let refused = server(&all("-ERR [SYS/PERM] gone"));
    let later = server(&all("-ERR [SYS/TEMP] disk on fire"));
    let mixed = server(&[("RETR 1", "-ERR gone"), ("RETR 2", "-ERR gone"), ("RETR 3", "-ERR [SYS/TEMP] later")]);
    for (server, words, status) in [
        (&refused, &["--maildir", "Mail"][..], 69),
        (&refused, &["--retr", "1,2"], 69),
        (&later, &["--maildir", "Mail"], 75),
        (&later, &["--retr", "1"], 75),
        (&mixed, &["--maildir", "Mail"], 75),
        (&server(&[]), &["--maildir", "Mail", "--max-size", "1"], 69),
        (&server(&[]), &["--exec", "false"], 75),
    ] {
        let (ran, _home) = run(server, words);
        assert_eq!(ran.status, status, "{words:?}: {}{}", ran.out, ran.err);
    }
}

#[test]
fn what_a_server_says_wrongly_harms_nothing_that_was_delivered() {
    let server = server(&[("STAT", "+OK many"), ("LIST", "+OK\n1 20\nx y\n2 20\n3 20\n.")]);
    let (ran, home) = run(&server, &["--maildir", "Mail"]);
    assert_eq!((ran.status, fs::read_dir(home.path().join("Mail/new")).unwrap().count()), (0, 3), "{}", ran.err);
    assert!(ran.err.contains("STAT is answered with no two numbers") && ran.err.contains("a row that is none"), "{}", ran.err);
}

#[test]
fn a_program_that_cannot_start_ends_the_run() {
    for words in [["--exec", "/no/such/program"], ["--filter", "/no/such/program"]] {
        let server = server(&[]);
        let (ran, _home) =
            run(&server, &[&words[..], if words[0] == "--filter" { &["--maildir", "Mail"] } else { &[] }].concat());
        assert_eq!((ran.status, ran.err.lines().count()), (73, 1), "{}{}", ran.out, ran.err);
        assert!(ran.err.contains("cannot run /no/such/program: No such file or directory"), "{}", ran.err);
        assert_eq!(rows(&ran), [("failed", "1"), ("skipped", "2"), ("skipped", "3")]);
    }
}

const JUDGE: &str = "sh -c 'read line; case $line in *one) exit 0;; *two) exit 1;; *) exit 2;; esac'";

#[test]
fn without_top_a_message_is_judged_and_delivered_from_one_copy() {
    let without_top = server(&[("TOP 1 0", "-ERR what"), ("TOP 2 0", "-ERR what"), ("TOP 3 0", "-ERR what")]);
    for server in [&server(&[]), &without_top] {
        let (ran, home) = run(server, &["--maildir", "Mail", "--filter", JUDGE]);
        assert_eq!(rows(&ran), [("delivered", "1"), ("deleted", "2"), ("skipped", "3")], "{}", ran.err);
        assert_eq!((ran.status, server.heard("DELE")), (0, vec!["DELE 2".to_owned()]), "{}", ran.err);
        let new: Vec<String> = fs::read_dir(home.path().join("Mail/new"))
            .unwrap()
            .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        assert_eq!(new, ["Subject: one\n\n1\n"]);
    }
    assert_eq!(without_top.heard("RETR").len(), 3, "each once");
}

#[test]
fn a_dry_run_asks_the_filter_and_fetches_nothing() {
    let server = server(&[]);
    let (ran, home) = run(&server, &["--maildir", "Mail", "--delete", "--dry-run", "--filter", JUDGE]);
    let texts: Vec<&str> = ran.out.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(texts, ["would be fetched", "would be deleted: sh: status 1", "sh: status 2"], "{}", ran.err);
    assert_eq!((ran.status, server.heard("RETR").len(), server.heard("DELE").len()), (0, 0, 0));
    assert_eq!(fs::read_dir(home.path().join("Mail/new")).unwrap().count(), 0);
}

/// As the run itself would.
#[test]
fn a_dry_run_says_what_a_run_would_come_to() {
    let server = server(&[("LIST", "+OK\n1 20\n2 2000\n3 2000\n.")]);
    for (words, status) in [
        (&["--maildir", "Mail", "--max-size", "1000"][..], 1),
        (&["--maildir", "Mail", "--max-size", "1"], 69),
        (&["--maildir", "Mail", "--exit-empty"], 0),
        (&["--maildir", "Mail", "--skip-size", "1", "--exit-empty"], 66),
        (&["--maildir", "none"], 73),
        (&["--maildir", "none", "--create"], 0),
    ] {
        let (dry, home) = run(&server, &[words, &["--dry-run"]].concat());
        assert_eq!(dry.status, status, "{words:?}: {}{}", dry.out, dry.err);
        assert!(!home.path().join("none").exists());
    }
}

#[test]
fn an_empty_mailbox_has_its_status_where_it_is_only_listed_too() {
    let server = server(&[("STAT", "+OK 0 0"), ("LIST", "+OK\n."), ("UIDL", "+OK\n.")]);
    for words in [&["--list"][..], &["--stat"], &["--maildir", "Mail"]] {
        assert_eq!(run(&server, words).0.status, 0);
        assert_eq!(run(&server, &[words, &["--exit-empty"]].concat()).0.status, 66, "{words:?}");
    }
}

/// What cron mails where stdout is thrown away: why, and not that QUIT went well.
#[test]
fn why_messages_failed_stands_on_stderr() {
    let (all, _home) = run(&server(&[]), &["--exec", "false"]);
    assert_eq!(all.err, "pop3-fetch: 127.0.0.1: message 1: false: status 1; 2 more failed\n");
    let (one, _home) = run(&server(&[("RETR 2", "-ERR not now")]), &["--maildir", "Mail"]);
    assert_eq!(one.err, "pop3-fetch: 127.0.0.1: message 2: -ERR not now\n -> RETR 2\n<** -ERR not now\n");
}

#[test]
fn what_a_program_says_stands_in_the_row() {
    let (ran, _home) = run(&server(&[]), &["--exec", "sh -c 'echo note >&2; echo more >&2'"]);
    assert_eq!((ran.status, ran.out.lines().next()), (0, Some("delivered\t1\t20\ta\ttaken by sh: note")), "{}", ran.err);
    let (ran, _home) = run(&server(&[]), &["--exec", " "]);
    assert_eq!((ran.status, &*ran.err), (64, "pop3-fetch: 127.0.0.1: --exec: no command\n"));
}

/// One that anybody may have put there is not followed; one of ours is.
#[test]
fn a_symbolic_link_of_the_user_s_own_is_followed() {
    let (home, server) = (tempfile::tempdir().unwrap(), server(&[]));
    fs::create_dir_all(home.path().join("far/away")).unwrap();
    for (link, to) in [("box", "far/link"), ("far/link", "away/box"), ("state", "far/away/state")] {
        std::os::unix::fs::symlink(to, home.path().join(link)).unwrap();
    }
    for outcome in ["delivered", "kept"] {
        let ran = run_as_is(command(home.path(), &server).args(["--mbox", "box", "--state", "state"]));
        assert_eq!((ran.status, rows(&ran)[0].0), (0, outcome), "{}", ran.err);
        for name in ["box", "state"] {
            assert!(home.path().join(name).is_symlink() && home.path().join("far/away").join(name).is_file());
        }
    }
    std::os::unix::fs::symlink("loop", home.path().join("loop")).unwrap();
    let ran = run_as_is(command(home.path(), &server).args(["--mbox", "loop", "--state", "state"]));
    assert!(ran.status == 73 && ran.err.contains("leads through more than 40 symbolic links"), "{}", ran.err);
    let ran = run_as_is(command(home.path(), &server).args(["--mbox", "box", "--state", "far"]));
    assert!(ran.status == 73 && ran.err.ends_with("far is no regular file\n"), "{}", ran.err);
    // Only root can give files away.
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::lchown(home.path().join("far/link"), Some(65534), None).unwrap();
        let ran = run_as_is(command(home.path(), &server).args(["--mbox", "box", "--state", "state"]));
        assert!(ran.status == 73 && ran.err.contains("far/link belongs to user 65534"), "{}", ran.err);
    }
}

#[test]
fn a_place_that_takes_nothing_is_found_out_before_anything_is_fetched() {
    let server = server(&[]);
    for (place, words) in [("none", ["--mbox", "none/box"]), ("Mail/new", ["--mbox", "Mail/new"]), ("x", ["--maildir", "x"])] {
        let (ran, _home) = run(&server, &words);
        assert_eq!((ran.status, ran.err.lines().count(), &*ran.out), (73, 1, ""), "{place}: {}", ran.err);
        assert!(ran.err.contains(place), "{}", ran.err);
    }
    assert!(server.heard("").is_empty(), "{:?}", server.heard(""));
}

#[test]
fn a_signal_ends_the_wait_for_a_lock_of_another() {
    let (home, server) = (tempfile::tempdir().unwrap(), server(&[]));
    fs::write(home.path().join("box.lock"), format!("{}\n", std::process::id())).unwrap();
    let mut process = Process::start(command(home.path(), &server).args(["--mbox", "box"]).stderr(Stdio::null()));
    let began = Instant::now();
    while server.heard("RETR 3").is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    process.terminate();
    let told = Instant::now();
    assert_eq!(process.wait().status.code(), Some(75));
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
}
