//! Composing: structure, encodings, names, and what is refused before a byte is written.

use super::*;
use mail_parser::{MessageParser, MimeHeaders};
use std::io::{Read, Write};
use std::process::{Command, Stdio};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn text_alone_is_a_message() {
    let here = files(&[]);
    let words = [
        "-f",
        "alice@crepes.test",
        "-t",
        "bob@hamburger.test",
        "-s",
        "Hi",
        "--date",
        "2026-11-22T10:00:00Z",
        "--header",
        "Message-ID: <1@x>",
    ];
    let message = run(here.path(), &words, TEXT).done();
    assert_eq!(
        text(&message),
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\nFrom: alice@crepes.test\nTo: bob@hamburger.test\nSubject: Hi\nMessage-ID: <1@x>\n\
         MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\nHi Bob,\nhere it is.\n"
    );
    let wire = run(here.path(), &[&words[..], &["--crlf"]].concat(), TEXT).done();
    assert_eq!(wire, crlf(&message));
    assert_eq!(run(here.path(), &words, "no line end").done().last(), Some(&b'\n'));
    assert_eq!(run(here.path(), &words, crlf(TEXT.as_bytes())).done(), message, "CRLF is a line break");
}

#[test]
fn a_date_and_a_message_id_are_added() {
    let here = files(&[]);
    let one = run(here.path(), &["-f", "alice@crepes.test"], TEXT).done();
    let two = run(here.path(), &["-f", "alice@crepes.test"], TEXT).done();
    let parsed = MessageParser::default().parse(&one).unwrap();
    assert!(parsed.date().is_some_and(|date| date.is_valid()));
    assert!(parsed.message_id().unwrap().ends_with("@crepes.test"));
    assert_ne!(parsed.message_id(), MessageParser::default().parse(&two).unwrap().message_id());
    assert_eq!(
        run(here.path(), &["-H", "date"], run(here.path(), &["--date", "@1795341600"], "").done()).done(),
        b"Sun, 22 Nov 2026 10:00:00 +0000\n"
    );
}

#[test]
fn another_parser_reads_what_is_composed() {
    let here = files(&[
        ("photo.jpg", &[0xff, 0xd8, 0, 13, 10, 13]),
        ("Käse, süß.txt", "Käse\n".as_bytes()),
        ("a.patch", b"--- a\n+++ b\n+x \n-- \n"),
    ]);
    let subject =
        "Grüße aus der Küche, mit einer langen Zeile, die über mehr als zwei Zeilen geht 日本語日本語日本語日本語日本語";
    let words = [
        "-f",
        "Alice Käse <alice@crepes.test>",
        "-t",
        "\"Smith, J.\" <j@hamburger.test>, bob@hamburger.test",
        "--cc",
        "=?utf-8?q?M=C3=BCller?= <m@x.test>",
        "-s",
        subject,
        "-a",
        "photo.jpg",
        "-a",
        "Käse, süß.txt",
        "-a",
        "a.patch;cid=p@x",
    ];
    for extra in [&[] as &[&str], &["--crlf"]] {
        let message = run(here.path(), &[&words[..], extra].concat(), "Hallo, schöne Grüße!\n").done();
        assert!(message.split(|&b| b == b'\n').all(|line| line.len() <= 78), "{}", text(&message));
        assert!(message.is_ascii());
        let parsed = MessageParser::default().parse(&message).unwrap();
        assert_eq!(parsed.subject(), Some(subject));
        assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("Alice Käse"));
        let to: Vec<_> = parsed.to().unwrap().iter().map(|a| (a.name(), a.address().unwrap())).collect();
        assert_eq!(to, [(Some("Smith, J."), "j@hamburger.test"), (None, "bob@hamburger.test")]);
        assert_eq!(parsed.cc().unwrap().first().unwrap().name(), Some("Müller"));
        assert_eq!(parsed.body_text(0).unwrap().replace('\r', ""), "Hallo, schöne Grüße!\n");
        let names: Vec<_> = parsed.attachments().map(|a| a.attachment_name().unwrap()).collect();
        assert_eq!(names, ["photo.jpg", "Käse, süß.txt", "a.patch"]);
        assert_eq!(parsed.attachment(0).unwrap().contents(), [0xff, 0xd8, 0, 13, 10, 13]);
        assert_eq!(parsed.attachment(2).unwrap().content_id(), Some("p@x"));
        assert_eq!(parsed.attachment(2).unwrap().content_type().unwrap().subtype(), Some("x-diff"));
    }
}

