//! imap-shell at a real Dovecot: by STARTTLS and inside TLS, by every way to log in; what is appended comes back byte for byte, and what is
//! changed is changed.

use super::imap_extensions::{appends_and_logs_in_at_once, keeps_names, uses_each};
use super::letters::{DELIVERY, letters, lf};
use super::peers::{NOBODY, Running, dir_of, free_port, need_root, open_dir, program, wait_for};
use crate::support::certs::authority;
use crate::support::process::{Ran, run_as_is, tool};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tempfile::TempDir;

const PASSWORD: &str = "s3cret words";
const WAYS: [&str; 5] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"];

struct Dovecot {
    dir: TempDir,
    imap: SocketAddr,
    imaps: SocketAddr,
    ca: PathBuf,
    _running: Running,
}

impl Dovecot {
    fn start() -> Dovecot {
        need_root("Dovecot");
        let (dir, authority) = (open_dir(), authority());
        let files = authority.issue(&["localhost", "127.0.0.1"], 10).files(dir.path(), "host");
        let ca = authority.certificate_file(dir.path(), "ca");
        let (imap, imaps) = (free_port(), free_port());
        let root = dir.path().display();
        dir_of(dir.path(), "mail", NOBODY);
        std::fs::write(dir.path().join("users"), format!("alice:{{PLAIN}}{PASSWORD}::::::\n")).unwrap();
        let password = dir.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let listener = |name: &str, port: u16, tls: &str| {
            format!(" inet_listener {name} {{\n  port = {port}\n  address = 127.0.0.1\n  ssl = {tls}\n }}\n")
        };
        let config = format!(
            "base_dir = {root}/run\nstate_dir = {root}/state\nlog_path = {root}/dovecot.log\nprotocols = imap\nlisten = 127.0.0.1\n\
             first_valid_uid = 1\nssl = yes\nssl_cert = <{}\nssl_key = <{}\ndisable_plaintext_auth = no\nauth_failure_delay = 0\n\
             auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256\nmail_location = maildir:{root}/mail/%u/Maildir\n\
             mail_attribute_dict = file:{root}/mail/%u/attributes\nmail_plugins = quota acl zlib\n\
             protocol imap {{\n mail_plugins = quota acl zlib imap_quota imap_acl imap_zlib\n imap_metadata = yes\n imap_literal_minus = yes\n}}\n\
             plugin {{\n quota = count:User quota\n quota_rule = *:storage=1G\n quota_vsizes = yes\n acl = vfile\n}}\n\
             namespace inbox {{\n inbox = yes\n separator = /\n mailbox Drafts {{\n  special_use = \\Drafts\n  auto = create\n }}\n}}\n\
             passdb {{\n driver = passwd-file\n args = {root}/users\n}}\n\
             userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={root}/mail/%u\n}}\n\
             service imap-login {{\n chroot =\n{}{}}}\nservice anvil {{\n chroot =\n}}\nservice stats {{\n chroot =\n}}\n",
            files.certificate.display(),
            files.key.display(),
            listener("imap", imap.port(), "no"),
            listener("imaps", imaps.port(), "yes"),
        );
        std::fs::write(dir.path().join("dovecot.conf"), config).unwrap();
        let mut command = program("/usr/sbin/dovecot", "dovecot-core");
        program("/usr/lib/dovecot/imap", "dovecot-imapd");
        let running = Running::start(command.arg("-F").arg("-c").arg(dir.path().join("dovecot.conf")), dir.path());
        wait_for("Dovecot", DELIVERY, || TcpStream::connect(imap).is_ok() && TcpStream::connect(imaps).is_ok());
        Dovecot { dir, imap, imaps, ca, _running: running }
    }

    fn shell(&self, server: &str, words: &[&str]) -> Ran {
        let mut command = tool("imap-shell");
        command.env("HOME", self.dir.path()).current_dir(self.dir.path()).arg(server);
        command.arg("--password-file").arg(self.dir.path().join("password")).arg("--tls-ca").arg(&self.ca);
        run_as_is(command.args(words))
    }

    /// Runs commands, which have to succeed, and gives their rows.
    fn rows(&self, mailbox: &str, commands: &[&str]) -> Vec<String> {
        let words: Vec<&str> = commands.iter().flat_map(|command| ["-c", command]).collect();
        let ran = self.shell(&format!("imaps://alice@{}/{mailbox}", self.imaps), &words);
        let log = std::fs::read_to_string(self.dir.path().join("dovecot.log")).unwrap_or_default();
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{commands:?}: {}\n{log}", ran.out);
        ran.out.lines().map(str::to_owned).collect()
    }
}

#[test]
fn imap_shell_logs_in_at_dovecot_by_every_way() {
    let dovecot = Dovecot::start();
    for way in WAYS {
        for server in [format!("imaps://alice@{}", dovecot.imaps), format!("imap://alice@{}", dovecot.imap)] {
            let ran = dovecot.shell(&server, &["--auth", way, "-v", "-c", "noop"]);
            assert_eq!(ran.status, 0, "{}", ran.err);
            assert!(ran.err.contains(&format!(" AUTHENTICATE {way}")) && !ran.err.contains(PASSWORD), "{}", ran.err);
        }
    }
    let ran = dovecot.shell(&format!("imaps://alice@{}", dovecot.imaps), &["--login", "login", "-v", "-c", "noop"]);
    assert!(ran.status == 0 && ran.err.contains(" LOGIN <hidden>"), "{}", ran.err);
    std::fs::write(dovecot.dir.path().join("password"), "wrong\n").unwrap();
    assert_eq!(dovecot.shell(&format!("imaps://alice@{}", dovecot.imaps), &["-c", "noop"]).status, 77);
}

