//! Postfix relays to smtp-listen, and mailq-run to Postfix: what arrives is what was sent, but for the trace fields.

use super::letters::{assert_same, letters, lf, wait_for_files};
use super::peers::{listen, run};
use super::postfix::Postfix;
use crate::support::certs::authority;
use crate::support::process::tool;
use crate::support::stored::{in_maildir, in_spool, without};
use std::io::{Seek, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// smtp-send with a message on its stdin.
pub fn smtp_send(message: &[u8]) -> Command {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(message).unwrap();
    file.rewind().unwrap();
    let mut command = tool("smtp-send");
    command.stdin(Stdio::from(file)).args(["-f", "alice@crepes.test", "bob@hamburger.test"]);
    command
}

/// Sends every letter to a server, in clear.
fn send_letters(server: SocketAddr) {
    for letter in letters() {
        run(smtp_send(&letter).args(["--tls", "never", "-s", &server.to_string()]));
    }
}

fn postfix_relays_to_us(tls: bool) {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let mut arguments = ["--hostname", "mx.test", "--domain", "elsewhere.test", "--domain", "hamburger.test", "--spool"]
        .map(String::from)
        .to_vec();
    arguments.push(spool.display().to_string());
    if tls {
        let files = authority().issue(&["mx.test"], 10).files(dir.path(), "host");
        arguments.extend(["--tls-cert".into(), files.certificate.display().to_string()]);
        arguments.extend(["--tls-key".into(), files.key.display().to_string()]);
    }
    let listening = listen(&arguments, dir.path());
    let level = if tls { "encrypt" } else { "none" };
    let postfix = Postfix::relay(listening.address, &format!("smtp_tls_security_level = {level}\n"));
    send_letters(postfix.address);
    wait_for_files(&spool.join("new"), letters().len());
    assert_eq!(listening.stop().status.code(), Some(0));
    let arrived = in_spool(&spool);
    let protocol = if tls { "with ESMTPS" } else { "with ESMTP\r" };
    for message in &arrived {
        let trace = message[..message.len() - without("Received", message).len()].to_vec();
        let trace = String::from_utf8(trace).unwrap();
        assert!(trace.contains("postfix.test") && trace.contains(protocol), "{trace}\n{}", postfix.log());
    }
    let arrived = arrived.iter().map(|message| without("Received", without("Received", message)).to_vec());
    assert_same(arrived.collect(), letters());
}

#[test]
fn postfix_relays_to_smtp_listen() {
    postfix_relays_to_us(false);
}

#[test]
fn postfix_relays_to_smtp_listen_over_tls() {
    postfix_relays_to_us(true);
}

/// A config that sends all mail to one server.
pub fn route_to(server: SocketAddr, spool: &Path, dir: &Path) -> PathBuf {
    let path = dir.join("route.toml");
    let text = format!(
        "hostname = \"relay.test\"\nspool = \"{}\"\n[[route]]\nmatch = \"*\"\nto = \"smtp://{server}\"\n",
        spool.display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// mailq-run with that config, a pass's log in a file beside it.
pub fn mailq_run(config: &Path, arguments: &[&str]) -> Command {
    let mut command = tool("mailq-run");
    command.arg("--config").arg(config).args(arguments);
    if arguments.is_empty() {
        command.arg("--log").arg(config.with_file_name("mailq-run.log"));
    }
    command
}

fn we_relay_to_postfix(settings: &str, protocol: &str) {
    let dir = tempfile::tempdir().unwrap();
    let spool = dir.path().join("spool");
    let files = authority().issue(&["postfix.test"], 10).files(dir.path(), "host");
    let chain = format!("smtpd_tls_chain_files = {}, {}\n", files.key.display(), files.certificate.display());
    let postfix = Postfix::host(&format!("{settings}{chain}"));
    for letter in letters() {
        run(smtp_send(&letter).args(["--enqueue", "--spool"]).arg(&spool));
    }
    let pass = run(&mut mailq_run(&route_to(postfix.address, &spool, dir.path()), &[]));
    assert!(pass.stdout.is_empty() && pass.stderr.is_empty(), "a pass is silent: {pass:?}");
    assert!(in_spool(&spool).is_empty(), "all were delivered: {}", postfix.log());
    wait_for_files(&postfix.maildir().join("new"), letters().len());
    let maildir = in_maildir(&postfix.maildir());
    assert!(maildir.iter().all(|message| String::from_utf8_lossy(message).contains(protocol)), "all came {protocol}");
    let arrived = postfix.delivered().iter().map(|message| without("Received", message).to_vec()).collect();
    assert_same(arrived, letters().iter().map(|letter| lf(letter)).collect());
}

#[test]
fn mailq_run_relays_to_postfix() {
    we_relay_to_postfix("smtpd_tls_security_level = none\n", "(Postfix) with ESMTP id ");
}

#[test]
fn mailq_run_relays_to_postfix_over_tls() {
    we_relay_to_postfix("smtpd_tls_security_level = encrypt\nsmtpd_tls_received_header = yes\n", "(Postfix) with ESMTPS id ");
}

#[test]
fn smtp_send_verifies_postfix() {
    let dir = tempfile::tempdir().unwrap();
    let authority = authority();
    let ca = authority.certificate_file(dir.path(), "ca");
    let files = authority.issue(&["postfix.test"], 10).files(dir.path(), "host");
    let chain = format!("smtpd_tls_chain_files = {}, {}\n", files.key.display(), files.certificate.display());
    let postfix = Postfix::host(&format!("smtpd_tls_security_level = encrypt\n{chain}"));
    let letter = letters().remove(0);
    let send = |name: &str| {
        let mut command = smtp_send(&letter);
        command.args(["--tls", "require", "--tls-name", name, "--tls-ca"]).arg(&ca).args(["-s", &postfix.address.to_string()]);
        command
    };
    assert_eq!(send("other.test").output().unwrap().status.code(), Some(75));
    run(&mut send("postfix.test"));
    wait_for_files(&postfix.maildir().join("new"), 1);
    assert_same(postfix.delivered(), vec![lf(&letter)]);
}
