//! The mechanisms that are one message or two: PLAIN (RFC 4616), LOGIN, CRAM-MD5 (RFC 2195), EXTERNAL (RFC 4422), OAUTHBEARER
//! (RFC 7628), XOAUTH2.

use super::prepare::{gs2_header, prepare};
use super::words::{Login, Mechanism, SaslError};
use crate::bytes::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

/// An exchange whose responses are all known when it begins.
#[derive(Debug)]
pub struct Simple {
    mechanism: Mechanism,
    kind: Kind,
    /// How many challenges were answered.
    answered: usize,
}

#[derive(Debug)]
enum Kind {
    /// The client says all, and the server has nothing to ask.
    Once(Secret<Vec<u8>>),
    /// The client says all; a challenge is the server's complaint, answered by this so that the server can refuse.
    Bearer {
        message: Secret<Vec<u8>>,
        dummy: &'static [u8],
    },
    /// The server asks, whatever it writes in its questions.
    Asked([Secret<Vec<u8>>; 2]),
    Hmac {
        user: String,
        password: Secret<String>,
    },
}

impl Simple {
    pub fn new(mechanism: Mechanism, login: &Login) -> Result<Simple, SaslError> {
        let kind = match mechanism {
            Mechanism::Plain => Kind::Once(plain(login)?),
            Mechanism::Login => {
                needs_user(login)?;
                let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
                Kind::Asked([secret(&login.user), secret(login.secret.reveal())])
            }
            Mechanism::CramMd5 => {
                needs_user(login)?;
                Kind::Hmac { user: login.user.clone(), password: login.secret.clone() }
            }
            Mechanism::OauthBearer => Kind::Bearer { message: oauth_bearer(login)?, dummy: b"\x01" },
            Mechanism::Xoauth2 => Kind::Bearer { message: xoauth2(login)?, dummy: b"" },
            _ => {
                let authzid = login.authzid.as_deref().unwrap_or(&login.user);
                Kind::Once(Secret::new(authzid.as_bytes().to_vec()))
            }
        };
        Ok(Simple { mechanism, kind, answered: 0 })
    }

    pub fn initial(&self) -> Option<Secret<Vec<u8>>> {
        match &self.kind {
            Kind::Once(message) | Kind::Bearer { message, .. } => Some(message.clone()),
            Kind::Asked(_) | Kind::Hmac { .. } => None,
        }
    }

    pub fn respond(&mut self, challenge: &[u8]) -> Result<Secret<Vec<u8>>, SaslError> {
        let answer = match (&self.kind, self.answered) {
            (Kind::Bearer { dummy, .. }, 0) => Secret::new(dummy.to_vec()),
            (Kind::Asked(answers), at) => answers.get(at).cloned().ok_or(SaslError::Unexpected(self.mechanism))?,
            (Kind::Hmac { user, password }, 0) => cram_md5(user, password, challenge),
            _ => return Err(SaslError::Unexpected(self.mechanism)),
        };
        self.answered += 1;
        Ok(answer)
    }

    /// The server said that all is well: that counts once it asked for everything that it needs to know.
    pub fn succeeded(&self) -> Result<(), SaslError> {
        let needed = match &self.kind {
            Kind::Once(_) | Kind::Bearer { .. } => 0,
            Kind::Asked(answers) => answers.len(),
            Kind::Hmac { .. } => 1,
        };
        if self.answered == needed { Ok(()) } else { Err(SaslError::Early(self.mechanism)) }
    }
}

fn needs_user(login: &Login) -> Result<(), SaslError> {
    if login.user.is_empty() { Err(SaslError::Unfit("the mechanism needs a user")) } else { Ok(()) }
}

/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 section 2). What SASLprep has no form for is sent as it is: it is
/// the server that compares.
fn plain(login: &Login) -> Result<Secret<Vec<u8>>, SaslError> {
    needs_user(login)?;
    let parts = [login.authzid.as_deref().unwrap_or_default(), &login.user, login.secret.reveal()];
    if parts.iter().any(|part| part.contains('\0')) {
        return Err(SaslError::Unfit("PLAIN has no form for a NUL in a name or password"));
    }
    if login.secret.reveal().is_empty() {
        return Err(SaslError::Unfit("PLAIN has no form for an empty password"));
    }
    let mut message = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum());
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            message.push(0);
        }
        let prepared = if at > 0 { prepare(part, "").unwrap_or((*part).into()) } else { (*part).into() };
        message.extend_from_slice(prepared.as_bytes());
    }
    Ok(Secret::new(message))
}

/// The user, a space, and in lower-case hex the HMAC-MD5 of the challenge (RFC 2195 section 2).
fn cram_md5(user: &str, password: &Secret<String>, challenge: &[u8]) -> Secret<Vec<u8>> {
    let mut answer = format!("{user} ");
    if let Ok(mac) = <Hmac<Md5> as KeyInit>::new_from_slice(password.reveal().as_bytes()) {
        for byte in mac.chain_update(challenge).finalize().into_bytes() {
            answer += &format!("{byte:02x}");
        }
    }
    Secret::new(answer.into_bytes())
}

/// `client-resp = (gs2-header kvsep *kvpair kvsep)` (RFC 7628 section 3.1)
fn oauth_bearer(login: &Login) -> Result<Secret<Vec<u8>>, SaslError> {
    let authzid = login.authzid.as_deref().unwrap_or(&login.user);
    let mut message = gs2_header("n", Some(authzid).filter(|name| !name.is_empty()));
    message.push('\u{1}');
    if let Some((host, port)) = &login.server {
        message += &format!("host={host}\u{1}port={port}\u{1}");
    }
    bearer(message, login)
}

