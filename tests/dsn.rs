//! What a sender asks for beyond delivery (RFC 3461, RFC 8689): kept in the spool, handed on, carried out.

mod support;

use postroad::disk::spool::facts::Facts;
use postroad::disk::spool::layout::Spool;
use postroad::mail::envelope::Envelope;
use std::io::Write;
use std::path::Path;
use support::certs::authority;
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

/// The fields of a report about each recipient, in one line, and those of the message before them.
fn status(report: &[u8]) -> Vec<String> {
    let text = String::from_utf8(report.to_vec()).unwrap().replace("\n ", " ");
    let start =
        text.find("delivery-status\n\n").or_else(|| text.find("delivery-status\nContent-Transfer-Encoding: 8bit\n\n")).unwrap();
    let fields = text[start..].split_once("\n\n").unwrap().1.split("\n--").next().unwrap();
    let wanted = ["Original-Envelope-Id", "Original-Recipient", "Final-Recipient", "Action", "Status"];
    let block = |block: &str| {
        let fields = block.lines().filter(|line| wanted.iter().any(|name| line.starts_with(&format!("{name}:"))));
        fields.map(|line| line.split_once(": ").unwrap().1).collect::<Vec<_>>().join(" | ")
    };
    fields.trim().split("\n\n").map(block).filter(|line| !line.is_empty()).collect()
}

/// Of a message of Alice's, after one pass: the reports that she gets.
fn reports(world: &World, recipients: &[(&str, &str)]) -> Vec<Vec<u8>> {
    world.accept_from(&envelope("", recipients), HELLO);
    world.pass();
    world.mailbox("alice")
}

#[test]
fn success_is_told_where_the_next_host_makes_no_reports() {
    let mut world = World::new();
    let (able, unable) = (world.host("hamburger.test"), world.host("fries.test"));
    able.extensions.lock().unwrap().push("DSN".into());
    let asked = "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;dan+2Bx@fries.test";
    let recipients = [("bob@hamburger.test", "NOTIFY=SUCCESS"), ("dan@fries.test", asked), ("eve@fries.test", "")];
    world.accept_from(&envelope("RET=FULL ENVID=q1", &recipients), HELLO);
    world.pass();
    let [report] = &world.mailbox("alice")[..] else { panic!("one report") };
    let want = ["q1", "rfc822; dan+x@fries.test | rfc822; dan@fries.test | relayed | 2.0.0"];
    assert_eq!(status(report), want, "the other server tells of bob, and nobody asked of eve (RFC 3461 section 5.2.2)");
    let text = String::from_utf8(report.clone()).unwrap();
    assert!(text.contains("text/rfc822-headers") && !text.contains("Hello."), "RET is for failures (section 4.3): {text}");
    assert_eq!((world.list().len(), unable.taken().len(), world.events("confirm")), (0, 1, 1));
}

#[test]
fn final_delivery_is_told_and_a_sink_of_lmtp_is_one() {
    let mut world = World::new();
    let lmtp = world.server("lmtp.test");
    world.route("boxes.test", "lmtp://192.0.2.1:24");
    let recipients = [("carol@crepes.test", "NOTIFY=SUCCESS,DELAY"), ("dan@boxes.test", "NOTIFY=SUCCESS")];
    let reports = reports(&world, &recipients);
    assert_eq!(world.mailbox("carol").len() + lmtp.taken().len(), 2);
    let [report] = &reports[..] else { panic!("one report for both: {:?}", world.outcomes()) };
    assert_eq!(status(report), ["rfc822; carol@crepes.test | delivered | 2.0.0", "rfc822; dan@boxes.test | delivered | 2.0.0"]);
}

#[test]
fn nobody_is_told_of_success_who_did_not_ask_or_cannot_be() {
    let mut world = World::new();
    world.host("hamburger.test");
    assert!(reports(&world, &[("bob@hamburger.test", "NOTIFY=FAILURE"), ("carol@crepes.test", "NOTIFY=NEVER")]).is_empty());
    let nobody =
        support::world::envelope("", "", &[("bob@hamburger.test", "NOTIFY=SUCCESS"), ("carol@crepes.test", "NOTIFY=SUCCESS")]);
    world.accept_from(&nobody, HELLO);
    world.pass();
    assert_eq!((world.list().len(), world.events("confirm"), world.mailbox("alice").len()), (0, 0, 0));
}

