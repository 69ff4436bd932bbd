//! How smtp-send shows a session: explained, as bytes, for machines; and what it would do.

mod support;

use serde_json::Value;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;
use support::dialogue::{Does, Site, hears, says, serve};
use support::process::{Ran, run, tool};

const MESSAGE: &[u8] = b"Subject: hi\n\n.secret text\n";

fn send(server: (SocketAddr, JoinHandle<Result<(), String>>), words: &[&str]) -> Ran {
    let (address, serving) = server;
    let mut command = tool("smtp-send");
    command.args(["--ehlo", "client.test", "-s", &address.to_string(), "-f", "a@x.test"]).args(words);
    let ran = run(command.args(["b@y.test", "c@y.test"]), MESSAGE);
    if let Err(why) = serving.join().unwrap() {
        panic!("{why}\n{}{}", ran.out, ran.err);
    }
    ran
}

fn session() -> Vec<Does> {
    vec![
        says("220 mx.test ESMTP"),
        hears("EHLO client.test"),
        says("250-mx.test\n250 PIPELINING"),
        hears("MAIL FROM:<a@x.test>"),
        hears("RCPT TO:<b@y.test>"),
        hears("RCPT TO:<c@y.test>"),
        hears("DATA"),
        says("250 2.1.0 ok\n250 2.1.5 ok\n550 5.1.1 \x1b[2Jno such user\n354 go ahead"),
        hears("Subject: hi"),
        hears(""),
        hears("..secret text"),
        hears("."),
        says("250 2.0.0 queued"),
        hears("QUIT"),
        says("221 bye"),
    ]
}

