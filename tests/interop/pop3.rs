//! pop3-fetch at a real Dovecot: in clear, by STLS, inside TLS, by every way to log in that it offers; fetched bytes are those that were
//! stored.

use super::letters::{DELIVERY, assert_same, letters, lf};
use super::peers::{NOBODY, Running, dir_of, free_port, need_root, open_dir, program, wait_for};
use crate::support::certs::authority;
use crate::support::process::{Ran, run_as_is, tool};
use nix::unistd::chown;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PASSWORD: &str = "s3cret words";
const WAYS: [&str; 5] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"];

/// Dovecot with a POP3 mailbox of alice's.
struct Dovecot {
    dir: TempDir,
    pop3: SocketAddr,
    pop3s: SocketAddr,
    ca: PathBuf,
    password: PathBuf,
    _running: Running,
}

impl Dovecot {
    fn start(messages: &[Vec<u8>]) -> Dovecot {
        need_root("Dovecot");
        let (dir, authority) = (open_dir(), authority());
        let files = authority.issue(&["localhost", "127.0.0.1"], 10).files(dir.path(), "host");
        let ca = authority.certificate_file(dir.path(), "ca");
        let (pop3, pop3s) = (free_port(), free_port());
        let root = dir.path().display();
        std::fs::write(dir.path().join("users"), format!("alice:{{PLAIN}}{PASSWORD}::::::\n")).unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let listener = |name: &str, port: u16, tls: &str| {
            format!(" inet_listener {name} {{\n  port = {port}\n  address = 127.0.0.1\n  ssl = {tls}\n }}\n")
        };
        let config = format!(
            "base_dir = {root}/run\nstate_dir = {root}/state\nlog_path = {root}/dovecot.log\nprotocols = pop3\nlisten = 127.0.0.1\n\
             first_valid_uid = 1\nssl = yes\nssl_cert = <{}\nssl_key = <{}\ndisable_plaintext_auth = no\nauth_failure_delay = 0\n\
             auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256 apop\nmail_location = maildir:{root}/mail/%u/Maildir\n\
             passdb {{\n driver = passwd-file\n args = {root}/users\n}}\n\
             userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={root}/mail/%u\n}}\n\
             service pop3-login {{\n chroot =\n{}{}}}\nservice anvil {{\n chroot =\n}}\nservice stats {{\n chroot =\n}}\n",
            files.certificate.display(),
            files.key.display(),
            listener("pop3", pop3.port(), "no"),
            listener("pop3s", pop3s.port(), "yes"),
        );
        std::fs::write(dir.path().join("dovecot.conf"), config).unwrap();
        store(dir.path(), messages);
        let mut command = program("/usr/sbin/dovecot", "dovecot-core");
        program("/usr/lib/dovecot/pop3", "dovecot-pop3d");
        let running = Running::start(command.arg("-F").arg("-c").arg(dir.path().join("dovecot.conf")), dir.path());
        wait_for("Dovecot", DELIVERY, || TcpStream::connect(pop3).is_ok() && TcpStream::connect(pop3s).is_ok());
        Dovecot { dir, pop3, pop3s, ca, password, _running: running }
    }

    fn fetch(&self, server: &str, words: &[&str]) -> Ran {
        let mut command = tool("pop3-fetch");
        command.env("HOME", self.dir.path()).arg(server).arg("--password-file").arg(&self.password);
        run_as_is(command.arg("--tls-ca").arg(&self.ca).args(words))
    }

    fn by_stls(&self, words: &[&str]) -> Ran {
        self.fetch(&format!("alice@{}", self.pop3), words)
    }

    fn by_tls(&self, words: &[&str]) -> Ran {
        self.fetch(&format!("pop3s://alice@{}", self.pop3s), words)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("dovecot.log")).unwrap_or_default()
    }
}

/// Puts messages into alice's Maildir.
fn store(root: &Path, messages: &[Vec<u8>]) {
    let owned = |path: &Path| chown(path, Some(NOBODY.into()), Some(NOBODY.into())).unwrap();
    let mut dir = dir_of(root, "mail", NOBODY);
    for name in ["alice", "Maildir"] {
        dir = dir_of(&dir, name, NOBODY);
        owned(&dir);
    }
    for name in ["cur", "new", "tmp"] {
        owned(&dir_of(&dir, name, NOBODY));
    }
    for (number, message) in messages.iter().enumerate() {
        let path = dir.join(format!("new/{}.M{number}P1.host", 1_700_000_000 + number));
        std::fs::write(&path, lf(message)).unwrap();
        owned(&path);
    }
}

