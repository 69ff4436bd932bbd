//! Parts come out whole: nested messages made at random, always the same ones, and each part by both ways out.

use super::mutated::Chance;
use super::*;
use sha2::{Digest, Sha256};

/// A part with what is in it, down to `depth`: header, blank line, content.
fn nested(chance: &mut Chance, depth: usize, boundaries: &mut u32) -> String {
    match chance.below(if depth == 0 { 3 } else { 7 }) {
        0 => "Subject: a\n\ntext\n\nmore\n".to_owned(),
        1 => "Content-Type: image/png\nContent-Transfer-Encoding: base64\n\nAAEC\n/w==\n".to_owned(),
        2 => "Subject: none\n\n".to_owned(),
        3 | 4 => format!("Content-Type: message/rfc822\n\n{}", nested(chance, depth - 1, boundaries)),
        kind => {
            *boundaries += 1;
            let (boundary, is_digest) = (*boundaries, kind == 5);
            let media = if is_digest { "digest" } else { "mixed" };
            let mut text = format!("Content-Type: multipart/{media}; boundary=b{boundary}e\n\n");
            for _ in 0..=chance.below(3) {
                let blank_line = if is_digest { "\n" } else { "" };
                text += &format!("--b{boundary}e\n{blank_line}{}\n", nested(chance, depth - 1, boundaries));
            }
            text + &format!("--b{boundary}e--\n")
        }
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_part_comes_out_as_it_was_listed() {
    let mut chance = Chance(7);
    let mut messages = 0;
    for turn in 0..40 {
        let text = nested(&mut chance, 4, &mut 0).into_bytes();
        let message = if turn % 2 == 0 { text } else { crlf(&text) };
        for row in listed(&message) {
            let section = row["part"].as_str().unwrap();
            let shown = String::from_utf8_lossy(&message);
            let Some(wanted) = row["sha256"].as_str() else {
                let (raw, content) =
                    (run(Path::new("."), &["--raw", "-O", section], message.clone()).done(), part(&message, section));
                let blank_line = if turn % 2 == 0 { "\n\n" } else { "\r\n\r\n" };
                let header = raw.windows(blank_line.len()).position(|at| at == blank_line.as_bytes()).unwrap();
                assert_eq!(content.escape_ascii().to_string(), raw[header + blank_line.len()..].escape_ascii().to_string());
                continue;
            };
            messages += usize::from(row["type"] == "message/rfc822");
            assert_eq!(sha256(&part(&message, section)), wanted, "-O {section} of\n{shown}");
            let directory = TempDir::new().unwrap();
            run(directory.path(), &["-x", section], message.clone()).done();
            let file = std::fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
            assert_eq!(sha256(&std::fs::read(file).unwrap()), wanted, "-x {section} of\n{shown}");
        }
    }
    assert!(messages > 20, "{messages}");
}

#[test]
fn a_message_in_a_message_or_a_digest_keeps_its_blank_lines() {
    let digest = b"Content-Type: multipart/digest; boundary=z\n\n--z\n\nSubject: a\n\nx\n--z\n\nSubject: b\n\ny\n--z--\n";
    assert_eq!(part(digest, "TEXT"), digest[b"Content-Type: multipart/digest; boundary=z\n\n".len()..]);
    let twice = b"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nSubject: in\n\nbody\n";
    assert_eq!(part(twice, "1"), twice[b"Content-Type: message/rfc822\n\n".len()..]);
}
