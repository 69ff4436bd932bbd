//! What the rest of the program knows of TLS: how it is started, what came of it, how it fails. Names no TLS library.

use crate::net::wire::Wire;
use std::fmt;
use std::io::{Read, Write};
use std::time::Instant;

/// Starts TLS, as client or server, with everything that was configured.
pub trait Handshake: Send + Sync {
    /// Shakes hands over `wire` until it is done, it failed, or nobody waits for it any more.
    fn shake(&self, wire: Wire, until: Until<'_>) -> Result<Box<dyn Secured>, TlsError>;
}

/// How long a handshake is waited for.
#[derive(Clone, Copy)]
pub struct Until<'a> {
    pub time: Instant,
    /// Asked again and again: nobody waits for it any more.
    pub over: &'a dyn Fn() -> bool,
}

/// A wire inside TLS. `Read` and `Write` give `WouldBlock` when the wire's remembered direction is not ready.
pub trait Secured: Read + Write + Send {
    fn wire(&mut self) -> &mut Wire;

    fn facts(&self) -> &Facts;

    /// Says goodbye (close_notify) as far as that goes without waiting. The peer's goodbye is not waited for.
    fn close(&mut self);
}

/// The oldest version that is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum MinVersion {
    #[default]
    Tls12,
    Tls13,
}

/// What a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// As OpenSSL names it: `TLSv1.3`.
    pub version: String,
    /// As OpenSSL names it: `TLS_AES_256_GCM_SHA384`, `ECDHE-RSA-AES128-GCM-SHA256`.
    pub cipher: String,
    /// The peer's own certificate; a client rarely shows one.
    pub certificate: Option<Certificate>,
    /// What the peer showed behind it, in its order; empty where the library does not tell.
    pub chain: Vec<Certificate>,
    pub verdict: Verdict,
}

impl Facts {
    /// What binds an exchange of SASL to the channel: tls-server-end-point.
    pub fn end_point(&self) -> Option<Vec<u8>> {
        self.certificate.as_ref()?.end_point.clone()
    }
}

/// What a report says of a certificate. The texts come from the peer: they are escaped where they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// `CN=mx.test, O=Test`.
    pub subject: String,
    pub issuer: String,
    /// DNS names and IP addresses of the subjectAltName; none: the common name.
    pub names: Vec<String>,
    /// Seconds since 1970, both.
    pub not_before: i64,
    pub not_after: i64,
    /// `RSA 2048 bits`, `EC 256 bits`.
    pub key: String,
    /// SHA-256 of the DER form.
    pub fingerprint: [u8; 32],
    /// What tls-server-end-point binds to (RFC 5929 section 4.1); none where the signature names no hash of its own.
    pub end_point: Option<Vec<u8>>,
}

impl Certificate {
    /// Lower-case hex, without colons.
    pub fn fingerprint_hex(&self) -> String {
        self.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether the peer is who it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// By name and chain (PKIX).
    Verified,
    /// By the fingerprint that was asked for.
    Pinned,
    /// Encrypted all the same; the text says why it is not verified.
    Unverified(String),
    /// It showed no certificate and none was asked for.
    Anonymous,
}

impl Verdict {
    pub fn is_verified(&self) -> bool {
        matches!(self, Verdict::Verified | Verdict::Pinned)
    }
}

/// `TLSv1.3 TLS_AES_256_GCM_SHA384, verified`.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.cipher)?;
        match &self.verdict {
            Verdict::Verified => f.write_str(", verified"),
            Verdict::Pinned => f.write_str(", fingerprint matches"),
            Verdict::Unverified(why) => write!(f, ", not verified: {why}"),
            Verdict::Anonymous => Ok(()),
        }
    }
}

/// Why TLS could not be started or went on no longer. One line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file or a setting of ours.
    #[error("{0}")]
    Setup(String),
    /// The peer is not who it should be.
    #[error("TLS with {peer}: certificate verify failed: {why}")]
    Certificate {
        peer: String,
        why: String,
        /// The peer's own certificate, where the library lets it be seen.
        shown: Option<Box<Certificate>>,
    },
    /// No common version, garbage, silence, a lost connection.
    #[error("TLS with {peer}: {why}")]
    Handshake { peer: String, why: String },
}
