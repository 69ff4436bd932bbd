//! format=flowed (RFC 3676): paragraphs over lines that end in a blank, written and joined again, as streams. UTF-8 with LF.

/// Longest line that is written, its soft break included (RFC 3676 section 4.2 recommends 78 at most).
const WIDTH: usize = 76;
/// Of a line that is longer, the rest is taken for another that continues it.
const LONGEST: usize = 64 * 1024;

/// Joins the lines of a paragraph.
#[derive(Debug)]
pub struct Unwrap {
    /// The blank of a soft break was added, and goes (`DelSp=yes`, section 4.1).
    delsp: bool,
    line: Vec<u8>,
    /// The quote depth of the paragraph that is open.
    open: Option<usize>,
    /// What is held goes on the line that was cut at [`LONGEST`].
    cut: bool,
}

impl Unwrap {
    pub fn new(delsp: bool) -> Unwrap {
        Unwrap { delsp, line: Vec::new(), open: None, cut: false }
    }

    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut rest = text;
        while !rest.is_empty() {
            let room = LONGEST - self.line.len();
            let end = memchr::memchr(b'\n', &rest[..rest.len().min(room)]);
            let (piece, after) = rest.split_at(end.map_or(rest.len().min(room), |end| end + 1));
            rest = after;
            self.line.extend_from_slice(piece);
            if end.is_some() {
                self.line.pop();
                self.take_line(true, out);
            } else if self.line.len() >= LONGEST {
                self.take_line(false, out);
            }
        }
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.line.is_empty() {
            self.take_line(true, out);
        }
        if self.open.take().is_some() || self.cut {
            out.push(b'\n');
        }
    }

    fn take_line(&mut self, ends: bool, out: &mut Vec<u8>) {
        let held = std::mem::take(&mut self.line);
        let line = held.strip_suffix(b"\r").filter(|_| ends).unwrap_or(&held);
        if std::mem::replace(&mut self.cut, !ends) {
            out.extend_from_slice(line);
            if ends {
                out.push(b'\n');
            }
            return;
        }
        let depth = line.iter().take_while(|&&b| b == b'>').count();
        let text = &line[depth..];
        let text = text.strip_prefix(b" ").unwrap_or(text);
        // A signature's separator ends in a blank and is no soft break (section 4.3).
        let is_separator = text == b"-- ";
        let continues = self.open == Some(depth) && !is_separator;
        if !continues {
            if self.open.take().is_some() {
                out.push(b'\n');
            }
            out.extend(std::iter::repeat_n(b'>', depth));
            if depth > 0 && !text.is_empty() {
                out.push(b' ');
            }
        }
        let flows = ends && !is_separator && text.ends_with(b" ");
        let shown = if flows && self.delsp { &text[..text.len() - 1] } else { text };
        out.extend_from_slice(shown);
        self.open = flows.then_some(depth);
        if !flows && ends {
            out.push(b'\n');
        }
    }
}

/// Wraps lines that are too long, at blanks. A line that begins with `>` is a quote, and so is what of it goes on the next line.
pub fn wrap(line: &str, out: &mut String) {
    let depth = line.bytes().take_while(|&b| b == b'>').count();
    let (quote, text) = line.split_at(depth);
    let text = if depth > 0 { text.strip_prefix(' ').unwrap_or(text) } else { text };
    if text == "-- " {
        return put(quote, text, out);
    }
    let mut rest = text.trim_end_matches(' ');
    loop {
        let room = WIDTH.saturating_sub(depth + 2).max(20);
        let fits = rest.char_indices().nth(room).map(|(at, _)| at);
        // The blank stays at the end of the line: it is the soft break.
        let fold = fits.and_then(|end| rest[..end].rfind(' ').or_else(|| rest[end..].find(' ').map(|at| end + at)));
        let Some(at) = fold.filter(|&at| !rest[at + 1..].is_empty()) else { return put(quote, rest, out) };
        put(quote, &rest[..=at], out);
        rest = &rest[at + 1..];
    }
}

/// One line, stuffed where it must be (section 4.4).
fn put(quote: &str, text: &str, out: &mut String) {
    out.push_str(quote);
    if !quote.is_empty() || text.starts_with([' ', '>']) || text.starts_with("From ") {
        out.push(' ');
    }
    out.push_str(text);
    // A lone CR at the end of a line is no half of its line end.
    out.push_str(if text.ends_with('\r') { "\r\n" } else { "\n" });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unwrapped(text: &str, delsp: bool) -> String {
        let one = |at: usize| {
            let (mut unwrap, mut out) = (Unwrap::new(delsp), Vec::new());
            unwrap.push(&text.as_bytes()[..at], &mut out);
            unwrap.push(&text.as_bytes()[at..], &mut out);
            unwrap.finish(&mut out);
            String::from_utf8(out).unwrap()
        };
        let whole = one(0);
        (0..=text.len().min(300)).for_each(|at| assert_eq!(one(at), whole, "{text:?} split at {at}"));
        whole
    }

    #[test]
    fn paragraphs_are_joined_as_the_rfc_says() {
        for (text, joined) in [
            ("one \ntwo\nthree\n", "one two\nthree\n"),
            ("one \r\ntwo\r\n", "one two\n"),
            (" From me\n  two\n >x\n", "From me\n two\n>x\n"),
            ("> one \n> two\n>> three \n> four\n", "> one two\n>> three \n> four\n"),
            ("text \n-- \nAlice\n", "text \n-- \nAlice\n"),
            ("> -- \n> A\n", "> -- \n> A\n"),
            ("open ", "open \n"),
            (">\n\n", ">\n\n"),
        ] {
            assert_eq!(unwrapped(text, false), joined, "{text:?}");
        }
        assert_eq!(unwrapped("日本 \n語\n", true), "日本語\n");
    }

    #[test]
    fn a_line_without_end_is_not_held() {
        let text = "x".repeat(LONGEST * 2 + 10);
        let (mut unwrap, mut out) = (Unwrap::new(false), Vec::new());
        unwrap.push(text.as_bytes(), &mut out);
        assert!(out.len() >= LONGEST);
        unwrap.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), text + "\n");
    }

    fn wrapped(text: &str) -> String {
        let mut out = String::new();
        text.lines().for_each(|line| wrap(line, &mut out));
        out
    }

    #[test]
    fn what_could_be_mistaken_is_stuffed() {
        assert_eq!(wrapped("From me\n two\n-- \nA  \n> q"), " From me\n  two\n-- \nA\n> q\n");
    }

    proptest! {
        #[test]
        fn what_is_wrapped_is_joined_again(text in "(> ?)?[a-zä]{1,30}(  ?[a-zä]{1,30}){0,20}(\n ?[a-z]{1,30}( [a-z]{1,30}){0,20}){0,3}") {
            let flowed = wrapped(&text);
            prop_assert!(flowed.lines().all(|line| line.chars().count() <= 78));
            let plain = text.lines().map(|l| l.strip_prefix('>').map_or(l.to_owned(), |q| format!("> {}", q.strip_prefix(' ').unwrap_or(q))) + "\n");
            prop_assert_eq!(unwrapped(&flowed, false), plain.collect::<String>());
        }
    }
}
