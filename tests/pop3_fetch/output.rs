//! What goes to stdout: whole messages or nothing, to whoever reads them.

use crate::answers::{Answers, LOST};
use crate::mailboxes::fetch;
use crate::support::process::{Process, Ran, run_as_is, tool};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

const TWO: &[(&str, &str)] = &[
    ("STAT", "+OK 2 40"),
    ("LIST", "+OK\n1 20\n2 20\n."),
    ("UIDL", "+OK\n1 a\n2 b\n."),
    ("LIST 1", "+OK 1 20"),
    ("LIST 2", "+OK 2 20"),
    ("RETR 1", "+OK\nSubject: one\n\nFrom x\n."),
    ("RETR 2", "+OK\nSubject: two\n\n\u{fc}\n."),
    ("TOP 1 10", "+OK\nSubject: one\n\n."),
    ("TOP 2 10", "+OK\nSubject: two\n\n."),
];

fn read(server: &Answers, words: &[&str]) -> Ran {
    let home = tempfile::tempdir().unwrap();
    run_as_is(fetch(home.path(), &server.url()).args(words))
}

/// Through a shell, as only that closes a descriptor.
fn redirected(command: &Command, redirection: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec \"$0\" \"$@\" {redirection}")).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run_as_is(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
}

fn journal(home: &Path) -> String {
    let files = fs::read_dir(home.join(".local/state/postroad/pop3")).into_iter().flatten().flatten();
    files.map(|file| fs::read_to_string(file.path()).unwrap()).collect()
}

#[test]
fn nothing_is_fetched_for_a_stdout_that_is_closed() {
    let (home, server) = (tempfile::tempdir().unwrap(), Answers::new(TWO));
    for words in [&["--delete"][..], &["--retr", "1"], &["--list"]] {
        let ran = redirected(fetch(home.path(), &server.url()).args(words), ">&-");
        assert_eq!((ran.status, ran.err.lines().count()), (74, 1), "{words:?}: {}", ran.err);
        assert!(ran.err.contains("cannot write to stdout: it is closed"), "{}", ran.err);
    }
    assert!(server.heard("RETR").is_empty() && server.heard("DELE").is_empty());
    assert!(!journal(home.path()).contains("=a"), "nothing counts as delivered: {}", journal(home.path()));
    let ran = redirected(fetch(home.path(), &server.url()).arg("--delete"), "1<>/dev/null");
    assert_eq!((ran.status, server.heard("DELE").len()), (0, 2), "{}", ran.err);
}

#[test]
fn what_one_mailbox_remembers_is_nothing_to_another() {
    let (home, server) = (tempfile::tempdir().unwrap(), Answers::new(TWO));
    let state = home.path().join("state");
    let run = |who: &str| {
        let mut command = fetch(home.path(), &format!("{who}@{}", server.address));
        run_as_is(command.arg("--state").arg(&state))
    };
    assert_eq!(run("bob").status, 0);
    let heard = server.heard("").len();
    let refused = run("alice");
    assert_eq!((refused.status, refused.err.lines().count()), (64, 1), "{}", refused.err);
    assert!(refused.err.contains("remembers the messages of bob@127.0.0.1, not those of alice@127.0.0.1"), "{}", refused.err);
    assert_eq!(server.heard("").len(), heard, "nobody is asked");
    assert_eq!(run("bob").out, "", "nothing is new");
    // As an earlier version left it.
    let text = fs::read_to_string(&state).unwrap();
    let old: String = text.lines().filter(|line| !line.contains(" owner ")).map(|line| format!("{line}\n")).collect();
    assert!(old.len() < text.len(), "{text}");
    fs::write(&state, old).unwrap();
    assert_eq!((run("bob").out.as_str(), run("alice").status), ("", 64));
}

#[test]
fn of_a_message_that_is_cut_off_nothing_is_written() {
    for (line, words) in [("RETR 2", ["--retr", "1,2"]), ("TOP 2 10", ["--top", "1,2"])] {
        let cut = format!("+OK\nSubject: two\n\nhal{LOST}");
        let table: Vec<(&str, &str)> = [(line, cut.as_str())].into_iter().chain(TWO.iter().copied()).collect();
        let server = Answers::new(&table);
        let ran = read(&server, &words);
        assert_eq!(ran.status, 75, "{}", ran.err);
        assert!(ran.out.contains("Subject: one") && !ran.out.contains("Subject: two"), "{}", ran.out);
        assert!(ran.err.contains("in message 2: nothing of it was written"), "{}", ran.err);
        let alone = read(&server, &[words[0], "2"]);
        assert_eq!((alone.status, alone.out.as_str()), (75, ""), "{}", alone.err);
    }
}

#[test]
fn several_messages_are_told_apart_and_one_is_as_it_is() {
    let server = Answers::new(TWO);
    let one = read(&server, &["--retr", "1"]);
    assert_eq!((one.status, one.out.as_str()), (0, "Subject: one\n\nFrom x\n"), "{}", one.err);
    let both = read(&server, &["--retr", "1,2"]);
    let without_dates: Vec<&str> = both.out.lines().map(|line| line.split(" MAILER").next().unwrap()).collect();
    let wanted = ["From", "Subject: one", "", ">From x", "", "From", "Subject: two", "", "\u{fc}", ""];
    assert_eq!((both.status, &*without_dates), (0, &wanted[..]), "{}", both.err);
    let tops = read(&server, &["--top", "2,1"]);
    assert_eq!(tops.out.matches("From MAILER-DAEMON ").count(), 2, "{}", tops.out);
}

