//! When a recipient is tried again and when that ends. Pure: time and randomness come from outside.

use jiff::{SignedDuration, Timestamp};

/// The rule of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From the first failure to the second attempt.
    pub first: SignedDuration,
    /// The longest time between two attempts, without jitter.
    pub longest: SignedDuration,
    /// The age at which a message is given up.
    pub expiry: SignedDuration,
    /// Fewer attempts than these never expire: a clock that jumped ahead gives nothing up.
    pub least_attempts: u32,
    /// The age at which the sender is told of the delay, once.
    pub warn: SignedDuration,
}

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    RetryAt(Timestamp),
    GiveUp,
}

/// 30 minutes growing by half up to four hours, for five days (RFC 5321 section 4.5.4.1) and ten attempts; a word to the sender
/// after four hours.
impl Default for Schedule {
    fn default() -> Self {
        Schedule {
            first: SignedDuration::from_mins(30),
            longest: SignedDuration::from_hours(4),
            expiry: SignedDuration::from_hours(5 * 24),
            least_attempts: 10,
            warn: SignedDuration::from_hours(4),
        }
    }
}

impl Schedule {
    /// Decides after attempt number `attempts` (counted from 1) failed for now. `random` spreads what failed together.
    pub fn after_failure(&self, arrival: Timestamp, now: Timestamp, attempts: u32, random: u64) -> Next {
        if now.duration_since(arrival) >= self.expiry && attempts >= self.least_attempts {
            return Next::GiveUp;
        }
        let delay = spread(self.interval(attempts), random);
        Next::RetryAt(now.checked_add(delay).unwrap_or(Timestamp::MAX))
    }

    /// When a message of that arrival is given up, at the earliest.
    pub fn expires(&self, arrival: Timestamp) -> Timestamp {
        arrival.checked_add(self.expiry).unwrap_or(Timestamp::MAX)
    }

    /// The sender should hear by now that a message is late.
    pub fn is_late(&self, arrival: Timestamp, now: Timestamp) -> bool {
        now.duration_since(arrival) >= self.warn
    }

    /// The longest time that a due time can lie ahead. One further off was set by a clock that jumped, and counts as due.
    pub fn horizon(&self) -> SignedDuration {
        spread(self.longest, u64::MAX)
    }

    /// Before jitter: half as long again after each failure.
    fn interval(&self, attempts: u32) -> SignedDuration {
        let mut interval = self.first;
        for _ in 1..attempts {
            if interval >= self.longest {
                break;
            }
            interval += interval / 2;
        }
        interval.min(self.longest)
    }
}

/// From seven to nine eighths of `delay`.
fn spread(delay: SignedDuration, random: u64) -> SignedDuration {
    let quarter = delay.as_millis().max(0) / 4;
    let part = quarter * i128::from(random) / i128::from(u64::MAX);
    let millis = delay.as_millis() - quarter / 2 + part;
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: u64 = u64::MAX / 2;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_341_600 + seconds).unwrap()
    }

    fn minutes(next: Next, now: Timestamp) -> i64 {
        match next {
            Next::RetryAt(at) => at.duration_since(now).as_secs().div_euclid(60),
            Next::GiveUp => panic!("gave up"),
        }
    }

    #[test]
    fn intervals_grow_to_the_longest() {
        let schedule = Schedule::default();
        let grown: Vec<i64> = (1..9).map(|n| minutes(schedule.after_failure(at(0), at(0), n, MIDDLE), at(0))).collect();
        assert_eq!(grown, [29, 44, 67, 101, 151, 227, 239, 239]);
        assert_eq!(minutes(schedule.after_failure(at(0), at(0), u32::MAX, MIDDLE), at(0)), 239);
    }

    #[test]
    fn jitter_stays_within_an_eighth() {
        let schedule = Schedule::default();
        let spread = |random| minutes(schedule.after_failure(at(0), at(0), 1, random), at(0));
        assert_eq!((spread(0), spread(u64::MAX)), (26, 33));
        assert_eq!(schedule.horizon(), SignedDuration::from_mins(270));
    }

    #[test]
    fn expiry_takes_age_and_attempts_both() {
        let (schedule, days) = (Schedule::default(), 24 * 3600);
        let next = |seconds, attempts| schedule.after_failure(at(0), at(seconds), attempts, 0);
        assert_eq!(next(5 * days, 10), Next::GiveUp);
        assert_ne!(next(5 * days - 1, 500), Next::GiveUp, "too young");
        assert_ne!(next(900 * days, 9), Next::GiveUp, "the clock jumped ahead");
        assert_ne!(next(-9 * days, 500), Next::GiveUp, "the clock jumped back");
    }

    #[test]
    fn the_end_of_time_is_no_panic() {
        assert_eq!(Schedule::default().after_failure(Timestamp::MIN, Timestamp::MAX, 1, 0), Next::RetryAt(Timestamp::MAX));
        assert_eq!(Schedule::default().expires(Timestamp::MAX), Timestamp::MAX);
    }
}
