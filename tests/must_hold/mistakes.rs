//! Mistakes: one line on stderr that names the thing and the place, the status of the table, and nothing on stdout.

use crate::process::{Ran, run, tool};
use std::net::TcpListener;
use std::path::Path;

const HELLO: &[u8] = b"From: <alice@crepes.test>\nSubject: Hi\n\nHello.\n";
const SEND: &[&str] = &["-f", "a@a.test", "b@b.test"];

/// A mistake: the tool and its words, stdin, the status, and what the line has to say.
type Mistake<'a> = (&'a str, Vec<&'a str>, &'a [u8], i32, Vec<&'a str>);

fn with<'a>(arguments: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [arguments, more].concat()
}

/// The one line; after the mistakes of a command line, the usage may follow.
fn told((name, arguments, stdin, status, says): &Mistake<'_>) {
    let ran = run(tool(name).args(arguments), stdin);
    let shown = format!("{name} {arguments:?}: {ran:?}");
    let Ran { out, err, .. } = &ran;
    assert_eq!((ran.status, &**out), (*status, ""), "{shown}");
    let first = err.lines().next().unwrap_or_default();
    assert!(first.starts_with(&format!("{name}: ")), "{shown}");
    assert_eq!(err.lines().count(), 1, "one line: {shown}");
    for word in says {
        assert!(first.contains(word), "no {word:?}: {shown}");
    }
}

#[test]
fn a_config_that_is_wrong_or_unreadable_is_78() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    };
    let unknown = file("unknown.toml", "hostname = \"mx.test\"\n\ndomans = [\"a.test\"]\n");
    let deep = file("deep.toml", "[local]\nmaildirs = \"/var/mail/{user}\"\n");
    let torn = file("torn.toml", "hostname = \"mx.test\"\ndomains = [\n");
    let (gone, folder) = (dir.path().join("gone.toml").display().to_string(), dir.path().display().to_string());
    let binary = dir.path().join("binary.toml").display().to_string();
    std::fs::write(&binary, b"hostname = \"\xff\"\n").unwrap();
    let spool = dir.path().join("spool").display().to_string();
    let listen = ["--listen", "127.0.0.1:0", "--spool", &spool, "--config"];
    for (path, says) in [
        (&unknown, vec!["unknown.toml:3: ", "\"domans\"", "the nearest is \"domains\""]),
        (&deep, vec!["deep.toml:2: ", "\"maildirs\"", "the nearest is \"maildir\""]),
        (&torn, vec!["torn.toml:"]),
        (&binary, vec!["binary.toml"]),
        (&gone, vec!["gone.toml: No such file or directory"]),
        (&folder, vec!["Is a directory"]),
    ] {
        told(&("smtp-listen", with(&listen, &[path]), b"", 78, says.clone()));
        told(&("smtp-send", with(&["-s", "localhost", "--config", path], SEND), HELLO, 78, says.clone()));
        told(&("mailq-run", vec!["--spool", &spool, "--config", path], b"", 78, says));
    }
    assert!(!Path::new(&spool).exists(), "made before the config was read");
}

#[test]
fn an_address_that_is_none_is_64() {
    let (bad, server) = ("invalid value", "smtp://127.0.0.1:1");
    for (address, part) in
        [("bob@@hamburger.test", "bob@@hamburger.test"), ("bob@b..test", "bob@b..test"), ("a b@c.test", "a b@c.test")]
    {
        told(&("smtp-send", vec!["-s", server, address], HELLO, 64, vec![bad, part]));
        told(&("smtp-send", vec!["-s", server, "-f", address, "b@b.test"], HELLO, 64, vec![bad, part]));
    }
    told(&("smtp-send", vec!["-s", "smtp://a:b:c", "b@b.test"], HELLO, 64, vec!["a:b:c"]));
    told(&("smtp-send", vec!["-s", "gopher://a.test", "b@b.test"], HELLO, 64, vec!["gopher"]));
    told(&("smtp-send", vec!["b@b.test"], HELLO, 64, vec!["no server"]));
    told(&("smtp-send", vec!["-s", server], HELLO, 64, vec!["no recipient"]));
    told(&("smtp-listen", vec!["--discard"], b"", 64, vec!["no way to start"]));
    told(&("smtp-listen", vec!["--listen", "nowhere", "--discard"], b"", 64, vec![bad, "nowhere"]));
    told(&("mailq-run", vec!["delete", "../x"], b"", 64, vec![bad, "../x"]));
    told(&("mime-pack", vec!["-t", "a@@b", "-s", "x"], b"", 64, vec!["a@@b"]));
}

#[test]
fn a_message_that_is_none_or_bad_is_66_or_65() {
    let server = ["-s", "smtp://127.0.0.1:1"];
    told(&("smtp-send", with(&server, SEND), b"", 66, vec!["no message"]));
    told(&("smtp-send", with(&server, SEND), b"Subject: x\n\nHel\rlo\n", 65, vec!["line 3"]));
    told(&("mime-pack", vec!["-t", "a@b.test", "-a", "/nonexistent/photo.jpg"], b"x", 66, vec!["/nonexistent/photo.jpg"]));
    told(&("mailq-run", vec!["--spool", "/nonexistent/spool"], b"", 74, vec!["/nonexistent/spool"]));
}

#[test]
fn what_cannot_be_made_is_73() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("x").display().to_string();
    let listen = ["--listen", "127.0.0.1:0", "--config", "/dev/null"];
    told(&("smtp-listen", with(&listen, &["--spool", &below]), b"", 73, vec![&below]));
    told(&("smtp-listen", with(&listen, &["--maildir", &below]), b"", 73, vec![&below]));
    told(&("smtp-listen", with(&listen, &["--discard", "--log", &below]), b"", 73, vec![&below]));
    told(&("smtp-send", with(&["--enqueue", "--spool", &below], SEND), HELLO, 73, vec![&below]));
}

/// Each recipient has its row, and stderr says where it failed.
#[test]
fn a_server_that_is_not_there_has_a_row_for_each_recipient() {
    // A port that was free a moment ago: nobody is there.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let nowhere = "no-such-host.invalid:25";
    for (server, status, word) in [(free.as_str(), 75, "deferred"), (nowhere, 68, "refused")] {
        let ran = run(tool("smtp-send").args(["-s", server, "-f", "a@a.test", "b@b.test", "c@c.test"]), HELLO);
        assert_eq!(ran.status, status, "{ran:?}");
        let rows: Vec<Vec<&str>> = ran.out.lines().map(|row| row.split('\t').collect()).collect();
        let addresses: Vec<&str> = rows.iter().map(|row| row[1]).collect();
        assert_eq!(addresses, ["b@b.test", "c@c.test"], "{ran:?}");
        assert!(rows.iter().all(|row| row[0] == word && row[2] == "-"), "{ran:?}");
    }
}
