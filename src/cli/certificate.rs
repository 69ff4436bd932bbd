//! What TLS came to, in words and as JSON: one line as Postfix has it, and what the certificate says.

use super::clock::System;
use crate::net::tls::layer::{Certificate, Facts, Verdict};
use crate::relay::clock::Clock;
use jiff::Timestamp;
use serde::Serialize;

const DAY: i64 = 24 * 60 * 60;

/// `Verified TLS connection established to mx.test[192.0.2.1]:25: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384`
pub fn established(to: &str, facts: &Facts) -> String {
    let word = match (&facts.verdict, &facts.certificate) {
        (Verdict::Verified | Verdict::Pinned, _) => "Verified",
        (Verdict::Anonymous, _) | (_, None) => "Anonymous",
        (Verdict::Unverified(_), _) => "Untrusted",
    };
    format!("{word} TLS connection established to {to}: {} with cipher {}", facts.version, facts.cipher)
}

/// Why it was not verified, if it was not.
pub fn why_not(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Unverified(why) => Some(why),
        Verdict::Anonymous => Some("it shows no certificate"),
        Verdict::Verified | Verdict::Pinned => None,
    }
}

/// What a certificate says, one fact a line, each with its name.
pub fn facts(certificate: &Certificate) -> Vec<(&'static str, String)> {
    vec![
        ("subject", certificate.subject.clone()),
        ("issuer", certificate.issuer.clone()),
        ("names", certificate.names.join(", ")),
        ("expires", expiry(certificate)),
        ("key", certificate.key.clone()),
        ("fingerprint", format!("SHA-256 {}", certificate.fingerprint_hex())),
    ]
}

/// Whether the server is who it should be, by the pin that was asked for, else by name and chain; and why not.
pub fn verdict(facts: &Facts, pin: Option<[u8; 32]>) -> Result<(), String> {
    match (pin, &facts.certificate) {
        (_, None) => Err("it shows no certificate".to_owned()),
        (Some(pin), Some(shown)) if shown.fingerprint == pin => Ok(()),
        (Some(_), Some(_)) => Err("its fingerprint is another".to_owned()),
        (None, Some(_)) => why_not(&facts.verdict).map_or(Ok(()), |why| Err(why.to_owned())),
    }
}

/// What TLS came to, one fact a line, each with its name.
pub fn told(established: &Facts, verdict: &Result<(), String>) -> Vec<(&'static str, String)> {
    let verified = verdict.as_ref().map_or_else(|why| format!("no: {why}"), |()| "yes".to_owned());
    let mut all = vec![("tls", format!("{} with cipher {}", established.version, established.cipher)), ("verified", verified)];
    all.extend(established.certificate.iter().flat_map(facts));
    all.extend(established.chain.iter().map(|above| ("chain", format!("{}, issued by {}", above.subject, above.issuer))));
    all
}

/// The same for machines.
#[derive(Serialize)]
pub struct TlsJson<'a> {
    version: &'a str,
    cipher: &'a str,
    #[serde(flatten)]
    certificate: Option<CertificateJson<'a>>,
    verified: bool,
    /// Why it is not verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    chain: Vec<CertificateJson<'a>>,
}

impl<'a> TlsJson<'a> {
    pub fn new(facts: &'a Facts, verdict: &'a Result<(), String>) -> TlsJson<'a> {
        TlsJson {
            version: &facts.version,
            cipher: &facts.cipher,
            certificate: facts.certificate.as_ref().map(CertificateJson::from),
            verified: verdict.is_ok(),
            error: verdict.as_ref().err().map(String::as_str),
            chain: facts.chain.iter().map(CertificateJson::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct CertificateJson<'a> {
    subject: &'a str,
    issuer: &'a str,
    names: &'a [String],
    not_before: String,
    not_after: String,
    key: &'a str,
    fingerprint: String,
}

impl<'a> From<&'a Certificate> for CertificateJson<'a> {
    fn from(shown: &'a Certificate) -> Self {
        CertificateJson {
            subject: &shown.subject,
            issuer: &shown.issuer,
            names: &shown.names,
            not_before: date(shown.not_before),
            not_after: date(shown.not_after),
            key: &shown.key,
            fingerprint: shown.fingerprint_hex(),
        }
    }
}

/// RFC 3339 in UTC; empty for a time that no calendar has.
fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

fn expiry(certificate: &Certificate) -> String {
    let now = System.now().as_second();
    let until = date(certificate.not_after);
    let days = (certificate.not_after - now).div_euclid(DAY);
    match days {
        _ if certificate.not_before > now => format!("{until}, not valid before {}", date(certificate.not_before)),
        0.. => format!("{until}, {} left", count(days)),
        _ => format!("{until}, {} ago", count((now - certificate.not_after) / DAY)),
    }
}

fn count(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(from: i64, to: i64) -> Certificate {
        let now = System.now().as_second();
        Certificate {
            subject: "CN=mx.test".into(),
            issuer: "CN=CA".into(),
            names: vec!["mx.test".into(), "a.test".into()],
            not_before: now + from * DAY,
            not_after: now + to * DAY + 60,
            key: "EC 256 bits".into(),
            fingerprint: [0xab; 32],
            end_point: None,
        }
    }

    #[test]
    fn the_days_are_counted_from_now() {
        let expires = |from, to| facts(&certificate(from, to)).into_iter().find(|(name, _)| *name == "expires").unwrap().1;
        assert!(expires(-1, 10).ends_with(", 10 days left"), "{}", expires(-1, 10));
        assert!(expires(-1, 1).ends_with(", 1 day left"));
        assert!(expires(-9, -3).ends_with(", 2 days ago"), "{}", expires(-9, -3));
        assert!(expires(2, 10).contains(", not valid before "));
    }

    #[test]
    fn one_line_tells_whom_we_speak_with() {
        let facts = |verdict, shown: bool| Facts {
            version: "TLSv1.3".into(),
            cipher: "X".into(),
            certificate: shown.then(|| certificate(-1, 1)),
            chain: Vec::new(),
            verdict,
        };
        let word = |facts: &Facts| established("mx.test[192.0.2.1]:25", facts).split(' ').next().unwrap().to_owned();
        assert_eq!(word(&facts(Verdict::Verified, true)), "Verified");
        assert_eq!(word(&facts(Verdict::Pinned, true)), "Verified");
        assert_eq!(word(&facts(Verdict::Unverified("self-signed".into()), true)), "Untrusted");
        assert_eq!(word(&facts(Verdict::Unverified("none".into()), false)), "Anonymous");
        let line = established("mx.test[192.0.2.1]:25", &facts(Verdict::Verified, true));
        assert_eq!(line, "Verified TLS connection established to mx.test[192.0.2.1]:25: TLSv1.3 with cipher X");
    }
}
