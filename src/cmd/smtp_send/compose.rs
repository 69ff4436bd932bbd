//! The header of what is sent: fields that the command line sets, those that are missing, and a message made up for a first try.

use crate::cli::clock::System;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::message::edit::LongLines;
use crate::mail::address::{ForwardPath, Mailbox};
use crate::mail::address_list::{NamedMailbox, named_mailboxes};
use crate::mail::complete::{Defaults, text_in_header};
use crate::mail::date;
use crate::mail::header::fold::{self, FieldError};
use crate::mail::header::{Item, field, items};
use crate::mail::queue_id::QueueId;
use crate::relay::clock::{Chance, Clock};
use clap::Args;
use std::str::FromStr;

/// Longest field that is written as it was given, its line end not counted.
const LONGEST: usize = 998;
const ADDRESS_FIELDS: [&str; 12] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Bcc",
    "Disposition-Notification-To",
];

#[derive(Debug, Clone, Default, Args)]
pub struct ComposeOptions {
    /// Set a header field: the first of that name is replaced, or it is added at the end
    ///
    /// Given again with the same name it adds another below. Text beyond ASCII is encoded.
    #[arg(long = "header", value_name = "NAME: VALUE", hide_short_help = true, help_heading = "Message options")]
    fields: Vec<SetField>,
    /// Add From, Date and Message-ID where they are missing
    #[arg(long, hide_short_help = true, help_heading = "Message options")]
    add_headers: bool,
    /// Send a small message made up for a first try, and read no stdin
    #[arg(long, conflicts_with_all = ["batch", "maildir"], hide_short_help = true, help_heading = "Message options")]
    pub sample: bool,
    /// Encode or fold lines longer than 998 octets, which are refused otherwise
    ///
    /// A part that has one is encoded again as quoted-printable or base64, a header field folded at a blank. What is signed is never
    /// changed. -v tells what was.
    #[arg(long, hide_short_help = true, help_heading = "Message options")]
    fix_lines: bool,
}

/// A header field as the command line gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SetField {
    name: String,
    value: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadField {
    #[error("wanted NAME: VALUE")]
    NoColon,
    #[error("the {0}")]
    Name(FieldError),
    #[error("the value {0}")]
    Value(FieldError),
}

impl FromStr for SetField {
    type Err = BadField;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once(':').ok_or(BadField::NoColon)?;
        let (name, value) = (name.trim_end_matches([' ', '\t']), value.trim_matches([' ', '\t']));
        fold::field_name(name).map_err(|_| BadField::Name(FieldError::Name))?;
        fold::reject_line_ends(value).map_err(BadField::Value)?;
        Ok(SetField { name: name.to_owned(), value: value.to_owned() })
    }
}

/// What the fields of a made-up or completed message say.
pub struct Author<'a> {
    pub mailbox: Mailbox,
    /// The name of this host.
    pub host: &'a str,
    pub recipients: &'a [ForwardPath],
}

impl ComposeOptions {
    pub fn long_lines(&self) -> LongLines {
        if self.fix_lines { LongLines::Fix } else { LongLines::Refuse }
    }

    /// The message's header is not what was read.
    pub fn edits(&self) -> bool {
        !self.fields.is_empty() || self.add_headers || self.sample
    }

    /// The body of `--sample`, behind an empty header.
    pub fn sample() -> Vec<u8> {
        b"\r\nThis is a test message, sent with smtp-send --sample.\r\n".to_vec()
    }

    /// The header with what was asked for, in wire form. A value that cannot be written is status 64.
    pub fn edit(&self, header: &[u8], author: &Author<'_>) -> Result<Vec<u8>, Failure> {
        let text_at = text_in_header(header).filter(|at| *at == 0);
        let (header, text) = header.split_at(text_at.unwrap_or(header.len()));
        let (mut out, blank) = self.set(header)?;
        let added = self.missing(&out, author)?;
        out.extend_from_slice(added.as_bytes());
        out.extend_from_slice(if text_at.is_some() { b"\r\n" } else { blank });
        out.extend_from_slice(text);
        Ok(out)
    }

