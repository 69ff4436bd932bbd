//! Composing on: character sets, text of HTML, images of a page, flowed text, digests, replies, messages passed on.

use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn body_of(message: &[u8]) -> String {
    text(message).split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn text_in_another_character_set_goes_out_as_utf_8() {
    let here = files(&[("p.html", b"<p>K\xe4se")]);
    let message = run(here.path(), &["--charset", "iso-8859-1", "--html", "p.html"], &b"K\xe4se \x80\n"[..]).done();
    assert_eq!(text(&part(&message, "1")), "Käse €\n");
    assert_eq!(text(&part(&message, "2")), "<p>Käse");
    assert!(listed(&message)[1..].iter().all(|row| row["charset"] == "utf-8"));
    let bad = run(here.path(), &["--charset", "utf-8"], &b"a\nb\xff\n"[..]);
    assert_eq!((bad.status, bad.out.len(), bad.err.as_str()), (65, 0, "mime-pack: stdin: line 2: not utf-8\n"));
    let bad = run(here.path(), &["--charset", "x-unheard-of"], "a");
    assert_eq!((bad.status, bad.out.len(), bad.err.as_str()), (64, 0, "mime-pack: --charset x-unheard-of: not known here\n"));
}

#[test]
fn a_page_without_a_text_gets_one_made_of_it() {
    let here = files(&[("p.html", b"<h1>News</h1><p>Read <a href='https://x.test/'>this</a>.")]);
    let message = run(here.path(), &["--html", "p.html"], "").done();
    assert_eq!(shape(&message), ["TEXT multipart/alternative -", "1 text/plain 7bit", "2 text/html 7bit"]);
    assert_eq!(text(&part(&message, "1")), "News\n\nRead this <https://x.test/>.\n");
}

#[test]
fn the_images_of_a_page_go_with_it() {
    let here = files(&[
        ("p.html", b"<img src=\"logo.png\"><img src='https://x.test/y.png'><img src=../up.png><img src=logo.png>"),
        ("logo.png", b"\x89PNG"),
    ]);
    let words = ["--html", "p.html", "--related", "auto"];
    let left = |name: &str| format!("mime-pack: p.html: {name} is not below the page's directory, and stays as it is\n");
    let ran = run(here.path(), &words, "text\n");
    assert_eq!((ran.status, ran.err), (0, left("../up.png")), "no URL is told");
    let message = ran.out;
    assert_eq!(
        shape(&message),
        [
            "TEXT multipart/alternative -",
            "1 text/plain 7bit",
            "2 multipart/related -",
            "2.1 text/html 7bit",
            "2.2 image/png base64"
        ]
    );
    let page = text(&part(&message, "2.1"));
    let id = page.split("cid:").nth(1).unwrap().split('"').next().unwrap();
    assert!(text(&message).contains(&format!("Content-ID: <{id}>")), "{}", text(&message));
    assert_eq!(page, format!("<img src=\"cid:{id}\"><img src='https://x.test/y.png'><img src=../up.png><img src=cid:{id}>"));
    // A page and its folder may be somebody else's.
    std::fs::remove_file(here.path().join("logo.png")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", here.path().join("logo.png")).unwrap();
    let ran = run(here.path(), &words, "text\n");
    assert_eq!((ran.status, ran.err), (0, left("../up.png") + &left("logo.png")));
    assert_eq!(shape(&ran.out), ["TEXT multipart/alternative -", "1 text/plain 7bit", "2 text/html 7bit"]);
    std::fs::remove_file(here.path().join("logo.png")).unwrap();
    let missing = run(here.path(), &words, "text\n");
    assert_eq!((missing.status, missing.out.len()), (66, 0), "{}", missing.err);
}

#[test]
fn flowed_text_is_read_as_it_was_written() {
    let here = files(&[]);
    let long = format!("{}end\nFrom here\n > no quote\n> {}end\n-- \nAlice  \n", "word ".repeat(40), "quote ".repeat(30));
    let message = run(here.path(), &["--flowed"], long.clone()).done();
    assert!(text(&message).contains("Content-Type: text/plain; charset=utf-8; format=flowed\n"));
    assert!(body_of(&message).lines().all(|line| line.len() <= 78 && !line.starts_with("From ")), "{}", text(&message));
    assert_eq!(text(&run(here.path(), &["--text"], message).done()), long.replace("Alice  ", "Alice"));
}

#[test]
fn messages_go_in_a_digest() {
    let here = files(&[("1.eml", b"Subject: one\n\n1\n"), ("2.eml", b"Subject: two\n\n2\n"), ("a.txt", b"a")]);
    let message = run(here.path(), &["--digest", "-a", "1.eml", "-a", "2.eml"], "").done();
    assert_eq!(shape(&message)[..2], ["TEXT multipart/digest -", "1 message/rfc822 7bit"]);
    assert_eq!(text(&part(&message, "2")), "Subject: two\n\n2\n");
    let message = run(here.path(), &["--digest", "-a", "1.eml"], "Hi\n").done();
    assert_eq!(
        shape(&message)[..4],
        ["TEXT multipart/mixed -", "1 text/plain 7bit", "2 multipart/digest -", "2.1 message/rfc822 7bit"]
    );
    assert_eq!(run(here.path(), &["--digest", "-a", "a.txt"], "").status, 64);
}

const ORIGINAL: &str = "From m@x Sun\nFrom: =?utf-8?q?J=C3=B6rg?= <j@hamburger.test>\nTo: alice@crepes.test, bob@x.test\nCc: c@x.test\n\
    Date: Sun, 22 Nov 2026 10:00:00 +0000\nSubject: =?utf-8?q?K=C3=A4se?=\nMessage-ID: <2@hamburger.test>\nReferences: <1@hamburger.test>\n\n\
    Want some?\n\n> earlier\n";

#[test]
fn a_reply_has_recipients_subject_and_thread() {
    let here = files(&[("in.eml", ORIGINAL.as_bytes())]);
    let field = |message: &[u8], name: &str| text(&run(here.path(), &["-H", name], message).out);
    let message = run(here.path(), &["-f", "alice@crepes.test", "--reply", "in.eml", "--quote"], "Yes.\n").done();
    assert_eq!(field(&message, "To"), "Jörg <j@hamburger.test>\n");
    assert_eq!((field(&message, "Cc"), field(&message, "Subject")), (String::new(), "Re: Käse\n".to_owned()));
    assert_eq!(field(&message, "In-Reply-To"), "<2@hamburger.test>\n");
    assert_eq!(field(&message, "References"), "<1@hamburger.test> <2@hamburger.test>\n");
    assert_eq!(
        text(&part(&message, "1")),
        "Yes.\n\nOn Sun, 22 Nov 2026 10:00:00 +0000, Jörg wrote:\n> Want some?\n>\n>> earlier\n"
    );
    let all = run(here.path(), &["-f", "alice@crepes.test", "--reply", "in.eml", "--all", "-s", "Cheese"], "Yes.\n").done();
    assert_eq!((field(&all, "Cc"), field(&all, "Subject")), ("bob@x.test, c@x.test\n".to_owned(), "Cheese\n".to_owned()));
    assert_eq!(text(&part(&all, "1")), "Yes.\n");
    let missing = run(here.path(), &["--reply", "missing.eml"], "Yes.\n");
    assert_eq!((missing.status, missing.out.len()), (66, 0));
}

#[test]
fn a_message_that_nobody_can_answer_is_told() {
    // As many addresses as a header may have: each is compared with all the others.
    let many: String = (0..40_000).map(|n| format!(" u{n}@x.test,\n")).collect();
    let here = files(&[
        ("empty.eml", b""),
        ("nobody.eml", b"Subject: x\n\ny\n"),
        ("many.eml", format!("From: a@x.test\nTo:{many} b@x.test\n\ny\n").as_bytes()),
    ]);
    for (file, why) in [
        ("empty.eml", "empty.eml: empty, no message"),
        ("nobody.eml", "--reply nobody.eml: it names nobody to answer; --to does"),
    ] {
        let ran = run(here.path(), &["--reply", file], "Yes.\n");
        assert_eq!((ran.status, ran.err, ran.out.len()), (65, format!("mime-pack: {why}\n"), 0));
    }
    run(here.path(), &["--reply", "nobody.eml", "-t", "b@x.test"], "Yes.\n").done();
    let message = run(here.path(), &["--reply", "many.eml", "--all"], "Yes.\n").done();
    assert!(text(&message).contains(" u39999@x.test,"));
}

#[test]
fn a_message_is_passed_on_whole() {
    let here = files(&[("in.eml", ORIGINAL.as_bytes())]);
    let message = run(here.path(), &["-t", "bob@x.test", "--forward", "in.eml"], "See below.\n").done();
    assert_eq!(shape(&message), ["TEXT multipart/mixed -", "1 text/plain 7bit", "2 message/rfc822 7bit", "2.1 text/plain -"]);
    assert_eq!(text(&part(&message, "2")), ORIGINAL.strip_prefix("From m@x Sun\n").unwrap());
    assert_eq!(text(&run(here.path(), &["-H", "subject"], message.clone()).done()), "Fwd: Käse\n");
    assert_eq!(run(here.path(), &["-H", "references"], message).status, 1);
}

#[test]
fn a_header_that_is_answered_injects_nothing() {
    let evil = "From: =?utf-8?q?x=0ABcc:_evil@x.test?= <j@x.test>\nSubject: =?utf-8?q?a=0D=0ABcc:_evil@x.test?=\nMessage-ID: <1@x>\n\tx\n\nhi\n";
    let here = files(&[("in.eml", evil.as_bytes())]);
    let message = run(here.path(), &["--reply", "in.eml", "--all", "--quote"], "").done();
    assert!(!text(&message).split_once("\n\n").unwrap().0.lines().any(|line| line.starts_with("Bcc")), "{}", text(&message));
}
