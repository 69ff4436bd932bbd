//! HTML as plain text, as a stream: paragraphs, lists, quotes, links. Nothing is fetched or run, and no input is refused. UTF-8.

mod entity;
mod layout;

pub use entity::resolve;
use layout::Layout;

/// What of one tag is looked at; the rest of a longer one is passed over.
const LONGEST_TAG: usize = 8 * 1024;

/// Renders HTML that comes in pieces.
#[derive(Debug, Default)]
pub struct Renderer {
    state: State,
    /// The tag, entity or end of a comment that is being read.
    held: Vec<u8>,
    layout: Layout,
    /// Where the link that is open goes, and what of its text is already there.
    link: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind a `<`, within a value in these quotes if it is not 0.
    Tag(u8),
    Comment,
    Entity,
    /// In an element whose content is no text, until its end tag.
    Hidden(&'static str),
}

impl Renderer {
    /// Appends lines of text to `out`.
    pub fn push(&mut self, html: &[u8], out: &mut Vec<u8>) {
        html.iter().for_each(|&byte| self.byte(byte, out));
    }

    /// The HTML is at its end.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        match self.state {
            State::Entity => self.entity(false, out),
            State::Tag(_) if self.held.is_empty() => self.layout.byte(b'<', out),
            _ => {}
        }
        self.layout.finish(out);
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Text => match byte {
                b'<' => self.begin(State::Tag(0)),
                b'&' => self.begin(State::Entity),
                _ => self.layout.byte(byte, out),
            },
            State::Tag(quote) => self.in_tag(quote, byte, out),
            State::Comment => {
                self.hold(byte, 3);
                if self.held == b"-->" {
                    self.begin(State::Text);
                }
            }
            State::Entity => self.in_entity(byte, out),
            State::Hidden(name) => {
                self.hold(byte.to_ascii_lowercase(), name.len() + 2);
                if self.held.strip_prefix(b"</") == Some(name.as_bytes()) {
                    (self.state, self.held) = (State::Tag(0), format!("/{name}").into_bytes());
                }
            }
        }
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.held.clear();
    }

    /// Keeps the last `most` octets.
    fn hold(&mut self, byte: u8, most: usize) {
        if self.held.len() == most {
            self.held.remove(0);
        }
        self.held.push(byte);
    }

    fn in_tag(&mut self, quote: u8, byte: u8, out: &mut Vec<u8>) {
        if self.held.is_empty() && !(byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!' | b'?')) {
            // No tag begins so: the `<` is text.
            self.begin(State::Text);
            self.layout.byte(b'<', out);
            return self.byte(byte, out);
        }
        if quote == 0 && byte == b'>' {
            let tag = std::mem::take(&mut self.held);
            self.state = State::Text;
            self.tag(&String::from_utf8_lossy(&tag), out);
            return;
        }
        let opens = quote == 0 && matches!(byte, b'"' | b'\'') && self.held.trim_ascii_end().ends_with(b"=");
        self.state = State::Tag(if opens {
            byte
        } else if byte == quote {
            0
        } else {
            quote
        });
        if self.held.len() < LONGEST_TAG {
            self.held.push(byte);
        }
        if self.held == b"!--" {
            self.begin(State::Comment);
        }
    }

    fn in_entity(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte == b';' {
            self.entity(true, out);
        } else if !(byte.is_ascii_alphanumeric() || byte == b'#') || self.held.len() >= entity::LONGEST {
            self.entity(false, out);
            self.byte(byte, out);
        } else {
            self.held.push(byte);
        }
    }

    /// What was held behind an ampersand, with its semicolon or without.
    fn entity(&mut self, is_ended: bool, out: &mut Vec<u8>) {
        let name = std::mem::take(&mut self.held);
        self.state = State::Text;
        let reference = format!("&{}{}", String::from_utf8_lossy(&name), if is_ended { ";" } else { "" });
        match entity::characters(&reference) {
            Some(text) => text.bytes().for_each(|byte| self.layout.glyph(byte, out)),
            None => reference.bytes().for_each(|byte| self.layout.byte(byte, out)),
        }
    }

    fn tag(&mut self, tag: &str, out: &mut Vec<u8>) {
        let closes = tag.starts_with('/');
        let body = tag.trim_start_matches('/');
        let name: String = body.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let layout = &mut self.layout;
        match name.as_str() {
            "script" | "style" | "title" | "template" if !closes => {
                let hidden = ["script", "style", "title", "template"].into_iter().find(|hidden| *hidden == name);
                self.begin(hidden.map_or(State::Text, State::Hidden));
            }
            "br" => layout.line_break(out),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" | "dl" | "form" | "fieldset" => layout.block(2, out),
            "div" | "tr" | "section" | "article" | "header" | "footer" | "address" | "center" | "body" | "dt" | "dd"
            | "figure" => {
                layout.block(1, out);
            }
            "td" | "th" if !closes => layout.cell(out),
            "hr" => layout.rule(out),
            "pre" => layout.preformatted(!closes, out),
            "blockquote" => layout.quote(!closes, out),
            "ul" => layout.list((!closes).then_some(None), out),
            "ol" => layout.list((!closes).then_some(Some(1)), out),
            "li" if !closes => layout.item(out),
            "li" => layout.block(1, out),
            "img" => {
                if let Some(text) = attribute(body, "alt").filter(|alt| !alt.trim().is_empty()) {
                    format!("[{}]", text.trim()).bytes().for_each(|byte| layout.byte(byte, out));
                }
            }
            "a" if closes => self.end_link(out),
            "a" => self.link = attribute(body, "href").filter(|to| goes_somewhere(to)),
            _ => {}
        }
        if name == "a" && !closes {
            self.layout.watch();
        }
    }

    /// Where a link goes stands behind its text, unless it is the text.
    fn end_link(&mut self, out: &mut Vec<u8>) {
        let Some(to) = self.link.take() else { return };
        let shown = self.layout.watched();
        let plain = to.strip_prefix("mailto:").unwrap_or(&to);
        if shown.trim() != plain && shown.trim() != to {
            format!(" <{to}>").bytes().for_each(|byte| self.layout.byte(byte, out));
        }
    }
}

