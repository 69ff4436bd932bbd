//! What the floors test has to know of a Rust source file: the paths it names, the macros it calls, the modules it declares.
//! A scanner, not a parser: it skips comments and literals and follows `use` trees, `mod` blocks and `#[cfg(test)]`.

/// A path as written and where it leads: `["crate", "bytes", "line"]` from the crate's root, or an outside one as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub segments: Vec<String>,
    pub line: usize,
    pub in_tests: bool,
}

#[derive(Debug, Default)]
pub struct Source {
    pub paths: Vec<Named>,
    /// Macros called, by the last segment of their name.
    pub macros: Vec<Named>,
    /// Lines with `unsafe`.
    pub unsafes: Vec<usize>,
    /// `mod name;`
    pub children: Vec<String>,
    /// First words at the top level that are no `mod` declaration: what a `mod.rs` must not have.
    pub items: Vec<(String, usize)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Colons,
    Mark(char),
}

/// Reads `text`, the source of the module `module` (its path from the crate's root).
pub fn read(module: &[String], text: &str) -> Source {
    let tokens = tokens(text);
    let mut reader = Reader { tokens: &tokens, at: 0, module, blocks: Vec::new(), depth: 0, source: Source::default() };
    reader.source.children = children(&tokens);
    reader.run();
    reader.source
}

fn children(tokens: &[(Token, usize)]) -> Vec<String> {
    let declared = |w: &[(Token, usize)]| match w {
        [(Token::Word(k), _), (Token::Word(name), _), (Token::Mark(';'), _)] if k == "mod" => Some(name.clone()),
        _ => None,
    };
    tokens.windows(3).filter_map(declared).collect()
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
    module: &'a [String],
    /// Inline modules that are open: name, depth of their brace, whether under `#[cfg(test)]`.
    blocks: Vec<(String, usize, bool)>,
    depth: usize,
    source: Source,
}

