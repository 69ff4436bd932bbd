//! Each finding alone: what breaks the rule, the clause and the place.

use super::*;

const GOOD: &str = "Date: Sun, 22 Nov 2026 10:00:00 +0000\nFrom: alice@crepes.test\nMessage-ID: <1@crepes.test>\n";

fn findings_split(message: &[u8], at: usize) -> Vec<String> {
    let mut lint = Lint::default();
    let (one, two) = message.split_at(at);
    let mut all = lint.push(one);
    all.extend(lint.push(two));
    all.extend(lint.finish());
    all.iter().map(|finding| format!("{} {} {}: {}", finding.offset, finding.section, finding.clause, finding.what)).collect()
}

fn findings(message: &str) -> Vec<String> {
    let whole = findings_split(message.as_bytes(), 0);
    for at in (0..message.len()).filter(|at| at % 7 == 0) {
        let mut split = findings_split(message.as_bytes(), at);
        let mut sorted = whole.clone();
        split.sort();
        sorted.sort();
        assert_eq!(split, sorted, "split at {at}");
    }
    whole
}

#[test]
fn a_sound_message_has_none() {
    let body = "MIME-Version: 1.0\nSubject: =?utf-8?q?K=C3=A4se?=\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b\nContent-Transfer-Encoding: base64\n\nYWJj\n--b--\n";
    assert_eq!(findings(&format!("{GOOD}{body}")), [""; 0]);
    assert_eq!(findings(&format!("{GOOD}{body}").replace('\n', "\r\n")), [""; 0]);
}

#[test]
fn each_breach_of_a_header_is_found_with_its_place() {
    let at = GOOD.len();
    for (field, finding) in [
        ("Subject : a\n".to_owned(), format!("{at} 1 RFC 5322 2.2, 4.5: blanks before the colon of subject")),
        ("Subject: ä\n".to_owned(), format!("{} 1 RFC 6532 3: 8-bit octets in subject", at + 9)),
        ("To: a@\n".to_owned(), format!("{at} 1 RFC 5322 3.4: to: ")),
        ("Date: Sun, 22 Nov 2026 10:00:00 +0000\n".to_owned(), format!("{at} 1 RFC 5322 3.6: a second date")),
        (
            "In-Reply-To: <a@b>\nContent-ID: x\n".to_owned(),
            format!("{} 1 RFC 5322 3.6.4: content-id is no <left@right>", at + 19),
        ),
        (
            format!("Subject: =?utf-8?q?{}?=\n", "x".repeat(70)),
            format!("{} 1 RFC 2047 2: an encoded word of 82 characters", at + 9),
        ),
        (format!("Subject: {} =?utf-8?q?x?=\n", "x".repeat(70)), format!("{at} 1 RFC 2047 2: a line of more than 76 characters")),
        (
            "To: \"=?utf-8?q?x?=\" <a@b.test>\n".to_owned(),
            format!("{} 1 RFC 2047 5: an encoded word within a quoted string in to", at + 5),
        ),
        (
            "MIME-Version: 1.0\nContent-Type: text/plain; name==?utf-8?q?x?=\n".to_owned(),
            format!("{} 1 RFC 2047 5, RFC 2231 4", at + 49),
        ),
        ("Content-Type: text/plain\n".to_owned(), "0 1 RFC 2045 4: MIME-Version is missing".to_owned()),
        ("In-Reply-To: foo\n".to_owned(), format!("{at} 1 RFC 5322 3.6.4: in-reply-to has")),
        ("References: <a@b.test> c\n".to_owned(), format!("{at} 1 RFC 5322 3.6.4: references has")),
        ("MIME-Version: 2.0\n".to_owned(), format!("{at} 1 RFC 2045 4: mime-version is not 1.0")),
        ("X: a\n \n b\n".to_owned(), format!("{} 1 RFC 5322 4.2: a line of blanks in x", at + 5)),
        ("junk\n".to_owned(), format!("{at} 1 RFC 5322 2.2: the header has a line that is no field")),
        (format!("X: {}\n", "x".repeat(1000)), format!("{at} - RFC 5322 2.1.1: a line of more than 998 octets")),
    ] {
        let found = findings(&format!("{GOOD}{field}\nbody\n"));
        assert!(found.iter().any(|found| found.starts_with(&finding)), "{field:?}: {found:?}, wanted {finding}");
    }
    assert_eq!(
        findings("\nbody\n"),
        ["0 1 RFC 5322 3.6: Date is missing", "0 1 RFC 5322 3.6: From is missing", "0 1 RFC 5322 3.6.4: Message-ID is missing"]
    );
    assert_eq!(
        findings(&GOOD.replace("Sun, 22", "Mon, 22")),
        ["0 1 RFC 5322 3.3: date has another day of the week than its own"]
    );
    let several = GOOD.replace("alice@crepes.test\n", "alice@crepes.test, bob@crepes.test\n");
    assert_eq!(findings(&several), ["0 1 RFC 5322 3.6.2: Sender is missing, where From has several addresses"]);
    assert_eq!(findings(&format!("{several}Sender: bob@crepes.test\n")), [""; 0]);
    let ids = "References: (a) <a@b.test><c@d.test>\n <e@f.test> (b)\nMIME-Version: 1.0 (x)\n";
    assert_eq!(findings(&format!("{GOOD}{ids}")), [""; 0]);
    assert_eq!(findings(&GOOD.replace("Sun, 22 Nov", "Yesterday")), ["0 1 RFC 5322 3.3: date is no date"]);
}

