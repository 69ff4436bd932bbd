//! Signing and encrypting: what a command is given, what becomes of what it prints, and that gpg and openssl agree.

use super::*;
use std::process::{Command, Stdio};

/// A v4 signature packet in armor, as far as it is looked at: SHA-512.
const ARMOR: &str = "-----BEGIN PGP SIGNATURE-----\n\niAYEAAEKAAA=\n-----END PGP SIGNATURE-----\n";
const BODY: &str = "blank at end \nFrom me\nä\n-- \nAlice\n";

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_signature_is_over_the_part_as_it_is_sent() {
    let here = files(&[("a.bin", b"\x00\xff"), ("signature", ARMOR.as_bytes())]);
    let sign = "sh -c 'cat > signed; cat signature'";
    for crlf_out in [&[] as &[&str], &["--crlf"]] {
        let words = ["-s", "Hi", "-a", "a.bin", "--sign-with", sign];
        let message = run(here.path(), &[&words, crlf_out].concat(), BODY).done();
        let signed = std::fs::read(here.path().join("signed")).unwrap();
        assert_eq!(
            crlf(&text(&run(here.path(), &["-O", "1", "--raw"], message.clone()).done()).replace("\r\n", "\n").into_bytes()),
            signed
        );
        assert!(signed.is_ascii() && text(&signed).starts_with("Content-Type: multipart/mixed;"));
        assert!(text(&signed).split("\r\n").all(|line| line.trim_end() == line), "a blank at a line's end: {}", text(&signed));
        let unfolded = text(&message).replace("\r\n", "\n").replace("\n ", " ");
        assert!(unfolded.contains("Content-Type: multipart/signed;"), "{unfolded}");
        assert!(unfolded.contains("protocol=\"application/pgp-signature\"; micalg=pgp-sha512\n"), "{unfolded}");
        assert_eq!(shape(&message).last().unwrap(), "2 application/pgp-signature 7bit");
        assert_eq!(text(&part(&message, "2")).replace("\r\n", "\n").trim_end(), ARMOR.trim_end());
        assert_eq!(text(&run(here.path(), &["-H", "subject"], message).done()), "Hi\n");
    }
}

#[test]
fn what_cannot_be_sealed_is_told_before_a_byte_is_written() {
    let here = files(&[("8bit.eml", "Subject: in\n\nä\n".as_bytes())]);
    for (words, status, why) in [
        (&["--sign-with", "sh -c 'exit 3'"] as &[&str], 69, "--sign-with: sh failed: exit status: 3"),
        (&["--sign-with", "echo junk"], 65, "--sign-with echo junk: what it printed is not a detached signature"),
        (&["--encrypt-with", "echo junk"], 65, "--encrypt-with echo junk: what it printed is not an encrypted message"),
        (&["--encrypt-with", "/no/such/program"], 69, "--encrypt-with: cannot start /no/such/program: No such file or directory"),
        (&["--sign-with", "yes"], 65, "--sign-with: yes prints more than 1048576 bytes"),
        (&["--sign-with", "'"], 64, "--sign-with '"),
        (&["--sign-with", "cat", "-a", "8bit.eml"], 65, "an attached message has 8-bit text"),
    ] {
        let ran = run(here.path(), words, BODY);
        assert_eq!((ran.status, ran.out.len()), (status, 0), "{words:?}: {}", ran.err);
        assert!(ran.err.starts_with(&format!("mime-pack: {why}")), "{words:?}: {}", ran.err);
    }
}

/// RFC 8551 section 3.1.3: only what is signed has to be ASCII.
#[test]
fn a_message_with_8_bit_text_goes_encrypted_as_it_is() {
    let encrypted = "-----BEGIN PGP MESSAGE-----\n\nabcd\n-----END PGP MESSAGE-----\n";
    let here = files(&[("8bit.eml", "Subject: in\n\nä\n".as_bytes()), ("enc.asc", encrypted.as_bytes())]);
    let words = ["--encrypt-with", "sh -c 'cat > seen; cat enc.asc'", "-a", "8bit.eml"];
    let message = run(here.path(), &words, BODY).done();
    assert_eq!(shape(&message)[0], "TEXT multipart/encrypted -");
    let seen = std::fs::read(here.path().join("seen")).unwrap();
    assert_eq!(shape(&seen)[2..], ["2 message/rfc822 8bit", "2.1 text/plain -"]);
    assert_eq!(part(&seen, "2"), crlf("Subject: in\n\nä\n".as_bytes()));
}

