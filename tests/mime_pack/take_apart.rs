//! Taking apart: listings beside their messages, fields, parts.

use super::*;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mime_pack")
}

/// Each `NAME.eml` lists as `NAME.jsonl`, with LF; with CRLF all but sizes is the same.
#[test]
fn messages_list_as_written_down() {
    let mut seen = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        seen += 1;
        let message = std::fs::read(&path).unwrap();
        let wanted = std::fs::read_to_string(path.with_extension("jsonl")).unwrap();
        let found = String::from_utf8(run(&folder(), &["--list", "--json"], message.clone()).done()).unwrap();
        assert_eq!(found, wanted, "{}", path.display());

        let without_sizes = |mut parts: Vec<Value>| {
            for part in parts.iter_mut().filter_map(Value::as_object_mut) {
                part.remove("size");
                part.remove("sha256");
            }
            parts
        };
        assert_eq!(without_sizes(listed(&crlf(&message))), without_sizes(listed(&message)), "{} with CRLF", path.display());
    }
    assert!(seen >= 4);
}

#[test]
fn a_listing_for_people_has_the_same_facts_and_drives_no_terminal() {
    let message = std::fs::read(folder().join("names.eml")).unwrap();
    let listing = String::from_utf8(run(&folder(), &["--list"], message).done()).unwrap();
    let rows: Vec<Vec<&str>> = listing.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(rows[0], ["TEXT", "multipart/mixed", "-", "-", "-", "-", "-", "-"]);
    assert_eq!(rows[1], ["1", "text/plain", "0", "Käse.txt", "-", "-", "attachment", "-"]);
    assert_eq!(rows[7][3], "x\\x1b[2J\\r\\n\\u{202e}\\x00.txt");
    assert!(rows.iter().all(|row| row.len() == 8));
    let damaged = std::fs::read(folder().join("unterminated.eml")).unwrap();
    let listing = String::from_utf8(run(&folder(), &["--list"], damaged).done()).unwrap();
    assert!(listing.lines().all(|row| row.ends_with("unterminated") != row.starts_with("2\t")), "{listing}");
}

#[test]
fn a_field_is_printed_decoded() {
    let message = "From a@b\nSubject : =?utf-8?q?K=C3=A4se?=\n =?utf-8?q?_gut?=\nReceived: one\nReceived: two\n\three\nX-Evil: =?utf-8?q?a=0Ab?=\n\nSubject: no\n";
    for message in [message.as_bytes().to_vec(), crlf(message.as_bytes())] {
        let field = |name: &str| {
            let ran = run(&folder(), &["-H", name], message.clone());
            (ran.status, String::from_utf8(ran.out).unwrap(), ran.err)
        };
        assert_eq!(field("SUBJECT"), (0, "Käse gut\n".to_owned(), String::new()));
        assert_eq!(field("received"), (0, "one\ntwo\three\n".to_owned(), String::new()));
        assert_eq!(field("x-evil"), (0, "a b\n".to_owned(), String::new()));
        assert_eq!(field("x-absent"), (1, String::new(), String::new()));
        assert_eq!(field("x absent").0, 64);
    }
}

#[test]
fn a_part_is_written_decoded_by_its_number_or_its_name() {
    let message = std::fs::read(folder().join("encodings.eml")).unwrap();
    assert_eq!(part(&message, "1"), b"abcd");
    assert_eq!(part(&message, "4"), b"blanks at an end\na soft break joined= 1=1");
    assert_eq!(part(&message, "7"), b"\xc3\xa4\xff");
    let boundaries = std::fs::read(folder().join("boundaries.eml")).unwrap();
    assert_eq!(part(&boundaries, "3.1"), b"Subject: one\n\nfirst");
    assert_eq!(part(&boundaries, "3.1.1"), b"first");
    assert_eq!(part(&boundaries, "3.2.text"), b"--alt\nContent-Type: text/html\n\n<p>\n--alt--");
    let names = std::fs::read(folder().join("names.eml")).unwrap();
    assert_eq!(part(&names, "my holiday.txt"), b"");
    let ran = run(&folder(), &["-O", "9.9"], names);
    assert_eq!((ran.status, ran.err.as_str()), (66, "mime-pack: 9.9: no such part\n"));
}

