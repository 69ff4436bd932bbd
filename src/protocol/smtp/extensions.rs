//! What a server offers in its EHLO reply (RFC 5321 section 4.1.1.1).

use crate::mail::reply::Reply;

/// The extensions that this client can use, and every line as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    pub pipelining: bool,
    /// `SIZE` was offered; the limit in octets if one was named (RFC 1870: absent or 0 is none).
    pub size: Option<Option<u64>>,
    pub eight_bit_mime: bool,
    pub enhanced_status_codes: bool,
    pub starttls: bool,
    /// SASL mechanisms in upper case, each once, in the server's order (RFC 4954 section 3).
    pub auth: Vec<String>,
    pub limits: Limits,
    /// RFC 3030.
    pub chunking: bool,
    /// RFC 6531.
    pub smtputf8: bool,
    /// RFC 3461.
    pub dsn: bool,
    /// RFC 8689.
    pub require_tls: bool,
    /// `keyword params` of every line after the first.
    pub lines: Vec<String>,
}

/// What a server takes of one client (`LIMITS`, RFC 9422 section 3); none: it names no such limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Transactions of one session.
    pub mail_max: Option<usize>,
    /// Recipients of one transaction.
    pub rcpt_max: Option<usize>,
    /// Domains among the recipients of one transaction.
    pub rcpt_domain_max: Option<usize>,
}

impl Limits {
    /// `limit-param = limit-name-value 0*[SP limit-name-value]`, `limit-name-value = limit-name ["=" limit-value]`; the three limits of
    /// RFC 9422 section 4 are `%x31-39 0*5DIGIT`. Other limits, and values that are none, are passed over.
    fn from_params<'a>(params: impl Iterator<Item = &'a str>) -> Limits {
        let mut limits = Limits::default();
        for (name, value) in params.filter_map(|param| param.split_once('=')) {
            let is_number =
                matches!(value.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.len() <= 5 && rest.iter().all(u8::is_ascii_digit));
            let number = value.parse().ok().filter(|_| is_number);
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => limits.mail_max = number,
                "RCPTMAX" => limits.rcpt_max = number,
                "RCPTDOMAINMAX" => limits.rcpt_domain_max = number,
                _ => {}
            }
        }
        limits
    }
}

impl Extensions {
    /// Every line of an EHLO reply.
    pub fn from_ehlo(reply: &Reply) -> Extensions {
        Extensions::from_ehlo_without(reply, &[])
    }

    /// `ehlo-line = ehlo-keyword *( SP ehlo-param )`, keywords in any case (RFC 5321 section 2.4). Those in `discard` do not count.
    pub fn from_ehlo_without(reply: &Reply, discard: &[String]) -> Extensions {
        let mut offered = Extensions { lines: reply.lines.iter().skip(1).cloned().collect(), ..Extensions::default() };
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            if discard.iter().any(|discarded| discarded.eq_ignore_ascii_case(&keyword)) {
                continue;
            }
            match keyword.as_str() {
                "PIPELINING" => offered.pipelining = true,
                "8BITMIME" => offered.eight_bit_mime = true,
                "ENHANCEDSTATUSCODES" => offered.enhanced_status_codes = true,
                "STARTTLS" => offered.starttls = true,
                "LIMITS" => offered.limits = Limits::from_params(words),
                "CHUNKING" => offered.chunking = true,
                "SMTPUTF8" => offered.smtputf8 = true,
                "DSN" => offered.dsn = true,
                "REQUIRETLS" => offered.require_tls = true,
                "SIZE" => offered.size = Some(words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0)),
                "AUTH" => offered.mechanisms(words),
                // What servers said before RFC 2554, and some still say besides.
                _ => {
                    if let Some(first) = keyword.strip_prefix("AUTH=") {
                        offered.mechanisms(std::iter::once(first).chain(words));
                    }
                }
            }
        }
        offered
    }

    fn mechanisms<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        for name in names.map(str::to_ascii_uppercase).filter(|name| !name.is_empty()) {
            if !self.auth.contains(&name) {
                self.auth.push(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mechanisms_of_both_forms_count_once() {
        let mut reply = Reply::new(250, None, "mx.test");
        reply.lines.extend(["auth plain Login", "AUTH=LOGIN cram-md5", "AUTHENTIC X"].map(String::from));
        assert_eq!(Extensions::from_ehlo(&reply).auth, ["PLAIN", "LOGIN", "CRAM-MD5"]);
        reply.lines = ["mx.test", "AUTH", "AUTH="].map(String::from).into();
        assert!(Extensions::from_ehlo(&reply).auth.is_empty());
    }

    #[test]
    fn keywords_count_in_any_case() {
        let mut reply = Reply::new(250, None, "mx.test greets you PIPELINING");
        assert!(!Extensions::from_ehlo(&reply).pipelining, "the first line is the greeting");
        reply.lines.extend(["starttls", "Size 1000", "8bitMime", "X-UNKNOWN 1"].map(String::from));
        let offered = Extensions::from_ehlo(&reply);
        assert!(offered.starttls && offered.eight_bit_mime && !offered.pipelining);
        assert_eq!(offered.size, Some(Some(1000)));
        assert_eq!(offered.lines.len(), 4);
        let without = Extensions::from_ehlo_without(&reply, &["8BITMIME".to_owned(), "size".to_owned()]);
        assert!(without.starttls && !without.eight_bit_mime && without.size.is_none());
        assert_eq!(without.lines.len(), 4, "what came is still told");
    }

    #[test]
    fn limits_are_numbers_without_a_zero_in_front() {
        let limits = |text: &str| {
            let mut reply = Reply::new(250, None, "mx.test");
            reply.lines.push(text.to_owned());
            Extensions::from_ehlo(&reply).limits
        };
        let named = limits("limits RcptMax=20 MAILMAX=5 RCPTDOMAINMAX=1 X-OTHER FUTURE=1");
        assert_eq!(named, Limits { mail_max: Some(5), rcpt_max: Some(20), rcpt_domain_max: Some(1) });
        for bad in ["LIMITS", "LIMITS MAILMAX RCPTMAX=", "LIMITS MAILMAX=0 RCPTMAX=05", "LIMITS RCPTMAX=1234567 MAILMAX=+5"] {
            assert_eq!(limits(bad), Limits::default(), "{bad}");
        }
    }
}
