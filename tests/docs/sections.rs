//! Sections in plain text, as `--help` shows them, made into man macros: a line in capitals is a title; below it, a line with a wide
//! gap is a term and its meaning, deeper lines after such a line go on with it, other deeper lines stand as they are.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub title: String,
    /// Indented as in the text.
    pub lines: Vec<String>,
}

/// Takes a text apart at its titles. Text before the first is no section's and a mistake.
pub fn sections(text: &str) -> Vec<Section> {
    let mut found: Vec<Section> = Vec::new();
    for line in text.lines() {
        let title = !line.is_empty() && line.chars().all(|c| c.is_ascii_uppercase() || c == ' ') && !line.starts_with(' ');
        if title {
            found.push(Section { title: line.trim().to_owned(), lines: Vec::new() });
        } else if let Some(section) = found.last_mut() {
            section.lines.push(line.trim_end().to_owned());
        } else {
            assert!(line.trim().is_empty(), "text before the first title: {line}");
        }
    }
    found
}

/// Appends the macros for one section's lines.
pub fn render(lines: &[String], title: &str, out: &mut String) {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let base = lines.iter().filter(|l| !l.is_empty()).map(|l| indent(l)).min().unwrap_or(0);
    let mut writer = Writer { out, base, item: None, verbatim: false, inset: false, gap: false };
    for line in lines {
        let depth = indent(line);
        if line.is_empty() {
            writer.gap = true;
        } else if title == "EXAMPLES" {
            writer.verbatim(line);
        } else if let Some(at) = writer.item
            && depth > at
        {
            writer.text(line);
        } else if let Some((term, meaning)) = split_item(line) {
            writer.item(depth, term, meaning);
        } else if depth > base {
            writer.verbatim(line);
        } else {
            assert!(writer.gap || writer.item != Some(depth), "goes on with the row above it, but stands no deeper: {line}");
            writer.paragraph(line);
        }
    }
    writer.leave();
}

/// A term and its meaning, two blanks or more between them.
fn split_item(line: &str) -> Option<(&str, &str)> {
    let (term, meaning) = line.trim_start().split_once("  ")?;
    Some((term, meaning.trim_start()))
}

struct Writer<'a> {
    out: &'a mut String,
    base: usize,
    /// The depth of the item that deeper lines go on with.
    item: Option<usize>,
    verbatim: bool,
    inset: bool,
    /// A blank line came before.
    gap: bool,
}

impl Writer<'_> {
    fn macro_line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    fn text(&mut self, line: &str) {
        let line = escape(line.trim_start());
        self.macro_line(&line);
    }

    fn item(&mut self, depth: usize, term: &str, meaning: &str) {
        let inset = depth > self.base;
        if self.verbatim || self.inset != inset {
            self.leave();
        }
        if inset && !self.inset {
            self.macro_line(".RS 4");
            self.inset = true;
        }
        self.gap = false;
        self.macro_line(".TP 12");
        self.macro_line(&format!(".B \"{}\"", escape(term).replace('"', "\\(dq")));
        self.text(meaning);
        self.item = Some(depth);
    }

    fn verbatim(&mut self, line: &str) {
        if !self.verbatim {
            self.leave();
            self.macro_line(".PP");
            self.macro_line(".RS 4");
            self.macro_line(".nf");
            self.verbatim = true;
        } else if self.gap {
            self.macro_line("");
        }
        self.gap = false;
        let body = line.get(self.base..).unwrap_or(line).to_owned();
        self.macro_line(&escape(&body));
    }

    fn paragraph(&mut self, line: &str) {
        if self.gap || self.verbatim || self.inset || self.item.is_some() {
            self.leave();
            self.macro_line(".PP");
        }
        self.gap = false;
        self.text(line);
    }

    fn leave(&mut self) {
        if self.verbatim {
            self.macro_line(".fi");
            self.macro_line(".RE");
        } else if self.inset {
            self.macro_line(".RE");
        }
        (self.verbatim, self.inset, self.item) = (false, false, None);
    }
}

/// Text that troff shows as it stands, ASCII quotes and hyphens included, so that examples can be pasted.
pub fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            c => out.push(c),
        }
    }
    if out.starts_with('.') { format!("\\&{out}") } else { out }
}
