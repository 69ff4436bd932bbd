//! The TLS options of clients and of the server, and what they come to. What TLS itself does with it is `net::tls`'s.

use super::fingerprint::{self, Fingerprint};
use crate::cli::config::settings::{Account, CertFiles, Config, TlsMode};
use crate::cli::exit::{Failure, Status};
use crate::mail::server::{Host, Place, Scheme, Server};
use crate::net::tls::client::{ClientConfig, Verify};
use crate::net::tls::files::IdentityFiles;
use crate::net::tls::layer::MinVersion;
use crate::protocol::session::StartTls;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Port of submission (RFC 6409): credentials and private mail go there, so it is as strict as the scheme.
const SUBMISSION_PORT: u16 = 587;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, ValueEnum)]
pub enum TlsVersion {
    #[default]
    #[value(name = "1.2")]
    V1_2,
    #[value(name = "1.3")]
    V1_3,
}

/// The flags of a client.
#[derive(Debug, Clone, Default, Args)]
pub struct ClientTlsOptions {
    /// Whether to encrypt: require, opportunistic or never
    ///
    /// `require` encrypts and verifies the server's certificate, or ends the session. `opportunistic` encrypts where the server
    /// offers it and does not verify. `never` speaks plain text. Default: require for logins, submission, URLs with an s, and where
    /// --tls-ca, --tls-name or --tls-fingerprint says what to verify; else opportunistic.
    #[arg(long = "tls", value_name = "WHEN", value_enum, hide_possible_values = true, help_heading = "TLS options")]
    mode: Option<TlsMode>,
    /// Start TLS at once, before the first reply (as smtps:// does)
    #[arg(long, hide_short_help = true, help_heading = "TLS options")]
    tls_implicit: bool,
    /// Trust the authorities in this PEM file, in place of the system's
    #[arg(long, value_name = "FILE", help_heading = "TLS options")]
    tls_ca: Option<PathBuf>,
    /// Show this certificate chain to the server (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS options", hide_short_help = true)]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS options", hide_short_help = true)]
    tls_key: Option<PathBuf>,
    /// The name that the certificate must hold, in place of the server's
    #[arg(long, value_name = "NAME", help_heading = "TLS options", hide_short_help = true)]
    tls_name: Option<String>,
    /// The name to ask the server for (SNI), in place of the one that is verified
    #[arg(long, value_name = "NAME", value_parser = host_name, hide_short_help = true, help_heading = "TLS options")]
    tls_sni: Option<String>,
    /// Take the certificate with this SHA-256 fingerprint and no other
    #[arg(long, value_name = "HEX", value_parser = fingerprint::parse, help_heading = "TLS options", hide_short_help = true)]
    tls_fingerprint: Option<Fingerprint>,
    /// Oldest version of TLS to speak
    #[arg(long, value_name = "VERSION", value_enum, default_value_t, hide_short_help = true, help_heading = "TLS options")]
    tls_min: TlsVersion,
    /// Encrypt without verifying the certificate
    #[arg(long, conflicts_with = "tls_fingerprint", help_heading = "TLS options")]
    tls_insecure: bool,
}

/// How a client uses TLS with one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    pub mode: TlsMode,
    /// TLS comes before the protocol's first byte.
    pub implicit: bool,
    /// Whether the server must be who it says. Never with [`TlsMode::Opportunistic`], unless a name, authority or fingerprint
    /// was asked for.
    pub verify: bool,
    pub ca: Option<PathBuf>,
    pub cert: Option<CertFiles>,
    /// The name to verify; none: the server's host.
    pub name: Option<String>,
    /// The name to ask for; none: the one to verify.
    pub sni: Option<String>,
    pub fingerprint: Option<Fingerprint>,
    pub min: TlsVersion,
}

impl ClientTlsOptions {
    /// As if `--tls require` stood there, where nothing was said of it.
    pub fn required(mut self) -> ClientTlsOptions {
        self.mode.get_or_insert(TlsMode::Require);
        self
    }

