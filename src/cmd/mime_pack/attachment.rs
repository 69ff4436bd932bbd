//! An attachment as the command line names it (`FILE;type=..;name=..;cid=..`), and the media type of a file.

use crate::bytes::charset;
use crate::cli::exit::{Failure, Status};
use crate::mail::header::fold;
use crate::mail::mime::param;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What `-a` and `--inline` say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    pub path: PathBuf,
    /// `type/subtype`, in lower case.
    pub media: Option<String>,
    pub charset: Option<String>,
    pub name: Option<String>,
    /// Without angle brackets.
    pub content_id: Option<String>,
}

/// Where several files have a type that the guessing tables miss or mistake. `.ts` is decided by its content.
const TYPES: &[(&str, &str)] = &[
    ("cjs", "text/javascript"),
    ("diff", "text/x-diff"),
    ("eml", "message/rfc822"),
    ("js", "text/javascript"),
    ("log", "text/plain"),
    ("markdown", "text/markdown"),
    ("md", "text/markdown"),
    ("mjs", "text/javascript"),
    ("patch", "text/x-diff"),
    ("toml", "text/plain"),
    ("tsx", "text/plain"),
    ("zst", "application/zstd"),
];

impl Named {
    /// `FILE` with its keys. A key is only known by its name: other semicolons belong to the file name. So does a key that is part of the name
    /// of a file that is there: names of files come from strangers, and another file must not go out for one.
    pub fn parse(argument: &OsStr) -> Result<Named, Failure> {
        let mut named = Named::default();
        let mut rest = argument.as_bytes();
        while !is_there(rest)
            && let Some((before, value)) = last_key(rest)?
        {
            named.set(value).map_err(|why| usage(argument, &why))?;
            rest = before;
        }
        if rest.is_empty() {
            return Err(usage(argument, "no file is named"));
        }
        named.path = PathBuf::from(OsString::from_vec(rest.to_vec()));
        Ok(named)
    }

    /// `ID=FILE`, the file with its keys.
    pub fn parse_inline(argument: &OsStr) -> Result<Named, Failure> {
        let bytes = argument.as_bytes();
        let Some(equals) = memchr::memchr(b'=', bytes) else { return Err(usage(argument, "expected ID=FILE")) };
        let mut named = Named::parse(OsStr::from_bytes(&bytes[equals + 1..]))?;
        if named.content_id.is_some() {
            return Err(usage(argument, "the ID is given twice"));
        }
        let id = String::from_utf8_lossy(&bytes[..equals]);
        named.set(("cid", &id)).map_err(|why| usage(argument, &why))?;
        Ok(named)
    }

    /// The name for the reader: the one given, else the file's own. That is UTF-8, or in the locale's character set; else nobody knows
    /// what its octets are, and they go out as they are.
    pub fn file_name(&self) -> Result<Vec<u8>, Failure> {
        let path = if self.path == Path::new("-") { Path::new("stdin") } else { &self.path };
        let own = || path.file_name().map(|name| in_utf8(name.as_bytes(), locale_charset().as_deref()));
        let name = self.name.clone().map(String::into_bytes).or_else(own).unwrap_or_default();
        match fold::reject_line_ends(&String::from_utf8_lossy(&name)) {
            Ok(()) => Ok(name),
            Err(why) => Err(usage(self.path.as_os_str(), &format!("the file's name {why} (;name= gives another)"))),
        }
    }

    /// The type as `;type=` and `--type` give it.
    pub fn set_media(&mut self, media: &str) -> Result<(), String> {
        self.set(("type", media))
    }

    fn set(&mut self, (key, value): (&str, &str)) -> Result<(), String> {
        fold::reject_line_ends(value).map_err(|why| format!("{key} {why}"))?;
        let value = value.to_owned();
        let place = match key {
            "type" => {
                let good = value.split_once('/').is_some_and(|(kind, subtype)| param::is_token(kind) && param::is_token(subtype));
                if !good || value.to_ascii_lowercase().starts_with("multipart/") {
                    return Err(format!("{value:?} is no type of a file"));
                }
                &mut self.media
            }
            "charset" if param::is_token(&value) => &mut self.charset,
            "charset" => return Err(format!("{value:?} is no character set")),
            "cid" if is_content_id(&value) => &mut self.content_id,
            "cid" => return Err(format!("{value:?} is no content ID: printable ASCII without blanks and angle brackets")),
            _ if value.is_empty() => return Err("name is empty".to_owned()),
            _ => &mut self.name,
        };
        let value = if key == "type" { value.to_ascii_lowercase() } else { value };
        if place.replace(value).is_some() { Err(format!("{key} is given twice")) } else { Ok(()) }
    }
}

/// Something has that name, if only a link that leads nowhere.
fn is_there(name: &[u8]) -> bool {
    Path::new(OsStr::from_bytes(name)).symlink_metadata().is_ok()
}

/// The octets of a name as UTF-8 where they are that or text in the locale's character set, else as they are.
fn in_utf8(name: &[u8], locale: Option<&str>) -> Vec<u8> {
    let text = locale.filter(|_| std::str::from_utf8(name).is_err()).and_then(|set| charset::decode_whole(set, name));
    text.map_or_else(|| name.to_vec(), |text| text.into_owned().into_bytes())
}

/// What the locale says of names of files: `de_DE.ISO-8859-1` (POSIX.1-2024, XBD 8.2).
fn locale_charset() -> Option<String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set)?;
    let charset = locale.split_once('.')?.1;
    Some(charset.split('@').next().unwrap_or(charset).to_owned())
}

fn is_content_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 900 && id.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>'))
}

