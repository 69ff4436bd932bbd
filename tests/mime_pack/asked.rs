//! What a person expects of odd input: files in sets of their own, messages beyond ASCII, stdin as a file, patterns, pages with a root.

use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// In UTF-16, an octet that is a line feed is half of a letter, and must not become CRLF on the way.
#[test]
fn text_in_a_set_without_line_feeds_goes_as_octets() {
    let here = files(&[("u", b"a\nb\n")]);
    for set in ["utf-16", "utf-16le", "utf-16be"] {
        let message = run(here.path(), &["--crlf", "-a", &format!("u;charset={set}")], "x\n").done();
        assert_eq!(shape(&message)[2], "2 text/plain base64", "{set}");
        assert_eq!(part(&message, "2"), b"a\nb\n");
    }
    for set in ["koi8-r", "us-ascii", "shift_jis"] {
        let message = run(here.path(), &["-a", &format!("u;charset={set}")], "x\n").done();
        assert_eq!(shape(&message)[2], "2 text/plain 7bit", "{set}");
    }
}

#[test]
fn a_message_with_utf_8_in_a_header_is_a_global_one() {
    let part_header = "Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-ID: <é>\n\nx\n--b--\n";
    let here = files(&[
        ("utf8.eml", "From: é@x.test\nSubject: é\n\nhi\n".as_bytes()),
        ("part.eml", part_header.as_bytes()),
        ("latin.eml", b"Subject: \xe9\n\nhi\n"),
        ("body.eml", "Subject: x\n\né\n".as_bytes()),
        ("mbox.eml", b"From a@b Sun Nov 22 10:00:00 2026\nSubject: x\n\nhi\n"),
    ]);
    for (file, wanted) in [
        ("utf8.eml", "message/global 8bit"),
        ("part.eml", "message/global 8bit"),
        ("latin.eml", "message/rfc822 8bit"),
        ("body.eml", "message/rfc822 8bit"),
        ("mbox.eml", "message/rfc822 7bit"),
    ] {
        for words in [["-a", file], ["--forward", file]] {
            let message = run(here.path(), &words, "x\n").done();
            assert_eq!(shape(&message)[2], format!("2 {wanted}"), "{words:?}");
        }
    }
    let message = run(here.path(), &["-a", "utf8.eml;type=message/rfc822"], "x\n").done();
    assert_eq!(shape(&message)[2], "2 message/rfc822 8bit");
    let message = run(here.path(), &["--digest", "-a", "utf8.eml", "-a", "body.eml"], "").done();
    assert_eq!(shape(&message)[..2], ["TEXT multipart/digest 8bit", "1 message/global 8bit"]);
    let message = run(here.path(), &["-a", "mbox.eml"], "x\n").done();
    assert_eq!(text(&part(&message, "2")), "Subject: x\n\nhi\n", "the line of an mbox is no part of the message");
}

#[test]
fn a_message_beyond_ascii_is_encrypted_as_it_is_and_not_signed() {
    let here = files(&[("in.eml", "Subject: é\n\né\n".as_bytes())]);
    let encrypt = "sh -c 'cat > given; echo -----BEGIN PGP MESSAGE-----'";
    let message = run(here.path(), &["--forward", "in.eml", "--encrypt-with", encrypt], "x\n").done();
    assert_eq!(shape(&message)[0], "TEXT multipart/encrypted -");
    assert!(text(&std::fs::read(here.path().join("given")).unwrap()).contains("Subject: é\r\n\r\né\r\n"));
    let ran = run(here.path(), &["--forward", "in.eml", "--sign-with", "cat", "--encrypt-with", encrypt], "x\n");
    assert_eq!((ran.status, ran.out.len()), (65, 0));
}

#[test]
fn what_lacks_its_armor_is_told_so() {
    for (words, octets, why) in [
        ("--sign-with", "\\210\\024\\004\\000\\001\\010", "what it printed is not in armor: gpg does that with --armor"),
        ("--encrypt-with", "\\205\\001\\014", "what it printed is not in armor: gpg does that with --armor"),
        (
            "--sign-with",
            "0\\200\\006\\001*\\240\\2000\\200\\002\\001\\0011\\0110\\007\\006\\005+\\016\\003\\002\\0320\\200\\006\\001*\\240\\200",
            "what it printed is not a detached signature: the content is in it",
        ),
    ] {
        let ran = run(Path::new("."), &[words, &format!("printf '{octets}'")], "x\n");
        assert_eq!((ran.status, ran.out.len()), (65, 0), "{octets}: {}", ran.err);
        assert!(ran.err.contains(why), "{octets}: {}", ran.err);
    }
}

#[test]
fn stdin_is_one_file_at_most_and_then_no_text() {
    let here = files(&[("in.eml", b"From: a@x.test\nSubject: x\n\nhi\n")]);
    let message = run(here.path(), &["-a-;name=dump.sql"], "select 1;\n").done();
    let attached = listed(&message).into_iter().find(|row| row["name"] == "dump.sql").unwrap();
    assert_eq!(text(&part(&message, attached["part"].as_str().unwrap())), "select 1;\n");
    for words in [["-a", "/dev/stdin"], ["--html", "-"], ["--forward", "-"]] {
        let message = run(here.path(), &words, "Subject: given\n\n").done();
        assert!(text(&message).contains("given"), "{words:?}: {}", text(&message));
    }
    let reply = run(here.path(), &["--reply", "-", "--quote"], "From: a@x.test\n\nhi\n").done();
    assert!(text(&reply).ends_with("a@x.test wrote:\n> hi\n"), "{}", text(&reply));
    for words in [["-a-", "-a-"], ["-a-", "--html=/dev/stdin"]] {
        let ran = run(here.path(), &words, "x");
        assert_eq!((ran.status, ran.out.len()), (64, 0), "{words:?}: {}", ran.err);
    }
}

#[test]
fn nothing_is_quoted_of_nothing() {
    let here = files(&[("blank.eml", b"From: a@x.test\n\n\n"), ("nameless.eml", b"Subject: x\n\nhi\n")]);
    let body = |words: &[&str]| text(&part(&run(here.path(), words, "Yes.\n").done(), "1"));
    assert_eq!(body(&["--reply", "blank.eml", "--quote"]), "Yes.\n");
    assert_eq!(body(&["--reply", "nameless.eml", "--quote", "-t", "b@x.test"]), "Yes.\n\n> hi\n");
}

#[test]
fn the_root_of_a_page_is_read() {
    let related = "Content-Type: multipart/related; boundary=x; start=\"<b>\"\n\n--x\nContent-Type: text/plain\nContent-ID: <a>\n\nnot root\n--x\n\
        Content-Type: text/html\nContent-ID: <b>\n\n<p>root\n--x--\n";
    let read = |message: &str| text(&run(Path::new("."), &["--text"], message).done());
    assert_eq!(read(related), "root\n");
    assert_eq!(read(&related.replace("<b>\"", "<none>\"")), "not root\n", "a root that is not there");
}

#[test]
fn patterns_have_brackets() {
    let here = files(&[("a.pdf", b"a"), ("b.pdf", b"b"), ("c.pdf", b"c")]);
    let message = run(here.path(), &["-a", "a.pdf", "-a", "b.pdf", "-a", "c.pdf"], "x\n").done();
    let out = files(&[]);
    let rows = text(&run(out.path(), &["-x", "[a-b].pdf"], message).done());
    assert_eq!(rows.lines().count(), 2, "{rows}");
}