#[test]
fn who_asks_not_to_hear_of_failure_does_not() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.say("RCPT", "550 5.1.1 no such user");
    let recipients =
        [("a@hamburger.test", "NOTIFY=NEVER"), ("b@hamburger.test", "NOTIFY=SUCCESS,DELAY"), ("c@hamburger.test", "")];
    let reports = reports(&world, &recipients);
    let [report] = &reports[..] else { panic!("one report") };
    assert_eq!(status(report), ["rfc822; c@hamburger.test | failed | 5.1.1"]);
    assert_eq!((world.list().len(), world.events("silence"), world.events("bounce")), (0, 1, 1));
}

#[test]
fn delays_are_told_by_default_or_where_they_were_asked_for() {
    for (notify, told) in [("", 1), ("NOTIFY=DELAY", 1), ("NOTIFY=SUCCESS,FAILURE", 0), ("NOTIFY=NEVER", 0)] {
        let mut world = World::new();
        world.host("hamburger.test").say("RCPT", "451 4.3.0 later");
        world.accept_from(&envelope("ENVID=d1", &[("bob@hamburger.test", notify)]), HELLO);
        world.pass();
        world.turn(jiff::SignedDuration::from_hours(5));
        world.pass();
        let reports = world.mailbox("alice");
        assert_eq!(reports.len(), told, "{notify}");
        assert!(
            reports.iter().all(|report| status(report) == ["d1", "rfc822; bob@hamburger.test | delayed | 4.3.0"]),
            "{notify}"
        );
    }
}

#[test]
fn a_failure_brings_back_as_much_as_was_asked() {
    let long = [HELLO, &b"Do you like ketchup?\r\n".repeat(4000)].concat();
    let back = |ret: &str, body: &[u8]| {
        let mut world = World::new();
        world.host("hamburger.test").say("RCPT", "550 5.1.1 no such user");
        world.accept_from(&envelope(ret, &[("bob@hamburger.test", "ORCPT=x400;/S+3Db/")]), body);
        world.pass();
        let [report] = &world.mailbox("alice")[..] else { panic!("one report") };
        assert_eq!(status(report), ["x400; /S=b/ | rfc822; bob@hamburger.test | failed | 5.1.1"]);
        String::from_utf8(report.clone()).unwrap()
    };
    assert!(back("", HELLO).contains("message/rfc822\n\nFrom: <alice@crepes.test>\nSubject: Hi\n\nHello.\n"));
    assert!(!back("", &long).contains("ketchup"), "88 KB");
    assert_eq!(back("RET=FULL", &long).matches("ketchup").count(), 4000);
    let header = back("RET=HDRS", HELLO);
    assert!(header.contains("text/rfc822-headers\n\nFrom: <alice@crepes.test>\nSubject: Hi\n\n--"), "{header}");
}

#[test]
fn an_alias_of_one_takes_its_wishes_along() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.extensions.lock().unwrap().push("DSN".into());
    world.router.aliases = "one: bob@hamburger.test\nplain: eve@hamburger.test\n".parse().unwrap();
    world.accept_from(&envelope("RET=HDRS ENVID=al", &[("one@crepes.test", "NOTIFY=SUCCESS"), ("plain@crepes.test", "")]), HELLO);
    world.pass();
    assert_eq!(
        mx.said()[1..],
        [
            "RCPT TO:<bob@hamburger.test> NOTIFY=SUCCESS ORCPT=rfc822;one@crepes.test",
            "RCPT TO:<eve@hamburger.test> ORCPT=rfc822;plain@crepes.test",
        ]
    );
    assert!(mx.said()[0].ends_with(" RET=HDRS ENVID=al"), "{:?}", mx.said());
    assert!(world.mailbox("alice").is_empty(), "RFC 3461 section 5.2.7.2");
}

