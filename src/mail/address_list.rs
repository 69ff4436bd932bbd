//! Addresses in header fields (RFC 5322 section 3.4): mailboxes with names, groups, comments, and the obsolete forms of section 4.4. Gives
//! mailboxes of the envelope's kind.

use super::address::{AddressError, Domain, Mailbox};
use crate::bytes::{charset, encoded_word, escape};

/// A mailbox and the name before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMailbox {
    /// Unquoted; encoded words as they came.
    pub name: Option<String>,
    pub mailbox: Mailbox,
}

/// What is wrong, and in which element of the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", .element)]
pub struct AddressListError {
    /// The element as it stands there, made visible, cut after some 80 characters.
    pub element: String,
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("unclosed quote")]
    UnclosedQuote,
    #[error("unclosed comment")]
    UnclosedComment,
    #[error("unclosed <")]
    UnclosedAngle,
    #[error("unclosed [")]
    UnclosedLiteral,
    #[error("{0:?} is out of place")]
    Misplaced(char),
}

/// The mailboxes of an address field's value: names, comments and group names dropped, in their order, repeats kept.
pub fn recipients(value: &[u8]) -> Result<Vec<Mailbox>, AddressListError> {
    Ok(named_mailboxes(value)?.into_iter().map(|named| named.mailbox).collect())
}

/// As [`recipients`], with names that have no domain taken for names of `home`: so programs give them to a mail program.
pub fn recipients_at(value: &[u8], home: Option<&Domain>) -> Result<Vec<Mailbox>, AddressListError> {
    Ok(list(value, home)?.into_iter().map(|named| named.mailbox).collect())
}

/// `address-list = (address *("," address)) / obs-addr-list`. Empty elements are passed over, and so is a group without members.
pub fn named_mailboxes(value: &[u8]) -> Result<Vec<NamedMailbox>, AddressListError> {
    list(value, None)
}

/// How many mailboxes [`named_mailboxes`] would give, without holding them.
pub fn count_mailboxes(value: &[u8]) -> Result<usize, AddressListError> {
    let mut count = 0;
    each(value, None, |_| count += 1)?;
    Ok(count)
}

fn list(value: &[u8], home: Option<&Domain>) -> Result<Vec<NamedMailbox>, AddressListError> {
    let mut found = Vec::new();
    each(value, home, |named| found.push(named))?;
    Ok(found)
}

fn each(value: &[u8], home: Option<&Domain>, mut take: impl FnMut(NamedMailbox)) -> Result<(), AddressListError> {
    let text = charset::guess(value);
    let mut in_group = false;
    let mut rest: &str = &text;
    loop {
        let start = rest;
        let (mut tokens, stop, after) = element(rest).map_err(|why| AddressListError { element: excerpt(start), why })?;
        rest = after;
        let fail = |why| AddressListError { element: excerpt(&start[..start.len() - after.len()]), why };
        match stop {
            Some(':') if in_group || tokens.is_empty() => return Err(fail(Why::Misplaced(':'))),
            Some(':') => {
                in_group = true;
                tokens.clear();
            }
            Some(';') if !in_group => return Err(fail(Why::Misplaced(';'))),
            Some(';') => in_group = false,
            _ => {}
        }
        if !tokens.is_empty() {
            take(mailbox(&tokens, home).map_err(fail)?);
        }
        if stop.is_none() {
            return if in_group { Err(AddressListError { element: excerpt(&text), why: Why::Misplaced(':') }) } else { Ok(()) };
        }
    }
}

/// `quoted-string = DQUOTE *qcontent DQUOTE` (RFC 5322 section 3.2.4) around any printable text.
pub fn quoted_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// An atom of a phrase, a local part or a domain; 8-bit text too.
    Atom(String),
    /// Without its quotes.
    Quoted(String),
    /// With its brackets.
    Literal(String),
    /// What a comment says: the name of a mailbox that has no other.
    Comment(String),
    Special(char),
}

