//! What the options of a transcript say of logging in, for the bare engine.

#![allow(dead_code)]

use super::transcript::Transcript;
use postroad::bytes::secret::Secret;
use postroad::protocol::sasl::words::{Authentication, InClear, Login, Mechanism};

/// The password behind `$PASSWORD`, for every user.
pub const PASSWORD: &str = "s3cret";

pub fn authentication(transcript: &Transcript) -> Option<Authentication> {
    let named = transcript.value("--auth").map(|names| names.split(',').map(|name| name.parse().unwrap()).collect());
    if named.is_none() && transcript.value("--user").is_none() {
        return None;
    }
    let in_clear = if transcript.has("--allow-plaintext-auth") { InClear::Allowed } else { InClear::Never };
    let mechanisms = named.unwrap_or_else(|| Mechanism::FOR_PASSWORDS.to_vec());
    Some(Authentication { mechanisms, optional: transcript.has("--auth-optional"), in_clear })
}

pub fn login(user: &str) -> Login {
    Login {
        user: user.to_owned(),
        authzid: None,
        secret: Secret::new(PASSWORD.to_owned()),
        nonce: "fyko+d2lbbFgONRv9qkxdawL".to_owned(),
        binding: None,
        server: None,
    }
}
