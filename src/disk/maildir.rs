//! Delivery into a Maildir: tmp, sync, link, sync. Stores LF line ends. Adds no line of its own and never replaces a file.

use super::fs::{At, Fs, FsError};
use crate::bytes::newline::ToLf;
use jiff::Timestamp;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const CHUNK: usize = 64 * 1024;

/// A directory with `cur`, `new` and `tmp` in it.
#[derive(Debug, Clone)]
pub struct Maildir {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
}

/// What makes a file's name its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub at: Timestamp,
    /// Of this host; `/` and `:` are replaced, as the convention has it.
    pub host: String,
    /// Names this delivery and no other, as a queue id and a recipient's place; a second delivery under it is recognized as long as
    /// the first stands in `new/`. None: a process id and random bits.
    pub token: Option<String>,
}

/// A message that stands in `new/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    pub path: PathBuf,
    /// It stood there already: the same token was delivered before.
    pub again: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum MaildirError {
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The message could not be read to its end.
    #[error("cannot read the message: {0}")]
    Body(io::Error),
}

impl MaildirError {
    /// The disk or a quota is full.
    pub fn is_full(&self) -> bool {
        matches!(self, MaildirError::Fs(error) if error.is_full())
    }
}

impl Maildir {
    pub fn new(fs: Arc<dyn Fs>, dir: impl Into<PathBuf>) -> Maildir {
        Maildir { fs, dir: dir.into() }
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Makes what is missing of it, mode 0700, and all of it durable: who made what is there may have been killed before it was. The
    /// directory that it stands in has to be there.
    pub fn create(&self) -> Result<(), FsError> {
        let (made, above) = (self.make(&self.dir)?, super::fs::parent(&self.dir));
        match self.fs.sync_dir(above) {
            // Of a directory that we may not read it is somebody else who made the Maildir in it.
            Err(e) if !made && e.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.at("sync", above)?,
        }
        for name in ["cur", "new", "tmp"] {
            self.make(&self.dir.join(name))?;
        }
        self.fs.sync_dir(&self.dir).at("sync", &self.dir)
    }

    /// Stores `prefix` and then `body`, durably. On an error nothing of it stays.
    pub fn deliver(&self, name: &Name, prefix: &[u8], body: &mut dyn Read) -> Result<Delivered, MaildirError> {
        let random = getrandom::u64().map_err(io::Error::from).at("name a file in", &self.dir)?;
        let path = self.dir.join("new").join(name.render(random));
        if name.token.is_some() && self.fs.stat(&path).is_ok() {
            self.sync_new()?;
            return Ok(Delivered { path, again: true });
        }
        let tmp = self.dir.join("tmp").join(Name { token: None, ..name.clone() }.render(random));
        let result = self.write(&tmp, prefix, body).and_then(|()| Ok(self.publish(&tmp, &path, name.token.is_some())?));
        // Linked, the file has its name in new/; failed, it is rubbish.
        let _ = self.fs.unlink(&tmp);
        result.map(|again| Delivered { path, again })
    }

    fn write(&self, tmp: &Path, prefix: &[u8], body: &mut dyn Read) -> Result<(), MaildirError> {
        let file = self.fs.create_new(tmp).at("create", tmp)?;
        let (mut newline, mut out, mut at) = (ToLf::default(), Vec::with_capacity(CHUNK + 1), 0);
        let mut chunk = vec![0; CHUNK];
        newline.push(prefix, &mut out);
        loop {
            file.write_at(&out, at).at("write", tmp)?;
            at += out.len() as u64;
            out.clear();
            let n = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                Err(e) => return Err(MaildirError::Body(e)),
            };
            newline.push(&chunk[..n], &mut out);
        }
        newline.finish(&mut out);
        file.write_at(&out, at).at("write", tmp)?;
        Ok(file.sync_all().at("sync", tmp)?)
    }

    /// Whether the name stood there already, which only a token's may.
    fn publish(&self, tmp: &Path, path: &Path, token: bool) -> Result<bool, FsError> {
        let again = match self.fs.link(tmp, path) {
            Ok(()) => false,
            // A delivery that was cut off after its link, or that ran beside us.
            Err(e) if token && e.kind() == io::ErrorKind::AlreadyExists => true,
            Err(e) if has_no_links(&e) => {
                self.fs.rename(tmp, path).at("name", path)?;
                false
            }
            Err(e) => return Err(e).at("name", path),
        };
        let synced = self.sync_new();
        if synced.is_err() && !again {
            let _ = self.fs.unlink(path);
        }
        synced.map(|()| again)
    }

