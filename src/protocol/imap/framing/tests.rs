//! Sessions cut at every byte, lengths in every dialect, and what must not grow.

use super::*;
use proptest::prelude::*;

/// All frames, the bytes given in pieces; pieces of literals are joined.
fn frames(pieces: &[&[u8]]) -> Result<Vec<Frame>, BadFraming> {
    let mut framing = Framing::default();
    let mut frames = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() || framing.is_due() {
            let (used, frame) = framing.take(rest);
            rest = &rest[used..];
            match (frame.transpose()?, frames.last_mut()) {
                (Some(Frame::Data(more)), Some(Frame::Data(octets))) => octets.extend_from_slice(&more),
                (Some(frame), _) => frames.push(frame),
                (None, _) => assert!(used > 0),
            }
        }
    }
    Ok(frames)
}

fn response(bytes: &[u8], streamed: &[(usize, u64)]) -> Frame {
    let streamed = streamed.iter().map(|(at, len)| Streamed { at: *at, len: *len }).collect();
    Frame::Response(Raw { bytes: bytes.to_vec(), streamed, continues: false })
}

const SESSION: &[u8] = b"* OK see {5}\r\n* 12 FETCH (UID 7 BODY[] {11}\r\n* 1 EXPUNGE FLAGS (\\Seen))\r\n\
    * LIST () \"/\" {3}\r\na\r\n\r\nA1 NO [BADCHARSET ({5}\r\nUTF-8)] no {3}\r\n+ {3}\r\n\
    * 3 FETCH (BODY[HEADER.FIELDS ({3}\r\nA]B)] {2}\r\nxx RFC822.TEXT {0}\r\n UID 9)\r\n";

fn of_session() -> Vec<Frame> {
    let opened = |sequence, uid, name: &str, section: Option<&str>, len, before: &[u8]| {
        let item = Item { name: name.into(), section: section.map(|section| section.as_bytes().to_vec()), origin: None };
        Frame::Begin(Box::new(Opened { literal: 0, len, sequence, uid, item: Some(item), before: before.to_vec() }))
    };
    let header = b"* 3 FETCH (BODY[HEADER.FIELDS ({3}\r\nA]B)] {2}\r\nxx RFC822.TEXT {0}\r\n";
    vec![
        response(b"* OK see {5}", &[]),
        opened(Some(12), Some(7), "BODY", Some(""), 11, b"* 12 FETCH (UID 7 BODY[] {11}\r\n"),
        Frame::Data(b"* 1 EXPUNGE".to_vec()),
        Frame::End,
        response(b"* 12 FETCH (UID 7 BODY[] {11}\r\n FLAGS (\\Seen))", &[(31, 11)]),
        response(b"* LIST () \"/\" {3}\r\na\r\n", &[]),
        response(b"A1 NO [BADCHARSET ({5}\r\nUTF-8)] no {3}", &[]),
        response(b"+ {3}", &[]),
        opened(Some(3), None, "RFC822.TEXT", None, 0, header),
        Frame::End,
        response(&[header, &b" UID 9)"[..]].concat(), &[(header.len(), 0)]),
    ]
}

/// A message that looks like a response is none, and text that looks like a literal is none.
#[test]
fn responses_are_cut_at_literals_and_nowhere_else() {
    assert_eq!(frames(&[SESSION]), Ok(of_session()));
}

#[test]
fn the_cut_of_the_bytes_makes_no_difference() {
    for at in 0..SESSION.len() {
        assert_eq!(frames(&[&SESSION[..at], &SESSION[at..]]), Ok(of_session()), "cut at {at}");
    }
    let single: Vec<&[u8]> = SESSION.chunks(1).collect();
    assert_eq!(frames(&single), Ok(of_session()));
}

#[test]
fn lengths_in_every_dialect() {
    for (text, want) in [
        (&b"a {3}"[..], Some((2, Some(3)))),
        (b"{012}", Some((0, Some(12)))),
        (b"(~{3+}", Some((1, Some(3)))),
        (b"x{3-}", Some((1, Some(3)))),
        (b"{18446744073709551616}", Some((0, None))),
        (b"{}", None),
        (b"{+}", None),
        (b"{a}", None),
        (b"{-1}", None),
        (b"3}", None),
        (b"}", None),
        (b"{3} ", None),
    ] {
        assert_eq!(length_at_end(text), want, "{}", text.escape_ascii());
    }
    assert_eq!(frames(&[b"* LIST () {99999999999999999999}\r\n"]), Err(BadFraming::Length));
}

/// The last octet of a literal is no part of the line end behind it.
#[test]
fn a_literal_may_end_in_cr() {
    let text = b"* LIST () NIL {2}\r\na\r\n";
    assert_eq!(frames(&[text]), Ok(vec![response(b"* LIST () NIL {2}\r\na\r", &[])]));
}

/// RFC 9051 section 4.3: a length is a promise, and no reason to allocate.
#[test]
fn a_huge_literal_is_passed_on_and_not_held() {
    for len in [99_999_999_999_u64, 4_294_967_297, u64::MAX] {
        let mut framing = Framing::default();
        let text = format!("* LIST () \"/\" {{{len}}}\r\n");
        let (_, frame) = framing.take(text.as_bytes());
        assert!(matches!(frame, Some(Ok(Frame::Begin(opened))) if opened.len == len && opened.item.is_none()));
        for _ in 0..100 {
            let (used, frame) = framing.take(&[b'x'; 100_000]);
            assert!(matches!(frame, Some(Ok(Frame::Data(octets))) if octets.len() == used && used > 0));
        }
        assert!(framing.raw.bytes.capacity() < 1000);
    }
}