#[test]
fn every_attachment_comes_out_byte_for_byte() {
    let long = "x".repeat(2000);
    let contents: Vec<(&str, &[u8], &str)> = vec![
        ("plain.txt", b"a\nb", "text/plain 7bit"),
        ("empty.txt", b"", "text/plain 7bit"),
        ("blank.txt", b"\n\n", "text/plain 7bit"),
        ("umlaut.txt", "ä = ö \n".as_bytes(), "text/plain quoted-printable"),
        ("japan.txt", "日本語".as_bytes(), "text/plain base64"),
        ("latin1.txt", b"K\xe4se\n", "application/octet-stream base64"),
        ("dos.txt", b"a\r\nb\r\n", "text/plain base64"),
        ("mixed.txt", b"a\r\nb\rc\0d", "application/octet-stream base64"),
        ("mbox.txt", b"a\nFrom me\n", "text/plain quoted-printable"),
        ("dot.txt", b"a\n.\nb\n", "text/plain quoted-printable"),
        ("long.txt", long.as_bytes(), "text/plain quoted-printable"),
        ("README", b"read me\n", "text/plain 7bit"),
        ("x.ts", b"const x = 1;\n", "text/plain 7bit"),
        ("video.ts", b"\x47\0\xff", "video/mp2t base64"),
        ("page.html", b"<p>\n", "text/html 7bit"),
        ("data.unheardof", b"\x01\xff", "application/octet-stream base64"),
        ("data.json", b"{}\n", "application/json base64"),
        ("in.eml", b"Subject: in\n\nFrom me\n.\n", "message/rfc822 7bit"),
        ("8bit.eml", "Subject: in\n\nä\n".as_bytes(), "message/rfc822 8bit"),
        ("nul.eml", b"Subject: in\n\n\0\n", "application/octet-stream base64"),
    ];
    for (name, content, kind) in contents {
        let here = files(&[(name, content)]);
        let message = run(here.path(), &["-a", name], TEXT).done();
        let (media, encoding) = kind.split_once(' ').unwrap();
        let row = listed(&message).into_iter().find(|part| part["part"] == "2").unwrap();
        assert_eq!(
            (row["type"].as_str(), row["encoding"].as_str(), row["name"].as_str()),
            (Some(media), Some(encoding), Some(name)),
            "{name}"
        );
        assert_eq!(row["size"], content.len(), "{name}");
        assert_eq!(part(&message, "2"), content, "{name}");
        assert!(message.split(|&b| b == b'\n').all(|line| line.len() <= 998 && line != b"." || name.ends_with("eml")), "{name}");
        assert!(!listed(&message).iter().any(|part| part.get("flags").is_some()), "{name}");
    }
}

#[test]
fn keys_say_what_the_guess_would_not() {
    let here = files(&[("a.bin", b"<p>\n"), ("in.eml", b"Subject: in\r\n\r\nx\r\n"), ("nul.eml", b"A: b\n\n\0")]);
    let message =
        run(here.path(), &["-a", "a.bin;type=text/html;name=b c.html;cid=i@x;charset=us-ascii", "-a", "in.eml"], TEXT).done();
    let row = &listed(&message)[2];
    assert_eq!(
        (row["type"].as_str(), row["name"].as_str(), row["charset"].as_str()),
        (Some("text/html"), Some("b c.html"), Some("us-ascii"))
    );
    assert!(text(&message).contains("Content-ID: <i@x>\n"));
    assert_eq!(part(&message, "3"), b"Subject: in\n\nx\n", "a message's line ends are line breaks");
    let asked = run(here.path(), &["-a", "nul.eml;type=message/rfc822"], TEXT);
    assert_eq!((asked.status, asked.out.len()), (65, 0));
    assert!(asked.err.contains("nul.eml: cannot go as a message"), "{}", asked.err);
}

