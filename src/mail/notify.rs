//! What a sender asks of delivery status notifications (RFC 3461): when, how much of the message, under which name. Who writes the reports
//! is `dsn`'s.

use super::address::ForwardPath;
use crate::bytes::xtext;
use std::fmt;
use std::str::FromStr;

/// Longest `ENVID` and `ORCPT` in their encoded forms (RFC 3461 sections 4.4 and 4.2), in octets.
const MAX_ENVID: usize = 100;
const MAX_ORCPT: usize = 500;

/// All that is asked; the default asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub notify: Option<Notify>,
    pub ret: Option<Return>,
    pub envid: Option<EnvelopeId>,
}

impl Request {
    pub fn is_empty(&self) -> bool {
        *self == Request::default()
    }

    /// The parameters of MAIL, each after a blank.
    pub fn mail_parameters(&self) -> String {
        let ret = self.ret.map(|ret| format!(" RET={ret}")).unwrap_or_default();
        let envid = self.envid.as_ref().map(|id| format!(" ENVID={}", xtext::encode(&id.0))).unwrap_or_default();
        ret + &envid
    }

    /// The parameters of RCPT, each after a blank. The original recipient stands with what is asked for it, so that whoever gets the
    /// report knows the address that was given.
    pub fn rcpt_parameters(&self, recipient: &ForwardPath) -> String {
        let Some(notify) = self.notify else { return String::new() };
        let orcpt = original_recipient(recipient).map(|orcpt| format!(" ORCPT={orcpt}")).unwrap_or_default();
        format!(" NOTIFY={notify}{orcpt}")
    }
}

/// `original-recipient-address = addr-type ";" xtext` (RFC 3461 section 4.2); addresses beyond ASCII have the type `utf-8` (RFC 6533
/// section 3). None where it is too long to be sent.
fn original_recipient(recipient: &ForwardPath) -> Option<String> {
    let address = recipient.to_string();
    let orcpt = if address.is_ascii() {
        format!("rfc822;{}", xtext::encode(&address))
    } else {
        format!("utf-8;{}", xtext::encode_utf8(&address))
    };
    Some(orcpt).filter(|orcpt| orcpt.len() <= MAX_ORCPT)
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
        let request = Request {
            notify: Some("Failure,success".parse().unwrap()),
            ret: Some("HDRS".parse().unwrap()),
            envid: Some("a b+c".parse().unwrap()),
        };
        assert_eq!(request.mail_parameters(), " RET=HDRS ENVID=a+20b+2Bc");
        let rcpt = |address: &str| request.rcpt_parameters(&address.parse().unwrap());
        assert_eq!(rcpt("bob+x@b.test"), " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob+2Bx@b.test");
        let long = format!("{}@b.test", "+".repeat(200));
        assert_eq!(rcpt(&long), " NOTIFY=SUCCESS,FAILURE", "longer than a parameter may be");
        let nothing = Request { ret: Some(Return::Full), ..Request::default() };
        assert_eq!(nothing.rcpt_parameters(&"b@b.test".parse().unwrap()), "");
        assert!(!nothing.is_empty() && Request::default().is_empty());
        assert_eq!("never".parse::<Notify>().unwrap().to_string(), "NEVER");
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
    }
}
