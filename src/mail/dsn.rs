//! Delivery status notifications: `multipart/report` (RFC 6522) with a part for people, one for machines (RFC 3464), and the message
//! in question. Written in pieces around the message, which is streamed by the caller. No I/O; whom to tell is `relay::bounce`'s.

use super::address::{ForwardPath, Mailbox};
use super::date;
use super::notify::{EnvelopeId, OriginalRecipient};
use super::outcome::Diagnostic;
use super::queue_id::QueueId;
use super::reply::EnhancedStatus;
use crate::bytes::escape;
use jiff::Timestamp;

/// Columns of the lines we fold.
const WIDTH: usize = 76;
/// Most characters kept of what a server said about one recipient.
const TEXT_LIMIT: usize = 1000;
/// Most octets of a header that is sent back without its body.
const HEADER_LIMIT: usize = 256 * 1024;

/// What the report says of a recipient (RFC 3464 section 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// No further attempt is made.
    Failed,
    /// It is tried until then.
    Delayed { until: Timestamp },
    /// It has arrived.
    Delivered,
    /// A host took it that makes no reports of success.
    Relayed,
    /// It went on to the several addresses that this one stands for.
    Expanded,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed { .. } => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
        }
    }
}

/// How much of the message comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Original {
    Whole,
    Header,
}

/// One recipient of the message, and why it is reported.
#[derive(Debug, Clone)]
pub struct Reported {
    pub action: Action,
    pub address: ForwardPath,
    /// The address as the sender knows it, where that was told.
    pub original: Option<OriginalRecipient>,
    pub diagnostic: Diagnostic,
    /// The host that said so; none where the finding is our own.
    pub remote: Option<String>,
    pub last_attempt: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// The name of this host.
    pub host: &'a str,
    pub to: &'a Mailbox,
    /// The report's own name: part of its Message-ID and, with its 64 random bits, of its boundary.
    pub id: &'a QueueId,
    /// The message that the report is about.
    pub about: &'a QueueId,
    pub arrival: Timestamp,
    /// What the sender calls the message.
    pub envid: Option<&'a EnvelopeId>,
    pub at: Timestamp,
    /// At least one; what failed, what is late and what went well are not told together.
    pub recipients: &'a [Reported],
    pub original: Original,
    /// The message has octets above 127.
    pub eight_bit: bool,
    /// The message's header is UTF-8 (RFC 6532).
    pub utf8_header: bool,
}