#[test]
fn html_stands_beside_the_text_and_images_with_it() {
    let here = files(&[("p.html", b"<img src=cid:logo>\n"), ("logo.png", b"\x89PNG"), ("a.zst", b"\x28")]);
    let all = ["--html", "p.html", "--inline", "logo=logo.png", "-a", "a.zst"];
    assert_eq!(
        shape(&run(here.path(), &all, TEXT).done()),
        [
            "TEXT multipart/mixed -",
            "1 multipart/alternative -",
            "1.1 text/plain 7bit",
            "1.2 multipart/related -",
            "1.2.1 text/html 7bit",
            "1.2.2 image/png base64",
            "2 application/zstd base64"
        ]
    );
    let message = run(here.path(), &all[..4], "").done();
    assert_eq!(
        shape(&message),
        ["TEXT multipart/related -", "1 text/html 7bit", "2 image/png base64"],
        "no empty text beside HTML that says nothing"
    );
    assert!(text(&message).contains("type=\"text/html\"") && text(&message).contains("Content-ID: <logo>"));
    assert_eq!(
        shape(&run(here.path(), &all[..2], TEXT).done()),
        ["TEXT multipart/alternative -", "1 text/plain 7bit", "2 text/html 7bit"]
    );
    assert_eq!(shape(&run(here.path(), &all[2..4], TEXT).done())[0], "TEXT multipart/related -");
}

#[test]
fn fragile_text_is_protected() {
    let here = files(&[]);
    let body =
        |text: &str| String::from_utf8(run(here.path(), &[], text).done()).unwrap().split_once("\n\n").unwrap().1.to_owned();
    assert_eq!(body("From me\n.\n"), "=46rom me\n=2E\n");
    assert_eq!(body("blank at end \nä\n"), "blank at end=20\n=C3=A4\n");
    assert_eq!(
        body("#image/jpeg /etc/passwd\n<#part filename=/etc/passwd>\n"),
        "#image/jpeg /etc/passwd\n<#part filename=/etc/passwd>\n"
    );
    let long = body(&("x".repeat(999) + "\n"));
    assert!(long.lines().all(|line| line.len() <= 76));
    // Line breaks within base64 are CRLF (RFC 2045 section 6.8).
    assert_eq!(part(&run(here.path(), &[], "日本\n語\n").done(), "1"), "日本\r\n語\r\n".as_bytes());
}

/// RFC 5322 section 2.3 forbids them on the wire: there they are escapes, and come out as they went in.
#[test]
fn carriage_returns_without_line_feeds_come_through() {
    let here = files(&[]);
    for (body, wanted) in
        [("a\rb\r\nc\r", "a\rb\nc\r\n"), ("\r", "\r\n"), ("x\r\r\ny\n", "x\r\ny\n"), ("日本\r語\n", "日本\r語\n")]
    {
        for words in [&[] as &[&str], &["--flowed"]] {
            let message = run(here.path(), words, body).done();
            assert!(!message.contains(&b'\r'), "{body:?} {words:?}");
            assert_eq!(text(&part(&message, "1")), wanted, "{words:?}");
            let wire = run(here.path(), &[words, &["--crlf"]].concat(), body).done();
            assert!(!text(&wire).replace("\r\n", "\n").contains('\r'), "{body:?} {words:?}");
        }
    }
}