#[test]
fn each_breach_of_content_is_found_with_its_place() {
    let header = format!("{GOOD}MIME-Version: 1.0\n");
    let long = "A".repeat(80);
    for (rest, at, finding) in [
        ("\na\rb\n".to_owned(), 2, "1 RFC 5322 2.3: a carriage return without a line feed"),
        ("\na\0b\n".to_owned(), 2, "1 RFC 5322 2.3: a NUL"),
        ("\nä\n".to_owned(), 1, "1 RFC 2045 2.7, 6.2: 8-bit octets in a part that says 7bit"),
        (format!("\n{}\n", "x".repeat(999)), 1, "1 RFC 5322 2.1.1: a line of more than 998 octets"),
        (format!("Content-Transfer-Encoding: base64\n\n{long}\n"), 35, "1 RFC 2045 6.8: a line of 80 characters in base64"),
        (format!("Content-Transfer-Encoding: quoted-printable\n\n{long}\n"), 45, "1 RFC 2045 6.7(5): a line of 80 characters"),
    ] {
        let found = findings(&format!("{header}{rest}"));
        let finding = format!("{} {finding}", header.len() + at);
        assert!(found.iter().any(|found| found.starts_with(&finding)), "{rest:?}: {found:?}, wanted {finding}");
    }
    let second = "Content-Description: x\n";
    for (rest, clause) in [
        ("Content-Type: multipart/mixed\n\nx\n", "RFC 2046 5.1.1"),
        ("Content-Type: text\n\nx\n", "RFC 2045 5.1"),
        ("Content-Type: text/plain; charset=x-mine\n\nx\n", "RFC 2045 5.1"),
        ("Content-Type: multipart/mixed; boundary=\"b*\"\n\n--b*--\n", "RFC 2046 5.1.1: a boundary with"),
        ("Content-Transfer-Encoding: x-mine\n\nx\n", "RFC 2045 6.1"),
        ("Content-Disposition:\n\nx\n", "RFC 2183 2"),
        ("no field\n\nx\n", "RFC 5322 2.2"),
    ] {
        let found = findings(&format!("{header}{second}{rest}"));
        let finding = format!("{} 1 {clause}", header.len() + second.len()).replace(" 1 ", " ");
        let found: Vec<_> = found.iter().map(|found| found.replacen(" 1 ", " ", 1).replacen(" TEXT ", " ", 1)).collect();
        assert!(found.iter().any(|found| found.starts_with(&finding)), "{rest:?}: {found:?}, wanted {finding}");
    }
    for (rest, finding) in [
        ("Content-Transfer-Encoding: base64\n\nYW*J\n", "RFC 2045 6.8: characters in base64"),
        ("Content-Transfer-Encoding: quoted-printable\n\na=b\n", "RFC 2045 6.7(1): an = in quoted-printable"),
        ("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n", "RFC 2046 5.1.1: the closing delimiter is missing"),
        ("Content-Type: multipart/mixed\n\nx\n", "RFC 2046 5.1.1: a multipart without a boundary"),
        (
            "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b--\n",
            "RFC 2045 6.4: a multipart or message",
        ),
        ("Content-Type: text/plain; charset=x-mine\n\nx\n", "RFC 2045 5.1: an unknown character set"),
        ("Content-Type: multipart/mixed; boundary=\"b*\"\n\n--b*--\n", "RFC 2046 5.1.1: a boundary with characters"),
    ] {
        let found = findings(&format!("{header}{rest}"));
        assert!(found.iter().any(|found| found.contains(finding)), "{rest:?}: {found:?}, wanted {finding}");
    }
}

#[test]
fn parts_are_named_and_placed() {
    let message = format!(
        "{GOOD}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nok\n--b\nContent-Type: message/rfc822\n\nSubject: in\n\nä\n--b--\n"
    );
    let found = findings(&message);
    let place = |text: &str| message.find(text).unwrap();
    assert!(found.contains(&format!("{} 2.1 RFC 5322 3.6: Date is missing", place("Subject: in"))), "{found:?}");
    assert!(
        found.contains(&format!("{} 2.1 RFC 2045 2.7, 6.2: 8-bit octets in a part that says 7bit", place("ä\n--b--"))),
        "{found:?}"
    );
}
