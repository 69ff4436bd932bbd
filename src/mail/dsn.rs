//! Delivery status notifications: `multipart/report` (RFC 6522) with a part for people, one for machines (RFC 3464), and the message
//! in question. Written in pieces around the message, which is streamed by the caller. No I/O; whom to tell is `relay::bounce`'s.

use super::address::{ForwardPath, Mailbox};
use super::date;
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

/// What the report says of its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// No further attempt is made.
    Failed,
    /// It is tried until then.
    Delayed { until: Timestamp },
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
    pub address: ForwardPath,
    pub diagnostic: Diagnostic,
    /// The host that said so; none where the finding is our own.
    pub remote: Option<String>,
    pub last_attempt: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Report<'a> {
    pub action: Action,
    /// The name of this host.
    pub host: &'a str,
    pub to: &'a Mailbox,
    /// The report's own name: part of its Message-ID and, with its 64 random bits, of its boundary.
    pub id: &'a QueueId,
    /// The message that the report is about.
    pub about: &'a QueueId,
    pub arrival: Timestamp,
    pub at: Timestamp,
    pub recipients: &'a [Reported],
    pub original: Original,
    /// The message has octets above 127.
    pub eight_bit: bool,
}

impl Report<'_> {
    /// Everything before the message's first octet. Printable ASCII, whatever servers said.
    pub fn head(&self) -> Vec<u8> {
        let mut out = self.header();
        out.push_str(&self.for_people());
        out.push_str(&self.for_machines());
        let kind = match self.original {
            Original::Whole => "message/rfc822",
            Original::Header => "text/rfc822-headers",
        };
        out.push_str(&format!("\r\n--{}\r\nContent-Type: {kind}\r\n{}\r\n", self.boundary(), self.encoding()));
        out.into_bytes()
    }

    /// Everything behind the message's last octet.
    pub fn tail(&self) -> Vec<u8> {
        format!("\r\n--{}--\r\n", self.boundary()).into_bytes()
    }

    fn header(&self) -> String {
        let subject = match self.action {
            Action::Failed => "Your message could not be delivered",
            Action::Delayed { .. } => "Your message is delayed",
        };
        let (host, boundary) = (name(self.host), self.boundary());
        format!(
            "From: Mail Delivery System <MAILER-DAEMON@{host}>\r\nTo: <{}>\r\nSubject: {subject}\r\nDate: {}\r\n\
             Message-ID: <{}@{host}>\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n{}\r\n",
            self.to,
            date::rfc5322(self.at),
            self.id,
            self.encoding(),
        )
    }

    fn for_people(&self) -> String {
        let (opening, closing) = match self.action {
            Action::Failed => {
                ("could not be\r\ndelivered to:", "No further attempt is made. To try again, send it again.".to_owned())
            }
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
            "--{}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis is the mail system at {}. Your message of\r\n{} {opening}\r\n",
            self.boundary(),
            name(self.host),
            date::rfc5322(self.arrival),
        );
        for recipient in self.recipients {
            let said = match &recipient.remote {
                Some(host) => format!("{} said: {}", name(host), plain(&recipient.diagnostic.to_string())),
                None => plain(&recipient.diagnostic.to_string()),
            };
            out.push_str(&format!("\r\n    {}\r\n    {}\r\n", recipient.address, wrap(&said, "\r\n    ")));
        }
        out.push_str(&format!("\r\n{closing}\r\n{sent} follows below.\r\n"));
        out
    }

    /// `delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields )` (RFC 3464 section 2.1)
    fn for_machines(&self) -> String {
        let mut out = format!(
            "\r\n--{}\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; {}\r\nX-Postroad-Queue-ID: {}\r\nArrival-Date: {}\r\n",
            self.boundary(),
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
        let action = match self.action {
            Action::Failed => "failed",
            Action::Delayed { .. } => "delayed",
        };
        let mut out = format!(
            "Final-Recipient: rfc822; {}\r\nAction: {action}\r\nStatus: {}\r\n",
            recipient.address,
            self.status(&recipient.diagnostic)
        );
        if let Some(host) = &recipient.remote {
            out.push_str(&format!("Remote-MTA: dns; {}\r\n", name(host)));
        }
        let kind = if recipient.diagnostic.code.is_some() { "smtp" } else { "x-postroad" };
        let said = format!("Diagnostic-Code: {kind}; {}", plain(&recipient.diagnostic.to_string()));
        out.push_str(&format!("{}\r\nLast-Attempt-Date: {}\r\n", wrap(&said, "\r\n "), date::rfc5322(recipient.last_attempt)));
        if let Action::Delayed { until } = self.action {
            out.push_str(&format!("Will-Retry-Until: {}\r\n", date::rfc5322(until)));
        }
        out
    }

    /// The enhanced status, or what can be told from the reply code or the action alone.
    fn status(&self, diagnostic: &Diagnostic) -> EnhancedStatus {
        let class = match (diagnostic.code.map(|code| code.value() / 100), self.action) {
            (Some(4), _) | (None, Action::Delayed { .. }) => 4,
            _ => 5,
        };
        diagnostic.enhanced.filter(|status| status.class != 2).unwrap_or(EnhancedStatus::new(class, 0, 0))
    }

    fn encoding(&self) -> &'static str {
        if self.eight_bit { "Content-Transfer-Encoding: 8bit\r\n" } else { "" }
    }

    fn boundary(&self) -> String {
        format!("report-{}", self.id)
    }
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
mod tests {
    use super::*;
    use crate::mail::reply::Reply;
    use mail_parser::{MessageParser, MimeHeaders, PartType};
    use proptest::prelude::*;

