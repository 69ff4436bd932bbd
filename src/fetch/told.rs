//! Rows given out in the order of their messages, each once it is final.

use crate::fetch::words::Row;
use std::collections::{BTreeMap, VecDeque};

/// So many rows are not held where they are final.
const MANY: usize = 1000;

/// Rows that wait for those before them.
#[derive(Debug, Default)]
pub struct Told {
    /// Messages that have no row yet, or whose row waits.
    expected: VecDeque<u32>,
    rows: BTreeMap<u32, Row>,
    over: bool,
}

impl Told {
    /// The messages, in order.
    pub fn expect(&mut self, numbers: impl Iterator<Item = u32>) {
        self.expected.extend(numbers);
    }

    pub fn put(&mut self, row: Row) {
        self.rows.insert(row.number, row);
    }

    /// There are many, and the first of them may be taken.
    pub fn has_many(&self) -> bool {
        self.rows.len() >= MANY && self.rows.first_key_value().map(|(number, _)| number) == self.expected.front()
    }

    /// The session is over; `updated`: QUIT was answered well, and so every DELE counts (RFC 1939 section 6).
    pub fn end(&mut self, updated: bool) {
        self.over = true;
        if !updated {
            self.rows.values_mut().filter(|row| row.deleted).for_each(Row::not_deleted);
        }
    }

    /// Those that are final, and whose turn it is. That a message was deleted is not, before the session is over.
    pub fn take(&mut self) -> Vec<Row> {
        let mut rows = Vec::new();
        while let Some(number) = self.expected.front() {
            match self.rows.remove(number) {
                Some(row) if self.over || !row.deleted => rows.push(row),
                Some(row) => {
                    self.rows.insert(row.number, row);
                    break;
                }
                None if self.over => {}
                None => break,
            }
            self.expected.pop_front();
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::words::Outcome;

    fn row(number: u32, deleted: bool) -> Row {
        let outcome = if deleted { Outcome::Deleted } else { Outcome::Delivered };
        Row {
            number,
            size: None,
            uid: None,
            outcome,
            lasting: false,
            in_part: false,
            deleted,
            intended: false,
            text: String::new(),
        }
    }

    fn taken(told: &mut Told) -> Vec<(u32, bool)> {
        told.take().iter().map(|row| (row.number, row.deleted)).collect()
    }

    #[test]
    fn rows_come_in_order_and_what_is_deleted_once_that_is_sure() {
        for updated in [true, false] {
            let mut told = Told::default();
            told.expect([1, 2, 4, 5].into_iter());
            told.put(row(2, false));
            assert_eq!(taken(&mut told), []);
            told.put(row(1, false));
            told.put(row(4, true));
            told.put(row(5, false));
            assert_eq!(taken(&mut told), [(1, false), (2, false)]);
            assert_eq!(taken(&mut told), []);
            told.end(updated);
            assert_eq!(taken(&mut told), [(4, updated), (5, false)]);
        }
    }
}
