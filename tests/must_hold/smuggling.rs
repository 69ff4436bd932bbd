//! The end of data is CRLF.CRLF and nothing else (RFC 5321 section 4.1.1.4), a bare CR or LF is refused, and neither is ever sent.

use crate::process::{Listener, run, tool};
use crate::talk::{Talk, serve_once};
use std::net::TcpListener;
use std::path::Path;

/// What follows a false end, for a server that would take it for commands.
const SMUGGLED: &str = "MAIL FROM:<evil@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nsmuggled\r\n.\r\n";

/// Ends of data of lax servers, which are none here; and what the client hears once the true end has come.
const FALSE_ENDS: &[(&str, &str)] = &[
    ("\n.\n", "554 5.6.0"),
    ("\n.\r\n", "554 5.6.0"),
    ("\r\n.\n", "554 5.6.0"),
    ("\r.\r\n", "554 5.6.0"),
    ("\r\n.\r", "554 5.6.0"),
    ("\r.\r", "554 5.6.0"),
    ("\r.\n", "554 5.6.0"),
    ("\n.\r", "554 5.6.0"),
    ("\r\r\n.\r\r\n", "554 5.6.0"),
    ("\n\n.\n\n", "554 5.6.0"),
    ("\r\n.\r\r\n", "554 5.6.0"),
    ("\r\n\r.\r\n", "554 5.6.0"),
    ("\r\n\n.\r\n", "554 5.6.0"),
    // No line of one dot: a part of the message like any other.
    ("\r\n\0.\r\n", "250 2.0.0"),
    ("\r\n.\0\r\n", "250 2.0.0"),
    ("\r\n..\r\n", "250 2.0.0"),
    ("\r\n. \r\n", "250 2.0.0"),
    ("\r\n .\r\n", "250 2.0.0"),
];

/// The messages of a Maildir.
fn stored(maildir: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(maildir.join("new")).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// A client within DATA.
fn in_data(listener: &Listener) -> Talk {
    let mut talk = Talk::open(listener.address).unwrap();
    let replies = talk.ask_all(&["EHLO a.test", "MAIL FROM:<a@a.test>", "RCPT TO:<b@b.test>", "DATA"]).unwrap();
    assert!(replies[3].starts_with("354"), "{replies:?}");
    talk
}

#[test]
fn no_false_end_of_data_smuggles_a_message() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = dir.path().join("mail");
    let listener =
        Listener::start(&["--hostname", "mx.test", "--maildir", maildir.to_str().unwrap()], &dir.path().join("listen.log"));
    let mut messages = 0;
    for (end, reply) in FALSE_ENDS {
        for cut in [1, 2, usize::MAX] {
            let mut talk = in_data(&listener);
            let wire = format!("Subject: x\r\n\r\nhello{end}{SMUGGLED}");
            // A server that has closed already does not take the rest.
            let _ = wire.as_bytes().chunks(cut.min(wire.len())).try_for_each(|piece| talk.send(piece));
            let said = talk.rest();
            let lines: Vec<&str> = said.lines().collect();
            assert!(lines.len() == 1 && lines[0].starts_with(reply), "{end:?} in pieces of {cut}: said {said:?}");
            messages += usize::from(reply.starts_with("250"));
            let stored = stored(&maildir);
            assert_eq!(stored.len(), messages, "{end:?} in pieces of {cut}");
        }
    }
    let smuggled = stored(&maildir).iter().filter(|message| message.windows(20).any(|w| w == b"Return-Path: <evil@a")).count();
    assert_eq!(smuggled, 0);
}

#[test]
fn bare_cr_and_lf_in_a_message_or_a_command_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let maildir = dir.path().join("mail");
    let listener =
        Listener::start(&["--hostname", "mx.test", "--maildir", maildir.to_str().unwrap()], &dir.path().join("listen.log"));
    for text in ["a\nb\r\n", "a\rb\r\n", "\n\r\n", "a\r\r\n", "a\r\n\r", "\ra\r\n", "a\n"] {
        let mut talk = in_data(&listener);
        talk.send(format!("{text}\r\n.\r\n").as_bytes()).unwrap();
        let reply = talk.reply().unwrap();
        assert!(reply.starts_with("554 5.6.0"), "{text:?}: {reply}");
        assert!(talk.ask("NOOP").unwrap().starts_with("250"), "{text:?}: the session goes on");
        for command in ["MAIL FROM:<a@a.test>\n", "MAIL FROM:<a@a.test>\rRCPT TO:<b@b.test>\r\n", "MAIL FROM:<a@a.test>\r\r\n"] {
            talk.send(command.as_bytes()).unwrap();
            let reply = talk.reply().unwrap();
            assert!(reply.starts_with("500 5.5.2"), "{command:?}: {reply}");
            assert!(talk.ask("RCPT TO:<b@b.test>").unwrap().starts_with("503"), "MAIL was taken out of {command:?}");
        }
    }
    assert_eq!(stored(&maildir).len(), 0);
}

#[test]
fn a_lone_cr_is_named_with_its_line_and_nothing_is_sent() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("smtp://{}", server.local_addr().unwrap());
    let long = format!("Subject: x\n\n{}a\rb\n", "some line\n".repeat(100_000));
    for (message, line) in [
        ("Subject: x\n\na\rb\n", 3),
        ("Subject: x\r\n\r\na\r\nb\r", 4),
        ("Sub\rject: x\n\na\n", 1),
        ("Subject: x\n\n\r\r\n", 3),
        (long.as_str(), 100_003),
    ] {
        let mut command = tool("smtp-send");
        command.args(["-s", &url, "--tls", "never", "-f", "a@a.test", "b@b.test"]);
        let ran = run(&mut command, message.as_bytes());
        assert_eq!((ran.status, &*ran.out), (65, ""), "{ran:?}");
        let one_line = ran.err.lines().count() == 1 && ran.err.starts_with("smtp-send: ");
        assert!(one_line && ran.err.contains(&format!("line {line}")), "want line {line}: {}", ran.err);
        let nobody = server.accept().unwrap_err().kind();
        assert_eq!(nobody, std::io::ErrorKind::WouldBlock, "it connected");
    }
}

#[test]
fn only_crlf_is_sent_whatever_comes_in() {
    let across_buffers = format!("Subject: x\n\n{}\n.\n..\n\r\n.\r\nend", "0123456789abcde\n".repeat(12_289));
    for message in [
        "Subject: x\n\na\n.\nb\n",
        "Subject: x\r\n\r\na\r\n.\r\nb\r\n",
        "Subject: x\n\n.\n",
        "Subject: x\n\nmixed\r\nends\nof\r\nlines",
        "From a@a.test Sun Nov 22 10:00:00 2026\nSubject: x\n\n\n\n.\n",
        "no header at all",
        across_buffers.as_str(),
    ] {
        let (address, served) = serve_once();
        let mut command = tool("smtp-send");
        command.args(["-s", &format!("smtp://{address}"), "--tls", "never", "-f", "a@a.test", "b@b.test"]);
        let ran = run(&mut command, message.as_bytes());
        assert_eq!(ran.status, 0, "{ran:?}");
        let sent = String::from_utf8(served.join().unwrap()).unwrap();
        assert!(!sent.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF in {sent:?}");
        assert_eq!(sent.matches("\r\n.\r\n").count(), 1, "one end of data");
        assert!(sent.ends_with("\r\n.\r\nQUIT\r\n"), "{sent:?}");
    }
}
