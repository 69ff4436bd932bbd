//! The content of a text part as UTF-8 to be read: decoded, its character set converted, flowed text joined, HTML rendered.

use crate::bytes::charset::ToUtf8;
use crate::bytes::flowed::Unwrap;
use crate::bytes::html::Renderer;
use crate::bytes::newline::ToLf;
use crate::bytes::transfer::Decoder;
use crate::mail::mime::head::{DelSp, Flag, Head, decoding_flags};

/// Takes the content as it stands in the message.
pub struct Render {
    decoder: Decoder,
    to_utf8: ToUtf8,
    to_lf: ToLf,
    form: Form,
    decoded: Vec<u8>,
    text: Vec<u8>,
    lines: Vec<u8>,
}

enum Form {
    Plain,
    Flowed(Unwrap),
    Html(Box<Renderer>),
}

impl Render {
    /// Text in a set that is not known is read as if none were stated.
    pub fn new(head: &Head) -> Option<Render> {
        let form = match (head.media.as_str(), head.flowed) {
            ("text/html", _) => Form::Html(Box::default()),
            (_, Some(DelSp(delsp))) => Form::Flowed(Unwrap::new(delsp)),
            _ => Form::Plain,
        };
        let to_utf8 = ToUtf8::new(head.charset.as_deref()).or_else(|| ToUtf8::new(None))?;
        let (decoded, text, lines) = (Vec::new(), Vec::new(), Vec::new());
        Some(Render { decoder: head.decoder(), to_utf8, to_lf: ToLf::default(), form, decoded, text, lines })
    }

    /// Appends what can be read so far, with LF.
    pub fn push(&mut self, content: &[u8], out: &mut Vec<u8>) {
        self.decoded.clear();
        self.decoder.push(content, &mut self.decoded);
        self.convert(out);
    }

    /// The content is at its end: what was wrong with it.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Vec<Flag> {
        self.decoded.clear();
        let damage = self.decoder.finish(&mut self.decoded);
        self.convert(out);
        self.text.clear();
        self.lines.clear();
        self.to_utf8.finish(&mut self.text);
        self.to_lf.push(&self.text, &mut self.lines);
        self.to_lf.finish(&mut self.lines);
        self.shape(out);
        match &mut self.form {
            Form::Plain => {}
            Form::Flowed(unwrap) => unwrap.finish(out),
            Form::Html(renderer) => renderer.finish(out),
        }
        decoding_flags(damage)
    }

    fn convert(&mut self, out: &mut Vec<u8>) {
        self.text.clear();
        self.lines.clear();
        self.to_utf8.push(&self.decoded, &mut self.text);
        self.to_lf.push(&self.text, &mut self.lines);
        self.shape(out);
    }

    fn shape(&mut self, out: &mut Vec<u8>) {
        match &mut self.form {
            Form::Plain => out.extend_from_slice(&self.lines),
            Form::Flowed(unwrap) => unwrap.push(&self.lines, out),
            Form::Html(renderer) => renderer.push(&self.lines, out),
        }
    }
}
