//! What is easily taken for something else: characters for octets, an empty form for the text, a name for an address or for none.

use super::*;
use std::io::Write;
use std::process::{Command, Stdio};

/// RFC 2046 section 4.1.1, RFC 2781 section 4: an octet of value 10 is no line end there.
#[test]
fn text_of_wide_characters_is_no_lines_of_octets() {
    let here = files(&[("u", b"a\nb\n")]);
    for charset in ["utf-16be", "UTF-16", "utf-32", "iso-10646-ucs-2"] {
        let message = run(here.path(), &["--crlf", "-a", &format!("u;charset={charset}")], "hi\n").done();
        assert_eq!(listed(&message)[2]["encoding"], "base64", "{charset}");
        assert_eq!(part(&message, "2"), b"a\nb\n");
    }
    let message = run(here.path(), &["-a", "u;charset=iso-8859-1"], "hi\n").done();
    assert_eq!(listed(&message)[2]["encoding"], "7bit");
}

#[test]
fn an_empty_form_is_not_the_text() {
    let message = |plain: &str, html: &str| {
        format!(
            "Content-Type: multipart/alternative; boundary=b\n\n--b\n\n{plain}\n--b\nContent-Type: text/html\n\n{html}\n--b--\n"
        )
    };
    let text = |message: String| String::from_utf8(run(Path::new("."), &["--text"], message).done()).unwrap();
    assert_eq!(text(message("", "<p>page")), "page\n");
    assert_eq!(text(message(" \n\n", "<p>page")).trim_start(), "page\n");
    assert_eq!(text(message("plain", "<p>page")), "plain\n");
}

/// RFC 2047 section 5(3): no encoded word stands in an address, and a comma in a name parts nothing.
#[test]
fn an_encoded_name_is_one_name() {
    let original = "From: =?utf-8?q?Smith=2C_J=2E?= <j@x.test>, =?utf-8?b?PGV2aWxAeC50ZXN0Pg==?= <k@x.test>\n\
        Cc: =?utf-8?q?a=40b=2Etest=2C?= <r@s.test>\nMessage-ID: <=?utf-8?q?x?=@y>\n\nhi\n";
    let here = files(&[("m.eml", original.as_bytes())]);
    let reply = run(here.path(), &["-f", "me@x.test", "--reply", "m.eml", "--all"], "hi\n").done();
    let field = |name: &str, message: &[u8]| String::from_utf8(run(here.path(), &["-H", name], message).done()).unwrap();
    let (to, cc) = ("\"Smith, J.\" <j@x.test>, \"<evil@x.test>\" <k@x.test>\n", "\"a@b.test,\" <r@s.test>\n");
    assert_eq!((field("From", original.as_bytes()).as_str(), field("Cc", original.as_bytes()).as_str()), (to, cc));
    assert_eq!((field("To", &reply).as_str(), field("Cc", &reply).as_str()), (to, cc));
    assert_eq!(field("In-Reply-To", &reply), "<=?utf-8?q?x?=@y>\n");
    let given = run(here.path(), &["-f", "me@x.test", "-t", to.trim_end()], "hi\n").done();
    assert_eq!(field("To", &given), to);
    assert_eq!(field("To", &run(here.path(), &["--set", &format!("To: {}", to.trim_end())], original).done()), to);
}

/// RFC 5322 section 4.3: zones by name, two-digit years, no seconds; what comes behind such a date is read.
#[test]
fn obsolete_dates_swallow_nothing() {
    for date in [
        "Sun, 22 Nov 2026 10:00:00 UT",
        "Sun, 22 Nov 2026 10:00:00 GMT",
        "Sun, 22 Nov 2026 05:00:00 EST",
        "Sun, 22 Nov 2026 10:00:00 Z",
        "22 Nov 2026 10:00 +0000",
        "Sun, 22 Nov 26 10:00:00 +0000 (UTC)",
    ] {
        let message = format!("From: a@b.test\nMessage-ID: <a@b.test>\nDate: {date}\nSubject: after\n\nhi\n");
        let field = |name: &str| String::from_utf8(run(Path::new("."), &["-H", name], message.clone()).done()).unwrap();
        assert_eq!((field("Date"), field("Subject")), (format!("{date}\n"), "after\n".to_owned()));
        let found = String::from_utf8(run(Path::new("."), &["--check"], message.clone()).out).unwrap();
        assert!(found.lines().all(|row| row.contains("RFC 5322 4.3")), "nothing but the form of {date}: {found}");
        let made = run(Path::new("."), &["--date", date], "hi\n").done();
        assert!(String::from_utf8(made).unwrap().starts_with("Date: Sun, 22 Nov 2026 10:00:00 +0000\n"), "{date}");
    }
}

#[test]
fn a_part_called_by_the_mark_of_nothing_is_told_from_one_without_a_name() {
    let message = |name: &str| format!("Content-Type: text/plain{name}\n\nx");
    let row = |name: &str| String::from_utf8(run(Path::new("."), &["--list"], message(name)).done()).unwrap();
    assert_eq!(
        (row("").as_str(), row("; name=\"-\"").as_str()),
        ("1\ttext/plain\t1\t-\t-\t-\t-\t-\n", "1\ttext/plain\t1\t\\x2d\t-\t-\t-\t-\n")
    );
    for words in [&["-l", "--raw"] as &[&str], &["--text", "--raw"], &["-x", "--raw"], &["--raw"]] {
        assert_eq!(run(Path::new("."), words, "A: b\n\nx").status, 64, "{words:?}");
    }
}

/// The directory is held by its descriptor: what takes its name while files are written gets none of them.
#[test]
fn files_go_into_the_directory_that_was_named_first() {
    let here = files(&[]);
    let path = |name: &str| here.path().join(name);
    std::fs::create_dir(path("out")).and_then(|()| std::fs::create_dir(path("elsewhere"))).unwrap();
    let mut tool = Command::new(env!("CARGO_BIN_EXE_mime-pack"));
    let tool = tool.current_dir(here.path()).args(["-x", "-C", "out"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut tool = tool.spawn().unwrap();
    let mut stdin = tool.stdin.take().unwrap();
    stdin.write_all(b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Disposition: x; filename=a\n\n1\n--b\n").unwrap();
    let begun = std::time::Instant::now();
    while !path("out/a").exists() {
        assert!(begun.elapsed().as_secs() < 60, "the first part is not written");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::fs::rename(path("out"), path("moved")).and_then(|()| std::os::unix::fs::symlink("elsewhere", path("out"))).unwrap();
    stdin.write_all(b"Content-Disposition: x; filename=b\n\n2\n--b--\n").unwrap();
    drop(stdin);
    assert_eq!(tool.wait().unwrap().code(), Some(0));
    assert_eq!(
        (std::fs::read(path("moved/a")).unwrap(), std::fs::read(path("moved/b")).unwrap()),
        (b"1".to_vec(), b"2".to_vec())
    );
    assert_eq!(std::fs::read_dir(path("elsewhere")).unwrap().count(), 0);
}
