//! Dates as mail writes them. The time itself always comes from outside.

use jiff::{Timestamp, tz::TimeZone};

/// `Sun, 22 Nov 2026 10:00:00 +0000`: `date-time` of RFC 5322 section 3.3, in UTC.
pub fn rfc5322(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// `2026-11-22T10:00:00Z`: RFC 3339 in UTC, whole seconds.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `Sun Nov 22 10:00:00 2026`: the date of an mbox `From ` line (RFC 4155), in UTC.
pub fn asctime(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// The date of an mbox `From ` line, in UTC unless an offset stands behind it; none where it has no such date.
pub fn of_from_line(line: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
    let is_offset = |word: &str| word.len() == 5 && word.starts_with(['+', '-']);
    let offset = words.pop_if(|word| is_offset(word)).unwrap_or("+0000");
    let [.., month, day, time, year] = words.as_slice() else { return None };
    Timestamp::strptime("%b %d %H:%M:%S %Y %z", format!("{month} {day:0>2} {time} {year} {offset}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_in_utc() {
        let at = Timestamp::from_second(1_795_341_600).unwrap();
        assert_eq!(rfc5322(at), "Sun, 22 Nov 2026 10:00:00 +0000");
        assert_eq!(asctime(at), "Sun Nov 22 10:00:00 2026");
        for line in ["From MAILER-DAEMON Sun Nov 22 10:00:00 2026\n", "From a@b Sun Nov 22 11:00:00 2026 +0100"] {
            assert_eq!(of_from_line(line.as_bytes()), Some(at), "{line}");
        }
        let early = Timestamp::from_second(1_764_583_205).unwrap();
        assert_eq!(of_from_line(format!("From x {}", asctime(early)).as_bytes()), Some(early));
        for line in ["From a@b", "From here on, all of it", "From x Sun Nov 31 10:00:00 2026", "From \u{fc}"] {
            assert_eq!(of_from_line(line.as_bytes()), None, "{line}");
        }
        assert_eq!(rfc3339(at), "2026-11-22T10:00:00Z");
    }
}
