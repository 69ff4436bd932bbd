//! Names of files and paths on one line, made of bytes that may be anything.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Longest name of a journal, in bytes; beside it stand names with something behind them.
const LONGEST: usize = 200;

/// The ports of POP3 and of POP3 within TLS, which lead to one mailbox.
const OWN_PORTS: [u16; 2] = [110, 995];

/// The file name of a mailbox's journal: `user@host`, with `:port` behind it where that is none of POP3's own, and `%XX` for all that is no
/// letter, digit, or one of `.@-_+`.
pub fn journal(user: &str, host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if OWN_PORTS.contains(&port) { file(&format!("{user}@{host}")) } else { file(&format!("{user}@{host}:{port}")) }
}

/// What earlier versions called it, by this port first.
pub fn earlier_journals(user: &str, host: &str, port: u16) -> Vec<String> {
    let others = OWN_PORTS.into_iter().filter(|other| OWN_PORTS.contains(&port) && *other != port);
    std::iter::once(port).chain(others).map(|port| file(&format!("{user}@{host}:{port}"))).collect()
}

fn file(account: &str) -> String {
    let mut name = quoted(account.as_bytes(), |byte| byte.is_ascii_alphanumeric() || b".@-_+:".contains(&byte));
    if name.starts_with('.') {
        name.replace_range(..1, "%2E");
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST - 9);
        let _ = write!(name, "-{:08x}", crc32c::crc32c(account.as_bytes()));
    }
    name
}

/// Whose mailbox it is, whatever way leads there: `user@host`, on one line.
pub fn owner(user: &str, host: &str) -> String {
    encode(format!("{user}@{}", host.to_ascii_lowercase()).as_bytes())
}

/// Bytes without space, control or line end: `%XX` stands for those, and for `%`.
pub fn encode(bytes: &[u8]) -> String {
    quoted(bytes, |byte| byte.is_ascii_graphic() && byte != b'%')
}

/// The path that was encoded.
pub fn decode(text: &str) -> Option<PathBuf> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, more)) = rest.split_first() {
        rest = more;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = more;
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

fn quoted(bytes: &[u8], plain: impl Fn(u8) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if plain(byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_account_names_one_file_in_one_directory() {
        assert_eq!(journal("bob", "mail.hamburger.test", 2110), "bob@mail.hamburger.test:2110");
        assert_eq!(journal("../../x", "::1", 111), "%2E./../x@::1:111".replace('/', "%2F"));
        assert_eq!(journal("a b\0\x1b", "h", 1), "a%20b%00%1B@h:1");
        let (long, other) = (journal(&"x".repeat(300), "h", 1), journal(&format!("{}y", "x".repeat(299)), "h", 1));
        assert!(long.len() <= LONGEST && long != other, "{long}");
    }

    #[test]
    fn every_way_to_a_mailbox_leads_to_one_file() {
        for (host, port) in [("mail.hamburger.test", 110), ("Mail.Hamburger.TEST", 995)] {
            assert_eq!(journal("bob", host, port), "bob@mail.hamburger.test");
        }
        assert_ne!(journal("bob", "127.0.0.1", 2110), journal("bob", "127.0.0.1", 2111), "who knows whose they are");
        assert_eq!(earlier_journals("bob", "H", 995), ["bob@H:995", "bob@H:110"]);
        assert_eq!(earlier_journals("bob", "H", 2110), ["bob@H:2110"]);
    }

    proptest! {
        #[test]
        fn a_path_comes_back(bytes in any::<Vec<u8>>()) {
            let text = encode(&bytes);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(decode(&text).unwrap().into_os_string().into_vec(), bytes);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            decode(&text);
        }
    }
}
