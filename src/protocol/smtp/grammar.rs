//! SMTP and LMTP commands, as a server reads them: what RFC 5321 says must be tolerated, what people type by hand, and nothing else.
//! Each function carries the name of its ABNF rule.

use crate::mail::address::{AddressError, ForwardPath, ReversePath};
use crate::mail::notify::{EnvelopeId, Return, Wish};
use std::str::FromStr;

/// One command line, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `HELO`, `EHLO` or `LHLO` with the client's name.
    Hello(Hello, String),
    Mail(ReversePath, MailParameters),
    Rcpt(ForwardPath, Wish),
    Data,
    Rset,
    Noop,
    Quit,
    Vrfy,
    Help,
    StartTls,
    /// A known verb that this server does not do.
    NotImplemented,
    /// The first line of an HTTP request: no mail client is there (CVE-2021-3618).
    Http,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hello {
    Helo,
    Ehlo,
    Lhlo,
}

/// What follows the path in `MAIL FROM`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// RFC 1870: the size that the client declares, in octets.
    pub size: Option<u64>,
    /// RFC 6152: `BODY=8BITMIME` (true) or `BODY=7BIT` (false).
    pub eight_bit: Option<bool>,
    /// RFC 3461 section 4.3: how much of the message a report of its failure brings back.
    pub ret: Option<Return>,
    /// RFC 3461 section 4.4: what reports call the message.
    pub envid: Option<EnvelopeId>,
    /// RFC 8689: verified TLS all the way.
    pub require_tls: bool,
}

impl MailParameters {
    pub fn is_empty(&self) -> bool {
        *self == MailParameters::default()
    }

    pub fn asks_for_reports(&self) -> bool {
        self.ret.is_some() || self.envid.is_some()
    }
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    #[error("command unrecognized")]
    Unknown,
    #[error("syntax: {0}")]
    Syntax(&'static str),
    #[error("{0}")]
    Address(#[from] AddressError),
    /// A parameter that was not offered (RFC 5321 section 4.1.1.11: 555).
    #[error("unsupported parameter")]
    Parameter,
}

/// Reads one line without its CRLF. Verbs count in any case, white space at the end is dropped (RFC 5321 section 4.1.1).
pub fn command(line: &[u8]) -> Result<Command, BadCommand> {
    let line = std::str::from_utf8(line).map_err(|_| BadCommand::Syntax("not ASCII"))?;
    if line.contains('\0') {
        return Err(BadCommand::Syntax("NUL in a command"));
    }
    let line = line.trim_end_matches([' ', '\t']);
    let (verb, argument) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let argument = argument.trim_start_matches([' ', '\t']);
    let alone = |command| if argument.is_empty() { Ok(command) } else { Err(BadCommand::Syntax("no argument allowed")) };
    match verb.to_ascii_uppercase().as_str() {
        "HELO" => hello(Hello::Helo, argument),
        "EHLO" => hello(Hello::Ehlo, argument),
        "LHLO" => hello(Hello::Lhlo, argument),
        "MAIL" => mail(argument),
        "RCPT" => rcpt(argument),
        "DATA" => alone(Command::Data),
        "RSET" => alone(Command::Rset),
        "QUIT" => alone(Command::Quit),
        "STARTTLS" => alone(Command::StartTls),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" if argument.is_empty() => Err(BadCommand::Syntax("VRFY user")),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" | "TURN" | "SEND" | "SOML" | "SAML" | "ETRN" | "AUTH" | "BDAT" => Ok(Command::NotImplemented),
        "GET" | "POST" | "PUT" | "HEAD" | "OPTIONS" | "CONNECT" | "DELETE" | "PRI" if argument.contains("HTTP/") => {
            Ok(Command::Http)
        }
        _ => Err(BadCommand::Unknown),
    }
}

/// `ehlo = "EHLO" SP ( Domain / address-literal )`. Names with underscores and the like are common and harmless, so any one word of
/// name characters is taken.
fn hello(which: Hello, argument: &str) -> Result<Command, BadCommand> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if argument.is_empty() || argument.len() > 255 || !argument.bytes().all(good) {
        return Err(BadCommand::Syntax("the client's host name is wanted"));
    }
    Ok(Command::Hello(which, argument.to_owned()))
}

/// `mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF`
fn mail(argument: &str) -> Result<Command, BadCommand> {
    let rest = after_colon(argument, "FROM:").ok_or(BadCommand::Syntax("MAIL FROM:<address>"))?;
    ascii_only(rest)?;
    let (path, rest) = ReversePath::take(rest)?;
    Ok(Command::Mail(path, mail_parameters(rest)?))
}

/// `rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF`
fn rcpt(argument: &str) -> Result<Command, BadCommand> {
    let rest = after_colon(argument, "TO:").ok_or(BadCommand::Syntax("RCPT TO:<address>"))?;
    ascii_only(rest)?;
    let (path, rest) = ForwardPath::take(rest)?;
    Ok(Command::Rcpt(path, rcpt_parameters(rest)?))
}

/// SMTPUTF8 is not offered (RFC 6531 section 3.5).
fn ascii_only(argument: &str) -> Result<(), AddressError> {
    if argument.is_ascii() { Ok(()) } else { Err(AddressError::NotAscii) }
}

/// White space between colon and path is against the grammar, but typed by many.
fn after_colon<'a>(argument: &'a str, word: &str) -> Option<&'a str> {
    let start = argument.get(..word.len())?;
    start.eq_ignore_ascii_case(word).then(|| argument[word.len()..].trim_start_matches([' ', '\t']))
}