/// The tokens up to the `,`, `;` or `:` that ends this element of the list, that character, and what follows it. Between angle brackets
/// commas and colons belong to a route (`obs-route`).
#[allow(clippy::type_complexity)]
fn element(text: &str) -> Result<(Vec<Token>, Option<char>, &str), Why> {
    let mut tokens = Vec::new();
    let mut in_angle = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            ',' | ':' if in_angle => {
                tokens.push(Token::Special(c));
                after
            }
            ',' | ';' | ':' => return Ok((tokens, Some(c), after)),
            '<' | '>' => {
                if in_angle == (c == '<') {
                    return Err(Why::Misplaced(c));
                }
                in_angle = c == '<';
                tokens.push(Token::Special(c));
                after
            }
            '@' | '.' => {
                tokens.push(Token::Special(c));
                after
            }
            '"' => {
                let (quoted, after) = unquoted(after)?;
                tokens.push(Token::Quoted(quoted));
                after
            }
            '(' => {
                let (comment, after) = comment(after)?;
                tokens.push(Token::Comment(comment));
                after
            }
            '[' => {
                let end = after.find(']').ok_or(Why::UnclosedLiteral)?;
                tokens.push(Token::Literal(format!("[{}]", after[..end].trim())));
                &after[end + 1..]
            }
            ')' | ']' | '\\' => return Err(Why::Misplaced(c)),
            ' ' | '\t' | '\r' | '\n' => after,
            c if c.is_ascii_control() => return Err(Why::Address(AddressError::Control)),
            _ => {
                let end = atom_length(rest, tokens.last());
                tokens.push(Token::Atom(rest[..end].to_owned()));
                &rest[end..]
            }
        };
    }
    if in_angle { Err(Why::UnclosedAngle) } else { Ok((tokens, None, "")) }
}

/// An atom ends at the next special or blank. An encoded word in a name is one atom whatever its text holds: many senders leave commas,
/// dots and at-signs in it.
fn atom_length(text: &str, before: Option<&Token>) -> usize {
    let starts_word = !matches!(before, Some(Token::Special('@' | '.')));
    if let Some(length) =
        encoded_word::length(text.as_bytes()).filter(|&length| starts_word && !text[length..].starts_with(['@', '.']))
    {
        return length;
    }
    text.find(|c: char| c.is_ascii_control() || " ()<>[]:;@\\,.\"".contains(c)).unwrap_or(text.len())
}

/// `mailbox = name-addr / addr-spec`
fn mailbox(tokens: &[Token], home: Option<&Domain>) -> Result<NamedMailbox, Why> {
    let comment =
        || tokens.iter().rev().find_map(|t| if let Token::Comment(text) = t { Some(text.trim().to_owned()) } else { None });
    let plain: Vec<&Token> = tokens.iter().filter(|token| !matches!(token, Token::Comment(_))).collect();
    let Some(open) = plain.iter().position(|token| **token == Token::Special('<')) else {
        return Ok(NamedMailbox { mailbox: addr_spec(&plain, home)?, name: comment().filter(|name| !name.is_empty()) });
    };
    let (before, angle) = plain.split_at(open);
    let close = angle.iter().position(|token| **token == Token::Special('>')).ok_or(Why::UnclosedAngle)?;
    if close + 1 != angle.len() {
        return Err(Why::Address(AddressError::Trailing));
    }
    let name = phrase(before)?;
    let mailbox = addr_spec(without_route(&angle[1..close])?, home)?;
    Ok(NamedMailbox {
        name: Some(name).filter(|name| !name.is_empty()).or_else(comment).filter(|name| !name.is_empty()),
        mailbox,
    })
}

