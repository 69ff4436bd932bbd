//! What the command line makes of a message before it goes: seen in the spool.

mod support;

use std::path::Path;
use support::process::{Ran, run, tool};
use support::stored::{in_spool, without};

/// What came of it, and the message as the spool has it, without the line that says how it came; none where nothing is there.
fn composed(options: &[&str], stdin: &[u8]) -> (Ran, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let fixed = ["--config", "/dev/null", "--enqueue", "--spool", spool.to_str().unwrap(), "-f", "a@x.test", "--ehlo", "x.test"];
    let ran = run(tool("smtp-send").args(fixed).args(options), stdin);
    (ran, stored(&spool))
}

fn stored(spool: &Path) -> Option<String> {
    // A message that is refused is refused before a spool is made.
    let message = spool.exists().then(|| in_spool(spool).pop()).flatten()?;
    Some(String::from_utf8(without("Received", &message).to_vec()).unwrap().replace("\r\n", "\n"))
}

fn recipients(ran: &Ran) -> Vec<String> {
    ran.out.lines().map(|row| row.split('\t').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn a_line_that_is_too_long_is_refused_with_its_number() {
    let long = "x".repeat(999);
    for (message, line) in [
        (format!("From a@b Sun\nSubject: x\n\nshort\n{long}\nshort\n"), 5),
        (format!("Subject: x\r\n\r\n{long}"), 3),
        (format!("From a@b Sun\nSubject: x\nX: y {long}\n\nshort\n"), 3),
    ] {
        let (ran, stored) = composed(&["b@y.test"], message.as_bytes());
        assert_eq!((ran.status, stored), (65, None), "{}", ran.err);
        assert!(ran.err.contains(&format!("line {line}: longer than 998 octets")), "{}", ran.err);
    }
    let just = format!("Subject: x\nBcc: {}\n\n{}\n", "c@z.test, ".repeat(200), "x".repeat(998));
    let (ran, stored) = composed(&["b@y.test"], just.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(stored.unwrap(), format!("Subject: x\n\n{}\n", "x".repeat(998)), "what does not leave may be long");
}

#[test]
fn long_lines_are_fixed_where_they_can_be() {
    let message = format!("Subject: {}\n\n{}\nend\n", "word ".repeat(300), "x".repeat(2000));
    let (ran, stored) = composed(&["--fix-lines", "b@y.test"], message.as_bytes());
    assert_eq!(ran.status, 0, "{}", ran.err);
    let stored = stored.unwrap();
    assert!(stored.lines().all(|line| line.len() <= 998), "{stored}");
    let (header, body) = stored.split_once("\n\n").unwrap();
    assert!(header.ends_with("\nMIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable"), "{header}");
    let subject = header.split("\nMIME").next().unwrap().replace('\n', "");
    assert_eq!(subject.trim_end(), format!("Subject: {}", "word ".repeat(300)).trim_end());
    assert_eq!(body.replace("=\n", ""), format!("{}\nend\n", "x".repeat(2000)));
    for (message, why) in [
        (
            format!("X: y\nSubject: {}\n\nx\n", "x".repeat(1000)),
            "line 2: longer than 998 octets and cannot be fixed: a header line of part 1",
        ),
        (
            format!("DKIM-Signature: v=1\n\n{}\n", "x".repeat(1000)),
            "line 3: longer than 998 octets and cannot be fixed: the message has a DKIM",
        ),
    ] {
        let (ran, stored) = composed(&["--fix-lines", "b@y.test"], message.as_bytes());
        assert_eq!((ran.status, stored), (65, None));
        assert!(ran.err.contains(why), "{}", ran.err);
    }
}

#[test]
fn a_header_in_no_known_character_set_is_refused() {
    let (ran, stored) = composed(&["b@y.test"], b"To: b@y.test\nSubject: k\xe4se\n\nx\n");
    assert_eq!((ran.status, stored), (65, None));
    assert!(ran.err.contains("line 2: the header field Subject has 8-bit octets that are no UTF-8"), "{}", ran.err);
    let (ran, stored) = composed(&["b@y.test"], b"no header, k\xc3\xa4se\n");
    assert_eq!((ran.status, stored.as_deref()), (0, Some("no header, k\u{e4}se\n")), "{}", ran.err);
}

#[test]
fn fields_compose_with_recipients_of_the_header() {
    let message = b"To: old@y.test\nSubject: x\nBcc : b@z.test,\n\tc@z.test\n\nbody\n";
    let (ran, stored) = composed(&["-t", "--header", "to: new@y.test", "--header", "Resent-Bcc:", "d@z.test"], message);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert_eq!(recipients(&ran), ["d@z.test"], "a Resent- block without recipients has none");
    assert_eq!(stored.unwrap(), "to: new@y.test\nSubject: x\n\nbody\n");
    let (ran, _) = composed(&["-t", "--header", "To: new@y.test, n2@y.test", "d@z.test"], message);
    assert_eq!(recipients(&ran), ["d@z.test", "new@y.test", "n2@y.test", "b@z.test", "c@z.test"]);
    let (ran, stored) = composed(&["-t", "--keep-bcc", "--header", "Bcc: e@z.test"], message);
    assert_eq!(recipients(&ran), ["old@y.test", "e@z.test"]);
    assert!(stored.unwrap().contains("Bcc: e@z.test\n"));
    let (ran, stored) = composed(&["-t", "--header", "To:", "--header", "Bcc:"], message);
    assert_eq!((ran.status, stored), (64, None), "no recipient");
}

#[test]
fn a_sample_is_a_whole_message_and_takes_no_stdin() {
    let (ran, stored) = composed(&["--sample", "b@y.test", "J\u{f6}@b\u{fc}cher.test"], b"");
    assert_eq!(ran.status, 0, "{}", ran.err);
    let stored = stored.unwrap();
    for field in ["From: a@x.test\n", "Date: ", "Message-ID: <", "To: b@y.test, J\u{f6}@xn--bcher-kva.test\n", "Subject: test 2"]
    {
        assert!(stored.contains(field), "{field}: {stored}");
    }
    assert!(stored.split_once("\n\n").unwrap().1.starts_with("This is a test message"));
    let (ran, stored) = composed(&["--sample", "-t", "--header", "Subject: probe", "--header", "To: b@y.test"], b"ignored");
    assert_eq!((ran.status, recipients(&ran)), (0, vec!["b@y.test".to_owned()]), "{}", ran.err);
    assert!(stored.unwrap().starts_with("Subject: probe\nTo: b@y.test\nFrom: a@x.test\n"));
}

#[test]
fn missing_fields_are_added_when_asked_for() {
    let (ran, stored) = composed(&["--add-headers", "b@y.test"], b"disk full\nreally\n");
    assert_eq!(ran.status, 0, "{}", ran.err);
    let stored = stored.unwrap();
    assert!(stored.starts_with("From: a@x.test\nDate: ") && stored.ends_with("\n\ndisk full\nreally\n"), "{stored}");
    let (_, stored) = composed(&["b@y.test"], b"Subject: x\n\ny\n");
    assert_eq!(stored.unwrap(), "Subject: x\n\ny\n", "and only then");
}