/// `Mail-parameters = esmtp-param *(SP esmtp-param)`
fn mail_parameters(text: &str) -> Result<MailParameters, BadCommand> {
    let mut parameters = MailParameters::default();
    for (keyword, value) in esmtp_params(text)? {
        let twice = match keyword.to_ascii_uppercase().as_str() {
            "SIZE" => parameters.size.replace(size_value(value)?).is_some(),
            "BODY" => parameters.eight_bit.replace(body_value(value)?).is_some(),
            "RET" => parameters.ret.replace(wanted(value, "RET=FULL or RET=HDRS")?).is_some(),
            "ENVID" => parameters.envid.replace(envid_value(value)?).is_some(),
            "REQUIRETLS" if value.is_none() => std::mem::replace(&mut parameters.require_tls, true),
            _ => return Err(BadCommand::Parameter),
        };
        if twice {
            return Err(BadCommand::Syntax("parameter given twice"));
        }
    }
    Ok(parameters)
}

/// `Rcpt-parameters = esmtp-param *(SP esmtp-param)`
fn rcpt_parameters(text: &str) -> Result<Wish, BadCommand> {
    let mut wish = Wish::default();
    for (keyword, value) in esmtp_params(text)? {
        let twice = match keyword.to_ascii_uppercase().as_str() {
            "NOTIFY" => wish.notify.replace(wanted(value, "NOTIFY=NEVER, or a list of SUCCESS,FAILURE,DELAY")?).is_some(),
            "ORCPT" => wish.original.replace(wanted(value, "ORCPT=type;address, in xtext")?).is_some(),
            _ => return Err(BadCommand::Parameter),
        };
        if twice {
            return Err(BadCommand::Syntax("parameter given twice"));
        }
    }
    Ok(wish)
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`
fn esmtp_params(text: &str) -> Result<impl Iterator<Item = (&str, Option<&str>)>, BadCommand> {
    if !text.is_empty() && !text.starts_with([' ', '\t']) {
        return Err(AddressError::Trailing.into());
    }
    let param = |param| str::split_once(param, '=').map_or((param, None), |(keyword, value)| (keyword, Some(value)));
    Ok(text.split_ascii_whitespace().map(param))
}

/// A value that is what its type says; `syntax` says what was wanted.
fn wanted<T: FromStr>(value: Option<&str>, syntax: &'static str) -> Result<T, BadCommand> {
    value.and_then(|value| value.parse().ok()).ok_or(BadCommand::Syntax(syntax))
}

/// `envid-parameter = "ENVID=" xtext`, of 100 octets at most (RFC 3461 section 4.4)
fn envid_value(value: Option<&str>) -> Result<EnvelopeId, BadCommand> {
    let envid = value.and_then(|value| EnvelopeId::from_xtext(value).ok());
    envid.ok_or(BadCommand::Syntax("ENVID=xtext, of 100 octets at most"))
}

/// `size-value = 1*20DIGIT` (RFC 1870 section 5)
fn size_value(value: Option<&str>) -> Result<u64, BadCommand> {
    let text = value.unwrap_or_default();
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if digits { Ok(text.parse().unwrap_or(u64::MAX)) } else { Err(BadCommand::Syntax("SIZE=number")) }
}

/// `body-value = "7BIT" / "8BITMIME"` (RFC 6152 section 2)
fn body_value(value: Option<&str>) -> Result<bool, BadCommand> {
    match value.unwrap_or_default().to_ascii_uppercase().as_str() {
        "7BIT" => Ok(false),
        "8BITMIME" => Ok(true),
        _ => Err(BadCommand::Syntax("BODY=7BIT or BODY=8BITMIME")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mail_from(line: &str) -> (String, MailParameters) {
        match command(line.as_bytes()) {
            Ok(Command::Mail(path, parameters)) => (path.to_string(), parameters),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn what_people_type_and_the_rfc_tolerates() {
        for line in [
            "MAIL FROM:<a@b>",
            "mail from:<a@b>",
            "MAIL FROM: <a@b>",
            "MAIL FROM:a@b",
            "Mail From: a@b \t",
            "MAIL FROM:<@x,@y:a@b>",
        ] {
            assert_eq!(mail_from(line), ("a@b".into(), MailParameters::default()), "{line}");
        }
        assert_eq!(mail_from("MAIL FROM:<>").0, "");
        assert_eq!(
            mail_from("MAIL FROM:<a@b> SIZE=10 body=8bitmime").1,
            MailParameters { size: Some(10), eight_bit: Some(true), ..MailParameters::default() }
        );
        let asking = mail_from("MAIL FROM:<a@b> ret=hdrs ENVID=a+20b+3D REQUIRETLS").1;
        let envid = "a b=".parse().ok();
        assert_eq!(asking, MailParameters { ret: Some(Return::Headers), envid, require_tls: true, ..MailParameters::default() });
        let Ok(Command::Rcpt(_, wish)) = command(b"RCPT TO:<bob@b.test> notify=Success,DELAY ORCPT=rfc822;b+2Bx@b.test") else {
            panic!("no RCPT")
        };
        assert_eq!(wish.rcpt_parameters(false), " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2Bx@b.test");
        assert_eq!(command(b"helo crepes.fr"), Ok(Command::Hello(Hello::Helo, "crepes.fr".into())));
        assert_eq!(command(b"EHLO [IPv6:::1]"), Ok(Command::Hello(Hello::Ehlo, "[IPv6:::1]".into())));
        assert_eq!(
            command(b"RCPT TO: <bob@hamburger.edu>"),
            Ok(Command::Rcpt("bob@hamburger.edu".parse().unwrap(), Wish::default()))
        );
        assert_eq!(command(b"RCPT TO:<Postmaster>"), Ok(Command::Rcpt(ForwardPath::Postmaster, Wish::default())));
        assert_eq!(command(b"NOOP what ever"), Ok(Command::Noop));
        assert_eq!(command(b"GET / HTTP/1.1"), Ok(Command::Http));
    }

    #[test]
    fn the_rest_is_refused() {
        for line in [
            "",
            "FOO",
            "MAIL",
            "MAIL FROM",
            "MAIL FROM <a@b>",
            "MAIL FROM:",
            "MAIL FROM:<a@b",
            "MAIL FROM:<a@b>x",
            "MAIL FROM:<a b@c>",
            "MAIL FROM:<a@b> SIZE",
            "MAIL FROM:<a@b> SIZE=-1",
            "MAIL FROM:<a@b> SIZE=1 SIZE=2",
            "MAIL FROM:<a@b> BODY=9BIT",
            "MAIL FROM:<a@b> FOO=1",
            "MAIL FROM:<a@b> AUTH=+0A",
            "RCPT TO:<>",
            "MAIL FROM:<a@b> RET=HALF",
            "MAIL FROM:<a@b> RET",
            "MAIL FROM:<a@b> RET=FULL RET=FULL",
            "MAIL FROM:<a@b> ENVID=",
            "MAIL FROM:<a@b> ENVID=a+0D+0Ab",
            "MAIL FROM:<a@b> ENVID=a+4",
            "MAIL FROM:<a@b> REQUIRETLS=1",
            "MAIL FROM:<a@b> REQUIRETLS REQUIRETLS",
            "MAIL FROM:<a@b> NOTIFY=NEVER",
            "RCPT TO:<a@b> ORCPT=x",
            "RCPT TO:<a@b> ORCPT=rfc822;a+0",
            "RCPT TO:<a@b> ORCPT=rfc822;",
            "RCPT TO:<a@b> NOTIFY=",
            "RCPT TO:<a@b> NOTIFY",
            "RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS",
            "RCPT TO:<a@b> NOTIFY=SUCCESS,",
            "RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY",
            "RCPT TO:<a@b> RET=FULL",
            "RCPT TO:<a@b>x NOTIFY=NEVER",
            "RCPT FROM:<a@b>",
            "DATA now",
            "QUIT please",
            "HELO",
            "HELO a b",
            "VRFY",
            "EHLO a\u{1b}",
        ] {
            assert!(command(line.as_bytes()).is_err(), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = command(&line);
        }
    }
}
