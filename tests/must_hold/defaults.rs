//! What happens where nothing is configured, and where one of two recipients is refused.

use crate::process::{Listener, run, run_fed, tool};
use crate::talk::Talk;
use std::io::{BufRead, BufReader};
use std::path::Path;

const MESSAGE: &[u8] = b"From: <alice@crepes.test>\nSubject: Hi\n\nHello.\n";

/// Somebody else's, this host's by any name, a literal, the one that RFC 5321 wants taken, and ways around.
const STRANGERS: &[&str] = &[
    "<bob@hamburger.test>",
    "<root@localhost>",
    "<root@mx.test>",
    "<bob@[127.0.0.1]>",
    "<postmaster>",
    "<@mx.test:bob@hamburger.test>",
    "<bob%hamburger.test@mx.test>",
    "<\"bob@hamburger.test\"@mx.test>",
];

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}

/// One with no config at all, as far as this host has none, and one with an empty file.
fn without_config(dir: &Path) -> Vec<Vec<String>> {
    let empty = dir.join("empty.toml");
    std::fs::write(&empty, "").unwrap();
    let named = vec!["--config".to_owned(), empty.display().to_string()];
    if Path::new("/etc/postroad/config.toml").exists() { vec![named] } else { vec![named, Vec::new()] }
}

#[test]
fn no_configuration_relays_and_spools_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    for config in without_config(dir.path()) {
        let mut arguments = vec!["--hostname", "mx.test", "--spool", spool.to_str().unwrap()];
        arguments.extend(config.iter().map(String::as_str));
        let listener = Listener::start(&arguments, &dir.path().join("listen.log"));
        let mut talk = Talk::open(listener.address).unwrap();
        talk.ask("EHLO client.test").unwrap();
        for sender in ["<alice@crepes.test>", "<>", "<root@mx.test>"] {
            assert!(talk.ask(&format!("MAIL FROM:{sender}")).unwrap().starts_with("250"));
            for recipient in STRANGERS {
                let reply = talk.ask(&format!("RCPT TO:{recipient}")).unwrap();
                let wanted = if *recipient == "<postmaster>" { "550 5.1.1" } else { "550 5.7.1" };
                assert!(reply.starts_with(wanted), "{recipient}: {reply}");
            }
            assert!(talk.ask("DATA").unwrap().starts_with("554"));
            assert!(talk.ask("RSET").unwrap().starts_with("250"));
        }
        let mut command = tool("smtp-send");
        command.args(["-s", &listener.url(), "--tls", "never", "bob@hamburger.test"]);
        let sent = run(&mut command, MESSAGE);
        assert_eq!(sent.status, 69, "{sent:?}");
        assert!(sent.out.starts_with("refused\tbob@hamburger.test\t550\t5.7.1\t"), "{sent:?}");
    }
    assert_eq!(files(&spool.join("new")).len(), 0);
}

/// On a pipe there is no address that could have rights.
#[test]
fn a_pipe_has_no_rights_either() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let relay = ["--relay-from", "0.0.0.0/0", "--relay-from", "::/0"];
    for rights in [&[][..], &relay[..]] {
        let mut command = tool("smtp-listen");
        command.args(["--inetd", "--hostname", "mx.test", "--config", "/dev/null", "--log", "none", "--spool"]);
        command.arg(&spool).args(rights);
        let ran = run_fed(&mut command, |to| {
            to.write_all(b"HELO client.test\r\nMAIL FROM:<a@a.test>\r\n")?;
            STRANGERS.iter().try_for_each(|stranger| write!(to, "RCPT TO:{stranger}\r\n"))?;
            to.write_all(b"DATA\r\nQUIT\r\n")
        });
        assert_eq!(ran.status, 0, "{ran:?}");
        let replies: Vec<&str> = ran.out.lines().skip(3).collect();
        assert_eq!(replies.len(), STRANGERS.len() + 2, "{ran:?}");
        assert!(replies[..STRANGERS.len()].iter().all(|reply| reply.starts_with("550 5.")), "{ran:?}");
        assert!(replies[STRANGERS.len()].starts_with("554"), "{ran:?}");
    }
    assert_eq!(files(&spool.join("new")).len(), 0);
}

#[test]
fn a_sink_takes_all_since_nothing_leaves_it() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = dir.path().join("mail");
    for sink in [&["--discard"][..], &["--maildir", maildir.to_str().unwrap()][..]] {
        let arguments = [&["--hostname", "mx.test", "--config", "/dev/null"], sink].concat();
        let listener = Listener::start(&arguments, &dir.path().join("listen.log"));
        let mut talk = Talk::open(listener.address).unwrap();
        talk.ask_all(&["EHLO client.test", "MAIL FROM:<>"]).unwrap();
        for recipient in STRANGERS {
            let reply = talk.ask(&format!("RCPT TO:{recipient}")).unwrap();
            assert!(reply.starts_with("250"), "{sink:?} {recipient}: {reply}");
        }
    }
}

#[test]
fn one_refused_recipient_of_two_leaves_the_other_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = dir.path().join("mail");
    let sink = ["--hostname", "mx.test", "--domain", "hamburger.test", "--maildir", maildir.to_str().unwrap()];
    let listener = Listener::start(&sink, &dir.path().join("listen.log"));
    for recipients in [["bob@hamburger.test", "carol@elsewhere.test"], ["carol@elsewhere.test", "bob@hamburger.test"]] {
        let mut command = tool("smtp-send");
        command.args(["-s", &listener.url(), "--tls", "never", "-f", "alice@crepes.test"]).args(recipients);
        let ran = run(&mut command, MESSAGE);
        assert_eq!(ran.status, 1, "{ran:?}");
        let mut rows: Vec<&str> = ran.out.lines().collect();
        rows.sort_unstable();
        let [accepted, refused] = rows[..] else { panic!("two rows: {ran:?}") };
        assert!(accepted.starts_with("accepted\tbob@hamburger.test\t250\t2.0.0\t"), "{ran:?}");
        assert!(refused.starts_with("refused\tcarol@elsewhere.test\t550\t5.7.1\t"), "{ran:?}");
        let stored = files(&maildir);
        let [path] = &stored[..] else { panic!("one message: {stored:?}") };
        let lines: Vec<String> = BufReader::new(std::fs::File::open(path).unwrap()).lines().map(Result::unwrap).collect();
        assert!(lines[..2] == ["Return-Path: <alice@crepes.test>", "Delivered-To: bob@hamburger.test"], "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("Hello."));
        std::fs::remove_file(path).unwrap();
    }
}
