//! A server that is told what to say in an exchange of AUTH, and takes one message.

use crate::support::certs::{Pair, authority};
use crate::support::process::{Ran, run, tool};
use crate::support::speaker::Speaker;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use tempfile::TempDir;

pub const MESSAGE: &[u8] = b"From: <a@x.test>\nSubject: hi\n\nhello\n";

/// What the server has to say at AUTH.
pub type Answers = Box<dyn FnOnce(&mut Session) + Send>;

pub struct Host {
    pub dir: TempDir,
    pub address: SocketAddr,
    listener: TcpListener,
    certificate: Pair,
}

/// The server's end of a conversation, and all that the client said in it.
pub struct Session {
    talk: Speaker,
    pub said: Vec<String>,
    /// What tls-server-end-point binds to (RFC 5929 section 4.1), for a certificate that is signed with SHA-256.
    pub binding: Vec<u8>,
}

impl Host {
    pub fn new() -> Host {
        let dir = tempfile::tempdir().unwrap();
        let authority = authority();
        authority.certificate_file(dir.path(), "ca");
        let certificate = authority.issue(&["mx.test"], 10);
        certificate.files(dir.path(), "host");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Host { dir, address, listener, certificate }
    }

    /// Of its certificate, in hex.
    pub fn fingerprint(&self) -> String {
        self.certificate.fingerprint().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Takes one client, by STARTTLS if `tls`, and offers these mechanisms. Gives what it said.
    pub fn serve(&self, offered: &str, tls: bool, answers: Answers) -> JoinHandle<Vec<String>> {
        let listener = self.listener.try_clone().unwrap();
        let files = postroad::net::tls::files::IdentityFiles { certificate: self.path("host.pem"), key: self.path("host.key") };
        let binding = self.certificate.certificate.digest(MessageDigest::sha256()).unwrap().to_vec();
        let offered = format!("250-mx.test\r\n250 AUTH {offered}");
        thread::spawn(move || {
            let mut session = Session { talk: Speaker::accept(&listener).unwrap(), said: Vec::new(), binding };
            session.say("220 mx.test");
            if tls {
                session.expect("EHLO");
                session.say("250-mx.test\r\n250 STARTTLS");
                session.expect("STARTTLS");
                session.say("220 go ahead");
                session.talk = session.talk.secure_as_server(&files).unwrap();
            }
            session.expect("EHLO");
            session.say(&offered);
            let mut answers = Some(answers);
            while let Some(line) = session.line() {
                match line.split(' ').next().unwrap_or_default() {
                    "AUTH" => answers.take().expect("one exchange")(&mut session),
                    "DATA" => {
                        session.say("354 go ahead");
                        while session.line().is_some_and(|line| line != ".") {}
                        session.say("250 2.0.0 ok");
                    }
                    "QUIT" => session.say("221 bye"),
                    _ => session.say("250 ok"),
                }
            }
            session.said
        })
    }

    /// smtp-send to this host, with these options between the usual ones.
    pub fn command(&self, options: &[&str]) -> Command {
        let mut command = tool("smtp-send");
        command.args(["-s", &self.address.to_string(), "--ehlo", "client.test", "-f", "a@x.test"]);
        command.args(options).arg("b@y.test").env("HOME", self.dir.path());
        command
    }

    /// As [`Host::command`], over STARTTLS with the certificate verified, run to its end.
    pub fn send_secure(&self, options: &[&str]) -> Ran {
        let ca = self.path("ca.pem");
        let mut command = self.command(options);
        run(command.args(["--tls-name", "mx.test", "--tls-ca"]).arg(ca), MESSAGE)
    }

    /// Writes a file that its owner alone may read.
    pub fn private(&self, name: &str, text: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    }
}

impl Session {
    pub fn say(&mut self, text: &str) {
        // A client that left hears nothing.
        let _ = self.talk.write_all(format!("{text}\r\n").as_bytes());
    }

    /// The next line; none where the client is gone.
    pub fn line(&mut self) -> Option<String> {
        let line = self.talk.lines(1).ok().filter(|line| !line.is_empty())?;
        let line = String::from_utf8(line).unwrap().trim_end().to_owned();
        self.said.push(line.clone());
        Some(line)
    }

    fn expect(&mut self, verb: &str) {
        let line = self.line().unwrap_or_default();
        assert!(line.starts_with(verb), "{verb} was due, not {line}");
    }

    /// What the last line holds in base64, behind the last blank.
    pub fn decoded(&self) -> Vec<u8> {
        let word = self.said.last().and_then(|line| line.rsplit(' ').next()).unwrap_or_default();
        STANDARD.decode(word).unwrap_or_else(|_| panic!("no base64: {word}"))
    }

    pub fn challenge(&mut self, challenge: &str) {
        self.say(&format!("334 {}", STANDARD.encode(challenge)));
    }

    /// The answer to a challenge, decoded; empty where the client cancelled or left.
    pub fn answer(&mut self) -> Vec<u8> {
        match self.line() {
            Some(line) if line != "*" => self.decoded(),
            _ => Vec::new(),
        }
    }
}

/// Takes whoever says `PLAIN` with any password, which the caller finds in what was said.
pub fn welcome(session: &mut Session) {
    session.say("235 2.7.0 in");
}

/// The password of an initial response of PLAIN among what was said.
pub fn password(said: &[String]) -> Option<String> {
    let line = said.iter().find_map(|line| line.strip_prefix("AUTH PLAIN "))?;
    let message = String::from_utf8(STANDARD.decode(line).unwrap()).unwrap();
    message.split('\0').nth(2).map(str::to_owned)
}