    const ORIGINAL: &[u8] = b"From: <alice@crepes.test>\r\nSubject: Hi\r\n\r\nHello.\r\n";

    fn reported(address: &str, reply: &Reply) -> Reported {
        Reported {
            address: address.parse().unwrap(),
            diagnostic: reply.into(),
            remote: Some("mx.hamburger.test".into()),
            last_attempt: Timestamp::from_second(1_795_341_600).unwrap(),
        }
    }

    fn write(recipients: &[Reported], original: Original, action: Action) -> Vec<u8> {
        let alice = "alice@crepes.test".parse().unwrap();
        let (id, about) = (QueueId::new(7, 8), QueueId::new(1, 2));
        let at = Timestamp::from_second(1_795_341_600).unwrap();
        let report = Report {
            action,
            host: "mx.crepes.test",
            to: &alice,
            id: &id,
            about: &about,
            arrival: at,
            at,
            recipients,
            original,
            eight_bit: false,
        };
        let mut out = report.head();
        match original {
            Original::Whole => out.extend_from_slice(ORIGINAL),
            Original::Header => {
                HeaderOnly::default().push(ORIGINAL, &mut out);
            }
        }
        out.extend(report.tail());
        out
    }

    /// The fields of each block of the status part.
    fn status_blocks(raw: &[u8]) -> Vec<Vec<(String, String)>> {
        let message = MessageParser::default().parse(raw).unwrap();
        let part = message
            .parts
            .iter()
            .find(|part| part.content_type().is_some_and(|t| t.subtype() == Some("delivery-status")))
            .unwrap();
        let text = String::from_utf8(part.contents().to_vec()).unwrap().replace("\r\n ", " ");
        let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        text.trim_end().split("\r\n\r\n").map(|block| block.split("\r\n").map(field).collect()).collect()
    }

