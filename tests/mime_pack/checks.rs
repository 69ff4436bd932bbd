//! `--check` and `--report`.

use super::*;

const SOUND: &str =
    "From a@b Sun\nDate: Sun, 22 Nov 2026 10:00:00 +0000\nFrom: alice@crepes.test\nMessage-ID: <1@crepes.test>\n\nHi\n";

#[test]
fn findings_have_their_place_and_clause() {
    assert_eq!(run(Path::new("."), &["--check"], SOUND).done(), b"");
    let message = SOUND.replace("Hi", "a\rb").replace("Date: Sun, ", "Date: ");
    let ran = run(Path::new("."), &["--check"], message.clone());
    let place = message.find("\rb").unwrap();
    assert_eq!(
        (ran.status, String::from_utf8(ran.out).unwrap()),
        (65, format!("{place}\t1\tRFC 5322 2.3\ta carriage return without a line feed\n"))
    );
    let ran = run(Path::new("."), &["--check", "--json"], message);
    let row: Value = serde_json::from_slice(&ran.out).unwrap();
    assert_eq!((&row["offset"], &row["part"], &row["clause"]), (&place.into(), &"1".into(), &"RFC 5322 2.3".into()));
    assert_eq!(run(Path::new("."), &["--check"], "").status, 65);
}

/// What is only known at the end of a part, or of a line, may lie before what was found in it.
#[test]
fn findings_stand_in_the_order_of_their_places() {
    let inner = format!("--b\nContent-Transfer-Encoding: base64\n\nYW*\n{}\n", "A".repeat(80));
    let message = format!(
        "Subject: x\rSubject\nTo: a b\nContent-Type: multipart/mixed; boundary=b\n\n\0{}\n{inner}{inner}",
        "x".repeat(1000)
    );
    for message in [message.clone(), format!("From a@b Sun\n{message}")] {
        let out = String::from_utf8(run(Path::new("."), &["--check"], message.clone()).out).unwrap();
        let found: Vec<(usize, &str)> = out
            .lines()
            .map(|row| {
                let columns: Vec<&str> = row.split('\t').collect();
                (columns[0].parse().unwrap(), columns[3])
            })
            .collect();
        assert!(found.is_sorted_by_key(|(offset, _)| *offset), "{out}");
        let at = |text: &str| found.iter().find(|(_, what)| what.contains(text)).map(|(offset, _)| *offset);
        assert_eq!(at("delimiter is missing"), Some(message.len()), "{out}");
        assert_eq!(at("more than 998"), message.find('\0'), "{out}");
        assert_eq!(at("do not belong there"), message.find("*\n"), "{out}");
        assert_eq!(at("without a line feed"), message.find('\r'), "{out}");
        assert_eq!(at("Date is missing"), message.find("Subject"), "{out}");
    }
    let many = format!("{}\n", "To: a@b\n".repeat(100_000));
    let out = run(Path::new("."), &["--check"], many).out;
    assert!(out.iter().filter(|b| **b == b'\n').count() < 300);
}

#[test]
fn what_is_composed_has_no_findings() {
    let here = files(&[
        ("Käse, süß.txt", "Käse\n".as_bytes()),
        ("p.html", b"<img src=logo.png>"),
        ("logo.png", b"\x89PNG"),
        ("in.eml", SOUND.as_bytes()),
    ]);
    let long = format!("{}\nFrom me\n.\n", "Grüße ".repeat(300));
    for words in [
        &[] as &[&str],
        &["--flowed"],
        &["-a", "Käse, süß.txt", "--html", "p.html", "--related", "auto"],
        &["--forward", "in.eml"],
        &["--reply", "in.eml", "--quote"],
    ] {
        for crlf in [&[] as &[&str], &["--crlf"]] {
            let from = [
                "-f",
                "Jörg Müller <alice@crepes.test>",
                "-t",
                "\"Smith, J\" <j@x.test>, Ä Ö <b@x.test>",
                "-s",
                long.split('\n').next().unwrap(),
            ];
            let message = run(here.path(), &[&from, words, crlf].concat(), long.clone()).done();
            let ran = run(here.path(), &["--check"], message.clone());
            assert_eq!(
                (ran.status, String::from_utf8(ran.out).unwrap().as_str()),
                (0, ""),
                "{words:?}\n{}",
                String::from_utf8_lossy(&message)
            );
        }
    }
}