/// The last `;key=value` of `text` and what stands before it.
#[allow(clippy::type_complexity)]
fn last_key(text: &[u8]) -> Result<Option<(&[u8], (&str, &str))>, Failure> {
    let Some(at) = memchr::memrchr(b';', text) else { return Ok(None) };
    let (before, key) = (&text[..at], &text[at + 1..]);
    for known in ["type", "name", "cid", "charset"] {
        if let Some(value) = key.strip_prefix(known.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
            let value =
                std::str::from_utf8(value).map_err(|_| usage(OsStr::from_bytes(text), &format!("{known} is not UTF-8")))?;
            return Ok(Some((before, (known, value))));
        }
    }
    Ok(None)
}

fn usage(argument: &OsStr, why: &str) -> Failure {
    Failure::text(Status::Usage, format!("{}: {why}", argument.display()))
}

/// The type that a file's name tells; none where only the content can tell.
pub fn media_by_name(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    if extension == "ts" {
        return None;
    }
    let own = TYPES.iter().find(|(known, _)| *known == extension).map(|(_, media)| (*media).to_owned());
    own.or_else(|| mime_guess::from_ext(&extension).first().map(|media| media.essence_str().to_owned()))
}

/// The type that the content tells, of which `start` is the beginning: by its magic, else text is UTF-8 without NUL.
pub fn media_by_content(path: &Path, start: &[u8], is_text: bool) -> &'static str {
    // Two letters are magic enough for some formats, and begin many a text.
    const WRITTEN_AS_TEXT: &[&str] =
        &["application/pdf", "application/postscript", "text/html", "text/xml", "text/x-shellscript"];
    let magic = infer::get(start).map(|found| found.mime_type());
    let magic = magic.filter(|media| is_text == WRITTEN_AS_TEXT.contains(media) || *media == "application/pdf");
    match path.extension().and_then(OsStr::to_str) {
        _ if let Some(media) = magic => media,
        _ if is_text => "text/plain",
        Some(extension) if extension.eq_ignore_ascii_case("ts") => "video/mp2t",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(argument: &str) -> Result<Named, String> {
        Named::parse(OsStr::new(argument)).map_err(|failure| failure.error.to_string())
    }

    #[test]
    fn keys_follow_the_file_and_other_semicolons_are_its_own() {
        let named = parse("a;b.txt;type=Text/HTML;name=c d.html;cid=x@y").unwrap();
        assert_eq!(
            (named.path.to_str(), named.media.as_deref(), named.name.as_deref(), named.content_id.as_deref()),
            (Some("a;b.txt"), Some("text/html"), Some("c d.html"), Some("x@y"))
        );
        assert_eq!(parse("a;tpye=x").unwrap().path.to_str(), Some("a;tpye=x"));
        assert_eq!(Named::parse_inline(OsStr::new("logo=a=b.png")).unwrap().path.to_str(), Some("a=b.png"));
    }

    #[test]
    fn nothing_that_could_start_a_field_is_taken() {
        for bad in [
            "a;type=text/plain\r\nBcc: x",
            "a;name=x\nBcc: y",
            "a;name=x\0",
            "a;cid=x\r\n",
            "a;type=text",
            "a;type=multipart/mixed",
            "a;type=text/plain;type=text/html",
            "a;cid=<x>",
            "a;charset=a b",
            ";name=x",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse("dir/x\ny").unwrap().file_name().is_err());
        assert!(Named::parse_inline(OsStr::new("logo.png")).is_err());
    }

    #[test]
    fn types_come_from_the_own_table_then_the_guess_then_the_content() {
        let by_name = |name: &str| media_by_name(Path::new(name));
        assert_eq!(by_name("x.PATCH").as_deref(), Some("text/x-diff"));
        assert_eq!(by_name("x.zst").as_deref(), Some("application/zstd"));
        assert_eq!(by_name("x.jpg").as_deref(), Some("image/jpeg"));
        assert_eq!(by_name("x.md").as_deref(), Some("text/markdown"));
        assert_eq!((by_name("README"), by_name("x.ts"), by_name("x.unheardof")), (None, None, None));
        for (name, start, is_text, media) in [
            ("README", b"read me" as &[u8], true, "text/plain"),
            ("README", b"BM is no bitmap, and MZ no program", true, "text/plain"),
            ("x.ts", b"let x;", true, "text/plain"),
            ("x.ts", b"G\x40\0", false, "video/mp2t"),
            ("core", b"\x01\x02\xff", false, "application/octet-stream"),
            ("photo", b"\xff\xd8\xff\xe0\0\x10JFIF", false, "image/jpeg"),
            ("scan", b"%PDF-1.4\nall of it ASCII", true, "application/pdf"),
            ("scan", b"%PDF-1.4\n\xe4\xf6", false, "application/pdf"),
            ("page", b"<!DOCTYPE html><p>x", true, "text/html"),
            ("page", b"<!DOCTYPE html><p>\xe4", false, "application/octet-stream"),
        ] {
            assert_eq!(media_by_content(Path::new(name), start, is_text), media, "{name} {start:?}");
        }
    }

    #[test]
    fn names_are_utf_8_where_it_is_known_how() {
        for (name, locale, wanted) in [
            (b"K\xc3\xa4se" as &[u8], Some("ISO-8859-1"), "Käse".as_bytes()),
            (b"K\xe4se", Some("iso8859-15"), "Käse".as_bytes()),
            (b"\xc4", Some("KOI8-R"), "д".as_bytes()),
            (b"K\xe4se", Some("UTF-8"), b"K\xe4se"),
            (b"K\xe4se", Some("x-unheard"), b"K\xe4se"),
            (b"K\xe4se", None, b"K\xe4se"),
        ] {
            assert_eq!(in_utf8(name, locale), wanted, "{name:?} {locale:?}");
        }
    }
}
