//! Paths with `{user}` and `{domain}` in them. What an address puts there never leaves its place.

use crate::mail::address::Domain;
use std::path::PathBuf;
use std::str::FromStr;

/// An absolute path; every `{user}` and `{domain}` stands for one word without slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    User,
    Domain,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("{0}: not absolute")]
    Relative(String),
    #[error("{0}: only {{user}} and {{domain}} can stand in braces")]
    Braces(String),
}

/// The name could lead out of its directory, or hide in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name for a mailbox")]
pub struct Hostile;

/// Longest name of a file (NAME_MAX), in octets.
const MAX_NAME: usize = 255;

impl Template {
    /// The path for one user.
    pub fn path(&self, user: &str, domain: &Domain) -> Result<PathBuf, Hostile> {
        let domain = domain.name().unwrap_or_else(|| domain.to_string());
        let mut path = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::User => path.push_str(name(user)?),
                Piece::Domain => path.push_str(name(&domain)?),
            }
        }
        Ok(path.into())
    }
}

fn name(word: &str) -> Result<&str, Hostile> {
    let harmless = !word.is_empty() && word.len() <= MAX_NAME && !word.starts_with('.') && !word.contains(['/', '\0']);
    if harmless { Ok(word) } else { Err(Hostile) }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let braces = || TemplateError::Braces(text.to_owned());
        if !text.starts_with('/') {
            return Err(TemplateError::Relative(text.to_owned()));
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').ok_or_else(braces)?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match word {
                "user" => Piece::User,
                "domain" => Piece::Domain,
                _ => return Err(braces()),
            });
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let stray = pieces.iter().any(|piece| matches!(piece, Piece::Text(text) if text.contains('}')));
        if stray { Err(braces()) } else { Ok(Template { pieces }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_name_stays_in_its_place() {
        let template: Template = "/srv/{domain}/{user}/Maildir".parse().unwrap();
        let domain = "B.test".parse().unwrap();
        assert_eq!(template.path("bob", &domain).as_deref(), Ok(Path::new("/srv/b.test/bob/Maildir")));
        for hostile in ["", ".", "..", ".bob", "a/b", "../x", "a\0b", &"x".repeat(256)] {
            assert_eq!(template.path(hostile, &domain), Err(Hostile), "{hostile:?}");
        }
        assert_eq!(template.path("${x}`y`{user}", &domain).as_deref(), Ok(Path::new("/srv/b.test/${x}`y`{user}/Maildir")));
    }

    #[test]
    fn only_what_is_known_stands_in_braces() {
        for bad in ["{user}", "mail/{user}", "/{users}", "/{user", "/user}", "/{}"] {
            assert!(bad.parse::<Template>().is_err(), "{bad}");
        }
    }
}
