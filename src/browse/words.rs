//! A line that somebody types, parted into words: quotes and backslashes keep together what belongs together.

/// Longest line, in octets: what is larger goes into a file.
pub const MAX_LINE: usize = 64 * 1024;

/// One word, and whether it was written without quotes: only such a word can be a number, a name of the language or a parenthesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    pub plain: bool,
}

impl Word {
    pub fn plain(text: &str) -> Word {
        Word { text: text.to_owned(), plain: true }
    }

    pub fn quoted(text: &str) -> Word {
        Word { text: text.to_owned(), plain: false }
    }

    /// It is this word of the language, in any case.
    pub fn is(&self, name: &str) -> bool {
        self.plain && self.text.eq_ignore_ascii_case(name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    #[error("the {0} at column {1} has no end")]
    Open(char, usize),
    #[error("nothing follows the backslash at the end")]
    Backslash,
    #[error("a line end outside of quotes: each command is a line, or a -c, of its own")]
    Lines,
    #[error("a line has at most {MAX_LINE} octets")]
    Long,
}

/// Whether parentheses are words of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parens {
    Apart,
    Inside,
}

/// A line end outside of quotes is none of a word, and what follows is no argument.
pub fn one_line(text: &str) -> Result<(), WordError> {
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => drop(chars.next()),
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\n' | '\r', None) => return Err(WordError::Lines),
            _ => {}
        }
    }
    Ok(())
}

/// The words of a line. `'…'` is taken as it stands; in `"…"` a backslash makes the next character plain. Outside of quotes a backslash
/// before a letter stays, so that `\Seen` is the flag, and before anything else it makes that plain.
pub fn words(line: &str, parens: Parens) -> Result<Vec<Word>, WordError> {
    if line.len() > MAX_LINE {
        return Err(WordError::Long);
    }
    let mut words = Vec::new();
    let mut open: Option<Word> = None;
    let mut chars = line.chars().enumerate().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(open.take()),
            '(' | ')' if parens == Parens::Apart => {
                words.extend(open.take());
                words.push(Word::plain(c.encode_utf8(&mut [0; 4])));
            }
            '\'' | '"' => {
                let word = open.get_or_insert_with(|| Word::plain(""));
                word.plain = false;
                quoted(c, at, &mut chars, &mut word.text)?;
            }
            '\\' => {
                let word = open.get_or_insert_with(|| Word::plain(""));
                let (_, next) = chars.next().ok_or(WordError::Backslash)?;
                if next.is_ascii_alphabetic() || next == '*' {
                    word.text.push('\\');
                } else {
                    word.plain = false;
                }
                word.text.push(next);
            }
            c => open.get_or_insert_with(|| Word::plain("")).text.push(c),
        }
    }
    words.extend(open);
    Ok(words)
}

fn quoted(end: char, at: usize, chars: &mut dyn Iterator<Item = (usize, char)>, text: &mut String) -> Result<(), WordError> {
    let unclosed = WordError::Open(end, at + 1);
    loop {
        match chars.next().ok_or(unclosed)?.1 {
            c if c == end => return Ok(()),
            '\\' if end == '"' => text.push(chars.next().ok_or(unclosed)?.1),
            c => text.push(c),
        }
    }
}

/// The commands in a text of several lines. A line end within quotes parts none, and comments and raw lines have no quotes.
pub fn lines(text: &str) -> Vec<&str> {
    let (mut lines, mut from, mut open, mut plain) = (Vec::new(), 0, None, false);
    for (at, c) in text.char_indices() {
        let before = &text[from..at];
        match (c, open) {
            ('\n', None) => {
                lines.push(before);
                (from, plain) = (at + 1, false);
            }
            (_, Some((end, plain_at))) if c == end && plain_at != at => open = None,
            ('\\', Some(('"', _))) => open = Some(('"', at + 1)),
            ('\'' | '"', None) if !plain => {
                let verb = verb(before).0;
                plain = verb.starts_with(['#', '.']) || verb.eq_ignore_ascii_case("raw");
                open = (!plain && !before.ends_with('\\')).then_some((c, usize::MAX));
            }
            _ => {}
        }
    }
    lines.push(&text[from..]);
    lines
}