impl Report<'_> {
    /// Everything before the message's first octet. Printable ASCII, whatever servers said, but for addresses that are not.
    pub fn head(&self) -> Vec<u8> {
        let mut out = self.header();
        out.push_str(&self.for_people());
        out.push_str(&self.for_machines());
        let kind = match (self.original, self.utf8_header) {
            (Original::Whole, false) => "message/rfc822",
            (Original::Header, false) => "text/rfc822-headers",
            (Original::Whole, true) => "message/global",
            (Original::Header, true) => "message/global-headers",
        };
        let encoding = encoding(self.eight_bit);
        out.push_str(&format!("\r\n--{}\r\nContent-Type: {kind}\r\n{encoding}\r\n", self.boundary()));
        out.into_bytes()
    }

    /// An address beyond ASCII is reported in UTF-8 (RFC 6533 section 4).
    fn is_global(&self) -> bool {
        let is_ascii = |recipient: &Reported| {
            recipient.address.is_ascii() && recipient.original.as_ref().is_none_or(|original| original.decoded().1.is_ascii())
        };
        !self.to.is_ascii() || !self.recipients.iter().all(is_ascii)
    }

    fn action(&self) -> Action {
        self.recipients.first().map_or(Action::Failed, |recipient| recipient.action)
    }

    /// Everything behind the message's last octet.
    pub fn tail(&self) -> Vec<u8> {
        format!("\r\n--{}--\r\n", self.boundary()).into_bytes()
    }

    fn header(&self) -> String {
        let subject = match self.action() {
            Action::Failed => "Your message could not be delivered",
            Action::Delayed { .. } => "Your message is delayed",
            Action::Delivered | Action::Relayed | Action::Expanded => "Your message went on, as you asked to be told",
        };
        let (host, boundary) = (name(self.host), self.boundary());
        format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: <{}>\r\nSubject: {subject}\r\nDate: {}\r\n\
             Message-ID: <{}@{host}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n{}\r\n",
            self.to,
            date::rfc5322(self.at),
            self.id,
            encoding(self.eight_bit || self.is_global()),
        )
    }

    fn for_people(&self) -> String {
        let (opening, closing) = match self.action() {
            Action::Failed => {
                ("could not be\r\ndelivered to:", "No further attempt is made. To try again, send it again.".to_owned())
            }
            Action::Delivered | Action::Relayed | Action::Expanded => (
                "went on.\r\nYou asked to be told. To:",
                "Relayed means: a host took it that makes no such reports, so that you will\r\nhear no more unless it fails."
                    .to_owned(),
            ),
            Action::Delayed { until } => (
                "has not yet been\r\ndelivered to:",
                format!(
                    "It will be tried until {}.\r\nThere is nothing to do: you will hear if that fails.",
                    date::rfc5322(until)
                ),
            ),
        };
        let sent = match self.original {
            Original::Whole => "Your message",
            Original::Header => "The header of your message",
        };
        let mut out = format!(
            "--{}\r\nContent-Type: text/plain; charset={}\r\n{}\r\nThis is the mail system at {}. Your message of\r\n{} {opening}\r\n",
            self.boundary(),
            if self.is_global() { "utf-8" } else { "us-ascii" },
            encoding(self.is_global()),
            name(self.host),
            date::rfc5322(self.arrival),
        );
        for recipient in self.recipients {
            let said = recipient.said().map(|said| {
                let said = match &recipient.remote {
                    Some(host) => format!("{} said: {said}", name(host)),
                    None => said,
                };
                format!("    {}\r\n", wrap(&said, "\r\n    "))
            });
            let known = recipient.original.as_ref().map(|original| original.decoded().1);
            let address = match known.filter(|known| *known != recipient.address.to_string()) {
                Some(known) => format!("{known}\r\n    which stands for {}", recipient.address),
                None => recipient.address.to_string(),
            };
            let how = match recipient.action {
                action @ (Action::Delivered | Action::Relayed | Action::Expanded) => format!("    {}\r\n", action.word()),
                Action::Failed | Action::Delayed { .. } => String::new(),
            };
            out.push_str(&format!("\r\n    {address}\r\n{how}{}", said.unwrap_or_default()));
        }
        out.push_str(&format!("\r\n{closing}\r\n{sent} follows below.\r\n"));
        out
    }

    /// `delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields )` (RFC 3464 section 2.1)
    fn for_machines(&self) -> String {
        let kind = if self.is_global() { "global-delivery-status" } else { "delivery-status" };
        let envid = self.envid.map(|envid| format!("Original-Envelope-Id: {}\r\n", envid.as_str())).unwrap_or_default();
        let mut out = format!(
            "\r\n--{}\r\nContent-Type: message/{kind}\r\n{}\r\n{envid}Reporting-MTA: dns; {}\r\nX-Postroad-Queue-ID: {}\r\nArrival-Date: {}\r\n",
            self.boundary(),
            encoding(self.is_global()),
            name(self.host),
            self.about,
            date::rfc5322(self.arrival),
        );
        for recipient in self.recipients {
            out.push_str("\r\n");
            out.push_str(&self.per_recipient_fields(recipient));
        }
        out
    }

    /// `per-recipient-fields` (RFC 3464 section 2.3)
    fn per_recipient_fields(&self, recipient: &Reported) -> String {
        let original = recipient.original.as_ref().map(OriginalRecipient::decoded);
        let original = original.map(|(kind, address)| format!("Original-Recipient: {kind}; {address}\r\n")).unwrap_or_default();
        let kind = if recipient.address.is_ascii() { "rfc822" } else { "utf-8" };
        let mut out = format!(
            "{original}Final-Recipient: {kind}; {}\r\nAction: {}\r\nStatus: {}\r\n",
            recipient.address,
            recipient.action.word(),
            status(recipient.action, &recipient.diagnostic)
        );
        if let Some(host) = &recipient.remote {
            out.push_str(&format!("Remote-MTA: dns; {}\r\n", name(host)));
        }
        if let Some(said) = recipient.said() {
            let kind = if recipient.diagnostic.code.is_some() { "smtp" } else { "x-postroad" };
            out.push_str(&format!("{}\r\n", wrap(&format!("Diagnostic-Code: {kind}; {said}"), "\r\n ")));
        }
        out.push_str(&format!("Last-Attempt-Date: {}\r\n", date::rfc5322(recipient.last_attempt)));
        if let Action::Delayed { until } = recipient.action {
            out.push_str(&format!("Will-Retry-Until: {}\r\n", date::rfc5322(until)));
        }
        out
    }

    fn boundary(&self) -> String {
        format!("report-{}", self.id)
    }
}