/// Runs a program of the system, its output as text; nothing where it is not installed, which is said.
fn system(here: &Path, program: &str, words: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(program).args(words).current_dir(here).env("GNUPGHOME", here).stdin(Stdio::null()).output();
    match output {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("{program} is not installed: not tried");
            None
        }
        output => {
            let output = output.unwrap();
            assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
            Some(output.stdout)
        }
    }
}

fn sealed(here: &Path, words: &[&str]) -> Vec<u8> {
    ran(tool(here).env("GNUPGHOME", here).args(words).write_stdin(BODY)).out
}

#[test]
fn gpg_verifies_and_decrypts() {
    let here = files(&[]);
    let here = here.path();
    let key = ["--batch", "--passphrase", "", "--quick-generate-key", "alice@crepes.test", "default", "default", "never"];
    if system(here, "gpg", &key).is_none() {
        return;
    }
    let message = sealed(here, &["--sign-with", "gpg --batch --armor --detach-sign"]);
    let raw = text(&run(here, &["-O", "1", "--raw"], message.clone()).done());
    std::fs::write(here.join("signed"), raw.replace('\n', "\r\n")).unwrap();
    std::fs::write(here.join("signature"), part(&message, "2")).unwrap();
    system(here, "gpg", &["--batch", "--verify", "signature", "signed"]);

    let both = [
        "--sign-with",
        "gpg --batch --armor --detach-sign",
        "--encrypt-with",
        "gpg --batch --armor --trust-model always -e -r alice@crepes.test",
    ];
    let message = sealed(here, &both);
    assert_eq!(
        shape(&message),
        ["TEXT multipart/encrypted -", "1 application/pgp-encrypted 7bit", "2 application/octet-stream 7bit"]
    );
    assert_eq!(part(&message, "1"), b"Version: 1\n");
    std::fs::write(here.join("encrypted"), part(&message, "2")).unwrap();
    let plain = system(here, "gpg", &["--batch", "--decrypt", "encrypted"]).unwrap();
    assert_eq!(shape(&plain), ["TEXT multipart/signed -", "1 text/plain quoted-printable", "2 application/pgp-signature 7bit"]);
    system(here, "gpgconf", &["--kill", "gpg-agent"]);
}

#[test]
fn openssl_verifies_and_decrypts() {
    let here = files(&[]);
    let here = here.path();
    let key = [
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=alice",
        "-addext",
        "subjectAltName=email:alice@crepes.test",
        "-keyout",
        "key.pem",
        "-out",
        "cert.pem",
    ];
    if system(here, "openssl", &key).is_none() {
        return;
    }
    let sign = "openssl cms -sign -binary -outform DER -md sha256 -signer cert.pem -inkey key.pem";
    let message = sealed(here, &["--sign-with", sign]);
    let unfolded = text(&message).replace("\n ", " ");
    assert!(unfolded.contains("protocol=\"application/pkcs7-signature\"; micalg=sha-256\n"), "{unfolded}");
    std::fs::write(here.join("message.eml"), &message).unwrap();
    system(here, "openssl", &["cms", "-verify", "-in", "message.eml", "-CAfile", "cert.pem", "-out", "verified"]);
    assert!(text(&std::fs::read(here.join("verified")).unwrap()).contains("=46rom me"));

    let message = sealed(here, &["--encrypt-with", "openssl cms -encrypt -binary -outform DER -aes256 cert.pem"]);
    assert_eq!(shape(&message), ["1 application/pkcs7-mime base64"]);
    std::fs::write(here.join("message.eml"), &message).unwrap();
    let plain =
        system(here, "openssl", &["cms", "-decrypt", "-in", "message.eml", "-recip", "cert.pem", "-inkey", "key.pem"]).unwrap();
    assert_eq!(text(&part(&plain, "1")).replace("\r\n", "\n"), BODY);
}
