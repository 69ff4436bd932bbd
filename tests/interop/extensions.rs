//! SMTP extensions with Postfix: CHUNKING, 8BITMIME and what takes its place, SMTPUTF8, DSN.

use super::letters::{assert_same, letters, lf, wait_for_files};
use super::peers::run;
use super::postfix::Postfix;
use super::relaying::{mailq_run, route_to, smtp_send};
use crate::support::process::tool;
use crate::support::stored::{in_maildir, in_spool};
use std::process::Command;

const EIGHT_BIT: &str = "From: <alice@crepes.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
    Content-Transfer-Encoding: 8bit\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    viele gr\u{fc}\u{df}e\r\n--b\r\nContent-Type: application/x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\u{4f60}\u{597d}\r\n--b--\r\n";

/// To this Postfix, in clear, with the session on stderr.
fn sent<'a>(command: &'a mut Command, postfix: &Postfix) -> &'a mut Command {
    command.args(["-v", "--tls", "never", "-s", &postfix.address.to_string()])
}

fn session(command: &mut Command) -> String {
    String::from_utf8(run(command).stderr).unwrap()
}

#[test]
fn postfix_takes_chunks_and_data_alike() {
    for (settings, verb) in [("", " -> BDAT "), ("smtpd_discard_ehlo_keywords = chunking\n", " -> DATA")] {
        let postfix = Postfix::host(settings);
        for letter in letters() {
            let said = session(sent(&mut smtp_send(&letter), &postfix));
            assert!(said.contains(verb), "{said}");
        }
        wait_for_files(&postfix.maildir().join("new"), letters().len());
        assert_same(postfix.delivered(), letters().iter().map(|letter| lf(letter)).collect());
    }
}

/// What smtp-send and mailq-run make of 8-bit content, and what is read of it.
#[test]
fn postfix_without_8bitmime_gets_it_re_encoded() {
    let postfix = Postfix::host("smtpd_discard_ehlo_keywords = 8bitmime, smtputf8\n");
    let said = session(sent(&mut smtp_send(EIGHT_BIT.as_bytes()), &postfix));
    assert!(
        said.contains("re-encoded: part TEXT: 7bit, part 1: quoted-printable, part 2: base64") && !said.contains("BODY="),
        "{said}"
    );
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    run(smtp_send(EIGHT_BIT.as_bytes()).args(["--enqueue", "--spool"]).arg(&spool));
    run(&mut mailq_run(&route_to(postfix.address, &spool, dir.path()), &[]));
    assert!(in_spool(&spool).is_empty(), "{}", postfix.log());
    wait_for_files(&postfix.maildir().join("new"), 2);
    for message in in_maildir(&postfix.maildir()) {
        assert!(message.is_ascii());
        for (part, content) in [("1", "viele gr\u{fc}\u{df}e"), ("2", "\u{4f60}\u{597d}")] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            std::io::Write::write_all(&mut file, &message).unwrap();
            let read = run(tool("mime-pack").args(["-O", part]).stdin(file.reopen().unwrap()));
            assert_eq!(String::from_utf8(read.stdout).unwrap(), content);
        }
    }
}

#[test]
fn postfix_with_smtputf8_takes_addresses_beyond_ascii() {
    let letter = "From: <j\u{fc}rgen@crepes.test>\r\nSubject: gr\u{fc}\u{df}e\r\n\r\nhello\r\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("letter");
    std::fs::write(&file, letter).unwrap();
    let to_postfix = |postfix: &Postfix| {
        let mut command = tool("smtp-send");
        command.stdin(std::fs::File::open(&file).unwrap());
        command.args(["-f", "j\u{fc}rgen@b\u{fc}cher.test", "j\u{f6}rg@hamburger.test"]);
        sent(&mut command, postfix);
        command
    };
    let postfix = Postfix::host("smtputf8_enable = yes\n");
    let said = session(&mut to_postfix(&postfix));
    assert!(said.contains("MAIL FROM:<j\u{fc}rgen@xn--bcher-kva.test>") && said.contains(" SMTPUTF8"), "{said}");
    wait_for_files(&postfix.maildir().join("new"), 1);
    assert_eq!(String::from_utf8(postfix.delivered().remove(0)).unwrap(), letter.replace("\r\n", "\n"));

    let without = Postfix::host("smtputf8_enable = no\n");
    let refused = to_postfix(&without).output().unwrap();
    assert_eq!(refused.status.code(), Some(69), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(String::from_utf8(refused.stdout).unwrap().contains("\t5.6.7\t"));
}

/// Postfix reports the delivery to the sender, who is in the same Maildir, with what was said of it.
#[test]
fn postfix_reports_what_it_was_asked_to() {
    let postfix = Postfix::host("");
    let mut command = tool("smtp-send");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter"), "Subject: x\r\n\r\nbody\r\n").unwrap();
    command.stdin(std::fs::File::open(dir.path().join("letter")).unwrap());
    command.args([
        "-f",
        "alice@hamburger.test",
        "--notify",
        "success",
        "--ret",
        "hdrs",
        "--envid",
        "run 7+8",
        "bob+tag=1@hamburger.test",
    ]);
    run(sent(&mut command, &postfix));
    wait_for_files(&postfix.maildir().join("new"), 2);
    let both = in_maildir(&postfix.maildir());
    let report =
        both.iter().map(|message| String::from_utf8_lossy(message)).find(|text| text.contains("message/delivery-status"));
    let report = report.unwrap_or_else(|| panic!("no report: {}", postfix.log()));
    for field in [
        "Original-Envelope-Id: run 7+8",
        "Original-Recipient: rfc822;bob+tag=1@hamburger.test",
        "Action: delivered",
        "text/rfc822-headers",
    ] {
        assert!(report.contains(field), "{field}: {report}");
    }
}

/// The report that Alice gets on a message to Bob which went by the spool, both of them in the Maildir of a Postfix with these settings.
fn report_by_way_of_the_spool(settings: &str) -> String {
    let postfix = Postfix::host(settings);
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    std::fs::write(dir.path().join("letter"), "Subject: x\r\n\r\nbody\r\n").unwrap();
    let mut command = tool("smtp-send");
    command.stdin(std::fs::File::open(dir.path().join("letter")).unwrap());
    let words = ["-f", "alice@hamburger.test", "--notify", "success", "--envid", "run 7+8", "bob+tag=1@hamburger.test"];
    run(command.args(words).args(["--enqueue", "--spool"]).arg(&spool));
    run(&mut mailq_run(&route_to(postfix.address, &spool, dir.path()), &[]));
    assert!(in_spool(&spool).is_empty(), "{}", postfix.log());
    wait_for_files(&postfix.maildir().join("new"), 2);
    let both = in_maildir(&postfix.maildir());
    let report = both.iter().map(|message| String::from_utf8_lossy(message).into_owned());
    report.filter(|text| text.contains("message/delivery-status")).collect()
}

#[test]
fn wishes_go_by_the_spool_and_one_of_two_reports() {
    for (settings, by, action) in [
        ("", "Original-Recipient: rfc822;bob+tag=1@hamburger.test", "Action: delivered"),
        ("smtpd_discard_ehlo_keywords = dsn\n", "Original-Recipient: rfc822; bob+tag=1@hamburger.test", "Action: relayed"),
    ] {
        let report = report_by_way_of_the_spool(settings);
        for field in ["Original-Envelope-Id: run 7+8", by, action] {
            assert!(report.contains(field), "{field}: {report}");
        }
        assert_eq!(report.matches("Final-Recipient:").count(), 1, "one of the two tells: {report}");
    }
}
