//! Values of header fields as text: encoded words are decoded where RFC 2047 section 5 lets them stand, and nowhere else. What they hold
//! never becomes syntax of the field: no address, no comment and no identifier is made of it.

use crate::bytes::{charset, encoded_word};
use crate::mail::address_list::quoted_string;

/// Where a field may have encoded words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// Anywhere in its text (RFC 2047 section 5(1)).
    Text,
    /// In comments and phrases (5(2), 5(3)).
    Phrases,
    /// In comments only (5(2)).
    Comments,
    /// Nowhere: its parentheses are no comments, or its values have a way of their own beyond ASCII (RFC 2231).
    Nowhere,
}

/// Fields with names of people, lists and things in them.
const PHRASES: &[&str] = &[
    "from",
    "sender",
    "reply-to",
    "to",
    "cc",
    "bcc",
    "resent-from",
    "resent-sender",
    "resent-reply-to",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "disposition-notification-to",
    "return-receipt-to",
    "errors-to",
    "mail-followup-to",
    "mail-reply-to",
    "approved",
    "keywords",
    "list-id",
];
/// Other structured fields, where text beyond ASCII has no place but in comments.
const COMMENTS: &[&str] = &[
    "date",
    "resent-date",
    "message-id",
    "resent-message-id",
    "in-reply-to",
    "references",
    "return-path",
    "received",
    "delivered-to",
    "x-original-to",
    "mime-version",
    "content-transfer-encoding",
    "content-id",
    "auto-submitted",
    "list-archive",
    "list-help",
    "list-owner",
    "list-post",
    "list-subscribe",
    "list-unsubscribe",
    "received-spf",
    "authentication-results",
    "arc-authentication-results",
    "precedence",
    "importance",
    "priority",
    "sensitivity",
    "expires",
    "supersedes",
];
const NOWHERE: &[&str] = &[
    "content-type",
    "content-disposition",
    "dkim-signature",
    "arc-seal",
    "arc-message-signature",
    "list-unsubscribe-post",
    "autocrypt",
];

impl Allowed {
    /// Fields that are not known are free text, as most extensions are.
    pub fn of(name: &[u8]) -> Allowed {
        let is_in = |list: &[&str]| list.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        match () {
            () if is_in(PHRASES) => Allowed::Phrases,
            () if is_in(COMMENTS) => Allowed::Comments,
            () if is_in(NOWHERE) => Allowed::Nowhere,
            () => Allowed::Text,
        }
    }
}

/// The unfolded `value` of the field `name` as text.
pub fn text(name: &[u8], value: &[u8]) -> String {
    match Allowed::of(name) {
        Allowed::Text => encoded_word::decode(value),
        Allowed::Nowhere => charset::guess(value).into_owned(),
        allowed => structured(&charset::guess(value), allowed),
    }
}

/// One pass over the tokens of a structured field; what is not closed ends with the value.
fn structured(value: &str, allowed: Allowed) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let run = words(rest);
        let length = match c {
            '"' => closed(rest, '"'),
            '<' => closed(rest, '>'),
            '[' => closed(rest, ']'),
            '(' => {
                let length = comment_length(rest);
                comment(&rest[..length], &mut out);
                rest = &rest[length..];
                before = ')';
                continue;
            }
            // Part of an atom, or of an address, it is none.
            '=' if allowed == Allowed::Phrases
                && run > 0
                && (before.is_ascii_whitespace() || ",:;)\">?".contains(before))
                && !rest[run..].starts_with(['@', '.']) =>
            {
                out.push_str(&word(&encoded_word::decode(&rest.as_bytes()[..run])));
                rest = &rest[run..];
                before = '?';
                continue;
            }
            _ => c.len_utf8(),
        };
        out.push_str(&rest[..length]);
        before = c;
        rest = &rest[length..];
    }
    out
}

/// The length of the encoded words that `text` begins with, blanks between them included; 0 if there is none.
fn words(text: &str) -> usize {
    let mut end = 0;
    loop {
        let next = end + (text.len() - end - text[end..].trim_ascii_start().len());
        match encoded_word::length(&text.as_bytes()[next..]) {
            Some(length) if end == 0 || next > end => end = next + length,
            _ => return end,
        }
    }
}

/// As a `word` of a phrase: as it is where it is atoms, else quoted.
pub fn word(text: &str) -> String {
    let is_atom = |c: char| !c.is_ascii_control() && !"()<>[]:;@\\,.\"".contains(c);
    if !text.is_empty() && text.trim_ascii() == text && text.chars().all(is_atom) { text.to_owned() } else { quoted_string(text) }
}

