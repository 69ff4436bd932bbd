//! The text of messages, raw parts, and header fields changed.

use super::*;

fn text_of(message: &[u8]) -> String {
    String::from_utf8(run(Path::new("."), &["--text"], message).done()).unwrap()
}

#[test]
fn the_text_is_plain_utf_8_whatever_it_came_as() {
    for (message, text) in [
        (&b"Subject: a\n\nplain\n"[..], "plain\n"),
        (b"Content-Type: text/plain; charset=koi8-r\n\n\xc4\xc1\n", "да\n"),
        (b"Content-Type: text/plain; charset=iso-2022-jp\nContent-Transfer-Encoding: base64\n\nGyRCJUYlOSVIGyhC\n", "テスト\n"),
        (b"Content-Type: text/plain\n\nK\xe4se\n", "Käse\n"),
        (b"Content-Type: text/plain; charset=x-unheard-of\n\nK\xe4se\n", "Käse\n"),
        (b"Content-Type: text/plain; charset=utf-16be\nContent-Transfer-Encoding: base64\n\nAGEADQAKAGI=\n", "a\nb\n"),
        (b"Content-Type: text/plain; format=flowed\n\n> one \n> two\n\n From me \nto you\n", "> one two\n\nFrom me to you\n"),
        (b"Content-Type: text/plain; format=Flowed; delsp=yes\nContent-Transfer-Encoding: 8bit\n\n\xe6\x97\xa5 \n\xe6\x9c\xac\n", "日本\n"),
        (b"Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n<p>K=E4se &amp; <b>Brot</b><br>so\n", "Käse & Brot\nso\n"),
    ] {
        assert_eq!(text_of(message), text, "{:?}", String::from_utf8_lossy(message));
        if !text_of(message).is_empty() && message.is_ascii() {
            assert_eq!(text_of(&crlf(message)), text);
        }
    }
}

#[test]
fn of_several_forms_the_plain_one_is_read_and_no_attachment() {
    let part = |head: &str, text: &str| format!("--b\n{head}\n\n{text}\n");
    let alternative = |parts: &str| format!("Content-Type: multipart/alternative; boundary=b\n\n{parts}--b--\n");
    let (plain, html) = (part("Content-Type: text/plain", "plain"), part("Content-Type: text/html", "<p>html"));
    assert_eq!(text_of(alternative(&(plain.clone() + &html)).as_bytes()), "plain\n");
    assert_eq!(text_of(alternative(&(html.clone() + &plain)).as_bytes()), "plain\n");
    assert_eq!(text_of(alternative(&html).as_bytes()), "html\n");
    let mixed = |parts: &str| format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n");
    let attached = part("Content-Type: text/plain\nContent-Disposition: attachment", "attached");
    assert_eq!(
        text_of(mixed(&(attached.clone() + &html + &plain)).as_bytes()),
        "html\n",
        "a footer is no other form of the text"
    );
    let within = part("Content-Type: message/rfc822", "Subject: x\n\nwithin");
    assert_eq!(text_of(mixed(&(within.clone() + &plain)).as_bytes()), "plain\n");
    assert_eq!(text_of(mixed(&within).as_bytes()), "within\n");
    // The last line is ended, so that the next text begins its own.
    let mbox = format!("From a@b Sun\n{0}\nFrom a@b Sun\n{0}", mixed(&plain));
    assert_eq!(run(Path::new("."), &["--text", "--mbox"], mbox).done(), b"plain\nplain\n");
    let ran = run(Path::new("."), &["--text"], mixed(&attached));
    assert_eq!((ran.status, ran.err.as_str()), (66, "mime-pack: the message has no text\n"));
}

#[test]
fn a_signed_part_is_raw_byte_for_byte() {
    let signed = "Content-Type: text/plain\r\nX-Odd :  a\r\n\r\nblank at end \r\n=46\r\n";
    let message = format!(
        "Content-Type: multipart/signed; boundary=b\n\n--b\n{signed}\r\n--b\nContent-Type: message/rfc822\n\nSubject: in\n\nx\n--b--\n"
    );
    let raw = |selector: &str| run(Path::new("."), &["-O", selector, "--raw"], message.clone()).done();
    assert_eq!(raw("1"), signed.as_bytes());
    assert_eq!(raw("2"), b"Content-Type: message/rfc822\n\nSubject: in\n\nx");
    assert_eq!(raw("2.1"), b"Subject: in\n\nx");
    assert_eq!(raw("text"), message.as_bytes());
    assert_eq!(run(Path::new("."), &["-O", "1", "--raw"], "A: b\n\nbody").done(), b"A: b\n\nbody");
    assert_eq!(part(message.as_bytes(), "1"), b"blank at end \r\n=46\r\n");
}

#[test]
fn fields_change_and_every_other_byte_stays() {
    let body = "\r\n--b \r\nFrom x\n\0\u{1b}\r\rend";
    let message = format!("Received: a\n\tb\r\nSubject: old\r\nX-Spam: 1\r\n{body}");
    let edited = |words: &[&str]| String::from_utf8(run(Path::new("."), words, message.clone()).done()).unwrap();
    assert_eq!(
        edited(&["--set", "Subject: Käse", "--remove", "x-spam"]),
        format!("Received: a\n\tb\r\nSubject: =?utf-8?q?K=C3=A4se?=\n{body}")
    );
    assert_eq!(edited(&["--add", "To: bob@x.test"]), message.replace("X-Spam: 1\r\n", "X-Spam: 1\r\nTo: bob@x.test\n"));
    for words in [
        &["--set", "a b: c"] as &[&str],
        &["--add", "A: b\nBcc: x"],
        &["--remove", "a:"],
        &["--set", "To: b@"],
        &["--set", "x", "-s", "y"],
        &["--set", "Content-Type: text/plain; name=ä"],
    ] {
        let ran = run(Path::new("."), words, message.clone());
        assert_eq!((ran.status, ran.out.len()), (64, 0), "{words:?}: {}", ran.err);
    }
    let ran = run(Path::new("."), &["--remove", "a"], "");
    assert_eq!((ran.status, ran.err.as_str()), (65, "mime-pack: stdin: empty, no message\n"));
}

#[test]
fn strict_makes_damage_an_error_after_all_is_written() {
    let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n";
    for (words, out) in
        [(&["--list", "--strict"] as &[&str], "TEXT\t"), (&["-O", "1", "--strict"], "x"), (&["--text", "--strict"], "x")]
    {
        let ran = run(Path::new("."), words, message);
        assert_eq!(ran.status, 65, "{words:?}");
        assert!(String::from_utf8(ran.out).unwrap().starts_with(out));
        assert!(ran.err.starts_with("mime-pack: part ") && ran.err.ends_with(": unterminated\n"), "{}", ran.err);
    }
    let ran = run(Path::new("."), &["-H", "content-type", "--strict"], message);
    assert_eq!((ran.status, ran.out.as_slice()), (65, b"multipart/mixed; boundary=b\n" as &[u8]), "{}", ran.err);
    run(Path::new("."), &["--list", "--strict"], "Subject: a\n\nx").done();
}
