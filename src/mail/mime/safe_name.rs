//! The name that a part's content gets as a file. The sender's own is a wish (RFC 2183 section 2.3): nothing of it leaves the directory,
//! hides, drives a terminal, or means something to a shell or another system.

/// Longest name, in octets, with room left for the number of one that comes twice.
const LONGEST: usize = 240;
/// Longest extension that is kept where a name is cut.
const LONGEST_EXTENSION: usize = 20;

/// Extensions for parts without a name.
const EXTENSIONS: &[(&str, &str)] = &[
    ("application/gzip", "gz"),
    ("application/json", "json"),
    ("application/pdf", "pdf"),
    ("application/pgp-signature", "asc"),
    ("application/pkcs7-mime", "p7m"),
    ("application/pkcs7-signature", "p7s"),
    ("application/xml", "xml"),
    ("application/zip", "zip"),
    ("audio/mpeg", "mp3"),
    ("image/gif", "gif"),
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/svg+xml", "svg"),
    ("image/webp", "webp"),
    ("message/delivery-status", "txt"),
    ("message/disposition-notification", "txt"),
    ("message/global", "eml"),
    ("message/rfc822", "eml"),
    ("text/calendar", "ics"),
    ("text/css", "css"),
    ("text/csv", "csv"),
    ("text/html", "html"),
    ("text/vcard", "vcf"),
    ("video/mp4", "mp4"),
];

/// A name that is one: never empty, at most 240 octets, no path. `section` and `media` make one where the sender gave none.
pub fn safe_name(stated: Option<&str>, section: &str, media: &str) -> String {
    let last = stated.unwrap_or_default().rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().map(|c| if is_harmful(c) { '_' } else { c }).collect();
    // Blanks and dots at the end are lost on some systems, and one name becomes another.
    let plain = plain.trim().trim_end_matches(['.', ' ']);
    if plain.is_empty() {
        let known = EXTENSIONS.iter().find(|(known, _)| *known == media).map(|(_, extension)| *extension);
        let extension = known.unwrap_or(if media.starts_with("text/") { "txt" } else { "bin" });
        return format!("part-{section}.{extension}");
    }
    let first = plain.chars().next();
    let mut name = match first {
        Some('.' | '-' | '~') => format!("_{}", &plain[1..]),
        _ if is_device(plain) => format!("_{plain}"),
        _ => plain.to_owned(),
    };
    if name.len() > LONGEST {
        let (stem, extension) = split(&name);
        let extension = extension.to_owned();
        let room = LONGEST - extension.len();
        let end = (0..=room).rev().find(|&at| stem.is_char_boundary(at)).unwrap_or(0);
        name = format!("{}{extension}", &stem[..end]);
    }
    name
}

/// The same name for the `n`th file that wants it: `a.txt`, `a-1.txt`.
pub fn numbered(name: &str, n: u32) -> String {
    if n == 0 {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    format!("{stem}-{n}{extension}")
}

/// Before the last dot, and from it on.
fn split(name: &str) -> (&str, &str) {
    let dot = name.rfind('.').filter(|&at| at > 0 && name.len() - at <= LONGEST_EXTENSION);
    name.split_at(dot.unwrap_or(name.len()))
}

/// Control characters, those that reorder or hide text, those that are no part of a name elsewhere, and the semicolon, after which
/// `mime-pack -a` takes keys.
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, ':' | '*' | '?' | '"' | '<' | '>' | '|' | ';')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e007f}')
}

/// Names of devices on other systems, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered =
        |prefix: &str| stem.strip_prefix(prefix).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    matches!(stem.as_str(), "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wishes_become_names_that_harm_nobody() {
        for (stated, name) in [
            ("a b.txt", "a b.txt"),
            ("Käse, süß.txt", "Käse, süß.txt"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\autoexec.bat", "autoexec.bat"),
            ("../..", "part-2.1.png"),
            ("sub/", "part-2.1.png"),
            (" . ", "part-2.1.png"),
            (".bashrc", "_bashrc"),
            ("-rf", "_rf"),
            ("~", "_"),
            ("x\u{1b}[2J\r\n\u{202e}gpj.\0exe", "x_[2J___gpj._exe"),
            ("a\u{9b}b\u{200b}.txt", "a_b_.txt"),
            ("aux.txt", "_aux.txt"),
            ("COM1", "_COM1"),
            ("compact", "compact"),
            ("a:b|c?.txt ", "a_b_c_.txt"),
            ("a.txt. .", "a.txt"),
            ("secret.txt;name=cat.jpg", "secret.txt_name=cat.jpg"),
        ] {
            assert_eq!(safe_name(Some(stated), "2.1", "image/png"), name, "{stated:?}");
        }
        assert_eq!(safe_name(None, "1", "text/plain"), "part-1.txt");
        assert_eq!(safe_name(None, "3", "application/x-unheard"), "part-3.bin");
        let long = safe_name(Some(&("ä".repeat(300) + ".pdf")), "1", "");
        assert!(long.len() <= LONGEST && long.ends_with("ä.pdf"), "{long}");
    }

    #[test]
    fn a_number_stands_before_the_extension() {
        assert_eq!(
            (numbered("a.txt", 0), numbered("a.txt", 2), numbered("README", 1)),
            ("a.txt".into(), "a-2.txt".into(), "README-1".into())
        );
    }

    proptest! {
        #[test]
        fn no_wish_leaves_the_directory(stated in "([./\\\\~ -]|\\PC|[\u{0}-\u{9f}]){0,300}", n in 0u32..1000) {
            let name = numbered(&safe_name(Some(&stated), "1", "text/plain"), n);
            prop_assert!(!name.is_empty() && name.len() <= 255 && !name.starts_with(['.', '-', '~']), "{:?}", name);
            prop_assert!(!name.contains(['/', '\\']) && !name.chars().any(char::is_control), "{:?}", name);
        }
    }
}