impl Reader<'_> {
    fn run(&mut self) {
        let mut statement_start = true;
        let mut test_next = false;
        while let Some((token, line)) = self.tokens.get(self.at) {
            if self.depth == 0 && statement_start && self.skip_attribute(&mut test_next) {
                continue;
            }
            if let (0, true, Token::Word(word)) = (self.depth, statement_start, token)
                && word != "pub"
            {
                if !(word == "mod" && self.mark_at(2, ';')) {
                    self.source.items.push((word.clone(), *line));
                }
                statement_start = false;
            }
            match token {
                Token::Mark('{') => self.depth += 1,
                Token::Mark('}') => self.close(),
                Token::Word(word) if word == "mod" && self.mark_at(2, '{') => {
                    let name = self.word_at(1).unwrap_or_default().to_owned();
                    self.blocks.push((name, self.depth, test_next));
                    self.depth += 1;
                    self.at += 2;
                }
                Token::Word(word) if word == "use" => self.use_tree(),
                Token::Word(word) if word == "unsafe" => self.source.unsafes.push(*line),
                Token::Word(_) => self.path(),
                _ => {}
            }
            if self.depth == 0 && matches!(self.tokens.get(self.at), Some((Token::Mark(';' | '}'), _))) {
                (statement_start, test_next) = (true, false);
            }
            self.at += 1;
        }
    }

    /// `#[…]` or `#![…]` at the top level; remembers `#[cfg(test)]`.
    fn skip_attribute(&mut self, test_next: &mut bool) -> bool {
        let open = if self.mark_at(1, '!') { 2 } else { 1 };
        if !self.mark_at(0, '#') || !self.mark_at(open, '[') {
            return false;
        }
        *test_next |= self.word_at(open + 1) == Some("cfg") && self.word_at(open + 3) == Some("test");
        let mut depth = 0;
        while let Some((token, _)) = self.tokens.get(self.at) {
            match token {
                Token::Mark('[') => depth += 1,
                Token::Mark(']') => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 && *token == Token::Mark(']') {
                break;
            }
        }
        true
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.blocks.pop_if(|(_, depth, _)| *depth == self.depth);
    }

    fn word_at(&self, ahead: usize) -> Option<&str> {
        match self.tokens.get(self.at + ahead) {
            Some((Token::Word(word), _)) => Some(word),
            _ => None,
        }
    }

    fn mark_at(&self, ahead: usize, mark: char) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|(token, _)| *token == Token::Mark(mark))
    }

    fn colons_at(&self, ahead: usize) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|(token, _)| *token == Token::Colons)
    }

    /// A path in running code, or a macro call. Ends on its last token.
    fn path(&mut self) {
        let line = self.tokens[self.at].1;
        let mut segments = vec![self.word_at(0).unwrap_or_default().to_owned()];
        while self.colons_at(1) && self.word_at(2).is_some() {
            self.at += 2;
            segments.push(self.word_at(0).unwrap_or_default().to_owned());
        }
        if self.mark_at(1, '!') && !self.mark_at(2, '=') {
            let name = segments.pop().unwrap_or_default();
            let in_tests = self.in_tests();
            self.source.macros.push(Named { segments: vec![name], line, in_tests });
        } else if segments.len() > 1 {
            self.name(segments, line);
        }
    }

    fn use_tree(&mut self) {
        let line = self.tokens[self.at].1;
        self.at += 1;
        let mut prefix: Vec<String> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut leaf = false;
        while let Some((token, _)) = self.tokens.get(self.at) {
            match token {
                Token::Word(word) if word == "as" => self.at += 1,
                Token::Word(word) => {
                    prefix.push(word.clone());
                    leaf = true;
                }
                Token::Mark('*') => leaf = true,
                Token::Mark('{') => {
                    open.push(prefix.len());
                    leaf = false;
                }
                Token::Mark(mark @ (',' | '}' | ';')) => {
                    if std::mem::take(&mut leaf) {
                        self.name(prefix.clone(), line);
                    }
                    if *mark == '}' {
                        open.pop();
                    }
                    prefix.truncate(open.last().copied().unwrap_or(0));
                    if *mark == ';' {
                        return;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    fn in_tests(&self) -> bool {
        self.blocks.iter().any(|(_, _, test)| *test)
    }

    /// Notes a path, led back to the crate's root where it starts from there.
    fn name(&mut self, segments: Vec<String>, line: usize) {
        let mut here: Vec<String> = self.module.to_vec();
        here.extend(self.blocks.iter().map(|(name, ..)| name.clone()));
        let supers = segments.iter().take_while(|s| *s == "super").count();
        let segments = match segments[0].as_str() {
            "crate" => segments,
            "self" => from_root(&here, &segments[1..]),
            "super" => from_root(&here[..here.len().saturating_sub(supers)], &segments[supers..]),
            first if self.source.children.iter().any(|c| c == first) => from_root(self.module, &segments),
            _ => segments,
        };
        let in_tests = self.in_tests();
        self.source.paths.push(Named { segments, line, in_tests });
    }
}

fn from_root(base: &[String], rest: &[String]) -> Vec<String> {
    std::iter::once("crate".to_owned()).chain(base.iter().cloned()).chain(rest.iter().cloned()).collect()
}

fn tokens(text: &str) -> Vec<(Token, usize)> {
    let mut out = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = blank_length(rest).or_else(|| literal_length(rest));
        let taken = match length {
            Some(length) => length,
            None if c.is_alphanumeric() || c == '_' => {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                out.push((Token::Word(rest[..end].to_owned()), line));
                end
            }
            None if rest.starts_with("::") => {
                out.push((Token::Colons, line));
                2
            }
            None => {
                out.push((Token::Mark(c), line));
                c.len_utf8()
            }
        };
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    out
}

/// White space or a comment at the start of `text`.
fn blank_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        let mut depth = 0;
        let mut at = 0;
        while at < text.len() {
            match &text.as_bytes()[at..] {
                [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
                [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                break;
            }
        }
        return Some(at);
    }
    let blank = text.len() - text.trim_start().len();
    (blank > 0).then_some(blank)
}

/// A string, byte string, raw string or character at the start of `text`, or a lifetime.
fn literal_length(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|p| text.starts_with(p)).unwrap_or("");
    let after = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        if after[hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let body = &after[hashes + 1..];
            return Some(prefix.len() + hashes + 1 + body.find(&end).map_or(body.len(), |at| at + end.len()));
        }
    } else if after.starts_with('"') {
        return Some(prefix.len() + quoted_length(after, b'"'));
    }
    let quote = if prefix == "b" { after } else { text };
    if let Some(body) = quote.strip_prefix('\'') {
        let before = text.len() - quote.len();
        let mut chars = body.chars();
        let first = chars.next()?;
        if first == '\\' || chars.next() == Some('\'') {
            return Some(before + quoted_length(quote, b'\''));
        }
        let name = body.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(body.len());
        return Some(before + 1 + name);
    }
    None
}

fn quoted_length(text: &str, quote: u8) -> usize {
    let mut bytes = text.bytes().enumerate().skip(1);
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            byte if byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}
