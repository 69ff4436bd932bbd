//! Words set in lines: wrapped, indented, quoted.

/// Longest line, where words allow it.
const WIDTH: usize = 76;
/// Nested deeper, lists and quotes look the same.
const DEEPEST: usize = 8;
/// A longer word is written in pieces, so that none is held without bound.
const LONGEST_WORD: usize = 4096;
/// What of a link's text is compared with where it goes.
const WATCHED: usize = 512;

#[derive(Debug, Default)]
pub struct Layout {
    word: Vec<u8>,
    /// Characters on the line.
    column: usize,
    /// Line ends that are due before the next word.
    breaks: u8,
    blank: bool,
    /// Something is on the page.
    begun: bool,
    /// The bullet or number that the next word is behind.
    mark: Option<String>,
    pre: bool,
    quotes: usize,
    /// Open lists; numbered ones with their next number.
    lists: Vec<Option<u32>>,
    watched: Option<Vec<u8>>,
}

impl Layout {
    /// One octet of text; blanks separate words.
    pub fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.pre && matches!(byte, b'\n' | b' ' | b'\t') {
            if byte == b'\n' {
                self.line_break(out);
            } else {
                self.glyph(byte, out);
            }
        } else if byte.is_ascii_whitespace() {
            self.flush(out);
            self.blank = true;
            self.watch_byte(b' ');
        } else if byte.is_ascii_control() {
            // Nothing that is to be read.
        } else {
            self.glyph(byte, out);
        }
    }

    /// One octet that is shown, whatever it is.
    pub fn glyph(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.watch_byte(byte);
        // Pieces end between characters.
        if self.word.len() >= LONGEST_WORD && (byte & 0xc0) != 0x80 {
            self.flush(out);
        }
        self.word.push(byte);
    }

    pub fn watch(&mut self) {
        self.watched = Some(Vec::new());
    }

    /// The text since [`Layout::watch`], or its beginning.
    pub fn watched(&mut self) -> String {
        String::from_utf8_lossy(&self.watched.take().unwrap_or_default()).into_owned()
    }

    /// What follows stands behind `breaks` line ends.
    pub fn block(&mut self, breaks: u8, out: &mut Vec<u8>) {
        self.flush(out);
        self.breaks = self.breaks.max(if self.begun { breaks } else { 0 });
        self.blank = false;
    }

    pub fn line_break(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        self.breaks = (self.breaks + u8::from(self.begun)).min(2);
        self.blank = false;
    }

    pub fn cell(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        if self.breaks == 0 && self.column > 0 {
            out.push(b' ');
            self.column += 1;
            self.blank = true;
        }
    }

    pub fn rule(&mut self, out: &mut Vec<u8>) {
        self.block(2, out);
        self.word.extend_from_slice(b"----");
        self.block(2, out);
    }

    pub fn preformatted(&mut self, on: bool, out: &mut Vec<u8>) {
        self.block(2, out);
        self.pre = on;
    }

    pub fn quote(&mut self, on: bool, out: &mut Vec<u8>) {
        self.block(2, out);
        self.quotes = if on { self.quotes + 1 } else { self.quotes.saturating_sub(1) };
    }

    /// A list begins, its numbers if it has them; or the innermost ends.
    pub fn list(&mut self, begins: Option<Option<u32>>, out: &mut Vec<u8>) {
        let outermost = self.lists.len() == usize::from(begins.is_none());
        self.block(if outermost { 2 } else { 1 }, out);
        match begins {
            Some(number) if self.lists.len() < 1000 => self.lists.push(number),
            Some(_) => {}
            None => {
                self.lists.pop();
            }
        }
    }

    pub fn item(&mut self, out: &mut Vec<u8>) {
        self.block(1, out);
        self.mark = Some(match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => "* ".to_owned(),
        });
    }

    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.flush(out);
        if self.begun {
            out.push(b'\n');
        }
    }

    fn watch_byte(&mut self, byte: u8) {
        if let Some(watched) = self.watched.as_mut().filter(|watched| watched.len() < WATCHED) {
            watched.push(byte);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.word.is_empty() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        let width = word.iter().filter(|b| (**b & 0xc0) != 0x80).count();
        let wraps = !self.pre && self.blank && self.column > 0 && self.column + 1 + width > WIDTH;
        if self.breaks > 0 || wraps {
            let breaks = self.breaks.max(1);
            out.push(b'\n');
            out.extend(std::iter::repeat_n(b'\n', usize::from(breaks) - 1));
            (self.column, self.breaks, self.blank) = (0, 0, false);
        }
        if self.column == 0 {
            self.margin(out);
        } else if std::mem::take(&mut self.blank) {
            out.push(b' ');
            self.column += 1;
        }
        self.blank = false;
        self.begun = true;
        self.column += width;
        out.extend_from_slice(&word);
        self.word = word;
        self.word.clear();
    }

    fn margin(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        let quotes = self.quotes.min(DEEPEST);
        out.extend(std::iter::repeat_n(b'>', quotes));
        out.extend(std::iter::repeat_n(b' ', usize::from(quotes > 0)));
        let mark = self.mark.take();
        let depth = self.lists.len().min(DEEPEST);
        out.extend(std::iter::repeat_n(b' ', depth * 4 - depth.min(1) * if mark.is_some() { 2 } else { 0 }));
        out.extend_from_slice(mark.unwrap_or_default().as_bytes());
        self.column = out.len() - start;
    }
}
