//! uuencode (POSIX.1-2024, uuencode) read as a stream: as a transfer encoding (`x-uuencode`), and as files that stand in the lines of a
//! text. Nobody should write it.

/// A line of data has 61 characters; much longer ones are none.
const LONGEST_LINE: usize = 1024;

/// Reads the file between `begin` and `end`. What has no `begin` is given as it came.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    state: State,
    damage: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Before,
    Data,
    After,
    /// There was no `begin`.
    Plain,
}

impl Decoder {
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.state == State::Plain {
                return out.extend_from_slice(rest);
            }
            let end = memchr::memchr(b'\n', rest);
            let (piece, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            rest = after;
            self.line.extend_from_slice(piece);
            if end.is_some() || self.line.len() > LONGEST_LINE {
                self.take_line(out);
            }
        }
    }

    /// The content is at its end. True: it was no whole uuencoded file.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.line.is_empty() {
            self.take_line(out);
        }
        self.damage || !matches!(self.state, State::After)
    }

    /// Something was no uuencoded file's, as far as whole lines were read.
    pub fn is_damaged(&self) -> bool {
        self.damage
    }

    fn take_line(&mut self, out: &mut Vec<u8>) {
        let whole = std::mem::take(&mut self.line);
        let line = whole.trim_ascii_end();
        match self.state {
            State::Before if line.is_empty() => {}
            State::Before if line.starts_with(b"begin ") => self.state = State::Data,
            State::Before | State::Plain => {
                (self.state, self.damage) = (State::Plain, true);
                out.extend_from_slice(&whole);
            }
            State::Data if line == b"end" => self.state = State::After,
            State::Data => self.data(line, out),
            State::After => self.damage |= !line.is_empty(),
        }
    }

    fn data(&mut self, line: &[u8], out: &mut Vec<u8>) {
        self.damage |= !line.is_empty() && octets(line, out).is_none();
    }
}

/// What one line of data stands for: the number of octets, then four characters for each three. Blanks at its end, which are zeros, may
/// have been lost. Gives the number; none where it is no such line.
fn octets(line: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let (&count, characters) = line.split_first()?;
    let value = |byte: u8| (byte.wrapping_sub(b' ')) & 63;
    if !line.iter().all(|b| (b' '..=b'`').contains(b)) {
        return None;
    }
    let count = usize::from(value(count));
    let start = out.len();
    for group in characters.chunks(4) {
        let at = |n: usize| value(group.get(n).copied().unwrap_or(b' '));
        out.extend_from_slice(&[at(0) << 2 | at(1) >> 4, at(1) << 4 | at(2) >> 2, at(2) << 6 | at(3)]);
    }
    out.resize(start + count, 0);
    Some(count)
}

const BEGIN: &[u8] = b"begin ";

