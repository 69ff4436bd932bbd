//! `--related auto`: files that a page shows become parts beside it, and the page refers to them by their Content-ID (RFC 2392).

use super::attachment::Named;
use super::content::Content;
use super::unique::hex;
use crate::bytes::html::{attributes, resolve};
use crate::cli::exit::{Failure, Status};
use crate::cli::stdio::say;
use crate::mail::mime::param;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::ops::Range;
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
    ("tr", "background"),
    ("td", "background"),
    ("th", "background"),
];

/// Attributes that show one of several files.
const CHOOSING: &[(&str, &str)] = &[("img", "srcset"), ("source", "srcset")];

/// The page with its references to files below its own directory changed; the files are added to `inline`. What leads elsewhere stays as it is.
pub fn rewritten(html: &Content, path: &Path, inline: &mut Vec<Named>) -> Result<Content, Failure> {
    let page = html.whole(MOST)?;
    let page = String::from_utf8(page).map_err(|_| Failure::text(Status::Data, format!("{}: not UTF-8", html.label)))?;
    let base = path.parent().filter(|base| !base.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut ids = BTreeMap::new();
    for named in inline.iter().rev() {
        ids.extend(named.content_id.clone().map(|id| (named.path.clone(), id)));
    }
    let mut page_files = Files { base, inline, ids, left: BTreeSet::new() };
    let out = page_files.page(&page);
    for reference in page_files.left {
        say(&format!("mime-pack: {}: {reference} is not below the page's directory, and stays as it is", html.label));
    }
    Ok(Content::memory(&html.label, out.into_bytes()))
}

/// Files that a page shows.
struct Files<'a> {
    base: &'a Path,
    inline: &'a mut Vec<Named>,
    /// Their Content-IDs.
    ids: BTreeMap<PathBuf, String>,
    /// References that stay as they are.
    left: BTreeSet<String>,
}

