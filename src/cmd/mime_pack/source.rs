//! The leaves of a composed message: text of its own, files, and the encoding that each needs.

use super::attachment::{Named, media_by_content, media_by_name};
use super::content::{Content, Measure};
use crate::bytes::charset::{ToUtf8, UNKNOWN_8BIT, Utf8Check, has_wide_characters};
use crate::bytes::flowed;
use crate::bytes::transfer::{Encoding, Profile};
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::mime::beyond_ascii::PartHeaders;
use crate::mail::mime::build::{Entity, Leaf};
use anyhow::Context;

/// Longest paragraph that is wrapped, in octets.
const LONGEST_PARAGRAPH: usize = 1024 * 1024;

/// What of a file is looked at for its magic, in octets.
const MAGIC: usize = 8 * 1024;

/// What stands behind a part.
#[derive(Debug)]
pub struct Source {
    pub content: Content,
    /// As it was looked at; none for what goes out as base64 whatever it is.
    pub profile: Option<Profile>,
    /// Text of the message itself: its line breaks are no data.
    pub is_body: bool,
}

/// How text goes out that must come through unchanged, being signed: nothing on the way may find a reason to touch it (RFC 3156 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed(pub bool);

impl Sealed {
    fn text_encoding(self, profile: &Profile) -> Encoding {
        match profile.text_encoding() {
            Encoding::SevenBit if self.0 && profile.has_trailing_blank => Encoding::QuotedPrintable,
            encoding => encoding,
        }
    }
}

impl Source {
    /// What goes out as it is.
    pub fn finished(content: Content) -> Result<Source, Failure> {
        let profile = content.measure()?.profile;
        Ok(Source { content, profile: Some(profile), is_body: false })
    }
}

/// Text in the character set `label` as UTF-8: status 65 where it is none, with the line.
pub fn converted(content: Content, label: Option<&str>) -> Result<Content, Failure> {
    let Some(label) = label else { return Ok(content) };
    let unknown = || Failure::text(Status::Usage, format!("--charset {label}: not known here"));
    let mut to = ToUtf8::strict(label).ok_or_else(unknown)?;
    let mut malformed = None;
    let text = content.changed(|bytes, out| {
        match bytes {
            Some(bytes) => to.push(bytes, out),
            None => malformed = to.finish(out),
        }
        Ok(())
    })?;
    match malformed {
        Some(line) => Err(Failure::text(Status::Data, format!("{}: line {line}: not {label}", content.label))),
        None => Ok(text),
    }
}

/// Text in paragraphs of format=flowed.
pub fn wrapped(content: &Content) -> Result<Content, Failure> {
    content.measure()?.utf8.with_context(|| content.label.clone()).or_status(Status::Data)?;
    let mut held = Vec::new();
    content.changed(|bytes, out| {
        let at_end = bytes.is_none();
        held.extend_from_slice(bytes.unwrap_or_default());
        let whole = if at_end { held.len() } else { memchr::memrchr(b'\n', &held).map_or(0, |end| end + 1) };
        if held.len() - whole > LONGEST_PARAGRAPH {
            return Err(Failure::text(Status::Data, format!("{}: a paragraph is too long for --flowed", content.label)));
        }
        let rest = held.split_off(whole);
        let lines = std::mem::replace(&mut held, rest);
        let mut text = String::new();
        String::from_utf8_lossy(&lines).lines().for_each(|line| flowed::wrap(line, &mut text));
        out.extend_from_slice(text.as_bytes());
        Ok(())
    })
}

/// The text of the message: UTF-8, or status 65 with the place.
pub fn body(content: Content, media: &str, sealed: Sealed) -> Result<Entity<Source>, Failure> {
    let Measure { profile, utf8 } = content.measure()?;
    utf8.with_context(|| content.label.clone()).or_status(Status::Data)?;
    Ok(Entity::Leaf(Leaf {
        media: media.to_owned(),
        charset: Some("utf-8".to_owned()),
        encoding: sealed.text_encoding(&profile),
        disposition: None,
        name: None,
        content_id: None,
        parameters: Vec::new(),
        source: Source { content, profile: Some(profile), is_body: true },
    }))
}

