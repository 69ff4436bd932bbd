//! smtp-send looks at a Postfix, tries it without sending, and is led by hand through a session with STARTTLS.

use super::letters::wait_for_files;
use super::peers::open_dir;
use super::postfix::Postfix;
use crate::support::certs::authority;
use crate::support::process::{run, tool};
use serde_json::Value;
use std::path::PathBuf;
use tempfile::TempDir;

/// With a certificate for its address, and relaying for nobody.
struct Host {
    dir: TempDir,
    ca: PathBuf,
    postfix: Postfix,
}

impl Host {
    fn start() -> Host {
        let dir = open_dir();
        let authority = authority();
        let ca = authority.certificate_file(dir.path(), "ca");
        let files = authority.issue(&["127.0.0.1", "postfix.test"], 10).files(dir.path(), "host");
        let postfix = Postfix::host(&format!(
            "smtpd_tls_security_level = may\n\
             smtpd_tls_cert_file = {}\n\
             smtpd_tls_key_file = {}\n\
             smtpd_relay_restrictions = reject_unauth_destination\n",
            files.certificate.display(),
            files.key.display()
        ));
        Host { dir, ca, postfix }
    }

    fn send(&self, words: &[&str], stdin: &str) -> crate::support::process::Ran {
        let mut command = tool("smtp-send");
        command.args(["--ehlo", "client.test", "-s", &self.postfix.address.to_string(), "--tls-ca"]).arg(&self.ca);
        run(command.args(words), stdin.as_bytes())
    }
}

#[test]
fn postfix_is_told_of() {
    let host = Host::start();
    let ran = host.send(&["--serverinfo", "--json", "--tls", "require"], "");
    assert_eq!(ran.status, 0, "{}{}", ran.err, host.postfix.log());
    let told: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(told["banner"], "220 postfix.test ESMTP Postfix");
    assert_eq!((&told["tls"]["verified"], &told["tls"]["version"]), (&true.into(), &"TLSv1.3".into()));
    let offered: Vec<&str> = told["extensions"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for extension in ["PIPELINING", "SIZE 10240000", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"] {
        assert!(offered.contains(&extension), "{offered:?}");
    }
    let words = host.send(&["--serverinfo"], "").out;
    assert!(words.contains("takes messages of up to 10.2 MB") && !words.contains("not known here"), "{words}");
}

#[test]
fn postfix_is_asked_for_recipients_and_gets_no_message() {
    let host = Host::start();
    let words = ["--quit-after", "rcpt", "-f", "alice@crepes.test", "bob@hamburger.test", "eve@elsewhere.test"];
    let ran = host.send(&words, "");
    assert_eq!(ran.status, 1, "{}{}", ran.out, ran.err);
    let mut rows = ran.out.lines();
    assert_eq!(rows.next(), Some("accepted\tbob@hamburger.test\t250\t2.1.5\tOk"));
    assert!(rows.next().is_some_and(|row| row.starts_with("refused\teve@elsewhere.test\t554\t5.7.1\t")), "{}", ran.out);
    let data = host.send(&["--quit-after", "data", "-f", "alice@crepes.test", "bob@hamburger.test"], "Subject: never\n\nx\n");
    assert_eq!(data.status, 0, "{}", data.out);
    assert!(data.out.starts_with("accepted\tbob@hamburger.test\t354\t"), "{}", data.out);
    assert!(host.postfix.delivered().is_empty() && !host.postfix.log().contains("message-id"), "{}", host.postfix.log());
}

#[test]
fn a_message_typed_by_hand_with_starttls_arrives() {
    let host = Host::start();
    let file = host.dir.path().join("second.eml");
    std::fs::write(&file, "Subject: second\n\n.\n").unwrap();
    let lines = format!(
        "EHLO client.test\nSTARTTLS\nEHLO client.test\nMAIL FROM:<alice@crepes.test>\nRCPT TO:<bob@hamburger.test>\nDATA\n\
         Subject: first\n\nby hand\n.\nMAIL FROM:<alice@crepes.test>\nRCPT TO:<bob@hamburger.test>\n:send {}\nQUIT\n",
        file.display()
    );
    let ran = host.send(&["--interactive", "--tls", "require"], &lines);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("=== Verified TLS connection established") && ran.out.contains(" <~ 221 2.0.0 Bye\n"),
        "{}",
        ran.out
    );
    wait_for_files(&host.postfix.maildir().join("new"), 2);
    let arrived: Vec<String> =
        host.postfix.delivered().iter().map(|message| String::from_utf8_lossy(message).into_owned()).collect();
    assert!(arrived.iter().any(|message| message.ends_with("Subject: first\n\nby hand\n")), "{arrived:?}");
    assert!(arrived.iter().any(|message| message.ends_with("Subject: second\n\n.\n")), "{arrived:?}");
}
