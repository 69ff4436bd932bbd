//! What a sender asks of delivery status notifications (RFC 3461): when, how much of the message, under which name. Who writes the reports
//! is `dsn`'s.

use super::address::ForwardPath;
use crate::bytes::xtext;
use std::fmt;
use std::str::FromStr;

/// Longest `ENVID` and `ORCPT` in their encoded forms (RFC 3461 sections 4.4 and 4.2), in octets.
const MAX_ENVID: usize = 100;
const MAX_ORCPT: usize = 500;

/// What is asked for a message as a whole; the default asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub ret: Option<Return>,
    pub envid: Option<EnvelopeId>,
    /// Verified TLS all the way, or the message does not go (REQUIRETLS, RFC 8689).
    pub require_tls: bool,
    /// It needs SMTPUTF8 (RFC 6531), as for the raw UTF-8 of its header; its addresses say so of themselves.
    pub utf8: bool,
}

impl Request {
    /// The parameters of MAIL that are about reports, each after a blank.
    pub fn mail_parameters(&self) -> String {
        let ret = self.ret.map(|ret| format!(" RET={ret}")).unwrap_or_default();
        let envid = self.envid.as_ref().map(|id| format!(" ENVID={}", id.xtext())).unwrap_or_default();
        ret + &envid
    }
}

/// What is asked for one recipient; the default asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    pub notify: Option<Notify>,
    /// The address as its sender knows it.
    pub original: Option<OriginalRecipient>,
}

impl Wish {
    pub const NOTHING: &'static Wish = &Wish { notify: None, original: None };

    pub fn is_empty(&self) -> bool {
        self == Wish::NOTHING
    }

    /// The parameters of RCPT, each after a blank. `utf8`: the server does SMTPUTF8.
    pub fn rcpt_parameters(&self, utf8: bool) -> String {
        let notify = self.notify.map(|notify| format!(" NOTIFY={notify}")).unwrap_or_default();
        let orcpt = self.original.as_ref().and_then(|original| original.parameter(utf8));
        notify + &orcpt.map(|orcpt| format!(" ORCPT={orcpt}")).unwrap_or_default()
    }

    /// Failures are reported unless something else is asked (RFC 3461 section 4.1).
    pub fn wants_failure(&self) -> bool {
        self.notify.is_none_or(|notify| notify.failure)
    }

    pub fn wants_delay(&self) -> bool {
        self.notify.is_none_or(|notify| notify.delay)
    }

    pub fn wants_success(&self) -> bool {
        self.notify.is_some_and(|notify| notify.success)
    }

    /// What goes on to each address of an alias with several, whose success is told when it is expanded (RFC 3461 section 5.2.7.3).
    pub fn without_success(&self) -> Wish {
        Wish { notify: self.notify.map(|notify| Notify { success: false, ..notify }), original: self.original.clone() }
    }

    /// With this address for the original one, where none was given (RFC 3461 section 5.2.1).
    pub fn of(mut self, address: &ForwardPath) -> Wish {
        self.original = self.original.or_else(|| OriginalRecipient::of(address));
        self
    }
}

/// `original-recipient-address = addr-type ";" xtext` (RFC 3461 section 4.2), kept as it came: it goes on unchanged. Addresses beyond ASCII
/// have the type `utf-8` and an encoding of their own (RFC 6533 section 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginalRecipient(String);

impl OriginalRecipient {
    /// None where it is too long to be sent, or is `Postmaster` without a domain.
    pub fn of(recipient: &ForwardPath) -> Option<OriginalRecipient> {
        if *recipient == ForwardPath::Postmaster {
            return None;
        }
        let address = recipient.to_string();
        let orcpt = if address.is_ascii() {
            format!("rfc822;{}", xtext::encode(&address))
        } else {
            format!("utf-8;{}", xtext::encode_utf8(&address))
        };
        Some(orcpt).filter(|orcpt| orcpt.len() <= MAX_ORCPT).map(OriginalRecipient)
    }