    /// The fields with those that the command line sets, and the blank line behind them.
    fn set<'a>(&self, header: &'a [u8]) -> Result<(Vec<u8>, &'a [u8]), Failure> {
        let names = self.fields.iter().map(|set| &set.name);
        let mut lines: Vec<(&str, String)> = Vec::new();
        for (name, set) in names.zip(&self.fields) {
            let line = set.line().or_status(Status::Usage)?;
            match lines.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
                Some((_, known)) => known.push_str(&line),
                None => lines.push((name, line)),
            }
        }
        let (mut out, mut length) = (Vec::with_capacity(header.len()), 0);
        for item in items(header) {
            length += item.raw().len();
            let set = match item {
                Item::Field(field) => lines.iter().position(|(name, _)| field.is(name)),
                Item::Junk(_) => None,
            };
            match set {
                Some(at) => out.extend_from_slice(lines.remove(at).1.as_bytes()),
                None => out.extend_from_slice(item.raw()),
            }
        }
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.extend_from_slice(b"\r\n");
        }
        lines.iter().for_each(|(_, line)| out.extend_from_slice(line.as_bytes()));
        Ok((out, &header[length..]))
    }

    fn missing(&self, header: &[u8], author: &Author<'_>) -> Result<String, Failure> {
        if !self.add_headers && !self.sample {
            return Ok(String::new());
        }
        let at = System.now();
        let id = QueueId::new(u64::try_from(at.as_millisecond()).unwrap_or(0), System.draw());
        let (from, message_id) = (NamedMailbox { name: None, mailbox: author.mailbox.clone() }, format!("{id}@{}", author.host));
        let mut fields = Defaults { from, date: date::rfc5322(at), message_id }.missing(header).or_status(Status::Usage)?;
        if self.sample && field(header, "To").is_none() {
            let of_path = |path: &ForwardPath| match path {
                ForwardPath::Mailbox(mailbox) => Some(NamedMailbox { name: None, mailbox: mailbox.clone() }),
                ForwardPath::Postmaster => None,
            };
            let to: Vec<NamedMailbox> = author.recipients.iter().filter_map(of_path).collect();
            if !to.is_empty() {
                fields += &written(|out| fold::mailboxes("To", &to, out))?;
            }
        }
        if self.sample && field(header, "Subject").is_none() {
            fields += &written(|out| fold::unstructured("Subject", &format!("test {}", date::rfc3339(at)), out))?;
        }
        Ok(fields)
    }
}

fn written(write: impl FnOnce(&mut String) -> Result<(), FieldError>) -> Result<String, Failure> {
    let mut line = String::new();
    write(&mut line).or_status(Status::Usage)?;
    Ok(line.replace('\n', "\r\n"))
}