fn good(ran: &Ran, dovecot: &Dovecot) {
    assert_eq!(ran.status, 0, "{}{}\n{}", ran.out, ran.err, dovecot.log());
}

#[test]
fn pop3_fetch_logs_in_at_dovecot_by_every_way() {
    let dovecot = Dovecot::start(&letters()[..2]);
    for way in WAYS {
        for ran in [dovecot.by_tls(&["--stat", "--auth", way, "-v"]), dovecot.by_stls(&["--stat", "--auth", way, "-v"])] {
            good(&ran, &dovecot);
            assert!(ran.out.starts_with("2\t") && ran.err.contains(&format!(" ~> AUTH {way}")), "{}{}", ran.out, ran.err);
        }
    }
    for (how, said) in [("apop", " ~> APOP alice <hidden>"), ("user", " ~> PASS <hidden>")] {
        let ran = dovecot.by_tls(&["--stat", "--login", how, "-v"]);
        good(&ran, &dovecot);
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    let plain = dovecot.by_stls(&["--stat", "--tls", "never", "--allow-plaintext-auth", "-v"]);
    good(&plain, &dovecot);
    assert!(plain.err.contains(" -> AUTH SCRAM-SHA-256 <hidden>"), "the strongest first: {}", plain.err);
    let refused = dovecot.by_stls(&["--stat", "--tls", "never"]);
    assert_eq!(refused.status, 77, "{}", refused.err);
    std::fs::write(&dovecot.password, "wrong\n").unwrap();
    for way in WAYS {
        assert_eq!(dovecot.by_tls(&["--stat", "--auth", way]).status, 77, "{way}");
    }
}

#[test]
fn pop3_fetch_brings_dovecot_s_messages_home_byte_for_byte() {
    let sent = letters();
    let dovecot = Dovecot::start(&sent);
    let maildir = dovecot.dir.path().join("Here");
    let here = maildir.to_str().unwrap();
    let stored = || -> Vec<Vec<u8>> {
        let files = std::fs::read_dir(maildir.join("new")).unwrap();
        files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    };
    let wanted: Vec<Vec<u8>> = sent.iter().map(|message| lf(message)).collect();
    let first = dovecot.by_tls(&["--maildir", here, "--create"]);
    good(&first, &dovecot);
    assert!(
        first.out.lines().count() == sent.len() && first.out.lines().all(|row| row.starts_with("delivered\t")),
        "{}",
        first.out
    );
    assert_same(stored(), wanted.clone());
    let second = dovecot.by_stls(&["--maildir", here, "--exit-empty"]);
    // Another port is another mailbox; the first one knows what it fetched.
    assert_eq!(second.status, 0, "{}", second.err);
    let third = dovecot.by_tls(&["--maildir", here, "--exit-empty"]);
    assert_eq!(third.status, 66, "nothing is new: {}{}", third.out, third.err);
    let listed = dovecot.by_tls(&["--list", "--json"]);
    good(&listed, &dovecot);
    assert!(listed.out.lines().count() == sent.len() && listed.out.contains("\"uid\":"), "{}", listed.out);
    let one = dovecot.by_tls(&["--retr", "2"]);
    assert_eq!(one.out.as_bytes(), lf(&sent[1]), "{}", one.err);
    let gone = dovecot.by_tls(&["--maildir", here, "--delete"]);
    good(&gone, &dovecot);
    assert!(gone.out.lines().all(|row| row.starts_with("deleted\t")), "fetched before: {}", gone.out);
    assert_eq!(dovecot.by_tls(&["--stat"]).out, "0\t0\n");
    assert_eq!(stored().len(), 2 * sent.len());
}

#[test]
fn pop3_fetch_tells_what_dovecot_offers() {
    let dovecot = Dovecot::start(&[]);
    let ran = dovecot.fetch(&dovecot.pop3.to_string(), &["--serverinfo"]);
    good(&ran, &dovecot);
    for told in ["verified     yes", "STLS", "RFC 2449 6.6: commands may be sent", "offers before TLS only"] {
        assert!(ran.out.contains(told), "{told}: {}", ran.out);
    }
    let json = dovecot.fetch(&dovecot.pop3s.to_string(), &["--serverinfo", "--json", "--tls-implicit"]);
    let told: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((told["tls"]["verified"].as_bool(), told["apop"].as_bool()), (Some(true), Some(true)), "{}", json.out);
}
