//! The client's side: how the server is known, and one connector for all connections.

use super::certificate::describe;
use super::files::{self, IdentityFiles, setup};
use super::layer::{Certificate, Handshake, MinVersion, Secured, TlsError, Until, Verdict};
use super::native;
use super::openssl::{Session, failed, finish, oldest, options, stack};
use crate::net::wire::Wire;
use native_tls::TlsConnector;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslStream, SslVerifyMode};
use openssl::x509::X509VerifyResult;
use openssl::x509::verify::X509CheckFlags;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ClientConfig {
    pub verify: Verify,
    /// Trusted in place of the system's certificates.
    pub ca_file: Option<PathBuf>,
    /// What we show when a server asks who we are.
    pub identity: Option<IdentityFiles>,
    pub min_version: MinVersion,
    /// The name that the server is asked for (SNI), where it is not the one to verify.
    pub sni: Option<String>,
    /// What the server shows is reported also where it is refused: its certificate comes with the error, its chain with the facts.
    pub report: bool,
}

impl ClientConfig {
    /// The same, but what the server shows is reported: also where nothing was to be verified, which reads the system's certificates.
    pub fn reporting(self) -> ClientConfig {
        let verify = if self.verify == Verify::Nothing { Verify::Report } else { self.verify };
        ClientConfig { verify, report: true, ..self }
    }
}

/// How the server is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Verify {
    /// By name and chain.
    #[default]
    Pkix,
    /// By the SHA-256 of its certificate, and nothing else.
    Fingerprint([u8; 32]),
    /// Not at all; name and chain are looked at for the report only.
    Report,
    /// Not at all, and no certificate of the system is read: encryption alone, as for opportunistic delivery.
    Nothing,
}

/// A client's TLS: set up when the first connection needs it, then kept. Shared by threads.
pub struct Client {
    config: ClientConfig,
    connector: OnceLock<Result<Connector, TlsError>>,
}

enum Connector {
    Native(TlsConnector),
    OpenSsl(SslContext),
}

impl Client {
    pub fn new(config: ClientConfig) -> Arc<Client> {
        Arc::new(Client { config, connector: OnceLock::new() })
    }

    /// Sets up now, so that a missing file is told before anything is connected.
    pub fn prepare(&self) -> Result<(), TlsError> {
        self.connector().map(|_| ())
    }

    /// Starts TLS with `name`: a host, or an address without brackets. It is sent (SNI) and compared with the certificate.
    pub fn to(self: &Arc<Client>, name: &str) -> Target {
        Target { client: Arc::clone(self), name: name.trim_end_matches('.').to_owned() }
    }

    fn connector(&self) -> Result<&Connector, TlsError> {
        self.connector.get_or_init(|| self.build()).as_ref().map_err(Clone::clone)
    }

    fn build(&self) -> Result<Connector, TlsError> {
        let config = &self.config;
        // native-tls reads the system's certificates also where they are not wanted.
        if config.verify == Verify::Pkix && !config.report && config.sni.is_none() && config.ca_file.is_none() {
            let native = native::connector(config.ca_file.as_deref(), config.identity.as_ref(), config.min_version)?;
            return Ok(Connector::Native(native));
        }
        let mut builder = context(config).map_err(|error| setup(format_args!("cannot set up TLS: {}", stack(&error))))?;
        let refused = |error: ErrorStack| setup(stack(&error));
        for trusted in config.ca_file.iter().map(|path| files::certificates(path)).collect::<Result<Vec<_>, _>>()?.concat() {
            builder.cert_store_mut().add_cert(trusted).map_err(refused)?;
        }
        if let Some(paths) = &config.identity {
            let identity = files::identity(paths)?;
            builder.set_certificate(&identity.certificate).map_err(refused)?;
            builder.set_private_key(&identity.key).map_err(refused)?;
            for issuer in identity.chain {
                builder.add_extra_chain_cert(issuer).map_err(refused)?;
            }
        }
        Ok(Connector::OpenSsl(builder.build()))
    }
}

/// One server that TLS is started with.
#[derive(Clone)]
pub struct Target {
    client: Arc<Client>,
    name: String,
}

impl Handshake for Target {
    fn shake(&self, wire: Wire, until: Until<'_>) -> Result<Box<dyn Secured>, TlsError> {
        match self.client.connector()? {
            Connector::Native(connector) => Ok(Box::new(native::shake(connector, &self.name, wire, until)?)),
            Connector::OpenSsl(context) => Ok(Box::new(self.openssl(context, wire, until)?)),
        }
    }
}

