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

/// `*` stands for any characters, `?` for one; all others for themselves, in any case.
fn glob(pattern: &str, text: &str) -> bool {
    let same = |a: char, b: char| a == b || a.to_lowercase().eq(b.to_lowercase());
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where the last star stood, and what it had swallowed by then: going back there once more is always enough.
    let mut back = None;
    loop {
        let there = text.clone();
        match (pattern.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                back = Some((pattern.clone(), there.clone()));
                text = there;
            }
            (Some('?'), Some(_)) => {}
            (Some(p), Some(t)) if same(p, t) => {}
            _ => {
                let Some((after_star, mut swallowed)) = back.take() else { return false };
                if swallowed.next().is_none() {
                    return false;
                }
                (pattern, text) = (after_star.clone(), swallowed.clone());
                back = Some((after_star, swallowed));
            }
        }
    }
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
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_made_to_cost_costs_little() {
        assert!(!glob(&"*a".repeat(40), &("a".repeat(2000) + "b")));
    }
}
