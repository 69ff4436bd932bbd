//! What a transcript shows of an exchange.

use super::host::{Host, Session, welcome};
use crate::support::process::{Ran, run};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const CLEAR: [&str; 5] = ["--user", "alice", "--tls", "never", "--allow-plaintext-auth"];

fn login(session: &mut Session) {
    session.challenge("Username:");
    session.line();
    session.challenge("Password:");
    session.line();
    session.say("535 5.7.8 no");
}

fn sent(options: &[&str], offered: &str) -> Ran {
    let host = Host::new();
    let password = host.private("password", "s3cret\n");
    let serving = host.serve(offered, false, if offered == "LOGIN" { Box::new(login) } else { Box::new(welcome) });
    let ran = run(&mut host.command(&[&CLEAR[..], &["--password-file", &password], options].concat()), super::host::MESSAGE);
    serving.join().unwrap();
    ran
}

fn secrets() -> [String; 4] {
    ["s3cret".to_owned(), STANDARD.encode("s3cret"), STANDARD.encode("alice"), STANDARD.encode("\0alice\0s3cret")]
}

#[test]
fn secrets_are_hidden_in_every_form_of_a_transcript() {
    for options in [&["-v"][..], &["-v", "-v"], &[], &["-q"]] {
        for offered in ["LOGIN", "PLAIN"] {
            let ran = sent(options, offered);
            let shown = secrets().into_iter().find(|secret| ran.err.contains(secret) || ran.out.contains(secret));
            assert_eq!(shown, None, "{options:?}: {}", ran.err);
        }
    }
    let lines = sent(&["-v"], "LOGIN").err;
    let lines: Vec<&str> = lines.lines().skip_while(|line| !line.contains("AUTH LOGIN")).take(6).collect();
    let wanted = [" -> AUTH LOGIN", " <- 334 <hidden>", " -> <hidden>", " <- 334 <hidden>", " -> <hidden>", "<** 535 5.7.8 no"];
    assert_eq!(lines[1..], wanted[..5], "the offer comes first: {lines:?}");
    assert!(sent(&["-v"], "PLAIN").err.contains("\n -> AUTH PLAIN <hidden>\n"));
}

#[test]
fn show_secrets_shows_them() {
    assert!(sent(&["-v", "--show-secrets"], "PLAIN").err.contains(&format!(" -> AUTH PLAIN {}", secrets()[3])));
    let of_login = sent(&["-v", "--show-secrets"], "LOGIN").err;
    assert!(of_login.contains(&format!(" -> {}\n", secrets()[1])) && of_login.contains(" <- 334 VXNlcm5hbWU6\n"), "{of_login}");
}
