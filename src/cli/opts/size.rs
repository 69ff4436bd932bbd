//! Sizes as options and the config write them: octets, or with `K`, `M`, `G` behind them (1024 each).

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    #[error("no size: {0} (write octets, or 500K, 50M, 1G)")]
    Form(String),
    #[error("too large: {0}")]
    TooLarge(String),
}

/// Octets.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit {
        "" => 1,
        "K" | "k" => 1 << 10,
        "M" | "m" => 1 << 20,
        "G" | "g" => 1 << 30,
        _ => return Err(SizeError::Form(text.to_owned())),
    };
    if number.is_empty() {
        return Err(SizeError::Form(text.to_owned()));
    }
    let octets = number.parse::<u64>().ok().and_then(|n| n.checked_mul(scale));
    octets.ok_or_else(|| SizeError::TooLarge(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_or_a_unit() {
        assert_eq!([parse("0"), parse("1000"), parse("50M"), parse("1g")], [Ok(0), Ok(1000), Ok(50 << 20), Ok(1 << 30)]);
        for bad in ["", "M", "1.5M", "-1", "5MB", "5 M"] {
            assert_eq!(parse(bad), Err(SizeError::Form(bad.to_owned())), "{bad}");
        }
        assert!(matches!(parse("99999999999G"), Err(SizeError::TooLarge(_))));
    }
}
