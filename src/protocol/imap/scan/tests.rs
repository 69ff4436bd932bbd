//! Strings, numbers and values in every form, and what they may take.

use super::*;
use proptest::prelude::*;

fn scan(text: &[u8]) -> Scanner<'_> {
    Scanner::new(text, &[])
}

#[test]
fn strings_in_every_form() {
    for (text, want) in [
        (&b"INBOX"[..], Some(&b"INBOX"[..])),
        (b"a]b", Some(b"a]b")),
        (b"\"a b\"", Some(b"a b")),
        (b"\"a\\\"b\\\\\"", Some(b"a\"b\\")),
        (b"\"\"", Some(b"")),
        (b"{3}\r\na\rb", Some(b"a\rb")),
        (b"{003}\r\nabc", Some(b"abc")),
        (b"{3+}\nabc", Some(b"abc")),
        (b"~{2}\r\n\0\0", Some(b"\0\0")),
        (b"{0}\r\n", Some(b"")),
        (b"NIL", Some(b"NIL")),
        (b"{4}\r\nabc", None),
        (b"{99999999999999999999}\r\nabc", None),
        (b"\"abc", None),
        (b"\"abc\r\n\"", None),
        (b"", None),
        (b"(a)", None),
    ] {
        assert_eq!(scan(text).astring().ok().as_deref(), want, "{}", text.escape_ascii());
    }
}

/// RFC 9051 section 4.5: NIL, the empty string and a thing named NIL are three.
#[test]
fn nil_is_not_empty_and_not_a_name() {
    assert_eq!(scan(b"nil").nstring(), Ok(None));
    assert_eq!(scan(b"\"\"").nstring(), Ok(Some(Vec::new())));
    assert_eq!(scan(b"\"NIL\"").nstring(), Ok(Some(b"NIL".to_vec())));
    assert_eq!(scan(b"NIL").astring(), Ok(b"NIL".to_vec()));
    assert!(!scan(b"NILS").nil());
}

#[test]
fn numbers_have_bounds() {
    assert_eq!(scan(b"012").number(), Ok(12));
    assert_eq!(scan(b"4294967297").number().ok(), None);
    assert_eq!(scan(b"4294967297").number64(), Ok(4_294_967_297));
    assert_eq!(scan(b"18446744073709551616").number64().ok(), None);
    assert_eq!((scan(b"-1").count(), scan(b"NIL").count(), scan(b"7").count()), (Ok(None), Ok(None), Ok(Some(7))));
    assert_eq!(scan(b"0").nz_number(), Err(Syntax { at: 0, wanted: "a number above 0" }));
}

/// What small things of a response come to is bounded; what was given up costs nothing.
#[test]
fn memory_is_bounded() {
    let many = [b"(".to_vec(), b"a ".repeat(1_000_000), b")".to_vec()].concat();
    assert_eq!(scan(&many).value().map(<[u8]>::len), Ok(many.len()), "what is only passed takes none");
    let text = [b"\"".to_vec(), b"a".repeat(MEMORY), b"\"".to_vec()].concat();
    for (what, bytes) in [("items", &many), ("a text", &text)] {
        let mut s = scan(bytes);
        let start = s.mark();
        let read = if what == "items" { s.list(Scanner::astring).err() } else { s.string().err() };
        assert!(matches!(read, Some(Syntax { wanted: "a response that takes less memory", .. })), "{what}: {read:?}");
        s.back_to_mark(start);
        assert!(s.spend(MEMORY).is_ok() && s.spend(1).is_err(), "{what}");
    }
}

#[test]
fn a_value_of_any_form_is_passed() {
    for (text, want) in [
        (&b"12 x"[..], Some(&b"12"[..])),
        (b"(a (b \"c )\") {2}\r\n)) d) x", Some(b"(a (b \"c )\") {2}\r\n)) d)")),
        (b"X-NAME[a]<0> y", Some(b"X-NAME[a]<0>")),
        (b"(a", None),
        (b")", None),
        (b"", None),
    ] {
        assert_eq!(scan(text).value().ok(), want, "{}", text.escape_ascii());
    }
    let deep = [b"(".repeat(100_000), b")".repeat(100_000)].concat();
    assert_eq!(scan(&deep).value().map(<[u8]>::len), Ok(200_000));
}

proptest! {
    #[test]
    fn what_is_quoted_is_read_back(text in proptest::collection::vec(any::<u8>().prop_filter("no line end", |b| !b"\r\n".contains(b)), 0..40)) {
        let mut quoted = vec![b'"'];
        for byte in &text {
            if matches!(byte, b'"' | b'\\') {
                quoted.push(b'\\');
            }
            quoted.push(*byte);
        }
        quoted.push(b'"');
        prop_assert_eq!(scan(&quoted).string(), Ok(text));
    }
}
