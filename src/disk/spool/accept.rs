//! A message on its way in: written where no reader looks, then named and made durable in one step. Nothing of one that is
//! not committed stays.

use super::format::{
    Arrival, Head, MAX_BODY, MAX_HEAD, MAX_RECIPIENTS, PREAMBLE, Parent, Preamble, Sort, UNFINISHED, head_crc, trailer,
};
use super::layout::{NEW, Spool, SpoolError, draft_name};
use super::mark::Mark;
use crate::disk::fs::{At, File, parent};
use crate::disk::lock::present;
use crate::mail::envelope::Envelope;
use crate::mail::queue_id::QueueId;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are collected before they are written. More would be handed back to the system after each message, and asked for again.
const BUFFER: usize = 32 * 1024;

/// A message being written. Dropped before [`Incoming::commit`], it leaves nothing behind.
#[derive(Debug)]
#[must_use]
pub struct Incoming {
    spool: Spool,
    id: QueueId,
    file: Arc<dyn File>,
    name: Name,
    target: PathBuf,
    preamble: Preamble,
    head: Vec<u8>,
    body_crc: u32,
    buffer: Vec<u8>,
    /// Where in the file the buffer belongs.
    at: u64,
    failed: bool,
    keep: bool,
}

/// The name that a file has now.
#[derive(Debug)]
enum Name {
    None,
    /// One that no reader takes.
    Draft(PathBuf),
    Target,
}

/// A message that is durable. Its lock is held, so that nobody delivers it before the reply is decided: drop it then.
#[derive(Debug)]
#[must_use]
pub struct Committed {
    spool: Spool,
    id: QueueId,
    path: PathBuf,
    /// Body length in bytes.
    size: u64,
    _lock: Arc<dyn File>,
}

impl Spool {
    /// Begins a message that will stand in `new/`. `id` must be fresh: see [`QueueId::new`].
    pub fn begin(&self, id: QueueId, envelope: &Envelope, arrival: &Arrival) -> Result<Incoming, SpoolError> {
        self.begin_sort(id, envelope, arrival, Sort::Message)
    }

    /// As [`Spool::begin`], for a DSN that no recipient's mark hangs on, as a notice of delay.
    pub fn begin_sort(&self, id: QueueId, envelope: &Envelope, arrival: &Arrival, sort: Sort) -> Result<Incoming, SpoolError> {
        let target = self.flat_path(NEW, &id);
        Incoming::start(self, target, &Head { id: &id, sort, arrival, envelope, parent: None })
    }

    pub(super) fn begin_child(
        &self,
        target: PathBuf,
        id: QueueId,
        envelope: &Envelope,
        arrival: &Arrival,
        sort: Sort,
        parent: Parent,
    ) -> Result<Incoming, SpoolError> {
        Incoming::start(self, target, &Head { id: &id, sort, arrival, envelope, parent: Some(&parent) })
    }
}

impl Incoming {
    pub fn id(&self) -> &QueueId {
        &self.id
    }

    /// Body bytes so far.
    pub fn size(&self) -> u64 {
        self.preamble.body
    }