/// `user=` USER ^A `auth=Bearer ` TOKEN ^A ^A
fn xoauth2(login: &Login) -> Result<Secret<Vec<u8>>, SaslError> {
    needs_user(login)?;
    bearer(format!("user={}\u{1}", login.user), login)
}

fn bearer(mut message: String, login: &Login) -> Result<Secret<Vec<u8>>, SaslError> {
    let names = [Some(login.user.as_str()), login.authzid.as_deref()];
    if names.into_iter().flatten().any(|name| name.chars().any(char::is_control)) {
        return Err(SaslError::Unfit("OAuth has no form for a control character in a name"));
    }
    let token = login.secret.reveal();
    // RFC 6750 section 2.1: b64token.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_token) {
        return Err(SaslError::Unfit("the secret is no access token"));
    }
    message.reserve_exact(token.len() + 16);
    message += "auth=Bearer ";
    message += token;
    message += "\u{1}\u{1}";
    Ok(Secret::new(message.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(user: &str, secret: &str) -> Login {
        Login {
            user: user.into(),
            authzid: None,
            secret: Secret::new(secret.into()),
            nonce: String::new(),
            binding: None,
            server: None,
        }
    }

    fn initial(mechanism: Mechanism, login: &Login) -> String {
        let simple = Simple::new(mechanism, login).unwrap();
        assert_eq!(simple.succeeded(), Ok(()));
        String::from_utf8(simple.initial().unwrap().reveal().clone()).unwrap()
    }

    /// RFC 4616 section 4.
    #[test]
    fn plain() {
        assert_eq!(initial(Mechanism::Plain, &login("tim", "tanstaaftanstaaf")), "\0tim\0tanstaaftanstaaf");
        let ursel = Login { authzid: Some("Ursel".into()), ..login("Kurt", "xipj3plmq") };
        assert_eq!(initial(Mechanism::Plain, &ursel), "Ursel\0Kurt\0xipj3plmq");
        assert_eq!(initial(Mechanism::Plain, &login("I\u{ad}X", "\u{2168}")), "\0IX\0IX");
        assert_eq!(initial(Mechanism::Plain, &login("x", "\u{7}")), "\0x\0\u{7}");
        for (user, password) in [("a\0b", "x"), ("a", "x\0"), ("a", ""), ("", "x")] {
            assert!(matches!(Simple::new(Mechanism::Plain, &login(user, password)), Err(SaslError::Unfit(_))));
        }
        let mut plain = Simple::new(Mechanism::Plain, &login("tim", "x")).unwrap();
        assert_eq!(plain.respond(b"more?"), Err(SaslError::Unexpected(Mechanism::Plain)));
    }

    /// RFC 2195 section 2.
    #[test]
    fn cram_md5() {
        let mut cram = Simple::new(Mechanism::CramMd5, &login("tim", "tanstaaftanstaaf")).unwrap();
        assert!(cram.initial().is_none() && cram.succeeded().is_err());
        let answer = cram.respond(b"<1896.697170952@postoffice.reston.mci.net>").unwrap();
        assert_eq!(answer.reveal(), b"tim b913a602c7eda7a495b4e6e7334d3890");
        assert_eq!(cram.succeeded(), Ok(()));
        assert_eq!(cram.respond(b"again"), Err(SaslError::Unexpected(Mechanism::CramMd5)));
    }

    #[test]
    fn login_answers_two_questions_and_no_third() {
        let mut asked = Simple::new(Mechanism::Login, &login("tim", "secret")).unwrap();
        assert!(asked.initial().is_none());
        assert_eq!(asked.respond(b"Username:").unwrap().reveal(), b"tim");
        assert!(asked.succeeded().is_err());
        assert_eq!(asked.respond(b"anything").unwrap().reveal(), b"secret");
        assert_eq!(asked.succeeded(), Ok(()));
        assert_eq!(asked.respond(b"Shoe size:"), Err(SaslError::Unexpected(Mechanism::Login)));
    }

    #[test]
    fn external_says_whom_or_nothing() {
        assert_eq!(initial(Mechanism::External, &login("", "")), "");
        assert_eq!(initial(Mechanism::External, &Login { authzid: Some("bob".into()), ..login("", "") }), "bob");
        assert_eq!(initial(Mechanism::External, &login("bob", "")), "bob");
    }

    /// RFC 7628 section 4.1 and 4.3; XOAUTH2 as Google documents it.
    #[test]
    fn bearer_tokens() {
        let token = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==";
        let user = Login { server: Some(("server.example.com".into(), 143)), ..login("user@example.com", token) };
        let wanted = format!("n,a=user@example.com,\u{1}host=server.example.com\u{1}port=143\u{1}auth=Bearer {token}\u{1}\u{1}");
        assert_eq!(initial(Mechanism::OauthBearer, &user), wanted);
        let mut bearer = Simple::new(Mechanism::OauthBearer, &user).unwrap();
        assert_eq!(bearer.respond(br#"{"status":"invalid_token"}"#).unwrap().reveal(), b"\x01");
        assert!(bearer.succeeded().is_err(), "a complaint is no success");
        assert_eq!(bearer.respond(b"{}"), Err(SaslError::Unexpected(Mechanism::OauthBearer)));

        let google = initial(Mechanism::Xoauth2, &login("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"));
        assert_eq!(google, "user=someuser@example.com\u{1}auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\u{1}\u{1}");
        let mut google = Simple::new(Mechanism::Xoauth2, &login("x", "t")).unwrap();
        assert_eq!(google.respond(b"{}").unwrap().reveal(), b"");
        for (user, token) in [("a", "x\u{1}auth=y"), ("a\u{1}b", "x"), ("a", ""), ("a", "two words")] {
            assert!(matches!(Simple::new(Mechanism::Xoauth2, &login(user, token)), Err(SaslError::Unfit(_))), "{user} {token}");
        }
    }
}
