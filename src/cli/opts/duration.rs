//! Lengths of time as options and the config write them: `90`, `30s`, `5m`, `1h30m`, `5d`.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("no length of time: {0} (write 90, 30s, 5m, 2h or 5d)")]
    Form(String),
    #[error("too long: {0}")]
    TooLong(String),
    #[error("must be more than zero")]
    Zero,
}

/// Digits with a unit each (`ms`, `s`, `m`, `h`, `d`, `w`), one after the other; digits alone are seconds.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let form = || DurationError::Form(text.to_owned());
    let long = || DurationError::TooLong(text.to_owned());
    let mut total = Duration::ZERO;
    let mut rest = text;
    loop {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = tail.split_at(letters);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "" if rest == text && tail.is_empty() => 1_000,
            _ => return Err(form()),
        };
        if number.is_empty() {
            return Err(form());
        }
        let number: u64 = number.parse().map_err(|_| long())?;
        let part = number.checked_mul(millis).map(Duration::from_millis).ok_or_else(long)?;
        total = total.checked_add(part).ok_or_else(long)?;
        if tail.is_empty() {
            return Ok(total);
        }
        rest = tail;
    }
}

/// As [`parse`], for a time-out: not zero, at most a year.
pub fn timeout(text: &str) -> Result<Duration, DurationError> {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    match parse(text)? {
        Duration::ZERO => Err(DurationError::Zero),
        long if long > YEAR => Err(DurationError::TooLong(text.to_owned())),
        good => Ok(good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_and_their_sum() {
        for (text, millis) in [("90", 90_000), ("500ms", 500), ("30s", 30_000), ("1h30m", 5_400_000), ("5d", 432_000_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for bad in ["", "s", "5 m", "5M", "-5", "1.5h", "5m30", "5x", "\u{663}s"] {
            assert_eq!(parse(bad), Err(DurationError::Form(bad.to_owned())), "{bad}");
        }
        assert!(matches!(parse("99999999999999999999s"), Err(DurationError::TooLong(_))));
        assert!(matches!(parse("999999999999999999w"), Err(DurationError::TooLong(_))));
        assert_eq!(timeout("0"), Err(DurationError::Zero));
        assert!(matches!(timeout("53w"), Err(DurationError::TooLong(_))));
    }
}
