//! Which parts are meant: by number, name, pattern or type.

use super::scan::Part;

/// What a part is chosen by. Several meanings may hold at once; any of them counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector(String);

impl Selector {
    pub fn new(text: impl Into<String>) -> Selector {
        Selector(text.into())
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// The part's number (`1.2`, `TEXT`), its file's name, a pattern of names (`*.pdf`), or one of types (`image/*`). Numbers and
    /// patterns count in any case.
    pub fn matches(&self, part: &Part<'_>) -> bool {
        let Selector(wanted) = self;
        let name = part.head.name.as_deref();
        part.section.eq_ignore_ascii_case(wanted)
            || name == Some(wanted)
            || name.is_some_and(|name| glob(wanted, name))
            || (wanted.contains('/') && glob(wanted, &part.head.media))
    }
}

/// `*` stands for any characters, `?` for one, `[a-c]` for one of those, `[!a-c]` for one that is none of those (POSIX.1-2024, XCU 2.14); all
/// others for themselves, in any case.
fn glob(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let (mut at, mut text) = (0, text.chars());
    // Behind the last star, and what it had swallowed by then: going back there once more is always enough.
    let mut back = None;
    loop {
        let there = text.clone();
        let next = text.next();
        match (pattern.get(at), next) {
            (None, None) => return true,
            (Some('*'), _) => {
                at += 1;
                back = Some((at, there.clone()));
                text = there;
                continue;
            }
            (Some(_), Some(c)) if let Some(used) = one(&pattern[at..], c) => {
                at += used;
                continue;
            }
            _ => {}
        }
        let Some((after_star, mut swallowed)) = back.take() else { return false };
        if swallowed.next().is_none() {
            return false;
        }
        (at, text) = (after_star, swallowed.clone());
        back = Some((after_star, swallowed));
    }
}

/// How much of the pattern stands for `c`; none if it does not.
fn one(pattern: &[char], c: char) -> Option<usize> {
    let same = |a: char| a == c || a.to_lowercase().eq(c.to_lowercase());
    match pattern {
        ['?', ..] => Some(1),
        ['[', rest @ ..] => {
            let is_negated = matches!(rest, ['!' | '^', ..]);
            let set = &rest[usize::from(is_negated)..];
            // A bracket that stands first in it is one of them; without one that closes it, it is no set.
            let Some(end) = set.iter().skip(1).position(|c| *c == ']').map(|end| end + 1) else { return same('[').then_some(1) };
            (holds(&set[..end], c) != is_negated).then_some(1 + usize::from(is_negated) + end + 1)
        }
        [first, ..] => same(*first).then_some(1),
        [] => None,
    }
}

fn holds(set: &[char], c: char) -> bool {
    let forms: Vec<char> = std::iter::once(c).chain(c.to_lowercase()).chain(c.to_uppercase()).collect();
    let mut rest = set;
    while let [first, after @ ..] = rest {
        let (last, after) = match after {
            ['-', last, after @ ..] => (*last, after),
            _ => (*first, after),
        };
        if forms.iter().any(|form| (*first..=last).contains(form)) {
            return true;
        }
        rest = after;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_the_shell_in_any_case() {
        for (pattern, text, matches) in [
            ("*.pdf", "a.PDF", true),
            ("*.pdf", "a.pdf.exe", false),
            ("image/*", "image/png", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-", false),
            ("?.txt", "ä.txt", true),
            ("?.txt", ".txt", false),
            ("", "", true),
            ("*", "", true),
            ("a", "", false),
            ("**", "x", true),
            ("[a-b].pdf", "a.pdf", true),
            ("[a-b].pdf", "c.pdf", false),
            ("[!a-b].pdf", "c.pdf", true),
            ("[^a-b].pdf", "B.pdf", false),
            ("*[0-9].pdf", "a1b2.pdf", true),
            ("*[0-9].pdf", "a1b.pdf", false),
            ("[]x]", "]", true),
            ("[a-]", "-", true),
            ("a[1.txt", "a[1.txt", true),
            ("[a", "a", false),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_made_to_cost_costs_little() {
        assert!(!glob(&"*a".repeat(40), &("a".repeat(2000) + "b")));
    }
}