    /// Its type, and the address decoded; what does not decode to printable text stays encoded.
    pub fn decoded(&self) -> (&str, String) {
        let (kind, address) = self.0.split_once(';').unwrap_or(("unknown", &self.0));
        let decoded =
            if self.is_utf8() { xtext::decode_utf8(address) } else { xtext::decode(address).filter(|text| text.is_ascii()) };
        let printable = decoded.filter(|text| !text.chars().any(char::is_control));
        (kind, printable.unwrap_or_else(|| address.to_owned()))
    }

    fn is_utf8(&self) -> bool {
        self.0.split_once(';').is_some_and(|(kind, _)| kind.eq_ignore_ascii_case("utf-8"))
    }

    /// As a parameter's value; to a server without SMTPUTF8, ASCII alone. None where that is too long.
    fn parameter(&self, utf8: bool) -> Option<String> {
        let value = if utf8 || self.0.is_ascii() { self.0.clone() } else { xtext::ascii(&self.0) };
        Some(value).filter(|value| value.len() <= MAX_ORCPT)
    }
}

/// As a parameter's value.
impl FromStr for OriginalRecipient {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, address) = text.split_once(';').ok_or(BadRequest::OriginalRecipient)?;
        let is_type = !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let original = OriginalRecipient(text.to_owned());
        let decodes = if original.is_utf8() { xtext::decode_utf8(address).is_some() } else { xtext::decode(address).is_some() };
        let good = is_type && decodes && !address.is_empty() && text.len() <= MAX_ORCPT;
        if good { Ok(original) } else { Err(BadRequest::OriginalRecipient) }
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `notify-esmtp-value = "NEVER" / 1#notify-list-element` (RFC 3461 section 4.1)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    success: bool,
    failure: bool,
    delay: bool,
}

impl Notify {
    /// No report at all, not even of a failure.
    pub const NEVER: Notify = Notify { success: false, failure: false, delay: false };
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    #[error("{0:?}: never, or a list of success, failure and delay")]
    Notify(String),
    #[error("{0:?}: full or hdrs")]
    Return(String),
    #[error("an envelope id is printable ASCII")]
    NotPrintable,
    #[error("the envelope id is longer than {MAX_ENVID} octets in its encoded form")]
    TooLong,
    #[error("an original recipient is type;address, of {MAX_ORCPT} octets at most in its encoded form")]
    OriginalRecipient,
}

/// As on a command line, in any case.
impl FromStr for Notify {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.eq_ignore_ascii_case("never") {
            return Ok(Notify::NEVER);
        }
        let mut notify = Notify::NEVER;
        for word in text.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "success" => notify.success = true,
                "failure" => notify.failure = true,
                "delay" => notify.delay = true,
                _ => return Err(BadRequest::Notify(text.to_owned())),
            }
        }
        Ok(notify)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let asked: Vec<&str> = words.iter().filter(|(asked, _)| *asked).map(|(_, word)| *word).collect();
        f.write_str(if asked.is_empty() { "NEVER".to_owned() } else { asked.join(",") }.as_str())
    }
}

/// `ret-value = "FULL" / "HDRS"` (RFC 3461 section 4.3): how much of the message comes back with a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    Full,
    Headers,
}

impl FromStr for Return {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "full" => Ok(Return::Full),
            "hdrs" => Ok(Return::Headers),
            _ => Err(BadRequest::Return(text.to_owned())),
        }
    }
}

impl fmt::Display for Return {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Return::Full => "FULL",
            Return::Headers => "HDRS",
        })
    }
}

/// What reports call the transaction (RFC 3461 section 4.4), without its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeId(String);

