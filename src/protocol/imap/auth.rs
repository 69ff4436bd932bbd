//! Logging in: by which commands, in which order, and one exchange of AUTHENTICATE (RFC 9051 section 6.2.2) in lines of base64. Whose
//! secrets, the work above knows.

use super::capabilities::Capabilities;
use super::code::{Code, Status, StatusKind, Word};
use super::command::{BadArgument, Command, Part};
use super::words::{LoginBy, Method};
use crate::bytes::secret::Secret;
use crate::protocol::sasl::carried::{Carried, Initial};
use crate::protocol::sasl::words::{Authentication, Bare, Login, Mechanism, NoMethod, Offered, SaslError};
use std::collections::VecDeque;

/// The mechanisms that the server offers.
fn names(capabilities: &Capabilities) -> Vec<String> {
    capabilities.values("AUTH").map(str::to_owned).collect()
}

/// The ways to try, the strongest first: AUTHENTICATE's mechanisms in their order, LOGIN last and never where it is disabled.
pub fn candidates(
    wanted: &Authentication,
    by: LoginBy,
    capabilities: &Capabilities,
    secure: bool,
) -> Result<VecDeque<Method>, NoMethod> {
    let names = names(capabilities);
    let known: Vec<Mechanism> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let disabled = capabilities.has("LOGINDISABLED");
    let mut methods: VecDeque<Method> = VecDeque::new();
    if by != LoginBy::Login {
        methods.extend(wanted.mechanisms.iter().copied().filter(|m| known.contains(m)).map(Method::Auth));
    }
    // LOGIN carries a password: where only a token or a certificate is to be used, it is no way.
    let has_password = wanted.mechanisms.iter().any(|mechanism| matches!(mechanism, Mechanism::Plain | Mechanism::Login));
    if by != LoginBy::Auth && !disabled && (has_password || by == LoginBy::Login) {
        methods.push_back(Method::Login);
    }
    let before = methods.len();
    methods.retain(|method| wanted.allows(method.mechanism(), secure));
    match () {
        () if !methods.is_empty() => Ok(methods),
        () if before > 0 => Err(Bare::InClear.into()),
        () if disabled => Err(NoMethod::Disabled(names)),
        () => Err(NoMethod::NoneFits(names)),
    }
}

/// `login = "LOGIN" SP userid SP password`
pub fn login(login: &Login) -> Result<Command, BadArgument> {
    Command::builder("LOGIN").astring(login.user.as_bytes()).astring(login.secret.reveal().as_bytes()).build()
}

/// The server would not have this way, and has not said that it is the name or password that is wrong.
fn is_about_the_way(status: &Status) -> bool {
    status.kind == StatusKind::Bad || status.code.is_none() || status.is(Word::Cannot)
}

/// A refusal that has nothing to do with who we are: a retry may help, with the same password (RFC 5530 section 3).
pub fn is_not_ours(status: &Status) -> bool {
    status.is_temporary() || matches!(status.code, Some(Code::Word(Word::ServerBug)))
}

/// One exchange under way.
#[derive(Debug)]
pub struct Authenticating(Carried);

/// What the end of the command means.
#[derive(Debug)]
pub enum Verdict {
    /// We are who we say, and the server is who it should be.
    Accepted,
    /// The server would not have this mechanism; another one may do.
    OtherMechanism(Status),
    /// No, or not now.
    Refused(Status),
    /// The exchange failed on our side.
    Failed(SaslError),
}

impl Authenticating {
    /// The exchange, and the command that begins it; `at_once`: with the first response, as SASL-IR (RFC 4959) has it.
    pub fn begin(
        mechanism: Mechanism,
        login: &Login,
        capabilities: &Capabilities,
        at_once: bool,
    ) -> Result<(Authenticating, Command), SaslError> {
        let place = if at_once { Initial::Within(usize::MAX) } else { Initial::Apart };
        let (carried, line) = Carried::begin(mechanism, login, Offered::among(&names(capabilities)), "AUTHENTICATE", place)?;
        let command = Command::raw(vec![Part::Text(line.reveal().as_bytes().to_vec())]);
        let command = command.map_err(|_| SaslError::Unfit("a response that AUTHENTICATE has no form for"))?;
        Ok((Authenticating(carried), command))
    }

    /// The line that answers a challenge, without CRLF.
    pub fn challenge(&mut self, text: &[u8]) -> Secret<String> {
        match std::str::from_utf8(text.trim_ascii()) {
            Ok(text) => self.0.challenge(text),
            Err(_) => self.0.cancel(SaslError::NotBase64),
        }
    }

    /// As [`Carried::advice`].
    pub fn advice(&self) -> &'static str {
        self.0.advice()
    }

    /// AUTHENTICATE is done.
    pub fn done(&mut self, status: Status) -> Verdict {
        let carried = &mut self.0;
        if let Some(why) = carried.cancelled() {
            return Verdict::Failed(why);
        }
        match status.kind {
            StatusKind::Ok => carried.succeeded().map_or_else(Verdict::Failed, |()| Verdict::Accepted),
            _ if is_about_the_way(&status) && !carried.is_exposed() => Verdict::OtherMechanism(status),
            _ => Verdict::Refused(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::sasl::words::InClear;

    fn ways(offer: &str, by: LoginBy, secure: bool) -> Result<String, NoMethod> {
        let capabilities = Capabilities::new(&offer.split_whitespace().map(str::to_owned).collect::<Vec<_>>(), &[]);
        let in_clear = InClear::Never;
        let wanted = Authentication { mechanisms: Mechanism::FOR_PASSWORDS.to_vec(), optional: false, in_clear };
        let found = candidates(&wanted, by, &capabilities, secure)?;
        Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    /// Names of methods as people see them: the command LOGIN and the mechanism of that name look the same.
    #[test]
    fn the_strongest_comes_first_and_login_where_it_is_not_disabled() {
        let any = LoginBy::Any;
        assert_eq!(ways("AUTH=PLAIN auth=SCRAM-SHA-1 AUTH=CRAM-MD5", any, true).unwrap(), "SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN");
        assert_eq!(ways("IMAP4rev1", any, true).unwrap(), "LOGIN");
        assert_eq!(ways("AUTH=PLAIN", LoginBy::Login, true).unwrap(), "LOGIN");
        assert_eq!(ways("AUTH=PLAIN LOGINDISABLED", any, true).unwrap(), "PLAIN");
        assert_eq!(ways("AUTH=NTLM LOGINDISABLED", any, true), Err(NoMethod::Disabled(vec!["NTLM".into()])));
        assert_eq!(ways("AUTH=NTLM", LoginBy::Auth, true), Err(NoMethod::NoneFits(vec!["NTLM".into()])));
        assert_eq!(ways("AUTH=CRAM-MD5", any, false), Err(Bare::InClear.into()));
        let wanted = Authentication { mechanisms: vec![], optional: false, in_clear: InClear::Allowed };
        assert!(!wanted.may_follow(Method::Login.mechanism(), false));
    }

    #[test]
    fn a_password_never_ends_its_line() {
        let who = |user: &str, secret: &str| Login {
            user: user.into(),
            authzid: None,
            secret: Secret::new(secret.into()),
            nonce: "n".into(),
            binding: None,
            server: None,
        };
        assert_eq!(login(&who("a\r\nb LOGOUT", "x")).unwrap().shown(), "LOGIN {11} x");
        assert_eq!(login(&who("a b", "x\"")).unwrap().shown(), "LOGIN \"a b\" \"x\\\"\"");
        assert!(login(&who("a", "x\0")).is_err());
    }
}
