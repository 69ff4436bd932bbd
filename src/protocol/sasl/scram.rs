//! SCRAM (RFC 5802, RFC 7677), with and without channel binding: neither side believes the other before it proved that it knows the
//! password.

use super::prepare::{gs2_header, prepare, saslname};
use super::words::{LEAST_ITERATIONS, Login, MOST_ITERATIONS, Mechanism, Offered, SaslError};
use crate::bytes::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, Copy)]
enum Hash {
    Sha1,
    Sha256,
}

#[derive(Debug)]
enum State {
    /// Our first message is out.
    First,
    /// Our proof is out; the server's has to be this.
    Final { signature: Vec<u8> },
    /// The server's proof was right.
    Proved,
}

/// One exchange.
#[derive(Debug)]
pub struct Scram {
    mechanism: Mechanism,
    hash: Hash,
    state: State,
    password: Secret<String>,
    nonce: String,
    /// What `c=` holds, before base64.
    channel: Vec<u8>,
    gs2_header: String,
    client_first_bare: String,
}

impl Scram {
    pub fn new(mechanism: Mechanism, login: &Login, offered: Offered) -> Result<Scram, SaslError> {
        let hash = match mechanism {
            Mechanism::ScramSha256 | Mechanism::ScramSha256Plus => Hash::Sha256,
            _ => Hash::Sha1,
        };
        let flag = match (mechanism.is_bound(), &login.binding, offered) {
            (true, None, _) => return Err(SaslError::NoBinding),
            (true, Some(_), _) => "p=tls-server-end-point",
            (false, Some(_), Offered::Unbound) => "y",
            (false, ..) => "n",
        };
        let user = prepare(&login.user, "SCRAM has no form for this user's name")?;
        if user.is_empty() {
            return Err(SaslError::Unfit("SCRAM needs a user"));
        }
        if login.nonce.is_empty() || login.nonce.contains(',') {
            return Err(SaslError::Unfit("SCRAM needs a nonce"));
        }
        let password = prepare(login.secret.reveal(), "SCRAM has no form for this password")?.into_owned();
        let gs2_header = gs2_header(flag, login.authzid.as_deref());
        let mut channel = gs2_header.clone().into_bytes();
        if mechanism.is_bound() {
            channel.extend_from_slice(login.binding.as_deref().unwrap_or_default());
        }
        Ok(Scram {
            mechanism,
            hash,
            state: State::First,
            password: Secret::new(password),
            nonce: login.nonce.clone(),
            channel,
            gs2_header,
            client_first_bare: format!("n={},r={}", saslname(&user), login.nonce),
        })
    }

    /// `client-first-message = gs2-header client-first-message-bare`
    pub fn initial(&self) -> Vec<u8> {
        format!("{}{}", self.gs2_header, self.client_first_bare).into_bytes()
    }

    pub fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, SaslError> {
        let text = std::str::from_utf8(challenge).map_err(|_| self.malformed("no UTF-8"))?;
        match &self.state {
            State::First => self.server_first(text),
            State::Final { signature } => {
                let proved = server_final(self.mechanism, text, signature);
                proved.map(|()| {
                    self.state = State::Proved;
                    Vec::new()
                })
            }
            State::Proved => Err(SaslError::Unexpected(self.mechanism)),
        }
    }

    /// The server said that all is well: that counts once it proved itself.
    pub fn succeeded(&self) -> Result<(), SaslError> {
        if matches!(self.state, State::Proved) { Ok(()) } else { Err(SaslError::Unproved(self.mechanism)) }
    }

