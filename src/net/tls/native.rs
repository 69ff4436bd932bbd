//! TLS by native-tls: clients that verify the server by name and chain.

use super::certificate::describe;
use super::files::{self, setup};
use super::hello::Watch;
use super::layer::{Certificate, Facts, MinVersion, Secured, TlsError, Until, Verdict};
use super::openssl::{broken_record, failed, stack, wait};
use crate::net::wire::Wire;
use native_tls::{HandshakeError, Protocol, TlsConnector, TlsStream};
use openssl::error::ErrorStack;
use openssl::ssl::{Ssl, SslContext, SslMethod};
use openssl::x509::X509;
use std::error::Error;
use std::io::{self, Read, Write};
use std::path::Path;

/// Builds what is kept for all connections. Reading the system's certificates takes about 45 ms where they are in one file.
pub(super) fn connector(
    ca_file: Option<&Path>,
    identity: Option<&files::IdentityFiles>,
    min: MinVersion,
) -> Result<TlsConnector, TlsError> {
    let mut builder = TlsConnector::builder();
    builder.min_protocol_version(Some(match min {
        MinVersion::Tls12 => Protocol::Tlsv12,
        MinVersion::Tls13 => Protocol::Tlsv13,
    }));
    if let Some(path) = ca_file {
        builder.disable_built_in_roots(true);
        for x509 in files::certificates(path)? {
            let der = x509.to_der().map_err(|error| setup(stack(&error)))?;
            builder.add_root_certificate(native_tls::Certificate::from_der(&der).map_err(setup)?);
        }
    }
    if let Some(paths) = identity {
        builder.identity(native_identity(paths)?);
    }
    builder.build().map_err(|error| setup(format_args!("cannot set up TLS: {error}")))
}

/// Shakes hands with `name`, which the certificate has to bear.
pub(super) fn shake(connector: &TlsConnector, name: &str, wire: Wire, until: Until<'_>) -> Result<Session, TlsError> {
    let mut result = connector.connect(name, Watched { wire, watch: Watch::default() });
    loop {
        result = match result {
            Ok(stream) => {
                let facts = facts(&stream).map_err(|error| failed(name, stack(&error)))?;
                return Ok(Session { stream, facts, name: name.to_owned() });
            }
            Err(HandshakeError::WouldBlock(mut half)) => {
                wait(&mut half.get_mut().wire, name, until)?;
                half.handshake()
            }
            Err(HandshakeError::Failure(error)) => return Err(explain(name, &error)),
        };
    }
}

/// A wire inside native-tls.
pub(super) struct Session {
    stream: TlsStream<Watched>,
    facts: Facts,
    name: String,
}

/// A wire whose first bytes are looked at.
#[derive(Debug)]
struct Watched {
    wire: Wire,
    watch: Watch,
}

impl Read for Watched {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.wire.read(buf)?;
        self.watch.see(&buf[..n]);
        Ok(n)
    }
}

impl Write for Watched {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.wire.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Session {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf).map_err(|error| broken_record(error, &self.name))
    }
}

impl Write for Session {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf).map_err(|error| broken_record(error, &self.name))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secured for Session {
    fn wire(&mut self) -> &mut Wire {
        &mut self.stream.get_mut().wire
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn close(&mut self) {
        // Sent or not: nothing is left to do about it.
        let _ = self.stream.shutdown();
    }
}

/// native-tls takes PKCS#8 keys only.
fn native_identity(paths: &files::IdentityFiles) -> Result<native_tls::Identity, TlsError> {
    let identity = files::identity(paths)?;
    let pem = || -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
        let mut chain = identity.certificate.to_pem()?;
        for issuer in &identity.chain {
            chain.extend(issuer.to_pem()?);
        }
        Ok((chain, identity.key.private_key_to_pem_pkcs8()?))
    };
    let (chain, key) = pem().map_err(|error| setup(stack(&error)))?;
    native_tls::Identity::from_pkcs8(&chain, &key).map_err(setup)
}

fn facts(stream: &TlsStream<Watched>) -> Result<Facts, ErrorStack> {
    let chosen = stream.get_ref().watch.chosen();
    Ok(Facts {
        version: chosen.map_or_else(|| "unknown".into(), |chosen| chosen.version_name()),
        cipher: chosen.map_or_else(|| "unknown".into(), |chosen| cipher_name(chosen.cipher)),
        certificate: certificate(stream),
        chain: Vec::new(),
        verdict: Verdict::Verified,
    })
}

fn certificate(stream: &TlsStream<Watched>) -> Option<Certificate> {
    let der = stream.peer_certificate().ok()??.to_der().ok()?;
    describe(X509::from_der(&der).ok()?.as_ref()).ok()
}

/// OpenSSL's name of a cipher, or its number where OpenSSL has none.
fn cipher_name(number: u16) -> String {
    let look_up = || -> Result<Option<String>, ErrorStack> {
        let context = SslContext::builder(SslMethod::tls())?.build();
        let lists = Ssl::new(&context)?.bytes_to_cipher_list(&number.to_be_bytes(), false)?;
        Ok(lists.suites.iter().next().map(|cipher| cipher.name().to_owned()))
    };
    look_up().ok().flatten().unwrap_or_else(|| format!("{number:#06x}"))
}

/// The failure in one line. What is wrong with a certificate stands only in native-tls's text, in brackets at its end.
fn explain(name: &str, error: &native_tls::Error) -> TlsError {
    let text = error.to_string();
    let source = error.source();
    if let Some(error) = source.and_then(|source| source.downcast_ref::<io::Error>()) {
        return failed(name, crate::net::wire::reason(error));
    }
    let Some(errors) = source.and_then(|source| source.downcast_ref::<ErrorStack>()) else {
        return failed(name, if text == "unexpected EOF" { "the peer closed the connection".to_owned() } else { text });
    };
    let verdict = text.strip_prefix(&errors.to_string()).map(|rest| rest.trim().trim_matches(['(', ')']));
    match verdict {
        Some(why) if !why.is_empty() && is_certificate(errors) => {
            TlsError::Certificate { peer: name.to_owned(), why: why.to_owned(), shown: None }
        }
        _ => failed(name, stack(errors)),
    }
}

/// Among errors of what verifying made of it: a chain whose signatures are wrong has those first.
fn is_certificate(errors: &ErrorStack) -> bool {
    errors.errors().iter().any(|error| error.reason() == Some("certificate verify failed"))
}
