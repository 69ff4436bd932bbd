//! A composed message written out: segments, each content in its encoding, line ends as asked for.

use super::source::Source;
use crate::bytes::newline::{ToCrlf, ToLf};
use crate::bytes::transfer::{Encoder, Encoding, Profile};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::mime::build::Segment;

/// Gives the message piece by piece, its last line ended if `ends_line`.
pub fn write(
    segments: &[Segment<Source>],
    crlf: bool,
    ends_line: bool,
    put: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut out = Out { put, crlf: crlf.then(ToCrlf::default), wire: Vec::new(), last: b'\n' };
    for segment in segments {
        match segment {
            Segment::Text(text) => out.write(text.as_bytes())?,
            Segment::Content(source, encoding) => out.content(source, *encoding)?,
        }
    }
    if ends_line && out.last != b'\n' {
        out.write(b"\n")?;
    }
    Ok(())
}

struct Out<'a> {
    put: &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>,
    crlf: Option<ToCrlf>,
    wire: Vec<u8>,
    last: u8,
}

impl Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.last = bytes.last().copied().unwrap_or(self.last);
        let wire = match &mut self.crlf {
            None => bytes,
            Some(newline) => {
                self.wire.clear();
                newline.push(bytes, &mut self.wire).or_status(Status::Data)?;
                &self.wire
            }
        };
        (self.put)(wire)
    }

    fn content(&mut self, source: &Source, encoding: Encoding) -> Result<(), Failure> {
        let mut canonical = Canonical::new(encoding, source.is_body);
        let mut encoder = Encoder::new(encoding);
        let (mut text, mut encoded) = (Vec::new(), Vec::new());
        let mut seen = Profile::default();
        source.content.each(|bytes| {
            if encoding.is_identity() {
                seen.push(bytes);
            }
            text.clear();
            encoded.clear();
            encoder.push(canonical.push(bytes, &mut text)?, &mut encoded);
            self.write(&encoded)
        })?;
        text.clear();
        encoded.clear();
        canonical.finish(&mut text);
        encoder.push(&text, &mut encoded);
        encoder.finish(&mut encoded);
        self.write(&encoded)?;
        seen.finish();
        // What goes out as it is was chosen by what it was.
        if encoding.is_identity() && source.profile.as_ref() != Some(&seen) {
            return Err(Failure::text(Status::Io, format!("{} changed while it was read", source.content.label)));
        }
        Ok(())
    }
}

/// Line breaks before encoding: LF where they go out as lines, CRLF within base64 (RFC 2045 section 6.8), as they are where they are
/// data. Quoted-printable knows both.
enum Canonical {
    AsIs,
    Lf(ToLf),
    Crlf(ToCrlf),
}

impl Canonical {
    fn new(encoding: Encoding, is_body: bool) -> Canonical {
        match encoding {
            Encoding::SevenBit | Encoding::EightBit | Encoding::Binary => Canonical::Lf(ToLf::default()),
            Encoding::Base64 if is_body => Canonical::Crlf(ToCrlf::default()),
            Encoding::QuotedPrintable | Encoding::Base64 => Canonical::AsIs,
        }
    }

    fn push<'a>(&mut self, bytes: &'a [u8], text: &'a mut Vec<u8>) -> Result<&'a [u8], Failure> {
        match self {
            Canonical::AsIs => return Ok(bytes),
            Canonical::Lf(newline) => newline.push(bytes, text),
            Canonical::Crlf(newline) => newline.push(bytes, text).or_status(Status::Data)?,
        }
        Ok(text)
    }

    fn finish(&mut self, text: &mut Vec<u8>) {
        if let Canonical::Lf(newline) = self {
            newline.finish(text);
        }
    }
}
