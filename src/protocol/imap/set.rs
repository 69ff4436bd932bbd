//! Sets of message numbers: ranges stay ranges, whatever they span.

use super::scan::{Parsed, Scanner};
use std::fmt;
use std::num::NonZeroU32;

/// `seq-number = nz-number / "*"` (RFC 9051 section 9)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SeqNumber {
    Number(NonZeroU32),
    /// The largest in use.
    Last,
}

/// One number, or all between two, which may stand in either order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Range {
    pub first: SeqNumber,
    pub last: SeqNumber,
}

/// `sequence-set` and `uid-set` (RFC 9051 section 9).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SequenceSet(pub Vec<Range>);

impl SeqNumber {
    /// No message has the number 0: it is taken for 1.
    fn number(number: u32) -> SeqNumber {
        SeqNumber::Number(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }
}

impl Range {
    pub fn one(number: u32) -> Range {
        Range::of(number, number)
    }

    pub fn of(first: u32, last: u32) -> Range {
        Range { first: SeqNumber::number(first), last: SeqNumber::number(last) }
    }

    /// Lowest and highest, where neither is `*`.
    pub fn bounds(self) -> Option<(u32, u32)> {
        match (self.first, self.last) {
            (SeqNumber::Number(a), SeqNumber::Number(b)) => Some((a.min(b).get(), a.max(b).get())),
            _ => None,
        }
    }
}

impl SequenceSet {
    /// `1:*`
    pub fn all() -> SequenceSet {
        SequenceSet(vec![Range { first: SeqNumber::number(1), last: SeqNumber::Last }])
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Of numbers in any order; neighbours become ranges.
    pub fn of(numbers: impl IntoIterator<Item = u32>) -> SequenceSet {
        let mut set = SequenceSet::default();
        numbers.into_iter().filter(|number| *number > 0).for_each(|number| set.push(number));
        set.settle();
        set
    }

    /// Puts a number behind those that there are, which takes nothing where it follows the last.
    pub fn push(&mut self, number: u32) {
        match self.0.last_mut() {
            Some(last) if last.bounds().is_some_and(|(_, high)| high.checked_add(1) == Some(number)) => {
                last.last = SeqNumber::number(number);
            }
            _ => self.0.push(Range::one(number)),
        }
    }

    /// As few ranges as its numbers allow, in their order. A `*` stays where it is among them.
    pub fn settle(&mut self) {
        self.0.sort_unstable_by_key(|range| range.bounds());
        self.0.dedup_by(|next, last| match (next.bounds(), last.bounds()) {
            (Some((low, high)), Some((from, to))) if low <= to.saturating_add(1) => {
                *last = Range::of(from, to.max(high));
                true
            }
            _ => false,
        });
    }

    /// How many numbers, doubles counted twice; none where `*` is among them.
    pub fn count(&self) -> Option<u64> {
        self.0.iter().map(|range| range.bounds().map(|(low, high)| u64::from(high - low) + 1)).sum()
    }

    /// Each number in the order of the set. A server may name four thousand million: whoever takes them has a limit.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().filter_map(|range| range.bounds()).flat_map(|(low, high)| low..=high)
    }

    pub fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|range| range.bounds().is_some_and(|(low, high)| (low..=high).contains(&number)))
    }

    /// As people write it: `1:3,5,7:*`.
    pub fn parse(text: &[u8]) -> Option<SequenceSet> {
        let mut scanner = Scanner::new(text, &[]);
        let set = sequence_set(&mut scanner).ok()?;
        scanner.rest().is_empty().then_some(set)
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SeqNumber::Number(number) => number.fmt(f),
            SeqNumber::Last => f.write_str("*"),
        }
    }
}

impl fmt::Display for SequenceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Range { first, last }) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            if first == last { write!(f, "{first}")? } else { write!(f, "{first}:{last}")? }
        }
        Ok(())
    }
}

/// `seq-number = nz-number / "*"`
fn seq_number(s: &mut Scanner<'_>) -> Parsed<SeqNumber> {
    if s.eat(b'*') { Ok(SeqNumber::Last) } else { s.nz_number().map(SeqNumber::number) }
}

/// `sequence-set = (seq-number / seq-range) ["," sequence-set]`, `seq-range = seq-number ":" seq-number`
pub fn sequence_set(s: &mut Scanner<'_>) -> Parsed<SequenceSet> {
    let mut ranges = Vec::new();
    loop {
        let first = seq_number(s)?;
        let last = if s.eat(b':') { seq_number(s)? } else { first };
        // As a range, as text, and among the numbers that came.
        s.spend(3 * size_of::<Range>())?;
        ranges.push(Range { first, last });
        if !s.eat(b',') {
            return Ok(SequenceSet(ranges));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_huge_range_stays_a_range() {
        let set = SequenceSet::parse(b"1:4294967295").unwrap();
        assert_eq!((set.0.len(), set.count(), set.to_string()), (1, Some(4_294_967_295), "1:4294967295".into()));
        assert!(set.contains(77));
    }

    #[test]
    fn sets_as_people_write_them() {
        assert_eq!(SequenceSet::of([5, 1, 2, 3, 5, 0]).to_string(), "1:3,5");
        assert_eq!(SequenceSet::parse(b"7:*,*").unwrap().to_string(), "7:*,*");
        assert_eq!(SequenceSet::parse(b"5:3").unwrap().numbers().collect::<Vec<_>>(), [3, 4, 5]);
        for text in ["", "0", "1,", "1:", "1:2:3", "4294967296", "1 2", "a", "-1"] {
            assert_eq!(SequenceSet::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(SequenceSet::of([u32::MAX, u32::MAX - 1]).to_string(), "4294967294:4294967295");
    }

    proptest! {
        #[test]
        fn printed_sets_are_read_back(numbers in proptest::collection::vec(1..50_u32, 1..30)) {
            let set = SequenceSet::of(numbers.iter().copied());
            prop_assert_eq!(SequenceSet::parse(set.to_string().as_bytes()), Some(set.clone()));
            prop_assert!(numbers.iter().all(|n| set.contains(*n)));
        }
    }
}
