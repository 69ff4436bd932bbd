//! Throw-away certificates: an authority, and what it signs.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use postroad::net::tls::files::IdentityFiles;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY: i64 = 24 * 60 * 60;

pub struct Pair {
    pub certificate: X509,
    pub key: PKey<Private>,
}

/// A new authority.
pub fn authority() -> Pair {
    let key = new_key();
    let mut builder = start("Test Authority", &key, 30);
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().build().unwrap()).unwrap();
    let name = subject("Test Authority");
    builder.set_issuer_name(&name).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Pair { certificate: builder.build(), key }
}

impl Pair {
    /// A certificate for `names` (hosts and addresses) that ends `days` from now; negative: it ended.
    pub fn issue(&self, names: &[&str], days: i64) -> Pair {
        let key = new_key();
        let mut builder = start(names[0], &key, days);
        let mut alternatives = SubjectAlternativeName::new();
        for name in names {
            if name.parse::<std::net::IpAddr>().is_ok() {
                alternatives.ip(name);
            } else {
                alternatives.dns(name);
            }
        }
        let alternatives = alternatives.build(&builder.x509v3_context(Some(&self.certificate), None)).unwrap();
        builder.append_extension(alternatives).unwrap();
        builder.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build().unwrap()).unwrap();
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        Pair { certificate: builder.build(), key }
    }

    /// Writes certificate and key into `dir`, as `NAME.pem` and `NAME.key`.
    pub fn files(&self, dir: &Path, name: &str) -> IdentityFiles {
        let (certificate, key) = (self.certificate_file(dir, name), dir.join(format!("{name}.key")));
        std::fs::write(&key, self.key.private_key_to_pem_pkcs8().unwrap()).unwrap();
        IdentityFiles { certificate, key }
    }

    pub fn certificate_file(&self, dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(format!("{name}.pem"));
        std::fs::write(&path, self.certificate.to_pem().unwrap()).unwrap();
        path
    }

    pub fn fingerprint(&self) -> [u8; 32] {
        self.certificate.digest(MessageDigest::sha256()).unwrap().as_ref().try_into().unwrap()
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn subject(name: &str) -> openssl::x509::X509Name {
    let mut builder = X509NameBuilder::new().unwrap();
    builder.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    builder.append_entry_by_nid(Nid::ORGANIZATIONNAME, "Test").unwrap();
    builder.build()
}

/// All but issuer, extensions and signature. It began ten days before it ends, or ten days ago.
fn start(name: &str, key: &PKey<Private>, days: i64) -> X509Builder {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let end = now + days * DAY;
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    let serial = BigNum::from_u32(rand_serial()).unwrap().to_asn1_integer().unwrap();
    builder.set_serial_number(&serial).unwrap();
    builder.set_subject_name(&subject(name)).unwrap();
    builder.set_not_before(&Asn1Time::from_unix(end.min(now) - 10 * DAY).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::from_unix(end).unwrap()).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}

fn rand_serial() -> u32 {
    let mut octets = [0; 4];
    getrandom::fill(&mut octets).unwrap();
    u32::from_be_bytes(octets) >> 1
}
