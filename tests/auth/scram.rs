//! SCRAM, computed by OpenSSL: right, wrong, and by servers that are not what they seem.

use super::host::{Answers, Host, Session};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::{MessageDigest, hash};
use openssl::pkcs5::pbkdf2_hmac;
use openssl::pkey::PKey;
use openssl::sign::Signer;

/// What the server does otherwise than it should.
#[derive(Clone, Copy, Default)]
struct Server {
    sha1: bool,
    bound: bool,
    password: &'static str,
    iterations: Option<&'static str>,
    wrong_nonce: bool,
    wrong_signature: bool,
    no_signature: bool,
    /// Says success, and nothing else, at once.
    success_at_once: bool,
    /// Binds to another certificate, as a server behind somebody in between would.
    other_channel: bool,
    /// Says what is wrong in the exchange, as RFC 5802 section 7 lets it.
    tells_error: bool,
}

const GOOD: Server = Server {
    sha1: false,
    bound: false,
    password: "s3cret",
    iterations: None,
    wrong_nonce: false,
    wrong_signature: false,
    no_signature: false,
    success_at_once: false,
    other_channel: false,
    tells_error: false,
};

fn digest(sha1: bool) -> MessageDigest {
    if sha1 { MessageDigest::sha1() } else { MessageDigest::sha256() }
}

fn hmac(md: MessageDigest, key: &[u8], text: &[u8]) -> Vec<u8> {
    Signer::new(md, &PKey::hmac(key).unwrap()).unwrap().sign_oneshot_to_vec(text).unwrap()
}

impl Server {
    /// Its part of the exchange.
    fn answers(self) -> Answers {
        Box::new(move |session| self.exchange(session))
    }

    fn exchange(self, session: &mut Session) {
        if self.success_at_once {
            return session.say("235 2.7.0 in");
        }
        let first = String::from_utf8(session.decoded()).unwrap();
        let bare = &first[first.find("n=").unwrap()..];
        let gs2_header = &first[..first.len() - bare.len()];
        let nonce = bare.split("r=").nth(1).unwrap();
        let ours = if self.wrong_nonce { format!("x{nonce}server") } else { format!("{nonce}server") };
        let (salt, rounds) = (b"0123456789abcdef", self.iterations.unwrap_or("4096"));
        let server_first = format!("r={ours},s={},i={rounds}", STANDARD.encode(salt));
        session.challenge(&server_first);
        let last = String::from_utf8(session.answer()).unwrap();
        let Some((without_proof, proof)) = last.rsplit_once(",p=") else { return session.say("501 5.7.0 cancelled") };

        let md = digest(self.sha1);
        let mut salted = vec![0; md.size()];
        pbkdf2_hmac(self.password.as_bytes(), salt, rounds.parse().unwrap(), md, &mut salted).unwrap();
        let auth_message = format!("{bare},{server_first},{without_proof}");
        let client_key = hmac(md, &salted, b"Client Key");
        let signature = hmac(md, &hash(md, &client_key).unwrap(), auth_message.as_bytes());
        let wanted: Vec<u8> = client_key.iter().zip(&signature).map(|(key, signature)| key ^ signature).collect();
        let mut channel = gs2_header.as_bytes().to_vec();
        if self.bound {
            channel.extend_from_slice(&session.binding);
        }
        if self.other_channel {
            channel.push(0);
        }
        let channel = format!("c={},r={ours}", STANDARD.encode(channel));
        if STANDARD.encode(wanted) != proof || channel != without_proof {
            if self.tells_error {
                session.challenge(if channel == without_proof { "e=invalid-proof" } else { "e=channel-bindings-dont-match" });
                session.answer();
            }
            return session.say("535 5.7.8 no");
        }
        if self.no_signature {
            return session.say("235 2.7.0 in");
        }
        let mut signature = hmac(md, &hmac(md, &salted, b"Server Key"), auth_message.as_bytes());
        signature[0] ^= u8::from(self.wrong_signature);
        session.challenge(&format!("v={}", STANDARD.encode(signature)));
        let answer = session.line().unwrap();
        if answer != "*" {
            assert_eq!(answer, "", "an empty response, which no = stands for");
        }
        session.say(if answer == "*" { "501 5.7.0 cancelled" } else { "235 2.7.0 in" });
    }

    /// What smtp-send makes of it inside TLS: status, its row, and whether the message went.
    fn meet(self, offered: &str, options: &[&str]) -> (i32, String, Vec<String>) {
        let host = Host::new();
        let password = host.private("password", "s3cret\n");
        let serving = host.serve(offered, true, self.answers());
        let ran = host.send_secure(&[&["--user", "alice", "--password-file", &password], options].concat());
        let said = serving.join().unwrap();
        assert_eq!(ran.status == 0, said.iter().any(|line| line == "DATA"), "{ran:?}");
        let leaks = [&ran.out, &ran.err].into_iter().any(|text| text.contains("s3cret") || text.contains(",p="));
        assert!(!leaks, "{ran:?}");
        (ran.status, ran.out.replace('\t', " "), said)
    }
}

