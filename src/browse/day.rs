//! Days and lengths of time as people write them; what day it is comes from outside.

use jiff::civil::Date;
use jiff::{Span, ToSpan};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DayError {
    #[error("{0}: no day; those are like 2026-01-31, 31-Jan-2026, today, yesterday, or 14d for so many days ago")]
    Day(String),
    #[error("{0}: no length of time; those are like 90m, 36h, 3d or 2w")]
    Length(String),
    #[error("{0}: no size; those are like 4096, 100K or 1M")]
    Size(String),
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A day, counted from `today` where it is told so.
pub fn day(text: &str, today: Date) -> Result<Date, DayError> {
    let wrong = || DayError::Day(text.to_owned());
    let ago = |span: Span| today.checked_sub(span).map_err(|_| wrong());
    if text.eq_ignore_ascii_case("today") {
        return Ok(today);
    }
    if text.eq_ignore_ascii_case("yesterday") {
        return ago(1.day());
    }
    if text.ends_with(['d', 'w', 'D', 'W']) && text.starts_with(|c: char| c.is_ascii_digit()) {
        let seconds = length(text).map_err(|_| wrong())?;
        return ago(Span::new().try_days(seconds / 86_400).map_err(|_| wrong())?);
    }
    let fields: Vec<&str> = text.split('-').collect();
    let [first, month, last] = fields[..] else { return Err(wrong()) };
    let number = |text: &str, most: usize| text.parse::<i16>().ok().filter(|_| text.len() <= most && digits(text));
    let made = match MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month)) {
        Some(at) => (number(last, 4).filter(|_| last.len() == 4), i8::try_from(at + 1).ok(), number(first, 2)),
        None => {
            (number(first, 4).filter(|_| first.len() == 4), number(month, 2).and_then(|n| i8::try_from(n).ok()), number(last, 2))
        }
    };
    let (Some(year), Some(month), Some(day)) = made else { return Err(wrong()) };
    Date::new(year, month, i8::try_from(day).map_err(|_| wrong())?).map_err(|_| wrong())
}

/// `date = date-day "-" date-month "-" date-year` (RFC 9051 section 9).
pub fn on_the_wire(day: Date) -> String {
    let month = MONTHS[usize::try_from(day.month() - 1).unwrap_or_default() % 12];
    format!("{}-{month}-{:04}", day.day(), day.year())
}

/// A length of time in seconds: `90`, `90s`, `15m`, `36h`, `3d`, `2w`; never zero.
pub fn length(text: &str) -> Result<i64, DayError> {
    let wrong = || DayError::Length(text.to_owned());
    let unit = match text.bytes().last().map(|byte| byte.to_ascii_lowercase()) {
        Some(b'w') => 604_800,
        Some(b'd') => 86_400,
        Some(b'h') => 3600,
        Some(b'm') => 60,
        _ => 1,
    };
    let number = text.strip_suffix(|c: char| "wdhmsWDHMS".contains(c)).unwrap_or(text);
    let number: i64 = number.parse().ok().filter(|_| digits(number)).ok_or_else(wrong)?;
    number.checked_mul(unit).filter(|seconds| (1..=i64::from(u32::MAX)).contains(seconds)).ok_or_else(wrong)
}

/// A size in octets: `4096`, `100K`, `1M`, `2G`.
pub fn size(text: &str) -> Result<u64, DayError> {
    let wrong = || DayError::Size(text.to_owned());
    let unit = match text.bytes().last().map(|byte| byte.to_ascii_uppercase()) {
        Some(b'K') => 1 << 10,
        Some(b'M') => 1 << 20,
        Some(b'G') => 1 << 30,
        _ => 1,
    };
    let number = if unit > 1 { &text[..text.len() - 1] } else { text };
    let number: u64 = number.parse().ok().filter(|_| digits(number)).ok_or_else(wrong)?;
    // RFC 9051 section 9: `number64` has 63 bits.
    number.checked_mul(unit).filter(|size| *size <= i64::MAX.unsigned_abs()).ok_or_else(wrong)
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_written() {
        let today = Date::constant(2026, 3, 1);
        for (text, wire) in [
            ("2026-01-31", "31-Jan-2026"),
            ("1-jan-2026", "1-Jan-2026"),
            ("01-Dec-1999", "1-Dec-1999"),
            ("today", "1-Mar-2026"),
            ("Yesterday", "28-Feb-2026"),
            ("2w", "15-Feb-2026"),
            ("1d", "28-Feb-2026"),
        ] {
            assert_eq!(on_the_wire(day(text, today).unwrap()), wire, "{text}");
        }
        for bad in [
            "",
            "2026",
            "2026-02-30",
            "26-01-01",
            "32-Jan-2026",
            "1-Foo-2026",
            "2026-1-1-1",
            "-1-1-1",
            "99999999999w",
            "0d",
            "+1-Jan-2026",
        ] {
            assert!(day(bad, today).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths_and_sizes_have_units() {
        assert_eq!([length("90"), length("15m"), length("36H"), length("2w")], [Ok(90), Ok(900), Ok(129_600), Ok(1_209_600)]);
        assert_eq!([size("0"), size("100k"), size("1M"), size("2G")], [Ok(0), Ok(102_400), Ok(1 << 20), Ok(2 << 30)]);
        for bad in ["", "0", "d", "-1d", "1y", "9999999w", "1 d"] {
            assert!(length(bad).is_err(), "{bad}");
        }
        for bad in ["", "M", "-1", "1T", "9999999999999999999G", "1.5M"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
