//! Messages as they are and as they are damaged, each with LF and with CRLF, split at every byte.

use super::*;
use crate::bytes::transfer::Decoder;
use std::convert::Infallible;

/// Keeps, for each part, one line: section, type, decoded content (of leaves) or its length (of messages), flags.
#[derive(Default)]
struct Rows {
    rows: Vec<String>,
    open: Vec<(usize, Kind, Decoder, Vec<u8>)>,
}

impl Visitor for Rows {
    type Error = Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
        self.open.push((self.rows.len(), part.kind, Decoder::new(part.head.encoding), Vec::new()));
        self.rows.push(format!("{} {}", part.section, part.head.media));
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
        for (_, kind, decoder, content) in &mut self.open {
            match (*kind, run) {
                (Kind::Leaf, Run::Content) => decoder.push(bytes, content),
                (Kind::Message, _) => content.extend_from_slice(bytes),
                _ => {}
            }
        }
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Infallible> {
        let (row, kind, mut decoder, mut content) = self.open.pop().unwrap();
        decoder.finish(&mut content);
        match kind {
            Kind::Leaf => self.rows[row] += &format!(" {:?}", String::from_utf8_lossy(&content)),
            Kind::Message => self.rows[row] += &format!(" {}", content.len()),
            Kind::Multipart | Kind::Embedded => {}
        }
        flags.iter().for_each(|flag| self.rows[row] += &format!(" {flag}"));
        Ok(())
    }
}

fn rows_split(message: &[u8], at: usize, limits: Limits) -> Vec<String> {
    let (mut scanner, mut rows) = (Scanner::new(limits), Rows::default());
    let (one, two) = message.split_at(at);
    let Ok(()) = scanner.push(one, &mut rows);
    let Ok(()) = scanner.push(two, &mut rows);
    let Ok(()) = scanner.finish(&mut rows);
    assert!(rows.open.is_empty());
    rows.rows
}

/// The rows of `message`, the same for both line ends and every split. In the CRLF run, CRs of contents are taken out for comparing.
fn rows(message: &str) -> Vec<String> {
    let whole = rows_split(message.as_bytes(), 0, Limits::default());
    for at in 0..=message.len() {
        assert_eq!(rows_split(message.as_bytes(), at, Limits::default()), whole, "split at {at}");
    }
    let crlf = message.replace('\n', "\r\n");
    for at in 0..=crlf.len() {
        let rows: Vec<String> =
            rows_split(crlf.as_bytes(), at, Limits::default()).iter().map(|row| row.replace("\\r\\n", "\\n")).collect();
        let messages = |row: &&String| !row.contains(" message/rfc822 ");
        assert_eq!(
            rows.iter().filter(messages).collect::<Vec<_>>(),
            whole.iter().filter(messages).collect::<Vec<_>>(),
            "CRLF split at {at}"
        );
        assert_eq!(rows.len(), whole.len());
    }
    whole
}

#[test]
fn a_root_that_is_no_multipart_is_part_1() {
    assert_eq!(rows("Subject: a\n\nbody\n--x\n"), ["1 text/plain \"body\\n--x\\n\""]);
    assert_eq!(rows("Subject: a\n"), ["1 text/plain \"\""]);
    assert_eq!(rows("From a@b Sun\nSubject: a\n\nbody"), ["1 text/plain \"body\""]);
    assert_eq!(rows("Subject : a\nno colon\nContent-Type : text/html\n\nb"), ["1 text/html \"b\" bad-header-line"]);
}

#[test]
fn parts_have_imap_numbers() {
    let message = "Content-Type: multipart/mixed; boundary=outer\n\npreamble\n--outer\n\none\n--outer\n\
        Content-Type: multipart/alternative; boundary=inner\n\n--inner\nContent-Type: text/html\n\ntwo.one\n--inner--\n\
        --outer\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=deep\n\n--deep\n\nthree.one\n--deep--\nbye\n\
        --outer\nContent-Type: message/rfc822\n\nSubject: x\n\nfour.one\n\n--outer--\nepilogue\n--outer\n--inner\nnot a part\n";
    assert_eq!(
        rows(message),
        [
            "TEXT multipart/mixed",
            "1 text/plain \"one\"",
            "2 multipart/alternative",
            "2.1 text/html \"two.one\"",
            "3 message/rfc822 76",
            "3.TEXT multipart/mixed",
            "3.1 text/plain \"three.one\"",
            "4 message/rfc822 21",
            "4.1 text/plain \"four.one\\n\"",
        ]
    );
}

