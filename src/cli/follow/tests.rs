//! Sessions as they are followed, in each protocol.

use super::*;

/// A session of `C: …`, `S: …` and `C> …` (no line end) as what is told of it, the bytes one by one.
fn told(speech: Speech, session: &[&str]) -> Vec<String> {
    let mut follow = Following::new(speech, false);
    let mut events = Vec::new();
    for line in session {
        let (mark, text) = line.split_at(3);
        let text = text.strip_prefix(' ').unwrap_or(text);
        let wire = if mark == "C> " { text.to_owned() } else { format!("{text}\r\n") };
        let mut note = |event| events.push(event);
        for byte in wire.as_bytes() {
            if mark.starts_with('S') {
                follow.received(&[*byte], &mut note);
            } else {
                follow.sent(&[*byte], &mut note);
            }
        }
    }
    let asked = |answers: Option<String>| answers.unwrap_or_else(|| "?".to_owned());
    let shown = |event: Event| match event {
        Event::Sent { verb, line } => format!("{verb}|{}", String::from_utf8_lossy(&line)),
        Event::Message { octets } => format!("message {octets}"),
        Event::Reply { answers, reply } => format!("{}<{}", asked(answers), reply.code),
        Event::Response { answers, good, text } => format!("{}<{}{text}", asked(answers), if good { '+' } else { '-' }),
        Event::Listing { verb, octets } => format!("{verb}#{octets}"),
        Event::Untagged(text) => format!("*{text}"),
        Event::Garbage(bad) => bad,
    };
    events.into_iter().map(shown).collect()
}

#[test]
fn replies_find_their_commands() {
    let session = ["S: 220 mx", "C: ehlo x", "S: 250-mx", "S: 250 PIPELINING", "C: MAIL FROM:<>", "C: RCPT TO:<b@y>", "C: DATA"];
    let rest = ["S: 250 a", "S: 550 b", "S: 354 c", "C: MAIL", "C: ..", "C: .", "S: 250 d", "C: QUIT", "S: 221 e", "S: 421 f"];
    let wanted = [
        "<220",
        "EHLO|ehlo x",
        "EHLO<250",
        "MAIL|MAIL FROM:<>",
        "RCPT|RCPT TO:<b@y>",
        "DATA|DATA",
        "MAIL<250",
        "RCPT<550",
        "DATA<354",
        "message 13",
        ".<250",
        "QUIT|QUIT",
        "QUIT<221",
        "?<421",
    ];
    assert_eq!(told(Speech::Smtp, &[&session[..], &rest[..]].concat()), wanted);
}

#[test]
fn chunks_are_no_lines() {
    let session = ["S: 220 mx", "C: BDAT 9", "C>  MAIL\r\nx\r\n", "C: bdat 0 last", "S: 250 a", "S: 250 b", "C: NOOP"];
    let told = told(Speech::Smtp, &session);
    assert_eq!(told, ["<220", "BDAT|BDAT 9", "message 9", "BDAT|bdat 0 last", "BDAT<250", ".<250", "NOOP|NOOP"]);
}

#[test]
fn secrets_of_smtp_do_not_pass() {
    let session =
        ["S: 220 mx", "C: AUTH LOGIN", "S: 334 VXNlcg==", "C: Ym9i", "S: 334 UGFzcw==", "C: czNjcmV0", "S: 235 in", "C: NOOP"];
    let wanted = ["<220", "AUTH|AUTH LOGIN", "AUTH<334", "AUTH|<hidden>", "AUTH<334", "AUTH|<hidden>", "AUTH<235", "NOOP|NOOP"];
    assert_eq!(told(Speech::Smtp, &session), wanted);
}

#[test]
fn lmtp_answers_for_each_recipient_taken() {
    let session = ["S: 220 mx", "C: LHLO x", "S: 250 mx", "C: MAIL FROM:<>", "S: 250 a", "C: RCPT TO:<b@y>", "S: 250 b"];
    let rest = ["C: RCPT TO:<c@y>", "S: 250 c", "C: DATA", "S: 354 d", "C: .", "S: 250 e", "S: 450 f"];
    assert_eq!(told(Speech::Smtp, &[&session[..], &rest[..]].concat())[11..], ["message 3", ".<250", ".<450"]);
}