impl Files<'_> {
    fn page(&mut self, page: &str) -> String {
        let mut out = String::with_capacity(page.len());
        let mut rest = page;
        while let Some(at) = rest.find('<') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let Some(end) = markup_end(rest) else {
                out.push('<');
                rest = &rest[1..];
                continue;
            };
            let name = tag_name(rest);
            self.tag(&name, &rest[..end], &mut out);
            rest = &rest[end..];
            if TEXTS.contains(&name.as_str()) {
                let (text, behind) = rest.split_at(text_end(rest, &name));
                let styled = Some(text).filter(|_| name == "style").and_then(|text| self.style(text));
                out.push_str(styled.as_deref().unwrap_or(text));
                rest = behind;
            }
        }
        out + rest
    }

    fn tag(&mut self, name: &str, text: &str, out: &mut String) {
        let inner = text[1..].trim_end_matches('>');
        let mut done = 0;
        for (attribute, place) in attributes(inner) {
            let is_in =
                |list: &[(&str, &str)]| list.iter().any(|(tag, known)| *tag == name && known.eq_ignore_ascii_case(attribute));
            let value = &inner[place.clone()];
            let changed = match () {
                () if name.is_empty() => None,
                () if is_in(SHOWING) => self.reference(value),
                () if is_in(CHOOSING) => self.candidates(value),
                () if attribute.eq_ignore_ascii_case("style") => self.style(value),
                () => None,
            };
            if let Some(changed) = changed {
                out.push_str(&text[done..place.start + 1]);
                out.push_str(&changed);
                done = place.end + 1;
            }
        }
        out.push_str(&text[done..]);
    }

    /// What stands for a reference to a file that goes with the page.
    fn reference(&mut self, spelled: &str) -> Option<String> {
        match local(spelled).filter(|file| stays_below(self.base, file)) {
            Some(file) => Some(format!("cid:{}", self.id_of(&file))),
            None => {
                if names_file(spelled) {
                    self.left.insert(resolve(spelled));
                }
                None
            }
        }
    }

    /// Image candidates: references, each with a descriptor, between commas (the HTML standard, section 4.8.4.3.10).
    fn candidates(&mut self, value: &str) -> Option<String> {
        let is_between = |c: char| c.is_ascii_whitespace() || c == ',';
        let (mut out, mut rest, mut is_changed) = (String::new(), value, false);
        loop {
            let reference = rest.trim_start_matches(is_between);
            out.push_str(&rest[..rest.len() - reference.len()]);
            if reference.is_empty() {
                return is_changed.then_some(out);
            }
            let behind = reference.find(|c: char| c.is_ascii_whitespace()).unwrap_or(reference.len());
            // A comma within is part of it, one behind it ends the candidate.
            let spelled = reference[..behind].trim_end_matches(',');
            let changed = self.reference(spelled);
            is_changed |= changed.is_some();
            out.push_str(changed.as_deref().unwrap_or(spelled));
            rest = &reference[spelled.len()..];
            if spelled.len() == behind {
                let end = rest.find(',').unwrap_or(rest.len());
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
        }
    }

    /// Each `url()` of CSS that is no comment (CSS Syntax, section 4.3.6).
    fn style(&mut self, css: &str) -> Option<String> {
        let (mut out, mut done, mut at) = (String::new(), 0, 0);
        while let Some(found) = css[at..].find(['u', 'U', '/']) {
            at += found;
            if let Some(comment) = css[at..].strip_prefix("/*") {
                at += comment.find("*/").map_or(css.len() - at, |end| 2 + end + 2);
                continue;
            }
            let is_word = css[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '\\'));
            let is_url = css[at..].get(..4).is_some_and(|word| word.eq_ignore_ascii_case("url("));
            at += 1;
            if is_word || !is_url {
                continue;
            }
            at += 3;
            let place = place_of_url(&css[at..]);
            let (start, end) = (at + place.start, at + place.end);
            // An escape of CSS is not read.
            if let Some(changed) = Some(&css[start..end]).filter(|url| !url.contains('\\')).and_then(|url| self.reference(url)) {
                out.push_str(&css[done..start]);
                out.push_str(&changed);
                done = end;
            }
            at = end;
        }
        (done > 0).then(|| out + &css[done..])
    }

    /// The Content-ID of a file, the same each time it is shown.
    fn id_of(&mut self, reference: &Path) -> String {
        let path = self.base.join(reference);
        if let Some(id) = self.ids.get(&path) {
            return id.clone();
        }
        let digest = hex(&Sha256::digest(reference.as_os_str().as_encoded_bytes())[..8]);
        let id = format!("{}.{digest}@related", self.inline.len() + 1);
        self.inline.push(Named { path: path.clone(), content_id: Some(id.clone()), ..Named::default() });
        self.ids.insert(path, id.clone());
        id
    }
}

/// Where in what stands behind `url(` the reference is: without blanks and quotes, which an attribute may spell as entities.
fn place_of_url(text: &str) -> Range<usize> {
    const QUOTES: &[&str] = &["\"", "'", "&quot;", "&apos;", "&#34;", "&#39;"];
    let inner = text.trim_ascii_start();
    let start = text.len() - inner.len();
    match QUOTES.iter().find_map(|quote| inner.strip_prefix(quote).map(|inner| (quote, inner))) {
        Some((quote, inner)) => {
            let start = start + quote.len();
            start..start + inner.find(quote).unwrap_or(inner.len())
        }
        None => start..start + inner.find(')').map_or(inner, |end| &inner[..end]).trim_ascii_end().len(),
    }
}

/// Behind the tag or comment that begins here; none where `<` is text (the HTML standard, section 13.2.5.6).
fn markup_end(text: &str) -> Option<usize> {
    if let Some(comment) = text.strip_prefix("<!--") {
        let behind = |end: &str| comment.find(end).map(|at| 4 + at + end.len());
        return Some(match () {
            () if comment.starts_with('>') => 5,
            () if comment.starts_with("->") => 6,
            () => behind("-->").unwrap_or(text.len()),
        });
    }
    text[1..].starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')).then(|| tag_end(text))
}

