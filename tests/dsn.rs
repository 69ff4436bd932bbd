//! What a sender asks for beyond delivery (RFC 3461, RFC 8689): kept in the spool, handed on, carried out.

mod support;

use postroad::disk::spool::facts::Facts;
use postroad::disk::spool::layout::Spool;
use postroad::mail::envelope::Envelope;
use std::io::Write;
use std::path::Path;
use support::process::{Listener, Ran, run, tool};
use support::speaker::Speaker;
use support::world::World;

const HELLO: &[u8] = b"From: <alice@crepes.test>\r\nSubject: Hi\r\n\r\nHello.\r\n";

/// The messages in a spool.
fn spooled(dir: &Path) -> Vec<Facts> {
    let spool = Spool::open(dir).unwrap();
    spool.list(jiff::Timestamp::now()).collect::<Result<_, _>>().unwrap()
}

/// What is asked, as MAIL and each RCPT would say it.
fn asked(envelope: &Envelope) -> Vec<String> {
    let mut lines = vec![format!(
        "MAIL{}{}",
        envelope.request.mail_parameters(),
        if envelope.request.require_tls { " REQUIRETLS" } else { "" }
    )];
    lines.extend(envelope.wishes().map(|(recipient, wish)| format!("RCPT {recipient}{}", wish.rcpt_parameters(true))));
    lines
}

fn enqueue(spool: &Path, words: &str) -> Ran {
    let mut command = tool("smtp-send");
    command.args(["-q", "-f", "alice@crepes.test", "--spool"]).arg(spool).args(words.split(' '));
    run(&mut command, b"Subject: Hi\n\nHello.\n")
}

#[test]
fn smtp_send_writes_wishes_into_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let ran = enqueue(
        &spool,
        "--enqueue --notify success,failure --ret hdrs --envid a+b --require-tls bob+x@hamburger.test j\u{f6}rg@hamburger.test",
    );
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let [message] = &spooled(&spool)[..] else { panic!("one message") };
    assert_eq!(
        asked(message.envelope()),
        [
            "MAIL RET=HDRS ENVID=a+2Bb REQUIRETLS",
            "RCPT bob+x@hamburger.test NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bx@hamburger.test",
            "RCPT j\u{f6}rg@hamburger.test NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;j\u{f6}rg@hamburger.test",
        ]
    );
}

#[test]
fn what_is_deferred_into_the_spool_keeps_its_wishes() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    // Nobody listens there.
    let ran = enqueue(&spool, "-s smtp://127.0.0.1:9 --notify never --envid x1 bob@hamburger.test");
    assert_eq!(ran.status, 0, "{ran:?}");
    let [message] = &spooled(&spool)[..] else { panic!("one message") };
    assert_eq!(
        asked(message.envelope()),
        ["MAIL ENVID=x1", "RCPT bob@hamburger.test NOTIFY=NEVER ORCPT=rfc822;bob@hamburger.test"]
    );
    let ran = enqueue(&spool, "--mx --require-tls bob@hamburger.test");
    assert_eq!(ran.status, 64, "which MX hosts are the right ones cannot be known: {ran:?}");
}

#[test]
fn sendmail_writes_wishes_into_a_spool_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    drop(Spool::create(&spool).unwrap());
    let config = dir.path().join("config.toml");
    std::fs::write(&config, format!("hostname = \"host.test\"\nspool = \"{}\"\n", spool.display())).unwrap();
    let mut command = tool("smtp-send");
    command.env("POSTROAD_CONFIG", &config).args(["--sendmail", "-N", "failure,delay", "-Rfull", "-V", "x2", "-f", "a@x.test"]);
    let ran = run(command.args(["--", "bob@hamburger.test"]), b"Subject: Hi\n\nHello.\n");
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let [message] = &spooled(&spool)[..] else { panic!("one message") };
    let want = ["MAIL RET=FULL ENVID=x2", "RCPT bob@hamburger.test NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob@hamburger.test"];
    assert_eq!(asked(message.envelope()), want);
}

#[test]
fn mailq_run_shows_what_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    enqueue(&spool, "--enqueue --notify delay --ret full --envid x3 --require-tls bob@hamburger.test");
    let mailq_run = |words: &[&str]| run(tool("mailq-run").args(words).arg("--spool").arg(&spool), b"");
    let listed = mailq_run(&["list", "--json"]).out;
    let row: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&row["ret"], &row["envid"], &row["require_tls"]), (&"FULL".into(), &"x3".into(), &true.into()), "{listed}");
    let recipient = &row["recipients"][0];
    assert_eq!((&recipient["notify"], &recipient["orcpt"]), (&"DELAY".into(), &"rfc822;bob@hamburger.test".into()), "{listed}");
    let id = row["id"].as_str().unwrap();
    let shown = mailq_run(&["show", id]).out;
    for line in
        ["ret\tFULL\n", "envid\tx3\n", "require-tls\tyes\n", "dsn\tbob@hamburger.test\tDELAY\trfc822;bob@hamburger.test\n"]
    {
        assert!(shown.contains(line), "{line:?} in {shown}");
    }
    assert_eq!(mailq_run(&["edit", id, "--rcpt", "bob@hamburger.test=eve@hamburger.test"]).status, 0);
    let [message] = &spooled(&spool)[..] else { panic!("one message") };
    assert_eq!(asked(message.envelope())[1], "RCPT eve@hamburger.test NOTIFY=DELAY ORCPT=rfc822;bob@hamburger.test");
}