#[test]
fn an_alias_of_several_is_told_when_it_is_expanded() {
    let mut world = World::new();
    let mx = world.host("hamburger.test");
    mx.extensions.lock().unwrap().push("DSN".into());
    mx.say("RCPT TO:<eve@", "550 5.1.1 no such user");
    world.router.aliases = "list: bob@hamburger.test, eve@hamburger.test\n".parse().unwrap();
    let reports = reports(&world, &[("list@crepes.test", "NOTIFY=SUCCESS,FAILURE")]);
    assert_eq!(
        mx.said()[1..],
        [
            "RCPT TO:<bob@hamburger.test> NOTIFY=FAILURE ORCPT=rfc822;list@crepes.test",
            "RCPT TO:<eve@hamburger.test> NOTIFY=FAILURE ORCPT=rfc822;list@crepes.test",
        ]
    );
    let mut told: Vec<_> = reports.iter().map(|report| status(report).concat()).collect();
    told.sort();
    let want =
        ["rfc822; list@crepes.test | expanded | 2.1.5", "rfc822; list@crepes.test | rfc822; eve@hamburger.test | failed | 5.1.1"];
    assert_eq!(told, want, "RFC 3461 section 5.2.7.3 (c)");
    assert_eq!((world.list().len(), world.events("confirm")), (0, 1));
}

#[test]
fn a_message_that_needs_tls_goes_to_no_mx_and_its_report_has_no_content() {
    let mut world = World::new();
    let (mx, back) = (world.host("hamburger.test"), world.host("home.test"));
    mx.extensions.lock().unwrap().push("REQUIRETLS".into());
    let asked = |from| support::world::envelope(from, "REQUIRETLS RET=FULL", &[("bob@hamburger.test", "")]);
    world.accept_from(&asked("alice@crepes.test"), HELLO);
    world.pass();
    assert_eq!(mx.sessions(), 0, "no word of it was said to anybody");
    let [report] = &world.mailbox("alice")[..] else { panic!("one report") };
    assert_eq!(status(report), ["rfc822; bob@hamburger.test | failed | 5.7.30"]);
    let text = String::from_utf8(report.clone()).unwrap();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the MX hosts of hamburger.test cannot be verified without DANE or MTA-STS"), "{text}");
    assert!(
        text.contains("\nSubject: Hi\n") && !text.contains("Hello."),
        "as if RET=HDRS were asked (RFC 8689 section 5): {text}"
    );
    // The report asks for it where that can be had, and goes where it cannot.
    world.accept_from(&asked("alice@home.test"), HELLO);
    world.pass();
    back.extensions.lock().unwrap().push("REQUIRETLS".into());
    world.accept_from(&asked("alice@home.test"), HELLO);
    world.pass();
    let mails: Vec<String> = back.said().into_iter().filter(|line| line.starts_with("MAIL")).collect();
    assert_eq!((mails.len(), back.taken().len()), (2, 2), "{mails:?}");
    assert!(
        mails[0].starts_with("MAIL FROM:<> SIZE=") && !mails[0].contains("REQUIRETLS") && mails[1].ends_with(" REQUIRETLS"),
        "{mails:?}"
    );
    assert!(world.list().is_empty());
}

#[test]
fn a_server_that_cannot_have_verified_tls_gets_nothing_of_it() {
    let mut world = World::new();
    let server = world.server("relay.test");
    server.extensions.lock().unwrap().extend(["STARTTLS", "REQUIRETLS"].map(String::from));
    world.route("hamburger.test", "smtp://192.0.2.1:25");
    let local = world.dir.path().join("none");
    world.route("boxes.test", &format!("lmtp:{}", local.display()));
    let recipients = [("bob@hamburger.test", ""), ("carol@crepes.test", ""), ("dan@boxes.test", "")];
    world.accept_from(&support::world::envelope("alice@crepes.test", "REQUIRETLS", &recipients), HELLO);
    world.pass();
    assert!(server.said().is_empty(), "{:?}", server.said());
    let outcomes = world.outcomes();
    assert!(
        outcomes.iter().any(|line| line.starts_with("refused bob@hamburger.test 5.7.30 REQUIRETLS was asked for: ")),
        "{outcomes:?}"
    );
    assert_eq!(world.mailbox("carol").len(), 1, "what does not leave the host needs none");
    assert!(outcomes.iter().any(|line| line.starts_with("deferred dan@boxes.test 4.4.1")), "nor a socket: {outcomes:?}");
}

