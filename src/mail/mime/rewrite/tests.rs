//! Messages rewritten: by example, and at random.

use super::*;
use crate::bytes::transfer::{Encoding, MAX_LINE};
use crate::mail::mime::survey::{Survey, Unfit};
use proptest::prelude::*;

fn survey(message: &[u8], goal: Goal) -> Result<Plan, Unfit> {
    let mut survey = Survey::new(goal);
    message.chunks(1000).try_for_each(|piece| survey.push(piece))?;
    survey.finish()
}

fn rewritten(message: &[u8], goal: Goal, piece: usize) -> Result<Vec<u8>, Unfit> {
    let mut rewriter = Rewriter::new(Arc::new(survey(message, goal)?));
    let mut out = Vec::new();
    message.chunks(piece).for_each(|piece| rewriter.push(piece, &mut out));
    rewriter.finish(&mut out);
    Ok(out)
}

fn seven_bit(message: &str) -> String {
    String::from_utf8(rewritten(message.replace('\n', "\r\n").as_bytes(), Goal::SevenBit, 7).unwrap())
        .unwrap()
        .replace("\r\n", "\n")
}

fn unfit(message: &str, goal: Goal) -> String {
    survey(message.replace('\n', "\r\n").as_bytes(), goal).unwrap_err().to_string()
}

/// Section, type and decoded content of every leaf.
#[derive(Default)]
struct Leaves {
    open: Option<(String, String, Decoder, Vec<u8>)>,
    found: Vec<(String, String, Vec<u8>)>,
}