/// A file: what is asked for counts, else its name, else its content.
pub fn file(named: &Named, disposition: &'static str, sealed: Sealed) -> Result<Entity<Source>, Failure> {
    let mut content = Content::open(&named.path)?;
    let name = named.file_name()?;
    let by_name = named.media.clone().or_else(|| media_by_name(&named.path));
    if matches!(by_name.as_deref(), Some(MESSAGE | GLOBAL)) && content.start(5)?.starts_with(b"From ") {
        content = without_from_line(&content)?;
    }
    let needs_look = by_name.as_deref().is_none_or(|media| media.starts_with("text/") || media.starts_with("message/"));
    let measure = if needs_look { Some(content.measure()?) } else { None };
    let is_text = measure.as_ref().is_some_and(|measure| measure.utf8.is_ok() && !measure.profile.has_nul);
    // A name that says text or message of what is none is not believed; where the type was asked for, it is.
    let is_believed = |media: &str| match &measure {
        _ if named.media.is_some() => true,
        Some(measure) if media.starts_with("message/") => measure.profile.message_encoding().is_some(),
        Some(_) if media.starts_with("text/") => is_text || named.charset.is_some(),
        _ => true,
    };
    let media = match by_name.filter(|media| is_believed(media)) {
        Some(media) if media == MESSAGE && named.media.is_none() => message_media(&content)?.to_owned(),
        Some(media) => media,
        None => match media_by_content(&named.path, &content.start(MAGIC)?, is_text) {
            // A character set is one of a text.
            "application/octet-stream" if named.charset.is_some() => "text/plain".to_owned(),
            media => media.to_owned(),
        },
    };
    let is_wide = named.charset.as_deref().is_some_and(has_wide_characters);
    let encoding = match &measure {
        Some(measure) if media.starts_with("message/") => measure.profile.message_encoding().ok_or_else(|| {
            let why =
                "cannot go as a message: it has a NUL, a carriage return without a line feed, or a line of more than 998 octets";
            Failure::text(Status::Data, format!("{}: {why}", content.label))
        })?,
        // Only line feeds survive as they are: text with carriage returns goes as bytes, and so does what is no text.
        Some(measure) if media.starts_with("text/") && is_text && !measure.profile.has_cr && !is_wide => {
            sealed.text_encoding(&measure.profile)
        }
        _ => Encoding::Base64,
    };
    let charset = match &named.charset {
        Some(charset) => Some(confirmed(&content, charset)?),
        // Text without a label would be ASCII (RFC 2045 section 5.2).
        None => media.starts_with("text/").then(|| if is_text { "utf-8" } else { UNKNOWN_8BIT }.to_owned()),
    };
    let profile = measure.map(|measure| measure.profile);
    Ok(Entity::Leaf(Leaf {
        media,
        charset,
        encoding,
        disposition: Some(disposition),
        name: Some(name),
        content_id: named.content_id.clone(),
        parameters: Vec::new(),
        source: Source { content, profile, is_body: false },
    }))
}

const MESSAGE: &str = "message/rfc822";
const GLOBAL: &str = "message/global";

/// What a message is as a part: one with UTF-8 in a header is message/global (RFC 6532 section 3.7).
pub fn message_media(content: &Content) -> Result<&'static str, Failure> {
    let (mut header, mut after_line, mut is_over) = (Utf8Check::default(), true, false);
    let (mut is_ascii, mut is_utf8, mut parts) = (true, true, PartHeaders::default());
    content.each(|bytes| {
        parts.push(bytes);
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            if is_over {
                break;
            }
            is_over = after_line && matches!(line, b"\n" | b"\r\n");
            after_line = line.ends_with(b"\n");
            is_ascii &= line.is_ascii();
            is_utf8 = is_utf8 && header.push(line).is_ok();
        }
        Ok(())
    })?;
    Ok(if parts.finish() || (!is_ascii && is_utf8) { GLOBAL } else { MESSAGE })
}

/// A message without the mbox line that may stand before it.
pub fn without_from_line(content: &Content) -> Result<Content, Failure> {
    let mut is_over = !content.start(5)?.starts_with(b"From ");
    content.changed(|bytes, out| {
        let bytes = bytes.unwrap_or_default();
        let from = if is_over { Some(0) } else { memchr::memchr(b'\n', bytes).map(|end| end + 1) };
        is_over = from.is_some();
        out.extend_from_slice(&bytes[from.unwrap_or(bytes.len())..]);
        Ok(())
    })
}

/// The label of the character set that was given, if the content is text in it: status 65 with the line where not. A set that is not known
/// here is taken at its word.
fn confirmed(content: &Content, label: &str) -> Result<String, Failure> {
    let Some(mut to) = ToUtf8::strict(label) else { return Ok(label.to_owned()) };
    let mut text = Vec::new();
    content.each(|bytes| {
        text.clear();
        to.push(bytes, &mut text);
        Ok(())
    })?;
    match to.finish(&mut text) {
        Some(line) => Err(Failure::text(Status::Data, format!("{}: line {line}: not {label}", content.label))),
        None => Ok(label.to_owned()),
    }
}
