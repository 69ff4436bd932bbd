//! Final delivery on this host: into a Maildir, or to a program's stdin. No shell, a clean environment, and nobody's mail handled as
//! root: there, each delivery is a child process that became the recipient.

use super::child::{Child, Ending, Identity, LineEnds};
use crate::disk::fs::{At, Fs, FsError, parent};
use crate::disk::maildir::{Maildir, MaildirError, Name};
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::queue_id::QueueId;
use crate::mail::reply::EnhancedStatus;
use crate::mail::trace;
use jiff::Timestamp;
use nix::unistd::{Gid, Uid, User};
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How local delivery is done.
pub struct Local {
    pub fs: Arc<dyn Fs>,
    /// For the names of files.
    pub hostname: String,
    /// Set where we run as root: the program, `mailq-run` itself, that becomes somebody and stores what comes on its stdin.
    pub helper: Option<PathBuf>,
    /// The most time a program may take.
    pub within: Duration,
    /// Set: a program that does not end by itself within a second is ended.
    pub over: Arc<AtomicBool>,
    pub known: Known,
}

/// Maildirs that are durable: making sure of it takes syncs.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashSet<PathBuf>>);

/// One message for one recipient.
pub struct Delivery<'a> {
    pub id: &'a QueueId,
    /// The recipient's place in the envelope: with the id, it names this delivery.
    pub place: usize,
    pub reverse_path: &'a ReversePath,
    pub recipient: &'a ForwardPath,
    pub arrival: Timestamp,
    /// In wire form, and its length in bytes.
    pub body: &'a mut dyn Read,
    pub length: u64,
}

/// How many Maildirs a process remembers.
const MOST_KNOWN: usize = 4096;

/// `nobody` and `nogroup` on every Unix we know.
const NOBODY: Identity = Identity { uid: Uid::from_raw(65534), gid: Gid::from_raw(65534) };

impl Local {
    /// Stores the message in a user's Maildir. The error is that of a body that can't be read.
    pub fn maildir(&self, dir: &Path, user: &str, delivery: Delivery<'_>) -> io::Result<Outcome> {
        let name = Name {
            at: delivery.arrival,
            host: self.hostname.clone(),
            token: Some(format!("{}.{}", delivery.id, delivery.place)),
        };
        match &self.helper {
            None => store(self.fs.clone(), &self.known, dir, &name, &delivery.prefix(), delivery.body),
            Some(program) => match self.identity(user, dir) {
                Some(identity) => self.store_as(program, identity, dir, &name, delivery),
                // A virtual user in a tree of root's own, as the spool is: nobody else could have put a trap there.
                None => store(self.fs.clone(), &self.known, dir, &name, &delivery.prefix(), delivery.body),
            },
        }
    }

    /// Hands the message, with LF line ends, to a program's stdin.
    pub fn pipe(&self, argv: &[String], delivery: Delivery<'_>) -> io::Result<Outcome> {
        let Some((program, arguments)) = argv.split_first() else { return Ok(deferred(3, 5, "no command".to_owned())) };
        let identity = self.helper.as_ref().map(|_| match delivery.recipient {
            ForwardPath::Mailbox(mailbox) => system_user(mailbox.local.as_str()).unwrap_or(NOBODY),
            ForwardPath::Postmaster => NOBODY,
        });
        let child = Child {
            program: Path::new(program),
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: vec![
                ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
                ("SENDER", delivery.reverse_path.to_string()),
                ("RECIPIENT", delivery.recipient.to_string()),
                ("QUEUE_ID", delivery.id.to_string()),
            ],
            directory: Path::new("/"),
            identity,
            within: self.within,
            over: Some(&self.over),
            line_ends: LineEnds::Lf,
        };
        let prefix = delivery.prefix();
        Ok(match child.run(&prefix, delivery.body)? {
            Ending::NotStarted(error) => deferred(3, 0, format!("cannot run {program}: {error}")),
            Ending::TimedOut => deferred(3, 0, format!("{program} took longer than {:?}", self.within)),
            Ending::CalledOff => called_off(program),
            Ending::Killed(signal) => deferred(3, 0, format!("{program} was ended by signal {signal}")),
            Ending::Exited { status: 0, .. } => accepted(format!("taken by {program}")),
            Ending::Exited { status: status @ (71 | 74 | 75), said } => deferred(3, 0, told(program, status, &said)),
            Ending::Exited { status, said } => {
                Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 3, 0), told(program, status, &said)))
            }
        })
    }

    /// Whom a delivery as root becomes: the user of that name, else whoever owns the nearest directory that is there.
    fn identity(&self, user: &str, dir: &Path) -> Option<Identity> {
        system_user(user).or_else(|| {
            let mut dir = dir;
            let uid = loop {
                match self.fs.stat(dir) {
                    Ok(stat) => break Uid::from_raw(stat.uid),
                    Err(_) if parent(dir) != dir => dir = parent(dir),
                    Err(_) => return None,
                }
            };
            let owner = User::from_uid(uid).ok().flatten();
            (!uid.is_root()).then_some(Identity { uid, gid: owner.map_or(NOBODY.gid, |owner| owner.gid) })
        })
    }

    fn store_as(&self, program: &Path, who: Identity, dir: &Path, name: &Name, delivery: Delivery<'_>) -> io::Result<Outcome> {
        let prefix = delivery.prefix();
        let argument = |flag: &str, value: String| [OsString::from(flag), OsString::from(value)];
        let mut arguments = vec![OsString::from(STORE), "--dir".into(), dir.into()];
        arguments.extend(argument("--uid", who.uid.to_string()));
        arguments.extend(argument("--gid", who.gid.to_string()));
        arguments.extend(argument("--host", name.host.clone()));
        arguments.extend(argument("--token", name.token.clone().unwrap_or_default()));
        arguments.extend(argument("--at", name.at.as_second().to_string()));
        arguments.extend(argument("--length", (prefix.len() as u64 + delivery.length).to_string()));
        let child = Child {
            program,
            arguments,
            environment: Vec::new(),
            directory: Path::new("/"),
            identity: None,
            within: self.within,
            over: Some(&self.over),
            line_ends: LineEnds::AsTheyAre,
        };
        Ok(match child.run(&prefix, delivery.body)? {
            Ending::Exited { status: 0, .. } => accepted(format!("stored in {}", dir.display())),
            Ending::CalledOff => called_off(&program.display().to_string()),
            Ending::Exited { said, .. } if !said.is_empty() => deferred(2, 0, said),
            other => deferred(3, 0, format!("cannot store in {}: {other:?}", dir.display())),
        })
    }
}

