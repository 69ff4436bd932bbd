//! What is wrong with a config file, and where: file, line, and the nearest thing that would be right.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A line of a config file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
}

/// Why a config file is not taken. Ends a tool with status 78.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}: {error}", .file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("{place}: {what}")]
    Wrong { place: Place, what: String },
}

impl Place {
    /// The line of `text`, the text of `file`, that holds the byte at the start of `span`.
    pub fn of(file: &Path, text: &str, span: Option<Range<usize>>) -> Place {
        let before = text.as_bytes().get(..span.map_or(0, |s| s.start)).unwrap_or(text.as_bytes());
        Place { file: file.to_owned(), line: before.iter().filter(|b| **b == b'\n').count() + 1 }
    }

    pub fn wrong(&self, what: impl fmt::Display) -> ConfigError {
        ConfigError::Wrong { place: self.clone(), what: what.to_string() }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The parser's own error on one line, an unknown key with the nearest one that exists.
pub fn parse_error(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let place = Place::of(file, text, error.span());
    let message = error.message();
    let Some(unknown) = message.strip_prefix("unknown field ") else {
        return place.wrong(message.split_whitespace().collect::<Vec<_>>().join(" "));
    };
    let mut quoted = unknown.split('`').skip(1).step_by(2);
    let key = quoted.next().unwrap_or_default();
    match nearest(key, quoted) {
        Some(near) => place.wrong(format_args!("unknown key \"{key}\"; the nearest is \"{near}\"")),
        None => place.wrong(format_args!("unknown key \"{key}\"")),
    }
}

/// The candidate that takes the fewest edits to become `word`; the first of equals.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates.min_by_key(|candidate| distance(word, candidate))
}

/// Edits between two words: characters put in, left out or changed (Levenshtein). Long words count by their start, so that a
/// hostile file costs little.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(LONGEST).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let change = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found() {
        assert_eq!([distance("hostnme", "hostname"), distance("", "abc"), distance("kitten", "sitting")], [1, 3, 3]);
        assert_eq!(nearest("hostnme", ["domains", "hostname", "spool"].into_iter()), Some("hostname"));
        assert_eq!(nearest("relaydomains", ["domains", "relay-domains"].into_iter()), Some("relay-domains"));
        assert_eq!(nearest("x", std::iter::empty()), None);
    }

    #[test]
    fn lines_count_from_one() {
        let line = |at: usize| Place::of(Path::new("f"), "a\nb\nc", Some(at..at)).line;
        assert_eq!([line(0), line(2), line(4), line(99)], [1, 2, 3, 3]);
    }
}