#[test]
fn reports_on_addresses_beyond_ascii_are_in_utf8() {
    let mut world = World::new();
    let (mx, back) = (world.host("hamburger.test"), world.host("home.test"));
    back.extensions.lock().unwrap().push("SMTPUTF8".into());
    let body = "From: <alice@home.test>\r\nSubject: K\u{e4}se\r\n\r\nHello.\r\n";
    for from in ["alice@home.test", "\u{e4}lice@home.test"] {
        let envelope = support::world::envelope(from, "SMTPUTF8", &[("j\u{f6}rg@hamburger.test", "")]);
        world.accept_from(&envelope, body.as_bytes());
        world.pass();
    }
    assert!(mx.said().is_empty(), "the header needs SMTPUTF8 (RFC 6531 section 3.4): {:?}", mx.said());
    let mails: Vec<String> = back.said().into_iter().filter(|line| line.starts_with("MAIL")).collect();
    assert!(!mails[0].contains("SMTPUTF8") && mails[1].ends_with(" SMTPUTF8"), "only where it is needed: {mails:?}");
    for report in back.taken() {
        let text = String::from_utf8(report.data).unwrap();
        for part in
            ["message/global-delivery-status\r\n", "Final-Recipient: utf-8; j\u{f6}rg@hamburger.test\r\n", "message/global\r\n"]
        {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
    assert!(world.list().is_empty(), "{:?}", world.states());
}

#[test]
fn verified_tls_is_passed_on_from_hop_to_hop() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, path) = (authority(), |name: &str| dir.path().join(name));
    let trusted = authority.certificate_file(dir.path(), "ca");
    let host = authority.issue(&["localhost"], 10).files(dir.path(), "host");
    let next = path("next");
    let mut arguments = vec!["--domain", "hamburger.test", "--hostname", "mx.test", "--spool", next.to_str().unwrap()];
    let files = [host.certificate.display().to_string(), host.key.display().to_string()];
    arguments.extend(["--tls-cert", &files[0], "--tls-key", &files[1]]);
    let listener = Listener::start(&arguments, &path("log"));
    let route = format!("[[route]]\nmatch = \"hamburger.test\"\nto = \"smtp://localhost:{}\"\n", listener.address.port());
    std::fs::write(
        path("config.toml"),
        format!("hostname = \"host.test\"\ndomains = []\n{route}[[route]]\nmatch = \"*\"\nto = \"hold\"\n"),
    )
    .unwrap();
    let pass = |spool: &Path, trust: Option<&Path>| {
        enqueue(spool, "--enqueue --require-tls --notify failure bob@hamburger.test");
        let mut command = tool("mailq-run");
        command.env("POSTROAD_CONFIG", path("config.toml")).envs(trust.map(|file| ("SSL_CERT_FILE", file)));
        let ran = run(command.arg("--spool").arg(spool), b"");
        assert_eq!((ran.status, ran.err.as_str()), (0, ""));
        spooled(spool).iter().map(|facts| asked(facts.envelope()).join(", ")).collect::<Vec<_>>()
    };
    assert_eq!(pass(&path("known"), Some(&trusted)), [""; 0]);
    let [message] = &spooled(&next)[..] else { panic!("one message at the next host") };
    assert_eq!(
        asked(message.envelope()),
        ["MAIL REQUIRETLS", "RCPT bob@hamburger.test NOTIFY=FAILURE ORCPT=rfc822;bob@hamburger.test"]
    );
    // Of a host that nobody vouches for the sender hears, and so are the words about it to be kept.
    assert_eq!(pass(&path("unknown"), None), ["MAIL REQUIRETLS, RCPT alice@crepes.test"]);
    assert_eq!(spooled(&next).len(), 1);
}
