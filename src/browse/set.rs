//! Sets of messages as people and the protocol write them: `1:*`, `5,7,9:12`, `$`, `*`, `all`.

use crate::protocol::imap::set::{Range, SeqNumber, SequenceSet};
use std::fmt;
use std::str::FromStr;

/// Most ranges in a set that somebody types.
const MAX_RANGES: usize = 10_000;

/// `sequence-set` of RFC 9051 section 9: ranges as they were written, never empty, or what the last search saved (section 6.4.4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    Ranges(SequenceSet),
    Saved,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    #[error("{0}: no set of messages; those are like 5, 1:*, 5,7,9:12, $ or all")]
    Form(String),
    #[error("{0}: messages are numbered from 1 to 4294967295")]
    Range(String),
    #[error("a set has at most {MAX_RANGES} parts")]
    Many,
}

impl Set {
    pub fn all() -> Set {
        Set::Ranges(SequenceSet::all())
    }

    pub fn one(number: u32) -> Set {
        Set::Ranges(SequenceSet(vec![Range::one(number)]))
    }

    /// Found numbers in any order, as few ranges as they allow. None where there are none.
    pub fn of(mut set: SequenceSet) -> Option<Set> {
        set.settle();
        (!set.is_empty()).then_some(Set::Ranges(set))
    }

    /// The only number in it, where there is only one.
    pub fn single(&self) -> Option<u32> {
        match self {
            Set::Ranges(SequenceSet(ranges)) => match ranges[..] {
                [Range { first: SeqNumber::Number(first), last: SeqNumber::Number(last) }] if first == last => Some(first.get()),
                _ => None,
            },
            Set::Saved => None,
        }
    }

    /// It may be one: what is no number stays for other words of the language.
    pub fn looks_like(text: &str) -> bool {
        text.starts_with(|c: char| c.is_ascii_digit() || c == '*' || c == '$') && Set::from_str(text).is_ok()
    }
}

impl FromStr for Set {
    type Err = SetError;

    fn from_str(text: &str) -> Result<Set, SetError> {
        if text == "$" {
            return Ok(Set::Saved);
        }
        if text.eq_ignore_ascii_case("all") {
            return Ok(Set::all());
        }
        let ranges: Vec<_> = text.split(',').map(|part| range(part, text)).take(MAX_RANGES + 1).collect::<Result<_, _>>()?;
        if ranges.len() > MAX_RANGES { Err(SetError::Many) } else { Ok(Set::Ranges(SequenceSet(ranges))) }
    }
}

fn range(part: &str, whole: &str) -> Result<Range, SetError> {
    let (first, last) = part.split_once(':').unwrap_or((part, part));
    Ok(Range { first: edge(first, whole)?, last: edge(last, whole)? })
}

fn edge(text: &str, whole: &str) -> Result<SeqNumber, SetError> {
    if text == "*" {
        return Ok(SeqNumber::Last);
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SetError::Form(whole.to_owned()));
    }
    text.parse().map(SeqNumber::Number).map_err(|_| SetError::Range(text.to_owned()))
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Set::Ranges(set) => set.fmt(f),
            Set::Saved => f.write_str("$"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_are_read_and_written() {
        for (text, wire) in
            [("5", "5"), ("1:*", "1:*"), ("5,7,9:12", "5,7,9:12"), ("*", "*"), ("$", "$"), ("All", "1:*"), ("9:9", "9")]
        {
            assert_eq!(text.parse::<Set>().unwrap().to_string(), wire);
        }
        assert_eq!("4294967295".parse::<Set>().unwrap().single(), Some(u32::MAX));
        assert_eq!("1:2".parse::<Set>().unwrap().single(), None);
        assert_eq!("*".parse::<Set>().unwrap().single(), None);
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for bad in [
            "",
            "0",
            "1:0",
            "1,",
            ",",
            "1:2:3",
            "a",
            "-1",
            "+1",
            "1 2",
            "4294967296",
            "99999999999999999999",
            "1\r\n",
            "$,1",
            "1:",
        ] {
            assert!(bad.parse::<Set>().is_err(), "{bad:?}");
        }
        assert_eq!("1,".repeat(MAX_RANGES + 1).trim_end_matches(',').parse::<Set>(), Err(SetError::Many));
    }

    #[test]
    fn numbers_become_few_ranges() {
        assert_eq!(Set::of(SequenceSet::of([3, 1, 2, 9, 7, 2])).unwrap().to_string(), "1:3,7,9");
        assert_eq!(Set::of(SequenceSet::of([u32::MAX, u32::MAX - 1])).unwrap().to_string(), "4294967294:4294967295");
        assert_eq!(Set::of(SequenceSet::default()), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_and_read_again(text in "[0-9:,*$]{0,20}") {
            if let Ok(set) = text.parse::<Set>() {
                prop_assert_eq!(set.to_string().parse::<Set>().unwrap(), set);
            }
        }
    }
}