fn auth(said: &[String]) -> &str {
    said.iter().find(|line| line.starts_with("AUTH ")).unwrap().split(' ').nth(1).unwrap()
}

const ALL: &str = "LOGIN PLAIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS";

#[test]
fn both_sides_prove_that_they_know_the_password() {
    for (sha1, bound, name) in [
        (false, true, "SCRAM-SHA-256-PLUS"),
        (true, true, "SCRAM-SHA-1-PLUS"),
        (false, false, "SCRAM-SHA-256"),
        (true, false, "SCRAM-SHA-1"),
    ] {
        let server = Server { sha1, bound, ..GOOD };
        for options in [&[][..], &["--authzid", "a=b,c"]] {
            let (status, row, said) = server.meet(name, options);
            assert_eq!((status, auth(&said)), (0, name), "{row}");
        }
        let (status, row, _) = Server { password: "other", ..server }.meet(name, &[]);
        assert_eq!((status, row.as_str()), (77, "refused b@y.test 535 5.7.8 no\n"));
    }
}

#[test]
fn the_strongest_is_bound_to_the_channel() {
    let (status, _, said) = Server { bound: true, ..GOOD }.meet(ALL, &[]);
    assert_eq!((status, auth(&said)), (0, "SCRAM-SHA-256-PLUS"));
    let (status, row, _) = Server { bound: true, other_channel: true, tells_error: true, ..GOOD }.meet(ALL, &[]);
    assert_eq!(
        (status, row.as_str()),
        (77, "refused b@y.test - 5.7.0 SCRAM-SHA-256-PLUS: the server says channel-bindings-dont-match\n")
    );
}

/// RFC 5802 section 6: `y` lets a server that offers binding find out that its offer was taken away.
#[test]
fn who_could_bind_and_is_not_let_says_so() {
    let flag = |offered: &str, options: &[&str]| {
        let (status, row, said) = GOOD.meet(offered, options);
        assert_eq!(status, 0, "{row}");
        let first = said.iter().find_map(|line| line.strip_prefix("AUTH SCRAM-SHA-256 ")).unwrap();
        char::from(STANDARD.decode(first).unwrap()[0])
    };
    assert_eq!(flag("SCRAM-SHA-256 PLAIN", &[]), 'y');
    assert_eq!(flag(ALL, &["--auth", "SCRAM-SHA-256"]), 'n', "the server offers it, so it was not taken away");
}

#[test]
fn a_server_that_is_not_what_it_seems_gets_no_message() {
    let refused = |server: Server| {
        let (status, row, _) = server.meet("SCRAM-SHA-256 PLAIN", &[]);
        (status, row.trim_start_matches("refused b@y.test - 5.7.0 SCRAM-SHA-256: ").trim_end().to_owned())
    };
    let unproved = (77, "the server did not prove that it knows the password".to_owned());
    assert_eq!(refused(Server { wrong_signature: true, ..GOOD }), unproved);
    assert_eq!(refused(Server { no_signature: true, ..GOOD }), unproved);
    assert_eq!(refused(Server { success_at_once: true, ..GOOD }), unproved);
    let (status, row) = refused(Server { wrong_nonce: true, ..GOOD });
    assert_eq!((status, row.as_str()), (76, "deferred b@y.test - 4.5.0 SCRAM-SHA-256: the server changed our nonce"));
    for count in ["1", "4095", "2147483648", "4294967296", "99999999999999999999"] {
        let began = std::time::Instant::now();
        let (status, row) = refused(Server { iterations: Some(count), ..GOOD });
        assert_eq!(status, 77, "{row}");
        assert!(row.ends_with("iterations; 4096 to 5000000 are done"), "{row}");
        assert!(began.elapsed().as_secs() < 60, "{count} iterations were done");
    }
}

#[test]
fn a_name_that_looks_like_syntax_stays_a_name() {
    let host = Host::new();
    let password = host.private("password", "s3cret\n");
    let serving = host.serve("SCRAM-SHA-256", true, GOOD.answers());
    let ran = host.send_secure(&["--user", "a=b,n=c", "--password-file", &password]);
    let said = serving.join().unwrap();
    let first = said.iter().find_map(|line| line.strip_prefix("AUTH SCRAM-SHA-256 ")).unwrap();
    let first = String::from_utf8(STANDARD.decode(first).unwrap()).unwrap();
    assert!(first.starts_with("y,,n=a=3Db=2Cn=3Dc,r="), "{first}");
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
fn a_nonce_is_never_used_again() {
    let nonce = || {
        let (_, _, said) = GOOD.meet("SCRAM-SHA-256", &[]);
        let first = said.iter().find_map(|line| line.strip_prefix("AUTH SCRAM-SHA-256 ")).unwrap();
        let first = String::from_utf8(STANDARD.decode(first).unwrap()).unwrap();
        first.split("r=").nth(1).unwrap().to_owned()
    };
    let (one, other) = (nonce(), nonce());
    assert!(one != other && one.len() >= 24, "{one} {other}");
}