/// Up to the `end` that closes what `text` begins with, that included; in it, a backslash takes the next character's meaning.
fn closed(text: &str, end: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            _ if c == end => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn comment_length(text: &str) -> usize {
    let mut depth = 0u32;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '(' => depth += 1,
            ')' if depth <= 1 => return at + 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// Appends a comment with its encoded words decoded, so that it ends where it ended.
fn comment(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find("=?") {
        out.push_str(&rest[..at]);
        let length = words(&rest[at..]);
        for c in encoded_word::decode(&rest.as_bytes()[at..at + length]).chars() {
            if matches!(c, '(' | ')' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        let passed = if length == 0 { 2 } else { length };
        out.push_str(if length == 0 { "=?" } else { "" });
        rest = &rest[at + passed..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::address_list::named_mailboxes;
    use proptest::prelude::*;

    #[test]
    fn encoded_words_count_where_the_rfc_lets_them_stand() {
        for (name, value, shown) in [
            ("Subject", "\"=?utf-8?q?K=C3=A4se?=\" <=?utf-8?q?a?=>", "\"Käse\" <a>"),
            ("X-Any", "=?utf-8?q?a=2Cb?=", "a,b"),
            ("From", "<=?utf-8?q?ceo=40bank=2Etest?=@evil.test>", "<=?utf-8?q?ceo=40bank=2Etest?=@evil.test>"),
            ("From", "=?utf-8?q?ceo=40bank=2Etest?=@evil.test", "=?utf-8?q?ceo=40bank=2Etest?=@evil.test"),
            ("From", "a.=?utf-8?q?b?= <a@b>", "a.=?utf-8?q?b?= <a@b>"),
            ("To", "=?utf-8?q?M=C3=BCller=2C_J?= <m@x.test>", "\"Müller, J\" <m@x.test>"),
            ("to", "=?utf-8?q?J=C3=B6rg_M?=\t=?utf-8?q?=C3=BCller?= <m@x>, b@x", "Jörg Müller <m@x>, b@x"),
            ("Cc", "=?utf-8?q?a=40b=2Etest=3E=2C?= <r@s.test>", "\"a@b.test>,\" <r@s.test>"),
            ("Cc", "=?utf-8?q?say_=22hi=22?= <r@s.test>", "\"say \\\"hi\\\"\" <r@s.test>"),
            (
                "From",
                "\"=?utf-8?q?x?=\" <r@s.test> (=?utf-8?q?K=C3=A4se=29=5C?= b)",
                "\"=?utf-8?q?x?=\" <r@s.test> (Käse\\)\\\\ b)",
            ),
            ("From", "Bob (=? x) =?utf-8?q?B=C3=A4r?= <r@s.test>", "Bob (=? x) Bär <r@s.test>"),
            ("From", "=?x-unheard?q?a,b?= <r@s.test>", "\"=?x-unheard?q?a,b?=\" <r@s.test>"),
            ("Message-ID", "<=?utf-8?q?x?=@y>", "<=?utf-8?q?x?=@y>"),
            ("References", "=?utf-8?q?x?= (=?utf-8?q?=C3=A4?=)", "=?utf-8?q?x?= (ä)"),
            ("Content-Type", "text/plain; name=\"=?utf-8?q?x?=\"", "text/plain; name=\"=?utf-8?q?x?=\""),
            ("From", "\"unclosed =?utf-8?q?x?= <a@b>", "\"unclosed =?utf-8?q?x?= <a@b>"),
            ("Keywords", "=?utf-8?q?a=2C?=, b", "\"a,\", b"),
        ] {
            assert_eq!(text(name.as_bytes(), value.as_bytes()), shown, "{name}: {value}");
        }
        assert_eq!(text(b"From", b"K\xe4se <a@b>"), "Käse <a@b>");
    }

    proptest! {
        /// Whatever the words hold, the addresses are those that stand there.
        #[test]
        fn no_address_is_made_of_a_word(name in "([a<>@,;:. \"\\\\()]|\\PC){1,30}") {
            let words = encoded_word::encode(&name, 75).join(" ");
            let shown = text(b"To", format!("{words} <a@x.test> ({words}), b@x.test").as_bytes());
            let addresses: Vec<String> = named_mailboxes(shown.as_bytes()).unwrap().into_iter().map(|n| n.mailbox.to_string()).collect();
            prop_assert_eq!(addresses, ["a@x.test", "b@x.test"], "{}", shown);
        }

        #[test]
        fn no_value_panics(value in "([a@.,:;<>()\"\\\\ \\[\\]?=\u{e4}]|=\\?utf-8\\?q\\?|\\?=){0,40}") {
            for name in [&b"To"[..], b"Date", b"Content-Type", b"Subject"] {
                let _ = text(name, value.as_bytes());
            }
        }
    }
}