#[test]
fn responses_of_pop3_find_their_commands() {
    let session = ["S: +OK hi", "C: list", "C: LIST 1", "C: RETR 1", "C: QUIT", "S: +OK", "S: 1 3", "S: .", "S: +OK 1 3"];
    let rest = ["S: +OK", "S: ..", "S: -ERR is text", "S: .", "S: +OK bye", "S: -ERR late"];
    let wanted =
        ["<+hi", "LIST|list", "LIST|LIST 1", "RETR|RETR 1", "QUIT|QUIT", "LIST<+", "LIST#8", "LIST<+1 3", "RETR<+", "RETR#21"];
    let told = told(Speech::Pop3, &[&session[..], &rest[..]].concat());
    assert_eq!(told[..10], wanted);
    assert_eq!(told[10..], ["QUIT<+bye", "?<-late"]);
}

#[test]
fn secrets_of_pop3_do_not_pass() {
    let session = ["S: +OK", "C: AUTH CRAM-MD5", "S: + PDE+", "C: Ym9i", "S: +OK in", "C: STAT", "S: +OK 0 0"];
    let wanted = ["<+", "AUTH|AUTH CRAM-MD5", "AUTH<++ <hidden>", "AUTH|<hidden>", "AUTH<+in", "STAT|STAT", "STAT<+0 0"];
    assert_eq!(told(Speech::Pop3, &session), wanted);
}

#[test]
fn responses_find_their_commands_in_any_order() {
    let session =
        ["S: * OK hi", "C: a uid fetch 1 x", "C: b NOOP", "S: b OK x", "S: * 1 EXISTS", "S: a NO [ALERT] y", "S: c OK late"];
    let wanted = [
        "<+OK hi",
        "UID FETCH|a uid fetch 1 x",
        "NOOP|b NOOP",
        "NOOP<+OK x",
        "*1 EXISTS",
        "UID FETCH<-NO [ALERT] y",
        "?<+OK late",
    ];
    assert_eq!(told(Speech::Imap, &session), wanted);
}

#[test]
fn what_stands_in_a_literal_is_no_response() {
    let session = ["S: * OK", "C: a FETCH 1 BODY[]", "S: * 1 FETCH (BODY[] {11}", "S: a OK lies", "S: )", "S: a OK done"];
    let wanted = ["<+OK", "FETCH|a FETCH 1 BODY[]", "*1 FETCH (BODY[] {11}", "FETCH#11", "FETCH<+OK done"];
    assert_eq!(told(Speech::Imap, &session), wanted);
    let session = ["S: * OK", "C: a APPEND x {9}", "S: + go", "C: b LOGIN x", "C: c NOOP"];
    assert_eq!(
        told(Speech::Imap, &session),
        ["<+OK", "APPEND|a APPEND x {9}", "APPEND<++ go", "message 9", "APPEND|", "NOOP|c NOOP"]
    );
}

#[test]
fn secrets_of_imap_do_not_pass() {
    let session = ["S: * OK", "C: a AUTHENTICATE CRAM-MD5", "S: + PDE+", "C: Ym9i", "S: a OK in", "C: b LOGIN x {3}", "S: + go"];
    let session = [&session[..], &["C: abc", "S: b NO x", "C: c NOOP"]].concat();
    let wanted = [
        "<+OK",
        "AUTHENTICATE|a AUTHENTICATE CRAM-MD5",
        "AUTHENTICATE<++ <hidden>",
        "AUTHENTICATE|<hidden>",
        "AUTHENTICATE<+OK in",
        "LOGIN|b LOGIN <hidden>",
        "LOGIN<++ go",
        "message 3",
        "LOGIN|<hidden>",
        "LOGIN<-NO x",
        "NOOP|c NOOP",
    ];
    assert_eq!(told(Speech::Imap, &session), wanted);
}

#[test]
fn idle_ends_with_done() {
    assert_eq!(
        told(Speech::Imap, &["S: * OK", "C: a IDLE", "S: + idling", "C: DONE", "S: a OK"])[3..],
        ["DONE|DONE", "IDLE<+OK"]
    );
}