/// What stands in a text.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A file of this name begins.
    Begin(&'a [u8]),
    Data(&'a [u8]),
    /// It ends, or what follows is no data of it.
    End {
        damaged: bool,
    },
}

/// Finds uuencoded files in the lines of a text. `begin` alone makes none: a line of data has to follow.
#[derive(Debug, Default)]
pub struct Finder {
    /// Of the line that is being read, where it may matter.
    line: Vec<u8>,
    /// The rest of the line does not matter.
    passing: bool,
    place: Place,
    data: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// Behind a line that may begin a file of this name.
    Begun(Vec<u8>),
    Data,
}

impl Finder {
    pub fn push<E>(&mut self, text: &[u8], tell: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        let mut rest = text;
        while !rest.is_empty() {
            if self.passing {
                rest = self.pass(rest);
                continue;
            }
            let end = memchr::memchr(b'\n', rest);
            let piece = &rest[..end.map_or(rest.len(), |end| end + 1)];
            let start = [&self.line, &piece[..piece.len().min(BEGIN.len())]].concat();
            if self.place == Place::Text && !start.starts_with(&BEGIN[..start.len().min(BEGIN.len())]) {
                self.passing = true;
                self.line.clear();
                continue;
            }
            rest = &rest[piece.len()..];
            self.line.extend_from_slice(piece);
            if end.is_some() || self.line.len() > LONGEST_LINE {
                self.passing = end.is_none();
                self.take_line(tell)?;
            }
        }
        Ok(())
    }

    /// The text is at its end.
    pub fn finish<E>(&mut self, tell: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        if !self.line.is_empty() {
            self.take_line(tell)?;
        }
        if std::mem::take(&mut self.place) == Place::Data { tell(Found::End { damaged: true }) } else { Ok(()) }
    }

    /// What stands behind the line that does not matter, and where in text behind all such lines.
    fn pass<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        if self.place == Place::Text
            && let Some(at) = memchr::memmem::find(rest, b"\nbegin ")
        {
            self.passing = false;
            return &rest[at + 1..];
        }
        let end = if self.place == Place::Text { memchr::memrchr(b'\n', rest) } else { memchr::memchr(b'\n', rest) };
        self.passing = end.is_none();
        end.map_or(b"", |end| &rest[end + 1..])
    }

    fn take_line<E>(&mut self, tell: &mut impl FnMut(Found<'_>) -> Result<(), E>) -> Result<(), E> {
        let whole = std::mem::take(&mut self.line);
        let line = whole.strip_suffix(b"\n").unwrap_or(&whole);
        // A line that is too long is none of a file, however it came.
        let line = if whole.len() > LONGEST_LINE { b"\0" } else { line.strip_suffix(b"\r").unwrap_or(line) };
        self.data.clear();
        match std::mem::take(&mut self.place) {
            Place::Begun(name) if begins_data(line) => {
                octets(line, &mut self.data);
                self.place = Place::Data;
                tell(Found::Begin(&name))?;
                return tell(Found::Data(&self.data));
            }
            Place::Data if line == b"end" => return tell(Found::End { damaged: false }),
            Place::Data if line.trim_ascii().is_empty() || octets(line, &mut self.data).is_some() => {
                self.place = Place::Data;
                return tell(Found::Data(&self.data));
            }
            Place::Data => tell(Found::End { damaged: true })?,
            Place::Begun(_) | Place::Text => {}
        }
        // Whatever else it is, it may begin the next file.
        self.place = name_of(line).map_or(Place::Text, |name| Place::Begun(name.to_owned()));
        Ok(())
    }
}

/// `begin MODE NAME`
fn name_of(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(BEGIN)?;
    let (mode, name) = rest.split_at(rest.iter().position(|b| *b == b' ')?);
    let is_mode = (3..=4).contains(&mode.len()) && mode.iter().all(|b| (b'0'..=b'7').contains(b));
    Some(name.trim_ascii()).filter(|name| is_mode && !name.is_empty())
}

/// Whether this can be the first line behind `begin`: as long as it says, a checksum allowed. An empty file has only its end.
fn begins_data(line: &[u8]) -> bool {
    let Some((&count, characters)) = line.split_first() else { return false };
    let length = usize::from(count.wrapping_sub(b' ') & 63).div_ceil(3) * 4;
    line.iter().all(|b| (b' '..=b'`').contains(b)) && (length..=length + 1).contains(&characters.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> (String, bool) {
        let whole = split(text, text.len());
        for at in 0..text.len() {
            assert_eq!(split(text, at), whole, "{text:?} split at {at}");
        }
        whole
    }

    fn split(text: &str, at: usize) -> (String, bool) {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        decoder.push(&text.as_bytes()[..at], &mut out);
        decoder.push(&text.as_bytes()[at..], &mut out);
        let damage = decoder.finish(&mut out);
        (String::from_utf8(out).unwrap(), damage)
    }

    #[test]
    fn files_are_read_with_either_line_end_and_lost_blanks() {
        let whole = ("Cat".to_owned(), false);
        assert_eq!(decoded("begin 644 cat.txt\n#0V%T\n`\nend\n"), whole);
        assert_eq!(decoded("\r\nbegin 644 cat.txt\r\n#0V%T\r\n \r\nend\r\n"), whole);
        assert_eq!(decoded("begin 644 x\n#\n`\nend"), ("\0\0\0".to_owned(), false));
    }

    #[test]
    fn what_is_none_is_told_and_not_lost() {
        assert_eq!(decoded("no file\nhere\n"), ("no file\nhere\n".to_owned(), true));
        assert_eq!(decoded("begin 644 cat.txt\n#0V%T\n"), ("Cat".to_owned(), true));
        assert_eq!(decoded("begin 644 x\n#0V%T\nä\n`\nend\n"), ("Cat".to_owned(), true));
        assert_eq!(decoded("begin 644 x\n`\nend\nfooter\n"), (String::new(), true));
    }

    fn files(text: &str, cuts: &[usize]) -> Vec<String> {
        let (mut finder, mut told): (Finder, Vec<String>) = (Finder::default(), Vec::new());
        let mut tell = |found: Found<'_>| -> Result<(), std::convert::Infallible> {
            match found {
                Found::Begin(name) => told.push(format!("{}: ", String::from_utf8_lossy(name))),
                Found::Data(data) => told.last_mut().unwrap().push_str(&String::from_utf8_lossy(data)),
                Found::End { damaged } => told.last_mut().unwrap().push_str(if damaged { " damaged" } else { "" }),
            }
            Ok(())
        };
        let mut at = 0;
        for &cut in cuts.iter().chain([&text.len()]) {
            finder.push(&text.as_bytes()[at..cut], &mut tell).unwrap();
            at = cut;
        }
        finder.finish(&mut tell).unwrap();
        told
    }

    #[test]
    fn files_are_found_between_lines_of_text() {
        let long = "x".repeat(2000);
        for (text, found) in [
            ("begin 644 cat.txt\n#0V%T\n`\nend\n", &["cat.txt: Cat"] as &[&str]),
            ("Hello,\r\n\r\nbegin 755 my cat.txt\r\n#0V%T\r\n#0V%T\r\n`\r\nend\r\nBye\r\n", &["my cat.txt: CatCat"]),
            ("a\nbegin 644 a\n#0V%T\n \nend\ntext\nbegin 644 b\n`\nend\n", &["a: Cat", "b: "]),
            ("begin 644 a\n#0V%T\nno data here\nbegin 644 b\n#0V%T\nend", &["a: Cat damaged", "b: Cat"]),
            ("begin 644 a\nbegin 644 b\n#0V%T\n", &["b: Cat damaged"]),
            ("begin 644 a\n\nend\nbegin with that\nbegin 999 x\n#0V%T\nbegin 644 \n#0V%T\n beginn 644 a\n#0V%T\n", &[]),
            (
                &format!("begin 644 {long}\n#0V%T\n{long}\nbegin 644 a\n#0V%T\n{long}\nbegin 644 b\n#0V%T\nend\n"),
                &["a: Cat damaged", "b: Cat"],
            ),
        ] {
            assert_eq!(files(text, &[]), found, "{text:.99}");
            for at in 0..text.len() {
                assert_eq!(files(text, &[at]), found, "{text:.99} cut at {at}");
            }
            assert_eq!(files(text, &(0..text.len()).collect::<Vec<_>>()), found, "{text:.99} octet by octet");
        }
    }
}
