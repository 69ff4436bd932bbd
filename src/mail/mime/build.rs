//! A message made of parts, as its text and the places where content goes: the caller streams the content in. Writes LF.

use super::param;
use crate::bytes::transfer::Encoding;
use crate::mail::header::fold;

/// A part with content of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf<S> {
    /// `type/subtype`.
    pub media: String,
    pub charset: Option<String>,
    pub encoding: Encoding,
    /// `inline` or `attachment`.
    pub disposition: Option<&'static str>,
    /// The file's name: UTF-8, or octets of which nobody knows what characters they are.
    pub name: Option<Vec<u8>>,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// Further parameters of the type.
    pub parameters: Vec<(&'static str, String)>,
    /// Where the content comes from.
    pub source: S,
}

/// What the parts of a multipart are to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Together {
    /// One after the other (RFC 2046 section 5.1.3).
    Mixed,
    /// The same in several forms, the best one last (RFC 2046 section 5.1.4).
    Alternative,
    /// The first with what it refers to (RFC 2387).
    Related,
    /// Messages (RFC 2046 section 5.1.5).
    Digest,
    /// The first, and the signature over it (RFC 1847 section 2.1).
    Signed { protocol: &'static str, micalg: &'static str },
    /// What is needed to decrypt, and what is encrypted (RFC 1847 section 2.2).
    Encrypted { protocol: &'static str },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity<S> {
    Leaf(Leaf<S>),
    Multipart(Together, Vec<Entity<S>>),
    /// A finished part, its header included, that must not change.
    Whole(S),
}

/// A piece of the finished message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment<S> {
    Text(String),
    /// The content of `source` in this encoding, without a line end added.
    Content(S, Encoding),
}

impl<S> Entity<S> {
    /// `parts` together; a part that is alone stands for itself.
    pub fn together(how: Together, mut parts: Vec<Entity<S>>) -> Entity<S> {
        match (parts.len(), parts.pop()) {
            (1, Some(only)) => only,
            (_, last) => {
                parts.extend(last);
                Entity::Multipart(how, parts)
            }
        }
    }

    /// The media type of what a reader sees first.
    fn media(&self) -> &str {
        match self {
            Entity::Leaf(leaf) => &leaf.media,
            Entity::Multipart(Together::Mixed, _) => "multipart/mixed",
            Entity::Multipart(Together::Alternative, _) => "multipart/alternative",
            Entity::Multipart(Together::Related, _) => "multipart/related",
            Entity::Multipart(Together::Digest, _) => "multipart/digest",
            Entity::Multipart(Together::Signed { .. }, _) => "multipart/signed",
            Entity::Multipart(Together::Encrypted { .. }, _) => "multipart/encrypted",
            Entity::Whole(_) => "",
        }
    }

    /// Content with the high bit set goes out as it is somewhere in here.
    pub fn is_8bit(&self) -> bool {
        match self {
            Entity::Whole(_) => false,
            Entity::Leaf(leaf) => leaf.encoding == Encoding::EightBit,
            Entity::Multipart(_, parts) => parts.iter().any(Entity::is_8bit),
        }
    }
}

/// The whole message: `header` (fields, each with its line end), MIME-Version, and `entity`. `stem` makes the boundaries: unguessable, in
/// no content, and of characters that need no thought in a quoted string. The last line has no line end but that of the content.
pub fn segments<S>(header: String, entity: Entity<S>, stem: &str) -> Vec<Segment<S>> {
    part_segments(header + "MIME-Version: 1.0\n", entity, stem)
}

/// The same for `entity` alone, as it stands within another.
pub fn part_segments<S>(header: String, entity: Entity<S>, stem: &str) -> Vec<Segment<S>> {
    let mut builder = Builder { segments: Vec::new(), text: header, stem, boundaries: 0 };
    builder.entity(entity);
    builder.flush();
    builder.segments
}

/// The boundary number `n` of a message. `=_` stands neither in quoted-printable nor in base64 (RFC 2045 section 6.7), and no boundary is
/// the beginning of another.
pub fn boundary(stem: &str, n: usize) -> String {
    format!("=_{n}_{stem}")
}

struct Builder<'a, S> {
    segments: Vec<Segment<S>>,
    text: String,
    stem: &'a str,
    boundaries: usize,
}

