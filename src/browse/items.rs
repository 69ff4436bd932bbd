//! What `fetch` asks for: items of FETCH as they are typed, in the form that sets no `\Seen` unless that is wanted.

use super::set::Set;

/// Longest list of items, in octets.
const MAX_ITEMS: usize = 8192;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    #[error("{0:?}: no item to fetch; those are like FLAGS, ENVELOPE, BODY[HEADER.FIELDS (List-Id)] or BODY[1.2]<0.1024>")]
    Form(String),
    #[error("items of more than {MAX_ITEMS} octets")]
    Long,
}

/// RFC 9051 section 6.4.5: `macro`. The last is ours: what a list of messages shows.
const MACROS: [(&str, &str); 4] = [
    ("FAST", "FLAGS INTERNALDATE RFC822.SIZE"),
    ("ALL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"),
    ("FULL", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY"),
    ("", "FLAGS INTERNALDATE RFC822.SIZE ENVELOPE"),
];

/// What is shown under these names, and what it is made of.
const NAMES: [(&str, &str); 12] = [
    ("DATE", "INTERNALDATE"),
    ("ARRIVAL", "INTERNALDATE"),
    ("SIZE", "RFC822.SIZE"),
    ("FROM", "ENVELOPE"),
    ("SENDER", "ENVELOPE"),
    ("TO", "ENVELOPE"),
    ("CC", "ENVELOPE"),
    ("BCC", "ENVELOPE"),
    ("REPLY_TO", "ENVELOPE"),
    ("MESSAGE_ID", "ENVELOPE"),
    ("SUBJECT", "ENVELOPE"),
    ("STRUCTURE", "BODYSTRUCTURE"),
];

/// `(UID …)` as it goes over the wire; `typed` are items with blanks between, perhaps in parentheses. `seen`: reading may set `\Seen`.
pub fn on_the_wire(typed: &str, seen: bool) -> Result<String, ItemError> {
    if typed.len() > MAX_ITEMS {
        return Err(ItemError::Long);
    }
    let typed = typed.trim();
    let bare = typed.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(typed).trim();
    let bare = MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(bare)).map_or(bare, |(_, items)| items);
    let mut all = vec!["UID".to_owned()];
    for item in split(bare)? {
        let item = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(item)).map_or(item, |(_, wire)| wire);
        let item = if seen { item.to_owned() } else { peek(item) };
        if !all.iter().any(|known| known.eq_ignore_ascii_case(&item)) {
            all.push(item);
        }
    }
    Ok(format!("({})", all.join(" ")))
}

/// Extensions that items on the wire belong to.
pub fn needed(wire: &str) -> Vec<&'static str> {
    let bare = wire.trim_start_matches('(').strip_suffix(')').unwrap_or(wire);
    let extension = |item: &str| match item.split(['[', ' ', '.']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
        "BINARY" => Some("BINARY"),
        "EMAILID" | "THREADID" => Some("OBJECTID"),
        "MODSEQ" => Some("CONDSTORE"),
        "PREVIEW" => Some("PREVIEW"),
        "SAVEDATE" => Some("SAVEDATE"),
        _ => None,
    };
    split(bare).unwrap_or_default().into_iter().filter_map(extension).collect()
}

/// The line that brings messages home. FLAGS and INTERNALDATE stand before the body, so that they are known when it comes.
pub fn for_export(set: &Set) -> String {
    format!("UID FETCH {set} (UID FLAGS INTERNALDATE BODY.PEEK[])")
}