#[test]
fn what_imap_shell_appends_to_dovecot_comes_home_byte_for_byte() {
    let (dovecot, sent) = (Dovecot::start(), letters());
    for (number, letter) in sent.iter().enumerate() {
        std::fs::write(dovecot.dir.path().join(format!("{number}.eml")), lf(letter)).unwrap();
    }
    let commands: Vec<String> = (0..sent.len()).map(|number| format!("append {number}.eml")).collect();
    dovecot.rows("INBOX", &commands.iter().map(String::as_str).collect::<Vec<_>>());
    let rows = dovecot.rows("INBOX", &["export all maildir Here", "export all mbox Here.mbox"]);
    assert_eq!(rows.len(), 2 * sent.len(), "{rows:?}");
    let files = std::fs::read_dir(dovecot.dir.path().join("Here/new")).unwrap();
    let mut stored: Vec<Vec<u8>> = files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect();
    let mut wanted: Vec<Vec<u8>> = sent.iter().map(|message| lf(message)).collect();
    stored.sort();
    wanted.sort();
    assert!(stored == wanted, "what came is not what was appended");
    assert_eq!(dovecot.rows("INBOX", &["search seen"]).len(), 0, "reading sets no \\Seen");
}

#[test]
fn imap_shell_changes_an_account_at_dovecot() {
    let dovecot = Dovecot::start();
    std::fs::write(dovecot.dir.path().join("m.eml"), "From: alice@a.test\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nhi\n").unwrap();
    dovecot.rows("INBOX", &["append m.eml", "append m.eml", "mkdir Entwürfe", "mkdir Work/Sub", "subscribe Work/Sub"]);
    let rows = dovecot.rows("", &["ls", "ls -s"]);
    assert!(rows.contains(&"Entwürfe\t\\HasNoChildren\t/".to_owned()), "{rows:?}");
    assert!(rows.last().unwrap().starts_with("Work/Sub\t"), "{rows:?}");
    let rows =
        dovecot.rows("INBOX", &["search subject Grüße", "sort -arrival", "flag $ flagged Work", "search flagged keyword Work"]);
    assert_eq!(rows.iter().filter(|row| ["1", "2"].contains(&row.as_str())).count(), 6, "{rows:?}");
    let rows = dovecot.rows("INBOX", &["copy 1 Entwürfe", "move 2 Work/Sub", "fetch all"]);
    assert_eq!(rows[..2], ["1\t1", "2\t1"]);
    assert!(rows[2].starts_with("1\t\\Flagged Work\t") && rows[2].ends_with("\talice@a.test\tGrüße"), "{rows:?}");
    let rows = dovecot.rows("Entw%C3%BCrfe", &["rm 1", "expunge 1", "status", "rename Entwürfe Fort", "rmdir Fort"]);
    assert!(rows.iter().any(|row| row.starts_with("Entwürfe\t0\t0\t2\t")), "{rows:?}");
    let rows =
        dovecot.rows("INBOX", &["quota", "acl", "meta INBOX /private/comment 'a \"b'", "meta", "id", "thread", "watch -t 1s"]);
    for start in ["User quota\tSTORAGE\t", "INBOX\t-\tl", "INBOX\t/private/comment\ta \"b", "name\tDovecot", "1\t"] {
        assert!(rows.iter().any(|row| row.starts_with(start)), "{start}: {rows:?}");
    }
    let rows = dovecot.rows(
        "INBOX",
        &[
            "watch -t 1s INBOX Work/Sub",
            "search --count",
            "search --save all",
            "fetch $ fast",
            "namespace",
            "status *",
            "enable QRESYNC",
        ],
    );
    // The only message's row, what is counted, and what stands for it at the server.
    for start in ["1", "1\t\\Flagged", "personal\t-\t/", "Work/Sub\t1\t", "QRESYNC"] {
        assert!(rows.iter().any(|row| row.starts_with(start)), "{start}: {rows:?}");
    }
    let refused = dovecot.shell(&format!("imaps://alice@{}/Gone", dovecot.imaps), &["-c", "noop"]);
    assert_eq!(refused.status, 69, "{}", refused.err);
}

#[test]
fn imap_shell_uses_each_extension_of_dovecot() {
    let dovecot = Dovecot::start();
    std::fs::write(dovecot.dir.path().join("m.eml"), "From: alice@a.test\nSubject: x\n\nhi\n").unwrap();
    dovecot.rows("INBOX", &["append m.eml"; 3]);
    let run = |options: &[&str], commands: &[&str]| {
        let commands = commands.iter().flat_map(|command| ["-c", command]);
        let words: Vec<&str> = ["--auth", "PLAIN", "-v"].into_iter().chain(options.iter().copied()).chain(commands).collect();
        dovecot.shell(&format!("imaps://alice@{}/INBOX", dovecot.imaps), &words)
    };
    uses_each(&run, &["CREATE-SPECIAL-USE", "OBJECTID"]);
    appends_and_logs_in_at_once(&run, dovecot.dir.path(), "LITERAL-");
    keeps_names(&run);
    // Dovecot lists the server's notes below their names alone.
    let rows = dovecot.rows("", &["meta '' /private/vendor/x/y note", "meta '' /private/comment ours", "meta ''"]);
    assert!(
        ["-\t/private/vendor/x/y\tnote", "-\t/private/comment\tours"].iter().all(|row| rows.contains(&(*row).to_owned())),
        "{rows:?}"
    );
}