#[test]
fn a_delimiter_is_a_whole_line() {
    let message = "Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b \t \n\n--a bc\n--a\n --a b\nx--a b\n--a b-\n\n--a b\n\n\n--a b-- \n";
    assert_eq!(
        rows(message),
        ["TEXT multipart/mixed", "1 text/plain \"--a bc\\n--a\\n --a b\\nx--a b\\n--a b-\\n\"", "2 text/plain \"\""]
    );
}

#[test]
fn a_boundary_that_begins_another_is_told_apart() {
    let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\n1.1\n\
        --bb--\n--b\nContent-Type: multipart/mixed; boundary=b--\n\n--b--\n\n2.1\n--b----\n--b--\n";
    assert_eq!(
        rows(message),
        ["TEXT multipart/mixed", "1 multipart/mixed", "1.1 text/plain \"1.1\"", "2 multipart/mixed", "2.1 text/plain \"2.1\""]
    );
}

#[test]
fn what_was_not_closed_is_flagged_and_nothing_is_lost() {
    let message =
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\n1.1\n--o\n\n2\n";
    assert_eq!(
        rows(message),
        [
            "TEXT multipart/mixed unterminated",
            "1 multipart/mixed unterminated",
            "1.1 text/plain \"1.1\" unterminated",
            "2 text/plain \"2\\n\" unterminated"
        ]
    );
    assert_eq!(
        rows("Content-Type: multipart/mixed; boundary=o\n\nonly a preamble"),
        ["TEXT multipart/mixed unterminated no-parts"]
    );
    assert_eq!(rows("Content-Type: multipart/mixed\n\n--o\n"), ["1 multipart/mixed \"--o\\n\" no-boundary"]);
    let cut = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: message/rfc822\n\nSubject: cut\n he";
    assert_eq!(rows(cut), ["TEXT multipart/mixed unterminated", "1 message/rfc822 16", "1.1 text/plain \"\" unterminated"]);
}

#[test]
fn parts_may_be_all_header_or_all_empty() {
    let message = "Content-Type: multipart/mixed; boundary=o\n\n--o\n--o\nContent-Type: text/html\n--o\n\n--o\n\n\n--o--\n";
    assert_eq!(
        rows(message),
        ["TEXT multipart/mixed", "1 text/plain \"\"", "2 text/html \"\"", "3 text/plain \"\"", "4 text/plain \"\""]
    );
}

#[test]
fn a_message_of_headers_alone_does_not_own_the_delimiter_s_line_end() {
    let message = |rest: &str| format!("Content-Type: multipart/digest; boundary=o\n\n--o\n\nA: b{rest}--o--\n");
    assert_eq!(rows(&message("\n"))[1..], ["1 message/rfc822 4", "1.1 text/plain \"\""]);
    assert_eq!(rows(&message("\n\n"))[1..], ["1 message/rfc822 5", "1.1 text/plain \"\""]);
    assert_eq!(rows(&message("\n\n\n"))[1..], ["1 message/rfc822 6", "1.1 text/plain \"\""]);
    assert_eq!(rows(&message("\n\n\n\n"))[1..], ["1 message/rfc822 7", "1.1 text/plain \"\\n\""]);
}

#[test]
fn a_digest_holds_messages() {
    let message =
        "Content-Type: multipart/digest; boundary=o\n\n--o\n\nSubject: a\n\nb\n--o\nContent-Type: text/plain\n\nc\n--o--\n";
    assert_eq!(rows(message), ["TEXT multipart/digest", "1 message/rfc822 13", "1.1 text/plain \"b\"", "2 text/plain \"c\""]);
}