fn goes_somewhere(link: &str) -> bool {
    ["http://", "https://", "mailto:", "ftp://"]
        .iter()
        .any(|scheme| link.get(..scheme.len()).is_some_and(|s| s.eq_ignore_ascii_case(scheme)))
}

/// The value of an attribute of a tag (its text without the angle brackets), entities resolved.
pub fn attribute(tag: &str, name: &str) -> Option<String> {
    attributes(tag).into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, place)| entity::resolve(&tag[place]))
}

/// Names and places of the values of a tag's attributes.
pub fn attributes(tag: &str) -> Vec<(&str, std::ops::Range<usize>)> {
    let bytes = tag.as_bytes();
    let skip = |mut at: usize, skipped: fn(&u8) -> bool| {
        while bytes.get(at).is_some_and(skipped) {
            at += 1;
        }
        at
    };
    let mut found = Vec::new();
    let mut at = skip(0, |b| !b.is_ascii_whitespace());
    while at < bytes.len() {
        let start = skip(at, |b| b.is_ascii_whitespace() || *b == b'/');
        let end = skip(start, |b| !b.is_ascii_whitespace() && *b != b'=' && *b != b'/');
        let equals = skip(end, u8::is_ascii_whitespace);
        if bytes.get(equals) != Some(&b'=') {
            at = end.max(start + 1);
            continue;
        }
        let value = skip(equals + 1, u8::is_ascii_whitespace);
        let place = match bytes.get(value) {
            Some(&quote @ (b'"' | b'\'')) => {
                let length = memchr::memchr(quote, &bytes[value + 1..]).unwrap_or(bytes.len() - value - 1);
                at = (value + 1 + length + 1).min(bytes.len());
                value + 1..value + 1 + length
            }
            _ => {
                at = skip(value, |b| !b.is_ascii_whitespace()).max(value + 1);
                value..at.min(bytes.len())
            }
        };
        found.push((&tag[start..end], place));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(html: &str) -> String {
        let one = |at: usize| {
            let (mut renderer, mut out) = (Renderer::default(), Vec::new());
            renderer.push(&html.as_bytes()[..at], &mut out);
            renderer.push(&html.as_bytes()[at..], &mut out);
            renderer.finish(&mut out);
            String::from_utf8(out).unwrap()
        };
        let whole = one(0);
        (0..=html.len()).for_each(|at| assert_eq!(one(at), whole, "{html:?} split at {at}"));
        whole
    }

    #[test]
    fn pages_read_as_text() {
        for (html, text) in [
            ("<p>One\n  two</p><p>Three", "One two\n\nThree\n"),
            ("a<br>b<br/>c", "a\nb\nc\n"),
            ("<html><head><title>T</title><style>p { x }</style></head><body>Hi<script>if (a<b) { }</script>!", "Hi!\n"),
            ("<ul><li>one<li>two</ul><ol><li>a</li><li>b</li></ol>", "  * one\n  * two\n\n  1. a\n  2. b\n"),
            ("<blockquote>said <b>so</b></blockquote>ok", "> said so\n\nok\n"),
            ("<pre>a  b\n c</pre>", "a  b\n c\n"),
            ("K&auml;se &amp; Brot &#8364;&#x20AC; &unheard; &lt;p&gt; A&B", "Käse & Brot €€ &unheard; <p> A&B\n"),
            ("&copy 2026 &zwnj;&Scaron;&NotEqualTilde;&#128;&#27;[2J &eur", "© 2026 \u{200c}Š≂̸€\u{fffd}[2J &eur\n"),
            (
                "<a href=\"https://x.test/?a=1&amp;b=2\">here</a> <a href='https://y.test/'>https://y.test/</a>",
                "here <https://x.test/?a=1&b=2> https://y.test/\n",
            ),
            ("<a href='javascript:x()'>no</a>", "no\n"),
            ("<img src=x alt='a cat'> <!-- <p> not shown --> 1 < 2", "[a cat] 1 < 2\n"),
            ("<table><tr><td>a<td>b</tr><tr><td>c</td></tr></table>", "a  b\nc\n"),
            ("<p title='a > b'>x", "x\n"),
            ("x&nbsp;y<hr>z", "x\u{a0}y\n\n----\n\nz\n"),
            ("", ""),
        ] {
            assert_eq!(rendered(html), text, "{html:?}");
        }
    }

    #[test]
    fn lines_are_wrapped_at_blanks() {
        let text = rendered(&"word ".repeat(40));
        assert!(text.lines().all(|line| line.len() <= 76) && text.lines().count() == 3, "{text}");
    }

    #[test]
    fn attributes_are_found_however_they_are_quoted() {
        let tag = "img SRC=\"a b.png\" alt='x>y' width=3 / data-x";
        assert_eq!(attribute(tag, "src").as_deref(), Some("a b.png"));
        assert_eq!((attribute(tag, "alt").as_deref(), attribute(tag, "width").as_deref()), (Some("x>y"), Some("3")));
        assert_eq!(attribute("img src=", "src").as_deref(), Some(""));
    }

    proptest! {
        #[test]
        fn nothing_panics_or_depends_on_the_split(html in "(<[/!a-z]{0,4}|[a-z=\"' >&;#-]|<!--|-->|<li>|</script>|<pre>|\u{e4}){0,40}", at in 0usize..60) {
            let at = (0..=at.min(html.len())).rev().find(|&at| html.is_char_boundary(at)).unwrap();
            let (mut one, mut two) = ((Renderer::default(), Vec::new()), (Renderer::default(), Vec::new()));
            one.0.push(html.as_bytes(), &mut one.1);
            one.0.finish(&mut one.1);
            two.0.push(&html.as_bytes()[..at], &mut two.1);
            two.0.push(&html.as_bytes()[at..], &mut two.1);
            two.0.finish(&mut two.1);
            prop_assert!(String::from_utf8(one.1.clone()).is_ok());
            prop_assert_eq!(one.1, two.1);
        }
    }
}
