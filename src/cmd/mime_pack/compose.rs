//! A message composed from a body and files. Everything is opened and looked at before a byte is written.

use super::attachment::{Named, media_by_content, media_by_name};
use super::content::{Content, Measure};
use super::fields::{Fields, source_date_epoch};
use super::options::Compose;
use super::unique::{hex, random_hex};
use crate::bytes::newline::{ToCrlf, ToLf};
use crate::bytes::transfer::{Encoder, Encoding, Profile};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::stdio::{Stdout, StdoutError};
use crate::mail::mime::build::{Entity, Leaf, Segment, Together, segments};
use anyhow::Context;
use sha2::{Digest, Sha256};
use std::io::Write;

/// What stands behind a part.
#[derive(Debug)]
struct Source {
    content: Content,
    /// As it was looked at; none for what goes out as base64 whatever it is.
    profile: Option<Profile>,
    /// Text of the message itself: its line breaks are no data.
    is_body: bool,
}

pub fn compose(compose: &Compose) -> Result<Status, Failure> {
    let fields = Fields::new(compose)?;
    let attachments = compose.attach.iter().map(|file| Named::parse(file)).collect::<Result<Vec<_>, _>>()?;
    let inline = compose.inline.iter().map(|file| Named::parse_inline(file)).collect::<Result<Vec<_>, _>>()?;
    reject_repeated_ids(attachments.iter().chain(&inline))?;
    let reproducible = source_date_epoch()?.is_some();

    let attachments = attachments.iter().map(|named| file(named, "attachment")).collect::<Result<Vec<_>, _>>()?;
    let inline = inline.iter().map(|named| file(named, "inline")).collect::<Result<Vec<_>, _>>()?;
    let html = compose.html.as_deref().map(|path| body(Content::open(path)?, "text/html")).transpose()?;
    let text = body(Content::stdin()?, "text/plain")?;

    let entity = tree(text, html, inline, attachments);
    let stem = stem(&entity, &fields, reproducible)?;
    let header = fields.finish(&unique(&stem));
    write(segments(header, entity, &stem), compose.crlf)
}

/// mixed( alternative( text, related( html, inline.. ) ), attachment.. ), each only where there is more than one.
fn tree(
    text: Entity<Source>,
    html: Option<Entity<Source>>,
    inline: Vec<Entity<Source>>,
    attachments: Vec<Entity<Source>>,
) -> Entity<Source> {
    let with_inline = |first| Entity::together(Together::Related, std::iter::once(first).chain(inline).collect());
    let body = match html {
        None => with_inline(text),
        Some(html) if is_empty(&text) => with_inline(html),
        Some(html) => Entity::together(Together::Alternative, vec![text, with_inline(html)]),
    };
    Entity::together(Together::Mixed, std::iter::once(body).chain(attachments).collect())
}

fn is_empty(entity: &Entity<Source>) -> bool {
    matches!(entity, Entity::Leaf(leaf) if leaf.source.profile.as_ref().is_some_and(|profile| profile.size == 0))
}

/// The text of the message: UTF-8, or status 65 with the place.
fn body(content: Content, media: &str) -> Result<Entity<Source>, Failure> {
    let Measure { profile, utf8 } = content.measure()?;
    utf8.with_context(|| content.label.clone()).or_status(Status::Data)?;
    Ok(Entity::Leaf(Leaf {
        media: media.to_owned(),
        charset: Some("utf-8".to_owned()),
        encoding: profile.text_encoding(),
        disposition: None,
        name: None,
        content_id: None,
        source: Source { content, profile: Some(profile), is_body: true },
    }))
}

fn file(named: &Named, disposition: &'static str) -> Result<Entity<Source>, Failure> {
    let content = Content::open(&named.path)?;
    let name = named.file_name()?;
    let mut media = named.media.clone().or_else(|| media_by_name(&named.path));
    let needs_look = media.as_deref().is_none_or(|media| media.starts_with("text/") || media.starts_with("message/"));
    let measure = if needs_look { Some(content.measure()?) } else { None };
    let is_text = measure.as_ref().is_some_and(|measure| measure.utf8.is_ok() && !measure.profile.has_nul);
    // A file whose name says message, but which cannot go as one, goes as bytes; where the type was asked for, that is an error.
    let unsendable = |m: &Measure| m.profile.message_encoding().is_none();
    if named.media.is_none()
        && media.as_deref().is_some_and(|m| m.starts_with("message/"))
        && measure.as_ref().is_some_and(unsendable)
    {
        media = Some("application/octet-stream".to_owned());
    }
    let media = media.unwrap_or_else(|| media_by_content(&named.path, is_text).to_owned());
    let encoding = match &measure {
        Some(measure) if media.starts_with("message/") => measure.profile.message_encoding().ok_or_else(|| {
            let why =
                "cannot go as a message: it has a NUL, a carriage return without a line feed, or a line of more than 998 octets";
            Failure::text(Status::Data, format!("{}: {why}", content.label))
        })?,
        // Only line feeds survive as they are: text with carriage returns goes as bytes, and so does what is no text.
        Some(measure) if media.starts_with("text/") && is_text && !measure.profile.has_cr => measure.profile.text_encoding(),
        _ => Encoding::Base64,
    };
    let charset = named.charset.clone().or_else(|| (media.starts_with("text/") && is_text).then(|| "utf-8".to_owned()));
    let profile = measure.map(|measure| measure.profile);
    Ok(Entity::Leaf(Leaf {
        media,
        charset,
        encoding,
        disposition: Some(disposition),
        name: Some(name),
        content_id: named.content_id.clone(),
        source: Source { content, profile, is_body: false },
    }))
}