    /// What holds for `server`: flag before account before the server's scheme, or what secrets need if any are to be sent. Options
    /// that exclude each other are status 64.
    pub fn resolve(self, server: &Server, account: Option<&Account>, secrets: bool) -> Result<ClientTls, Failure> {
        let usage = |text: &str| Err(Failure::text(Status::Usage, text));
        let implicit = self.tls_implicit || server.scheme.implicit_tls();
        let ca = self.tls_ca.or_else(|| account.and_then(|a| a.tls_ca.clone()));
        let fingerprint = match (self.tls_fingerprint, account.and_then(|a| a.tls_fingerprint)) {
            (None, of_account) if !self.tls_insecure => of_account,
            (of_flag, _) => of_flag,
        };
        let identified = ca.is_some() || fingerprint.is_some() || self.tls_name.is_some();
        let mode = self.mode.or(account.and_then(|a| a.tls)).unwrap_or_else(|| match identified && !self.tls_insecure {
            // Who says what the server has to prove wants no other, nor anybody who reads along.
            true => TlsMode::Require,
            false => by_server(server, implicit, secrets),
        });
        if mode == TlsMode::Never && implicit {
            return usage("TLS cannot be both never and implicit");
        }
        if mode == TlsMode::Never
            && (self.tls_name.is_some() || self.tls_sni.is_some() || self.tls_fingerprint.is_some() || self.tls_insecure)
        {
            return usage("--tls never leaves nothing to verify");
        }
        Ok(ClientTls {
            mode,
            implicit,
            verify: !self.tls_insecure && (mode == TlsMode::Require || identified),
            ca,
            cert: cert_files(self.tls_cert, self.tls_key),
            name: self.tls_name,
            sni: self.tls_sni,
            fingerprint,
            min: self.tls_min,
        })
    }
}

impl ClientTls {
    /// When TLS starts.
    pub fn start(&self) -> StartTls {
        match (self.implicit, self.mode) {
            (true, _) => StartTls::Implicit,
            (_, TlsMode::Require) => StartTls::Required,
            (_, TlsMode::Opportunistic) => StartTls::IfOffered,
            (_, TlsMode::Never) => StartTls::Never,
        }
    }

    /// The settings of the connector that this comes to.
    pub fn connector(&self) -> ClientConfig {
        let verify = match (self.fingerprint, self.verify, self.mode) {
            (Some(pin), ..) => Verify::Fingerprint(pin),
            (None, true, _) => Verify::Pkix,
            (None, false, TlsMode::Require) => Verify::Report,
            (None, false, _) => Verify::Nothing,
        };
        ClientConfig {
            verify,
            ca_file: self.ca.clone(),
            identity: self.cert.as_ref().map(identity_files),
            min_version: self.min.into(),
            sni: self.sni.clone(),
            report: false,
        }
    }
}

impl ServerTls {
    pub fn identity(&self) -> IdentityFiles {
        identity_files(&self.files)
    }
}

/// A name as it stands in a ClientHello: no address, in A-labels.
fn host_name(text: &str) -> Result<String, String> {
    match text.parse() {
        Ok(Host::Name(name)) => Ok(name),
        _ => Err("it is no host name".to_owned()),
    }
}

fn identity_files(files: &CertFiles) -> IdentityFiles {
    IdentityFiles { certificate: files.cert.clone(), key: files.key.clone() }
}

impl From<TlsVersion> for MinVersion {
    fn from(version: TlsVersion) -> MinVersion {
        match version {
            TlsVersion::V1_2 => MinVersion::Tls12,
            TlsVersion::V1_3 => MinVersion::Tls13,
        }
    }
}

