//! The sizes of messages by their numbers, in little memory where numbers come one behind the other, as LIST has them.

use std::collections::BTreeMap;

/// Stands for a size that is not known.
const NONE: u64 = u64::MAX;
/// A gap of numbers that is filled up without looking. Beyond that, no more is filled up than there are sizes.
const GAP: usize = 1024;

#[derive(Debug, Default)]
pub struct Sizes {
    /// Those of the numbers from 1 on.
    dense: Vec<u64>,
    /// Those far beyond: a server may give any number, and costs no memory by that.
    sparse: BTreeMap<u32, u64>,
    known: usize,
}

impl Sizes {
    /// Gives the one from before.
    pub fn put(&mut self, number: u32, size: u64) -> Option<u64> {
        let (size, index) = (size.min(NONE - 1), number.wrapping_sub(1) as usize);
        let before = if let Some(sparse) = self.sparse.get_mut(&number) {
            Some(std::mem::replace(sparse, size))
        } else if index < 2 * self.known + GAP {
            if index >= self.dense.len() {
                self.dense.resize(index + 1, NONE);
            }
            Some(std::mem::replace(&mut self.dense[index], size)).filter(|before| *before != NONE)
        } else {
            self.sparse.insert(number, size)
        };
        self.known += usize::from(before.is_none());
        before
    }

    pub fn get(&self, number: u32) -> Option<u64> {
        let dense = self.dense.get(number.wrapping_sub(1) as usize).copied().filter(|size| *size != NONE);
        dense.or_else(|| self.sparse.get(&number).copied())
    }

    /// How many are known.
    pub fn known(&self) -> usize {
        self.known
    }

    /// The lowest number from this one on whose size is known.
    pub fn next(&self, from: u32) -> Option<u32> {
        let start = from.saturating_sub(1) as usize;
        let dense = self.dense.get(start..).and_then(|sizes| sizes.iter().position(|size| *size != NONE));
        let dense = dense.and_then(|after| u32::try_from(start + after + 1).ok());
        let sparse = self.sparse.range(from..).next().map(|(number, _)| *number);
        [dense, sparse].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_far_beyond_cost_no_memory() {
        let mut sizes = Sizes::default();
        for (number, size) in [(1, 10), (3, 30), (u32::MAX, 40), (2000, 50), (0, 60)] {
            assert_eq!(sizes.put(number, size), None);
        }
        assert!(sizes.dense.len() < 2000, "{}", sizes.dense.len());
        for number in 4..=2100 {
            assert_eq!(sizes.put(number, 7), (number == 2000).then_some(50));
        }
        assert_eq!((sizes.put(u32::MAX, 41), sizes.put(1, u64::MAX)), (Some(40), Some(10)));
        assert_eq!((sizes.get(2000), sizes.get(2), sizes.get(0), sizes.get(1)), (Some(7), None, Some(60), Some(NONE - 1)));
        assert_eq!((sizes.next(1), sizes.next(2), sizes.next(2101)), (Some(1), Some(3), Some(u32::MAX)));
        assert_eq!((sizes.next(2000), sizes.known()), (Some(2000), 2101));
    }
}
