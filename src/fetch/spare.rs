//! Messages beyond the most that one session fetches, for those before them that turn out not to count.

use std::collections::VecDeque;

#[derive(Debug, Default)]
pub struct Spare {
    waiting: VecDeque<u32>,
    /// Of those that were to be fetched.
    uncounted: usize,
}

impl Spare {
    pub fn put(&mut self, number: u32) {
        self.waiting.push_back(number);
    }

    /// One that was to be fetched is known, not wanted, or not to be had.
    pub fn uncount(&mut self) {
        self.uncounted += 1;
    }

    /// The next message whose turn has come after all.
    pub fn take_next(&mut self) -> Option<u32> {
        let number = (self.uncounted > 0).then(|| self.waiting.pop_front())??;
        self.uncounted -= 1;
        Some(number)
    }

    /// Those whose turn has not come.
    pub fn rest(&mut self) -> VecDeque<u32> {
        std::mem::take(&mut self.waiting)
    }
}