/// What a server gets where nothing was asked for: it cannot be read on the way to a socket of this host.
fn by_server(server: &Server, implicit: bool, secrets: bool) -> TlsMode {
    match &server.place {
        Place::Host { .. } | Place::Mx(_) if secrets => TlsMode::Require,
        Place::Host { port: SUBMISSION_PORT, .. } => TlsMode::Require,
        Place::Socket(_) | Place::Command(_) if !implicit && matches!(server.scheme, Scheme::Pop3 | Scheme::Imap) => {
            TlsMode::Opportunistic
        }
        _ if implicit || matches!(server.scheme, Scheme::Submission | Scheme::Pop3 | Scheme::Imap) => TlsMode::Require,
        _ => TlsMode::Opportunistic,
    }
}

/// The flags of the server.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerTlsOptions {
    /// Offer STARTTLS with this certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key", help_heading = "TLS options")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS options")]
    tls_key: Option<PathBuf>,
    /// Start TLS at once, before the greeting
    #[arg(long, help_heading = "TLS options")]
    tls_implicit: bool,
    /// Oldest version of TLS to speak
    #[arg(long, value_name = "VERSION", value_enum, default_value_t, help_heading = "TLS options")]
    tls_min: TlsVersion,
}

/// The server's side of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    pub files: CertFiles,
    pub implicit: bool,
    pub min: TlsVersion,
}

impl ServerTlsOptions {
    /// Flag before file; none: no TLS is offered. `--tls-implicit` without a certificate is status 64.
    pub fn resolve(self, config: &Config) -> Result<Option<ServerTls>, Failure> {
        let files = cert_files(self.tls_cert, self.tls_key).or_else(|| config.listen.tls.clone());
        if files.is_none() && self.tls_implicit {
            return Err(Failure::text(Status::Usage, "--tls-implicit needs --tls-cert and --tls-key"));
        }
        Ok(files.map(|files| ServerTls { files, implicit: self.tls_implicit, min: self.tls_min }))
    }
}

