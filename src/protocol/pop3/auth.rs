//! Logging in: by which commands, in which order, and what the server's responses to one exchange of AUTH (RFC 5034) mean. Whose
//! secrets, the work above knows.

use super::capabilities::Capabilities;
use super::response::{Code, Refusal, Response};
use super::words::{LoginBy, Method};
use crate::bytes::secret::Secret;
use crate::protocol::sasl::carried::{Carried, Initial};
use crate::protocol::sasl::words::{Authentication, Bare, Login, Mechanism, NoMethod, Offered, SaslError};
use md5::{Digest, Md5};
use std::collections::VecDeque;

/// Octets of a command line with its CRLF (RFC 2449 section 4), which holds for AUTH with an initial response, too (RFC 5034 section 4).
const MAX_COMMAND: usize = 255;

/// The ways to try, the strongest first: AUTH's mechanisms in their order, APOP before those that reveal the password, USER last.
pub fn candidates(
    wanted: &Authentication,
    by: LoginBy,
    capabilities: &Capabilities,
    timestamp: bool,
    secure: bool,
) -> Result<VecDeque<Method>, NoMethod> {
    let known: Vec<Mechanism> = capabilities.sasl.iter().filter_map(|name| name.parse().ok()).collect();
    let mut methods: VecDeque<Method> = VecDeque::new();
    if matches!(by, LoginBy::Any | LoginBy::Auth) {
        methods.extend(wanted.mechanisms.iter().copied().filter(|m| known.contains(m)).map(Method::Auth));
    }
    if timestamp && matches!(by, LoginBy::Any | LoginBy::Apop) {
        let place = methods.iter().position(|method| method.mechanism().reveals_secret()).unwrap_or(methods.len());
        methods.insert(place, Method::Apop);
    }
    let takes_user = capabilities.user || !capabilities.known || (methods.is_empty() && capabilities.sasl.is_empty());
    if (by == LoginBy::Any && takes_user) || by == LoginBy::User {
        methods.push_back(Method::User);
    }
    if methods.is_empty() {
        return Err(NoMethod::NoneFits(capabilities.sasl.clone()));
    }
    methods.retain(|method| wanted.allows(method.mechanism(), secure));
    if methods.is_empty() { Err(Bare::InClear.into()) } else { Ok(methods) }
}

/// `APOP name digest`: MD5 of the greeting's timestamp and the password, in lower-case hex (RFC 1939 section 7).
pub fn apop(timestamp: &str, login: &Login) -> Result<Secret<String>, SaslError> {
    let name = argument(&login.user, "APOP has no form for a blank or control character in a name")?;
    if name.contains(' ') {
        return Err(SaslError::Unfit("APOP has no form for a blank or control character in a name"));
    }
    let digest = Md5::new().chain_update(timestamp).chain_update(login.secret.reveal().as_bytes()).finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Secret::new(format!("APOP {name} {hex}")))
}

/// `USER name` and `PASS string`; what could end the line is refused, a blank is not.
pub fn user_and_pass(login: &Login) -> Result<(String, Secret<String>), SaslError> {
    let name = argument(&login.user, "USER has no form for a control character in a name")?;
    let pass = argument(login.secret.reveal(), "PASS has no form for a control character in a password")?;
    Ok((format!("USER {name}"), Secret::new(format!("PASS {pass}"))))
}

fn argument<'a>(text: &'a str, why: &'static str) -> Result<&'a str, SaslError> {
    let bad = text.is_empty() || text.bytes().any(|b| b.is_ascii_control()) || text.len() + 7 > MAX_COMMAND;
    if bad { Err(SaslError::Unfit(why)) } else { Ok(text) }
}

/// One exchange under way.
#[derive(Debug)]
pub struct Authenticating(Carried);

/// What the server's response means.
#[derive(Debug)]
pub enum Verdict {
    /// More to say; without CRLF.
    Say(Secret<String>),
    /// We are who we say, and the server is who it should be.
    Accepted,
    /// The server would not have this mechanism; another one may do.
    OtherMechanism(Refusal),
    /// No, or not now.
    Refused(Refusal),
    /// The exchange failed on our side.
    Failed(SaslError),
}

impl Authenticating {
    /// The exchange, and the command that begins it.
    pub fn begin(
        mechanism: Mechanism,
        login: &Login,
        offered: &Capabilities,
    ) -> Result<(Authenticating, Secret<String>), SaslError> {
        let offered = Offered::among(&offered.sasl);
        let (carried, line) = Carried::begin(mechanism, login, offered, "AUTH", Initial::Within(MAX_COMMAND))?;
        Ok((Authenticating(carried), line))
    }