    /// `server-first-message = [reserved-mext ","] nonce "," salt "," iteration-count ["," extensions]`; an extension that must be
    /// understood (`m=`) is not.
    fn server_first(&mut self, text: &str) -> Result<Vec<u8>, SaslError> {
        let mut parts = text.split(',');
        let mut part =
            |name: &str, missing| parts.next().and_then(|p| p.strip_prefix(name)).ok_or_else(|| self.malformed(missing));
        let nonce = part("r=", "no nonce")?;
        let salt = part("s=", "no salt")?;
        let iterations = part("i=", "no iteration count")?;
        if parts.any(|extension| extension.starts_with("m=")) {
            return Err(self.malformed("an unknown extension"));
        }
        if nonce.strip_prefix(self.nonce.as_str()).is_none_or(str::is_empty) {
            return Err(SaslError::Nonce(self.mechanism));
        }
        let salt = STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty()).ok_or_else(|| self.malformed("a bad salt"))?;
        let digits = !iterations.is_empty() && iterations.bytes().all(|b| b.is_ascii_digit());
        if !digits {
            return Err(self.malformed("a bad iteration count"));
        }
        // More digits than fit are too many iterations in any case.
        let count = iterations.parse().unwrap_or(u64::MAX);
        let rounds = u32::try_from(count).ok().filter(|_| (LEAST_ITERATIONS..=MOST_ITERATIONS).contains(&count));
        let rounds = rounds.ok_or(SaslError::Iterations(self.mechanism, count))?;
        Ok(self.client_final(text, nonce, &salt, rounds))
    }

    /// `client-final-message = channel-binding "," nonce "," proof` (RFC 5802 section 3 has the formulas)
    fn client_final(&mut self, server_first: &str, nonce: &str, salt: &[u8], rounds: u32) -> Vec<u8> {
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(&self.channel));
        let auth_message = format!("{},{server_first},{without_proof}", self.client_first_bare);
        let (hash, auth_message) = (self.hash, auth_message.as_bytes());
        let salted = Secret::new(hash.salted(self.password.reveal().as_bytes(), salt, rounds));
        let client_key = Secret::new(hash.hmac(salted.reveal(), b"Client Key"));
        let client_signature = hash.hmac(&hash.digest(client_key.reveal()), auth_message);
        let proof: Vec<u8> = client_key.reveal().iter().zip(&client_signature).map(|(a, b)| a ^ b).collect();
        let signature = hash.hmac(&hash.hmac(salted.reveal(), b"Server Key"), auth_message);
        self.state = State::Final { signature };
        format!("{without_proof},p={}", STANDARD.encode(proof)).into_bytes()
    }

    fn malformed(&self, what: &'static str) -> SaslError {
        SaslError::Malformed { mechanism: self.mechanism, what }
    }
}

/// `server-final-message = (server-error / verifier) ["," extensions]`
fn server_final(mechanism: Mechanism, text: &str, signature: &[u8]) -> Result<(), SaslError> {
    let first = text.split(',').next().unwrap_or_default();
    if let Some(error) = first.strip_prefix("e=") {
        return Err(SaslError::Refused(mechanism, error.to_owned()));
    }
    let verifier = first.strip_prefix("v=").and_then(|v| STANDARD.decode(v).ok());
    match verifier {
        Some(verifier) if verifier == signature => Ok(()),
        _ => Err(SaslError::Unproved(mechanism)),
    }
}

impl Hash {
    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(bytes).to_vec(),
            Hash::Sha256 => Sha256::digest(bytes).to_vec(),
        }
    }

    fn hmac(self, key: &[u8], bytes: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => hmac::<Hmac<Sha1>>(key, bytes),
            Hash::Sha256 => hmac::<Hmac<Sha256>>(key, bytes),
        }
    }

    /// `Hi(str, salt, i)`, which is PBKDF2 for one block.
    fn salted(self, password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
        match self {
            Hash::Sha1 => {
                let mut key = vec![0; 20];
                pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, rounds, &mut key);
                key
            }
            Hash::Sha256 => {
                let mut key = vec![0; 32];
                pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, rounds, &mut key);
                key
            }
        }
    }
}