/// At blanks and commas outside of brackets and parentheses.
fn split(text: &str) -> Result<Vec<&str>, ItemError> {
    let wrong = || ItemError::Form(text.to_owned());
    // A brace would announce a literal, and a quoted string could hold brackets.
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && !b"{}\"\\*%".contains(&byte)) {
        return Err(wrong());
    }
    let (mut items, mut open, mut from) = (Vec::new(), Vec::new(), 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' | b'(' => open.push(byte),
            b']' if open.pop() != Some(b'[') => return Err(wrong()),
            b')' if open.pop() != Some(b'(') => return Err(wrong()),
            // `PREVIEW (LAZY)` is one item (RFC 8970 section 3.2).
            b' ' if open.is_empty() && text[at + 1..].starts_with('(') => {}
            b' ' | b',' if open.is_empty() => {
                items.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    items.push(&text[from..]);
    items.retain(|item| !item.is_empty());
    let named = |item: &&str| item.starts_with(|c: char| c.is_ascii_alphabetic());
    if open.is_empty() && !items.is_empty() && items.iter().all(named) { Ok(items) } else { Err(wrong()) }
}

/// The item that gives the same and leaves `\Seen` alone (RFC 9051 section 6.4.5, RFC 3501 section 6.4.5).
fn peek(item: &str) -> String {
    let at = item.find('[').unwrap_or(item.len());
    let (name, section) = item.split_at(at);
    match (name.to_ascii_uppercase().as_str(), section) {
        ("BODY", section) if !section.is_empty() => format!("BODY.PEEK{section}"),
        ("BINARY", section) if !section.is_empty() => format!("BINARY.PEEK{section}"),
        ("RFC822", "") => "BODY.PEEK[]".to_owned(),
        ("RFC822.TEXT", "") => "BODY.PEEK[TEXT]".to_owned(),
        _ => item.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_leaves_seen_alone() {
        for (typed, wire) in [
            ("", "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
            ("fast", "(UID FLAGS INTERNALDATE RFC822.SIZE)"),
            ("FLAGS uid", "(UID FLAGS)"),
            ("(FLAGS BODY)", "(UID FLAGS BODY)"),
            ("body[]", "(UID BODY.PEEK[])"),
            ("BODY[HEADER.FIELDS (To Cc)] FLAGS", "(UID BODY.PEEK[HEADER.FIELDS (To Cc)] FLAGS)"),
            ("BODY[1.2]<0.100>", "(UID BODY.PEEK[1.2]<0.100>)"),
            ("BODY.PEEK[TEXT]", "(UID BODY.PEEK[TEXT])"),
            ("BINARY[1] BINARY.SIZE[1]", "(UID BINARY.PEEK[1] BINARY.SIZE[1])"),
            ("PREVIEW (LAZY) EMAILID", "(UID PREVIEW (LAZY) EMAILID)"),
            ("FLAGS size,date, From subject", "(UID FLAGS RFC822.SIZE INTERNALDATE ENVELOPE)"),
            ("BODY[HEADER.FIELDS (a b)],structure", "(UID BODY.PEEK[HEADER.FIELDS (a b)] BODYSTRUCTURE)"),
            ("rfc822 RFC822.TEXT RFC822.HEADER", "(UID BODY.PEEK[] BODY.PEEK[TEXT] RFC822.HEADER)"),
        ] {
            assert_eq!(on_the_wire(typed, false).unwrap(), wire, "{typed}");
        }
        assert_eq!(on_the_wire("BODY[]", true).unwrap(), "(UID BODY[])");
    }

    #[test]
    fn items_belong_to_extensions() {
        assert_eq!(needed("(UID FLAGS BODY.PEEK[HEADER.FIELDS (Preview)])"), [""; 0]);
        assert_eq!(needed("(UID BINARY.PEEK[1] PREVIEW (LAZY) emailid)"), ["BINARY", "PREVIEW", "OBJECTID"]);
    }

    #[test]
    fn nothing_but_items_gets_through() {
        for bad in [
            "BODY[",
            "BODY]",
            "(FLAGS",
            "FLAGS)",
            "BODY[(])",
            "FLAGS\r\na LOGOUT",
            "BODY[HEADER.FIELDS ({3})]",
            "\"x\"",
            "1",
            "ä",
        ] {
            assert!(on_the_wire(bad, false).is_err(), "{bad:?}");
        }
    }
}
