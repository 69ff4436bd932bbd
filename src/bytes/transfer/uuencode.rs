//! uuencode as a transfer encoding (`x-uuencode`; POSIX.1-2024, uuencode), read as a stream. Nobody should write it.

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

    /// The number of octets, then four characters for each three. Blanks at the end, which are zeros, may have been lost.
    fn data(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let Some((&count, characters)) = line.split_first() else { return };
        let value = |byte: u8| (byte.wrapping_sub(b' ')) & 63;
        if !(b' '..=b'`').contains(&count) || characters.iter().any(|b| !(b' '..=b'`').contains(b)) {
            self.damage = true;
            return;
        }
        let count = usize::from(value(count));
        let start = out.len();
        for group in characters.chunks(4) {
            let at = |n: usize| value(group.get(n).copied().unwrap_or(b' '));
            out.extend_from_slice(&[at(0) << 2 | at(1) >> 4, at(1) << 4 | at(2) >> 2, at(2) << 6 | at(3)]);
        }
        out.resize(start + count, 0);
    }
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
}
