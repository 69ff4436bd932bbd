//! Lengths of time as options and configuration give them: `30`, `30s`, `500ms`, `5m`, `4h`, `5d`.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a length of time (such as 30s, 500ms, 5m, 4h or 5d)")]
pub struct BadDuration;

/// Reads a whole number with its unit, seconds where there is none. Zero is refused: nothing can be done in no time.
pub fn duration(text: &str) -> Result<Duration, BadDuration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| BadDuration)?;
    let seconds = |unit: u64| number.checked_mul(unit).map(Duration::from_secs).ok_or(BadDuration);
    let length = match unit {
        "ms" => Duration::from_millis(number),
        "" | "s" => seconds(1)?,
        "m" => seconds(60)?,
        "h" => seconds(60 * 60)?,
        "d" => seconds(24 * 60 * 60)?,
        _ => return Err(BadDuration),
    };
    if length.is_zero() { Err(BadDuration) } else { Ok(length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit() {
        let all = ["30", "30s", "500ms", "5m", "4h", "5d"].map(|text| duration(text).unwrap().as_millis());
        assert_eq!(all, [30_000, 30_000, 500, 300_000, 14_400_000, 432_000_000]);
        for bad in ["", "s", "0", "0ms", "-1", "1.5", "5 m", "5w", "5M", "18446744073709551615d", "99999999999999999999"] {
            assert_eq!(duration(bad), Err(BadDuration), "{bad:?}");
        }
    }
}