fn reject_repeated_ids<'a>(files: impl Iterator<Item = &'a Named>) -> Result<(), Failure> {
    let mut seen = std::collections::BTreeSet::new();
    for id in files.filter_map(|named| named.content_id.as_deref()) {
        if !seen.insert(id) {
            return Err(Failure::text(Status::Usage, format!("the content ID {id} is given twice")));
        }
    }
    Ok(())
}

/// What makes the boundaries and the Message-ID: random, or drawn from all that goes into the message where the output is to be the
/// same for the same input. It stands in no content that goes out as it is.
fn stem(entity: &Entity<Source>, fields: &Fields, reproducible: bool) -> Result<String, Failure> {
    let seed = if reproducible {
        let mut digest = Sha256::new();
        digest.update(fields.finish(""));
        leaves(entity, &mut |leaf| {
            digest.update(format!("{}\n{:?}\n{:?}\n", leaf.media, leaf.name, leaf.content_id));
            digest.update(leaf.source.content.sha256()?);
            Ok(())
        })?;
        Some(digest)
    } else {
        None
    };
    unused(entity, |attempt| match &seed {
        Some(digest) => Ok(hex(&digest.clone().chain_update(attempt.to_be_bytes()).finalize()[..16])),
        None => random_hex(),
    })
}

/// The first candidate that stands in no content that goes out as it is.
fn unused(entity: &Entity<Source>, mut candidate: impl FnMut(u64) -> Result<String, Failure>) -> Result<String, Failure> {
    for attempt in 0.. {
        let stem = candidate(attempt)?;
        let mut is_used = false;
        leaves(entity, &mut |leaf| {
            is_used |= leaf.encoding.is_identity() && leaf.source.content.contains(stem.as_bytes())?;
            Ok(())
        })?;
        if !is_used {
            return Ok(stem);
        }
    }
    Err(Failure::text(Status::Software, "no boundary was found"))
}

/// The Message-ID's own part: nothing of it tells the boundaries, which a reply would quote.
fn unique(stem: &str) -> String {
    hex(&Sha256::digest(stem)[..16])
}

fn leaves(entity: &Entity<Source>, look: &mut impl FnMut(&Leaf<Source>) -> Result<(), Failure>) -> Result<(), Failure> {
    match entity {
        Entity::Leaf(leaf) => look(leaf),
        Entity::Multipart(_, parts) => parts.iter().try_for_each(|part| leaves(part, look)),
    }
}

fn write(segments: Vec<Segment<Source>>, crlf: bool) -> Result<Status, Failure> {
    let mut out = Out { stdout: Stdout::new(), crlf: crlf.then(ToCrlf::default), wire: Vec::new(), last: b'\n' };
    for segment in &segments {
        match segment {
            Segment::Text(text) => out.write(text.as_bytes())?,
            Segment::Content(source, encoding) => out.content(source, *encoding)?,
        }
    }
    if out.last != b'\n' {
        out.write(b"\n")?;
    }
    out.stdout.flush().map_err(StdoutError::from)?;
    Ok(Status::Done)
}

struct Out {
    stdout: Stdout,
    crlf: Option<ToCrlf>,
    wire: Vec<u8>,
    last: u8,
}

impl Out {
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
        self.stdout.write_all(wire).map_err(StdoutError::from)?;
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boundary_that_stands_in_the_content_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let leaf = |text: &str| {
            let path = directory.path().join(text);
            std::fs::write(&path, format!("text\n--=_1_{text}\n")).unwrap();
            body(Content::open(&path).unwrap(), "text/plain").unwrap()
        };
        let entity = Entity::together(Together::Mixed, vec![leaf("zero"), leaf("one")]);
        let candidates = ["zero", "one", "two", "three"];
        assert_eq!(unused(&entity, |attempt| Ok(candidates[attempt as usize].to_owned())).unwrap(), "two");
    }
}