/// The first word of the arguments that make `mailq-run` the helper of [`Local::helper`].
pub const STORE: &str = "store-as";

/// Stores a message in the Maildir `dir`, which is made with the directories above it where they are missing.
pub fn store(fs: Arc<dyn Fs>, known: &Known, dir: &Path, name: &Name, prefix: &[u8], body: &mut dyn Read) -> io::Result<Outcome> {
    let maildir = Maildir::new(fs.clone(), dir);
    let stored =
        known.ensure(fs.as_ref(), &maildir).map_err(MaildirError::from).and_then(|()| maildir.deliver(name, prefix, body));
    match stored {
        Ok(delivered) if delivered.again => Ok(accepted(format!("stored in {} already", dir.display()))),
        Ok(_) => Ok(accepted(format!("stored in {}", dir.display()))),
        Err(MaildirError::Body(error)) => Err(error),
        Err(error) if error.is_full() => Ok(deferred(2, 2, error.to_string())),
        Err(error) => Ok(deferred(2, 0, error.to_string())),
    }
}

impl Known {
    /// Makes what is missing of a Maildir, with the directories above it, and all of it durable.
    fn ensure(&self, fs: &dyn Fs, maildir: &Maildir) -> Result<(), FsError> {
        let dir = maildir.path();
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(dir) && fs.stat(&dir.join("new")).is_ok() {
            return Ok(());
        }
        make_above(fs, dir)?;
        maildir.create()?;
        let mut known = known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(dir.to_owned());
        Ok(())
    }
}

/// Makes the missing directories above `dir`, each synced into the one above it, also the lowest that is there: whoever made that
/// may have been killed before it was durable.
fn make_above(fs: &dyn Fs, dir: &Path) -> Result<(), FsError> {
    let mut missing = Vec::new();
    let mut lowest = dir;
    while fs.stat(lowest).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) && parent(lowest) != lowest {
        missing.push(lowest);
        lowest = parent(lowest);
    }
    if !missing.is_empty() {
        match fs.sync_dir(parent(lowest)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced.at("sync", parent(lowest))?,
        }
    }
    for dir in missing.into_iter().skip(1).rev() {
        match fs.make_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.at("make directory", dir)?,
        }
        fs.sync_dir(parent(dir)).at("sync", parent(dir))?;
    }
    Ok(())
}

impl Delivery<'_> {
    /// RFC 5321 section 4.4: the final delivery puts the reverse-path on top.
    fn prefix(&self) -> Vec<u8> {
        [trace::return_path(self.reverse_path), trace::delivered_to(self.recipient)].concat()
    }
}

/// The system's user of that name, root apart.
fn system_user(name: &str) -> Option<Identity> {
    let user = User::from_name(name).ok().flatten()?;
    (!user.uid.is_root()).then_some(Identity { uid: user.uid, gid: user.gid })
}

fn told(program: &str, status: i32, said: &str) -> String {
    if said.is_empty() { format!("{program} ended with status {status}") } else { format!("{program}: {said}") }
}

/// How much of the message it has dealt with, nobody knows.
fn called_off(program: &str) -> Outcome {
    let text = format!("a signal came, and ended {program}, too");
    Outcome::InDoubt(Diagnostic::local(EnhancedStatus::new(4, 3, 0), text))
}

fn accepted(text: String) -> Outcome {
    Outcome::Accepted(Diagnostic::local(EnhancedStatus::new(2, 0, 0), text))
}

fn deferred(subject: u16, detail: u16, text: String) -> Outcome {
    Outcome::Deferred(Diagnostic::local(EnhancedStatus::new(4, subject, detail), text))
}
