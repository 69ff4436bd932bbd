//! Fields of one name out of a header that comes in pieces, in constant memory however long it is.

use super::{Field, fields};
use memchr::{memchr, memchr2};

/// What of one field is kept, in octets.
pub const MOST: usize = 1024 * 1024;

/// A field that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    pub field: Field<'a>,
    /// It is longer than [`MOST`]; what came later of it is not here.
    pub is_cut: bool,
}

/// Reads a header, without the blank line at its end, and gives each field of one name.
#[derive(Debug)]
pub struct Search {
    name: String,
    line: Line,
    /// The field that is being read, or what may become its name.
    held: Vec<u8>,
    is_cut: bool,
}

/// What the bytes to come belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// The first of a line, behind a field that is wanted or not.
    Start { wanted: bool },
    /// The name of a field.
    Name,
    /// The first of a line, behind one without a colon, which may yet come where that is folded.
    Nameless,
    /// A field that is wanted or not.
    Within { wanted: bool },
}

impl Search {
    pub fn new(name: &str) -> Search {
        Search { name: name.to_owned(), line: Line::Start { wanted: false }, held: Vec::new(), is_cut: false }
    }

    /// Takes the next bytes of the header, however it is split; `found` is given each field that they end.
    pub fn push<E>(&mut self, bytes: &[u8], found: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let until = match self.line {
                Line::Start { wanted } if matches!(first, b' ' | b'\t') => {
                    self.line = Line::Within { wanted };
                    continue;
                }
                Line::Nameless if matches!(first, b' ' | b'\t') => {
                    self.line = Line::Name;
                    continue;
                }
                Line::Nameless => {
                    self.drop_held();
                    self.line = Line::Name;
                    continue;
                }
                Line::Start { wanted } => {
                    if wanted {
                        self.give(found)?;
                    }
                    self.line = Line::Name;
                    continue;
                }
                Line::Name => memchr2(b':', b'\n', rest),
                Line::Within { .. } => memchr(b'\n', rest),
            };
            let (piece, after) = rest.split_at(until.map_or(rest.len(), |at| at + 1));
            rest = after;
            self.take(piece);
        }
        Ok(())
    }

    /// The header is at its end.
    pub fn finish<E>(&mut self, found: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        let line = std::mem::replace(&mut self.line, Line::Start { wanted: false });
        let wanted = matches!(line, Line::Start { wanted: true } | Line::Within { wanted: true });
        if wanted {
            return self.give(found);
        }
        self.drop_held();
        Ok(())
    }

    /// As much of a name, or of a line behind it, as there is.
    fn take(&mut self, piece: &[u8]) {
        if self.line != (Line::Within { wanted: false }) {
            let room = MOST.saturating_sub(self.held.len());
            self.is_cut |= piece.len() > room;
            self.held.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.line = match (self.line, piece.last()) {
            (Line::Within { wanted }, Some(b'\n')) => Line::Start { wanted },
            (Line::Name, Some(b'\n')) => Line::Nameless,
            (Line::Name, Some(b':')) => {
                let wanted = !self.is_cut && fields(&self.held).any(|field| field.is(&self.name));
                if !wanted {
                    self.drop_held();
                }
                Line::Within { wanted }
            }
            (line, _) => line,
        };
    }

    fn give<E>(&mut self, found: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        let is_cut = self.is_cut;
        // A character that was cut would make its field one that is no UTF-8.
        if is_cut
            && let Err(error) = std::str::from_utf8(&self.held)
            && error.error_len().is_none()
        {
            self.held.truncate(error.valid_up_to());
        }
        let given = fields(&self.held).try_for_each(|field| found(Found { field, is_cut }));
        self.drop_held();
        given
    }

    fn drop_held(&mut self) {
        self.held.clear();
        self.is_cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::header;
    use proptest::prelude::*;

    fn found(name: &str, pieces: &[&[u8]]) -> Vec<(Vec<u8>, bool)> {
        let (mut search, mut all) = (Search::new(name), Vec::new());
        let mut take = |found: Found<'_>| {
            all.push((found.field.raw.to_vec(), found.is_cut));
            Ok::<(), std::convert::Infallible>(())
        };
        for piece in pieces {
            let Ok(()) = search.push(piece, &mut take);
        }
        let Ok(()) = search.finish(&mut take);
        all
    }

    #[test]
    fn a_field_is_bounded_and_its_end_told_however_long_it_is() {
        let long = format!("Subject: {}\nX: a\nSUBJECT :b", "ä".repeat(MOST));
        let all = found("subject", &long.as_bytes().chunks(4096).collect::<Vec<_>>());
        assert_eq!((all.len(), all[0].0.len(), all[0].1), (2, MOST - 1, true));
        assert!(std::str::from_utf8(&all[0].0).is_ok());
        assert_eq!(all[1], (b"SUBJECT :b".to_vec(), false));
        // A name may be as long, and takes no more.
        let (mut search, line) = (Search::new("a"), [b'x'; 4096]);
        for _ in 0..1024 {
            let Ok(()) = search.push(&line, &mut |_| Ok::<(), std::convert::Infallible>(()));
        }
        assert!(search.held.len() <= MOST && search.held.capacity() <= 2 * MOST);
    }

    proptest! {
        #[test]
        fn the_same_fields_are_found_as_in_a_whole_header(header in "([aB:x \r]|\n|\n |\na:){0,30}", at in 0usize..60) {
            let bytes = header.as_bytes();
            // The blank line is where the caller stops.
            let bytes = &bytes[..header::items(bytes).map(|item| item.raw().len()).sum()];
            let whole: Vec<_> = header::fields(bytes).filter(|field| field.is("A")).map(|field| (field.raw.to_vec(), false)).collect();
            let (one, two) = bytes.split_at(at.min(bytes.len()));
            prop_assert_eq!(found("a", &[one, two]), whole);
        }
    }
}
