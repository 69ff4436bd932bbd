//! Trace fields (RFC 5321 section 4.4): the `Received:` line of a host, `Return-Path:` and `Delivered-To:` at the end of the way, and
//! a look at those that a message brings along. Knows nothing of where a message goes.

use super::address::{Domain, ForwardPath, ReversePath};
use super::date;
use super::queue_id::QueueId;
use jiff::Timestamp;
use std::net::IpAddr;

/// Columns at which a trace field is folded (RFC 5322 section 2.1.1).
const WIDTH: usize = 78;
/// Most characters kept of what a client called itself.
const HELO_LIMIT: usize = 255;
/// Most octets kept of one header line, and most `Delivered-To:` fields remembered.
const LINE_LIMIT: usize = 998;
const DELIVERED_LIMIT: usize = 200;

/// How a message came in: the `WITH` words of RFC 3848.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct With {
    pub greeting: Greeting,
    pub tls: bool,
    pub auth: bool,
}

/// The verb that opened the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    Helo,
    Ehlo,
    Lhlo,
}

/// The facts of one `Received:` field.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// What the client called itself; none for a message made on this host.
    pub helo: Option<&'a str>,
    /// The client's verified name and its address, as far as they are known.
    pub peer_name: Option<&'a str>,
    pub peer: Option<IpAddr>,
    pub by: &'a str,
    pub with: Option<With>,
    pub id: &'a QueueId,
    /// Protocol version and cipher, as `TLSv1.3 TLS_AES_256_GCM_SHA384`.
    pub tls: Option<&'a str>,
    /// The recipient, if the message has exactly one: more would tell each of the others (RFC 5321 section 7.2).
    pub recipient: Option<&'a ForwardPath>,
    pub at: Timestamp,
}

impl With {
    /// `ESMTPSA` and its kin; HELO has no extensions, so it is `SMTP` whatever else is said.
    pub fn word(self) -> &'static str {
        match (self.greeting, self.tls, self.auth) {
            (Greeting::Helo, _, _) => "SMTP",
            (Greeting::Ehlo, false, false) => "ESMTP",
            (Greeting::Ehlo, false, true) => "ESMTPA",
            (Greeting::Ehlo, true, false) => "ESMTPS",
            (Greeting::Ehlo, true, true) => "ESMTPSA",
            (Greeting::Lhlo, false, false) => "LMTP",
            (Greeting::Lhlo, false, true) => "LMTPA",
            (Greeting::Lhlo, true, false) => "LMTPS",
            (Greeting::Lhlo, true, true) => "LMTPSA",
        }
    }
}

impl Received<'_> {
    /// `Time-stamp-line = "Received:" FWS Stamp` (RFC 5321 section 4.4), folded, with its CRLF. Whatever the client said ends up as
    /// printable ASCII without a comment's or a line's end.
    pub fn line(&self) -> Vec<u8> {
        let mut words = Vec::new();
        if let Some(helo) = self.helo {
            words.push(format!("from {}", self.extended_domain(helo)));
        }
        words.push(format!("by {}", token(self.by)));
        if let Some(with) = self.with {
            words.push(format!("with {}", with.word()));
        }
        words.push(format!("id {}", self.id));
        if let Some(tls) = self.tls {
            words.push(format!("({})", comment(tls)));
        }
        if let Some(path) = self.recipient {
            words.push(format!("for <{path}>"));
        }
        let mut line = fold("Received:", &words);
        let date = date::rfc5322(self.at);
        let separator = if column(&line) + 2 + date.len() > WIDTH { ";\r\n\t" } else { "; " };
        line.push_str(separator);
        line.push_str(&date);
        line.push_str("\r\n");
        line.into_bytes()
    }

    /// `Extended-Domain = Domain / ( Domain FWS "(" TCP-info ")" )`
    fn extended_domain(&self, helo: &str) -> String {
        let mut text = token(helo);
        let literal = self.peer.map(|address| Domain::Literal(address).to_string());
        let info: Vec<String> = self.peer_name.map(token).into_iter().chain(literal).collect();
        if !info.is_empty() {
            text.push_str(&format!(" ({})", info.join(" ")));
        }
        text
    }
}

/// `Return-path-line = "Return-Path:" FWS Reverse-path <CRLF>`
pub fn return_path(path: &ReversePath) -> Vec<u8> {
    format!("Return-Path: <{path}>\r\n").into_bytes()
}

/// The line that a final delivery leaves, by which it knows the message again.
pub fn delivered_to(path: &ForwardPath) -> Vec<u8> {
    format!("Delivered-To: {path}\r\n").into_bytes()
}

/// What a message's own header says of its way. Takes the message as a stream, in any pieces, and holds one line at most.
#[derive(Debug, Default)]
pub struct TraceScan {
    received: usize,
    delivered: Vec<String>,
    line: Vec<u8>,
    done: bool,
}

impl TraceScan {
    /// Looks at more of the message; true once the header is over and the rest need not be shown.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !self.done && !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let piece = &rest[..end.unwrap_or(rest.len())];
            let room = LINE_LIMIT.saturating_sub(self.line.len()).min(piece.len());
            self.line.extend_from_slice(&piece[..room]);
            rest = &rest[end.map_or(rest.len(), |at| at + 1)..];
            if end.is_some() {
                self.finish_line();
            }
        }
        self.done
    }

    /// How many hosts have stamped the message: its `Received:` fields (RFC 5321 section 6.3).
    pub fn hops(&self) -> usize {
        self.received
    }

    /// The message was delivered to `path` before.
    pub fn was_delivered_to(&self, path: &ForwardPath) -> bool {
        let path = path.to_string();
        self.delivered.iter().any(|seen| seen.eq_ignore_ascii_case(&path))
    }

    fn finish_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            self.done = true;
        } else if field(line, "Received").is_some() {
            self.received += 1;
        } else if let Some(value) = field(line, "Delivered-To")
            && self.delivered.len() < DELIVERED_LIMIT
        {
            self.delivered.push(String::from_utf8_lossy(value).trim().to_owned());
        }
    }
}