/// An envelope of Alice's, with what is asked for each recipient.
fn envelope(mail: &str, recipients: &[(&str, &str)]) -> Envelope {
    support::world::envelope("alice@crepes.test", mail, recipients)
}

#[test]
fn wishes_go_on_to_a_server_that_offers_dsn_and_to_no_other() {
    let mut world = World::new();
    let (able, unable) = (world.host("hamburger.test"), world.host("fries.test"));
    able.extensions.lock().unwrap().push("DSN".into());
    let recipients = [
        ("bob@hamburger.test", "NOTIFY=DELAY ORCPT=rfc822;b+2Bb@x.test"),
        ("eve@hamburger.test", ""),
        ("dan@fries.test", "NOTIFY=DELAY"),
    ];
    world.accept_from(&envelope("RET=HDRS ENVID=q+20r", &recipients), HELLO);
    world.pass();
    assert_eq!(
        able.said(),
        [
            "MAIL FROM:<alice@crepes.test> SIZE=50 RET=HDRS ENVID=q+20r",
            "RCPT TO:<bob@hamburger.test> NOTIFY=DELAY ORCPT=rfc822;b+2Bb@x.test",
            "RCPT TO:<eve@hamburger.test>",
        ]
    );
    assert_eq!(unable.said(), ["MAIL FROM:<alice@crepes.test> SIZE=50", "RCPT TO:<dan@fries.test>"]);
}

/// Speaks line after line, and gives the last line of each reply.
fn speak(listener: &Listener, lines: &[&str]) -> Vec<String> {
    let mut talk = Speaker::connect(listener.address);
    let reply = |talk: &mut Speaker| loop {
        let line = String::from_utf8(talk.lines(1).unwrap()).unwrap().trim_end().to_owned();
        if line.as_bytes()[3] == b' ' || line.contains("DSN") {
            return line;
        }
    };
    reply(&mut talk);
    let mut say = |line: &&str| {
        talk.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        reply(&mut talk)
    };
    lines.iter().map(&mut say).collect()
}

#[test]
fn a_server_into_the_spool_keeps_what_it_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let arguments = ["--domain", "b.test", "--hostname", "mx.test", "--spool", spool.to_str().unwrap()];
    let listener = Listener::start(&arguments, &dir.path().join("log"));
    let said = speak(
        &listener,
        &[
            "HELO client.test",
            "MAIL FROM:<a@a.test>",
            "RCPT TO:<b@b.test> NOTIFY=NEVER",
            "RSET",
            "MAIL FROM:<a@a.test> RET=FULL",
            "EHLO client.test",
        ],
    );
    assert_eq!(said[2], "555 5.5.4 Unsupported parameter", "nothing was offered to a HELO");
    assert_eq!((said[4].as_str(), said[5].as_str()), ("555 5.5.4 Unsupported parameter", "250-DSN"));
    let mut talk = Speaker::connect(listener.address);
    let session = "EHLO client.test\r\nMAIL FROM:<a@a.test> RET=HDRS ENVID=a+20b\r\nRCPT TO:<b@b.test> NOTIFY=success,Delay ORCPT=rfc822;b+2Bx@b.test\r\n\
                   RCPT TO:<c@b.test>\r\nDATA\r\n";
    talk.write_all(session.as_bytes()).unwrap();
    while !String::from_utf8(talk.lines(1).unwrap()).unwrap().starts_with("354") {}
    talk.write_all(b"hello\r\n.\r\nRSET\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<d@b.test>\r\nDATA\r\n").unwrap();
    while !String::from_utf8(talk.lines(1).unwrap()).unwrap().starts_with("354") {}
    talk.write_all(b"hello\r\n.\r\nQUIT\r\n").unwrap();
    talk.rest().unwrap();
    let [first, second] = &spooled(&spool)[..] else { panic!("two messages") };
    let want = ["MAIL RET=HDRS ENVID=a+20b", "RCPT b@b.test NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bx@b.test", "RCPT c@b.test"];
    assert_eq!(asked(first.envelope()), want);
    assert_eq!(asked(second.envelope()), ["MAIL", "RCPT d@b.test"], "nothing of the message before it");
}

#[test]
fn a_sink_that_would_forget_wishes_does_not_offer_to_keep_them() {
    let dir = tempfile::tempdir().unwrap();
    let listener = Listener::start(&["--hostname", "mx.test", "--discard"], &dir.path().join("log"));
    let lines = ["EHLO client.test", "MAIL FROM:<a@a.test> ENVID=x", "MAIL FROM:<a@a.test>", "RCPT TO:<b@b.test> NOTIFY=NEVER"];
    let said = speak(&listener, &lines);
    assert_eq!(said[0], "250 HELP", "no DSN");
    assert_eq!((said[1].as_str(), said[3].as_str()), ("555 5.5.4 Unsupported parameter", "555 5.5.4 Unsupported parameter"));
}
