//! Somebody who fetches: targets, the journal, and what became of each message.

use crate::process::{Listener, tool};
use crate::server::Server;
use postroad::disk::mbox::Mbox;
use postroad::disk::spool::format::TRAILER;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Where messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    Maildir,
    Mbox,
    Command,
    Spool,
    /// To our own server, which stores what it takes in a Maildir.
    Lmtp,
}

pub struct Home {
    dir: TempDir,
    pub into: Into,
    disposal: &'static str,
    lmtp: Option<Listener>,
}

/// How often each message is there, by its index; what is there and was never sent, or half of it.
#[derive(Debug, Default)]
pub struct Found {
    pub copies: Vec<usize>,
    pub strange: Vec<String>,
}

/// In wire form: some are longer than a pipe holds.
pub fn text(index: usize) -> Vec<u8> {
    let lines = if index % 100 == 7 { 3000 } else { 1 + index % 60 };
    let line = format!("line of {index}\r\nFrom the start of a line\r\n.with a dot\r\n");
    format!("From: <alice@crepes.test>\r\nSubject: message {index}\r\n\r\n{}", line.repeat(lines)).into_bytes()
}

pub fn texts(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(text).collect()
}

impl Home {
    pub fn new(into: Into, disposal: &'static str) -> Home {
        let mut home = Home { dir: tempfile::tempdir().unwrap(), into, disposal, lmtp: None };
        for part in ["mail/cur", "mail/new", "mail/tmp", "taken"] {
            fs::create_dir_all(home.path(part)).unwrap();
        }
        fs::write(home.path("password"), "secret\n").unwrap();
        fs::set_permissions(home.path("password"), fs::Permissions::from_mode(0o600)).unwrap();
        // Takes a message as a delivery agent does: whoever reads it sees it whole or not at all.
        let script = "t=$(mktemp \"$1/tmp.XXXXXX\") && cat >\"$t\" && mv \"$t\" \"$1/$MAIL_UID.$$\"\n";
        fs::write(home.path("take"), script).unwrap();
        if into == Into::Lmtp {
            let (mail, log) = (home.path("mail").display().to_string(), home.path("lmtp.log"));
            home.lmtp = Some(Listener::start(&["--role", "lmtp", "--maildir", &mail], &log));
        }
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn fetch(&self, server: &Server) -> Command {
        let target = match self.into {
            Into::Maildir => self.path("mail"),
            Into::Mbox => self.path("mbox"),
            Into::Command => self.path("taken"),
            Into::Spool => self.path("spool"),
            Into::Lmtp => self.lmtp.iter().map(|lmtp| format!("lmtp://{}", lmtp.address)).collect::<String>().into(),
        };
        let mut command = fetch(self.dir.path(), server, &self.path("password"));
        command.arg(self.disposal).arg("--state").arg(self.path("state/journal")).env("PATH", "/usr/bin:/bin");
        match self.into {
            Into::Maildir => command.arg("--maildir").arg(target),
            Into::Mbox => command.arg("--mbox").arg(target),
            Into::Command => command.arg("--exec").arg(format!("/bin/sh {} {}", self.path("take").display(), target.display())),
            Into::Spool => command.arg("--create").args(["--recipient", "bob@hamburger.test", "--spool"]).arg(target),
            Into::Lmtp => command.args(["--recipient", "bob@hamburger.test", "--lmtp"]).arg(target),
        };
        command
    }

    /// What is there of so many messages.
    pub fn found(&self, messages: usize) -> Found {
        let indices: BTreeMap<Vec<u8>, usize> = (0..messages).map(|index| (self.stored(index), index)).collect();
        let mut found = Found { copies: vec![0; messages], strange: Vec::new() };
        for text in self.texts() {
            match indices.get(&text) {
                Some(index) => found.copies[*index] += 1,
                None => found.strange.push(String::from_utf8_lossy(&text[..text.len().min(200)]).into_owned()),
            }
        }
        found
    }

    fn stored(&self, index: usize) -> Vec<u8> {
        match self.into {
            Into::Spool => text(index),
            _ => String::from_utf8(text(index)).unwrap().replace("\r\n", "\n").into_bytes(),
        }
    }

    fn texts(&self) -> Vec<Vec<u8>> {
        match self.into {
            Into::Maildir => files(&self.path("mail/new")),
            Into::Mbox => mbox(&self.path("mbox")),
            // What a program that was killed had begun has another name.
            Into::Command => fs::read_dir(self.path("taken"))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with("tmp."))
                .map(|path| fs::read(path).unwrap())
                .collect(),
            Into::Spool => files(&self.path("spool/new")).iter().map(|file| queued(file)).collect(),
            Into::Lmtp => files(&self.path("mail/new")).iter().map(|file| headed(file).to_vec()).collect(),
        }
    }
}

/// pop3-fetch as bob, whose home is `dir`.
pub fn fetch(dir: &Path, server: &Server, password: &Path) -> Command {
    let mut command = tool("pop3-fetch");
    command.env("HOME", dir).arg(format!("pop3://bob@{}", server.address)).args(["--tls", "never", "--allow-plaintext-auth"]);
    command.arg("--password-file").arg(password);
    command
}

fn files(dir: &Path) -> Vec<Vec<u8>> {
    fs::read_dir(dir).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

fn mbox(path: &Path) -> Vec<Vec<u8>> {
    let (mut mbox, mut texts) = (Mbox::new(fs::File::open(path).unwrap()), Vec::new());
    loop {
        let mut text = Vec::new();
        let more = mbox.next(&mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        });
        if !more.unwrap() {
            return texts;
        }
        texts.push(text);
    }
}

/// The message of a spool's file: from its own first field to the trailer.
fn queued(file: &[u8]) -> Vec<u8> {
    let message = headed(file);
    message[..message.len().saturating_sub(TRAILER)].to_vec()
}

/// A message from its own first field on: before it stand those of the way here.
fn headed(file: &[u8]) -> &[u8] {
    let first = b"From: <alice@crepes.test>";
    &file[file.windows(first.len()).position(|window| window == first).unwrap_or(0)..]
}
