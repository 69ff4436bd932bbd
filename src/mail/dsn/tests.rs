//! What a report says, as a mail program reads it.

use super::*;
use crate::mail::reply::Reply;
use mail_parser::{MessageParser, MimeHeaders, PartType};
use proptest::prelude::*;

const ORIGINAL: &[u8] = b"From: <alice@crepes.test>\r\nSubject: Hi\r\n\r\nHello.\r\n";

fn reported(address: &str, reply: &Reply) -> Reported {
    Reported {
        action: Action::Failed,
        address: address.parse().unwrap(),
        original: None,
        diagnostic: reply.into(),
        remote: Some("mx.hamburger.test".into()),
        last_attempt: Timestamp::from_second(1_795_341_600).unwrap(),
    }
}

fn write(recipients: &[Reported], original: Original, action: Action) -> Vec<u8> {
    let recipients: Vec<Reported> = recipients.iter().map(|r| Reported { action, ..r.clone() }).collect();
    let envid = "a b".parse().unwrap();
    let alice = "alice@crepes.test".parse().unwrap();
    let (id, about) = (QueueId::new(7, 8), QueueId::new(1, 2));
    let at = Timestamp::from_second(1_795_341_600).unwrap();
    let report = Report {
        host: "mx.crepes.test",
        to: &alice,
        id: &id,
        about: &about,
        arrival: at,
        envid: Some(&envid).filter(|_| recipients.iter().any(|recipient| recipient.original.is_some())),
        at,
        recipients: &recipients,
        original,
        eight_bit: false,
        utf8_header: recipients.iter().any(|recipient| !recipient.address.is_ascii()),
    };
    let mut out = report.head();
    match original {
        Original::Whole => out.extend_from_slice(ORIGINAL),
        Original::Header => {
            HeaderOnly::default().push(ORIGINAL, &mut out);
        }
    }
    out.extend(report.tail());
    out
}

/// The fields of each block of the status part.
fn status_blocks(raw: &[u8]) -> Vec<Vec<(String, String)>> {
    let message = MessageParser::default().parse(raw).unwrap();
    let part =
        message.parts.iter().find(|part| part.content_type().is_some_and(|t| t.subtype() == Some("delivery-status"))).unwrap();
    let text = String::from_utf8(part.contents().to_vec()).unwrap().replace("\r\n ", " ");
    let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    text.trim_end().split("\r\n\r\n").map(|block| block.split("\r\n").map(field).collect()).collect()
}

