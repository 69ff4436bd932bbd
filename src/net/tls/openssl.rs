//! TLS by the openssl crate: sessions of servers, and of clients that do not verify by PKIX.

use super::certificate::describe;
use super::layer::{Certificate, Facts, MinVersion, Secured, TlsError, Until, Verdict};
use crate::net::wire::{Wire, reason};
use openssl::error::ErrorStack;
use openssl::ssl::{self, ErrorCode, HandshakeError, MidHandshakeSslStream, SslOptions, SslRef, SslStream, SslVersion};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// How often it is asked whether anybody waits for a handshake still.
const LOOK: Duration = Duration::from_millis(100);
/// Most certificates of a chain that a report tells of.
const LONGEST_CHAIN: usize = 10;

/// The oldest version that is spoken.
pub(super) fn oldest(min: MinVersion) -> SslVersion {
    match min {
        MinVersion::Tls12 => SslVersion::TLS1_2,
        MinVersion::Tls13 => SslVersion::TLS1_3,
    }
}

/// What both sides refuse.
pub(super) fn options() -> SslOptions {
    SslOptions::NO_COMPRESSION | SslOptions::NO_RENEGOTIATION
}

/// A wire inside OpenSSL.
pub(super) struct Session {
    stream: SslStream<Wire>,
    facts: Facts,
    peer: String,
}

/// Carries a handshake that has begun to its end. `verdict` judges the finished session.
pub(super) fn finish(
    mut result: Result<SslStream<Wire>, HandshakeError<Wire>>,
    peer: &str,
    until: Until<'_>,
    verdict: impl FnOnce(&SslStream<Wire>) -> Result<Verdict, TlsError>,
) -> Result<Session, TlsError> {
    loop {
        result = match result {
            Ok(stream) => {
                let facts = facts(&stream, verdict(&stream)?).map_err(|error| failed(peer, stack(&error)))?;
                return Ok(Session { stream, facts, peer: peer.to_owned() });
            }
            Err(HandshakeError::WouldBlock(mut half)) => {
                wait(half.get_mut(), peer, until)?;
                half.handshake()
            }
            Err(HandshakeError::Failure(half)) => return Err(failed(peer, why(half))),
            Err(HandshakeError::SetupFailure(error)) => return Err(failed(peer, stack(&error))),
        };
    }
}

/// Waits for what the handshake waits for.
pub(super) fn wait(wire: &mut Wire, peer: &str, until: Until<'_>) -> Result<(), TlsError> {
    let needs = wire.take_blocked();
    loop {
        if (until.over)() {
            return Err(failed(peer, "broken off by a signal"));
        }
        match wire.wait(needs, None, Some(until.time.min(Instant::now() + LOOK))) {
            Ok(ready) if ready.wire.any() => return Ok(()),
            Ok(_) if Instant::now() < until.time => {}
            Ok(_) => return Err(failed(peer, "no answer in time")),
            Err(error) => return Err(failed(peer, reason(&error))),
        }
    }
}

pub(super) fn failed(peer: &str, why: impl Into<String>) -> TlsError {
    TlsError::Handshake { peer: peer.to_owned(), why: why.into() }
}

/// The plain words of OpenSSL's innermost complaint.
pub(super) fn stack(stack: &ErrorStack) -> String {
    let first = stack.errors().first().and_then(|error| error.reason());
    match first.unwrap_or("OpenSSL gives no reason") {
        // What it says of text where a record's header was due; another version of TLS has other words.
        "wrong version number" => "the peer does not speak TLS there (wrong version number)".to_owned(),
        why => why.to_owned(),
    }
}

/// A read or write inside TLS that failed: a broken record is told from a broken connection. (A connection cut without
/// close_notify reads as an end like any other: no protocol of ours takes it for the end of a message.)
pub(super) fn broken_record(error: io::Error, peer: &str) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<ssl::Error>());
    match inner.filter(|tls| tls.code() == ErrorCode::SSL) {
        None => error,
        Some(tls) => {
            let why = tls.ssl_error().map_or_else(|| tls.to_string(), stack);
            io::Error::new(io::ErrorKind::InvalidData, failed(peer, why))
        }
    }
}

fn why(half: MidHandshakeSslStream<Wire>) -> String {
    let error = half.error();
    match (error.io_error(), error.ssl_error()) {
        (Some(error), _) => reason(error),
        (None, Some(error)) => stack(error),
        (None, None) => "the peer closed the connection".into(),
    }
}

fn facts(stream: &SslStream<Wire>, verdict: Verdict) -> Result<Facts, ErrorStack> {
    let ssl = stream.ssl();
    Ok(Facts {
        version: ssl.version_str().to_owned(),
        cipher: ssl.current_cipher().map_or("none", |cipher| cipher.name()).to_owned(),
        certificate: ssl.peer_certificate().map(|x509| describe(&x509)).transpose()?,
        chain: chain(ssl)?,
        verdict,
    })
}

/// What a server showed behind its own certificate, which comes first (RFC 8446 section 4.4.2).
fn chain(ssl: &SslRef) -> Result<Vec<Certificate>, ErrorStack> {
    if ssl.is_server() {
        return Ok(Vec::new());
    }
    ssl.peer_cert_chain().into_iter().flatten().skip(1).take(LONGEST_CHAIN).map(describe).collect()
}

impl Read for Session {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf).map_err(|error| broken_record(error, &self.peer))
    }
}

impl Write for Session {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf).map_err(|error| broken_record(error, &self.peer))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secured for Session {
    fn wire(&mut self) -> &mut Wire {
        self.stream.get_mut()
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn close(&mut self) {
        // Sent or not: nothing is left to do about it.
        let _ = self.stream.shutdown();
    }
}
