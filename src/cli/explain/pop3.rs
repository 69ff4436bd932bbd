//! An exchange of POP3 in plain words: the state of the session, what the command asks, what the answer means; and what CAPA offers.

/// `verb`, the phase as textbooks name it, what it asks.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("", "authorization", "the server speaks first: its greeting"),
    (
        "APOP",
        "authorization",
        "the client shows that it knows the password, without sending it: a digest of it and of the greeting",
    ),
    ("AUTH", "authorization", "the client shows who it is"),
    ("CAPA", "authorization", "the client asks what the server offers"),
    ("DELE", "transaction", "this message is marked for deletion; it goes with QUIT, and not before"),
    ("LANG", "transaction", "the client asks for texts in a language"),
    ("LIST", "transaction", "the client asks for the numbers and sizes of messages"),
    ("NOOP", "transaction", "nothing is asked but an answer"),
    ("PASS", "authorization", "the password of the user named before"),
    ("QUIT", "update", "the client is done: what was marked is deleted now"),
    ("RETR", "transaction", "the client asks for a whole message"),
    ("RSET", "transaction", "no message is marked for deletion any more"),
    ("STAT", "transaction", "the client asks how many messages there are, and how large they are together"),
    ("STLS", "authorization", "the client wants to go on encrypted"),
    ("TOP", "transaction", "the client asks for a message's header and some lines"),
    ("UIDL", "transaction", "the client asks for the ids by which messages are known again in later sessions"),
    ("USER", "authorization", "the client names the mailbox; its password follows"),
    ("UTF8", "authorization", "the client takes messages with UTF-8 in their headers"),
];

/// RFC 2449 section 8, RFC 3206.
const CODES: &[(&str, &str)] = &[
    ("AUTH", "the name or the password is wrong"),
    ("IN-USE", "another session has the mailbox open; try later"),
    ("LOGIN-DELAY", "too soon after the last login; try later"),
    ("SYS/PERM", "something is wrong at the server that does not pass by itself"),
    ("SYS/TEMP", "the server failed at this; try later"),
    ("UNAVAILABLE", "the server cannot serve now; try later"),
];

/// Capabilities, and what they are (RFC 2449 section 6 and the IANA registry).
const CAPABILITIES: &[(&str, &str)] = &[
    ("AUTH-RESP-CODE", "RFC 3206: refusals say whether the name or password is wrong"),
    ("CAPA", "RFC 2449 5: this list"),
    ("EXPIRE", "RFC 2449 6.7: how many days the server keeps messages"),
    ("IMPLEMENTATION", "RFC 2449 6.9: which program this is"),
    ("LANG", "RFC 6856: texts in other languages"),
    ("LOGIN-DELAY", "RFC 2449 6.5: so many seconds must pass between logins"),
    ("PIPELINING", "RFC 2449 6.6: commands may be sent before earlier ones were answered"),
    ("RESP-CODES", "RFC 2449 6.4: refusals have codes in brackets"),
    ("SASL", "RFC 5034: AUTH with these mechanisms"),
    ("STLS", "RFC 2595: TLS on this connection"),
    ("TOP", "RFC 1939: headers alone"),
    ("UIDL", "RFC 1939: ids by which messages are known again"),
    ("USER", "RFC 1939: login by USER and PASS"),
    ("UTF8", "RFC 6856: messages with UTF-8 in their headers"),
];

/// The exchange in one line. `answers` is the verb: nothing for the greeting; None: nobody asked.
pub fn exchange(answers: Option<&str>, good: bool, text: &str) -> String {
    let (phase, asked) = match answers {
        None => ("unasked", "the server speaks without being asked"),
        Some(verb) => {
            let known = COMMANDS.iter().find(|(known, ..)| *known == verb);
            known.map_or(("transaction", "a command that is not known here"), |(_, phase, asked)| (*phase, *asked))
        }
    };
    if text.starts_with("+ ") {
        return format!("{phase}: {asked}. +: the login goes on: the server waits for the next answer");
    }
    let status = if good { "+OK: granted" } else { "-ERR: refused" };
    let code = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(code, _)| code.to_ascii_uppercase());
    let meaning = code.and_then(|code| CODES.iter().find(|(known, _)| *known == code));
    let more = meaning.map(|(code, meaning)| format!("; {code}: {meaning}")).unwrap_or_default();
    format!("{phase}: {asked}. {status}{more}")
}

/// A line of CAPA in plain words.
pub fn capability(line: &str) -> &'static str {
    let name = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
    let known = CAPABILITIES.iter().find(|(known, _)| *known == name);
    known.map_or(if name.starts_with('X') { "not registered: the server's own" } else { "not known here" }, |(_, told)| told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_told_with_its_state() {
        assert!(exchange(Some(""), true, "ready").starts_with("authorization: the server speaks first"));
        let told = exchange(Some("PASS"), false, "[in-use] locked");
        assert!(told.ends_with("-ERR: refused; IN-USE: another session has the mailbox open; try later"), "{told}");
        assert!(exchange(Some("QUIT"), true, "").starts_with("update: "));
        assert!(exchange(Some("AUTH"), true, "+ <hidden>").ends_with("waits for the next answer"));
        assert!(exchange(None, true, "").starts_with("unasked: "));
        assert!(exchange(Some("XYZZY"), true, "").contains("not known here"));
    }

    #[test]
    fn capabilities_are_told_and_the_tables_are_sorted() {
        assert!(capability("sasl PLAIN LOGIN").contains("RFC 5034"));
        assert_eq!(capability("FROB"), "not known here");
        assert!(capability("XTND 1").starts_with("not registered"));
        assert!(COMMANDS.is_sorted_by_key(|(verb, ..)| *verb) && CODES.is_sorted_by_key(|(code, _)| *code));
        assert!(CAPABILITIES.is_sorted_by_key(|(name, _)| *name));
    }
}