impl SetField {
    /// As it was given where that can stand in a header, else encoded; addresses beyond ASCII stay as they are.
    fn line(&self) -> Result<String, FieldError> {
        let plain = format!("{}: {}", self.name, self.value);
        if plain.is_ascii() && plain.len() <= LONGEST {
            return Ok(format!("{}\r\n", plain.trim_end()));
        }
        let mut line = String::new();
        let is_address = ADDRESS_FIELDS.iter().any(|name| name.eq_ignore_ascii_case(&self.name));
        match is_address.then(|| named_mailboxes(self.value.as_bytes())) {
            Some(Ok(list)) if list.iter().all(|named| named.mailbox.is_ascii()) => fold::mailboxes(&self.name, &list, &mut line)?,
            Some(_) => line = format!("{plain}\n"),
            None => fold::unstructured(&self.name, &self.value, &mut line)?,
        }
        Ok(line.replace('\n', "\r\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    /// With the options that exclude ours.
    #[derive(Parser)]
    struct Tool {
        #[command(flatten)]
        compose: ComposeOptions,
        #[arg(long)]
        batch: bool,
        #[arg(long)]
        maildir: bool,
    }

    fn edited(options: &[&str], header: &str) -> String {
        let tool = Tool::try_parse_from(std::iter::once(&"x").chain(options)).unwrap();
        let recipients = ["b@y.test".parse().unwrap(), ForwardPath::Postmaster];
        let author = Author { mailbox: "a@x.test".parse().unwrap(), host: "x.test", recipients: &recipients };
        let header = header.replace('\n', "\r\n");
        String::from_utf8(tool.compose.edit(header.as_bytes(), &author).unwrap()).unwrap().replace("\r\n", "\n")
    }

    #[test]
    fn the_first_of_a_name_is_replaced_and_others_added() {
        let header = "Subject: old\nX-A: 1\nx-a: 2\n\n";
        assert_eq!(edited(&["--header", "subject: new"], header), "subject: new\nX-A: 1\nx-a: 2\n\n");
        assert_eq!(edited(&["--header", "X-A:3", "--header", "x-a: 4"], header), "Subject: old\nX-A: 3\nx-a: 4\nx-a: 2\n\n");
        assert_eq!(edited(&["--header", "X-B :"], header), "Subject: old\nX-A: 1\nx-a: 2\nX-B:\n\n");
        assert_eq!(edited(&["--header", "X-B: 1"], "\n"), "X-B: 1\n\n");
    }

    #[test]
    fn text_without_a_header_stays_text() {
        assert_eq!(edited(&["--header", "Subject: x"], "disk full\nsda: 99%\n"), "Subject: x\n\ndisk full\nsda: 99%\n");
        assert_eq!(edited(&["--header", "X: y"], "Subject: no end"), "Subject: no end\nX: y\n");
    }

    #[test]
    fn what_ascii_cannot_hold_is_encoded() {
        assert_eq!(edited(&["--header", "Subject: eat K\u{e4}se now"], "\n"), "Subject: eat =?utf-8?q?K=C3=A4se?= now\n\n");
        assert_eq!(
            edited(&["--header", "To: K\u{e4}se <j@x.test>, K <k@x.test>"], "\n"),
            "To: =?utf-8?q?K=C3=A4se?= <j@x.test>, K <k@x.test>\n\n"
        );
        assert_eq!(edited(&["--header", "To: j\u{f6}rg@x.test"], "\n"), "To: j\u{f6}rg@x.test\n\n");
        let long = format!("X: {}", "word ".repeat(300));
        assert!(edited(&["--header", &long], "\n").lines().all(|line| line.len() <= 78));
    }

    #[test]
    fn no_value_starts_another_field() {
        for bad in ["X: a\r\nBcc: c@z.test", "X: a\nb", "X: a\r", "no colon", ": x", "a b: c", "K\u{e4}se: x"] {
            assert!(Tool::try_parse_from(["x", "--header", bad]).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_missing_is_added_only_when_asked_for() {
        assert_eq!(edited(&[], "Subject: x\n\n"), "Subject: x\n\n");
        let added = edited(&["--add-headers"], "Subject: x\ndate: today\n\n");
        assert!(
            added.starts_with("Subject: x\ndate: today\nFrom: a@x.test\nMessage-ID: <") && added.ends_with("@x.test>\n\n"),
            "{added}"
        );
        let sample = edited(&["--sample"], "\n");
        for field in ["From: a@x.test\n", "\nTo: b@y.test\n", "\nSubject: test 2", "\nDate: ", "\nMessage-ID: <"] {
            assert!(sample.contains(field), "{field}: {sample}");
        }
        assert!(edited(&["--sample", "--header", "To: c@z.test"], "\n").starts_with("To: c@z.test\nFrom: a@x.test\n"));
    }
}
