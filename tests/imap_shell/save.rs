//! `save` into a directory, and what stdout gets that is no terminal.

use super::scripted;
use std::path::Path;
use support::played::play;
use support::transcript;

use crate::support;

fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Asked for a section of message 5, the server gives these octets.
fn gives(tag: &str, section: &str, octets: &str) -> String {
    let lines = octets.replace("\r\n", "\nS: ");
    let length = octets.len();
    format!(
        "C: {tag} UID FETCH 5 (UID BODY.PEEK[{section}])\nS: * 1 FETCH (UID 5 BODY[{section}] {{{length}}}\nS: {lines})\nS: {tag} OK x\n"
    )
}

/// CVE-2021-20247: a sender names a file; it is one of the directory that was asked for.
#[test]
fn a_part_is_saved_in_the_directory_whatever_its_name() {
    for (parameter, name) in [
        ("; filename=\"../../x\"", "_._.._x"),
        ("; filename*=utf-8''..%2F..%2Fx", "_._.._x"),
        ("; filename=\".bashrc\"", "_bashrc"),
        ("; filename=\"/etc/x\"", "_etc_x"),
        ("; filename*=utf-8''a%00b%1B%5B2J", "a_b_[2J"),
        ("; filename=\"..\"", "_."),
        ("", "5.2"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let save = format!("save 5.2 {}", out.display());
        let head = gives("a3", "2.MIME", &format!("Content-Disposition: attachment{parameter}\r\n\r\n"));
        let (ran, place) = scripted(&[], &[&save], &format!("{head}{}C: a5 LOGOUT", gives("a4", "2", "first")));
        assert_eq!(ran.status, 0, "{parameter}: {place}");
        assert_eq!((names(&out), names(dir.path())), (vec![name.to_owned()], vec!["out".to_owned()]), "{parameter}");
        let (ran, place) = scripted(&[], &[&save], &format!("{head}C: a4 LOGOUT"));
        assert_eq!(ran.status, 73, "what is there stays: {place}");
        assert_eq!(std::fs::read_to_string(out.join(name)).unwrap(), "first");
    }
    let dir = tempfile::tempdir().unwrap();
    let save = format!("save 5 {}", dir.path().display());
    let (ran, place) = scripted(&[], &[&save], &format!("{}C: a4 LOGOUT", gives("a3", "", "A: b\r\n\r\nc\r\n")));
    assert_eq!((ran.status, names(dir.path())), (0, vec!["5.eml".to_owned()]), "{place}");
}

/// What a message has in it reaches a pipe as it came; on a terminal it does not: `tests/imap_prompt.rs`.
#[test]
fn a_pipe_gets_the_very_bytes() {
    let text = "a\u{1b}[2J\u{9b}b\u{202e}c";
    let header = format!("Subject: {text}\r\nX: y\r\n\r\n");
    let message = gives("a3", "", &format!("{header}t{text}\r\n"));
    let rest = [gives("a4", "TEXT", &format!("u{text}\r\n")), gives("a5", "HEADER", &header)].concat();
    let dialogue = format!("{message}{rest}C: a6 NOOP\nS: * X {text}\nS: a6 OK x\nC: a7 LOGOUT");
    let commands = ["show 5", "fetch 5 BODY[TEXT]", "headers 5", "raw NOOP"];
    let (ran, place) = scripted(&[], &commands, &dialogue);
    for wanted in [format!("\nt{text}\n"), format!("u{text}\n"), format!("Subject: {text}\nX: y\n"), format!("* X {text}\n")] {
        assert!(ran.out.contains(&wanted), "{wanted:?}: {place}");
    }
}

/// stderr is read on a terminal, wherever it goes first.
#[test]
fn nothing_that_a_server_refuses_with_drives_a_terminal() {
    let (ran, place) = scripted(&[], &["noop"], "C: a3 NOOP\nS: a3 NO \u{1b}[2J\u{9b}\nC: a4 LOGOUT");
    assert_ne!(ran.status, 0, "{place}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.txt");
    let options = "--user bob --tls never --allow-plaintext-auth --password-file $PASSWORD";
    std::fs::write(&path, format!("$ imap-shell $SERVER {options} -c noop\nS: * BYE \u{1b}[2J\u{9b}\nclose\n")).unwrap();
    let (greeted, _) = play("imap-shell", &transcript::read(&path));
    for err in [ran.err, greeted.err] {
        assert!(err.contains("\\x1b[2J") && !err.contains(['\u{1b}', '\u{9b}']), "{err}");
    }
}
