//! Messages handed to an LMTP server: both servers follow a script.

use crate::mailboxes::{fetch, then};
use crate::support::dialogue::{Does, Site, hears, says, serve, serve_each};
use crate::support::process::{Ran, run_as_is, tool};
use std::net::SocketAddr;
use std::thread::JoinHandle;

type Served = JoinHandle<Result<(), String>>;

const BOTH: [&str; 4] = ["--recipient", "a@x.test", "--recipient", "b@x.test"];

/// A mailbox of these messages, each with what its DELE is answered, if one is to come.
pub fn mailbox(site: &Site, messages: &[(&str, bool)]) -> (SocketAddr, Served) {
    serve(site, talk(messages))
}

fn talk(messages: &[(&str, bool)]) -> Vec<Does> {
    let rows = |row: &dyn Fn(usize) -> String| (1..=messages.len()).map(|n| row(n) + "\n").collect::<String>();
    let mut script = then(vec![
        hears("STAT"),
        says(&format!("+OK {} 100", messages.len())),
        hears("LIST"),
        says(&format!("+OK\n{}.", rows(&|n| format!("{n} 20")))),
        hears("UIDL"),
        says(&format!("+OK\n{}.", rows(&|n| format!("{n} u{n}")))),
    ]);
    for (n, (text, _)) in messages.iter().enumerate() {
        script.extend([hears(&format!("RETR {}", n + 1)), Does::Says(format!("+OK\r\n{text}\r\n.\r\n").into_bytes())]);
    }
    for (n, _) in messages.iter().enumerate().filter(|(_, (_, deleted))| *deleted) {
        script.extend([hears(&format!("DELE {}", n + 1)), says("+OK")]);
    }
    script.extend([hears("QUIT"), says("+OK bye"), Does::Ends(Vec::new())]);
    script
}

/// An LMTP server without extensions, greeted.
pub fn greeted(more: Vec<Does>) -> Vec<Does> {
    [vec![says("220 lmtp.test"), Does::Hears("LHLO mx.test".to_owned()), says("250 lmtp.test")], more].concat()
}

pub fn mail(recipients: &[(&str, &str)]) -> Vec<Does> {
    let mut script = vec![hears("MAIL FROM:<>"), says("250 ok")];
    for (recipient, reply) in recipients {
        script.extend([hears(&format!("RCPT TO:<{recipient}>")), says(reply)]);
    }
    script
}

/// The message as it has to come, and one reply for each recipient taken.
pub fn data(wire: &str, replies: &str) -> Vec<Does> {
    let mut script = vec![hears("DATA"), says("354 go on")];
    script.extend(wire.split("\r\n").map(hears));
    script.extend([hears("."), says(replies)]);
    script
}

pub fn quits() -> Vec<Does> {
    vec![hears("QUIT"), says("221 bye"), Does::Ends(Vec::new())]
}

/// Fetches to there with `--delete`, and sees both servers through.
fn hand_over(site: &Site, pop3: (SocketAddr, Served), lmtp: (SocketAddr, Served), words: &[&str]) -> Ran {
    std::fs::write(site.dir.path().join("config.toml"), "hostname = \"mx.test\"\n").unwrap();
    let mut command = fetch(site.dir.path(), &format!("bob@{}", pop3.0));
    command.arg("--config").arg(site.dir.path().join("config.toml")).arg("--state").arg(site.dir.path().join("state"));
    let ran = run_as_is(command.args(["--delete", "--lmtp", &format!("lmtp://{}", lmtp.0)]).args(words));
    for served in [pop3.1, lmtp.1] {
        served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    }
    ran
}

#[test]
fn messages_go_over_one_connection_and_a_lone_cr_costs_its_message_alone() {
    let site = Site::new();
    let pop3 = mailbox(&site, &[("Subject: 1\r\n\r\n..dot\r\ncaf\u{e9}", true), ("lone\rreturn", false), ("no header\0", true)]);
    let ok = [("a@x.test", "250 ok")];
    let script = [
        mail(&ok),
        data("Subject: 1\r\n\r\n..dot\r\ncaf\u{e9}", "250 2.0.0 stored"),
        mail(&ok),
        data("no header\0", "250 2.0.0 stored, too"),
        quits(),
    ];
    let lmtp = vec![says("220 lmtp.test"), hears("LHLO mx.test"), says("250-lmtp.test\n250 8BITMIME")];
    let mut script = script.concat();
    script[0] = hears("MAIL FROM:<> BODY=8BITMIME");
    let lmtp = serve(&site, [lmtp, script].concat());
    let ran = hand_over(&site, pop3, lmtp, &BOTH[..2]);
    let failed = "failed\t2\t20\tu2\tcannot be sent on: line 1: a carriage return without a line feed\n";
    let rows = format!("delivered\t1\t20\tu1\t250 2.0.0 stored\n{failed}delivered\t3\t20\tu3\t250 2.0.0 stored, too\n");
    assert_eq!((ran.status, ran.out), (1, rows), "{}", ran.err);
}