impl<S> Builder<'_, S> {
    fn entity(&mut self, entity: Entity<S>) {
        match entity {
            Entity::Leaf(leaf) => self.leaf(leaf),
            multipart @ Entity::Multipart(..) => self.multipart(multipart),
            Entity::Whole(source) => {
                self.flush();
                self.segments.push(Segment::Content(source, Encoding::SevenBit));
            }
        }
    }

    fn multipart(&mut self, entity: Entity<S>) {
        self.boundaries += 1;
        let boundary = boundary(self.stem, self.boundaries);
        let mut parameters = param::write("boundary", &boundary);
        if let Entity::Multipart(Together::Related, parts) = &entity
            && let Some(first) = parts.first()
        {
            // RFC 2387 section 3.1 asks for the type of the first part.
            parameters.extend(param::write("type", first.media()));
        }
        if let Entity::Multipart(Together::Signed { protocol, .. } | Together::Encrypted { protocol }, _) = &entity {
            parameters.extend(param::write("protocol", protocol));
        }
        if let Entity::Multipart(Together::Signed { micalg, .. }, _) = &entity {
            parameters.extend(param::write("micalg", micalg));
        }
        self.parameterized("Content-Type", entity.media(), parameters);
        if entity.is_8bit() {
            self.text.push_str("Content-Transfer-Encoding: 8bit\n");
        }
        let Entity::Multipart(_, parts) = entity else { return };
        for part in parts {
            self.text.push_str(&format!("\n--{boundary}\n"));
            self.entity(part);
        }
        self.text.push_str(&format!("\n--{boundary}--"));
    }

    fn leaf(&mut self, leaf: Leaf<S>) {
        let charset = leaf.charset.iter().flat_map(|charset| param::write("charset", charset));
        let parameters = charset.chain(leaf.parameters.iter().flat_map(|(name, value)| param::write(name, value))).collect();
        self.parameterized("Content-Type", &leaf.media, parameters);
        self.text.push_str(&format!("Content-Transfer-Encoding: {}\n", leaf.encoding));
        if let Some(content_id) = &leaf.content_id {
            self.text.push_str(&format!("Content-ID: <{content_id}>\n"));
        }
        if let Some(disposition) = leaf.disposition {
            let name = leaf.name.iter().flat_map(|name| param::write_octets("filename", name)).collect();
            self.parameterized("Content-Disposition", disposition, name);
        }
        self.text.push('\n');
        self.flush();
        self.segments.push(Segment::Content(leaf.source, leaf.encoding));
    }

    fn parameterized(&mut self, field: &str, value: &str, parameters: Vec<String>) {
        let mut words: Vec<String> = std::iter::once(value.to_owned()).chain(parameters).collect();
        let last = words.len() - 1;
        words[..last].iter_mut().for_each(|word| word.push(';'));
        fold::words(field, words.iter().map(String::as_str), &mut self.text);
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.segments.push(Segment::Text(std::mem::take(&mut self.text)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::transfer::{Decoder, Encoder};
    use crate::mail::mime::head::Flag;
    use crate::mail::mime::scan::{Kind, Part, Run, Scanner, Visitor};
    use proptest::prelude::*;
    use std::convert::Infallible;

    fn leaf(media: &str, source: &'static str) -> Entity<&'static str> {
        Entity::Leaf(Leaf {
            media: media.to_owned(),
            charset: None,
            encoding: Encoding::SevenBit,
            disposition: None,
            name: None,
            content_id: None,
            parameters: Vec::new(),
            source,
        })
    }

    fn written(entity: Entity<&'static str>) -> String {
        let segments = segments("Subject: a\n".to_owned(), entity, "stem");
        let text = |segment: Segment<&str>| match segment {
            Segment::Text(text) => text,
            Segment::Content(content, _) => content.to_owned(),
        };
        segments.into_iter().map(text).collect()
    }

    #[test]
    fn one_part_is_the_body() {
        assert_eq!(
            written(Entity::together(Together::Mixed, vec![leaf("text/plain", "hi\n")])),
            "Subject: a\nMIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\nhi\n"
        );
    }

    #[test]
    fn parts_nest_with_boundaries_of_their_own() {
        let related = Entity::together(Together::Related, vec![leaf("text/html", "<p>"), leaf("image/png", "png")]);
        assert_eq!(
            written(Entity::together(Together::Alternative, vec![leaf("text/plain", "hi"), related])),
            "Subject: a\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=\"=_1_stem\"\n\
             \n--=_1_stem\nContent-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\nhi\
             \n--=_1_stem\nContent-Type: multipart/related; boundary=\"=_2_stem\"; type=\"text/html\"\n\
             \n--=_2_stem\nContent-Type: text/html\nContent-Transfer-Encoding: 7bit\n\n<p>\
             \n--=_2_stem\nContent-Type: image/png\nContent-Transfer-Encoding: 7bit\n\npng\n--=_2_stem--\n--=_1_stem--"
        );
    }

    /// Leaves' content by section, as the scanner finds it.
    #[derive(Default)]
    struct Leaves {
        open: Option<(String, Decoder, Vec<u8>)>,
        found: Vec<(String, Vec<u8>)>,
        flags: usize,
    }

    impl Visitor for Leaves {
        type Error = Infallible;

        fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
            self.open =
                (part.kind == Kind::Leaf).then(|| (part.section.to_owned(), Decoder::new(part.head.encoding), Vec::new()));
            Ok(())
        }

        fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
            if let (Some((_, decoder, content)), Run::Content) = (&mut self.open, run) {
                decoder.push(bytes, content);
            }
            Ok(())
        }

        fn end(&mut self, flags: &[Flag]) -> Result<(), Infallible> {
            if let Some((section, mut decoder, mut content)) = self.open.take() {
                self.flags += usize::from(decoder.finish(&mut content).is_some());
                self.found.push((section, content));
            }
            self.flags += flags.len();
            Ok(())
        }
    }

    fn text_of(entity: Entity<Vec<u8>>) -> Vec<u8> {
        let mut message = Vec::new();
        for segment in segments(String::new(), entity, "stem") {
            match segment {
                Segment::Text(text) => message.extend_from_slice(text.as_bytes()),
                Segment::Content(content, encoding) => {
                    let mut encoder = Encoder::new(encoding);
                    encoder.push(&content, &mut message);
                    encoder.finish(&mut message);
                }
            }
        }
        message
    }

    /// Sections and contents as they must be found.
    fn expected(entity: &Entity<Vec<u8>>, section: &str, out: &mut Vec<(String, Vec<u8>)>) {
        match entity {
            Entity::Leaf(leaf) => {
                out.push((if section.is_empty() { "1".to_owned() } else { section.to_owned() }, leaf.source.clone()))
            }
            Entity::Whole(_) => {}
            Entity::Multipart(_, parts) => {
                for (at, part) in parts.iter().enumerate() {
                    let dot = if section.is_empty() { "" } else { "." };
                    expected(part, &format!("{section}{dot}{}", at + 1), out);
                }
            }
        }
    }

    fn any_leaf() -> impl Strategy<Value = Entity<Vec<u8>>> {
        let text = "([a-z .-]{0,80}\n|--=_1_stem|=_1_stem|--\n|From |\n){0,5}";
        let named = (text, proptest::collection::vec(any::<u8>(), 0..200), 0u8..3, "\\PC{0,90}");
        named.prop_map(|(text, bytes, which, name)| {
            // A delimiter of the message itself must not stand in what goes out as it is: the caller sees to that.
            let (encoding, source) = match which {
                0 => (Encoding::SevenBit, text.replace("--=_", "--").into_bytes()),
                1 => (Encoding::QuotedPrintable, text.into_bytes()),
                _ => (Encoding::Base64, bytes),
            };
            let media = "application/x".to_owned();
            Entity::Leaf(Leaf {
                media,
                charset: None,
                encoding,
                disposition: Some("attachment"),
                name: Some(name.into_bytes()),
                content_id: None,
                parameters: Vec::new(),
                source,
            })
        })
    }

    fn any_entity() -> impl Strategy<Value = Entity<Vec<u8>>> {
        any_leaf().prop_recursive(4, 12, 4, |inner| {
            let how = prop_oneof![Just(Together::Mixed), Just(Together::Alternative), Just(Together::Related)];
            (how, proptest::collection::vec(inner, 1..4)).prop_map(|(how, parts)| Entity::Multipart(how, parts))
        })
    }

    proptest! {
        #[test]
        fn what_is_built_is_taken_apart_again(entity in any_entity(), at in 0usize..2000) {
            let mut wanted = Vec::new();
            expected(&entity, "", &mut wanted);
            let message = text_of(entity);
            prop_assert!(message.split(|&b| b == b'\n').all(|line| line.len() <= 998));
            let (one, two) = message.split_at(at.min(message.len()));
            let (mut scanner, mut leaves) = (Scanner::default(), Leaves::default());
            let (Ok(()), Ok(()), Ok(())) =
                (scanner.push(one, &mut leaves), scanner.push(two, &mut leaves), scanner.finish(&mut leaves));
            prop_assert_eq!(&leaves.found, &wanted);
            prop_assert_eq!(leaves.flags, 0);

            let oracle = mail_parser::MessageParser::default().parse(&message).unwrap();
            let leaf = |part: &&mail_parser::MessagePart<'_>| !matches!(part.body, mail_parser::PartType::Multipart(_));
            let theirs: Vec<Vec<u8>> = oracle.parts.iter().filter(leaf).map(|part| part.contents().to_vec()).collect();
            prop_assert_eq!(theirs, wanted.into_iter().map(|(_, content)| content).collect::<Vec<_>>());
        }
    }
}
