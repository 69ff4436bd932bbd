//! What a submitted message lacks that every message has (RFC 5322 section 3.6, RFC 6409 section 8): From, Date, Message-ID, and the empty
//! line behind a header that has none. Where the values come from is decided above.

use super::address_list::NamedMailbox;
use super::header::fold::{self, FieldError};
use super::header::{Item, field, items};

/// The fields that are made where they are missing.
#[derive(Debug, Clone)]
pub struct Defaults {
    pub from: NamedMailbox,
    /// `date-time` of RFC 5322 section 3.3.
    pub date: String,
    /// Without the angle brackets.
    pub message_id: String,
}

impl Defaults {
    /// The missing fields of `header` in wire form. A name that cannot stand in a header is an error.
    pub fn missing(&self, header: &[u8]) -> Result<String, FieldError> {
        let mut fields = String::new();
        if field(header, "From").is_none() {
            fold::mailboxes("From", std::slice::from_ref(&self.from), &mut fields)?;
        }
        if field(header, "Date").is_none() {
            fold::words("Date", [self.date.as_str()], &mut fields);
        }
        if field(header, "Message-ID").is_none() {
            fold::words("Message-ID", [format!("<{}>", self.message_id).as_str()], &mut fields);
        }
        Ok(fields.replace("\r\n", "\n").replace('\n', "\r\n"))
    }
}

/// Where the fields end and text begins that is no header, if that is before the empty line: people and programs leave it out.
pub fn text_in_header(header: &[u8]) -> Option<usize> {
    let mut at = 0;
    for item in items(header) {
        match item {
            Item::Field(field) => at += field.raw.len(),
            Item::Junk(_) => return Some(at),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(header: &str) -> String {
        let from = NamedMailbox { name: Some("Cron (Daemon)".into()), mailbox: "root@crepes.test".parse().unwrap() };
        let date = "Sun, 22 Nov 2026 10:00:00 +0000".to_owned();
        Defaults { from, date, message_id: "x@crepes.test".into() }.missing(header.as_bytes()).unwrap()
    }

    #[test]
    fn only_what_is_missing_is_added() {
        assert_eq!(
            missing("Subject: x\r\n\r\n"),
            "From: \"Cron (Daemon)\" <root@crepes.test>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <x@crepes.test>\r\n"
        );
        assert_eq!(missing("from : a\r\nDATE: b\r\nmessage-id: c\r\n"), "");
    }

    #[test]
    fn text_without_an_empty_line_before_it_is_found() {
        assert_eq!(text_in_header(b"disk full\r\n"), Some(0));
        assert_eq!(text_in_header(b"Subject: x\r\n y\r\ndisk: full\r\nsee below\r\n"), Some(28));
        assert_eq!(text_in_header(b"Subject: x\r\n\r\n"), None);
        assert_eq!(text_in_header(b"\r\n"), None);
    }
}
