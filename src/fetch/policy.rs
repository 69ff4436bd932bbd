//! Which messages are fetched, and which go from the server. Pure: the journal's facts and the time are passed in.

use crate::fetch::words::Outcome;
use std::time::Duration;

/// What a user wants of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub disposal: Disposal,
    /// Messages of earlier sessions are deleted, whatever becomes of new ones.
    pub flush_seen: bool,
    /// Larger messages fail, also where the server does not tell their size beforehand; in octets.
    pub max_size: Option<u64>,
    /// Messages that are listed with more octets are left alone.
    pub skip_size: Option<u64>,
    /// Most messages that one session fetches. Those that were fetched to find out that they are known, or that a filter leaves out, do not
    /// count.
    pub max_messages: Option<usize>,
    /// Each header is looked at first.
    pub filter: bool,
    /// What was delivered in an earlier session is not fetched again.
    pub only_new: bool,
    /// Nothing is fetched or deleted; rows say what would be.
    pub dry_run: bool,
}

/// When a message that was delivered goes from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposal {
    Keep,
    Delete,
    /// So long after it was first seen.
    After(Duration),
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            disposal: Disposal::Keep,
            flush_seen: false,
            max_size: None,
            skip_size: None,
            max_messages: None,
            filter: false,
            only_new: true,
            dry_run: false,
        }
    }
}

/// What the journal says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    New,
    /// Delivered; first seen at these Unix seconds.
    Delivered(i64),
    /// Never handed over, and to be deleted.
    Killed,
}

/// What is to be done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Fetch,
    Header,
    /// To be deleted without being fetched, and why.
    Delete(&'static str),
    Leave(Outcome, String),
    /// To be fetched, if one of those before it turns out not to count.
    Spare,
}

impl Policy {
    /// What is to be done with a message of `size` octets, where that is known, when `before` others are fetched in this session.
    pub fn decide(&self, known: Known, size: Option<u64>, before: usize, now: i64) -> Decision {
        match known {
            Known::Killed => return Decision::Delete("not wanted earlier"),
            Known::Delivered(first) if self.only_new => {
                let why = "delivered earlier";
                let goes = self.flush_seen || self.is_due(first, now);
                return if goes { Decision::Delete(why) } else { Decision::Leave(Outcome::Kept, why.to_owned()) };
            }
            Known::Delivered(_) | Known::New => {}
        }
        if let (Some(size), Some(limit)) = (size, self.skip_size)
            && size > limit
        {
            return Decision::Leave(Outcome::Skipped, format!("larger than {limit} octets"));
        }
        if let Some(text) = self.too_large(size.unwrap_or(0)) {
            return Decision::Leave(Outcome::Failed, text);
        }
        match self.max_messages {
            Some(most) if before >= most => Decision::Spare,
            _ if self.filter => Decision::Header,
            _ => Decision::Fetch,
        }
    }

    /// Whether a message that was delivered and first seen then is to be deleted now.
    pub fn is_due(&self, first: i64, now: i64) -> bool {
        match self.disposal {
            Disposal::Keep => false,
            Disposal::Delete => true,
            Disposal::After(age) => now.saturating_sub(first) >= i64::try_from(age.as_secs()).unwrap_or(i64::MAX),
        }
    }

    /// Why a message that has come to so many octets is not taken.
    pub fn too_large(&self, size: u64) -> Option<String> {
        let limit = self.max_size.filter(|&limit| size > limit)?;
        Some(format!("larger than {limit} octets"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3600;
    const NOW: i64 = 1_795_341_600;

    fn decide(policy: &Policy, known: Known) -> Decision {
        policy.decide(known, Some(1000), 0, NOW)
    }

    fn kept() -> Decision {
        Decision::Leave(Outcome::Kept, "delivered earlier".to_owned())
    }

    #[test]
    fn what_was_delivered_is_not_fetched_again_and_goes_when_its_time_has_come() {
        let seen = Known::Delivered(NOW - 2 * DAY);
        let policy = |disposal| Policy { disposal, ..Policy::default() };
        assert_eq!(decide(&policy(Disposal::Keep), seen), kept());
        assert_eq!(decide(&policy(Disposal::Delete), seen), Decision::Delete("delivered earlier"));
        let after = |hours: u64| policy(Disposal::After(Duration::from_secs(hours * 3600)));
        assert_eq!(decide(&after(48), seen), Decision::Delete("delivered earlier"));
        assert_eq!(decide(&after(49), seen), kept());
        for policy in [policy(Disposal::Keep), policy(Disposal::Delete), after(0)] {
            assert_eq!(decide(&policy, Known::New), Decision::Fetch, "nothing goes before it was fetched");
        }
    }

    #[test]
    fn a_clock_that_jumps_back_deletes_nothing_early() {
        let policy = Policy { disposal: Disposal::After(Duration::from_secs(60)), ..Policy::default() };
        assert_eq!(decide(&policy, Known::Delivered(NOW + DAY)), kept());
        assert_eq!(policy.decide(Known::Delivered(i64::MIN), None, 0, i64::MAX), Decision::Delete("delivered earlier"));
    }

    #[test]
    fn seen_ones_are_flushed_new_ones_are_not() {
        let policy = Policy { flush_seen: true, ..Policy::default() };
        assert_eq!(decide(&policy, Known::Delivered(NOW)), Decision::Delete("delivered earlier"));
        assert_eq!(decide(&policy, Known::New), Decision::Fetch);
        assert!(!policy.is_due(NOW, NOW));
    }

    #[test]
    fn what_was_killed_goes_even_where_others_are_kept() {
        assert_eq!(decide(&Policy::default(), Known::Killed), Decision::Delete("not wanted earlier"));
    }

    #[test]
    fn all_of_them_again_if_so_wanted() {
        for disposal in [Disposal::Keep, Disposal::Delete, Disposal::After(Duration::ZERO)] {
            let policy = Policy { only_new: false, disposal, flush_seen: true, ..Policy::default() };
            assert_eq!(decide(&policy, Known::Delivered(NOW)), Decision::Fetch, "before it is deleted");
        }
    }

    #[test]
    fn size_and_number_have_limits() {
        let policy = Policy { skip_size: Some(999), ..Policy::default() };
        assert!(matches!(decide(&policy, Known::New), Decision::Leave(Outcome::Skipped, _)));
        assert_eq!(policy.decide(Known::New, None, 0, NOW), Decision::Fetch);
        let policy = Policy { max_size: Some(999), ..Policy::default() };
        assert!(matches!(decide(&policy, Known::New), Decision::Leave(Outcome::Failed, _)));
        assert_eq!((policy.too_large(999), policy.too_large(1000).is_some()), (None, true));
        let policy = Policy { max_messages: Some(2), filter: true, ..Policy::default() };
        assert_eq!(policy.decide(Known::New, None, 1, NOW), Decision::Header);
        assert_eq!(policy.decide(Known::New, None, 2, NOW), Decision::Spare);
    }
}