#[test]
fn each_exchange_is_explained_below_its_reply() {
    let ran = send(serve(&Site::new(), session()), &["--explain"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let below = |line: &str, told: &str| {
        let at = ran.err.find(line).unwrap_or_else(|| panic!("no {line} in\n{}", ran.err));
        let next = ran.err[at..].lines().nth(1).unwrap();
        assert!(next.starts_with(&format!("    # {told}")), "below {line} stands {next}");
    };
    below(" <- 220 mx.test", "handshake: the server speaks first");
    below(" <- 250 PIPELINING", "handshake: the client names itself");
    below(" <- 250 2.1.0 ok", "transfer: a new message");
    below("<** 550 5.1.1 \\x1b[2Jno", "transfer: one recipient of the message. 550: refused: no such mailbox");
    below(" <- 354 go ahead", "transfer: the client wants to send the message. 354: go ahead");
    below(" <- 250 2.0.0 queued", "transfer: a dot alone ends the message");
    below(" <- 221 bye", "closure: ");
    assert!(ran.err.contains("; 5.1.1: the mailbox does not exist\n"), "{}", ran.err);
}

#[test]
fn bytes_are_shown_below_their_line() {
    let ran = send(serve(&Site::new(), session()), &["--hex"]);
    assert!(ran.err.contains(" <- 221 bye\n    0000  32 32 31 20 62 79 65 0d 0a "), "{}", ran.err);
    assert!(ran.err.contains("1b 5b 32 4a") && !ran.err.contains('\x1b'), "{}", ran.err);
}

#[test]
fn the_dialogue_is_there_for_machines() {
    let site = Site::new();
    let path = site.dir.path().join("trace");
    let ran = send(serve(&site, session()), &["--trace-json", path.to_str().unwrap()]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(['\x1b']) && !text.contains("secret text"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let short = |line: &Value| {
        let word = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        let number = |key: &str| line[key].as_u64().map_or("-".to_owned(), |n| n.to_string());
        format!("{} {} {} {}", word("direction"), word("stage"), word("verb"), number("code"))
    };
    let wanted = [
        "info connect - -",
        "received connect - 220",
        "sent ehlo EHLO -",
        "received ehlo EHLO 250",
        "sent mail MAIL -",
        "sent rcpt RCPT -",
        "sent rcpt RCPT -",
        "sent data DATA -",
        "received mail MAIL 250",
        "received rcpt RCPT 250",
        "received rcpt RCPT 550",
        "received data DATA 354",
        "sent dot - -",
        "received dot - 250",
        "sent quit QUIT -",
        "received quit QUIT 221",
    ];
    assert_eq!(lines.iter().map(short).collect::<Vec<_>>(), wanted, "{text}");
    assert_eq!(lines[5]["line"], "RCPT TO:<b@y.test>");
    assert_eq!(lines[10]["enhanced"], "5.1.1");
    assert_eq!(lines[12]["octets"], 33);
    assert!(lines.iter().all(|line| line["time"].as_str().is_some_and(|time| time.ends_with('Z')) && line["secure"] == false));
    let refused = run(tool("smtp-send").args(["-s", "127.0.0.1:1", "-f", "", "--trace-json", "/none/x", "b@y.test"]), MESSAGE);
    assert_eq!(refused.status, 73, "{}", refused.err);
}

#[test]
fn the_session_is_also_written_to_a_file() {
    let site = Site::new();
    let path = site.dir.path().join("trace");
    let ran = send(serve(&site, session()), &["--trace", path.to_str().unwrap()]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\n -> RCPT TO:<b@y.test>\n") && text.contains("\n<** 550 5.1.1 \\x1b[2Jno"), "{text}");
}

/// The session was not to blame; in a pipeline, the name tells whose line it is. (One recipient is refused.)
#[test]
fn a_file_that_cannot_be_written_is_told_by_name() {
    for option in ["--trace", "--trace-json"] {
        let ran = send(serve(&Site::new(), session()), &[option, "/dev/full"]);
        let line = "\nsmtp-send: /dev/full is not whole: No space left on device\n";
        assert!(ran.status == 1 && ran.err.ends_with(line), "{option}: {ran:?}");
    }
}

#[test]
fn a_trace_tells_of_tls() {
    let site = Site::new();
    let path = site.dir.path().join("trace");
    let script = vec![
        says("220 mx"),
        hears("EHLO client.test"),
        says("250-mx\n250 STARTTLS"),
        hears("STARTTLS"),
        says("220 go"),
        Does::Tls,
        hears("QUIT"),
        says("221 bye"),
    ];
    let ca = site.ca.to_str().unwrap();
    send(serve(&site, script), &["--quit-after", "tls", "--tls-ca", ca, "--trace-json", path.to_str().unwrap()]);
    let text = std::fs::read_to_string(&path).unwrap();
    let tls: Value =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).find(|line: &Value| line["event"] == "tls").unwrap();
    assert_eq!((&tls["tls"]["verified"], &tls["tls"]["version"]), (&true.into(), &"TLSv1.3".into()));
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&last["secure"], &last["code"]), (&true.into(), &221.into()));
}

#[test]
fn a_dry_run_says_where_it_would_go_and_goes_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dry = |words: &[&str]| {
        let mut command = tool("smtp-send");
        run(command.args(["--dry-run", "-f", "a@x.test", "-s", &address]).args(words).args(["b@y.test", "c@z.test"]), MESSAGE)
    };
    let words = dry(&[]);
    assert_eq!((words.status, words.err.as_str()), (0, ""));
    let wanted = format!(
        "would send 29 octets, 7-bit content\n  from <a@x.test>\n  to <b@y.test>\n  to <c@z.test>\n  by smtp://{address}\n    127.0.0.1 \
         {address}\n  TLS by STARTTLS if offered, not verified\n"
    );
    assert_eq!(words.out, wanted);
    let json: Value = serde_json::from_str(&dry(&["--json", "--tls", "require"]).out).unwrap();
    assert_eq!(json["recipients"], serde_json::json!(["b@y.test", "c@z.test"]));
    assert_eq!((&json["hosts"][0]["addresses"][0], &json["size"]), (&address.as_str().into(), &29.into()));
    assert_eq!(json["tls"], "by STARTTLS, verified");
    assert!(listener.accept().is_err(), "somebody connected");
    let mut nowhere = tool("smtp-send");
    let nowhere = run(nowhere.args(["--dry-run", "-f", "", "-s", "no-such-host.invalid", "b@y.test"]), MESSAGE);
    assert_eq!((nowhere.status, nowhere.out.as_str()), (68, ""), "{}", nowhere.err);
}