/// The first word of a line, and what follows it as it stands there.
pub fn verb(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    let end = line.find(char::is_whitespace).unwrap_or(line.len());
    let (verb, rest) = line.split_at(end);
    (verb, rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(line: &str) -> Vec<String> {
        words(line, Parens::Inside).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn quotes_and_backslashes_keep_words_together() {
        assert_eq!(plain("  copy 1:5\t\"My Mail\" "), ["copy", "1:5", "My Mail"]);
        assert_eq!(plain(r#"a'b c'd "x \"y\" \\" '\n'"#), ["ab cd", "x \"y\" \\", "\\n"]);
        assert_eq!(plain(r"flag 5 \Seen My\ Mail \*"), ["flag", "5", "\\Seen", "My Mail", "\\*"]);
        assert_eq!(plain("select ''"), ["select", ""]);
        assert!(plain("  ").is_empty());
    }

    #[test]
    fn only_unquoted_words_are_of_the_language() {
        let found = words("from \"or\" or", Parens::Inside).unwrap();
        assert_eq!(found.iter().map(|word| word.is("OR")).collect::<Vec<_>>(), [false, false, true]);
        assert!(!words(r"\( x", Parens::Apart).unwrap()[0].is("("));
    }

    #[test]
    fn parentheses_stand_alone_where_they_mean_something() {
        let apart = |line| words(line, Parens::Apart).unwrap().into_iter().map(|word| word.text).collect::<Vec<_>>();
        assert_eq!(apart("not(seen or(larger 1M))"), ["not", "(", "seen", "or", "(", "larger", "1M", ")", ")"]);
        assert_eq!(apart("subject \"(x)\""), ["subject", "(x)"]);
        assert_eq!(plain("fetch 1 BODY[HEADER.FIELDS (To)]"), ["fetch", "1", "BODY[HEADER.FIELDS", "(To)]"]);
    }

    #[test]
    fn what_has_no_end_is_told_with_its_place() {
        assert_eq!(words("ls \"a", Parens::Inside), Err(WordError::Open('"', 4)));
        assert_eq!(words("ls 'a\"", Parens::Inside), Err(WordError::Open('\'', 4)));
        assert_eq!(words("ls \"a\\", Parens::Inside), Err(WordError::Open('"', 4)));
        assert_eq!(words("ls \\", Parens::Inside), Err(WordError::Backslash));
        assert_eq!(words(&"x".repeat(MAX_LINE + 1), Parens::Inside), Err(WordError::Long));
    }

    #[test]
    fn each_line_is_a_command_unless_it_is_quoted() {
        assert_eq!(lines("ls\nselect 'a\nb'\r\n\nraw x \"\nls"), ["ls", "select 'a\nb'\r", "", "raw x \"", "ls"]);
        assert_eq!(lines("# it's\nls \"a\\\"\nb\"\nls it\\'s\nls"), ["# it's", "ls \"a\\\"\nb\"", "ls it\\'s", "ls"]);
        assert_eq!(lines("ls 'a\nb"), ["ls 'a\nb"]);
        assert_eq!(lines(""), [""]);
    }

    #[test]
    fn the_first_word_is_parted_from_the_rest_as_it_stands() {
        assert_eq!(verb(" raw  NOOP \"x"), ("raw", "NOOP \"x"));
        assert_eq!(verb("ls"), ("ls", ""));
        assert_eq!(verb(""), ("", ""));
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(text in any::<String>()) {
            let line = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            if line.len() <= MAX_LINE {
                prop_assert_eq!(words(&line, Parens::Apart).unwrap(), [Word::quoted(&text)]);
            }
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<String>()) {
            let _ = words(&line, Parens::Apart);
        }
    }
}
