//! The words of SASL (RFC 4422) that its mechanisms share: their names, who logs in, what can go wrong. No exchange.

use crate::bytes::secret::Secret;
use std::fmt;
use std::str::FromStr;

/// Fewest iterations of SCRAM (RFC 5802 section 5.1 and RFC 7677 section 4 name 4096): with fewer, a server that is not what it seems
/// tries passwords against our proof at leisure.
pub const LEAST_ITERATIONS: u64 = 4096;
/// Most iterations, a few seconds of work: a server must not be able to keep us busy for hours.
pub const MOST_ITERATIONS: u64 = 5_000_000;

/// The mechanisms that are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 7677, bound to the TLS channel.
    ScramSha256Plus,
    /// RFC 5802, bound to the TLS channel.
    ScramSha1Plus,
    ScramSha256,
    ScramSha1,
    /// RFC 2195.
    CramMd5,
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login, never more than a draft.
    Login,
    /// RFC 7628.
    OauthBearer,
    /// Google's, before RFC 7628.
    Xoauth2,
    /// RFC 4422 appendix A: what the connection itself says, as a TLS certificate does.
    External,
}

const NAMES: [(Mechanism, &str); 10] = [
    (Mechanism::ScramSha256Plus, "SCRAM-SHA-256-PLUS"),
    (Mechanism::ScramSha1Plus, "SCRAM-SHA-1-PLUS"),
    (Mechanism::ScramSha256, "SCRAM-SHA-256"),
    (Mechanism::ScramSha1, "SCRAM-SHA-1"),
    (Mechanism::CramMd5, "CRAM-MD5"),
    (Mechanism::Plain, "PLAIN"),
    (Mechanism::Login, "LOGIN"),
    (Mechanism::OauthBearer, "OAUTHBEARER"),
    (Mechanism::Xoauth2, "XOAUTH2"),
    (Mechanism::External, "EXTERNAL"),
];

impl Mechanism {
    /// Those that a user and a password fit, the strongest first. A token is no password, and a certificate is asked for by name:
    /// the others are only used where somebody named them.
    pub const FOR_PASSWORDS: [Mechanism; 7] = [
        Mechanism::ScramSha256Plus,
        Mechanism::ScramSha1Plus,
        Mechanism::ScramSha256,
        Mechanism::ScramSha1,
        Mechanism::CramMd5,
        Mechanism::Plain,
        Mechanism::Login,
    ];

    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(mechanism, _)| *mechanism == self).map_or("", |(_, name)| name)
    }

    /// Every name, for help and errors.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }

    /// A password or token takes part: sent, or in a response that can be tried against guesses by whoever saw it.
    pub fn needs_secret(self) -> bool {
        self != Mechanism::External
    }

    /// Whoever reads the responses has the password or token.
    pub fn reveals_secret(self) -> bool {
        matches!(self, Mechanism::Plain | Mechanism::Login | Mechanism::OauthBearer | Mechanism::Xoauth2)
    }

    /// Bound to the TLS channel.
    pub fn is_bound(self) -> bool {
        matches!(self, Mechanism::ScramSha256Plus | Mechanism::ScramSha1Plus)
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No name of a mechanism that is spoken here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mechanism {0}; there are {names}", names = Mechanism::names().collect::<Vec<_>>().join(", "))]
pub struct UnknownMechanism(String);

/// In any case, as servers offer them (RFC 4954 section 3).
impl FromStr for Mechanism {
    type Err = UnknownMechanism;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        found.map(|(mechanism, _)| *mechanism).ok_or_else(|| UnknownMechanism(text.to_owned()))
    }
}

/// Who logs in, and what an exchange needs besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who we are (the authentication identity). Empty: what the connection says, with [`Mechanism::External`].
    pub user: String,
    /// Whom we want to act as (the authorization identity), if not ourselves.
    pub authzid: Option<String>,
    /// The password, or the access token. Empty for [`Mechanism::External`].
    pub secret: Secret<String>,
    /// Printable, without a comma, never used before: an engine has no randomness of its own.
    pub nonce: String,
    /// Of the TLS channel: tls-server-end-point (RFC 5929 section 4).
    pub binding: Option<Vec<u8>>,
    /// Host and port as they were asked for; told by [`Mechanism::OauthBearer`].
    pub server: Option<(String, u16)>,
}

/// How a client logs in. Who it is, is asked for once it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentication {
    /// What may be used, in the order of preference.
    pub mechanisms: Vec<Mechanism>,
    /// Go on without where the server offers none of them.
    pub optional: bool,
    pub in_clear: InClear,
}