/// A key of any length has an HMAC (RFC 2104 section 2).
fn hmac<M: Mac + KeyInit>(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let Ok(mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
    mac.chain_update(bytes).finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(nonce: &str) -> Login {
        Login {
            user: "user".into(),
            authzid: None,
            secret: Secret::new("pencil".into()),
            nonce: nonce.into(),
            binding: None,
            server: None,
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    /// RFC 5802 section 5.
    fn sha1() -> Scram {
        Scram::new(Mechanism::ScramSha1, &login("fyko+d2lbbFgONRv9qkxdawL"), Offered::Unbound).unwrap()
    }

    /// RFC 7677 section 3.
    fn sha256() -> Scram {
        Scram::new(Mechanism::ScramSha256, &login("rOprNGfwEbeRWgbNEkqO"), Offered::Unbound).unwrap()
    }

    const SHA256_FIRST: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

    #[test]
    fn the_vectors_of_rfc_5802_and_rfc_7677() {
        let mut scram = sha1();
        assert_eq!(text(scram.initial()), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
        let first = b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
        let last = text(scram.respond(first).unwrap());
        assert_eq!(last, "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=");
        assert!(scram.succeeded().is_err());
        assert_eq!(scram.respond(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="), Ok(Vec::new()));
        assert_eq!(scram.succeeded(), Ok(()));
        assert_eq!(scram.respond(b""), Err(SaslError::Unexpected(Mechanism::ScramSha1)));

        let mut scram = sha256();
        let last = text(scram.respond(SHA256_FIRST).unwrap());
        let proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(last, format!("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p={proof}"));
        assert_eq!(scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), Ok(Vec::new()));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        for last in
            ["v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", "v=", "v=AAAA", "", "x=1", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="]
        {
            let mut scram = sha256();
            scram.respond(SHA256_FIRST).unwrap();
            assert_eq!(scram.respond(last.as_bytes()), Err(SaslError::Unproved(Mechanism::ScramSha256)), "{last}");
            assert!(scram.succeeded().is_err());
        }
        let mut scram = sha256();
        scram.respond(SHA256_FIRST).unwrap();
        let refused = SaslError::Refused(Mechanism::ScramSha256, "invalid-proof".into());
        assert_eq!(scram.respond(b"e=invalid-proof"), Err(refused));
    }

    #[test]
    fn what_a_first_message_may_not_say() {
        let of = |first: &str| sha256().respond(first.as_bytes()).unwrap_err();
        let iterations = |n| SaslError::Iterations(Mechanism::ScramSha256, n);
        let nonce = SaslError::Nonce(Mechanism::ScramSha256);
        let good = "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==";
        assert_eq!([of(&format!("{good},i=1")), of(&format!("{good},i=4095"))], [iterations(1), iterations(4095)]);
        assert_eq!(of(&format!("{good},i=2147483648")), iterations(1 << 31));
        assert_eq!(of(&format!("{good},i=99999999999999999999999")), iterations(u64::MAX));
        assert_eq!(of("r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096"), nonce, "nothing added");
        assert_eq!(of("r=ROprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096"), nonce);
        for bad in [
            String::new(),
            "r=rOprNGfwEbeRWgbNEkqOx".into(),
            format!("m=x,{good},i=4096"),
            format!("{good},i=4096,m=x"),
            format!("{good},i=-1"),
            format!("{good},i="),
            "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096".into(),
            "r=rOprNGfwEbeRWgbNEkqOx,s=!,i=4096".into(),
        ] {
            assert!(matches!(of(&bad), SaslError::Malformed { .. }), "{bad}");
        }
        assert!(sha256().respond(format!("{good},i=4096,x=unknown").as_bytes()).is_ok());
        assert!(matches!(sha256().respond(b"\xff"), Err(SaslError::Malformed { .. })));
    }

    #[test]
    fn the_channel_is_bound_where_it_can_be() {
        let bound = Login { binding: Some(vec![1, 2, 3]), authzid: Some("a,b".into()), ..login("nonce") };
        let initial = |mechanism, login: &Login, offered| Scram::new(mechanism, login, offered).map(|s| text(s.initial()));
        let plus = initial(Mechanism::ScramSha256Plus, &bound, Offered::Bound).unwrap();
        assert_eq!(plus, "p=tls-server-end-point,a=a=2Cb,n=user,r=nonce");
        assert!(initial(Mechanism::ScramSha256, &bound, Offered::Unbound).unwrap().starts_with("y,a="));
        assert!(initial(Mechanism::ScramSha256, &bound, Offered::Bound).unwrap().starts_with("n,a="));
        assert!(initial(Mechanism::ScramSha1, &login("x"), Offered::Unbound).unwrap().starts_with("n,,"));
        assert_eq!(initial(Mechanism::ScramSha1Plus, &login("x"), Offered::Bound), Err(SaslError::NoBinding));

        let mut scram = Scram::new(Mechanism::ScramSha1Plus, &bound, Offered::Bound).unwrap();
        let last = text(scram.respond(b"r=nonce1,s=AAAA,i=4096").unwrap());
        let channel = STANDARD.encode(b"p=tls-server-end-point,a=a=2Cb,\x01\x02\x03");
        assert!(last.starts_with(&format!("c={channel},r=nonce1,p=")), "{last}");
    }

    #[test]
    fn names_are_prepared_and_written_as_codes() {
        let odd = Login { user: "I\u{ad}X=,".into(), ..login("n") };
        assert_eq!(text(Scram::new(Mechanism::ScramSha1, &odd, Offered::Unbound).unwrap().initial()), "n,,n=IX=3D=2C,r=n");
        let bell = Login { secret: Secret::new("\u{7}".into()), ..login("n") };
        assert!(matches!(Scram::new(Mechanism::ScramSha1, &bell, Offered::Unbound), Err(SaslError::Unfit(_))));
    }
}