impl EnvelopeId {
    /// Reads the value of a parameter.
    pub fn from_xtext(text: &str) -> Result<EnvelopeId, BadRequest> {
        if text.len() > MAX_ENVID {
            return Err(BadRequest::TooLong);
        }
        xtext::decode(text).ok_or(BadRequest::NotPrintable)?.parse()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn xtext(&self) -> String {
        xtext::encode(&self.0)
    }
}

impl FromStr for EnvelopeId {
    type Err = BadRequest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return Err(BadRequest::NotPrintable);
        }
        if xtext::encode(text).len() > MAX_ENVID {
            return Err(BadRequest::TooLong);
        }
        Ok(EnvelopeId(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_becomes_parameters() {
        let request = Request { ret: Some("HDRS".parse().unwrap()), envid: Some("a b+c".parse().unwrap()), ..Request::default() };
        assert_eq!(request.mail_parameters(), " RET=HDRS ENVID=a+20b+2Bc");
        let notify = Some("Failure,success".parse().unwrap());
        let rcpt = |address: &str| Wish { notify, original: None }.of(&address.parse().unwrap()).rcpt_parameters(true);
        assert_eq!(rcpt("bob+x@b.test"), " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bx@b.test");
        assert_eq!(rcpt("j\u{f6}rg@b.test"), " NOTIFY=SUCCESS,FAILURE ORCPT=utf-8;j\u{f6}rg@b.test");
        let long = format!("{}@b.test", "+".repeat(200));
        assert_eq!(rcpt(&long), " NOTIFY=SUCCESS,FAILURE", "longer than a parameter may be");
        assert_eq!(Wish::NOTHING.rcpt_parameters(true), "");
        assert_eq!("never".parse::<Notify>().unwrap().to_string(), "NEVER");
        let ascii = Wish::default().of(&"j\u{f6}rg@b.test".parse().unwrap()).rcpt_parameters(false);
        assert_eq!(ascii, " ORCPT=utf-8;j\\x{F6}rg@b.test", "a server without SMTPUTF8 gets ASCII");
    }

    #[test]
    fn original_recipients_are_kept_as_they_came_and_shown_decoded() {
        let decoded = |text: &str| {
            let original: OriginalRecipient = text.parse().unwrap();
            assert_eq!(original.to_string(), text);
            let (kind, address) = original.decoded();
            format!("{kind}|{address}")
        };
        assert_eq!(decoded("rfc822;bob+2Bx@b.test"), "rfc822|bob+x@b.test");
        assert_eq!(decoded("utf-8;j\\x{F6}rg@b.test"), "utf-8|j\u{f6}rg@b.test");
        assert_eq!(decoded("UTF-8;j\u{f6}rg@b.test"), "UTF-8|j\u{f6}rg@b.test");
        let line_ends = decoded("x400;/S+3D+0D+0ABcc:");
        assert_eq!(line_ends, "x400|/S+3D+0D+0ABcc:", "none come out of it");
        let wish = Wish { notify: Some("success,delay".parse().unwrap()), original: None };
        assert!(wish.wants_success() && wish.wants_delay() && !wish.wants_failure());
        assert!(!wish.without_success().wants_success() && wish.without_success().wants_delay());
        assert!(Wish::NOTHING.wants_failure() && Wish::NOTHING.wants_delay() && !Wish::NOTHING.wants_success());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in ["", "never,success", "sometimes", "success,,delay"] {
            assert!(bad.parse::<Notify>().is_err(), "{bad}");
        }
        for bad in ["", "a\r\nb", "k\u{e4}se", &"x".repeat(101), &"+".repeat(34)] {
            assert!(bad.parse::<EnvelopeId>().is_err(), "{bad}");
        }
        assert!("headers".parse::<Return>().is_err());
        let long = format!("rfc822;{}", "x".repeat(494));
        for bad in [
            "",
            "bob@b.test",
            ";bob",
            "rfc822;",
            "rfc822;b+2b",
            "rfc822;b+",
            "rfc822;b=c",
            "rfc822;b c",
            "r c;b",
            "utf-8;b+2B",
            "utf-8;\\x{zz}",
            "utf-8;\\",
            "rfc822;j\u{f6}",
            &long,
        ] {
            assert!(bad.parse::<OriginalRecipient>().is_err(), "{bad}");
        }
        for bad in ["", "a=b", "+0A", "a b", "a+", "+4", &"x".repeat(101)] {
            assert!(EnvelopeId::from_xtext(bad).is_err(), "{bad}");
        }
        assert_eq!(EnvelopeId::from_xtext("a+20b").unwrap().as_str(), "a b");
    }
}
