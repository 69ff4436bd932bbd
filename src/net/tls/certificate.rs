//! What a report says of a certificate, taken from its X.509 form.

use super::layer::Certificate;
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKeyRef, Public};
use openssl::x509::{X509NameRef, X509Ref};
use std::net::IpAddr;

const DAY: i64 = 24 * 60 * 60;

/// Reads a certificate; fails only where OpenSSL has no memory or the date is no date.
pub fn describe(x509: &X509Ref) -> Result<Certificate, ErrorStack> {
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(&x509.digest(MessageDigest::sha256())?);
    Ok(Certificate {
        subject: name(x509.subject_name()),
        issuer: name(x509.issuer_name()),
        names: names(x509),
        not_before: unix_time(x509.not_before())?,
        not_after: unix_time(x509.not_after())?,
        key: x509.public_key().map_or_else(|_| "unknown".to_owned(), |key| describe_key(&key)),
        fingerprint,
        end_point: end_point(x509)?,
    })
}

/// RFC 5929 section 4.1: hashed with the hash of the certificate's signature, with SHA-256 in place of MD5 and SHA-1.
fn end_point(x509: &X509Ref) -> Result<Option<Vec<u8>>, ErrorStack> {
    let signature = x509.signature_algorithm().object().nid().signature_algorithms();
    let hash = match signature.map(|algorithms| algorithms.digest) {
        Some(Nid::MD5 | Nid::SHA1) => Some(MessageDigest::sha256()),
        Some(digest) => MessageDigest::from_nid(digest),
        None => None,
    };
    hash.map(|hash| x509.digest(hash).map(|digest| digest.to_vec())).transpose()
}

/// Kind and size.
fn describe_key(key: &PKeyRef<Public>) -> String {
    match key.id() {
        Id::RSA => format!("RSA {} bits", key.bits()),
        Id::EC => format!("EC {} bits", key.bits()),
        Id::ED25519 => "Ed25519".to_owned(),
        Id::ED448 => "Ed448".to_owned(),
        Id::DSA => format!("DSA {} bits", key.bits()),
        _ => format!("{} bits", key.bits()),
    }
}

/// `CN=mx.test, O=Test`, in the certificate's order.
fn name(name: &X509NameRef) -> String {
    let parts = name.entries().map(|entry| {
        let key = entry.object().nid().short_name().unwrap_or("?");
        let value = entry.data().to_string().unwrap_or_default();
        format!("{key}={value}")
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// RFC 6125 section 6.4.4: the common name counts only where there is no other.
fn names(x509: &X509Ref) -> Vec<String> {
    let mut found = Vec::new();
    for alternative in x509.subject_alt_names().iter().flatten() {
        if let Some(dns) = alternative.dnsname() {
            found.push(dns.to_owned());
        } else if let Some(address) = alternative.ipaddress().and_then(address) {
            found.push(address.to_string());
        }
    }
    if found.is_empty() {
        let common = x509.subject_name().entries_by_nid(Nid::COMMONNAME);
        found.extend(common.filter_map(|entry| entry.data().to_string().ok()));
    }
    found
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn unix_time(time: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let since = Asn1Time::from_unix(0)?.diff(time)?;
    Ok(i64::from(since.days) * DAY + i64::from(since.secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::x509::{X509, X509Builder};

    fn signed(key: &PKey<Private>, digest: MessageDigest) -> X509 {
        let mut builder = X509Builder::new().unwrap();
        builder.set_version(2).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
        builder.set_pubkey(key).unwrap();
        builder.sign(key, digest).unwrap();
        builder.build()
    }

    /// RFC 5929 section 4.1.
    #[test]
    fn the_end_point_is_hashed_as_the_signature_is_but_never_weakly() {
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        for (signature, hash) in [
            (MessageDigest::md5(), MessageDigest::sha256()),
            (MessageDigest::sha1(), MessageDigest::sha256()),
            (MessageDigest::sha256(), MessageDigest::sha256()),
            (MessageDigest::sha384(), MessageDigest::sha384()),
            (MessageDigest::sha512(), MessageDigest::sha512()),
        ] {
            let x509 = signed(&rsa, signature);
            let wanted = x509.digest(hash).unwrap().to_vec();
            assert_eq!(describe(&x509).unwrap().end_point, Some(wanted), "{:?}", signature.type_());
        }
        let ed25519 = PKey::generate_ed25519().unwrap();
        assert_eq!(describe(&signed(&ed25519, MessageDigest::null())).unwrap().end_point, None, "it has no hash of its own");
    }
}