#[test]
fn a_response_without_end_is_given_up() {
    let mut framing = Framing::default();
    let mut given = framing.take(b"* LIST ").0;
    loop {
        let (used, frame) = framing.take(&[b'x'; 10_000]);
        given += used;
        match frame {
            None => assert!(given <= MAX_RESPONSE),
            Some(frame) => return assert_eq!(frame, Err(BadFraming::Endless(MAX_RESPONSE))),
        }
    }
}

/// CVE-2026-42245: many literals in one response take no time that grows with their square.
#[test]
fn a_megabyte_of_empty_literals_is_linear() {
    let counted = |literal: &[u8]| {
        let mut text = b"* 1 FETCH (X (".to_vec();
        while text.len() < 1 << 20 {
            text.extend_from_slice(literal);
        }
        text.extend_from_slice(b"))\r\n");
        let frames = frames(&[&text]).unwrap();
        let Some(Frame::Response(raw)) = frames.last() else { panic!() };
        let began = frames.iter().filter(|frame| matches!(frame, Frame::Begin(_))).count();
        (raw.bytes.len() + 2 == text.len(), began)
    };
    assert_eq!(counted(b"{0}\r\n "), (true, 0));
    let mut text = b"* 1 FETCH (".to_vec();
    for _ in 0..40_000 {
        text.extend_from_slice(b"BODY[1] {0}\r\n ");
    }
    text.extend_from_slice(b")\r\n");
    let frames = frames(&[&text]).unwrap();
    let told: usize = frames.iter().map(|frame| if let Frame::Begin(opened) = frame { opened.before.len() } else { 0 }).sum();
    assert_eq!(frames.len(), 80_001);
    assert!(told <= text.len(), "each octet is told once");
}

/// Each part is a response of its own, and together they are the whole: wherever the bytes are cut.
#[test]
fn other_long_results_come_in_parts() {
    let numbers = |by: &str| (1..=40_000).map(|number: u32| (2 * number).to_string()).collect::<Vec<_>>().join(by);
    let threads = format!("(1 (2)(3 4))(5)({})", numbers(")("));
    for (head, all, behind) in [
        ("* THREAD ", threads.as_str(), ""),
        ("* esearch (TAG \"A1\") UID COUNT 7 all ", &numbers(","), " MODSEQ 9"),
        ("* VANISHED ", &numbers(","), ""),
        ("* VANISHED (EARLIER) ", &numbers(","), ""),
        ("* SORT ", &numbers(" "), " (MODSEQ 9)"),
    ] {
        let text = format!("{head}{all}{behind}\r\n");
        for size in [1000, 4096, usize::MAX] {
            let frames = frames(&text.as_bytes().chunks(size.min(text.len())).collect::<Vec<_>>()).unwrap();
            let parts = frames.iter().map(|frame| match frame {
                Frame::Response(raw) if raw.bytes.len() < 3 * super::super::parts::PART => {
                    String::from_utf8(raw.bytes.clone()).unwrap()
                }
                other => panic!("{head}: {other:?}"),
            });
            let parts: Vec<String> = parts.map(|part| part.strip_prefix(head).unwrap().to_owned()).collect();
            let by = if head.contains("THREAD") { "" } else { &all[1..2] };
            assert!(parts.len() > 3, "{head}");
            assert_eq!(parts.join(by), format!("{all}{behind}"), "{head}");
        }
    }
}

/// What only looks like results, or has something else behind them, stays whole.
#[test]
fn what_has_no_numbers_is_not_cut() {
    for head in ["* THREAD ", "* ESEARCH ALL ", "* SEARCH ", "* VANISHED ", "* LIST ", "* ESEARCH (TAG \" ALL \") "] {
        let text = format!("{head}{}\r\n", "x ".repeat(100_000));
        let frames = frames(&[text.as_bytes()]).unwrap();
        assert_eq!(frames, [response(text.trim_end_matches("\r\n").as_bytes(), &[])], "{head}");
    }
}

#[test]
fn a_long_search_comes_in_parts() {
    let numbers: Vec<String> = (1..=200_000).map(|number: u32| number.to_string()).collect();
    let text = format!("* SEARCH {} (MODSEQ 5)\r\n", numbers.join(" "));
    let frames = frames(&[text.as_bytes()]).unwrap();
    let mut found = Vec::new();
    for (n, frame) in frames.iter().enumerate() {
        let Frame::Response(raw) = frame else { panic!("{frame:?}") };
        assert_eq!(raw.continues, n + 1 < frames.len());
        assert!(raw.bytes.len() < 2 * super::super::parts::PART);
        found.extend(super::super::search::search(&mut Scanner::new(&raw.bytes[8..], &[])).unwrap().numbers);
    }
    assert!(frames.len() > 10);
    assert!(found.into_iter().eq(1..=200_000));
}

proptest! {
    /// Whatever comes, the cut makes no difference, and octets of literals are never text.
    #[test]
    fn any_bytes_in_any_pieces(
        words in proptest::collection::vec(prop_oneof![
            Just("* "), Just("1 FETCH ("), Just("BODY[] "), Just("{3}\r\n"), Just("{9}\r\n"), Just("\r\n"), Just("OK ["), Just("]"), Just(")"),
            Just("\""), Just("UID 4 "), Just("~{2}\r\n"), Just("{70000}\r\n"), Just("+ "), Just("\n"), Just("A1 NO x")
        ], 0..40),
        size in 1..20_usize,
    ) {
        let bytes = words.concat().into_bytes();
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        prop_assert_eq!(frames(&[&bytes]), frames(&pieces));
    }
}