    /// Appends to the body, which is stored as it comes, with CRLF line ends. After an error nothing can be committed any more.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.body_crc = crc32c::crc32c_append(self.body_crc, bytes);
        self.preamble.body += bytes.len() as u64;
        self.preamble.eight_bit |= !bytes.is_ascii();
        let result = self.append(bytes);
        self.failed |= result.is_err();
        result
    }

    /// Makes the message durable under its name. On an error nothing of it stays, and the client is to hear 452 if
    /// [`SpoolError::is_full`], else 451.
    pub fn commit(mut self) -> Result<Committed, SpoolError> {
        self.publish()?;
        self.keep = true;
        Ok(Committed {
            spool: self.spool.clone(),
            id: self.id.clone(),
            path: std::mem::take(&mut self.target),
            size: self.preamble.body,
            _lock: self.file.clone(),
        })
    }

    /// Begins a file that will take the place of the one at `target`, whose lock the caller holds.
    pub(super) fn rewrite(spool: &Spool, target: PathBuf, head: &Head<'_>, marks: &[Mark]) -> Result<Incoming, SpoolError> {
        let plan = Plan::new(head, marks.iter().map(|mark| mark.byte()).collect())?;
        // Only a file with a name can replace another, and only within one directory everywhere in one step.
        let draft = draft_name(&target).at("name a draft of", &target)?;
        let file = spool.fs.create_new(&draft).at("create", &draft)?;
        let file = lock_new(spool, file, Some(&draft))?;
        Incoming::start_in(spool, (file, Name::Draft(draft)), target, plan)
    }

    fn start(spool: &Spool, target: PathBuf, head: &Head<'_>) -> Result<Incoming, SpoolError> {
        let plan = Plan::new(head, vec![Mark::Pending.byte(); head.envelope.recipients().len()])?;
        Incoming::start_in(spool, create(spool, &target)?, target, plan)
    }

    fn start_in(spool: &Spool, (file, name): (Arc<dyn File>, Name), target: PathBuf, plan: Plan) -> Result<Incoming, SpoolError> {
        let mut incoming = Incoming {
            spool: spool.clone(),
            id: plan.id,
            file,
            name,
            target,
            preamble: plan.preamble,
            head: plan.head,
            body_crc: 0,
            buffer: Vec::with_capacity(BUFFER),
            at: 0,
            failed: false,
            keep: false,
        };
        let us = incoming.file.owner().at("look at", incoming.shown())?;
        if us != spool.owner() {
            return Err(SpoolError::Owner { path: spool.root().to_owned(), owner: spool.owner(), us });
        }
        incoming.append(UNFINISHED)?;
        incoming.append(&plan.marks)?;
        incoming.append(b"\n")?;
        let head = std::mem::take(&mut incoming.head);
        incoming.append(&head)?;
        incoming.head = head;
        Ok(incoming)
    }

    /// Appends to the file, whatever it is.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<(), SpoolError> {
        if bytes.len() + self.buffer.len() >= BUFFER {
            let fits = BUFFER - self.buffer.len();
            self.buffer.extend_from_slice(&bytes[..fits.min(bytes.len())]);
            bytes = &bytes[fits.min(bytes.len())..];
            self.flush()?;
        }
        if bytes.len() >= BUFFER {
            self.put(bytes)?;
            self.at += bytes.len() as u64;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SpoolError> {
        self.put(&self.buffer)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn put(&self, bytes: &[u8]) -> Result<(), SpoolError> {
        Ok(self.file.write_at(bytes, self.at).at("write", self.shown())?)
    }

    /// Appends the trailer: the body is at its end.
    pub(super) fn seal(&mut self) -> Result<(), SpoolError> {
        if self.failed || self.preamble.body > MAX_BODY {
            return Err(SpoolError::Misuse { id: self.id.clone(), why: "writing it failed" });
        }
        let trailer = trailer(head_crc(&self.preamble, &self.head), self.body_crc);
        self.append(&trailer)
    }

    /// Takes the place of the file at the target. Its directory is still to be synced.
    pub(super) fn replace(mut self) -> Result<(), SpoolError> {
        self.complete()?;
        self.file.sync_all().at("sync", self.shown())?;
        if let Name::Draft(draft) = &self.name {
            self.spool.fs.rename(draft, &self.target).at("replace", &self.target)?;
        }
        self.keep = true;
        Ok(())
    }

    fn publish(&mut self) -> Result<(), SpoolError> {
        self.seal()?;
        self.complete()?;
        match &self.name {
            Name::None => self.file.name(&self.target).at("name", &self.target)?,
            Name::Draft(draft) => self.spool.rename_free(draft, &self.target).at("name", &self.target)?,
            Name::Target => {}
        }
        self.name = Name::Target;
        let named = self.spool.named(parent(&self.target));
        self.file.sync_all().at("sync", &self.target)?;
        self.spool.sync_named(&named)
    }

    /// Writes what is left, and last the preamble, without which it is no message. Of a small one nothing is written yet, and all is at
    /// once: where that is cut short, the trailer is missing.
    fn complete(&mut self) -> Result<(), SpoolError> {
        let preamble = self.preamble.line();
        if let (0, Some(start)) = (self.at, self.buffer.get_mut(..PREAMBLE)) {
            start.copy_from_slice(&preamble);
            return self.flush();
        }
        self.flush()?;
        Ok(self.file.write_at(&preamble, 0).at("write", self.shown())?)
    }

    /// The path to tell in an error.
    fn shown(&self) -> &Path {
        self.name().unwrap_or(&self.target)
    }

    fn name(&self) -> Option<&Path> {
        match &self.name {
            Name::None => None,
            Name::Draft(draft) => Some(draft),
            Name::Target => Some(&self.target),
        }
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if let Some(name) = self.name().filter(|_| !self.keep) {
            let _ = withdraw(&self.spool, self.file.as_ref(), name);
        }
    }
}

impl Committed {
    pub fn id(&self) -> &QueueId {
        &self.id
    }

    /// Body length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes the message back: the client never heard that it was accepted.
    pub fn undo(self) -> Result<(), SpoolError> {
        withdraw(&self.spool, self._lock.as_ref(), &self.path)?;
        self.spool.sync_names(parent(&self.path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What stands before the body, measured before any file is made.
struct Plan {
    id: QueueId,
    preamble: Preamble,
    marks: Vec<u8>,
    head: Vec<u8>,
}

impl Plan {
    fn new(header: &Head<'_>, marks: Vec<u8>) -> Result<Plan, SpoolError> {
        let misuse = |why| SpoolError::Misuse { id: header.id.clone(), why };
        let head = header.line();
        let recipients = u32::try_from(marks.len()).ok().filter(|&n| n <= MAX_RECIPIENTS).ok_or(misuse("too many recipients"))?;
        let length = u32::try_from(head.len()).ok().filter(|&n| n <= MAX_HEAD).ok_or(misuse("envelope too long"))?;
        let preamble = Preamble { head: length, recipients, body: 0, eight_bit: false };
        Ok(Plan { id: header.id.clone(), preamble, marks, head })
    }
}

/// A new locked file in the directory of `target`: without a name, or where that cannot be had with one that no reader takes.
fn create(spool: &Spool, target: &Path) -> Result<(Arc<dyn File>, Name), SpoolError> {
    let dir = parent(target);
    let (file, draft) = match spool.fs.create_unnamed(dir) {
        Ok(file) => (file, None),
        Err(e) if e.kind() == io::ErrorKind::Unsupported => {
            let path = draft_name(target).at("name a draft of", target)?;
            (spool.fs.create_new(&path).at("create", &path)?, Some(path))
        }
        Err(e) => return Err(e).at("create a file in", dir).map_err(SpoolError::from),
    };
    Ok((lock_new(spool, file, draft.as_deref())?, draft.map_or(Name::None, Name::Draft)))
}

/// Locks a file that was just made; where that fails, its name goes.
fn lock_new(spool: &Spool, file: Box<dyn File>, name: Option<&Path>) -> Result<Arc<dyn File>, SpoolError> {
    let locked = match file.try_lock() {
        Ok(Some(file)) => return Ok(Arc::from(file)),
        Ok(None) => io::ErrorKind::WouldBlock.into(),
        Err(e) => e,
    };
    if let Some(path) = name {
        let _ = spool.fs.unlink(path);
    }
    Err(locked).at("lock", name.unwrap_or(spool.root())).map_err(SpoolError::from)
}

/// Takes a file out of the spool; where its name cannot be removed, its content is, durably, so that it is never delivered.
fn withdraw(spool: &Spool, file: &dyn File, path: &Path) -> Result<(), SpoolError> {
    match present(spool.fs.unlink(path)) {
        Ok(_) => Ok(()),
        Err(_) => Ok(file.truncate(0).and_then(|()| file.sync_all()).at("withdraw", path)?),
    }
}
