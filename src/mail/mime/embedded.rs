//! Files in uuencode that stand in the lines of a text part, told as parts of it. The text is told whole, as it came.

use super::head::{Flag, Head};
use super::scan::{Kind, Part, Run, Visitor};
use crate::bytes::charset;
use crate::bytes::transfer::Decoder;
use crate::bytes::transfer::uuencode::{Finder, Found};

/// Tells its visitor of the files in plain text, too: as parts `1.UU1`, `1.UU2` of part `1`.
pub struct Embedded<V> {
    inner: V,
    text: Option<Text>,
}

/// The text part that is open.
struct Text {
    section: String,
    decoder: Decoder,
    finder: Finder,
    files: u64,
}

impl<V> Embedded<V> {
    pub fn new(inner: V) -> Embedded<V> {
        Embedded { inner, text: None }
    }

    pub fn inner_mut(&mut self) -> &mut V {
        &mut self.inner
    }

    pub fn into_inner(self) -> V {
        self.inner
    }
}

impl<V: Visitor> Embedded<V> {
    fn look(&mut self, content: Option<&[u8]>) -> Result<(), V::Error> {
        let Some(Text { section, decoder, finder, files }) = &mut self.text else { return Ok(()) };
        let inner = &mut self.inner;
        let mut tell = |found: Found<'_>| match found {
            Found::Begin(name) => {
                *files += 1;
                inner.begin(&Part {
                    section: &format!("{section}.UU{files}"),
                    kind: Kind::Embedded,
                    head: &head(name),
                    header: b"",
                })
            }
            Found::Data(data) => inner.bytes(Run::Embedded, data),
            Found::End { damaged } => inner.end(if damaged { &[Flag::BadUuencode] } else { &[] }),
        };
        let mut decoded = Vec::new();
        match (content, &decoder) {
            (Some(content), Decoder::Identity) => finder.push(content, &mut tell),
            (Some(content), _) => {
                decoder.push(content, &mut decoded);
                finder.push(&decoded, &mut tell)
            }
            (None, _) => {
                decoder.finish(&mut decoded);
                finder.push(&decoded, &mut tell)?;
                finder.finish(&mut tell)
            }
        }
    }
}

/// What is known of such a file. Its type is not stated anywhere.
fn head(name: &[u8]) -> Head {
    let mut head = Head::read(b"", "application/octet-stream");
    head.name = Some(charset::guess(name).into_owned());
    head.stated_encoding = Some("x-uuencode".to_owned());
    head
}

impl<V: Visitor> Visitor for Embedded<V> {
    type Error = V::Error;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), V::Error> {
        let is_text = part.kind == Kind::Leaf && part.head.media == "text/plain" && !part.head.is_uuencoded;
        // An attached text is a file of its own.
        let is_attached = part.head.disposition.as_deref() == Some("attachment");
        self.text = (is_text && !is_attached).then(|| Text {
            section: part.section.to_owned(),
            decoder: part.head.decoder(),
            finder: Finder::default(),
            files: 0,
        });
        self.inner.begin(part)
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), V::Error> {
        self.inner.bytes(run, bytes)?;
        if run == Run::Content { self.look(Some(bytes)) } else { Ok(()) }
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), V::Error> {
        self.look(None)?;
        self.text = None;
        self.inner.end(flags)
    }
}
