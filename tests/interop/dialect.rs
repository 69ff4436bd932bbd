//! Mail servers that speak in another way than Dovecot, and that Debian does not let stand beside it: Courier and Cyrus, from packages that
//! `scripts/interop` keeps, unpacked over this system in a mount namespace. Each with POP3 and IMAP for alice.

use super::letters::{DELIVERY, lf};
use super::peers::{NOBODY, Running, dir_of, free_port, need_root, open_dir, program};
use crate::support::certs::authority;
use crate::support::process::{Ran, run_as_is, tool};
use nix::unistd::chown;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub const PASSWORD: &str = "s3cret words";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Courier,
    Cyrus,
}

/// One of them, running.
pub struct Dialect {
    pub dir: TempDir,
    pub pop3: SocketAddr,
    pub pop3s: SocketAddr,
    pub imap: SocketAddr,
    pub imaps: SocketAddr,
    /// Of Cyrus, for alice and bob; nobody listens there at Courier.
    pub lmtp: SocketAddr,
    pub ca: PathBuf,
    /// A file with the password.
    pub password: PathBuf,
    running: Running,
}

impl Dialect {
    /// With these messages in alice's mailbox.
    pub fn start(kind: Kind, messages: &[Vec<u8>]) -> Dialect {
        let name = match kind {
            Kind::Courier => "courier",
            Kind::Cyrus => "cyrus",
        };
        need_root(name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let packages = root.join("target/interop").join(name);
        assert!(packages.is_dir(), "{} is missing: scripts/interop fetches it", packages.display());
        let scripts = root.join("tests/interop/dialect");
        let (dir, authority) = (open_dir(), authority());
        let files = authority.issue(&["localhost", "127.0.0.1"], 10).files(dir.path(), "host");
        std::fs::rename(&files.certificate, dir.path().join("host.crt")).unwrap();
        std::fs::rename(&files.key, dir.path().join("host.key")).unwrap();
        let ca = authority.certificate_file(dir.path(), "ca");
        let password = dir.path().join("password");
        std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        if kind == Kind::Courier {
            store(dir.path(), messages);
        }
        let [pop3, pop3s, imap, imaps, lmtp] = [(); 5].map(|()| free_port());
        let mut command = program("/usr/bin/unshare", "util-linux");
        command.args(["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "/bin/sh", "-eu"]);
        command.arg(scripts.join("enter.sh")).arg(packages).arg(dir.path());
        let script = dir.path().join("script");
        std::fs::copy(scripts.join(format!("{name}.sh")), &script).unwrap();
        command.arg(script).env("PASSWORD", PASSWORD);
        for (name, address) in [("POP3", pop3), ("POP3S", pop3s), ("IMAP", imap), ("IMAPS", imaps), ("LMTP", lmtp)] {
            command.env(name, address.port().to_string());
        }
        let running = Running::start(&mut command, dir.path());
        let dialect = Dialect { dir, pop3, pop3s, imap, imaps, lmtp, ca, password, running };
        dialect.wait(kind);
        if kind == Kind::Cyrus {
            ["alice", "bob"].into_iter().for_each(|user| dialect.have_mailbox(user));
            messages.iter().for_each(|message| dialect.hand_in("alice@localhost", message));
        }
        dialect
    }

    fn wait(&self, kind: Kind) {
        let lmtp = (kind == Kind::Cyrus).then_some(self.lmtp);
        let all = [Some(self.pop3), Some(self.pop3s), Some(self.imap), Some(self.imaps), lmtp];
        let is_up = || all.iter().flatten().all(|address| TcpStream::connect(address).is_ok());
        let began = std::time::Instant::now();
        while !is_up() {
            assert!(began.elapsed() < DELIVERY, "{kind:?} does not start; it said:\n{}", self.said());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// Cyrus makes a mailbox when its owner logs in. Made by a first message instead, that message is at times deferred with `451 4.3.0 Mailbox
    /// already exists`.
    fn have_mailbox(&self, user: &str) {
        let began = std::time::Instant::now();
        loop {
            let ran = self.by_stls(user, &["--stat", "--auth", "PLAIN"]);
            if ran.status == 0 {
                return;
            }
            assert!(began.elapsed() < DELIVERY, "no mailbox of {user}: {}{}\n{}", ran.out, ran.err, self.said());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// By LMTP.
    fn hand_in(&self, address: &str, message: &[u8]) {
        let path = self.dir.path().join("letter");
        std::fs::write(&path, message).unwrap();
        let mut command = tool("smtp-send");
        command.arg("-s").arg(format!("lmtp://{}", self.lmtp)).args(["--ehlo", "x.test", "--tls", "never", "-f", "", address]);
        let ran = run_as_is(command.stdin(std::fs::File::open(path).unwrap()));
        assert_eq!(ran.status, 0, "{}{}\n{}", ran.out, ran.err, self.said());
    }

    /// What the server said on stderr.
    pub fn said(&self) -> String {
        self.running.said()
    }

    pub fn fetch(&self, server: &str, words: &[&str]) -> Ran {
        let mut command = tool("pop3-fetch");
        command.env("HOME", self.dir.path()).arg(server).arg("--password-file").arg(&self.password);
        run_as_is(command.arg("--tls-ca").arg(&self.ca).args(words))
    }

    pub fn by_stls(&self, user: &str, words: &[&str]) -> Ran {
        self.fetch(&format!("{user}@{}", self.pop3), words)
    }

    pub fn by_tls(&self, user: &str, words: &[&str]) -> Ran {
        self.fetch(&format!("pop3s://{user}@{}", self.pop3s), words)
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