#[test]
fn encoded_content_is_decoded_and_an_encoded_message_is_not_split() {
    let message = "Content-Type: multipart/mixed; boundary=o\nContent-Transfer-Encoding: base64\n\n--o\nContent-Transfer-Encoding: base64\n\n\
        YWJj\nZA==\n--o\nContent-Type: message/rfc822\nContent-Transfer-Encoding: quoted-printable\n\nSubject: a=\nb\n--o--\n";
    assert_eq!(
        rows(message),
        ["TEXT multipart/mixed encoded-container", "1 text/plain \"abcd\"", "2 message/rfc822 \"Subject: ab\" encoded-container"]
    );
}

#[test]
fn beyond_a_limit_nothing_is_split_and_nothing_lost() {
    let message = "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nx\n--i--\n--o\n\ny\n--o--\n";
    let limits = |depth, parts, header| Limits { depth, parts, header };
    assert_eq!(
        rows_split(message.as_bytes(), 0, limits(1, 9, 999)),
        ["TEXT multipart/mixed", "1 multipart/mixed \"--i\\n\\nx\\n--i--\" too-deep", "2 text/plain \"y\""]
    );
    assert_eq!(
        rows_split(message.as_bytes(), 0, limits(9, 3, 999)),
        ["TEXT multipart/mixed", "1 multipart/mixed too-many-parts", "1.1 text/plain \"x\""]
    );
    assert_eq!(rows_split(b"A: b\nContent-Type: text/html\n\nx", 0, limits(9, 9, 5)), ["1 text/plain \"x\" header-too-long"]);
}

#[test]
fn fifty_thousand_levels_and_endless_headers_stay_cheap() {
    let mut message: String = (0..50_000).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n")).collect();
    let found = rows_split(message.as_bytes(), 0, Limits::default());
    assert_eq!(found.len(), 65);
    assert!(found[64].ends_with("too-deep unterminated"), "{}", found[64]);

    message = "Content-Type: message/rfc822\n\n".repeat(50_000);
    assert_eq!(rows_split(message.as_bytes(), 0, Limits::default()).len(), 65);

    let (mut scanner, mut rows) = (Scanner::default(), Rows::default());
    for _ in 0..500 {
        let Ok(()) = scanner.push(&[b'x'; 65_536], &mut rows);
        assert!(scanner.held.len() <= MAX_DELIMITER && scanner.header.len() <= 1024 * 1024);
    }
    let Ok(()) = scanner.finish(&mut rows);
    assert_eq!(rows.rows, ["1 text/plain \"\" header-too-long"]);
}

/// Another parser's view of the same messages: types and decoded contents of the leaves.
#[test]
fn mail_parser_sees_the_same_leaves() {
    use mail_parser::{MessageParser, MimeHeaders, PartType};
    for message in [
        "Subject: a\n\nbody\n",
        "Content-Type: multipart/mixed; boundary=o\n\npre\n--o\n\none\n--o\nContent-Type: image/png; name=x.png\n\
         Content-Transfer-Encoding: base64\n\nYWJj\n--o\nContent-Type: application/x\nContent-Transfer-Encoding: quoted-printable\n\na=3Db=\nc\n--o--\nepi\n",
        "Content-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n--i\nContent-Type: application/a\n\nx\n--i\n\
         Content-Type: application/b\n\ny\n--i--\n--o\nContent-Type: application/c\n\nz\n--o--\n",
    ] {
        let oracle = MessageParser::default().parse(message.as_bytes()).unwrap();
        let theirs: Vec<String> = oracle
            .parts
            .iter()
            .filter(|part| !matches!(part.body, PartType::Multipart(_)))
            .map(|part| {
                let media = part
                    .content_type()
                    .map_or("text/plain".to_owned(), |t| format!("{}/{}", t.ctype(), t.subtype().unwrap_or("")));
                format!("{media} {:?}", String::from_utf8_lossy(part.contents()))
            })
            .collect();
        let ours: Vec<String> = rows(message)
            .into_iter()
            .filter(|row| !row.contains("multipart/"))
            .map(|row| row.split_once(' ').unwrap().1.to_owned())
            .collect();
        assert_eq!(ours, theirs, "{message}");
    }
}