    fn sync_new(&self) -> Result<(), FsError> {
        let new = self.dir.join("new");
        self.fs.sync_dir(&new).at("sync", &new)
    }

    /// Whether it was missing.
    fn make(&self, dir: &Path) -> Result<bool, FsError> {
        match self.fs.make_dir(dir) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            made => made.at("make directory", dir).map(|()| true),
        }
    }
}

impl Name {
    /// `seconds.unique.host`
    fn render(&self, random: u64) -> String {
        let host = self.host.replace('/', "\\057").replace(':', "\\072");
        let seconds = self.at.as_second();
        match &self.token {
            Some(token) => format!("{seconds}.Q{token}.{host}"),
            None => {
                let micros = self.at.subsec_microsecond();
                format!("{seconds}.M{micros}P{}R{random:016x}.{host}", std::process::id())
            }
        }
    }
}

/// A file system without hard links. The name is then taken by a rename: it holds 64 random bits, or a token that is its own.
pub(super) fn has_no_links(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::EOPNOTSUPP | libc::ENOSYS | libc::EMLINK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::real::Real;

    const PREFIX: &[u8] = b"Return-Path: <alice@crepes.test>\nDelivered-To: bob@hamburger.test\n";

    fn maildir() -> (tempfile::TempDir, Maildir) {
        let dir = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(Real::shared(), dir.path().join("bob"));
        maildir.create().unwrap();
        maildir.create().unwrap();
        (dir, maildir)
    }

    fn name(token: Option<&str>) -> Name {
        let at = Timestamp::from_microsecond(1_795_341_600_000_042).unwrap();
        Name { at, host: "mx:1/a.test".into(), token: token.map(str::to_owned) }
    }

    fn names(maildir: &Maildir, dir: &str) -> Vec<String> {
        let names = std::fs::read_dir(maildir.path().join(dir)).unwrap();
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_message_is_stored_with_lf_under_the_convention() {
        let (_dir, maildir) = maildir();
        let delivered = maildir.deliver(&name(None), PREFIX, &mut &b"Subject: x\r\n\r\nhi\r\n"[..]).unwrap();
        let stored = std::fs::read_to_string(&delivered.path).unwrap();
        assert_eq!(stored, format!("{}Subject: x\n\nhi\n", String::from_utf8_lossy(PREFIX)));
        let file = names(&maildir, "new").pop().unwrap();
        assert!(file.starts_with("1795341600.M42P") && file.ends_with(".mx\\0721\\057a.test"), "{file}");
        maildir.deliver(&name(None), PREFIX, &mut &b"two"[..]).unwrap();
        assert_eq!(names(&maildir, "new").len(), 2);
        assert_eq!(names(&maildir, "tmp"), [""; 0]);
    }

    #[test]
    fn a_large_body_keeps_every_line() {
        let (_dir, maildir) = maildir();
        let wire = "0123456789abcdef\r\n".repeat(20_000);
        let delivered = maildir.deliver(&name(None), b"", &mut wire.as_bytes()).unwrap();
        assert_eq!(std::fs::read_to_string(&delivered.path).unwrap(), wire.replace('\r', ""));
    }

    #[test]
    fn a_token_is_delivered_once_and_replaces_nothing() {
        let (_dir, maildir) = maildir();
        let first = maildir.deliver(&name(Some("id.0")), PREFIX, &mut &b"one"[..]).unwrap();
        let second = maildir.deliver(&name(Some("id.0")), PREFIX, &mut &b"two"[..]).unwrap();
        assert_eq!((first.again, second.again, &first.path), (false, true, &second.path));
        assert!(std::fs::read_to_string(&first.path).unwrap().ends_with("one"));
        assert!(!maildir.deliver(&name(Some("id.1")), PREFIX, &mut &b"one"[..]).unwrap().again);
        assert_eq!(names(&maildir, "new").len(), 2);
    }

    #[test]
    fn a_body_that_fails_leaves_nothing() {
        struct Damaged;
        impl Read for Damaged {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the body's checksum does not match"))
            }
        }
        let (_dir, maildir) = maildir();
        let error = maildir.deliver(&name(Some("id.0")), PREFIX, &mut (&b"half"[..]).chain(Damaged)).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the message: the body's checksum does not match");
        assert_eq!((names(&maildir, "new").len(), names(&maildir, "tmp").len()), (0, 0));
    }

    #[test]
    fn a_maildir_that_is_not_there_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(Real::shared(), dir.path().join("nobody"));
        let error = maildir.deliver(&name(None), b"", &mut &b""[..]).unwrap_err();
        assert!(error.to_string().ends_with(": No such file or directory") && !error.is_full(), "{error}");
    }
}