#[test]
fn reports_tell_of_each_recipient() {
    let report = "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry.\n--b\nContent-Type: message/delivery-status\n\n\
        Reporting-MTA: dns; mx.b.test\n\nFinal-Recipient: rfc822; bob@b.test\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no \u{1b}[2J\n\n\
        Final-Recipient: rfc822; c@b.test\nAction: delayed\nStatus: 4.2.2\n--b--\n";
    let rows = String::from_utf8(run(Path::new("."), &["--report"], report).done()).unwrap();
    assert_eq!(rows, "delivery\tfailed\tbob@b.test\t5.1.1\t550 no \\x1b[2J\ndelivery\tdelayed\tc@b.test\t4.2.2\t-\n");
    let json = String::from_utf8(run(Path::new("."), &["--report", "--json"], report).done()).unwrap();
    let row: Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&row["part"], &row["reporting_mta"], &row["recipient"]),
        (&"2".into(), &"mx.b.test".into(), &"bob@b.test".into())
    );
    let ran = run(Path::new("."), &["--report"], SOUND);
    assert_eq!((ran.status, ran.err.as_str()), (66, "mime-pack: the message is no report\n"));
}

const REPORT: &str = "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nt\n--x\nContent-Type: message/delivery-status\n\n\
    Reporting-MTA: dns; mx (c)\n\nFinal-Recipient: utf-8; b\\x{F6}b@y.test\nAction: FAILED (really)\nStatus: 5.1.1\n\n--x\n\
    Content-Type: message/rfc822\n\nSubject: o\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; evil\n\n\
    Final-Recipient: rfc822; victim@v.test\nAction: failed\nStatus: 5.1.1\n--x--\n";

#[test]
fn what_a_returned_message_says_is_no_report() {
    let rows = String::from_utf8(run(Path::new("."), &["--report"], REPORT).done()).unwrap();
    assert_eq!(rows, "delivery\tfailed\tböb@y.test\t5.1.1\t-\n");
    // Not even beside the message, or in place of it.
    for media in ["multipart/mixed; boundary=y\n\n--y\nContent-Type: message/delivery-status", "message/delivery-status"] {
        let forged = REPORT.replace("message/rfc822\n\nSubject: o\nContent-Type: message/delivery-status", media);
        let rows = String::from_utf8(run(Path::new("."), &["--report"], forged).done()).unwrap();
        assert_eq!(rows.lines().count(), 1, "{rows}");
    }
    let within = format!("Content-Type: message/rfc822\n\n{REPORT}");
    assert_eq!(run(Path::new("."), &["--report"], within).status, 66);
}

#[test]
fn a_report_without_a_recipient_is_told() {
    let report = "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n";
    let ran = run(Path::new("."), &["--report"], report);
    assert_eq!((ran.status, ran.out.len(), ran.err.as_str()), (65, 0, "mime-pack: part 1: the report names no recipient\n"));
}

#[test]
fn a_report_has_a_row_for_each_of_its_recipients_however_many() {
    let groups: String =
        (0..20_000).map(|n| format!("Final-Recipient: rfc822; u{n}@x.test\nAction: failed\nStatus: 5.0.0\n\n")).collect();
    let report = format!(
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.b.test\n \n{groups}\n\nFinal-Recipient: x; last"
    );
    let rows = String::from_utf8(run(Path::new("."), &["--report", "--strict", "--json"], report).done()).unwrap();
    assert_eq!(rows.lines().count(), 20_001);
    let row: Value = serde_json::from_str(rows.lines().nth(19_999).unwrap()).unwrap();
    assert_eq!((row["recipient"].as_str(), row["reporting_mta"].as_str()), (Some("u19999@x.test"), Some("mx.b.test")));

    let long = format!(
        "Content-Type: message/delivery-status\n\nA: b\n\nFinal-Recipient: x; y\nX: {}\n\nFinal-Recipient: x; z\n",
        "x".repeat(2 << 20)
    );
    assert_eq!(run(Path::new("."), &["--report"], long.clone()).done().iter().filter(|byte| **byte == b'\n').count(), 2);
    let ran = run(Path::new("."), &["--report", "--strict"], long);
    assert_eq!((ran.status, ran.err.as_str()), (65, "mime-pack: part 1: header-too-long\n"));
}