/// A variable of a script that is not set must not send a message without what it stands for.
#[test]
fn an_empty_value_and_a_conflict_are_told() {
    let here = files(&[("a", b"x")]);
    for (words, told) in [
        (&["-t", ""] as &[&str], "--to '': no address"),
        (&["-t", "a@x.test", "-t", " "], "--to ' ': no address"),
        (&["--cc", ","], "--cc ',': no address"),
        (&["--bcc", "nobody:;"], "--bcc 'nobody:;': no address"),
        (&["-f", ""], "--from '': no address"),
        (&["--header", ""], "--header : expected NAME: VALUE"),
        (&["--header", "Reply-To: "], "--header Reply-To: no address"),
        (&["--set", "To:"], "--set To: no address"),
        (&["-a", ""], ": no file is named"),
        (&["-a", "a;name="], "a;name=: name is empty"),
        (&["-a", "a;type="], "a;type=: \"\" is no type of a file"),
        (&["--charset", ""], "a value is required for '--charset <SET>' but none was supplied"),
        (&["--sign-with", ""], "a value is required for '--sign-with <COMMAND>' but none was supplied"),
        (&["-x", ""], "a value is required for '--extract [<SELECTOR>...]' but none was supplied"),
        (&["-O", ""], "a value is required for '--output <SELECTOR>' but none was supplied"),
        (&["-H", ""], "\"\" is no header field name"),
        (&["--list", "-s", "x"], "the argument '--list' cannot be used with '--subject <TEXT>'"),
        (&["-O", "1", "--crlf"], "the argument '--output <SELECTOR>' cannot be used with '--crlf'"),
        (&["--set", "A: b", "-t", "a@x.test"], "the argument '--set <NAME: VALUE>' cannot be used with '--to <ADDRESS>'"),
        (&["--html", ""], "a value is required for '--html <FILE>' but none was supplied"),
        (&["-x", "-C", ""], "a value is required for '--directory <DIR>' but none was supplied"),
    ] {
        let ran = run(here.path(), words, TEXT);
        let line = ran.err.lines().next().unwrap_or_default();
        assert_eq!((ran.status, line, ran.out.len()), (64, format!("mime-pack: {told}").as_str(), 0), "{words:?}");
    }
    let message = run(here.path(), &["--header", "To: nobody:;", "--header", "Bcc: ", "-s", ""], TEXT).done();
    let message = String::from_utf8(message).unwrap();
    assert!(message.contains("\nTo: nobody:;\nBcc:\n") && message.contains("\nSubject:\n"), "{message}");
}

#[test]
fn nothing_is_injected() {
    let here = files(&[("a", b"x"), ("b\nBcc: evil@x.test", b"x")]);
    for words in [
        &["-s", "x\nBcc: evil@x.test"] as &[&str],
        &["-s", "x\r\n\r\nbody"],
        &["-s", "x\r"],
        &["-f", "a@x.test\nBcc: evil@x.test"],
        &["-f", "\"x\r\nBcc: evil\" <a@x.test>"],
        &["-t", "Bob\r\nBcc: evil@x.test <a@x.test>"],
        &["-t", "=?utf-8?q?x=0D=0ABcc:_evil?= <a@x.test>"],
        &["--header", "X-A: b\nBcc: evil@x.test"],
        &["--header", "X-A\nBcc: evil@x.test"],
        &["--header", "X A: b"],
        &["--header", "no colon"],
        &["--header", "Content-Type: text/html"],
        &["--header", "MIME-Version: 2.0"],
        &["-a", "a;name=x\r\nBcc: evil@x.test"],
        &["-a", "a;type=text/plain\nBcc: evil@x.test"],
        &["-a", "a;type=text"],
        &["-a", "a;cid=x>\nBcc: evil@x.test"],
        &["-a", "b\nBcc: evil@x.test"],
        &["--inline", "x\ny=a"],
        &["--inline", "x=a", "-a", "a;cid=x"],
        &["-s", "x", "--header", "Subject: y"],
        &["-t", "bob"],
        &["-f", "a@x.test, b@x.test"],
        &["--date", "yesterday"],
        &["--list", "-s", "x"],
        &["--json"],
        &["--unheard-of"],
    ] {
        let ran = run(here.path(), words, TEXT);
        assert_eq!((ran.status, ran.out.len()), (64, 0), "{words:?}: {}", ran.err);
        assert!(
            ran.err.starts_with("mime-pack: ") && !ran.err.lines().any(|line| line.starts_with("Bcc")),
            "{words:?}: {}",
            ran.err
        );
    }
}