#[test]
fn a_recipient_who_has_it_does_not_get_it_again_with_the_one_who_does_not() {
    let site = Site::new();
    let text = "Subject: 1\r\n\r\nx";
    let refusals = [
        [mail(&[("a@x.test", "250 ok"), ("b@x.test", "550 5.1.1 nobody")]), data(text, "250 stored")].concat(),
        [mail(&[("b@x.test", "250 ok")]), data(text, "452 4.2.2 full")].concat(),
        [mail(&[("b@x.test", "250 ok")]), data(text, "250 stored")].concat(),
    ];
    let wanted = [
        (1, "failed\t1\t20\tu1\taccepted for a@x.test; refused for b@x.test: 550 5.1.1 nobody; it stays on the server\n"),
        (75, "failed\t1\t20\tu1\taccepted for others earlier; deferred for b@x.test: 452 4.2.2 full\n"),
        (0, "delivered\t1\t20\tu1\t250 stored\n"),
    ];
    for (script, (status, row)) in refusals.into_iter().zip(wanted) {
        let lmtp = serve(&site, greeted([script, quits()].concat()));
        let ran = hand_over(&site, mailbox(&site, &[(text, status == 0)]), lmtp, &BOTH);
        assert_eq!((ran.status, ran.out.as_str()), (status, row), "{}", ran.err);
    }
}

#[test]
fn each_recipient_has_a_reply_after_the_dot() {
    let site = Site::new();
    let ok = [("a@x.test", "250 ok"), ("b@x.test", "250 ok")];
    let lmtp = serve(&site, greeted([mail(&ok), data("x", "250 stored\n554 5.6.0 spam"), quits()].concat()));
    let ran = hand_over(&site, mailbox(&site, &[("x", false)]), lmtp, &BOTH);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("accepted for a@x.test; refused for b@x.test: 554 5.6.0 spam"), "{}", ran.out);
}

#[test]
fn a_server_that_ended_an_idle_session_is_called_again() {
    let site = Site::new();
    let ok = [("a@x.test", "250 ok")];
    let first = greeted([mail(&ok), data("one", "250 first")].concat());
    let second = greeted([mail(&ok), data("two", "250 second"), quits()].concat());
    let ran =
        hand_over(&site, mailbox(&site, &[("one", true), ("two", true)]), serve_each(&site, vec![first, second]), &BOTH[..2]);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("250 first") && ran.out.contains("250 second"), "{}", ran.out);
}

#[test]
fn what_was_lost_after_the_dot_stays_and_nothing_more_is_fetched() {
    let site = Site::new();
    let mut script = greeted([mail(&[("a@x.test", "250 ok")]), data("one", "")].concat());
    script.pop();
    let mut pop3 = talk(&[("one", false), ("two", false)]);
    // RETR 2 and its answer.
    let at = pop3.len() - 5;
    pop3.drain(at..at + 2);
    let ran = hand_over(&site, serve(&site, pop3), serve(&site, script), &BOTH[..2]);
    assert_eq!(ran.status, 75, "{}{}", ran.out, ran.err);
    assert!(ran.out.starts_with("failed\t1\t20\tu1\tmay have been delivered for a@x.test: "), "{}", ran.out);
    assert!(ran.out.ends_with("\nskipped\t2\t20\tu2\tnot tried\n"), "{}", ran.out);
}

#[test]
fn nothing_is_fetched_that_has_nowhere_to_go() {
    let site = Site::new();
    for (greeting, status) in [("554 5.3.2 no", 69), ("421 4.3.2 later", 75)] {
        let mut pop3 = talk(&[("one", false)]);
        let at = pop3.len() - 5;
        pop3.truncate(at + 2);
        pop3.extend([hears("QUIT"), says("+OK bye"), Does::Ends(Vec::new())]);
        let ran = hand_over(&site, serve(&site, pop3), serve(&site, vec![says(greeting)]), &BOTH[..2]);
        assert_eq!(ran.status, status, "{}{}", ran.out, ran.err);
        assert!(ran.err.contains(greeting), "{}", ran.err);
    }
}

#[test]
fn it_is_lmtp_and_nothing_else() {
    for (server, status, said) in [
        ("smtp://127.0.0.1", 64, "smtp is no LMTP"),
        ("mx:x.test", 64, "not at a domain's MX hosts"),
        ("lmtp://127.0.0.1/inbox", 64, "nothing follows the host"),
        ("lmtp://bob@127.0.0.1", 64, "account:NAME"),
        ("account:none", 78, "account none"),
    ] {
        let ran = run_as_is(tool("pop3-fetch").args(["bob@127.0.0.1:1", "--lmtp", server]).args(&BOTH[..2]));
        assert_eq!(ran.status, status, "{server}: {}", ran.err);
        assert!(ran.err.contains(said), "{server}: {}", ran.err);
    }
    let nobody = run_as_is(tool("pop3-fetch").args(["bob@127.0.0.1:1", "--lmtp", "lmtp:/run/lmtp"]));
    assert_eq!(nobody.status, 64, "{}", nobody.err);
    assert!(nobody.err.contains("--recipient"), "{}", nobody.err);
}
