//! The server's side: one certificate with its chain, TLS 1.2 and 1.3.

use super::files::{IdentityFiles, identity, setup};
use super::layer::{Handshake, MinVersion, Secured, TlsError, Until, Verdict};
use super::openssl::{finish, oldest, options, stack};
use crate::net::peer::Peer;
use crate::net::wire::Wire;
use openssl::error::ErrorStack;
use openssl::ssl::{SslAcceptor, SslMethod};

/// A server's TLS, shared by all its connections.
pub struct Server {
    acceptor: SslAcceptor,
}

impl Server {
    /// Reads the files at once: what is wrong with them is told before the first client comes.
    pub fn new(files: &IdentityFiles, min_version: MinVersion) -> Result<Server, TlsError> {
        let identity = identity(files)?;
        let build = || -> Result<SslAcceptor, ErrorStack> {
            let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
            builder.set_options(options());
            builder.set_min_proto_version(Some(oldest(min_version)))?;
            builder.set_certificate(&identity.certificate)?;
            builder.set_private_key(&identity.key)?;
            for issuer in identity.chain {
                builder.add_extra_chain_cert(issuer)?;
            }
            Ok(builder.build())
        };
        let acceptor = build().map_err(|error| {
            setup(format_args!("cannot use the certificate in {}: {}", files.certificate.display(), stack(&error)))
        })?;
        Ok(Server { acceptor })
    }
}

impl Handshake for Server {
    fn shake(&self, wire: Wire, until: Until<'_>) -> Result<Box<dyn Secured>, TlsError> {
        let peer = Peer::of(wire.input()).map_or_else(|_| "a client that left".to_owned(), |peer| peer.to_string());
        let session = finish(self.acceptor.accept(wire), &peer, until, |_| Ok(Verdict::Anonymous))?;
        Ok(Box::new(session))
    }
}