fn cert_files(cert: Option<PathBuf>, key: Option<PathBuf>) -> Option<CertFiles> {
    Some(CertFiles { cert: cert?, key: key? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Client {
        #[command(flatten)]
        tls: ClientTlsOptions,
    }

    #[derive(Parser)]
    struct Listener {
        #[command(flatten)]
        tls: ServerTlsOptions,
    }

    fn client(flags: &str, server: &str, account: Option<&Account>) -> Result<ClientTls, (Status, String)> {
        resolve(flags, server, account, false)
    }

    fn resolve(flags: &str, server: &str, account: Option<&Account>, secrets: bool) -> Result<ClientTls, (Status, String)> {
        let words = std::iter::once("x").chain(flags.split_whitespace());
        let parsed = Client::try_parse_from(words).map_err(|e| (Status::Usage, e.to_string()))?;
        let server = Server::parse(server, Scheme::Smtp).unwrap();
        parsed.tls.resolve(&server, account, secrets).map_err(|f| (f.status, f.error.to_string()))
    }

    #[test]
    fn submission_is_verified_and_port_25_is_not() {
        let of = |server| client("", server, None).map(|tls| (tls.mode, tls.implicit, tls.verify)).unwrap();
        assert_eq!(of("smtp://mx.test"), (TlsMode::Opportunistic, false, false));
        assert_eq!(of("mx.test:587"), (TlsMode::Require, false, true));
        assert_eq!(of("submission://mx.test:2525"), (TlsMode::Require, false, true));
        assert_eq!(of("smtps://mx.test"), (TlsMode::Require, true, true));
        assert_eq!(of("lmtp:/run/lmtp"), (TlsMode::Opportunistic, false, false));
    }

    #[test]
    fn secrets_need_tls_that_verifies() {
        let of = |flags, server| resolve(flags, server, None, true).map(|tls| (tls.mode, tls.verify)).unwrap();
        assert_eq!(of("", "smtp://mx.test"), (TlsMode::Require, true));
        assert_eq!(of("", "127.0.0.1:2525"), (TlsMode::Require, true), "loopback is no exception");
        assert_eq!(of("", "unix:/run/submit"), (TlsMode::Opportunistic, false));
        assert_eq!(of("--tls opportunistic", "mx.test"), (TlsMode::Opportunistic, false));
        assert_eq!(of("--tls never", "mx.test").0, TlsMode::Never);
    }

    #[test]
    fn what_was_asked_for_is_never_passed_over() {
        let pin = "ab".repeat(32);
        let pinned = client(&format!("--tls-fingerprint {pin}"), "mx.test", None).unwrap();
        assert_eq!((pinned.verify, pinned.fingerprint), (true, Some([0xab; 32])));
        let account =
            Account { tls_fingerprint: Some([1; 32]), ..Account::at(Server::parse("smtp://mx.test", Scheme::Smtp).unwrap()) };
        for (flags, account) in [
            (&*format!("--tls-fingerprint {pin}"), None),
            ("--tls-ca /ca.pem", None),
            ("--tls-name x", None),
            ("", Some(&account)),
        ] {
            let of = |flags: &str| client(flags, "mx.test", account).map(|tls| (tls.mode, tls.verify)).unwrap();
            assert_eq!(of(flags), (TlsMode::Require, true), "{flags}");
            assert_eq!(of(&format!("{flags} --tls opportunistic")), (TlsMode::Opportunistic, true), "{flags}");
        }
        assert_eq!(client("--tls-ca /ca.pem --tls-insecure", "mx.test", None).unwrap().mode, TlsMode::Opportunistic);
        assert!(!client("--tls-insecure --tls require", "mx.test", None).unwrap().verify);
        for flags in [
            "--tls never --tls-implicit",
            "--tls never --tls-name x",
            "--tls-sni 192.0.2.1",
            "--tls-sni x.test --tls never",
            "--tls-cert x",
            "--tls maybe",
            "--tls-min 1.1",
        ] {
            assert_eq!(client(flags, "mx.test", None).unwrap_err().0, Status::Usage, "{flags}");
        }
        assert_eq!(client("--tls never", "smtps://mx.test", None).unwrap_err().1, "TLS cannot be both never and implicit");
    }

    #[test]
    fn a_flag_goes_before_the_account() {
        let account = Account {
            tls: Some(TlsMode::Opportunistic),
            tls_ca: Some("/account.pem".into()),
            tls_fingerprint: Some([1; 32]),
            ..Account::at(Server::parse("submission://mail.test", Scheme::Smtp).unwrap())
        };
        let of = |flags| client(flags, "submission://mail.test", Some(&account)).unwrap();
        assert_eq!((of("").mode, of("").fingerprint), (TlsMode::Opportunistic, Some([1; 32])));
        assert_eq!(of("--tls require --tls-ca /flag.pem").ca, Some("/flag.pem".into()));
        assert_eq!(of("--tls require").mode, TlsMode::Require);
        assert_eq!((of("--tls-insecure").verify, of("--tls-insecure").fingerprint), (false, None));
    }

    #[test]
    fn a_server_has_a_certificate_or_offers_nothing() {
        let of = |flags: &str, config: &Config| {
            let words = std::iter::once("x").chain(flags.split_whitespace());
            Listener::try_parse_from(words).unwrap().tls.resolve(config).map_err(|f| f.status)
        };
        let mut config = Config::default();
        assert_eq!(of("", &config), Ok(None));
        assert_eq!(of("--tls-implicit", &config), Err(Status::Usage));
        config.listen.tls = Some(CertFiles { cert: "/c".into(), key: "/k".into() });
        assert!(of("--tls-implicit", &config).unwrap().unwrap().implicit);
        let flag = of("--tls-cert /a --tls-key /b", &config).unwrap().unwrap();
        assert_eq!(flag.files, CertFiles { cert: "/a".into(), key: "/b".into() });
    }
}