    #[test]
    fn a_report_has_three_parts_that_a_parser_finds() {
        let refused = reported("bob@hamburger.test", &Reply::enhanced(550, 1, 1, "no such user"));
        let raw = write(&[refused], Original::Whole, Action::Failed);
        let message = MessageParser::default().parse(&raw).unwrap();
        assert_eq!(message.subject(), Some("Your message could not be delivered"));
        assert_eq!(message.from().unwrap().first().unwrap().address(), Some("MAILER-DAEMON@mx.crepes.test"));
        assert_eq!(message.to().unwrap().first().unwrap().address(), Some("alice@crepes.test"));
        assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-replied"));
        assert_eq!(message.content_type().unwrap().attribute("report-type"), Some("delivery-status"));
        let PartType::Message(original) = &message.parts.last().unwrap().body else { panic!("no message/rfc822") };
        assert_eq!(original.raw_message(), &ORIGINAL[..ORIGINAL.len()]);
        assert!(message.body_text(0).unwrap().contains("mx.hamburger.test said: 550 5.1.1 no such user"));
        let blocks = status_blocks(&raw);
        let want = [
            ("Final-Recipient", "rfc822; bob@hamburger.test"),
            ("Action", "failed"),
            ("Status", "5.1.1"),
            ("Remote-MTA", "dns; mx.hamburger.test"),
            ("Diagnostic-Code", "smtp; 550 5.1.1 no such user"),
            ("Last-Attempt-Date", "Sun, 22 Nov 2026 10:00:00 +0000"),
        ];
        assert_eq!(blocks[0][0], ("Reporting-MTA".to_owned(), "dns; mx.crepes.test".to_owned()));
        assert_eq!(blocks[1], want.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(blocks.len(), 2);
    }

    #[test]
    fn a_delay_says_until_when() {
        let until = Timestamp::from_second(1_795_773_600).unwrap();
        let deferred = reported("bob@hamburger.test", &Reply::new(451, None, "later"));
        let raw = write(&[deferred], Original::Header, Action::Delayed { until });
        let block = &status_blocks(&raw)[1];
        assert!(
            block.contains(&("Action".into(), "delayed".into())) && block.contains(&("Status".into(), "4.0.0".into())),
            "{block:?}"
        );
        assert!(block.contains(&("Will-Retry-Until".into(), "Fri, 27 Nov 2026 10:00:00 +0000".into())), "{block:?}");
        let text = String::from_utf8(raw).unwrap();
        assert!(text.contains("text/rfc822-headers\r\n\r\nFrom: <alice@crepes.test>\r\nSubject: Hi\r\n\r\n--report"), "{text}");
    }

    #[test]
    fn our_own_findings_have_no_remote_and_no_smtp_code() {
        let own = Reported {
            remote: None,
            diagnostic: Diagnostic::local(EnhancedStatus::new(5, 4, 6), "too many hops"),
            ..reported("bob@hamburger.test", &Reply::new(250, None, ""))
        };
        let block = &status_blocks(&write(&[own], Original::Header, Action::Failed))[1];
        assert!(block.contains(&("Diagnostic-Code".into(), "x-postroad; 5.4.6 too many hops".into())), "{block:?}");
        assert!(!block.iter().any(|(name, _)| name == "Remote-MTA"));
    }

    #[test]
    fn the_header_alone_is_cut_at_its_empty_line_however_it_is_split() {
        for at in 0..ORIGINAL.len() {
            let (mut cut, mut out) = (HeaderOnly::default(), Vec::new());
            cut.push(&ORIGINAL[..at], &mut out);
            cut.push(&ORIGINAL[at..], &mut out);
            assert_eq!(out, b"From: <alice@crepes.test>\r\nSubject: Hi\r\n", "split at {at}");
        }
        let (mut cut, mut out) = (HeaderOnly::default(), Vec::new());
        assert!(cut.push(b"\r\nno header\r\n", &mut out) && out.is_empty());
        let (mut cut, mut out) = (HeaderOnly::default(), Vec::new());
        assert!(cut.push(&b"x".repeat(HEADER_LIMIT + 9), &mut out));
        assert_eq!(out.len(), HEADER_LIMIT);
    }

    proptest! {
        /// Whatever a server says, its report has the same parts and fields as any other (no header injection).
        #[test]
        fn hostile_replies_stay_inert(said in "(\\PC|[\r\n\t\0-: ]|Subject: x|--report-){0,80}", host in "(\\PC|[\r\n; ]){0,20}") {
            let mut refused = reported("bob@hamburger.test", &Reply::new(550, None, said));
            refused.remote = Some(host);
            let raw = write(&[refused.clone(), refused], Original::Header, Action::Failed);
            prop_assert!(raw.is_ascii());
            prop_assert!(raw.split(|&b| b == b'\n').all(|line| line.len() < 998));
            let blocks = status_blocks(&raw);
            prop_assert_eq!(blocks.len(), 3);
            for block in &blocks[1..] {
                let names: Vec<_> = block.iter().map(|(name, _)| name.as_str()).collect();
                prop_assert_eq!(names, ["Final-Recipient", "Action", "Status", "Remote-MTA", "Diagnostic-Code", "Last-Attempt-Date"]);
            }
            let message = MessageParser::default().parse(&raw).unwrap();
            prop_assert_eq!(message.parts.len(), 4);
            prop_assert_eq!(message.headers().len(), 8);
        }
    }
}
