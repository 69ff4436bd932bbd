//! Encoded words where they count, and nowhere else.

use super::*;

fn shown(message: &str, name: &str) -> String {
    String::from_utf8(run(Path::new("."), &["-H", name], message).out).unwrap()
}

const SPOOF: &str = "From: <=?utf-8?q?ceo=40bank=2Etest?=@evil.test>\nTo: =?utf-8?q?M=C3=BCller=2C_J?= <m@x.test>\n\
    Cc: =?utf-8?q?a=40b=2Etest=3E=2C?= <r@s.test>\nMessage-ID: <=?utf-8?q?x?=@y>\nSubject: =?utf-8?q?K=C3=A4se?=\n\nh\n";

#[test]
fn no_address_is_made_of_what_a_word_says() {
    for (name, value) in [
        ("From", "<=?utf-8?q?ceo=40bank=2Etest?=@evil.test>\n"),
        ("To", "\"Müller, J\" <m@x.test>\n"),
        ("Cc", "\"a@b.test>,\" <r@s.test>\n"),
        ("Message-ID", "<=?utf-8?q?x?=@y>\n"),
        ("Subject", "Käse\n"),
    ] {
        assert_eq!(shown(SPOOF, name), value);
    }
}

#[test]
fn a_reply_names_its_parent_as_it_is() {
    let here = files(&[
        ("in.eml", SPOOF.replace("<=?utf-8?q?ceo=40bank=2Etest?=@evil.test>", "e@x.test").as_bytes()),
        ("anonymous.eml", b"From: x@y.test\nReferences: <a@b> <c@d>\nSubject: x\n\nhi\n"),
    ]);
    let reply = |file| String::from_utf8(run(here.path(), &["--reply", file], "").done()).unwrap();
    assert_eq!(shown(&reply("in.eml"), "In-Reply-To"), "<=?utf-8?q?x?=@y>\n");
    assert_eq!(shown(&reply("anonymous.eml"), "References"), "<a@b> <c@d>\n");
    assert_eq!(shown(&reply("anonymous.eml"), "In-Reply-To"), "");
}

#[test]
fn a_field_that_may_have_none_gets_none() {
    for field in [
        "List-Unsubscribe: <mailto:é@x>",
        "List-Post: NO (é)",
        "DKIM-Signature: v=1; d=é",
        "Auto-Submitted: é",
        "List-ID: x <é.x.test>",
    ] {
        let ran = run(Path::new("."), &["--header", field], "x\n");
        assert_eq!((ran.status, ran.out.len()), (64, 0), "{field}: {}", ran.err);
    }
    let words = ["--header", "Keywords: é, b", "--header", "List-ID: Käse, alt <k.x.test>"];
    let message = String::from_utf8(run(Path::new("."), &words, "x\n").done()).unwrap();
    assert!(message.contains("\nKeywords: =?utf-8?b?w6k=?= , b\n"), "{message}");
    assert_eq!(shown(&message, "keywords"), "é , b\n");
    assert_eq!(shown(&message, "list-id"), "Käse , alt <k.x.test>\n");
}
