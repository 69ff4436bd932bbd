//! Reports about mail, read: delivery status (RFC 3464, 6533), disposition (RFC 8098).

use super::param::without_comments;
use crate::bytes::{charset, xtext};
use crate::mail::header::{self, field};

/// What a report says of one recipient. Text as it came, unfolded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// `delivered`, `failed`, `delayed`, `relayed`, `expanded`; of a disposition `displayed`, `deleted` and others.
    pub action: Option<String>,
    pub recipient: Option<String>,
    pub original_recipient: Option<String>,
    /// As `5.1.1`.
    pub status: Option<String>,
    pub diagnostic: Option<String>,
    pub remote_mta: Option<String>,
    pub reporting_mta: Option<String>,
    pub envelope_id: Option<String>,
    pub message_id: Option<String>,
}

/// What kind of report a part is, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Delivery,
    Disposition,
}

impl Kind {
    pub fn of(media: &str) -> Option<Kind> {
        match media {
            "message/delivery-status" | "message/global-delivery-status" => Some(Kind::Delivery),
            "message/disposition-notification" | "message/global-disposition-notification" => Some(Kind::Disposition),
            _ => None,
        }
    }
}

/// Reads the content of such a part, decoded, as it comes: groups of fields with empty lines between them (RFC 3464 section 2.1).
#[derive(Debug)]
pub struct Reader {
    kind: Kind,
    /// Of a delivery report, what its first group says of all recipients.
    about: Option<Told>,
    group: Vec<u8>,
    line: usize,
    line_is_blank: bool,
    cut: bool,
}

impl Reader {
    /// What of a group is read, in octets.
    pub const MOST: usize = 1024 * 1024;

    pub fn new(kind: Kind) -> Reader {
        Reader { kind, about: None, group: Vec::new(), line: 0, line_is_blank: true, cut: false }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether a group was longer than what is read of one.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The next octets, however they are split; `tell` is given what they say of a recipient.
    pub fn push<E>(&mut self, bytes: &[u8], tell: &mut impl FnMut(Told) -> Result<(), E>) -> Result<(), E> {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            self.line_is_blank &= piece.trim_ascii().is_empty();
            let room = Self::MOST - self.group.len();
            self.cut |= piece.len() > room;
            self.group.extend_from_slice(&piece[..piece.len().min(room)]);
            if !piece.ends_with(b"\n") {
                continue;
            }
            if std::mem::replace(&mut self.line_is_blank, true) {
                self.group.truncate(self.line);
                self.end_group().map_or(Ok(()), &mut *tell)?;
            }
            self.line = self.group.len();
        }
        Ok(())
    }

    pub fn finish<E>(&mut self, tell: &mut impl FnMut(Told) -> Result<(), E>) -> Result<(), E> {
        self.end_group().map_or(Ok(()), tell)
    }

    fn end_group(&mut self) -> Option<Told> {
        let told = match (self.kind, &self.about) {
            _ if header::fields(&self.group).next().is_none() => None,
            (Kind::Delivery, Some(about)) => Some(delivery(about, &self.group)),
            (Kind::Disposition, Some(_)) => None,
            (kind, None) => {
                let is_delivery = kind == Kind::Delivery;
                let told = if is_delivery { about(&self.group) } else { disposition(&self.group) };
                let shown = (!is_delivery).then(|| told.clone());
                self.about = Some(told);
                shown
            }
        };
        self.group.clear();
        self.line = 0;
        told
    }
}

