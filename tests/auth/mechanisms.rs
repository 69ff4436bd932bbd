//! The mechanisms for tokens inside TLS, and challenges that no server sends.

use super::host::{Host, Session};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const COMPLAINT: &str = r#"{"status":"invalid_token","scope":"mail"}"#;

/// The initial response, decoded; what was said; status and row.
fn token(mechanism: &str, good: bool) -> (String, Vec<String>, (i32, String), u16) {
    let host = Host::new();
    let token = host.private("token", "ya29.token==\n");
    let serving = host.serve(
        mechanism,
        true,
        Box::new(move |session: &mut Session| {
            if good {
                return session.say("235 2.7.0 in");
            }
            session.challenge(COMPLAINT);
            session.line();
            session.say("535 5.7.8 expired");
        }),
    );
    let ran = host.send_secure(&["--user", "alice@x.test", "--auth", mechanism, "--password-file", &token]);
    let said = serving.join().unwrap();
    assert!(!ran.err.contains("ya29") && !ran.err.contains(&STANDARD.encode("ya29")), "{ran:?}");
    let initial = said.iter().find(|line| line.starts_with("AUTH ")).unwrap().split(' ').nth(2).unwrap();
    let initial = String::from_utf8(STANDARD.decode(initial).unwrap()).unwrap();
    (initial, said, (ran.status, ran.out.replace('\t', " ")), host.address.port())
}

fn after_auth(said: &[String]) -> &str {
    let at = said.iter().position(|line| line.starts_with("AUTH ")).unwrap();
    &said[at + 1]
}

/// RFC 7628 sections 3.1 and 3.2.3.
#[test]
fn a_bearer_token_names_the_server_and_takes_a_complaint() {
    let (initial, _, ended, port) = token("OAUTHBEARER", true);
    let wanted = format!("n,a=alice@x.test,\u{1}host=127.0.0.1\u{1}port={port}\u{1}auth=Bearer ya29.token==\u{1}\u{1}");
    assert_eq!((initial, ended.0), (wanted, 0));
    let (_, said, ended, _) = token("OAUTHBEARER", false);
    assert_eq!((after_auth(&said), ended), ("AQ==", (77, "refused b@y.test 535 5.7.8 expired\n".to_owned())));
}

#[test]
fn xoauth2_takes_a_complaint_with_an_empty_line() {
    let (initial, _, ended, _) = token("XOAUTH2", true);
    assert_eq!((initial.as_str(), ended.0), ("user=alice@x.test\u{1}auth=Bearer ya29.token==\u{1}\u{1}", 0));
    let (_, said, ended, _) = token("XOAUTH2", false);
    assert_eq!((after_auth(&said), ended), ("", (77, "refused b@y.test 535 5.7.8 expired\n".to_owned())));
}

#[test]
fn a_challenge_without_measure_ends_the_session() {
    for (challenge, status) in [("A".repeat(64 * 1024), 76), ("A".repeat(12_000), 0), (String::new(), 0)] {
        let host = Host::new();
        let password = host.private("password", "s3cret\n");
        let length = challenge.len();
        let serving = host.serve(
            "CRAM-MD5",
            true,
            Box::new(move |session: &mut Session| {
                session.say(&format!("334 {challenge}"));
                if session.line().is_some() {
                    session.say("235 2.7.0 in");
                }
            }),
        );
        let ran = host.send_secure(&["--user", "alice", "--password-file", &password]);
        serving.join().unwrap();
        assert_eq!(ran.status, status, "a challenge of {length}: {ran:?}");
    }
}

#[test]
fn a_flood_of_challenges_ends_at_the_first_that_is_too_many() {
    for mechanism in ["LOGIN", "CRAM-MD5", "PLAIN", "EXTERNAL", "XOAUTH2", "SCRAM-SHA-1"] {
        let host = Host::new();
        let password = host.private("password", "s3cret\n");
        let serving = host.serve(
            mechanism,
            true,
            Box::new(|session: &mut Session| {
                for _ in 0..1000 {
                    session.say("334 AAAA");
                }
                while session.line().is_some_and(|line| line != "QUIT") {}
            }),
        );
        let ran = host.send_secure(&["--user", "alice", "--auth", mechanism, "--password-file", &password]);
        let said = serving.join().unwrap();
        assert_eq!(ran.status, 76, "{mechanism}: {ran:?}");
        let auth = said.iter().position(|line| line.starts_with("AUTH ")).unwrap();
        assert!(said.len() - auth <= 5 && said.iter().any(|line| line == "*"), "{mechanism}: {said:?}");
    }
}
