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

/// RFC 2045 section 2.9, RFC 6532 section 3.7.
#[test]
fn what_an_rfc_permits_is_no_breach() {
    let long = "x".repeat(2000);
    for (header, content) in [
        ("Content-Type: application/octet-stream\nContent-Transfer-Encoding: binary\n", format!("a\rb\0{long}\n{long}")),
        ("Content-Type: message/global\nContent-Transfer-Encoding: base64\n", "U3ViamVjdDogw6QNCg0KYQ0K\n".to_owned()),
    ] {
        assert_eq!(findings(&format!("{GOOD}MIME-Version: 1.0\n{header}\n{content}\n")), [""; 0], "{header}");
        let part = format!(
            "Content-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: binary\n\n--b\n{header}\n{content}\n--b--\n"
        );
        assert_eq!(findings(&format!("{GOOD}MIME-Version: 1.0\n{part}")), [""; 0], "{header}");
    }
}

#[test]
fn each_breach_of_a_header_is_found_with_its_place() {
    let at = GOOD.len();
    for (field, finding) in [
        ("Subject : a\n".to_owned(), format!("{at} 1 RFC 5322 2.2, 4.5: blanks before the colon of subject")),
        ("Subject: ä\n".to_owned(), format!("{} 1 RFC 6532 3: 8-bit octets in subject", at + 9)),
        ("To: a@\n".to_owned(), format!("{at} 1 RFC 5322 3.4: to: ")),
        ("Date: Sun, 22 Nov 2026 10:00:00 +0000\n".to_owned(), format!("{at} 1 RFC 5322 3.6: a second date")),
        ("In-Reply-To: <a@b>\nContent-ID: x\n".to_owned(), format!("{} 1 RFC 2045 7: content-id is no <left@right>", at + 19)),
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
    assert_eq!(findings(&several), ["38 1 RFC 5322 3.6.2: Sender is missing, where From has several addresses"]);
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
        ("\na\0b\n".to_owned(), 2, "1 RFC 5322 2.1: a NUL"),
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
        ("Content-Type: text/plain; charset=x-mine\n\nx\n", "RFC 2046 4.1.2"),
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
            "RFC 2045 6.4: a multipart in base64",
        ),
        ("Content-Type: text/plain; charset=x-mine\n\nx\n", "RFC 2046 4.1.2: an unknown character set"),
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

/// The one finding that a message with these lines behind its first fields has; `¦` stands before what is at fault, and is no part of it.
fn only(lines: &str) -> String {
    let place = GOOD.len() + lines.find('¦').unwrap();
    let found = findings(&format!("{GOOD}{}", lines.replacen('¦', "", 1)));
    let [found] = found.as_slice() else { panic!("{lines}: {found:?}") };
    let (offset, rest) = found.split_once(' ').unwrap();
    assert_eq!(offset, place.to_string(), "{lines}: {found}");
    rest.to_owned()
}

#[test]
fn each_breach_of_a_field_s_grammar_is_found_alone() {
    let mime = "MIME-Version: 1.0\n";
    for (lines, finding) in [
        ("A: a¦\rb\n", "- RFC 5322 2.2: a carriage return without a line feed"),
        ("Content-ID: <a@b>\n¦Content-ID: <a@b>\n", "1 RFC 2045 3: a second content-id"),
        ("Content-Disposition: inline\n¦Content-Disposition: inline\n", "1 RFC 2183 2: a second content-disposition"),
        (
            "¦Resent-Message-ID: a\nResent-Date: Sun, 22 Nov 2026 10:00:00 +0000\nResent-From: a@b\n",
            "1 RFC 5322 3.6.6: resent-message-id is",
        ),
        ("Subject: =?utf-8?q?a?= ¦=?utf-8?q?=C3?=\n", "1 RFC 2047 5: an encoded word in subject that has parts of characters"),
        ("Subject: ¦=?utf-8?q?a b?=\n", "1 RFC 2047 2: a blank in an encoded word in subject"),
        ("To: <¦=?utf-8?q?x?=@b.test>\n", "1 RFC 2047 5: an encoded word within <> in to"),
        ("To: ¦=?utf-8?q?x?=@b.test\n", "1 RFC 2047 5: an encoded word that is part of an address in to"),
        ("References: <¦=?utf-8?q?x?=@b.test>\n", "1 RFC 2047 5: an encoded word within <> in references"),
        ("¦To: \n", "1 RFC 5322 3.6.3: to has no address"),
        ("¦References: a b\n", "1 RFC 5322 3.6.4: references has something else"),
        ("¦In-Reply-To: foo\n", "1 RFC 5322 3.6.4: in-reply-to has something else"),
        ("¦Received: junk\n", "1 RFC 5322 3.6.7: received has no date"),
        ("¦Return-Path: a@b\n", "1 RFC 5322 3.6.7: return-path is no <address>"),
        ("¦MIME-Version: 2.0\n", "1 RFC 2045 4: mime-version is not 1.0"),
        ("¦Content-Type: text/plain; name=a b\n", "1 RFC 2045 5.1: a parameter's value that is neither"),
        ("¦Content-Type: text/plain; name=a; name=b\n", "1 RFC 6838 4.3: a second name"),
        ("¦Content-Type: text/plain; name*0=a; name*2=b\n", "1 RFC 2231 3: name has no section 1"),
        ("¦Content-Type: text/plain; charset=\"utf-8\n", "1 RFC 2045 5.1: a quoted string that is not closed"),
        ("¦Content-Type: text\n", "1 RFC 2045 5.1: Content-Type is no type"),
        ("¦Content-Type: text/plain; charset=x-own\n", "1 RFC 2046 4.1.2: an unknown character set"),
        ("¦Content-Type: multipart/mixed\n", "1 RFC 2046 5.1.1: a multipart without a boundary"),
        ("¦Content-Transfer-Encoding: x-own\n", "1 RFC 2045 6.1: an unknown transfer encoding"),
        ("Content-Type: message/rfc822\n¦Content-Transfer-Encoding: base64\n", "1 RFC 2046 5.2.1: a message in base64"),
        ("¦Content-Disposition: \"attachment\"\n", "1 RFC 2183 2: Content-Disposition is no type"),
        ("¦Content-Disposition: attachment; filename\n", "1 RFC 2045 5.1: a parameter without a value"),
        ("¦Content-ID: foo\n", "1 RFC 2045 7: content-id is no <left@right>"),
        ("A: b\n¦junk\n", "1 RFC 5322 2.2: the header has a line that is no field"),
    ] {
        let lines = if lines.contains("MIME-Version") { lines.to_owned() } else { format!("{mime}{lines}") };
        let found = only(&format!("{lines}\n"));
        assert!(found.starts_with(finding), "{lines}: {found}");
    }
    for (from, to, finding) in [
        ("alice@crepes.test\n", "a@b.test, c@d.test\n", "38 1 RFC 5322 3.6.2: Sender is missing"),
        ("Sun, ", "Mon, ", "0 1 RFC 5322 3.3: date has another day of the week than its own"),
        ("+0000", "UT", "0 1 RFC 5322 4.3: date has its zone in letters"),
        (" 2026", " 26", "0 1 RFC 5322 4.3: date has a year of fewer"),
    ] {
        let found = findings(&format!("{}\n", GOOD.replacen(from, to, 1)));
        assert!(found.len() == 1 && found[0].starts_with(finding), "{to}: {found:?}");
    }
    let resent = findings(&format!("{GOOD}Resent-To: a@b.test\n\n"));
    let place = GOOD.len();
    assert_eq!(
        resent,
        [
            format!("{place} 1 RFC 5322 3.6.6: Resent-Date is missing"),
            format!("{place} 1 RFC 5322 3.6.6: Resent-From is missing")
        ]
    );
}

#[test]
fn each_breach_of_content_stands_at_the_octet() {
    let (base64, quoted) = ("Content-Transfer-Encoding: base64\n\n", "Content-Transfer-Encoding: quoted-printable\n\n");
    let (plain, eight) = ("Content-Type: text/plain; charset=utf-8\n", "Content-Transfer-Encoding: 8bit\n");
    for (lines, finding) in [
        (format!("{base64}QUJD\nQ¦*JD\n"), "1 RFC 2045 6.8: characters in base64"),
        (format!("{base64}QUI=\n¦QUJD\n"), "1 RFC 2045 6.8: base64 behind its padding"),
        (format!("{base64}QUJDQ¦=\n"), "1 RFC 2045 6.8: base64 that ends within an octet"),
        (format!("{quoted}a¦=b\n"), "1 RFC 2045 6.7(1): an = in quoted-printable"),
        (format!("{quoted}ok¦ \na"), "1 RFC 2045 6.7(3): a blank at the end"),
        (format!("{quoted}ok \tx\nok¦ \t\n"), "1 RFC 2045 6.7(3): a blank at the end"),
        (format!("{quoted}a¦= \nb\n"), "1 RFC 2045 6.7(3): a blank at the end"),
        (format!("{plain}{quoted}=C3=A9¦=c3=a9\n"), "1 RFC 2045 6.7(1): small letters"),
        (
            format!("¦Content-Type: text/plain; charset=us-ascii\n{quoted}=C3=A9\n"),
            "1 RFC 2046 4.1.2: text that is not the us-ascii",
        ),
        (format!("¦{plain}{quoted}=C3\n"), "1 RFC 2046 4.1.2: text that is not the utf-8"),
        (
            format!("Content-Type: text/plain; charset=us-ascii\n{eight}\na\nb¦é\n"),
            "1 RFC 2046 4.1.2: text that is not the us-ascii",
        ),
        ("Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n¦~~\nend\n".to_owned(), "1 POSIX uuencode: uuencode"),
        (
            format!("Content-Type: multipart/mixed; boundary=x\n\n--x\n{plain}{eight}\n¦é\n--x--\n"),
            "TEXT RFC 2045 6.4: 8-bit octets in a multipart/mixed that says 7bit",
        ),
        (
            "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nx\n¦".to_owned(),
            "TEXT RFC 2046 5.1.1: the closing delimiter is missing",
        ),
        (
            "¦Content-Type: multipart/mixed; boundary=\"x \"\n\n--x\n\nx\n--x--\n".to_owned(),
            "TEXT RFC 2046 5.1.1: a boundary that ends in a blank",
        ),
        (
            "Content-Type: multipart/signed; boundary=x; protocol=\"a/b\"; micalg=c\n\n--x\n\nx\n--x--\n¦".to_owned(),
            "TEXT RFC 1847 2.1: a multipart/signed of 1 parts",
        ),
        (
            "¦Content-Type: multipart/signed; boundary=x; protocol=\"a/b\"\n\n--x\n\nx\n--x\n\nx\n--x--\n".to_owned(),
            "TEXT RFC 1847 2.1: a multipart/signed without micalg",
        ),
    ] {
        let found = only(&format!("MIME-Version: 1.0\n{lines}"));
        assert!(found.starts_with(finding), "{lines}: {found}");
    }
    let bytes = [GOOD.as_bytes(), b"MIME-Version: 1.0\n", plain.as_bytes(), eight.as_bytes(), b"\na\n\xe9\n"].concat();
    let place = bytes.len() - 2;
    assert_eq!(findings_split(&bytes, 0), [format!("{place} 1 RFC 2046 4.1.2: text that is not the utf-8 that it says")]);
}

#[test]
fn each_breach_of_a_report_is_found() {
    let report = |content: &str| format!("MIME-Version: 1.0\nContent-Type: message/delivery-status\n\n{content}");
    let (mta, good) = ("Reporting-MTA: dns; mx\n\n", "Final-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.1.1\n");
    assert_eq!(findings(&format!("{GOOD}{}", report(&format!("{mta}{good}")))), [""; 0]);
    for (content, finding) in [
        (format!("¦A: b\n\n{good}"), "1 RFC 3464 2.2.2: Reporting-MTA is missing"),
        (format!("{mta}¦"), "1 RFC 3464 2.1: the report names no recipient"),
        (format!("{mta}¦Action: failed\nStatus: 5.1.1\n"), "1 RFC 3464 2.3.2: Final-Recipient is missing"),
        (format!("{mta}{good}\n¦Final-Recipient: rfc822; a@b\nStatus: 5.1.1\n"), "1 RFC 3464 2.3.3: Action is missing"),
        (format!("{mta}{}", good.replace("Action: failed", "¦Action: zz")), "1 RFC 3464 2.3.3: action is none"),
        (format!("{mta}{}", good.replace("Status: 5.1.1", "¦Status: 5.1")), "1 RFC 3464 2.3.4: status is no status code"),
    ] {
        let found = only(&report(&content));
        assert!(found.starts_with(finding), "{content}: {found}");
    }
}

/// What people send every day, and the RFCs allow.
#[test]
fn sound_messages_of_many_kinds_have_none() {
    for lines in [
        "To: undisclosed-recipients:;\nBcc:\n",
        "References: <a@b>\n <c@d> (x)\n\t<e@f>\nIn-Reply-To: <a@b><c@d>\n",
        "Received: from a (b [192.0.2.1])\n\tby c with ESMTP id 1 for <d@e>;\n\tSun, 22 Nov 2026 10:00:00 +0000 (UTC)\nReturn-Path: <>\n",
        "Return-Path: <a@b.test>\nSender: a@b.test\nReply-To: A <a@b.test>, b@c.test\n",
        "Resent-Date: Sun, 22 Nov 2026 10:00:00 +0000\nResent-From: a@b.test\nResent-Message-ID: <r@b.test>\n",
        "Subject: \"=?utf-8?q?K=C3=A4se?=\" =?iso-8859-1?q?=E4?=\n =?us-ascii?q?a?= =?iso-2022-jp?b?GyRCJUYbKEI=?=\n",
        "To: =?utf-8?q?K=C3=A4se=2C_J?= <a@b.test> (=?utf-8?q?=C3=A4?=)\n",
        "MIME-Version: 1.0 (made by hand)\nContent-Type: text/plain; charset=\"utf-8\"; format=flowed (x; y)\n",
        "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A4 =20\nsoft=\nend=",
        "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nKäse\n",
        "MIME-Version: 1.0\nContent-Type: application/pdf; name=\"a b\"\nContent-Transfer-Encoding: base64\n\nQUI=\n\n",
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\nContent-Transfer-Encoding: 8bit\n\n--x\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\nä\n--x--\n",
        "MIME-Version: 1.0\nContent-Disposition: attachment; filename*0*=utf-8''a%20; filename*1=b; size=3\n",
    ] {
        let message = format!("{GOOD}{lines}\n");
        assert_eq!(findings(&message), [""; 0], "{lines}");
        assert_eq!(findings(&message.replace('\n', "\r\n")), [""; 0], "{lines}");
    }
}
