//! Fingerprints of certificates as options and the config write them.

/// SHA-256 of a certificate's DER form.
pub type Fingerprint = [u8; 32];

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 fingerprint is 64 hex digits")]
pub struct BadFingerprint;

/// 64 hex digits, colons between them or not.
pub fn parse(text: &str) -> Result<Fingerprint, BadFingerprint> {
    let digits: Option<Vec<u32>> = text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect();
    let digits = digits.ok_or(BadFingerprint)?;
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return Err(BadFingerprint);
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (pair[0] * 16 + pair[1]) as u8;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_colons_or_without() {
        assert_eq!(parse(&["0F"; 32].join(":")), Ok([15; 32]));
        assert_eq!(parse(&"ab".repeat(32)), Ok([0xab; 32]));
        for bad in ["", "0f", &"0g".repeat(32), &"0f".repeat(33), &"0".repeat(63)] {
            assert_eq!(parse(bad), Err(BadFingerprint), "{bad}");
        }
    }
}
