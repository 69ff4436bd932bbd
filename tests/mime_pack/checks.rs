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