/// Behind the `>` that ends a tag: none within a value in quotes does.
fn tag_end(text: &str) -> usize {
    let (mut quote, mut before) = (None, b' ');
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') if before == b'=' => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            before = byte;
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

    /// What becomes of a page, with the files that it shows for their Content-IDs.
    fn with_files(page: &str) -> String {
        let mut inline = Vec::new();
        let html = Content::memory("page", page.as_bytes().to_vec());
        let out = rewritten(&html, Path::new("dir/page.html"), &mut inline).unwrap().whole(MOST).unwrap();
        inline.iter().fold(String::from_utf8(out).unwrap(), |out, named| {
            let cid = format!("cid:{}", named.content_id.as_deref().unwrap());
            assert!(out.contains(&cid), "{out}");
            out.replace(&cid, &format!("[{}]", named.path.display()))
        })
    }

    #[test]
    fn candidates_and_styles_show_files() {
        for (page, wanted) in [
            ("<img srcset=\"a.png, b.png 2x\">", "<img srcset=\"[dir/a.png], [dir/b.png] 2x\">"),
            ("<source srcset='a,b.png 1x,\n a.png 2x'>", "<source srcset='[dir/a,b.png] 1x,\n [dir/a.png] 2x'>"),
            ("<img srcset=', a.png,, https://x.test/b.png 2x ,'>", "<img srcset=', [dir/a.png],, https://x.test/b.png 2x ,'>"),
            (
                "<img srcset='data:image/png;base64,AA 1x, a.png 2x'>",
                "<img srcset='data:image/png;base64,AA 1x, [dir/a.png] 2x'>",
            ),
            ("<p srcset=a.png>", "<p srcset=a.png>"),
            (
                "<p STYLE='background: URL( a.png ) no-repeat, url(b.png)'>",
                "<p STYLE='background: URL( [dir/a.png] ) no-repeat, url([dir/b.png])'>",
            ),
            ("<p style=\"background:url('a b.png')\">", "<p style=\"background:url('[dir/a b.png]')\">"),
            ("<p style=\"background:url(&quot;a.png&quot;)\">", "<p style=\"background:url(&quot;[dir/a.png]&quot;)\">"),
            (
                "<p style='x:my-url(a.png)/* url(b.png) */;y:url(c\\29.png)'>",
                "<p style='x:my-url(a.png)/* url(b.png) */;y:url(c\\29.png)'>",
            ),
            (
                "<p style='a:url(https://x.test/a.png);b:url(../a.png);c:url(a.png'>",
                "<p style='a:url(https://x.test/a.png);b:url(../a.png);c:url([dir/a.png]'>",
            ),
            (
                "<style>p { background: url(\"a.png\") }</style>url(b.png)",
                "<style>p { background: url(\"[dir/a.png]\") }</style>url(b.png)",
            ),
            ("</p style='x:url(a.png)'>", "</p style='x:url(a.png)'>"),
        ] {
            assert_eq!(with_files(page), wanted);
        }
    }

    /// The HTML standard, section 13.2.5.
    #[test]
    fn what_is_no_markup_hides_none() {
        for (page, wanted) in [
            ("1 < 2, don't <img src=a.png>", "1 < 2, don't <img src=[dir/a.png]>"),
            ("<p title=it's><img src=a.png>", "<p title=it's><img src=[dir/a.png]>"),
            ("<!--><img src=a.png><!---><img src=b.png>-->", "<!--><img src=[dir/a.png]><!---><img src=[dir/b.png]>-->"),
            ("<p title = '>' ><img src=a.png>", "<p title = '>' ><img src=[dir/a.png]>"),
            ("<", "<"),
        ] {
            assert_eq!(with_files(page), wanted);
        }
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