/// `obs-route = obs-domain-list ":"` is dropped.
fn without_route<'a>(tokens: &'a [&'a Token]) -> Result<&'a [&'a Token], Why> {
    if tokens.first().is_none_or(|first| **first != Token::Special('@')) {
        return match tokens.iter().find(|token| matches!(token, Token::Special(',' | ':'))) {
            Some(Token::Special(c)) => Err(Why::Misplaced(*c)),
            _ => Ok(tokens),
        };
    }
    let colon = tokens.iter().position(|token| **token == Token::Special(':')).ok_or(Why::Misplaced('@'))?;
    Ok(&tokens[colon + 1..])
}

/// `phrase = 1*word / obs-phrase`: words and dots, one blank between words.
fn phrase(tokens: &[&Token]) -> Result<String, Why> {
    let mut name = String::new();
    for token in tokens {
        match token {
            Token::Special('.') => name.push('.'),
            Token::Special(c) => return Err(Why::Misplaced(*c)),
            Token::Literal(_) => return Err(Why::Misplaced('[')),
            Token::Comment(_) => {}
            Token::Atom(word) | Token::Quoted(word) => {
                if !name.is_empty() {
                    name.push(' ');
                }
                name.push_str(word);
            }
        }
    }
    Ok(name)
}

/// `addr-spec = local-part "@" domain`, with the blanks and comments around dots of `obs-local-part` and `obs-domain`.
fn addr_spec(tokens: &[&Token], home: Option<&Domain>) -> Result<Mailbox, Why> {
    if tokens.is_empty() {
        return Err(Why::Address(AddressError::Empty));
    }
    let Some(at) = tokens.iter().rposition(|token| **token == Token::Special('@')) else {
        let home = home.ok_or(Why::Address(AddressError::NoAt))?;
        return Ok(format!("{}@{home}", joined(tokens, AddressError::LocalPart, false)?).parse::<Mailbox>()?);
    };
    let mut address = joined(&tokens[..at], AddressError::LocalPart, false)?;
    address.push('@');
    address.push_str(&joined(&tokens[at + 1..], AddressError::Domain, true)?);
    Ok(address.parse::<Mailbox>()?)
}

/// Words and dots by turns. Where a word of the local part was quoted, all of it is (`obs-local-part` has no other form today).
fn joined(tokens: &[&Token], bad: AddressError, is_domain: bool) -> Result<String, Why> {
    let mut text = String::new();
    let mut quoted = false;
    let mut after_word = false;
    for token in tokens {
        match token {
            Token::Special('.') => text.push('.'),
            Token::Special(c) => return Err(Why::Misplaced(*c)),
            Token::Atom(_) | Token::Quoted(_) | Token::Literal(_) if after_word => return Err(bad.into()),
            Token::Atom(word) => text.push_str(word),
            Token::Quoted(word) if !is_domain => {
                quoted = true;
                text.push_str(word);
            }
            Token::Literal(literal) if is_domain => text.push_str(literal),
            Token::Quoted(_) | Token::Literal(_) => return Err(bad.into()),
            Token::Comment(_) => continue,
        }
        after_word = !matches!(token, Token::Special(_));
    }
    Ok(if quoted { quoted_string(&text) } else { text })
}

/// `quoted-string` after its opening quote; line ends of folding go.
fn unquoted(text: &str) -> Result<(String, &str), Why> {
    let mut quoted = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((quoted, &text[at + 1..])),
            '\\' => quoted.extend(chars.next().map(|(_, pair)| pair)),
            '\r' | '\n' => {}
            _ => quoted.push(c),
        }
    }
    Err(Why::UnclosedQuote)
}

/// `comment = "(" *([FWS] ccontent) [FWS] ")"` after its opening parenthesis; comments nest.
fn comment(text: &str) -> Result<(String, &str), Why> {
    let mut comment = String::new();
    let mut depth = 1u32;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => {
                comment.extend(chars.next().map(|(_, pair)| pair));
                continue;
            }
            '\r' | '\n' => continue,
            _ => {}
        }
        if depth == 0 {
            return Ok((comment, &text[at + 1..]));
        }
        comment.push(c);
    }
    Err(Why::UnclosedComment)
}

