//! Certificates and keys in PEM files.

use super::layer::TlsError;
use crate::net::wire::reason;
use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Where a certificate with its chain, and its key, are found; both may be in one file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdentityFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A certificate, what its issuers vouch with, and its key.
pub struct Identity {
    pub certificate: X509,
    pub chain: Vec<X509>,
    pub key: PKey<Private>,
}

/// Reads certificate, chain and key (PKCS#8, PKCS#1 or SEC1, not encrypted), and checks that they belong together.
pub fn identity(files: &IdentityFiles) -> Result<Identity, TlsError> {
    let mut chain = certificates(&files.certificate)?;
    let certificate = chain.remove(0);
    let pem = read(&files.key)?;
    // With no answer for a passphrase, OpenSSL would ask on the terminal.
    let key = PKey::private_key_from_pem_callback(&pem, |_| Err(ErrorStack::get()));
    let key = key.map_err(|_| setup(format_args!("{} holds no private key without passphrase", files.key.display())))?;
    let same = certificate.public_key().is_ok_and(|public| public.public_eq(&key));
    if !same {
        let (key, certificate) = (files.key.display(), files.certificate.display());
        return Err(setup(format_args!("the key in {key} is not that of the certificate in {certificate}")));
    }
    Ok(Identity { certificate, chain, key })
}

/// Reads one certificate or more, in the file's order.
pub fn certificates(path: &Path) -> Result<Vec<X509>, TlsError> {
    let found = X509::stack_from_pem(&read(path)?).unwrap_or_default();
    if found.is_empty() {
        return Err(setup(format_args!("{} holds no certificate", path.display())));
    }
    Ok(found)
}

pub(super) fn setup(why: impl fmt::Display) -> TlsError {
    TlsError::Setup(why.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| setup(format_args!("cannot open {}: {}", path.display(), reason(&error))))
}
