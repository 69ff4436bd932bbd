//! How imap-shell shows a session beside its results: in a file, explained, and as if the server offered less.

mod support;

use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::thread::JoinHandle;
use support::dialogue::{Does, Site, hears, says, serve};
use support::login::PASSWORD;
use support::process::{Ran, run, tool};

fn shell(site: &Site, server: (SocketAddr, JoinHandle<Result<(), String>>), words: &[&str]) -> Ran {
    let (address, serving) = server;
    let password = site.dir.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = tool("imap-shell");
    command.arg(address.to_string()).args(["--user", "bob", "--tls", "never", "--allow-plaintext-auth", "--tags", "a"]);
    command.args(["--login", "login", "--password-file"]).arg(password).args(words);
    let ran = run(&mut command, b"");
    if let Err(why) = serving.join().unwrap() {
        panic!("{why}\n{}{}", ran.out, ran.err);
    }
    ran
}

fn session() -> Vec<Does> {
    vec![
        says("* OK [CAPABILITY IMAP4rev1 MOVE UIDPLUS] hi"),
        hears(&format!("a1 LOGIN bob {PASSWORD}")),
        says("a1 OK [CAPABILITY IMAP4rev1 MOVE UIDPLUS] in"),
        hears("a2 SELECT INBOX"),
        says("* 1 EXISTS\na2 OK x"),
        hears("a3 UID FETCH 7 (UID BODY.PEEK[HEADER])"),
        // The last command, and nothing behind it.
        hears("a4 LOGOUT"),
        says("* 1 FETCH (UID 7 BODY[HEADER] {11}\nSubject: \x1bx)\na3 OK x"),
        says("* BYE\na4 OK x"),
    ]
}

const COMMANDS: [&str; 4] = ["-c", "select INBOX", "-c", "headers 7"];

#[test]
fn the_session_is_in_the_file_without_what_is_secret() {
    let site = Site::new();
    let path = site.dir.path().join("trace");
    let ran = shell(&site, serve(&site, session()), &[&COMMANDS[..], &["--trace", path.to_str().unwrap()]].concat());
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("=== connected to 127.0.0.1"), "{text}");
    let wanted = [
        " <- * OK [CAPABILITY IMAP4rev1 MOVE UIDPLUS] hi",
        " -> a1 LOGIN <hidden>",
        " <- a1 OK [CAPABILITY IMAP4rev1 MOVE UIDPLUS] in",
        " -> a2 SELECT INBOX",
        " <- * 1 EXISTS",
        " <- a2 OK x",
        " -> a3 UID FETCH 7 (UID BODY.PEEK[HEADER])",
        " -> a4 LOGOUT",
        " <- * 1 FETCH (UID 7 BODY[HEADER] {11}",
        " <- Subject: \\x1bx)",
        " <- a3 OK x",
        " <- * BYE",
        " <- a4 OK x",
    ];
    assert_eq!(lines[1..], wanted);
    let shown = [&COMMANDS[..], &["--trace", path.to_str().unwrap(), "--show-secrets", "-q", "--explain"]].concat();
    let ran = shell(&site, serve(&site, session()), &shown);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(&format!(" -> a1 LOGIN bob {PASSWORD}\n")) && text.contains("\n    # greeting: "), "{text}");
}

#[test]
fn a_trace_for_machines_has_the_same() {
    let site = Site::new();
    let path = site.dir.path().join("trace");
    let ran = shell(&site, serve(&site, session()), &[&COMMANDS[..], &["--trace-json", path.to_str().unwrap()]].concat());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(PASSWORD), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent: Vec<&str> =
        lines.iter().filter(|line| line["direction"] == "sent").filter_map(|line| line["verb"].as_str()).collect();
    assert_eq!(sent, ["LOGIN", "SELECT", "UID FETCH", "LOGOUT"], "{text}");
}

#[test]
fn a_trace_that_cannot_be_written_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap().to_string();
    let ran = run(tool("imap-shell").args([&server, "--user", "bob", "--trace", "/none/x", "-c", "noop"]), b"");
    assert_eq!(ran.status, 73, "{}", ran.err);
    let site = Site::new();
    let ran = shell(&site, serve(&site, session()), &[&COMMANDS[..], &["--trace", "/dev/full"]].concat());
    // The session was not to blame.
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.err.contains("/dev/full is not whole: No space left"), "{}", ran.err);
}

/// MOVE by hand, as if the server had none.
#[test]
fn an_extension_that_is_disabled_is_not_used() {
    let site = Site::new();
    let script = vec![
        says("* OK [CAPABILITY IMAP4rev1 MOVE UIDPLUS SASL-IR LITERAL+] hi"),
        hears(&format!("a1 LOGIN bob {PASSWORD}")),
        says("a1 OK [CAPABILITY IMAP4rev1 MOVE UIDPLUS LITERAL+] in"),
        hears("a2 SELECT INBOX"),
        says("a2 OK x"),
        hears("a3 UID COPY 1 b"),
        says("a3 OK [COPYUID 7 1 5] x"),
        hears("a4 UID STORE 1 +FLAGS.SILENT (\\Deleted)"),
        says("a4 OK x"),
        hears("a5 UID EXPUNGE 1"),
        says("a5 OK x"),
        hears("a6 UID SEARCH CHARSET UTF-8 SUBJECT {2}"),
        says("+ go"),
        hears("\u{fc}"),
        says("a6 OK x"),
        hears("a7 LOGOUT"),
        says("* BYE\na7 OK x"),
    ];
    let commands = ["-c", "select INBOX", "-c", "move 1 b", "-c", "search subject \u{fc}"];
    let ran = shell(&site, serve(&site, script), &[&commands[..], &["--disable-extension", "move,Literal+"]].concat());
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
}

#[test]
fn each_exchange_is_explained_below_its_answer() {
    let site = Site::new();
    let ran = shell(&site, serve(&site, session()), &[&COMMANDS[..], &["--explain"]].concat());
    let below = |line: &str, told: &str| {
        let at = ran.err.find(line).unwrap_or_else(|| panic!("no {line} in\n{}", ran.err));
        let next = ran.err[at..].lines().nth(1).unwrap();
        assert!(next.starts_with(&format!("    # {told}")), "below {line} stands {next}");
    };
    below(" <- * OK [CAPABILITY", "greeting: ");
    below(" <- a1 OK", "not authenticated: ");
    below(" <- a2 OK", "authenticated: ");
    below(" <- a3 OK", "selected: ");
    below(" <- a4 OK", "any: ");
}