impl Authentication {
    /// Without TLS none of the mechanisms may be used: whatever else the server offers, the session is over.
    pub fn needs_tls(&self) -> bool {
        self.in_clear == InClear::Never && self.mechanisms.iter().all(|mechanism| mechanism.needs_secret())
    }

    /// Whether `mechanism` may be used on this connection at all.
    pub fn allows(&self, mechanism: Mechanism, secure: bool) -> bool {
        secure || self.in_clear != InClear::Never || !mechanism.needs_secret()
    }

    /// Whether `next` may be tried after the server would not have the one before it: over a connection that can be overheard, whoever
    /// sends such a refusal must not get at the password by it.
    pub fn may_follow(&self, next: Mechanism, secure: bool) -> bool {
        secure || self.in_clear == InClear::Local || !next.reveals_secret()
    }
}

/// Whether secrets, or responses that can be cracked, may go where no TLS is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InClear {
    Never,
    /// Somebody asked for it.
    Allowed,
    /// The connection does not leave this host and cannot be overheard: a socket, a pipe.
    Local,
}

/// Why nobody can log in to a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMethod {
    #[error("the server offers no way to log in that can be used{}", offered(.0))]
    NoneFits(Vec<String>),
    /// LOGINDISABLED (RFC 9051 section 6.2.3).
    #[error("the server has logins disabled (LOGINDISABLED){}", offered(.0))]
    Disabled(Vec<String>),
    #[error(transparent)]
    Bare(#[from] Bare),
}

/// Why no secret is sent without TLS (RFC 4954 section 4, RFC 8314 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Bare {
    #[error("no password is sent without TLS; with --allow-plaintext-auth it is")]
    InClear,
    /// What would have been [`Bare::InClear`], had TLS not been asked for: the server does not offer this command.
    #[error("the server does not offer {0}, and no password is sent without TLS; with --tls never --allow-plaintext-auth it is")]
    NoTls(&'static str),
}

fn offered(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": it has AUTH {}", names.join(" ")) }
}

/// What the server offers beside the mechanism that was chosen, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// Some mechanism that binds to the channel.
    Bound,
    /// None: if we could bind, we say so (the gs2 flag `y`), and a server that offered one finds out that somebody took it away.
    Unbound,
}

impl Offered {
    /// Of the names of mechanisms that the server offers.
    pub fn among(names: &[String]) -> Offered {
        let bound = names.iter().any(|name| name.parse().is_ok_and(Mechanism::is_bound));
        if bound { Offered::Bound } else { Offered::Unbound }
    }
}

/// Why an exchange can't go on. One line each, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    /// Of our side: the mechanism has no form for this name or password.
    #[error("{0}")]
    Unfit(&'static str),
    /// The channel can't be bound: no TLS, or a certificate whose signature has no hash of its own.
    #[error("the connection has nothing to bind to")]
    NoBinding,
    #[error("the server's challenge is not base64")]
    NotBase64,
    #[error("{0} has no such challenge")]
    Unexpected(Mechanism),
    #[error("{mechanism}: {what} in the server's challenge")]
    Malformed { mechanism: Mechanism, what: &'static str },
    /// RFC 5802 section 9: somebody else's exchange.
    #[error("{0}: the server changed our nonce")]
    Nonce(Mechanism),
    /// See [`LEAST_ITERATIONS`] and [`MOST_ITERATIONS`].
    #[error("{0}: the server wants {1} iterations; {LEAST_ITERATIONS} to {MOST_ITERATIONS} are done")]
    Iterations(Mechanism, u64),
    #[error("{0}: the server claims success before the exchange is over")]
    Early(Mechanism),
    /// The server may not know the password.
    #[error("{0}: the server did not prove that it knows the password")]
    Unproved(Mechanism),
    /// `server-error` of SCRAM.
    #[error("{0}: the server says {1}")]
    Refused(Mechanism, String),
}

impl SaslError {
    /// The server broke the protocol, rather than refused us or failed to prove itself.
    pub fn is_broken_protocol(&self) -> bool {
        use SaslError::{Early, Malformed, Nonce, NotBase64, Unexpected};
        matches!(self, NotBase64 | Unexpected(_) | Malformed { .. } | Nonce(_) | Early(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        for (mechanism, name) in NAMES {
            assert_eq!((name.to_lowercase().parse(), mechanism.to_string()), (Ok(mechanism), name.to_owned()));
        }
        assert!(
            "SCRAM".parse::<Mechanism>().unwrap_err().to_string().starts_with("unknown mechanism SCRAM; there are SCRAM-SHA")
        );
    }
}