/// Reads the whole content of such a part, decoded.
pub fn read(kind: Kind, content: &[u8]) -> Vec<Told> {
    let (mut reader, mut told) = (Reader::new(kind), Vec::new());
    let mut keep = |one| {
        told.push(one);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = reader.push(content, &mut keep).and_then(|()| reader.finish(&mut keep));
    told
}

/// What stands once for all recipients (RFC 3464 section 2.2).
fn about(group: &[u8]) -> Told {
    Told { reporting_mta: typed(group, "Reporting-MTA"), envelope_id: plain(group, "Original-Envelope-Id"), ..Told::default() }
}

/// Free text, which may have encoded words.
fn text(group: &[u8], name: &str) -> Option<String> {
    field(group, name).and_then(|field| on_one_line(&field.text()))
}

/// The value as it stands there: what looks like an encoded word is none.
fn plain(group: &[u8], name: &str) -> Option<String> {
    field(group, name).and_then(|field| on_one_line(&charset::guess(&field.value())))
}

/// The same without its comments, which all of these fields may have (RFC 3464 section 2.1.1).
fn uncommented(group: &[u8], name: &str) -> Option<String> {
    let field = field(group, name)?;
    on_one_line(&charset::guess(&without_comments(&field.value())))
}

fn on_one_line(text: &str) -> Option<String> {
    Some(text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
}

/// A value's type, in lower case, and what stands behind it: `dns; mx.b.test`, `smtp; 550 no`.
fn parted(value: &str) -> (String, &str) {
    let (kind, rest) = value.split_once(';').unwrap_or(("", value));
    (kind.trim().to_ascii_lowercase(), rest.trim())
}

fn typed(group: &[u8], name: &str) -> Option<String> {
    uncommented(group, name).map(|value| parted(&value).1.to_owned())
}

/// `rfc822; bob@b.test`, or an address in the ways of RFC 6533 section 3.
fn recipient(group: &[u8], name: &str) -> Option<String> {
    // Other kinds of addresses may have parentheses.
    let (kind, address) = plain(group, name).map(|value| (parted(&value).0, parted(&value).1.to_owned()))?;
    match kind.as_str() {
        "rfc822" | "" => typed(group, name),
        "utf-8" => typed(group, name).map(|address| xtext::decode_utf8(&address).unwrap_or(address)),
        _ => Some(address),
    }
}

fn delivery(about: &Told, group: &[u8]) -> Told {
    Told {
        action: uncommented(group, "Action").map(|action| action.to_ascii_lowercase()),
        recipient: recipient(group, "Final-Recipient"),
        original_recipient: recipient(group, "Original-Recipient"),
        // Text may follow, though none should.
        status: uncommented(group, "Status").and_then(|status| status.split(' ').next().map(str::to_owned)),
        diagnostic: text(group, "Diagnostic-Code").map(|value| parted(&value).1.to_owned()),
        remote_mta: typed(group, "Remote-MTA"),
        ..about.clone()
    }
}

/// `disposition-field = "Disposition" ":" disposition-mode ";" disposition-type [ "/" modifiers ]`
fn disposition(fields: &[u8]) -> Told {
    let disposition = typed(fields, "Disposition").unwrap_or_default().to_ascii_lowercase();
    let (action, modifiers) = disposition.split_once('/').unwrap_or((&disposition, ""));
    let present = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let errors = ["Error", "Failure", "Warning"].into_iter().find_map(|name| text(fields, name));
    Told {
        action: present(action),
        recipient: recipient(fields, "Final-Recipient"),
        original_recipient: recipient(fields, "Original-Recipient"),
        diagnostic: errors.or_else(|| present(modifiers)),
        reporting_mta: text(fields, "Reporting-UA"),
        message_id: plain(fields, "Original-Message-ID"),
        ..Told::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delivery_reports_are_read_recipient_by_recipient() {
        let content = "Reporting-MTA: dns; mx.b.test\nOriginal-Envelope-Id: e1\n\n\nFinal-Recipient: rfc822; bob@b.test\nAction: Failed\nStatus: 5.1.1 (no such user)\n\
            Diagnostic-Code: smtp; 550 5.1.1 no\n such user\nRemote-MTA: dns; mx2.b.test\n\nFinal-Recipient: RFC822;c@b.test\nAction: delayed\n";
        for content in [content.to_owned(), content.replace('\n', "\r\n")] {
            let told = read(Kind::Delivery, content.as_bytes());
            assert_eq!(told.len(), 2);
            let bob = &told[0];
            assert_eq!(
                (bob.action.as_deref(), bob.recipient.as_deref(), bob.status.as_deref()),
                (Some("failed"), Some("bob@b.test"), Some("5.1.1"))
            );
            assert_eq!(
                (bob.diagnostic.as_deref(), bob.remote_mta.as_deref()),
                (Some("550 5.1.1 no such user"), Some("mx2.b.test"))
            );
            assert_eq!((bob.reporting_mta.as_deref(), bob.envelope_id.as_deref()), (Some("mx.b.test"), Some("e1")));
            assert_eq!(
                (told[1].recipient.as_deref(), told[1].action.as_deref(), told[1].status.as_deref()),
                (Some("c@b.test"), Some("delayed"), None)
            );
        }
        assert!(read(Kind::Delivery, b"").is_empty() && read(Kind::Delivery, b"junk\n\njunk\n").is_empty());
    }

    #[test]
    fn addresses_are_what_stands_there() {
        for (value, address) in [
            ("rfc822;=?utf-8?q?x?=@y.test", "=?utf-8?q?x?=@y.test"),
            ("rfc822; bob@y.test (Bob)", "bob@y.test"),
            ("rfc822; \"bob (x)\"@y.test", "\"bob (x)\"@y.test"),
            ("UTF-8; \\x{E9}@y.test", "é@y.test"),
            ("utf-8; é@y.test", "é@y.test"),
            ("utf-8; a+b@y.test", "a+b@y.test"),
            ("rfc822; \\x{E9}@y.test", "\\x{E9}@y.test"),
            ("x400; /S=Bob(x)/", "/S=Bob(x)/"),
        ] {
            let content = format!(
                "Reporting-MTA: dns; mx (c)\n\nFinal-Recipient: {value}\nAction: FAILED (really)\nStatus: (c) 5.1.1 (d)\n"
            );
            let told = &read(Kind::Delivery, content.as_bytes())[0];
            assert_eq!((told.recipient.as_deref(), told.action.as_deref()), (Some(address), Some("failed")), "{value}");
            assert_eq!((told.status.as_deref(), told.reporting_mta.as_deref()), (Some("5.1.1"), Some("mx")));
        }
    }

    #[test]
    fn disposition_reports_are_read() {
        let content = "Reporting-UA: x; y\nFinal-Recipient: rfc822;bob@b.test\nOriginal-Message-ID: <1@x>\nDisposition: manual-action/MDN-sent-manually; displayed/error\n";
        let told = read(Kind::Disposition, content.as_bytes());
        assert_eq!((told[0].action.as_deref(), told[0].diagnostic.as_deref()), (Some("displayed"), Some("error")));
        assert_eq!((told[0].recipient.as_deref(), told[0].message_id.as_deref()), (Some("bob@b.test"), Some("<1@x>")));
    }
}
