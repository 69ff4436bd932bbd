//! What a part's header says about its content, and what can be wrong with a part.

use super::param;
use crate::bytes::transfer::{self, Decoder, Encoding, uuencode};
use crate::bytes::{charset, encoded_word};
use crate::mail::header::{self, Item};
use std::fmt;

/// Damage of a part. None of it loses bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// The closing delimiter is missing, or an outer one came first.
    Unterminated,
    /// The header has lines that are no fields.
    BadHeaderLine,
    /// The header is longer than the limit; what came after it was not read.
    HeaderTooLong,
    /// `Content-Type` is no type; taken for text/plain (RFC 2045 section 5.2).
    BadContentType,
    /// A multipart without a boundary; not split.
    NoBoundary,
    /// A multipart with no delimiter in it.
    NoParts,
    UnknownEncoding,
    /// A multipart or message in base64 or quoted-printable, which RFC 2045 section 6.4 forbids.
    EncodedContainer,
    /// Nested deeper than the limit; not split further.
    TooDeep,
    /// More parts than the limit; not split further.
    TooManyParts,
    /// Characters outside the alphabet in base64 content.
    Base64Junk,
    /// Base64 text after the padding.
    Base64AfterEnd,
    /// Base64 content ends within an octet.
    Base64Cut,
    /// An `=` in quoted-printable content that starts no escape.
    BadQuotedPrintable,
    /// Content in uuencode that is no whole file.
    BadUuencode,
    /// Text in a character set that is not known here.
    UnknownCharset,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flag::Unterminated => "unterminated",
            Flag::BadHeaderLine => "bad-header-line",
            Flag::HeaderTooLong => "header-too-long",
            Flag::BadContentType => "bad-content-type",
            Flag::NoBoundary => "no-boundary",
            Flag::NoParts => "no-parts",
            Flag::UnknownEncoding => "unknown-encoding",
            Flag::EncodedContainer => "encoded-container",
            Flag::TooDeep => "too-deep",
            Flag::TooManyParts => "too-many-parts",
            Flag::Base64Junk => "base64-junk",
            Flag::Base64AfterEnd => "base64-after-end",
            Flag::Base64Cut => "base64-cut",
            Flag::BadQuotedPrintable => "bad-quoted-printable",
            Flag::BadUuencode => "bad-uuencode",
            Flag::UnknownCharset => "unknown-charset",
        })
    }
}

/// Damage that a decoder found, as flags.
pub fn decoding_flags(damage: Option<transfer::Damage>) -> Vec<Flag> {
    match damage {
        None => Vec::new(),
        Some(transfer::Damage::QuotedPrintable) => vec![Flag::BadQuotedPrintable],
        Some(transfer::Damage::Uuencode) => vec![Flag::BadUuencode],
        Some(transfer::Damage::Base64(damage)) => {
            let found =
                [(damage.junk, Flag::Base64Junk), (damage.after_end, Flag::Base64AfterEnd), (damage.cut, Flag::Base64Cut)];
            found.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).collect()
        }
    }
}

/// Whether the blank before a soft line break was added (RFC 3676 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DelSp(pub bool);

/// A part's header, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// `type/subtype` in lower case.
    pub media: String,
    /// As stated, in lower case.
    pub charset: Option<String>,
    pub boundary: Option<Vec<u8>>,
    /// As stated, in lower case.
    pub stated_encoding: Option<String>,
    /// What the content is decoded by: 7bit where nothing or nothing known is stated.
    pub encoding: Encoding,
    /// In uuencode, which is no encoding of MIME: `encoding` does not say so.
    pub is_uuencoded: bool,
    /// `format=flowed` (RFC 3676); with `DelSp=yes` the blank before a soft line break goes.
    pub flowed: Option<DelSp>,
    /// `inline`, `attachment` or another, in lower case.
    pub disposition: Option<String>,
    /// The file name as text, unchecked: it may hold any character.
    pub name: Option<String>,
    /// Without angle brackets.
    pub content_id: Option<String>,
    pub flags: Vec<Flag>,
}