#[test]
fn a_report_has_three_parts_that_a_parser_finds() {
    let refused = reported("bob@hamburger.test", &Reply::enhanced(550, 1, 1, "no such user"));
    let raw = write(&[refused], Original::Whole, Action::Failed);
    let message = MessageParser::default().parse(&raw).unwrap();
    assert_eq!(message.subject(), Some("Your message could not be delivered"));
    assert_eq!(message.from().unwrap().first().unwrap().address(), Some("MAILER-DAEMON@mx.crepes.test"));
    assert_eq!(message.to().unwrap().first().unwrap().address(), Some("alice@crepes.test"));
    assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-replied"));
    assert_eq!(message.content_type().unwrap().attribute("report-type"), Some("delivery-status"));
    let PartType::Message(original) = &message.parts.last().unwrap().body else { panic!("no message/rfc822") };
    assert_eq!(original.raw_message(), &ORIGINAL[..ORIGINAL.len()]);
    assert!(message.body_text(0).unwrap().contains("mx.hamburger.test said: 550 5.1.1 no such user"));
    let blocks = status_blocks(&raw);
    let want = [
        ("Final-Recipient", "rfc822; bob@hamburger.test"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns; mx.hamburger.test"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 no such user"),
        ("Last-Attempt-Date", "Sun, 22 Nov 2026 10:00:00 +0000"),
    ];
    assert_eq!(blocks[0][0], ("Reporting-MTA".to_owned(), "dns; mx.crepes.test".to_owned()));
    assert_eq!(blocks[1], want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(blocks.len(), 2);
}

#[test]
fn a_delay_says_until_when() {
    let until = Timestamp::from_second(1_795_773_600).unwrap();
    let deferred = reported("bob@hamburger.test", &Reply::new(451, None, "later"));
    let raw = write(&[deferred], Original::Header, Action::Delayed { until });
    let block = &status_blocks(&raw)[1];
    assert!(
        block.contains(&("Action".into(), "delayed".into())) && block.contains(&("Status".into(), "4.0.0".into())),
        "{block:?}"
    );
    assert!(block.contains(&("Will-Retry-Until".into(), "Fri, 27 Nov 2026 10:00:00 +0000".into())), "{block:?}");
    let text = String::from_utf8(raw).unwrap();
    assert!(text.contains("text/rfc822-headers\r\n\r\nFrom: <alice@crepes.test>\r\nSubject: Hi\r\n\r\n--report"), "{text}");
}

#[test]
fn success_is_told_with_what_the_sender_knows() {
    let mut relayed = reported("bob@hamburger.test", &Reply::enhanced(250, 0, 0, "queued"));
    relayed.original = Some("rfc822;b+2Bx@crepes.test".parse().unwrap());
    let raw = write(&[relayed], Original::Header, Action::Relayed);
    let blocks = status_blocks(&raw);
    assert_eq!(blocks[0][0], ("Original-Envelope-Id".to_owned(), "a b".to_owned()));
    let want = [
        ("Original-Recipient", "rfc822; b+x@crepes.test"),
        ("Final-Recipient", "rfc822; bob@hamburger.test"),
        ("Action", "relayed"),
        ("Status", "2.0.0"),
    ];
    assert_eq!(blocks[1][..4], want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let text = String::from_utf8(raw).unwrap();
    assert!(text.contains("\r\n    b+x@crepes.test\r\n    which stands for bob@hamburger.test\r\n    relayed\r\n"), "{text}");
}

#[test]
fn addresses_beyond_ascii_are_told_in_utf8() {
    let refused = reported("j\u{f6}rg@hamburger.test", &Reply::new(550, None, "no"));
    for (original, last) in [(Original::Whole, "message/global"), (Original::Header, "message/global-headers")] {
        let raw = write(std::slice::from_ref(&refused), original, Action::Failed);
        let text = String::from_utf8(raw.clone()).unwrap();
        assert!(text.contains("\r\nFinal-Recipient: utf-8; j\u{f6}rg@hamburger.test\r\n"), "{text}");
        assert!(text.contains(&format!("\r\nContent-Type: {last}\r\n")), "{text}");
        let eight_bit = text.matches("\r\nContent-Transfer-Encoding: 8bit\r\n").count();
        assert_eq!(eight_bit, 3, "of all, of the text, of the status: {text}");
        let message = MessageParser::default().parse(&raw).unwrap();
        let kinds: Vec<_> = message.parts[1..3].iter().map(|part| part.content_type().unwrap().subtype().unwrap()).collect();
        assert_eq!(kinds, ["plain", "global-delivery-status"]);
        assert!(message.body_text(0).unwrap().contains("j\u{f6}rg@hamburger.test"));
    }
}

#[test]
fn our_own_findings_have_no_remote_and_no_smtp_code() {
    let own = Reported {
        remote: None,
        diagnostic: Diagnostic::local(EnhancedStatus::new(5, 4, 6), "too many hops"),
        ..reported("bob@hamburger.test", &Reply::new(250, None, ""))
    };
    let block = &status_blocks(&write(&[own], Original::Header, Action::Failed))[1];
    assert!(block.contains(&("Diagnostic-Code".into(), "x-postroad; 5.4.6 too many hops".into())), "{block:?}");
    assert!(!block.iter().any(|(name, _)| name == "Remote-MTA"));
}

#[test]
fn where_a_message_is_stored_here_is_not_told() {
    let stored = Reported {
        remote: None,
        action: Action::Delivered,
        diagnostic: Diagnostic::local(EnhancedStatus::new(2, 0, 0), "stored in /var/mail/bob"),
        ..reported("bob@hamburger.test", &Reply::new(250, None, ""))
    };
    let raw = write(&[stored], Original::Header, Action::Delivered);
    let block = &status_blocks(&raw)[1];
    assert!(block.contains(&("Action".into(), "delivered".into())), "{block:?}");
    assert!(block.contains(&("Status".into(), "2.0.0".into())), "{block:?}");
    assert!(!String::from_utf8(raw).unwrap().contains("/var/mail"));
}

#[test]
fn the_header_alone_is_cut_at_its_empty_line_however_it_is_split() {
    for at in 0..ORIGINAL.len() {
        let (mut cut, mut out) = (HeaderOnly::default(), Vec::new());
        cut.push(&ORIGINAL[..at], &mut out);
        cut.push(&ORIGINAL[at..], &mut out);
        assert_eq!(out, b"From: <alice@crepes.test>\r\nSubject: Hi\r\n", "split at {at}");
    }
    let (mut cut, mut out) = (HeaderOnly::default(), Vec::new());
    assert!(cut.push(b"\r\nno header\r\n", &mut out) && out.is_empty());
    let (mut cut, mut out) = (HeaderOnly::default(), Vec::new());
    assert!(cut.push(&b"x".repeat(HEADER_LIMIT + 9), &mut out));
    assert_eq!(out.len(), HEADER_LIMIT);
}

proptest! {
    /// Whatever a server says, its report has the same parts and fields as any other (no header injection).
    #[test]
    fn hostile_replies_stay_inert(said in "(\\PC|[\r\n\t\0-: ]|Subject: x|--report-){0,80}", host in "(\\PC|[\r\n; ]){0,20}") {
        let mut refused = reported("bob@hamburger.test", &Reply::new(550, None, said));
        refused.remote = Some(host);
        let raw = write(&[refused.clone(), refused], Original::Header, Action::Failed);
        prop_assert!(raw.is_ascii());
        prop_assert!(raw.split(|&b| b == b'\n').all(|line| line.len() < 998));
        let blocks = status_blocks(&raw);
        prop_assert_eq!(blocks.len(), 3);
        for block in &blocks[1..] {
            let names: Vec<_> = block.iter().map(|(name, _)| name.as_str()).collect();
            prop_assert_eq!(names, ["Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"]);
        }
        let message = MessageParser::default().parse(&raw).unwrap();
        prop_assert_eq!(message.parts.len(), 4);
        prop_assert_eq!(message.headers().len(), 8);
    }
}