#[test]
fn machines_get_an_object_for_each() {
    let server = Answers::new(TWO);
    let ran = read(&server, &["--retr", "1,2", "--json"]);
    let objects: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let octets = |object: &serde_json::Value| STANDARD.decode(object["base64"].as_str().unwrap()).unwrap();
    assert_eq!((ran.status, objects.len()), (0, 2), "{}{}", ran.out, ran.err);
    assert_eq!((objects[1]["number"].as_u64(), objects[1]["size"].as_u64()), (Some(2), Some(20)));
    assert_eq!(octets(&objects[0]), b"Subject: one\r\n\r\nFrom x\r\n");
    assert_eq!(octets(&objects[1]), "Subject: two\r\n\r\n\u{fc}\r\n".as_bytes(), "as it was sent");
    let top = read(&server, &["--top", "1", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&top.out).unwrap();
    assert_eq!(octets(&object), b"Subject: one\r\n\r\n");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    let long = format!("+OK\nSubject: long\n\n{}.", "x\n".repeat(100_000));
    let server = Answers::new(&[("STAT", "+OK 1 9"), ("LIST 1", "+OK 1 200000"), ("RETR 1", &long)]);
    for words in [&["--retr", "1"][..], &["--retr", "1", "--json"], &["--stdout"], &["--retr", "1", "-v"]] {
        let home = tempfile::tempdir().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = run_as_is(fetch(home.path(), &server.url()).args(words).stdout(writer));
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.err);
        assert!(!ran.err.contains("roken pipe"), "{words:?}: {}", ran.err);
        assert!(words.contains(&"-v") || ran.err.is_empty(), "{words:?}: {}", ran.err);
    }
}

#[test]
fn a_disk_that_is_full_is_told_on_one_line() {
    let server = Answers::new(TWO);
    for words in [&["--retr", "1"][..], &["--stdout"]] {
        let home = tempfile::tempdir().unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ran = run_as_is(fetch(home.path(), &server.url()).args(words).stdout(full));
        assert_eq!((ran.status, ran.err.lines().count()), (74, 1), "{words:?}: {}", ran.err);
        assert!(ran.err.contains("No space left on device"), "{}", ran.err);
    }
}

#[test]
fn a_terminal_is_not_driven_by_a_message() {
    let server = Answers::new(&[("LIST 1", "+OK 1 20"), ("RETR 1", "+OK\nSubject: \x1b[2J\u{9b}1m\n\n\tx\n.")]);
    let home = tempfile::tempdir().unwrap();
    let pty = nix::pty::openpty(None, None).unwrap();
    let command = &mut fetch(home.path(), &server.url());
    command.args(["--retr", "1"]).stdout(pty.slave.try_clone().unwrap()).stderr(Stdio::null());
    let process = Process::start(command);
    let mut shown = vec![0; 1000];
    let mut n = 0;
    while !shown[..n].ends_with(b"x\r\n") {
        n += nix::unistd::read(pty.master.as_fd(), &mut shown[n..]).unwrap();
    }
    assert_eq!(process.wait().status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&shown[..n]), "Subject: \\x1b[2J\\u{9b}1m\r\n\r\n\tx\r\n");
}

/// Each has one message alone, and both go to one stdout.
#[test]
fn messages_of_several_accounts_are_told_apart() {
    let table: Vec<(&str, &str)> = [("STAT", "+OK 1 20"), ("LIST", "+OK\n1 20\n."), ("UIDL", "+OK\n1 a\n.")]
        .into_iter()
        .chain(TWO.iter().copied().filter(|(line, _)| line.contains(' ')))
        .collect();
    let (home, one, two) = (tempfile::tempdir().unwrap(), Answers::new(&table), Answers::new(&table));
    let account = |name: &str, user: &str, server: &Answers| {
        let at = server.address;
        format!("[account.{name}]\nserver = \"pop3://{user}@{at}\"\npassword = \"s3cret\"\ntls = \"never\"\n")
    };
    let config = home.path().join("config.toml");
    fs::write(&config, account("a", "bob", &one) + &account("b", "alice", &two)).unwrap();
    fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for words in [&["--stdout"][..], &["--retr", "1"]] {
        let mut command = tool("pop3-fetch");
        command.env("HOME", home.path()).args(["-a", "a", "-a", "b", "--allow-plaintext-auth", "--config"]).arg(&config);
        let ran = run_as_is(command.args(words));
        assert_eq!((ran.status, ran.out.matches("From MAILER-DAEMON ").count()), (0, 2), "{words:?}: {}{}", ran.out, ran.err);
        assert_eq!(ran.out.matches("\n>From x\n\n").count(), 2, "{}", ran.out);
    }
}

/// By `ulimit -f`, which kills whoever does not expect it.
#[test]
fn a_file_that_may_not_grow_is_told_on_one_line() {
    let long = format!("+OK\nSubject: long\n\n{}.", "x\n".repeat(100_000));
    let server = Answers::new(&[("STAT", "+OK 1 200000"), ("LIST", "+OK\n1 200000\n."), ("RETR 1", &long)]);
    let home = tempfile::tempdir().unwrap();
    let command = fetch(home.path(), &server.url());
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -f 16; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell.arg("--mbox").arg(home.path().join("mbox"));
    shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = run_as_is(shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    assert_eq!((ran.status, ran.err.lines().count()), (74, 1), "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("File too large"), "{}", ran.err);
    assert!(server.heard("DELE").is_empty());
}
