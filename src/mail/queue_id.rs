//! The name of a queued message: its arrival time and 64 random bits, sortable, never a pid or an inode.

use std::fmt;
use std::str::FromStr;

/// 22 characters of Crockford's base 32 in lower case: 9 for the arrival in Unix milliseconds (45 bits), 13 for 64 random bits.
/// Names sort by arrival.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(String);

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TIME_DIGITS: usize = 9;
const RANDOM_DIGITS: usize = 13;

impl QueueId {
    /// Both facts come from outside: this floor has no clock and no randomness. Of `unix_millis` the low 45 bits count.
    pub fn new(unix_millis: u64, random: u64) -> QueueId {
        let mut name = String::with_capacity(TIME_DIGITS + RANDOM_DIGITS);
        for (value, digits) in [(unix_millis, TIME_DIGITS), (random, RANDOM_DIGITS)] {
            for place in (0..digits).rev() {
                name.push(char::from(DIGITS[(value >> (5 * place)) as usize & 31]));
            }
        }
        QueueId(name)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no queue id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no queue id: {}", crate::bytes::escape::visible(.0.as_bytes()))]
pub struct BadQueueId(String);

impl FromStr for QueueId {
    type Err = BadQueueId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == TIME_DIGITS + RANDOM_DIGITS && text.bytes().all(|b| DIGITS.contains(&b)) {
            Ok(QueueId(text.to_owned()))
        } else {
            Err(BadQueueId(text.to_owned()))
        }
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_arrival_and_read_back() {
        let (early, late) = (QueueId::new(1_795_000_000_000, u64::MAX), QueueId::new(1_795_000_000_001, 0));
        assert!(early < late);
        assert_eq!(early.as_str().len(), 22);
        assert_eq!(early.to_string().parse(), Ok(early));
        for bad in ["", "../../etc/passwd", "0000000000000000000000U", "000000000000000000000u"] {
            assert!(bad.parse::<QueueId>().is_err(), "{bad}");
        }
    }
}