impl Head {
    /// Reads a header block. `default_media` is what a part is that does not say (RFC 2045 section 5.2, RFC 2046 section 5.1.5).
    pub fn read(header: &[u8], default_media: &str) -> Head {
        let mut head = Head {
            media: default_media.to_owned(),
            charset: None,
            boundary: None,
            stated_encoding: None,
            encoding: Encoding::SevenBit,
            is_uuencoded: false,
            flowed: None,
            disposition: None,
            name: None,
            content_id: None,
            flags: Vec::new(),
        };
        let mut type_name = None;
        let mut seen = [false; 4];
        for item in header::items(header) {
            let Item::Field(field) = item else {
                head.flag(Flag::BadHeaderLine);
                continue;
            };
            let known = ["content-type", "content-transfer-encoding", "content-disposition", "content-id"];
            let Some(which) = known.iter().position(|name| field.is(name)) else { continue };
            if std::mem::replace(&mut seen[which], true) {
                continue;
            }
            let value = field.value();
            match which {
                0 => type_name = head.content_type(&value),
                1 => head.transfer_encoding(&value),
                2 => head.content_disposition(&value),
                _ => head.content_id = Some(content_id(&value)).filter(|id| !id.is_empty()),
            }
        }
        head.name = head.name.or(type_name);
        if head.media.starts_with("text/") && head.charset.as_ref().is_some_and(|label| !charset::is_known(label)) {
            head.flag(Flag::UnknownCharset);
        }
        head
    }

    pub fn flag(&mut self, flag: Flag) {
        if !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }

    /// What reads its content.
    pub fn decoder(&self) -> Decoder {
        if self.is_uuencoded { Decoder::Uuencode(uuencode::Decoder::default()) } else { Decoder::new(self.encoding) }
    }

    pub fn is_multipart(&self) -> bool {
        self.media.starts_with("multipart/")
    }

    /// Its content is a whole message (RFC 2046 section 5.2.1, RFC 6532 section 3.7).
    pub fn is_message(&self) -> bool {
        matches!(self.media.as_str(), "message/rfc822" | "message/global")
    }

    /// Gives the `name` parameter, which counts where no disposition names the file.
    fn content_type(&mut self, value: &[u8]) -> Option<String> {
        let Some((media, params)) = param::content_type(value) else {
            self.media = "text/plain".to_owned();
            self.flag(Flag::BadContentType);
            return None;
        };
        self.media = media;
        self.charset = params.value("charset").map(str::to_ascii_lowercase).filter(|set| !set.is_empty());
        let boundary = params.value("boundary").map(|boundary| boundary.trim_end().as_bytes().to_vec());
        self.boundary = boundary.filter(|boundary| !boundary.is_empty());
        let is = |name: &str, value: &str| params.value(name).is_some_and(|found| found.eq_ignore_ascii_case(value));
        self.flowed = is("format", "flowed").then(|| DelSp(is("delsp", "yes")));
        params.value("name").map(str::to_owned)
    }

    fn transfer_encoding(&mut self, value: &[u8]) {
        let stated = String::from_utf8_lossy(&param::without_comments(value)).to_ascii_lowercase();
        let stated = stated.split(';').next().unwrap_or_default().trim().to_owned();
        match Encoding::named(&stated) {
            Some(encoding) => self.encoding = encoding,
            None if matches!(stated.as_str(), "x-uuencode" | "x-uue" | "uuencode" | "uue") => self.is_uuencoded = true,
            None => self.flag(Flag::UnknownEncoding),
        }
        self.stated_encoding = Some(stated).filter(|stated| !stated.is_empty());
    }

    fn content_disposition(&mut self, value: &[u8]) {
        let (kind, params) = param::disposition(value);
        self.disposition = Some(kind).filter(|kind| !kind.is_empty());
        self.name = params.value("filename").map(str::to_owned);
    }
}

fn content_id(value: &[u8]) -> String {
    let text = encoded_word::decode(value);
    text.trim().trim_start_matches('<').trim_end_matches('>').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_its_part_is() {
        let head = Head::read(
            b"Content-Type: IMAGE/jpeg; name=old.jpg\r\nContent-Transfer-Encoding: BASE64 (really)\r\n\
              Content-Disposition: Attachment;\r\n\tfilename*=utf-8''K%C3%A4se.jpg\r\nContent-ID: <a@b>\r\n\r\n",
            "text/plain",
        );
        assert_eq!(
            (head.media.as_str(), head.encoding, head.stated_encoding.as_deref()),
            ("image/jpeg", Encoding::Base64, Some("base64"))
        );
        assert_eq!((head.disposition.as_deref(), head.name.as_deref()), (Some("attachment"), Some("Käse.jpg")));
        assert_eq!((head.content_id.as_deref(), head.flags.is_empty()), (Some("a@b"), true));
    }

    #[test]
    fn what_is_missing_or_broken_has_a_default() {
        assert_eq!(Head::read(b"", "message/rfc822").media, "message/rfc822");
        let head = Head::read(
            b"junk\nContent-Type: text\nContent-Type: image/png\nContent-Transfer-Encoding: x-mine\n",
            "message/rfc822",
        );
        assert_eq!(head.media, "text/plain");
        assert_eq!(head.flags, [Flag::BadHeaderLine, Flag::BadContentType, Flag::UnknownEncoding]);
    }
}