fn excerpt(element: &str) -> String {
    let element = element.trim().trim_end_matches([',', ';', ':']);
    let cut: String = element.chars().take(80).collect();
    let dots = if cut.len() < element.len() { "..." } else { "" };
    escape::visible(cut.as_bytes()) + dots
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(value: &str) -> Result<Vec<String>, String> {
        let show = |named: NamedMailbox| match named.name {
            Some(name) => format!("{name} <{}>", named.mailbox),
            None => named.mailbox.to_string(),
        };
        named_mailboxes(value.as_bytes()).map(|found| found.into_iter().map(show).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn mailboxes_as_the_rfc_and_people_write_them() {
        for (value, mailboxes) in [
            ("", &[] as &[&str]),
            ("bob@hamburger.test", &["bob@hamburger.test"]),
            ("<bob@hamburger.test>, alice@crepes.test", &["bob@hamburger.test", "alice@crepes.test"]),
            ("Bob Smith <bob@hamburger.test>", &["Bob Smith <bob@hamburger.test>"]),
            ("John Q. Public <jqp@x.test>", &["John Q. Public <jqp@x.test>"]),
            ("b\u{fc}b@k\u{e4}se.test", &["b\u{fc}b@xn--kse-qla.test"]),
            ("\"Smith, Bob\" <bob@x.test>, c@x.test", &["Smith, Bob <bob@x.test>", "c@x.test"]),
            ("\"evil@x.test\" <bob@x.test>", &["evil@x.test <bob@x.test>"]),
            ("\"a\\\"b\" <bob@x.test>", &["a\"b <bob@x.test>"]),
            ("bob@x.test (Bob (the) Smith)", &["Bob (the) Smith <bob@x.test>"]),
            ("bob@x.test (a, b@c.test)", &["a, b@c.test <bob@x.test>"]),
            ("=?utf-8?q?K=C3=A4se,_Bob?= <bob@x.test>", &["=?utf-8?q?K=C3=A4se,_Bob?= <bob@x.test>"]),
            ("=?utf-8?q?<evil@y.test>,?= <bob@x.test>", &["=?utf-8?q?<evil@y.test>,?= <bob@x.test>"]),
            ("Käse Bob <bob@x.test>", &["Käse Bob <bob@x.test>"]),
            ("\"bob smith\"@x.test", &["\"bob smith\"@x.test"]),
            ("\"bob\" . smith @ x . test", &["bob.smith@x.test"]),
            ("bob(comment)@(x)[192.0.2.1]", &["x <bob@[192.0.2.1]>"]),
            ("<@a.test,@b.test:bob@x.test>", &["bob@x.test"]),
            ("bob\r\n @x.test,\r\n\tc@x.test", &["bob@x.test", "c@x.test"]),
            (",, bob@x.test , ,", &["bob@x.test"]),
            ("Undisclosed recipients:;", &[]),
            ("A Group: Bob <bob@x.test>, c@x.test;, d@x.test", &["Bob <bob@x.test>", "c@x.test", "d@x.test"]),
            ("a:b@x.test;c:d@x.test;", &["b@x.test", "d@x.test"]),
        ] {
            assert_eq!(
                list(value).as_deref(),
                Ok(mailboxes.iter().map(|m| m.to_string()).collect::<Vec<_>>().as_slice()),
                "{value:?}"
            );
        }
        assert_eq!(recipients(b"M\xfcller <m@x.test>").unwrap(), ["m@x.test".parse().unwrap()]);
    }

    #[test]
    fn names_without_a_domain_are_at_home_where_there_is_one() {
        let home: Domain = "crepes.test".parse().unwrap();
        let at = |value: &str| {
            recipients_at(value.as_bytes(), Some(&home)).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(
            at("root, \"a b\", Bob <bob> (x), c@x.test").unwrap(),
            ["root@crepes.test", "\"a b\"@crepes.test", "bob@crepes.test", "c@x.test"]
        );
        assert!(at("Bob Smith").is_err() && at("<>").is_err() && at("a@").is_err());
        assert!(recipients_at(b"root", None).is_err());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (value, error) in [
            ("a@x.test, bob, c@x.test", "bob: no @ in the address"),
            ("Bob Smith", "Bob Smith: no @ in the address"),
            ("Bob <>", "Bob <>: empty address"),
            ("Bob <bob@x.test", "Bob <bob@x.test: unclosed <"),
            ("\"Bob <bob@x.test>", "\"Bob <bob@x.test>: unclosed quote"),
            ("bob@x.test (Bob", "bob@x.test (Bob: unclosed comment"),
            ("bob@[192.0.2.1", "bob@[192.0.2.1: unclosed ["),
            ("bob smith@x.test", "bob smith@x.test: bad local part"),
            ("bob@x test", "bob@x test: bad domain"),
            ("<bob@x.test> c@x.test", "<bob@x.test> c@x.test: text after the address"),
            ("bob@c@x.test", "bob@c@x.test: '@' is out of place"),
            ("a: b: c@x.test;", "b: ':' is out of place"),
            ("a: b@x.test", "a: b@x.test: ':' is out of place"),
            ("a@x.test; b@x.test", "a@x.test: ';' is out of place"),
            ("b\u{fc}b\u{85}@x.test", "b\u{fc}b\\u{85}@x.test: control character in the address"),
            ("<a@x.test,b@x.test>", "<a@x.test,b@x.test>: ',' is out of place"),
        ] {
            assert_eq!(list(value), Err(error.to_owned()), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "([a@.,:;<>()\"\\\\ \\[\\]?=\u{e4}\r\n]|=\\?utf-8\\?q\\?){0,40}") {
            let _ = recipients(value.as_bytes());
        }
    }
}
