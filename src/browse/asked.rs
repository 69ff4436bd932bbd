//! Messages that were asked for by their UIDs, and which of them did not come. A UID of no message is passed over by servers without a word
//! (RFC 9051 section 6.4.9); whoever named it wants to know.

use super::set::Set;
use crate::protocol::imap::set::{Range, SequenceSet};
use std::collections::BTreeMap;

/// Numbers as ranges that do not touch: a mailbox without gaps costs one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers(BTreeMap<u32, u32>);

impl Numbers {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, number: u32) -> bool {
        self.any_in(number, number)
    }

    /// Whether there is any from `low` to `high`.
    pub fn any_in(&self, low: u32, high: u32) -> bool {
        self.0.range(..=high).next_back().is_some_and(|(_, last)| *last >= low)
    }

    /// False: it was there.
    pub fn insert(&mut self, number: u32) -> bool {
        let is_new = !self.contains(number);
        if is_new {
            self.insert_all(number, number);
        }
        is_new
    }

    /// All from `low` to `high`: a server may name four thousand million.
    pub fn insert_all(&mut self, low: u32, high: u32) {
        let (mut low, mut high) = (low, high);
        while let Some((&first, &last)) = self.0.range(..=high.saturating_add(1)).next_back() {
            if last.saturating_add(1) < low {
                break;
            }
            self.0.remove(&first);
            (low, high) = (low.min(first), high.max(last));
        }
        self.0.insert(low, high);
    }

    /// The parts of `low` to `high` that are not there.
    fn gaps(&self, low: u32, high: u32) -> Vec<(u32, u32)> {
        let mut gaps = Vec::new();
        let mut next = Some(low);
        let before = self.0.range(..low).next_back();
        for (&first, &last) in before.into_iter().chain(self.0.range(low..=high)) {
            let Some(from) = next.filter(|from| *from <= last) else { continue };
            if from < first {
                gaps.push((from, first - 1));
            }
            next = last.checked_add(1);
        }
        gaps.extend(next.filter(|from| *from <= high).map(|from| (from, high)));
        gaps
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub set: Set,
    /// Each of its numbers was found before, as those of `$`: none of them may be missing. Elsewhere a range stands for what is in it.
    each: bool,
    /// Keys of SEARCH for messages that are not as the command should have made them.
    pub unlike: Option<String>,
}

impl Asked {
    /// As somebody typed it.
    pub fn typed(set: Set) -> Asked {
        Asked { set, each: false, unlike: None }
    }

    /// As a search found it.
    pub fn found(set: Set) -> Asked {
        Asked { set, each: true, unlike: None }
    }

    fn ranges(&self) -> &[Range] {
        match &self.set {
            Set::Ranges(SequenceSet(ranges)) => ranges,
            Set::Saved => &[],
        }
    }

    /// Whether `uid` may come in answer. `5:*` has the last message in it, whatever its UID (RFC 9051 section 6.4.9).
    pub fn includes(&self, uid: u32) -> bool {
        let has = |range: &Range| range.bounds().is_none_or(|(low, high)| (low..=high).contains(&uid));
        matches!(self.set, Set::Saved) || self.ranges().iter().any(has)
    }

    /// All of it, where it can be looked at and no row came: a range up to `*` as well.
    pub fn unanswered(&self, came: &Numbers) -> Option<Set> {
        (came.is_empty() && self.unlike.is_some() && !self.ranges().is_empty()).then(|| self.set.clone())
    }

    /// What was named and is not among those that came. A range up to `*` may be empty as its mailbox may be.
    pub fn missing(&self, came: &Numbers) -> Option<Set> {
        let mut missing = Vec::new();
        for &range in self.ranges() {
            match range.bounds() {
                Some((low, high)) if self.each => {
                    missing.extend(came.gaps(low, high).into_iter().map(|(low, high)| Range::of(low, high)))
                }
                Some((low, high)) if !came.any_in(low, high) => missing.push(range),
                None if range.first == range.last && came.is_empty() => missing.push(range),
                _ => {}
            }
        }
        (!missing.is_empty()).then_some(Set::Ranges(SequenceSet(missing)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn missing(set: &str, each: bool, came: &[u32]) -> Option<String> {
        let asked = Asked { set: set.parse().unwrap(), each, unlike: None };
        let mut numbers = Numbers::default();
        came.iter().for_each(|number| assert!(numbers.insert(*number) && !numbers.insert(*number)));
        asked.missing(&numbers).map(|set| set.to_string())
    }

    #[test]
    fn what_is_named_and_does_not_come_is_missing() {
        for (set, each, came, want) in [
            ("5", false, &[][..], Some("5")),
            ("5,7,9", false, &[7], Some("5,9")),
            ("5:9", false, &[7], None),
            ("9:5", false, &[], Some("9:5")),
            ("1:*", false, &[], None),
            ("*", false, &[], Some("*")),
            ("*", false, &[3], None),
            ("3:5,9", true, &[4, 9], Some("3,5")),
            ("3:5", true, &[1, 2, 3, 6], Some("4:5")),
            ("4294967294:4294967295", true, &[u32::MAX], Some("4294967294")),
        ] {
            assert_eq!(missing(set, each, came).as_deref(), want, "{set} {came:?}");
        }
    }

    #[test]
    fn a_set_has_the_last_message_where_it_goes_so_far() {
        let includes = |set: &str, uid| Asked::typed(set.parse().unwrap()).includes(uid);
        assert!(includes("5:*", 3) && includes("1,9:7", 8) && includes("*", 1));
        assert!(!includes("1,9:7", 6) && !includes("5", 4));
    }

    proptest! {
        #[test]
        fn numbers_are_those_that_were_put_in(all in proptest::collection::vec((0_u32..60, 0_u32..4), 0..30), low in 0_u32..60, span in 0_u32..20) {
            let (mut numbers, mut plain) = (Numbers::default(), BTreeSet::new());
            for (first, more) in all {
                numbers.insert_all(first, first + more);
                plain.extend(first..=first + more);
            }
            let high = low + span;
            prop_assert_eq!(numbers.any_in(low, high), plain.range(low..=high).next().is_some());
            let gaps: BTreeSet<u32> = numbers.gaps(low, high).into_iter().flat_map(|(low, high)| low..=high).collect();
            prop_assert_eq!(gaps, (low..=high).filter(|n| !plain.contains(n)).collect::<BTreeSet<_>>());
        }
    }
}