impl Reported {
    /// What was said of it, in one line. Where mail of this host is stored is nobody's business elsewhere.
    fn said(&self) -> Option<String> {
        let stored_here = self.action == Action::Delivered && self.diagnostic.code.is_none();
        (!stored_here).then(|| plain(&self.diagnostic.to_string()))
    }
}

/// The enhanced status, or what can be told from the reply code or the action alone.
fn status(action: Action, diagnostic: &Diagnostic) -> EnhancedStatus {
    let code = diagnostic.code.map(|code| code.value() / 100);
    let (class, fits): (u8, fn(u8) -> bool) = match (action, code) {
        (Action::Delivered | Action::Relayed | Action::Expanded, _) => (2, |class| class == 2),
        (_, Some(4)) | (Action::Delayed { .. }, None) => (4, |class| class != 2),
        _ => (5, |class| class != 2),
    };
    diagnostic.enhanced.filter(|status| fits(status.class)).unwrap_or(EnhancedStatus::new(class, 0, 0))
}

fn encoding(eight_bit: bool) -> &'static str {
    if eight_bit { "Content-Transfer-Encoding: 8bit\r\n" } else { "" }
}

/// Lets through the header of a message that is streamed, up to its empty line and within 256 KiB, whole lines only as far as a CR
/// never loses its LF.
#[derive(Debug, Default)]
pub struct HeaderOnly {
    passed: usize,
    line_empty: bool,
    held_cr: bool,
    started: bool,
    done: bool,
}

impl HeaderOnly {
    /// Appends what belongs to the header to `out`; true once nothing more can follow.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> bool {
        for &byte in bytes {
            if self.done {
                break;
            }
            self.one(byte, out);
        }
        self.done
    }

    fn one(&mut self, byte: u8, out: &mut Vec<u8>) {
        let at_start = self.line_empty || !self.started;
        match byte {
            b'\r' => self.held_cr = true,
            b'\n' if at_start => self.done = true,
            _ if self.passed >= HEADER_LIMIT => self.done = true,
            _ => {
                if std::mem::take(&mut self.held_cr) {
                    out.push(b'\r');
                }
                out.push(byte);
                self.passed += 1;
                self.line_empty = byte == b'\n';
                self.started = true;
            }
        }
    }
}

/// A host's name or literal as it may stand in a field.
fn name(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-._:[]".contains(c) { c } else { '?' };
    let name: String = text.chars().take(255).map(keep).collect();
    if name.is_empty() { "unknown".to_owned() } else { name }
}

/// Printable ASCII on one line; what is not becomes a visible escape, what is too much dots.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in escape::visible(text.as_bytes()).chars() {
        if out.len() >= TEXT_LIMIT {
            out.push_str("...");
            break;
        }
        if c.is_ascii() { out.push(c) } else { out.push_str(&format!("\\u{{{:x}}}", c as u32)) }
    }
    out
}

/// Breaks `text` into lines of about [`WIDTH`] columns with `line_end` between them, at blanks where there are any.
fn wrap(text: &str, line_end: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_ascii_whitespace() {
        let mut word = word;
        if column > 0 && column + 1 + word.len() <= WIDTH {
            out.push(' ');
            column += 1;
        } else if column > 0 {
            out.push_str(line_end);
            column = 0;
        }
        while word.len() > WIDTH {
            let (line, rest) = word.split_at(WIDTH);
            out.push_str(line);
            out.push_str(line_end);
            word = rest;
        }
        out.push_str(word);
        column += word.len();
    }
    out
}

#[cfg(test)]
mod tests;
