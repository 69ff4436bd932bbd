//! Clients that others wrote send to smtp-listen, and smtp-send to a server that others wrote.

use super::letters::{assert_same, letters, lf, wait_for_files};
use super::peers::{listen, program, run};
use super::postfix::Sink;
use super::relaying::smtp_send;
use crate::support::certs::authority;
use crate::support::process::Listener;
use crate::support::stored::{in_spool, without};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// smtp-listen with a certificate for its address.
struct Host {
    dir: TempDir,
    ca: PathBuf,
    listening: Listener,
}

impl Host {
    fn start() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let authority = authority();
        let ca = authority.certificate_file(dir.path(), "ca");
        let files = authority.issue(&["127.0.0.1"], 10).files(dir.path(), "host");
        let mut arguments = ["--hostname", "mx.test", "--domain", "hamburger.test", "--spool"].map(String::from).to_vec();
        arguments.push(dir.path().join("spool").display().to_string());
        arguments.extend(["--tls-cert".into(), files.certificate.display().to_string()]);
        arguments.extend(["--tls-key".into(), files.key.display().to_string()]);
        let listening = listen(&arguments, dir.path());
        Host { dir, ca, listening }
    }

    fn port(&self) -> String {
        self.listening.address.port().to_string()
    }

    /// Every letter as a file.
    fn files(&self, letters: &[Vec<u8>]) -> Vec<PathBuf> {
        let path = |n: usize| self.dir.path().join(format!("letter-{n}"));
        letters.iter().enumerate().map(|(n, letter)| std::fs::write(path(n), letter).map(|()| path(n)).unwrap()).collect()
    }

    /// Ends it and compares what it has with these, which came by this protocol.
    fn has(self, sent: Vec<Vec<u8>>, protocol: &str) {
        assert_eq!(self.listening.stop().status.code(), Some(0));
        let stored = in_spool(&self.dir.path().join("spool"));
        for message in &stored {
            assert!(String::from_utf8_lossy(message).contains(protocol), "no {protocol}: {}", String::from_utf8_lossy(message));
        }
        assert_same(stored.iter().map(|message| without("Received", message).to_vec()).collect(), sent);
    }
}

#[test]
fn swaks_sends_to_smtp_listen() {
    let host = Host::start();
    // swaks takes a dot on the last line for the end of data, makes a body where there is none, and writes a line end below all.
    let is_odd = |letter: &Vec<u8>| letter.ends_with(b"\r\n.\r\n") || letter.ends_with(b"no body\r\n\r\n");
    let letters: Vec<Vec<u8>> = letters().into_iter().filter(|letter| !is_odd(letter)).collect();
    let without_end: Vec<Vec<u8>> = letters.iter().map(|letter| letter[..letter.len() - 2].to_vec()).collect();
    for file in host.files(&without_end) {
        let mut swaks = program("/usr/bin/swaks", "swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &host.port(), "--helo", "client.test", "--from", "alice@crepes.test"]);
        run(swaks.args(["--to", "bob@hamburger.test", "--data"]).arg(format!("@{}", file.display())));
    }
    host.has(letters, "with ESMTP\r\n");
}

/// In clear or, with these options, otherwise.
fn curl(host: &Host, file: &Path, options: &[&str]) {
    let mut curl = program("/usr/bin/curl", "curl");
    curl.args(["--silent", "--show-error", "--mail-from", "alice@crepes.test", "--mail-rcpt", "bob@hamburger.test"]);
    curl.arg("--upload-file").arg(file).args(options);
    run(curl.arg(format!("smtp://127.0.0.1:{}/client.test", host.port())));
}

#[test]
fn curl_sends_to_smtp_listen() {
    let host = Host::start();
    for file in host.files(&letters()) {
        curl(&host, &file, &[]);
    }
    host.has(letters(), "with ESMTP\r\n");
}

#[test]
fn curl_sends_to_smtp_listen_over_tls() {
    let host = Host::start();
    for file in host.files(&letters()) {
        curl(&host, &file, &["--ssl-reqd", "--cacert", host.ca.to_str().unwrap()]);
    }
    host.has(letters(), "with ESMTPS");
}

#[test]
fn smtp_send_sends_to_smtp_sink() {
    let sink = Sink::start();
    for letter in letters() {
        let sent = run(smtp_send(&letter).args(["-s", &sink.address.to_string()]));
        assert_eq!(String::from_utf8(sent.stdout).unwrap(), "accepted\tbob@hamburger.test\t250\t2.0.0\tOk\n");
    }
    wait_for_files(&sink.dump(), letters().len());
    assert_same(sink.taken(), letters().iter().map(|letter| lf(letter)).collect());
}
