//! What a submitted header says of the envelope: its recipients, and the fields that must not leave this host. Writes nothing into it.

use super::address::{Domain, Mailbox};
use super::address_list::{self, AddressListError};
use super::header::{Field, Item, fields, items};

/// The recipients in `To`, `Cc` and `Bcc`, in their order. Where `Resent-` fields stand, only those of the newest block count (RFC
/// 5322 section 3.6.6). The error names the field's bad element.
pub fn recipients(header: &[u8]) -> Result<Vec<Mailbox>, AddressListError> {
    recipients_at(header, None)
}

/// As [`recipients`], with names that have no domain taken for names of `home`.
pub fn recipients_at(header: &[u8], home: Option<&Domain>) -> Result<Vec<Mailbox>, AddressListError> {
    let resent = newest_resent(header);
    let counts = |field: &Field<'_>| ["To", "Cc", "Bcc"].iter().any(|name| field.is(name));
    let chosen: Vec<Field<'_>> = if resent.is_empty() {
        fields(header).filter(counts).collect()
    } else {
        resent.into_iter().filter(|field| ["Resent-To", "Resent-Cc", "Resent-Bcc"].iter().any(|name| field.is(name))).collect()
    };
    let mut found = Vec::new();
    for field in chosen {
        found.extend(address_list::recipients_at(&field.value(), home)?);
    }
    Ok(found)
}

/// The header without `Bcc` and `Resent-Bcc`, however they are written (RFC 5322 section 3.6.3); every other byte stays.
pub fn without_bcc(header: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(header.len());
    let mut length = 0;
    for item in items(header) {
        let (raw, drop) = match item {
            Item::Field(field) => (field.raw, field.is("Bcc") || field.is("Resent-Bcc")),
            Item::Junk(raw) => (raw, false),
        };
        length += raw.len();
        if !drop {
            kept.extend_from_slice(raw);
        }
    }
    kept.extend_from_slice(&header[length..]);
    kept
}

/// The first run of `Resent-` fields, up to the first name that comes again: a resender puts its block above the older ones.
fn newest_resent(header: &[u8]) -> Vec<Field<'_>> {
    let is_resent = |field: &Field<'_>| field.name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"Resent-"));
    let mut block: Vec<Field<'_>> = Vec::new();
    for field in fields(header).skip_while(|field| !is_resent(field)).take_while(is_resent) {
        if block.iter().any(|seen| seen.name.eq_ignore_ascii_case(field.name)) {
            break;
        }
        block.push(field);
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str) -> Vec<String> {
        recipients(header.as_bytes()).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn recipients_come_from_to_cc_and_bcc() {
        let header = "From: a@a.test\nTo: \"Bob, B.\" <bob@b.test>, team: c@c.test, d@d.test;\nSubject: To: x@x.test\nCC :\n e@e.test\nbcc: f@f.test\n\nTo: no@body.test\n";
        assert_eq!(of(header), ["bob@b.test", "c@c.test", "d@d.test", "e@e.test", "f@f.test"]);
        assert!(recipients(b"To: bob@\n\n").is_err());
    }

    #[test]
    fn only_the_newest_resent_block_counts() {
        let header = "Received: x\nResent-From: r@r.test\nResent-To: new@b.test\nResent-Bcc: hid@b.test\nResent-From: q@q.test\nResent-To: old@b.test\nTo: first@b.test\n\n";
        assert_eq!(of(header), ["new@b.test", "hid@b.test"]);
        let apart = "Resent-To: new@b.test\nReceived: x\nResent-Cc: old@b.test\nTo: first@b.test\n\n";
        assert_eq!(of(apart), ["new@b.test"]);
    }

    #[test]
    fn bcc_goes_in_every_form_and_nothing_else() {
        let header = "To: a@a.test\r\nBcc : b@b.test,\r\n\tc@c.test\r\nbCC: d@d.test\r\nResent-Bcc: e@e.test\r\nX-Bcc: stays\r\njunk\r\n\r\n";
        assert_eq!(without_bcc(header.as_bytes()), b"To: a@a.test\r\nX-Bcc: stays\r\njunk\r\n\r\n");
        assert_eq!(without_bcc(b"no header at all"), b"no header at all");
    }
}
