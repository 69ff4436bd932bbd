//! The tool around the sessions: accounts, a look at a server, a watch, signals.

use crate::support::dialogue::{Does, Site, hears, says, serve};
use crate::support::login::PASSWORD;
use crate::support::process::{PATIENCE, Process, run_as_is, tool};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Says what a server without CAPA says up to the login of bob.
fn logged_in() -> Vec<Does> {
    let pass = format!("PASS {PASSWORD}");
    vec![says("+OK"), hears("CAPA"), says("-ERR"), hears("USER bob"), says("+OK"), hears(&pass), says("+OK in")]
}

pub fn then(more: Vec<Does>) -> Vec<Does> {
    [logged_in(), more].concat()
}

pub fn secret(dir: &Path) -> PathBuf {
    let path = dir.join("password");
    std::fs::write(&path, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

pub fn fetch(dir: &Path, server: &str) -> Command {
    let mut command = tool("pop3-fetch");
    command.env("HOME", dir).arg(server).args(["--tls", "never", "--allow-plaintext-auth", "--password-file"]).arg(secret(dir));
    command
}

#[test]
fn accounts_are_told_apart_and_one_that_fails_does_not_keep_the_others() {
    let site = Site::new();
    let stat = |text: &str| then(vec![hears("STAT"), says(text), hears("QUIT"), says("+OK")]);
    let (first, one) = serve(&site, stat("+OK 1 10"));
    let (second, two) = serve(&site, stat("+OK 2 20"));
    let config = site.dir.path().join("config.toml");
    let account = |name: &str, server: &str| {
        format!("[account.{name}]\nserver = \"{server}\"\npassword = \"{PASSWORD}\"\ntls = \"never\"\n")
    };
    let text = [
        account("a", &format!("pop3://bob@{first}")),
        account("b", &format!("pop3://bob@{second}")),
        account("gone", "pop3://bob@127.0.0.1:1"),
        account("mail", "submission://bob@127.0.0.1:1"),
    ];
    std::fs::write(&config, text.concat()).unwrap();
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = tool("pop3-fetch");
    command.env("HOME", site.dir.path()).args(["--all-accounts", "--stat", "--allow-plaintext-auth", "--config"]).arg(&config);
    let ran = run_as_is(&mut command);
    for served in [one, two] {
        served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    }
    assert_eq!((ran.status, ran.out.as_str()), (75, "a\t1\t10\nb\t2\t20\n"), "{}", ran.err);
    assert!(ran.err.contains("pop3-fetch: gone: cannot connect"), "{}", ran.err);
    let refused = run_as_is(tool("pop3-fetch").env("HOME", site.dir.path()).args(["-a", "mail", "--config"]).arg(&config));
    assert_eq!(refused.status, 78, "no POP3 account: {}", refused.err);
    assert!(refused.err.starts_with("pop3-fetch: account mail: submission: no POP3 server"), "{}", refused.err);
    let (third, served) = serve(&site, vec![says("+OK"), hears("CAPA"), says("-ERR"), hears("QUIT"), says("+OK")]);
    let look = site.dir.path().join("look.toml");
    std::fs::write(&look, [account("one", &format!("pop3://bob@{third}")), account("gone", "pop3://127.0.0.1:1")].concat())
        .unwrap();
    std::fs::set_permissions(&look, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = tool("pop3-fetch");
    command.env("HOME", site.dir.path()).args(["--all-accounts", "--serverinfo", "--json", "--config"]).arg(&look);
    let ran = run_as_is(&mut command);
    served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    assert!(ran.out.starts_with("{\"account\":\"one\",\"host\":\"127.0.0.1\""), "{}", ran.out);
    let mut command = tool("pop3-fetch");
    let refused =
        run_as_is(command.env("HOME", site.dir.path()).args(["-a", "a", "-a", "b", "--state", "s", "--config"]).arg(&config));
    assert_eq!(refused.status, 64, "unique-ids of two mailboxes in one file: {}", refused.err);
}

#[test]
fn a_look_at_a_server_logs_nobody_in() {
    let site = Site::new();
    let script = vec![
        says("+OK \x1b[2Jhello"),
        hears("CAPA"),
        says("+OK\nSTLS\nX-OLD\n."),
        hears("STLS"),
        says("+OK"),
        Does::Tls,
        hears("CAPA"),
        says("+OK\nSASL PLAIN\nX-NEW 1\nLANG\n."),
        hears("LANG"),
        says("+OK\nen English\nde \x1b[2JDeutsch\n."),
        hears("QUIT"),
        says("+OK"),
        Does::Ends(Vec::new()),
    ];
    let (address, served) = serve(&site, script);
    let mut command = tool("pop3-fetch");
    let ran = run_as_is(
        command.env("HOME", site.dir.path()).arg(address.to_string()).arg("--serverinfo").arg("--tls-ca").arg(&site.ca),
    );
    served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    for told in [
        "banner       \\x1b[2Jhello",
        "verified     yes",
        "RFC 5034: AUTH with these mechanisms",
        "offers before TLS only\n    STLS",
        "speaks\n    en         English\n    de         \\x1b[2JDeutsch\n",
    ] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
}

#[test]
fn nothing_that_a_server_says_drives_a_terminal() {
    let site = Site::new();
    let script = then(vec![
        hears("STAT"),
        says("+OK 2 20"),
        hears("LIST"),
        says("+OK\n1 10\n2 10\n."),
        hears("UIDL"),
        says("+OK\n1 \x1b[2J\n2 \\x1b[2J\n."),
        hears("RETR 1"),
        says("-ERR \x1b[2J\u{9b}31m \u{202e}txt"),
        hears("RETR 2"),
        says("-ERR no"),
        hears("QUIT"),
        says("+OK"),
        Does::Ends(Vec::new()),
    ]);
    let (address, served) = serve(&site, script);
    let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
    let ran = run_as_is(command.arg("-v").arg("--mbox").arg(site.dir.path().join("mbox")));
    served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    // The other one only spells it.
    let rows = "failed\t1\t10\t\\x1b[2J\t-ERR \\x1b[2J\\u{9b}31m \\u{202e}txt\nfailed\t2\t10\t\\x5cx1b[2J\t-ERR no\n";
    assert_eq!((ran.status, ran.out.as_str()), (69, rows));
    let shown = |text: &str| text.chars().all(|c| c == '\n' || c == '\t' || !(c.is_control() || c == '\u{202e}'));
    assert!(shown(&ran.out) && shown(&ran.err), "{}{}", ran.out, ran.err);
}

#[test]
fn languages_are_listed_for_machines_too() {
    let site = Site::new();
    let script = vec![
        says("+OK"),
        hears("CAPA"),
        says("+OK\nLANG\n."),
        hears("LANG"),
        says("+OK\nen English\ni-x\n."),
        hears("QUIT"),
        says("+OK"),
    ];
    let (address, served) = serve(&site, script);
    let ran = run_as_is(tool("pop3-fetch").arg(address.to_string()).args(["--serverinfo", "--tls", "never", "--json"]));
    served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    let told: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["languages"], serde_json::json!([{"tag": "en", "name": "English"}, {"tag": "i-x"}]), "{told}");
}

#[test]
fn a_language_that_is_not_to_be_had_is_warned_of_alone() {
    let site = Site::new();
    let stat = |capa: &str, lang: Vec<Does>| {
        let start = [vec![says("+OK"), hears("CAPA"), says(capa)], lang].concat();
        let login = logged_in()[3..].to_vec();
        let end = vec![hears("CAPA"), says("-ERR"), hears("STAT"), says("+OK 1 10"), hears("QUIT"), says("+OK")];
        [start, login, end].concat()
    };
    let refused = vec![hears("LANG de"), says("-ERR no \x1b[2Jde")];
    for (script, told) in [
        (stat("+OK\nUSER\nLANG\n.", refused), "the server does not speak de: -ERR no \\x1b[2Jde"),
        (stat("+OK\nUSER\n.", Vec::new()), "the server offers no languages, de included"),
    ] {
        let (address, served) = serve(&site, script);
        let ran = run_as_is(fetch(site.dir.path(), &format!("bob@{address}")).args(["--stat", "--lang", "de"]));
        served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
        assert_eq!((ran.status, ran.out.as_str()), (0, "1\t10\n"));
        assert_eq!(ran.err, format!("pop3-fetch: 127.0.0.1: {told}\n"));
    }
    let none = run_as_is(fetch(site.dir.path(), "bob@127.0.0.1:1").args(["--stat", "--lang", "de\r\nQUIT"]));
    assert_eq!(none.status, 64, "{}", none.err);
}

/// One event a message and one a mailbox; nothing of the server's can forge a key.
#[test]
fn a_log_tells_what_became_of_each_message() {
    let site = Site::new();
    let script = then(vec![
        hears("STAT"),
        says("+OK 2 20"),
        hears("LIST"),
        says("+OK\n1 10\n2 10\n."),
        hears("UIDL"),
        says("+OK\n1 a=b\n2 c\n."),
        hears("RETR 1"),
        says("+OK\nSubject: x\n\n."),
        hears("RETR 2"),
        says("-ERR no outcome=delivered \x1b[2J"),
        hears("DELE 1"),
        says("+OK"),
        hears("QUIT"),
        says("+OK"),
    ]);
    let (address, served) = serve(&site, script);
    let (here, log) = (site.dir.path().join("Here"), site.dir.path().join("log"));
    let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
    let ran = run_as_is(command.args(["--create", "--delete", "--maildir"]).arg(&here).arg("--log").arg(&log));
    served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    assert_eq!(ran.status, 1, "{}{}", ran.out, ran.err);
    let text = std::fs::read_to_string(&log).unwrap();
    let facts: Vec<&str> = text.lines().map(|line| line.split_once("]: ").unwrap().1).collect();
    assert_eq!(facts.len(), 3, "{text}");
    let has = |start: &str, told: &str| facts.iter().any(|line| line.starts_with(start) && line.contains(told));
    assert!(has("event=message user=bob host=127.0.0.1 number=1 uid=\"a=b\" outcome=delivered deleted=true size=", ""), "{text}");
    assert!(has("event=message user=bob host=127.0.0.1 number=2 uid=c outcome=failed deleted=false", ""), "{text}");
    assert!(has("event=message user=bob host=127.0.0.1 number=2", "text=\""), "{text}");
    assert!(facts[2].starts_with("event=session user=bob host=127.0.0.1 address=127.0.0.1:"), "{text}");
    assert!(facts[2].ends_with(" outcome=partly delivered=1 failed=1"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");

    let mut gone = fetch(site.dir.path(), "bob@127.0.0.1:1");
    let ran = run_as_is(gone.arg("--maildir").arg(&here).args(["--log-format", "json", "--log"]).arg(&log));
    assert_eq!(ran.status, 75, "{}", ran.err);
    let last = std::fs::read_to_string(&log).unwrap();
    let told: serde_json::Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
    assert_eq!((&told["event"], &told["outcome"], &told["delivered"]), (&"session".into(), &"failed".into(), &0.into()));
    assert!(told["text"].as_str().unwrap().contains("cannot connect"), "{told}");
}

#[test]
fn a_signal_in_mid_message_delivers_what_was_whole_and_nothing_else() {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let here = site.dir.path().join("Here");
    let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
    let mut process = Process::start(command.arg("--create").arg("--maildir").arg(&here).stderr(Stdio::null()));
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut say = |text: &str| stream.write_all(text.as_bytes()).unwrap();
    say("+OK\r\n");
    loop {
        let line = lines.next().unwrap().unwrap();
        match line.split(' ').next().unwrap() {
            "CAPA" => say("-ERR\r\n"),
            "STAT" => say("+OK 2 20\r\n"),
            "LIST" => say("+OK\r\n1 10\r\n2 10\r\n.\r\n"),
            "UIDL" => say("+OK\r\n1 a\r\n2 b\r\n.\r\n"),
            "RETR" if line == "RETR 1" => say("+OK\r\none\r\n.\r\n"),
            "RETR" => break say("+OK\r\ntw"),
            _ => say("+OK\r\n"),
        }
    }
    std::thread::sleep(Duration::from_millis(200));
    process.terminate();
    let ended = process.wait();
    assert_eq!(ended.status.code(), Some(75));
    let files: Vec<PathBuf> = std::fs::read_dir(here.join("new")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    assert_eq!(std::fs::read(&files[0]).unwrap(), b"one\n");
}

#[test]
fn a_watch_looks_again_until_a_signal_comes() {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut command = fetch(site.dir.path(), &format!("bob@{address}"));
    let mut process = Process::start(command.args(["--watch", "1", "--mbox"]).arg(site.dir.path().join("mbox")));
    let began = Instant::now();
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"+OK\r\n").unwrap();
        for line in BufReader::new(stream.try_clone().unwrap()).lines() {
            let answer = match line.unwrap().as_str() {
                "CAPA" => "-ERR\r\n",
                "STAT" => "+OK 0 0\r\n",
                "LIST" | "UIDL" => "+OK\r\n.\r\n",
                _ => "+OK\r\n",
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "it waited in between");
    process.terminate();
    let mut said = String::new();
    let mut stderr = process.stderr();
    assert_eq!(process.wait().status.code(), Some(0));
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}