/// The body of the field `name` if `line` opens one; blanks before the colon are the obsolete form (RFC 5322 section 4.5).
fn field<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name.as_bytes()).then_some(())?;
    rest.trim_ascii_start().strip_prefix(b":")
}

/// A word that can stand bare in a trace field: what no domain or literal holds becomes `?`.
fn token(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || "-._:[]".contains(c) { c } else { '?' };
    let word: String = text.chars().take(HELO_LIMIT).map(keep).collect();
    if word.is_empty() { "unknown".to_owned() } else { word }
}

/// Text that can stand in a comment: `ctext` of RFC 5322 section 3.2.2 and blanks.
fn comment(text: &str) -> String {
    let keep = |c: char| if matches!(c, ' '..='~') && !"()\\".contains(c) { c } else { '?' };
    text.chars().take(HELO_LIMIT).map(keep).collect()
}

/// Puts `words` behind `name`, one blank between them, with a new line where the next would pass the width.
fn fold(name: &str, words: &[String]) -> String {
    let mut text = name.to_owned();
    for word in words {
        let fits = column(&text) + 1 + word.len() <= WIDTH;
        text.push_str(if fits { " " } else { "\r\n\t" });
        text.push_str(word);
    }
    text
}

/// The column of the last line; a tab counts as eight.
fn column(text: &str) -> usize {
    let line = text.rsplit_once('\n').map_or(text, |(_, line)| line);
    line.len() + if line.starts_with('\t') { 7 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received<'a>(id: &'a QueueId, helo: Option<&'a str>) -> Received<'a> {
        Received {
            helo,
            peer_name: None,
            peer: Some("192.0.2.1".parse().unwrap()),
            by: "mx.hamburger.test",
            with: Some(With { greeting: Greeting::Ehlo, tls: true, auth: false }),
            id,
            tls: Some("TLSv1.3 TLS_AES_256_GCM_SHA384"),
            recipient: None,
            at: Timestamp::from_second(1_795_341_600).unwrap(),
        }
    }

    #[test]
    fn a_received_line_has_every_fact_and_is_folded() {
        let (id, bob) = (QueueId::new(1, 2), "bob@hamburger.test".parse().unwrap());
        let line = Received { recipient: Some(&bob), ..received(&id, Some("crepes.test")) }.line();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "Received: from crepes.test ([192.0.2.1]) by mx.hamburger.test with ESMTPS\r\n\
             \tid 0000000010000000000002 (TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n\
             \tfor <bob@hamburger.test>; Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        );
    }

    #[test]
    fn a_message_made_here_has_no_client() {
        let id = QueueId::new(1, 2);
        let local = Received { peer: None, with: None, tls: None, ..received(&id, None) };
        let text = String::from_utf8(local.line()).unwrap();
        assert!(text.starts_with("Received: by mx.hamburger.test id 0000000010000000000002;"), "{text}");
    }

    #[test]
    fn a_hostile_client_cannot_end_a_line_or_a_comment() {
        let id = QueueId::new(1, 2);
        for helo in ["x) by liar (y", "x\r\nSubject: owned", "\u{202e}x", "", "a\\b", &"x".repeat(5000)] {
            let peer = Received { peer_name: Some("p)\r\n\r\nbody"), tls: Some("a)\r\nb("), ..received(&id, Some(helo)) };
            let text = String::from_utf8(peer.line()).unwrap();
            assert!(text.is_ascii() && text.len() < 998, "{helo:?}");
            assert!(text.trim_end().split("\r\n").skip(1).all(|line| line.starts_with('\t')), "{text}");
            assert_eq!((text.matches('(').count(), text.matches(')').count()), (2, 2), "{text}");
        }
    }

    #[test]
    fn ipv6_peers_are_literals() {
        let id = QueueId::new(1, 2);
        let peer = Received { peer: Some("2001:db8::1".parse().unwrap()), ..received(&id, Some("[IPv6:2001:db8::1]")) };
        assert!(String::from_utf8(peer.line()).unwrap().contains("from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])"));
    }

    #[test]
    fn the_scan_counts_hops_in_the_header_only_however_it_is_split() {
        let message =
            b"RECEIVED: a\r\n by b\r\nReceived : c\r\nReceived-SPF: no\r\nDelivered-To:  Bob@B.test \r\n\r\nReceived: body\r\n";
        for at in 0..message.len() {
            let mut scan = TraceScan::default();
            scan.push(&message[..at]);
            assert!(scan.push(&message[at..]) || at == message.len());
            assert_eq!(scan.hops(), 2, "split at {at}");
            assert!(scan.was_delivered_to(&"bob@b.test".parse().unwrap()));
            assert!(!scan.was_delivered_to(&"eve@b.test".parse().unwrap()));
        }
    }

    #[test]
    fn a_line_without_end_is_held_within_bounds() {
        let mut scan = TraceScan::default();
        for _ in 0..100 {
            scan.push(&[b'x'; 1000]);
        }
        assert!(scan.line.len() <= LINE_LIMIT);
    }

    #[test]
    fn delivery_lines() {
        let path = |s: &str| s.parse::<ReversePath>().unwrap();
        assert_eq!(return_path(&path("")), b"Return-Path: <>\r\n");
        assert_eq!(return_path(&path("a@b.test")), b"Return-Path: <a@b.test>\r\n");
        assert_eq!(delivered_to(&"bob@b.test".parse().unwrap()), b"Delivered-To: bob@b.test\r\n");
    }
}