    /// As [`Carried::advice`].
    pub fn advice(&self) -> &'static str {
        self.0.advice()
    }

    pub fn response(&mut self, response: Response) -> Verdict {
        let carried = &mut self.0;
        if let Some(why) = carried.cancelled() {
            return Verdict::Failed(why);
        }
        match response {
            Response::Challenge(text) => Verdict::Say(carried.challenge(&text)),
            Response::Ok(_) => carried.succeeded().map_or_else(Verdict::Failed, |()| Verdict::Accepted),
            // RFC 3206 section 4: only AUTH says that it is the name or password that is wrong. Without a code it may be the mechanism.
            Response::Err(refusal) if refusal.code.is_none() && !carried.is_exposed() => Verdict::OtherMechanism(refusal),
            Response::Err(refusal) => Verdict::Refused(refusal),
        }
    }
}

/// A refusal that has nothing to do with who we are: a retry may help, with the same password.
pub fn is_not_ours(refusal: &Refusal) -> bool {
    refusal.code.is_some_and(Code::is_temporary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::sasl::words::InClear;

    fn login(user: &str, secret: &str) -> Login {
        Login {
            user: user.to_owned(),
            authzid: None,
            secret: Secret::new(secret.to_owned()),
            nonce: "n".to_owned(),
            binding: None,
            server: None,
        }
    }

    fn ways(sasl: &str, user: bool, known: bool, by: LoginBy, timestamp: bool, secure: bool) -> Result<String, NoMethod> {
        let mut capabilities = Capabilities { known, user, ..Capabilities::default() };
        capabilities.line(format!("SASL {sasl}").as_bytes());
        let wanted = Authentication {
            mechanisms: Mechanism::FOR_PASSWORDS.to_vec(),
            optional: false,
            in_clear: if secure { InClear::Never } else { InClear::Allowed },
        };
        let found = candidates(&wanted, by, &capabilities, timestamp, secure)?;
        Ok(found.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_strongest_comes_first() {
        let any = LoginBy::Any;
        let of = |sasl, user, known, by, stamp| ways(sasl, user, known, by, stamp, true).unwrap();
        assert_eq!(of("PLAIN CRAM-MD5 SCRAM-SHA-1", true, true, any, true), "SCRAM-SHA-1 CRAM-MD5 APOP PLAIN USER");
        assert_eq!(of("", false, false, any, false), "USER", "a server without CAPA");
        assert_eq!(of("", false, true, any, true), "APOP");
        assert_eq!(of("PLAIN", true, true, LoginBy::User, true), "USER");
        assert_eq!(of("PLAIN", true, true, LoginBy::Auth, true), "PLAIN");
        assert_eq!(ways("NTLM", false, true, any, false, true), Err(NoMethod::NoneFits(vec!["NTLM".into()])));
        assert_eq!(ways("PLAIN", true, true, LoginBy::Apop, false, true), Err(NoMethod::NoneFits(vec!["PLAIN".into()])));
    }

    #[test]
    fn without_tls_no_way_is_safe() {
        let wanted = Authentication { mechanisms: Mechanism::FOR_PASSWORDS.to_vec(), optional: false, in_clear: InClear::Never };
        let found = candidates(&wanted, LoginBy::Any, &Capabilities::default(), true, false);
        assert_eq!(found, Err(Bare::InClear.into()), "an answer to APOP can be cracked, too");
        assert!(!wanted.may_follow(Method::User.mechanism(), false) && wanted.may_follow(Method::Apop.mechanism(), false));
    }

    /// The example of RFC 1939 section 7.
    #[test]
    fn apop_is_that_of_the_rfc() {
        let line = apop("<1896.697170952@dbc.mtview.ca.us>", &login("mrose", "tanstaaf")).unwrap();
        assert_eq!(line.reveal(), "APOP mrose c4c9334bac560ecc979e58001b3e22fb");
    }

    #[test]
    fn no_name_and_no_password_ends_the_line() {
        for (user, secret) in [("a\r\nDELE 1", "x"), ("a", "x\r\nDELE 1"), ("a", "x\0"), ("", "x"), ("a", "")] {
            assert!(user_and_pass(&login(user, secret)).is_err(), "{user:?} {secret:?}");
        }
        assert!(apop("<1@b>", &login("a b", "x")).is_err() && apop("<1@b>", &login("a\nb", "x")).is_err());
        assert_eq!(user_and_pass(&login("a", "two words")).unwrap().1.reveal(), "PASS two words");
    }
}
