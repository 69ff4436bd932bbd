//! Parameters of `Content-Type` and `Content-Disposition` held to the grammar: RFC 2045 section 5.1 and RFC 2231 section 3.

use crate::mail::mime::param::{is_token, without_comments};
use std::collections::{BTreeMap, BTreeSet};

/// Parameters that are looked at.
const MOST: usize = 1000;

/// What is wrong with the parameters of a value: the clause, and in words.
pub fn breaches(value: &[u8]) -> Vec<(&'static str, String)> {
    let value = without_comments(value);
    let rest = memchr::memchr(b';', &value).map_or(&[][..], |at| &value[at..]);
    match strict(rest) {
        Err(why) => vec![("RFC 2045 5.1", why.to_owned())],
        Ok(list) => together(&list),
    }
}

/// What the parameter `name` says, as it stands there: blanks at its end, too.
pub fn stated(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let value = without_comments(value);
    let at = memchr::memchr(b';', &value)?;
    strict(&value[at..]).ok()?.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// `*(";" attribute "=" value)`, names in lower case. Comments are blanks already.
fn strict(value: &[u8]) -> Result<Vec<(String, Vec<u8>)>, &'static str> {
    let mut list = Vec::new();
    let mut rest = value.trim_ascii();
    while let Some(after) = rest.strip_prefix(b";") {
        let (name, after) = token(after.trim_ascii_start());
        let after = after.trim_ascii_start();
        if name.is_empty() && matches!(after.first(), None | Some(b';')) {
            return Err("a semicolon that no parameter follows");
        }
        let after = after.strip_prefix(b"=").ok_or("a parameter without a value")?.trim_ascii_start();
        let is_quoted = after.first() == Some(&b'"');
        let (value, after) = match after.first() {
            Some(b'"') => quoted(&after[1..]).ok_or("a quoted string that is not closed")?,
            _ => (token(after).0.to_vec(), token(after).1),
        };
        if name.is_empty() {
            return Err("a parameter without a name");
        }
        let is_open = matches!(after.trim_ascii_start().first(), None | Some(b';'));
        if value.is_empty() && is_open && !is_quoted {
            return Err("a parameter without a value");
        }
        list.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value));
        rest = after.trim_ascii_start();
        if list.len() >= MOST {
            return Ok(list);
        }
    }
    if rest.is_empty() { Ok(list) } else { Err("a parameter's value that is neither a token nor a quoted string") }
}

fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| !b.is_ascii() || !is_token(char::from(*b).encode_utf8(&mut [0; 4])));
    text.split_at(end.unwrap_or(text.len()))
}

/// The octets of a quoted string after its opening quote, and what follows it.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut octets = Vec::new();
    let mut rest = text;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some((octets, after)),
            [b'\\', byte, after @ ..] | [byte, after @ ..] => {
                octets.push(*byte);
                after
            }
            [] => return None,
        };
    }
}

/// Names that stand twice (RFC 6838 section 4.3), and sections that are missing.
fn together(list: &[(String, Vec<u8>)]) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let mut sections: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (name, _) in list {
        if !seen.insert(name) {
            found.push(("RFC 6838 4.3", format!("a second {name}")));
        }
        if let Some((base, number)) = name.split_once('*')
            && !number.is_empty()
        {
            sections.entry(base).or_default().insert(number.trim_end_matches('*'));
        }
    }
    for (base, numbers) in sections {
        if let Some(missing) = (0..numbers.len()).find(|n| !numbers.contains(n.to_string().as_str())) {
            found.push(("RFC 2231 3", format!("{base} has no section {missing}, and has one that does not follow")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_grammar_allows_is_no_breach() {
        for value in [
            "text/plain",
            "text/plain; charset=utf-8 (why not; x)",
            "text/plain;\tname = \"a b; \\\"c\" ; x=y",
            "attachment; filename=\"\"; filename*=utf-8''a%20b",
            "attachment; filename*0*=utf-8''a; filename*1=b",
            "attachment; name*=a; name=a",
        ] {
            assert_eq!(breaches(value.as_bytes()), [], "{value}");
        }
        assert_eq!(stated(b"multipart/mixed; boundary=\"x \"", "boundary").as_deref(), Some(&b"x "[..]));
    }

    #[test]
    fn each_breach_has_its_words() {
        for (value, what) in [
            ("text/plain; name=a b", "neither a token nor"),
            ("text/plain; name=a@b", "neither a token nor"),
            ("text/plain; name=\"a\"b", "neither a token nor"),
            ("text/plain; charset=\"utf-8", "not closed"),
            ("text/plain; charset=", "without a value"),
            ("text/plain; charset=; x=y", "without a value"),
            ("text/plain; charset=; x=\"y\"", "without a value"),
            ("text/plain; x", "without a value"),
            ("text/plain; =x", "without a name"),
            ("text/plain;", "no parameter follows"),
            ("a; x=1;; y=2", "no parameter follows"),
            ("a; x=1; X=2", "a second x"),
            ("a; x*0=1; x*2=2", "no section 1"),
            ("a; x*1=1", "no section 0"),
            ("a; x*0=1; x*01=2", "no section 1"),
        ] {
            let found = breaches(value.as_bytes());
            assert!(found.len() == 1 && found[0].1.contains(what), "{value}: {found:?}");
        }
    }
}
