//! Modified UTF-7, in which IMAP4rev1 writes mailbox names beyond ASCII (RFC 3501 section 5.1.3). Knows no mailbox.

use base64::Engine;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

/// RFC 3501 section 5.1.3: `,` in place of `/`, and no `=`.
const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Why bytes are no modified UTF-7. They are a name all the same, to be kept as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotMutf7 {
    #[error("a byte that is no printable ASCII")]
    Byte,
    #[error("& without a - behind it")]
    Open,
    #[error("no base64 between & and -")]
    Base64,
    #[error("no UTF-16 between & and -")]
    Utf16,
    /// Two spellings of one text name two mailboxes, so only the one that [`encode`] writes may pass for it.
    #[error("a spelling that the RFC forbids")]
    Spelling,
}

/// Text as it stands on the wire: printable ASCII as it is, `&` as `&-`, the rest as base64 of UTF-16 between `&` and `-`.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut shifted: Vec<u8> = Vec::new();
    for c in text.chars() {
        if !(' '..='~').contains(&c) {
            let mut units = [0; 2];
            shifted.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
            continue;
        }
        unshift(&mut shifted, &mut out);
        out.push(c);
        if c == '&' {
            out.push('-');
        }
    }
    unshift(&mut shifted, &mut out);
    out
}

fn unshift(shifted: &mut Vec<u8>, out: &mut String) {
    if !shifted.is_empty() {
        out.push('&');
        BASE64.encode_string(&*shifted, out);
        out.push('-');
        shifted.clear();
    }
}

/// What stands on the wire as text. What is given back is written by [`encode`] just as it stood there.
pub fn decode(wire: &[u8]) -> Result<String, NotMutf7> {
    let mut out = String::with_capacity(wire.len());
    let mut rest = wire;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'&' => {
                let end = memchr::memchr(b'-', rest).ok_or(NotMutf7::Open)?;
                let (inside, behind) = (&rest[..end], &rest[end + 1..]);
                rest = behind;
                if inside.is_empty() {
                    out.push('&');
                } else {
                    shifted(inside, &mut out)?;
                }
            }
            b' '..=b'~' => out.push(char::from(byte)),
            _ => return Err(NotMutf7::Byte),
        }
    }
    if encode(&out).as_bytes() == wire { Ok(out) } else { Err(NotMutf7::Spelling) }
}

fn shifted(inside: &[u8], out: &mut String) -> Result<(), NotMutf7> {
    let bytes = BASE64.decode(inside).map_err(|_| NotMutf7::Base64)?;
    let (pairs, odd) = bytes.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(NotMutf7::Utf16);
    }
    let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    for unit in char::decode_utf16(units) {
        out.push(unit.map_err(|_| NotMutf7::Utf16)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_written_and_read() {
        for (text, wire) in [
            ("", ""),
            ("INBOX", "INBOX"),
            ("R&D", "R&-D"),
            ("&&", "&-&-"),
            ("~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
            ("Entwürfe", "Entw&APw-rfe"),
            ("😀", "&2D3eAA-"),
            ("ä&", "&AOQ-&-"),
            ("\u{1b}[2J\r\n\0", "&ABs-[2J&AA0ACgAA-"),
            ("\u{7f}", "&AH8-"),
        ] {
            assert_eq!(encode(text), wire);
            assert_eq!(decode(wire.as_bytes()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_none_is_flagged_with_its_reason() {
        for (wire, why) in [
            (&b"Entw\xc3\xbcrfe"[..], NotMutf7::Byte),
            (b"a\x1bb", NotMutf7::Byte),
            (b"R&D", NotMutf7::Open),
            (b"&AOQ", NotMutf7::Open),
            (b"&A/8-", NotMutf7::Base64),
            (b"&AOQ=-", NotMutf7::Base64),
            (b"&A-", NotMutf7::Base64),
            (b"&AA-", NotMutf7::Utf16),
            (b"&2D0-", NotMutf7::Utf16),
            (b"&3gA-", NotMutf7::Utf16),
            (b"&AGE-", NotMutf7::Spelling),
            (b"&ACY-", NotMutf7::Spelling),
            (b"&U,BTFw-&ZeVnLIqe-", NotMutf7::Spelling),
        ] {
            assert_eq!(decode(wire), Err(why), "{}", wire.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let wire = encode(&text);
            prop_assert!(wire.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(decode(wire.as_bytes()), Ok(text));
        }

        #[test]
        fn what_is_read_is_written_as_it_stood(wire in proptest::collection::vec(prop_oneof![Just(b'&'), Just(b'-'), Just(b'A'), any::<u8>()], 0..24)) {
            if let Ok(text) = decode(&wire) {
                prop_assert_eq!(encode(&text).into_bytes(), wire);
            }
        }
    }
}
