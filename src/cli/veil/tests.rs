//! What is shown of sessions, in each protocol.

use super::*;

/// `C: …` and `S: …` as they are shown.
fn shown(speech: Speech, session: &[&str]) -> Vec<String> {
    let mut veil = Veil::of(speech);
    let show = |line: &&str| {
        let (who, line) = line.split_once(' ').unwrap();
        let line = if who == "C:" { veil.client(line.as_bytes()) } else { veil.server(line.as_bytes()) };
        String::from_utf8(line.into_owned()).unwrap()
    };
    session.iter().map(show).collect()
}

#[test]
fn no_message_of_an_exchange_is_shown() {
    let session = ["C: AUTH PLAIN AGFsaWNlAHNlY3JldA==", "S: 235-2.7.0", "S: 235 in", "C: MAIL FROM:<a@b.test>"];
    assert_eq!(shown(Speech::Smtp, &session), ["AUTH PLAIN <hidden>", "235-2.7.0", "235 in", "MAIL FROM:<a@b.test>"]);
    let session = ["C: auth login", "S: 334 VXNlcm5hbWU6", "C: YWxpY2U=", "S: 334 ", "C: *", "S: 501 gone", "C: QUIT"];
    assert_eq!(shown(Speech::Smtp, &session), ["auth login", "334 <hidden>", "<hidden>", "334 ", "*", "501 gone", "QUIT"]);
    assert_eq!(shown(Speech::Smtp, &["C: AUTH PLAIN a b c", "C: before the reply"]), ["AUTH PLAIN <hidden>", "<hidden>"]);
    assert_eq!(shown(Speech::Smtp, &["C: AUTH s3cret! x", "S: 504 no"]), ["AUTH <hidden>", "504 no"]);
    assert_eq!(
        shown(Speech::Smtp, &["S: 334 abc", "C: typed by hand", "S: 334", "C: again"])[1..],
        ["<hidden>", "334", "<hidden>"]
    );
    assert_eq!(shown(Speech::Smtp, &["S: 334-abc", "S: 334 def"]), ["334-<hidden>", "334 <hidden>"]);
}

#[test]
fn no_reply_brings_a_response_to_light() {
    let session = ["C: AUTH LOGIN", "S: 334 x", "S: 250 lies", "C: YWxpY2U=", "C: QUIT"];
    assert_eq!(shown(Speech::Smtp, &session)[3..], ["<hidden>", "QUIT"]);
    assert_eq!(
        shown(Speech::Smtp, &["S: 354 go", "C: AUTH PLAIN x", "S: 354 go", "C: x"])[1..],
        ["AUTH PLAIN <hidden>", "354 go", "x"]
    );
}

#[test]
fn a_message_about_auth_is_shown() {
    let session = ["C: DATA", "S: 354 go", "C: AUTH PLAIN is a command", "C: MAIL", "C: .", "S: 250 ok", "C: AUTH PLAIN x"];
    assert_eq!(shown(Speech::Smtp, &session)[2..], ["AUTH PLAIN is a command", "MAIL", ".", "250 ok", "AUTH PLAIN <hidden>"]);
    assert_eq!(shown(Speech::Smtp, &["C: AUTHENTIC x", "C: AUTH", "C: x"]), ["AUTHENTIC x", "AUTH", "x"]);
}

#[test]
fn nothing_secret_of_pop3_is_shown() {
    let session = ["C: USER bob", "S: +OK", "C: pass two words", "S: -ERR no", "C: APOP bob 0123abc", "S: +OK in", "C: STAT"];
    let wanted = ["USER bob", "+OK", "pass <hidden>", "-ERR no", "APOP bob <hidden>", "+OK in", "STAT"];
    assert_eq!(shown(Speech::Pop3, &session), wanted);
    let session = ["C: AUTH CRAM-MD5", "S: + PDE+", "C: Ym9i", "S: + ", "C: *", "S: -ERR gone", "C: AUTH PLAIN AGEAYg=="];
    let wanted = ["AUTH CRAM-MD5", "+ <hidden>", "<hidden>", "+ ", "*", "-ERR gone", "AUTH PLAIN <hidden>"];
    assert_eq!(shown(Speech::Pop3, &session), wanted);
    assert_eq!(shown(Speech::Pop3, &["C: AUTH s3cret! x", "C: again", "S: +OK"]), ["AUTH <hidden>", "<hidden>", "+OK"]);
}

#[test]
fn a_message_of_pop3_is_shown() {
    assert_eq!(shown(Speech::Pop3, &["C: RETR 1", "S: +OK", "S: + AGEAYg==", "S: ."])[2], "+ AGEAYg==");
}

#[test]
fn no_argument_of_login_is_shown() {
    assert_eq!(shown(Speech::Imap, &["C: a1 login bob s3cret", "C: a2 NOOP"]), ["a1 login <hidden>", "a2 NOOP"]);
    let session = ["C: a LOGIN {3}", "S: + go", "C: bob {6}", "S: + go", "C: secret", "S: a OK in", "C: b NOOP"];
    assert_eq!(shown(Speech::Imap, &session), ["a LOGIN <hidden>", "+ go", "<hidden>", "+ go", "<hidden>", "a OK in", "b NOOP"]);
    let session = ["C: a LOGIN bob {8+}", "C: two", "C: one", "C: b NOOP"];
    assert_eq!(shown(Speech::Imap, &session)[..3], ["a LOGIN <hidden>", "<hidden>", "<hidden>"]);
    assert_eq!(
        shown(Speech::Imap, &["C: a LOGIN {3}", "S: a NO never", "C: b NOOP"]),
        ["a LOGIN <hidden>", "a NO never", "b NOOP"]
    );
}

#[test]
fn no_message_of_authenticate_is_shown() {
    let session = ["C: a AUTHENTICATE PLAIN AGEAYg==", "S: * OK still here", "S: a OK in", "C: b NOOP"];
    assert_eq!(shown(Speech::Imap, &session), ["a AUTHENTICATE PLAIN <hidden>", "* OK still here", "a OK in", "b NOOP"]);
    let session = ["C: a authenticate login", "S: + VXNlcm5hbWU6", "C: Ym9i", "S: + ", "C: *", "S: a BAD gone"];
    assert_eq!(shown(Speech::Imap, &session), ["a authenticate login", "+ <hidden>", "<hidden>", "+ ", "*", "a BAD gone"]);
    assert_eq!(shown(Speech::Imap, &["C: a AUTHENTICATE s3cret! x", "C: x"]), ["a AUTHENTICATE <hidden>", "<hidden>"]);
    assert_eq!(shown(Speech::Imap, &["C: a AUTHENTICATE X", "S: junk in between", "C: secret"])[2], "<hidden>");
}

#[test]
fn a_message_is_shown_and_is_no_command() {
    let session = ["C: a APPEND x {31}", "S: + go", "C: To: b", "C: a AUTHENTICATE PLAIN x", "C: b NOOP", "S: + text"];
    assert_eq!(shown(Speech::Imap, &session)[3..], ["a AUTHENTICATE PLAIN x", "b NOOP", "+ text"]);
    assert_eq!(
        shown(Speech::Imap, &["C: a APPEND x {4}", "S: + go", "C: body (\\Seen) {2}", "C: hi", "C: b LOGIN a b"])[4],
        "b LOGIN <hidden>"
    );
}
