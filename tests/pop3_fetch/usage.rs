//! Command lines that make no sense, and servers that are strangers.

use crate::answers::Answers;
use crate::mailboxes::{fetch, secret};
use crate::support::dialogue::{Does, Site, hears, says, serve};
use crate::support::process::{Process, run_as_is, tool};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

/// Each with what the line has to name.
const SENSELESS: &[(&str, &[&str])] = &[
    ("--list --maildir X", &["--maildir", "--list"]),
    ("--retr 1 --exit-empty", &["--exit-empty", "--retr"]),
    ("--list --lines 3", &["--lines", "--list"]),
    ("--lines 3", &["--top"]),
    ("--stat --transcript F", &["--transcript", "--stat"]),
    ("--stat --delete", &["--delete", "--stat"]),
    ("--retr 1 --keep-days 3", &["--keep-days", "--retr"]),
    ("--retr 1 --json --crlf", &["--crlf", "--json"]),
    ("--top 1 --filter true", &["--filter", "--top"]),
    ("--serverinfo --state F", &["--state", "--serverinfo"]),
    ("--interactive --json", &["--json", "--interactive"]),
    ("--list --stat", &["--list", "--stat"]),
    ("--mbox F --create", &["--create"]),
    ("--json", &["--json"]),
    ("--keep-days abc", &["'abc'", "--keep-days", "12h"]),
    ("--no-such-option", &["--no-such-option"]),
    ("another.test", &["another.test"]),
];

#[test]
fn a_command_line_without_sense_is_64_and_one_line() {
    let home = tempfile::tempdir().unwrap();
    let server = Answers::new(&[("RETR 1", "+OK\nx\n."), ("TOP 1 3", "+OK\nx\n.")]);
    for (words, named) in SENSELESS {
        let ran = run_as_is(fetch(home.path(), &server.url()).args(words.split(' ')));
        assert_eq!((ran.status, ran.err.lines().count(), &*ran.out), (64, 1, ""), "{words}: {}", ran.err);
        assert!(named.iter().all(|name| ran.err.contains(name)), "{words}: {}", ran.err);
    }
    assert!(server.heard("").is_empty(), "nobody is asked");
    for words in [&["--retr", "1", "--crlf", "--max-size", "9"][..], &["--top", "1", "--lines", "3"], &["--stat", "--exit-empty"]]
    {
        let ran = run_as_is(fetch(home.path(), &server.url()).args(words));
        assert_ne!(ran.status, 64, "{words:?}: {}", ran.err);
    }
}

#[test]
fn an_account_that_is_named_twice_is_visited_once() {
    let server = Answers::new(&[("STAT", "+OK 1 10")]);
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    let text = format!("[account.two]\nserver = \"pop3://bob@{}\"\npassword = \"x\"\ntls = \"never\"\n", server.address);
    std::fs::write(&config, text).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = tool("pop3-fetch");
    command
        .env("HOME", home.path())
        .args(["-a", "two", "-a", "two", "--stat", "--allow-plaintext-auth", "--config"])
        .arg(&config);
    let ran = run_as_is(&mut command);
    assert_eq!((ran.status, ran.out.as_str(), server.heard("STAT").len()), (0, "1\t10\n", 1), "{}", ran.err);
}

/// A watch goes on where the server is a stranger: whoever is in between may be gone tomorrow.
#[test]
fn a_stranger_gets_no_password_and_does_not_end_a_watch() {
    let site = Site::new();
    let stranger = |watch: &[&str]| {
        let script = vec![says("+OK"), hears("CAPA"), says("+OK\nSTLS\n."), hears("STLS"), says("+OK"), Does::Tls];
        let mut command = tool("pop3-fetch");
        command.env("HOME", site.dir.path()).arg(format!("bob@{}", serve(&site, script).0)).args(watch);
        command.arg("--password-file").arg(secret(site.dir.path())).arg("--mbox").arg(site.dir.path().join("box"));
        command
    };
    let once = run_as_is(&mut stranger(&[]));
    assert_eq!(once.status, 77, "{}", once.err);
    assert!(once.err.contains("certificate verify failed"), "{}", once.err);
    let mut watch = stranger(&["--watch", "1"]);
    let mut process = Process::start(watch.stderr(std::process::Stdio::null()));
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1800) {
        assert!(process.poll().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    process.terminate();
    assert_eq!(process.wait().status.code(), Some(0));
}
