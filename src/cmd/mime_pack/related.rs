//! `--related auto`: files that a page shows become parts beside it, and the page refers to them by their Content-ID (RFC 2392).

use super::attachment::Named;
use super::content::Content;
use super::unique::hex;
use crate::bytes::html::{attributes, resolve};
use crate::cli::exit::{Failure, Status};
use crate::cli::stdio::say;
use crate::mail::mime::param;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// Longest page that is rewritten, in octets.
const MOST: usize = 16 * 1024 * 1024;

/// Elements whose content is text, whatever looks like a tag in it (the HTML standard, section 13.1.2).
const TEXTS: &[&str] = &["script", "style", "textarea", "title"];

/// Attributes that show a file.
const SHOWING: &[(&str, &str)] = &[
    ("img", "src"),
    ("input", "src"),
    ("source", "src"),
    ("audio", "src"),
    ("video", "src"),
    ("video", "poster"),
    ("body", "background"),
    ("table", "background"),
    ("td", "background"),
];

/// The page with its references to files below its own directory changed; the files are added to `inline`. What leads elsewhere stays as it is.
pub fn rewritten(html: &Content, path: &Path, inline: &mut Vec<Named>) -> Result<Content, Failure> {
    let page = html.whole(MOST)?;
    let page = String::from_utf8(page).map_err(|_| Failure::text(Status::Data, format!("{}: not UTF-8", html.label)))?;
    let base = path.parent().filter(|base| !base.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (mut out, mut left) = (String::with_capacity(page.len()), BTreeSet::new());
    let mut rest = page.as_str();
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").map_or(rest.len(), |end| 4 + end + 3);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let end = tag_end(rest);
        let name = tag_name(rest);
        tag(&name, &rest[..end], base, inline, &mut left, &mut out);
        rest = &rest[end..];
        if TEXTS.contains(&name.as_str()) {
            let end = text_end(rest, &name);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    for reference in left {
        say(&format!("mime-pack: {}: {reference} is not below the page's directory, and stays as it is", html.label));
    }
    Ok(Content::memory(&html.label, out.into_bytes()))
}

/// Behind the `>` that ends a tag: none within quotes does.
fn tag_end(text: &str) -> usize {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    text.len()
}

/// In small letters; empty for an end tag.
fn tag_name(text: &str) -> String {
    text[1..].chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// Where the end tag of an element begins that holds text alone.
fn text_end(text: &str, name: &str) -> usize {
    let is_end = |at: &usize| {
        let behind = &text.as_bytes()[at + 2..];
        behind.get(..name.len()).is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
            && behind.get(name.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    text.match_indices("</").map(|(at, _)| at).find(is_end).unwrap_or(text.len())
}

fn tag(name: &str, text: &str, base: &Path, inline: &mut Vec<Named>, left: &mut BTreeSet<String>, out: &mut String) {
    let inner = text[1..].trim_end_matches('>');
    let mut done = 0;
    for (attribute, place) in attributes(inner) {
        let shows = SHOWING.iter().any(|(tag, known)| *tag == name && known.eq_ignore_ascii_case(attribute));
        let reference = &inner[place.clone()];
        let Some(file) = local(reference).filter(|file| shows && stays_below(base, file)) else {
            if shows && names_file(reference) {
                left.insert(resolve(reference));
            }
            continue;
        };
        let id = id_of(&file, &base.join(&file), inline);
        out.push_str(&text[done..place.start + 1]);
        out.push_str(&format!("cid:{id}"));
        done = place.end + 1;
    }
    out.push_str(&text[done..]);
}

/// The path that a reference names, as an attribute spells it, if it is one below the page: no URL, nothing above, nothing absolute.
fn local(reference: &str) -> Option<PathBuf> {
    let reference = resolve(reference);
    let reference = reference.trim();
    let has_scheme = reference.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':'));
    if reference.is_empty() || has_scheme || reference.starts_with(['/', '#', '?', '\\']) {
        return None;
    }
    let plain = reference.split(['?', '#']).next().unwrap_or_default();
    let mut path = Vec::new();
    param::percent_decode(plain.as_bytes(), &mut path);
    let path = PathBuf::from(OsString::from_vec(path));
    let is_name = !path.as_os_str().as_encoded_bytes().contains(&0);
    is_name.then_some(path).filter(|path| is_below(path))
}

/// Whether it is a path, and no URL of another kind.
fn names_file(reference: &str) -> bool {
    let reference = resolve(reference);
    let reference = reference.trim();
    let has_scheme = reference.split(['/', '?', '#']).next().is_some_and(|start| start.contains(':'));
    !reference.is_empty() && !has_scheme && !reference.starts_with("//") && !reference.starts_with(['#', '?'])
}

fn is_below(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Whether no link leads from there to somewhere else. A file that is not there stays: it is an error to be told.
fn stays_below(base: &Path, file: &Path) -> bool {
    match (base.canonicalize(), base.join(file).canonicalize()) {
        (Ok(base), Ok(file)) => file.starts_with(base),
        _ => true,
    }
}

/// The Content-ID of a file, the same each time it is shown.
fn id_of(reference: &Path, path: &Path, inline: &mut Vec<Named>) -> String {
    if let Some(id) = inline.iter().find(|named| named.path == path).and_then(|named| named.content_id.clone()) {
        return id;
    }
    let digest = hex(&Sha256::digest(reference.as_os_str().as_encoded_bytes())[..8]);
    let id = format!("{}.{digest}@related", inline.len() + 1);
    inline.push(Named { path: path.to_owned(), content_id: Some(id.clone()), ..Named::default() });
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_page_are_taken() {
        for (reference, path) in [
            ("a.png", Some("a.png")),
            ("img/a%20b.png?x#y", Some("img/a b.png")),
            ("./a.png", Some("./a.png")),
            ("100%.png", Some("100%.png")),
            ("a%+fb.png", Some("a%+fb.png")),
            ("a&amp;b.png", Some("a&b.png")),
            ("a&b.png", Some("a&b.png")),
            ("&#x2e;&#x2e;/a.png", None),
            ("https&colon;//x.test/a.png", None),
            ("a%00.png", None),
            ("../a.png", None),
            ("img/../../a.png", None),
            ("%2e%2e/a.png", None),
            ("/etc/passwd", None),
            ("%2fetc/passwd", None),
            ("https://x.test/a.png", None),
            ("//x.test/a.png", None),
            ("cid:a", None),
            ("data:image/png;base64,AA", None),
            ("file:///etc/passwd", None),
            ("#top", None),
            ("", None),
        ] {
            assert_eq!(local(reference).as_deref(), path.map(Path::new), "{reference}");
        }
        assert_eq!(local("a%ff.png").unwrap().as_os_str().as_encoded_bytes(), b"a\xff.png");
    }

    #[test]
    fn what_looks_like_a_tag_within_text_stays() {
        let page =
            "<script>x = '<img src=\"a.png\">';</script><TEXTAREA><img src=b.png></textareas></TextArea ><style><img src=c.png>";
        let mut inline = Vec::new();
        let html = Content::memory("page", page.as_bytes().to_vec());
        let out = rewritten(&html, Path::new("page.html"), &mut inline).unwrap().whole(MOST).unwrap();
        assert_eq!((String::from_utf8(out).unwrap().as_str(), inline.len()), (page, 0));
    }

    #[test]
    fn references_change_and_nothing_else() {
        let mut inline = Vec::new();
        let page = "<p title='>'>1 < 2<!-- <img src=no.png> --><IMG alt=\"x\" src=\"a.png\" width=1><img src=b.png><img src='a.png'><a href=\"a.png\">";
        let html = Content::memory("page", page.as_bytes().to_vec());
        let out = rewritten(&html, Path::new("dir/page.html"), &mut inline).unwrap().whole(MOST).unwrap();
        let out = String::from_utf8(out).unwrap();
        let ids: Vec<String> = inline.iter().map(|named| named.content_id.clone().unwrap()).collect();
        let paths: Vec<&Path> = inline.iter().map(|named| named.path.as_path()).collect();
        assert_eq!(paths, [Path::new("dir/a.png"), Path::new("dir/b.png")]);
        let wanted = page
            .replace("src=\"a.png\"", &format!("src=\"cid:{}\"", ids[0]))
            .replace("src='a.png'", &format!("src='cid:{}'", ids[0]));
        assert_eq!(out, wanted.replace("src=b.png", &format!("src=cid:{}", ids[1])));
    }
}
