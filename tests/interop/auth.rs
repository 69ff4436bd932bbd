//! Logging in at a Postfix that asks Dovecot: each mechanism that Debian's Dovecot offers, inside STARTTLS, right and wrong.

use super::letters::{DELIVERY, assert_same, letters, lf, wait_for_files};
use super::peers::{Running, need_root, open_dir, program, wait_for};
use super::postfix::Postfix;
use super::relaying::smtp_send;
use crate::support::certs::authority;
use crate::support::process::{Ran, run_as_is};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

const PASSWORD: &str = "s3cret, gr\u{fc}\u{df}e";
/// What Dovecot checks tokens with.
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";
const PASSWORDS: [&str; 5] = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"];

/// Dovecot without a protocol: users, and a socket to ask about them.
struct Dovecot {
    dir: TempDir,
    _running: Running,
}

impl Dovecot {
    fn start() -> Dovecot {
        need_root("Dovecot");
        let dir = open_dir();
        let root = dir.path().display();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("users", &format!("alice:{{PLAIN}}{PASSWORD}::::::\n"));
        std::fs::create_dir_all(dir.path().join("keys/default/HS256")).unwrap();
        write("keys/default/HS256/default", &STANDARD.encode(KEY));
        write(
            "oauth2.conf",
            &format!(
                "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={root}/keys/\nusername_attribute = sub\n"
            ),
        );
        write(
            "dovecot.conf",
            &format!(
                "base_dir = {root}/run\nlog_path = {root}/dovecot.log\nprotocols =\nssl = no\n\
                 auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 xoauth2 oauthbearer\nauth_failure_delay = 0\n\
                 passdb {{\n driver = oauth2\n mechanisms = xoauth2 oauthbearer\n args = {root}/oauth2.conf\n}}\n\
                 passdb {{\n driver = passwd-file\n mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256\n args = {root}/users\n}}\n\
                 userdb {{\n driver = static\n args = uid=nobody gid=nogroup home=/nonexistent\n}}\n\
                 service auth {{\n unix_listener {root}/auth {{\n  mode = 0666\n }}\n}}\n"
            ),
        );
        let mut command = program("/usr/sbin/dovecot", "dovecot-core");
        let running = Running::start(command.arg("-F").arg("-c").arg(dir.path().join("dovecot.conf")), dir.path());
        let socket = dir.path().join("auth");
        wait_for("Dovecot", DELIVERY, || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        Dovecot { dir, _running: running }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("dovecot.log")).unwrap_or_default()
    }
}

/// Takes mail from who logged in, and only inside TLS.
struct Site {
    dovecot: Dovecot,
    postfix: Postfix,
    ca: PathBuf,
}

impl Site {
    fn start() -> Site {
        let dovecot = Dovecot::start();
        let authority = authority();
        let files = authority.issue(&["postfix.test"], 10).files(dovecot.dir.path(), "host");
        let postfix = Postfix::host(&format!(
            "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\nsmtpd_tls_auth_only = yes\n\
             smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = {}/auth\n\
             smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
             smtpd_recipient_restrictions = permit_sasl_authenticated, reject\n",
            files.certificate.display(),
            files.key.display(),
            dovecot.dir.path().display(),
        ));
        let ca = authority.certificate_file(dovecot.dir.path(), "ca");
        Site { dovecot, postfix, ca }
    }

    /// smtp-send with a secret in a file, with these options.
    fn send(&self, letter: &[u8], secret: &str, options: &[&str]) -> Ran {
        let file = secret_file(self.dovecot.dir.path(), secret);
        let mut command = smtp_send(letter);
        command.args(["-s", &self.postfix.address.to_string(), "--user", "alice", "--tls-name", "postfix.test", "--tls-ca"]);
        command.arg(&self.ca).arg("--password-file").arg(file).arg("-v").args(options);
        run_as_is(&mut command)
    }
}

fn secret_file(dir: &Path, secret: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("secret");
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

/// A JSON web token (RFC 7519) for alice, signed with that key.
fn token(key: &[u8]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub":"alice","iat":{now},"exp":{}}}"#, now + 600);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#), URL_SAFE_NO_PAD.encode(claims));
    let key = PKey::hmac(key).unwrap();
    let signature = Signer::new(MessageDigest::sha256(), &key).unwrap().sign_oneshot_to_vec(signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The right secret delivers, the wrong one is refused with 77 and delivers nothing.
fn each(site: &Site, mechanisms: &[&str], right: &str, wrong: &str) {
    let letter = &letters()[0];
    for mechanism in mechanisms {
        let sent = site.send(letter, right, &["--auth", mechanism]);
        let told = || format!("{mechanism}: {}\n{}{}\n{}", sent.status, sent.out, sent.err, site.dovecot.log());
        assert_eq!(sent.status, 0, "{}", told());
        assert!(sent.err.contains(&format!(" ~> AUTH {mechanism}")), "{}", told());
        let refused = site.send(letter, wrong, &["--auth", mechanism]);
        assert_eq!(refused.status, 77, "{mechanism}: {}{}", refused.out, refused.err);
        assert!(refused.out.starts_with("refused\tbob@hamburger.test\t535\t5.7.8\t"), "{}", refused.out);
    }
    wait_for_files(&site.postfix.maildir().join("new"), mechanisms.len());
    assert_same(site.postfix.delivered(), vec![lf(letter); mechanisms.len()]);
}

#[test]
fn smtp_send_logs_in_at_postfix_by_every_mechanism_of_dovecot() {
    let site = Site::start();
    each(&site, &PASSWORDS, PASSWORD, "wrong");
    let strongest = site.send(&letters()[0], PASSWORD, &[]);
    assert_eq!(strongest.status, 0, "{}", strongest.err);
    assert!(strongest.err.contains(" ~> AUTH SCRAM-SHA-256 <hidden>"), "{}", strongest.err);
}

#[test]
fn smtp_send_logs_in_at_postfix_with_a_token() {
    let site = Site::start();
    each(&site, &["OAUTHBEARER", "XOAUTH2"], &token(KEY), &token(b"another key that is as long as it"));
}

#[test]
fn postfix_hears_no_password_in_clear() {
    let site = Site::start();
    let sent = site.send(&letters()[0], PASSWORD, &["--tls", "opportunistic", "--tls-insecure"]);
    assert_eq!(sent.status, 0, "inside TLS all the same: {}", sent.err);
    let mut command = smtp_send(&letters()[0]);
    let file = secret_file(site.dovecot.dir.path(), PASSWORD);
    command.args(["-s", &site.postfix.address.to_string(), "--user", "alice", "--tls", "never", "--password-file"]).arg(file);
    let refused = run_as_is(&mut command);
    assert_eq!((refused.status, refused.err.lines().count()), (77, 1), "{}", refused.err);
}
