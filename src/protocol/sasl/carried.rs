//! One exchange in lines of base64, as SMTP (RFC 4954), POP3 (RFC 5034) and IMAP (RFC 9051 section 6.2.2) carry it. What the server's
//! verdict means, and what is tried next, is each protocol's own.

use super::Exchange;
use super::words::{Login, Mechanism, Offered, SaslError};
use crate::bytes::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Where the initial response stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// In the command's line, where that has at most so many octets with its CRLF; else as [`Initial::Apart`].
    Within(usize),
    /// In a line of its own, for a first challenge that is empty: the protocol has no other place for it (IMAP without SASL-IR, RFC 4959).
    Apart,
}

/// One exchange under way.
#[derive(Debug)]
pub struct Carried {
    mechanism: Mechanism,
    exchange: Exchange,
    /// The initial response, where it is not in the command's line: for the first challenge, which has to be empty.
    withheld: Option<Secret<Vec<u8>>>,
    exposed: bool,
    /// We cancelled, for this reason.
    cancelled: Option<SaslError>,
}

impl Carried {
    /// The exchange, and the line that begins it, without CRLF: `command` (`AUTH`, or a tag and `AUTHENTICATE`), the mechanism's name, and
    /// the initial response where there is one.
    pub fn begin(
        mechanism: Mechanism,
        login: &Login,
        offered: Offered,
        command: &str,
        place: Initial,
    ) -> Result<(Carried, Secret<String>), SaslError> {
        let exchange = Exchange::new(mechanism, login, offered)?;
        let (mut withheld, mut exposed) = (None, false);
        let mut line = format!("{command} {mechanism}");
        if let Some(initial) = exchange.initial() {
            let text = encode(&initial);
            // RFC 4954 section 4, RFC 5034 section 4, RFC 4959 section 3: an empty initial response is a single `=`.
            let text = if text.reveal().is_empty() { Secret::new("=".to_owned()) } else { text };
            let whole = line.len() + 1 + text.reveal().len() + 2;
            if matches!(place, Initial::Within(most) if whole <= most) {
                // No copy of the secret is left behind by a string that grows.
                line.reserve_exact(whole);
                line.push(' ');
                line += text.reveal();
                exposed = mechanism.reveals_secret();
            } else {
                withheld = Some(initial);
            }
        }
        Ok((Carried { mechanism, exchange, withheld, exposed, cancelled: None }, Secret::new(line)))
    }

    /// The line that answers a challenge, which came as this text in base64. After an error the exchange is cancelled by it, and
    /// [`Carried::cancelled`] has the reason.
    pub fn challenge(&mut self, text: &str) -> Secret<String> {
        match self.answer(text) {
            Ok(response) => encode(&response),
            Err(why) => self.cancel(why),
        }
    }

    fn answer(&mut self, text: &str) -> Result<Secret<Vec<u8>>, SaslError> {
        if let Some(why) = &self.cancelled {
            return Err(why.clone());
        }
        let challenge = STANDARD.decode(text).map_err(|_| SaslError::NotBase64)?;
        self.exposed = true;
        match self.withheld.take() {
            Some(initial) if challenge.is_empty() => Ok(initial),
            Some(_) => Err(SaslError::Unexpected(self.mechanism)),
            None => self.exchange.respond(&challenge),
        }
    }

    /// The line that ends the exchange from our side, a single `*` in all three protocols.
    pub fn cancel(&mut self, why: SaslError) -> Secret<String> {
        self.cancelled.get_or_insert(why);
        Secret::new("*".to_owned())
    }

    /// Why we cancelled, if we did: whatever the server answers to that, the exchange failed.
    pub fn cancelled(&mut self) -> Option<SaslError> {
        self.cancelled.take()
    }

    /// The server claims success. An error: it has no right to, and nothing may be entrusted to it.
    pub fn succeeded(&self) -> Result<(), SaslError> {
        self.exchange.succeeded()?;
        if self.withheld.is_some() { Err(SaslError::Early(self.mechanism)) } else { Ok(()) }
    }

    /// What to say of a refusal, where the exchange was bound to the TLS channel. Some servers bind to something else, and say only that the
    /// proof is wrong. Without -PLUS nobody would see who sits in between: that is not ours to choose.
    pub fn advice(&self) -> &'static str {
        if self.mechanism.is_bound() { "; if the password is right, try a mechanism without -PLUS" } else { "" }
    }

    /// Something that comes of the secret was sent.
    pub fn is_exposed(&self) -> bool {
        self.exposed
    }
}

fn encode(bytes: &Secret<Vec<u8>>) -> Secret<String> {
    Secret::new(STANDARD.encode(bytes.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(mechanism: Mechanism, secret: &str, place: Initial) -> (Carried, String) {
        let login = Login {
            user: "bob".to_owned(),
            authzid: None,
            secret: Secret::new(secret.to_owned()),
            nonce: "n".to_owned(),
            binding: None,
            server: None,
        };
        let login = if mechanism == Mechanism::External { Login { user: String::new(), ..login } } else { login };
        let (carried, line) = Carried::begin(mechanism, &login, Offered::Unbound, "a1 AUTHENTICATE", place).unwrap();
        (carried, line.reveal().clone())
    }

    #[test]
    fn the_initial_response_stands_where_the_protocol_has_room_for_it() {
        let line = "a1 AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=";
        let (carried, said) = begun(Mechanism::Plain, "secret", Initial::Within(line.len() + 2));
        assert_eq!((said.as_str(), carried.is_exposed(), carried.succeeded()), (line, true, Ok(())));
        for place in [Initial::Within(line.len() + 1), Initial::Apart] {
            let (mut carried, said) = begun(Mechanism::Plain, "secret", place);
            assert_eq!((said.as_str(), carried.is_exposed()), ("a1 AUTHENTICATE PLAIN", false));
            assert_eq!(carried.succeeded(), Err(SaslError::Early(Mechanism::Plain)));
            assert_eq!(carried.challenge("").reveal(), "AGJvYgBzZWNyZXQ=");
            assert_eq!((carried.succeeded(), carried.is_exposed()), (Ok(()), true));
        }
    }

    #[test]
    fn an_empty_initial_response_is_told_from_none() {
        assert_eq!(begun(Mechanism::External, "", Initial::Within(100)).1, "a1 AUTHENTICATE EXTERNAL =");
        let (mut carried, said) = begun(Mechanism::External, "", Initial::Apart);
        assert_eq!((said.as_str(), carried.challenge("").reveal().as_str()), ("a1 AUTHENTICATE EXTERNAL", ""));
    }

    #[test]
    fn what_is_no_challenge_cancels() {
        let (mut carried, _) = begun(Mechanism::Plain, "secret", Initial::Apart);
        assert_eq!(carried.challenge("YQ==").reveal(), "*");
        assert_eq!(carried.cancelled(), Some(SaslError::Unexpected(Mechanism::Plain)));
        let (mut carried, _) = begun(Mechanism::CramMd5, "secret", Initial::Within(100));
        assert_eq!(carried.challenge("!").reveal(), "*");
        assert_eq!(carried.challenge("").reveal(), "*", "a server that goes on all the same");
        assert_eq!(carried.cancelled(), Some(SaslError::NotBase64));
    }
}