impl Visitor for Leaves {
    type Error = Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
        let decoder = Decoder::new(part.head.encoding);
        self.open = (part.kind == Kind::Leaf).then(|| (part.section.to_owned(), part.head.media.clone(), decoder, Vec::new()));
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Infallible> {
        if let (Some((_, _, decoder, content)), Run::Content) = (&mut self.open, run) {
            decoder.push(bytes, content);
        }
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Infallible> {
        if let Some((section, media, mut decoder, mut content)) = self.open.take() {
            decoder.finish(&mut content);
            self.found.push((section, media, content));
        }
        Ok(())
    }
}

fn leaves(message: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let (mut scanner, mut leaves) = (Plan::scanner(), Leaves::default());
    let (Ok(()), Ok(())) = (scanner.push(message, &mut leaves), scanner.finish(&mut leaves));
    leaves.found
}

#[test]
fn plain_text_becomes_mime() {
    assert_eq!(
        seven_bit("Subject: hi\n\ngr\u{fc}\u{df}e = \n"),
        "Subject: hi\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n\
         gr=C3=BC=C3=9Fe =3D=20\n"
    );
    let latin = rewritten(b"\r\nk\xe4se", Goal::SevenBit, 1).unwrap();
    assert_eq!(
        String::from_utf8(latin).unwrap(),
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nk=E4se\r\n"
    );
    let base64 = seven_bit("MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n\u{65e5}\u{672c}\u{8a9e}\n");
    assert!(base64.ends_with("Content-Transfer-Encoding: base64\n\n5pel5pys6KqeDQo=\n"), "{base64}");
}

#[test]
fn only_what_has_to_change_does() {
    let message = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npr\u{e9}amble\n--b\n\
        \nplain\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8BIT\n\nSubject: inner\n\nabc\u{fc}\n--b\n\
        Content-Type: application/x\ncontent-transfer-encoding : binary\nContent-Transfer-Encoding: 7bit\nX: y\n\n\u{e4}bc\n--b\n\
        Content-Transfer-Encoding: base64\n\nAAAA====x\n--b--\n";
    assert_eq!(
        seven_bit(message),
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\npr??amble\n--b\n\
        \nplain\n--b\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: inner\nMIME-Version: 1.0\n\
        Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nabc=C3=BC\n--b\n\
        Content-Type: application/x\nContent-Transfer-Encoding: base64\nX: y\n\nw6RiYw==\n--b\n\
        Content-Transfer-Encoding: base64\n\nAAAA====x\n--b--\n"
    );
    let seven = b"Subject: x\r\n\r\nall is well\r\n";
    assert!(survey(seven, Goal::SevenBit).unwrap().is_empty());
    assert_eq!(rewritten(seven, Goal::SevenBit, 3).unwrap(), seven);
}

#[test]
fn what_is_signed_is_never_changed() {
    let signed =
        "Content-Type: multipart/signed; boundary=b\n\n--b\n\n\u{e4}\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--\n";
    assert_eq!(unfit(signed, Goal::SevenBit), "part 1 is signed, and changing it would break the signature");
    assert!(survey(signed.replace('\n', "\r\n").as_bytes(), Goal::SevenBit).unwrap_err().is_prohibited());
    let long = signed.replace('\u{e4}', &"x".repeat(999));
    assert!(unfit(&long, Goal::ShortLines).starts_with("part 1 is signed"));
    let dkim = "DKIM-Signature: v=1\nSubject: x\n\n\u{e4}\n";
    assert_eq!(unfit(dkim, Goal::SevenBit), "the message has a DKIM signature, which changing it would break");
    let beside =
        format!("Content-Type: multipart/mixed; boundary=o\n\n--o\n\nabc\u{e4}\n--o\n{}\n--o--\n", signed.replace('\u{e4}', "a"));
    assert!(
        seven_bit(&beside).contains("abc=C3=A4\n--o\nContent-Type: multipart/signed; boundary=b\n\n--b\n\na\n--b"),
        "its neighbour may be"
    );
}

#[test]
fn what_no_encoding_covers_is_told() {
    for (message, why) in [
        ("Subject: gr\u{fc}\u{df}e\n\nx\n", "a header field of part 1 has 8-bit octets, which no transfer encoding covers"),
        ("Content-Type: multipart/mixed\n\n\u{e4}\n", "part 1: it must not be encoded, and its own parts cannot be"),
        ("Content-Type: message/partial\n\n\u{e4}\n", "part 1: it must not be encoded, and its own parts cannot be"),
        ("Content-Transfer-Encoding: x-uuencode\n\n\u{e4}\n", "part 1: its content has an unknown transfer encoding"),
        ("Content-Transfer-Encoding: base64\n\nAAAA\u{e4}\n", "part 1: its base64 is damaged"),
        (
            "Content-Type: message/rfc822\n\nSubject: \u{e4}\n\nx\n",
            "a header field of part 1.1 has 8-bit octets, which no transfer encoding covers",
        ),
    ] {
        assert_eq!(unfit(message, Goal::SevenBit), why, "{message}");
    }
}

#[test]
fn long_lines_are_encoded_again_or_folded() {
    let of = |message: &str| {
        let out = rewritten(message.replace('\n', "\r\n").as_bytes(), Goal::ShortLines, 11);
        out.map(|out| String::from_utf8(out).unwrap().replace("\r\n", "\n"))
    };
    let just = format!("Subject: {}\n\n{}\n", "s".repeat(989), "x".repeat(998));
    assert_eq!(of(&just).unwrap(), just, "998 octets are no more than may be");
    let text = of(&format!("Content-Type: text/plain\n\n{}\n", "x".repeat(999))).unwrap();
    assert!(text.starts_with("Content-Type: text/plain\nMIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\nxxx"));
    let base64 = of(&format!("Content-Transfer-Encoding: BASE64\n\n{}\n", "QUJD".repeat(300))).unwrap();
    assert!(base64.starts_with("Content-Transfer-Encoding: base64\nMIME-Version: 1.0\n\n") && base64.ends_with("QUJD\n"));
    assert!(base64.lines().all(|line| line.len() <= 76), "the base64 of one long line");
    let header = of(&format!("To: a@b.test, {} c@d.test\n\n\u{e4}\n", "x".repeat(983))).unwrap();
    assert_eq!(header, format!("To: a@b.test, {}\n c@d.test\n\n\u{e4}\n", "x".repeat(983)), "8-bit content is not touched");
    assert!(of(&format!("Subject: {}\n\nx\n", "x".repeat(1000))).is_err(), "no blank to fold at");
    assert_eq!(
        unfit(&format!("Content-Type: multipart/mixed; boundary=b\n\n{}\n--b\n\nx\n--b--\n", "x".repeat(999)), Goal::ShortLines),
        "a line outside of all parts is longer than 998 octets"
    );
}

/// A leaf of one of many kinds.
fn part() -> impl Strategy<Value = String> {
    let content = prop_oneof!["[a-z =.\n\u{e4}]{0,60}", "[\u{e4}\u{65e5}\n]{0,40}", "(From |\\.\n|x){0,8}", "[a-z ]{0,1400}"];
    let header = prop_oneof![
        Just("\n"),
        Just("Content-Type: text/html; charset=utf-8\n\n"),
        Just("Content-Type: image/png\nContent-Transfer-Encoding: 8bit\n\n"),
        Just("Content-Transfer-Encoding: quoted-printable\n\n"),
        Just("Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: inner\n\n"),
        Just("Content-Type: message/rfc822\n\nMIME-Version: 1.0\nContent-Type: application/x\n\n"),
    ];
    (header, content).prop_map(|(header, content)| format!("{header}{content}"))
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    (proptest::collection::vec(part(), 1..5), 0..3u8, any::<bool>()).prop_map(|(parts, shape, closed)| {
        let joined = |boundary: &str, parts: &[String]| {
            let parts: String = parts.iter().map(|part| format!("\n--{boundary}\n{part}")).collect();
            let end = if closed { format!("\n--{boundary}--\n") } else { "\n".to_owned() };
            format!("Content-Type: multipart/mixed; boundary={boundary}\n\npre\u{e4}mble{parts}{end}")
        };
        let text = match shape {
            0 => parts[0].clone(),
            1 => joined("outer", &parts),
            _ => joined("outer", &[joined("inner", &parts), parts[0].clone()]),
        };
        text.replace('\n', "\r\n").into_bytes()
    })
}

proptest! {
    /// Whatever the way is made to be, the parts decode to the same, and where nothing was to be done nothing was.
    #[test]
    fn the_parts_decode_to_the_same(message in message(), piece in 1usize..200) {
        for goal in [Goal::SevenBit, Goal::ShortLines] {
            let Ok(plan) = survey(&message, goal) else { continue };
            let out = rewritten(&message, goal, piece).unwrap();
            prop_assert_eq!(&out, &rewritten(&message, goal, 4096).unwrap(), "split");
            let ended = |mut message: Vec<u8>| { if !message.ends_with(b"\r\n") { message.extend(b"\r\n") } message };
            match goal {
                Goal::SevenBit => prop_assert!(out.is_ascii()),
                Goal::ShortLines => prop_assert!(out.split(|b| *b == b'\n').all(|line| line.len() as u64 <= MAX_LINE + 1)),
            }
            if plan.is_empty() {
                prop_assert_eq!(&out, &ended(message.clone()));
            }
            // The line end that a whole message gets belongs to its last part, or ends what was no text there: blanks.
            let (before, as_it_was, after) = (leaves(&ended(message.clone())), leaves(&message), leaves(&out));
            prop_assert_eq!(before.len(), after.len());
            for (at, (before, after)) in before.iter().zip(&after).enumerate() {
                prop_assert_eq!((&before.0, &before.1), (&after.0, &after.1));
                let trimmed = |content: &[u8]| content.strip_suffix(b"\r\n").unwrap_or(content).to_vec();
                let unended = as_it_was.get(at).map(|leaf| trimmed(&leaf.2));
                if unended != Some(trimmed(&after.2)) {
                    prop_assert_eq!(trimmed(&before.2), trimmed(&after.2), "part {}", &before.0);
                }
            }
            prop_assert!(survey(&out, goal).unwrap().is_empty(), "once is enough");
        }
    }
}

#[test]
fn a_label_is_read_back_as_it_was_written() {
    let out = rewritten(b"Content-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n", Goal::SevenBit, 1).unwrap();
    let (mut scanner, mut found) = (Plan::scanner(), Labels::default());
    let (Ok(()), Ok(())) = (scanner.push(&out, &mut found), scanner.finish(&mut found));
    assert_eq!(found.0, [Encoding::QuotedPrintable]);
}

#[derive(Default)]
struct Labels(Vec<Encoding>);

impl Visitor for Labels {
    type Error = Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Infallible> {
        self.0.push(part.head.encoding);
        Ok(())
    }

    fn bytes(&mut self, _: Run, _: &[u8]) -> Result<(), Infallible> {
        Ok(())
    }

    fn end(&mut self, _: &[Flag]) -> Result<(), Infallible> {
        Ok(())
    }
}