#[test]
fn a_file_that_cannot_be_read_stops_it_before_a_byte_is_written() {
    let here = files(&[("good", b"x")]);
    std::fs::create_dir(here.path().join("dir")).unwrap();
    for (words, error) in [
        (&["-a", "good", "-a", "missing.jpg"] as &[&str], "mime-pack: cannot open missing.jpg: No such file or directory\n"),
        (&["-a", "dir"], "mime-pack: cannot open dir: is a directory\n"),
        (&["--html", "missing.html"], "mime-pack: cannot open missing.html: No such file or directory\n"),
        (&["--inline", "x=missing.png"], "mime-pack: cannot open missing.png: No such file or directory\n"),
        (&["-a", "good;tpye=text/plain"], "mime-pack: cannot open good;tpye=text/plain: No such file or directory\n"),
    ] {
        let ran = run(here.path(), words, TEXT);
        assert_eq!((ran.status, ran.out.len(), ran.err.as_str()), (66, 0, error));
    }
}

#[test]
fn a_body_that_is_no_utf_8_is_refused_with_its_place() {
    let here = files(&[("p.html", b"<p>\xff")]);
    let ran = run(here.path(), &[], b"fine\nK\xe4se\n".as_slice());
    assert_eq!((ran.status, ran.out.len(), ran.err.as_str()), (65, 0, "mime-pack: stdin: line 2, byte 2: not UTF-8\n"));
    let ran = run(here.path(), &["--html", "p.html"], "");
    assert_eq!((ran.status, ran.err.as_str()), (65, "mime-pack: p.html: line 1, byte 4: not UTF-8\n"));
}

#[test]
fn an_epoch_in_the_environment_makes_output_reproducible() {
    let here = files(&[("a", b"x"), ("b", b"y")]);
    let composed = |file: &str| {
        let words = ["-f", "alice@crepes.test", "-a", file];
        ran(tool(here.path()).args(words).env("SOURCE_DATE_EPOCH", "1795341600").write_stdin(TEXT)).done()
    };
    let one = composed("a");
    assert_eq!(one, composed("a"));
    assert!(text(&one).starts_with("Date: Sun, 22 Nov 2026 10:00:00 +0000\n"));
    let id = |message: &[u8]| MessageParser::default().parse(message).unwrap().message_id().unwrap().to_owned();
    assert_ne!(id(&one), id(&composed("b")));
    let bad = ran(tool(here.path()).env("SOURCE_DATE_EPOCH", "soon").write_stdin(TEXT));
    assert_eq!((bad.status, bad.out.len()), (64, 0));
}

#[test]
fn a_message_of_our_own_is_attached_unchanged() {
    let here = files(&[("in.eml", b"Subject: in\n\nx\n")]);
    let message = run(here.path(), &["-a", "in.eml"], TEXT).done();
    std::fs::write(here.path().join("in.eml"), &message).unwrap();
    let outer = run(here.path(), &["-a", "in.eml"], TEXT).done();
    assert_eq!(part(&outer, "2"), message);
    let sections: Vec<_> = shape(&outer).iter().map(|row| row.split(' ').next().unwrap().to_owned()).collect();
    assert_eq!(sections, ["TEXT", "1", "2", "2.TEXT", "2.1", "2.2", "2.2.1"]);
}

/// More than fits into memory unnoticed goes through, from a file and through a pipe.
#[test]
fn memory_stays_small_whatever_is_attached() {
    let here = files(&[]);
    let size = 192 * 1024 * 1024;
    std::fs::File::create(here.path().join("big.bin")).unwrap().set_len(size).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mime-pack"));
    let child = child.current_dir(here.path()).args(["-a", "big.bin"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let body = "0123456789abcde\n".repeat(4096);
    (0..64).for_each(|_| stdin.write_all(body.as_bytes()).unwrap());
    drop(stdin);
    let mut out = child.stdout.take().unwrap();
    let wanted = size / 57 * 77;
    let skipped = std::io::copy(&mut out.by_ref().take(wanted), &mut std::io::sink()).unwrap();
    assert_eq!(skipped, wanted);
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap();
    assert!(peak < 32 * 1024, "{peak} KiB");
    std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
}
