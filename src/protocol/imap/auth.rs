//! Logging in: by which commands, in which order, and one exchange of AUTHENTICATE (RFC 9051 section 6.2.2) in lines of base64. Whose
//! secrets, the work above knows.

use super::capabilities::Capabilities;
use super::code::{Code, Status, StatusKind, Word};
use super::command::{BadArgument, Command};
use super::words::{LoginBy, Method};
use crate::bytes::secret::Secret;
use crate::protocol::sasl::Exchange;
use crate::protocol::sasl::words::{Authentication, InClear, Login, Mechanism, Offered, SaslError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;

/// Why nobody can log in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMethod {
    #[error("the server offers no way to log in that can be used{}", offered(.0))]
    NoneFits(Vec<String>),
    /// RFC 9051 section 6.2.3.
    #[error("the server has logins disabled (LOGINDISABLED){}", offered(.0))]
    Disabled(Vec<String>),
    /// RFC 8314 section 3.3.
    #[error("no password is sent without TLS; with --allow-plaintext-auth it is")]
    InClear,
    /// What would have been [`NoMethod::InClear`].
    #[error(
        "the server does not offer STARTTLS, and no password is sent without TLS; with --tls never --allow-plaintext-auth it is"
    )]
    NoTls,
}

fn offered(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": it has AUTH {}", names.join(" ")) }
}

/// The ways to try, the strongest first: AUTHENTICATE's mechanisms in their order, LOGIN last and never where it is disabled.
pub fn candidates(
    wanted: &Authentication,
    by: LoginBy,
    capabilities: &Capabilities,
    secure: bool,
) -> Result<VecDeque<Method>, NoMethod> {
    let names: Vec<String> = capabilities.values("AUTH").map(str::to_owned).collect();
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
    let safe = |method: &Method| secure || wanted.in_clear != InClear::Never || !method.mechanism().needs_secret();
    let before = methods.len();
    methods.retain(safe);
    match () {
        () if !methods.is_empty() => Ok(methods),
        () if before > 0 => Err(NoMethod::InClear),
        () if disabled => Err(NoMethod::Disabled(names)),
        () => Err(NoMethod::NoneFits(names)),
    }
}

/// Whether `next` may be tried after the server would not have the way before it: over a connection that can be overheard, whoever
/// sends such a refusal must not get at the password by it.
pub fn may_follow(next: Method, wanted: &Authentication, secure: bool) -> bool {
    secure || wanted.in_clear == InClear::Local || !next.mechanism().reveals_secret()
}

/// `login = "LOGIN" SP userid SP password`
pub fn login(login: &Login) -> Result<Command, BadArgument> {
    Command::builder("LOGIN").astring(login.user.as_bytes()).astring(login.secret.reveal().as_bytes()).build()
}

/// What a SCRAM exchange has to know of the offer.
pub fn bound_or_not(capabilities: &Capabilities) -> Offered {
    let bound = capabilities.values("AUTH").any(|name| name.parse().is_ok_and(Mechanism::is_bound));
    if bound { Offered::Bound } else { Offered::Unbound }
}

/// The server would not have this way, and has not said that it is the name or password that is wrong.
pub fn is_about_the_way(status: &Status) -> bool {
    status.kind == StatusKind::Bad || status.code.is_none() || status.is(Word::Cannot)
}

/// A refusal that has nothing to do with who we are: a retry may help, with the same password (RFC 5530 section 3).
pub fn is_not_ours(status: &Status) -> bool {
    status.is_temporary() || matches!(status.code, Some(Code::Word(Word::ServerBug)))
}

/// One exchange under way.
#[derive(Debug)]
pub struct Authenticating {
    mechanism: Mechanism,
    exchange: Exchange,
    /// The initial response, where it did not go with the command: for the first challenge, which has to be empty.
    withheld: Option<Secret<Vec<u8>>>,
    /// Something that comes of the password was sent.
    exposed: bool,
    /// We cancelled, for this reason.
    cancelled: Option<SaslError>,
}

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
        offered: Offered,
        at_once: bool,
    ) -> Result<(Authenticating, Command), SaslError> {
        let exchange = Exchange::new(mechanism, login, offered)?;
        let mut builder = Command::builder("AUTHENTICATE").atom(mechanism.name());
        let (mut withheld, mut exposed) = (None, false);
        match exchange.initial() {
            Some(initial) if at_once => {
                let text = encode(&initial);
                // RFC 4959 section 3: an empty initial response is a single `=`.
                let text = if text.reveal().is_empty() { "=" } else { text.reveal() };
                builder = builder.plain(text);
                exposed = mechanism.reveals_secret();
            }
            Some(initial) => withheld = Some(initial),
            None => {}
        }
        let command =
            builder.build().map_err(|_| SaslError::Unfit("a mechanism or response that AUTHENTICATE has no form for"))?;
        Ok((Authenticating { mechanism, exchange, withheld, exposed, cancelled: None }, command))
    }

    /// The line that answers a challenge, without CRLF.
    pub fn challenge(&mut self, text: &[u8]) -> Secret<String> {
        match self.respond(text) {
            Ok(response) => encode(&response),
            Err(why) => {
                self.cancelled.get_or_insert(why);
                // RFC 9051 section 6.2.2: the client cancels with a single `*`.
                Secret::new("*".to_owned())
            }
        }
    }

    fn respond(&mut self, text: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        if let Some(why) = &self.cancelled {
            return Err(why.clone());
        }
        let challenge = STANDARD.decode(text.trim_ascii()).map_err(|_| SaslError::NotBase64)?;
        self.exposed = true;
        match self.withheld.take() {
            Some(initial) if challenge.is_empty() => Ok(initial),
            Some(_) => Err(SaslError::Unexpected(self.mechanism)),
            None => self.exchange.respond(&challenge),
        }
    }

    /// AUTHENTICATE is done.
    pub fn done(&mut self, status: Status) -> Verdict {
        if let Some(why) = self.cancelled.take() {
            return Verdict::Failed(why);
        }
        match status.kind {
            StatusKind::Ok => match self.exchange.succeeded() {
                Ok(()) if self.withheld.is_none() => Verdict::Accepted,
                Ok(()) => Verdict::Failed(SaslError::Early(self.mechanism)),
                Err(why) => Verdict::Failed(why),
            },
            _ if is_about_the_way(&status) && !self.exposed => Verdict::OtherMechanism(status),
            _ => Verdict::Refused(status),
        }
    }
}

fn encode(bytes: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(STANDARD.encode(bytes.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ways(offer: &str, by: LoginBy, secure: bool) -> Result<String, NoMethod> {
        let capabilities = Capabilities::new(offer.split_whitespace().map(str::to_owned).collect(), &[]);
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
        assert_eq!(ways("AUTH=CRAM-MD5", any, false), Err(NoMethod::InClear));
        assert!(!may_follow(
            Method::Login,
            &Authentication { mechanisms: vec![], optional: false, in_clear: InClear::Allowed },
            false
        ));
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