#[test]
fn nothing_on_stdin_is_no_message() {
    for words in [&["--list"] as &[&str], &["-H", "Subject"], &["-O", "1"]] {
        let ran = run(&folder(), words, "");
        assert_eq!((ran.status, ran.err.as_str()), (65, "mime-pack: stdin: empty, no message\n"));
    }
    let version = String::from_utf8(run(&folder(), &["--version"], "").done()).unwrap();
    assert_eq!(version, format!("mime-pack {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_field_is_found_however_late_it_comes() {
    let fields = format!("X: {}\n", "a".repeat(100)).repeat(20_000);
    let late = format!("{fields}Subject :\n =?utf-8?q?K=C3=A4se?=\nsubject: again\n\nSubject: body\n");
    assert_eq!(run(&folder(), &["-H", "Subject"], late.clone()).done(), "Käse\nagain\n".as_bytes());
    assert_eq!(run(&folder(), &["-H", "Subject"], crlf(late.as_bytes())).done(), "Käse\nagain\n".as_bytes());
    let mbox = format!("From a@b Sun\n{late}\nFrom a@b Sun\nSubject: next\n\nx\n");
    assert_eq!(run(&folder(), &["-H", "Subject", "--mbox"], mbox).done(), "Käse\nagain\nnext\n".as_bytes());
    let ran = run(&folder(), &["-H", "Subject"], format!("{fields}\nSubject: body\n"));
    assert_eq!((ran.status, ran.out.len(), ran.err.as_str()), (1, 0, ""));

    // All other jobs go by what stands whole before the limit, and say so; nothing is said to be missing that may come later.
    let before = format!("Content-Type: text/html\n{fields}{}\n", "Content-Disposition: x\n");
    assert_eq!(run(&folder(), &["--list"], before).done(), b"1\ttext/html\t0\t-\t-\t-\t-\theader-too-long\n");
    let ran = run(&folder(), &["--check"], format!("{fields}From: a@b.test\n\n"));
    let told = "0\t1\t-\tthe header is longer than 1 MiB; the rest was not looked at\n";
    assert_eq!((ran.status, String::from_utf8(ran.out).unwrap().as_str()), (65, told));
    let half = format!("From: \"{}\" <a@b.test>\n\n", "a".repeat(1 << 21));
    let ran = run(&folder(), &["--check"], half);
    assert!(!String::from_utf8(ran.out).unwrap().contains("from:"), "a field that was cut is not judged");

    let here = files(&[("m.eml", late.as_bytes())]);
    let ran = run(here.path(), &["--reply", "m.eml"], "Hi\n");
    assert_eq!((ran.status, ran.err.as_str()), (65, "mime-pack: m.eml: the header is over 1 MiB long\n"));
}

#[test]
fn a_field_without_end_is_printed_as_far_as_memory_is_bounded() {
    let ran = run(&folder(), &["-H", "subject"], format!("Subject: {}\nSubject: b\n\n", "ä".repeat(1 << 20)));
    let text = String::from_utf8(ran.out).unwrap();
    assert_eq!((ran.status, text.trim_start_matches('ä')), (65, "\nb\n"));
    assert!(text.len() > 1_000_000);
    assert_eq!(ran.err, "mime-pack: subject is over 1 MiB long; only its beginning was printed\n");
}

/// RFC 5322 section 3.2.2: between any two tokens.
#[test]
fn comments_hide_no_part() {
    for media in [
        "multipart/mixed; boundary (d)=x",
        "multipart (c)/ mixed; boundary=x",
        "(a) multipart/(b)mixed (c); (d) boundary = (e) x",
    ] {
        let message = format!("Content-Type: {media}\n\n--x\nContent-Transfer-Encoding: (c) base64 (d)\n\nYWJjZA==\n--x--\n");
        assert_eq!(shape(message.as_bytes()), ["TEXT multipart/mixed -", "1 text/plain base64"], "{media}");
        assert_eq!(part(message.as_bytes(), "1"), b"abcd", "{media}");
    }
}
