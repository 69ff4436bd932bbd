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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_in_utc() {
        let at = Timestamp::from_second(1_795_341_600).unwrap();
        assert_eq!(rfc5322(at), "Sun, 22 Nov 2026 10:00:00 +0000");
        assert_eq!(asctime(at), "Sun Nov 22 10:00:00 2026");
        assert_eq!(rfc3339(at), "2026-11-22T10:00:00Z");
    }
}