impl Target {
    fn openssl(&self, context: &SslContext, wire: Wire, until: Until<'_>) -> Result<Session, TlsError> {
        let sni = self.client.config.sni.as_deref();
        let mut ssl = session(context, &self.name, sni).map_err(|error| failed(&self.name, stack(&error)))?;
        let refusal = Refusal::default();
        if self.client.config.verify == Verify::Pkix {
            refusal.watch(&mut ssl);
        }
        finish(ssl.connect(wire), &self.name, until, |stream| self.verdict(stream))
            .map_err(|error| refusal.take(&self.name).unwrap_or(error))
    }

    fn verdict(&self, stream: &SslStream<Wire>) -> Result<Verdict, TlsError> {
        let ssl = stream.ssl();
        let shown = || ssl.peer_certificate().and_then(|x509| describe(&x509).ok()).map(Box::new);
        let refused = |why: String| TlsError::Certificate { peer: self.name.clone(), why, shown: shown() };
        match &self.client.config.verify {
            Verify::Fingerprint(wanted) => {
                let Some(certificate) = ssl.peer_certificate() else { return Err(refused("it shows none".into())) };
                let found = certificate.digest(MessageDigest::sha256()).map_err(|error| refused(stack(&error)))?;
                if *found != wanted[..] {
                    return Err(refused(format!("fingerprint mismatch: it is {}", hex(&found))));
                }
                Ok(Verdict::Pinned)
            }
            Verify::Nothing => Ok(Verdict::Unverified("not asked for".into())),
            Verify::Pkix | Verify::Report => Ok(match ssl.verify_result() {
                _ if ssl.peer_certificate().is_none() => Verdict::Unverified("it shows no certificate".into()),
                X509VerifyResult::OK => Verdict::Verified,
                other => Verdict::Unverified(other.error_string().into()),
            }),
        }
    }
}

/// A context like that of the crate's own connector, but without the 45 ms that it takes to read the system's certificates unless
/// they are wanted.
fn context(config: &ClientConfig) -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_options(options());
    builder.set_mode(
        SslMode::AUTO_RETRY | SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE | SslMode::RELEASE_BUFFERS,
    );
    builder.set_min_proto_version(Some(oldest(config.min_version)))?;
    builder.set_cipher_list("DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK")?;
    builder.set_verify(SslVerifyMode::NONE);
    if matches!(config.verify, Verify::Report | Verify::Pkix) && config.ca_file.is_none() {
        builder.set_default_verify_paths()?;
    }
    Ok(builder)
}

/// Why a certificate was refused, and which it was: told by the check itself, for the session is lost with it.
#[derive(Clone, Default)]
struct Refusal(Arc<Mutex<Option<Refused>>>);

struct Refused {
    why: String,
    shown: Option<Box<Certificate>>,
}

impl Refusal {
    /// Verifies by chain and name, and ends the handshake where that fails.
    fn watch(&self, ssl: &mut Ssl) {
        let noted = self.clone();
        ssl.set_verify_callback(SslVerifyMode::PEER, move |good, found| {
            if !good {
                let shown = found.chain().and_then(|chain| chain.get(0)).or_else(|| found.current_cert());
                let shown = shown.and_then(|x509| describe(x509).ok()).map(Box::new);
                let why = found.error().error_string().to_owned();
                *noted.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Refused { why, shown });
            }
            good
        });
    }

    fn take(&self, peer: &str) -> Option<TlsError> {
        let Refused { why, shown } = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(TlsError::Certificate { peer: peer.to_owned(), why, shown })
    }
}

fn session(context: &SslContext, name: &str, sni: Option<&str>) -> Result<Ssl, ErrorStack> {
    let mut ssl = Ssl::new(context)?;
    let param = ssl.param_mut();
    param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS);
    match name.parse::<IpAddr>() {
        Ok(address) => param.set_ip(address)?,
        Err(_) => param.set_host(name)?,
    }
    // RFC 6066 section 3: an address is no name to ask for.
    if let Some(asked) = sni.or(Some(name).filter(|name| name.parse::<IpAddr>().is_err())) {
        ssl.set_hostname(asked)?;
    }
    Ok(ssl)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
