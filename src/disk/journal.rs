//! What was fetched from one mailbox: an append-only file of checked records, with one writer at a time. Names no protocol and no target:
//! where a message waits is the caller's text.

use super::fs::{At, File, Fs, parent};
use super::lock::present;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub mod place;
pub mod record;

use place::{JournalError, lock, make_dirs, sync_above};
use record::{BatchId, Digest, Entry, Id, Parsed, Record, State, parse};

/// The first line: this, 16 hexadecimal digits that no other journal has, LF.
const HEADER: &[u8] = b"postroad-journal 1 ";
const HEADER_LENGTH: usize = HEADER.len() + 17;
/// Longest line that is read, in bytes.
const MAX_LINE: usize = 64 * 1024;
const CHUNK: usize = 256 * 1024;
/// So many dead records are left where they are.
const SPARE: usize = 1024;

/// Messages that were announced together and are not known to be where they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    pub id: BatchId,
    /// The caller's words for where: no line end.
    pub target: Box<str>,
    /// When it was announced, in Unix seconds.
    pub at: i64,
    /// Its messages in order, those that were settled one by one included.
    pub ids: Vec<Id>,
}

/// The journal of one mailbox, locked until it is dropped.
#[derive(Debug)]
pub struct Journal {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    file: Box<dyn File>,
    tag: Box<str>,
    /// Whose messages these are, where that was noted down.
    owner: Option<Box<str>>,
    /// Where the next record goes.
    end: u64,
    /// Records that are not written yet.
    buffer: Vec<u8>,
    entries: HashMap<Id, Entry>,
    by_uid: HashMap<Arc<str>, Id>,
    batches: BTreeMap<BatchId, Batch>,
    next: u64,
    /// Records in the file, those in the buffer included.
    records: usize,
    unsynced: bool,
    broken: bool,
    /// An empty line comes before the next record: what an earlier run could not sync may become zeroes, which must not be taken for its
    /// start.
    apart: bool,
}

impl Journal {
    /// Opens or makes the journal at `path`, mode 0600 in directories of mode 0700, and locks it. Gives lines on what was wrong with
    /// it: records that say nothing now stand beside it, in a file of its name and `.corrupt`. A torn tail is cut off without a word: nothing
    /// relied on it.
    pub fn open(fs: Arc<dyn Fs>, path: &Path) -> Result<(Journal, Vec<String>), JournalError> {
        make_dirs(fs.as_ref(), parent(path))?;
        let (file, size) = lock(fs.as_ref(), path)?;
        let mut journal = Journal {
            fs,
            path: path.to_owned(),
            file,
            tag: "".into(),
            owner: None,
            end: HEADER_LENGTH as u64,
            buffer: Vec::new(),
            entries: HashMap::new(),
            by_uid: HashMap::new(),
            batches: BTreeMap::new(),
            next: 1,
            records: 0,
            unsynced: false,
            broken: false,
            apart: size > 0,
        };
        if size > 0 {
            // Whoever put it there may have been killed before its name was durable.
            journal.fs.sync_dir(parent(path)).at("sync", parent(path))?;
        }
        let bad = journal.read(size)?;
        journal.drop_orphans();
        let mut told = Vec::new();
        if !bad.is_empty() {
            let aside = journal.put_aside(&bad)?;
            let count = bad.iter().filter(|byte| **byte == b'\n').count();
            told.push(format!(
                "{}: {count} damaged or unknown records, moved to {}; their messages may be fetched again",
                path.display(),
                aside.display()
            ));
        }
        if !bad.is_empty() || journal.is_mostly_dead() {
            journal.compact()?;
        }
        Ok((journal, told))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Letters and digits that no other journal has.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Notes down whose messages these are, on one line, or refuses another's: the same name on another server is of another message. One
    /// that has nobody's name in it, as earlier versions left them, gets this one. Nothing is durable before [`Journal::sync`].
    pub fn claim(&mut self, owner: &str) -> Result<(), JournalError> {
        match &self.owner {
            Some(before) if **before == *owner => Ok(()),
            Some(before) => Err(JournalError::Owned { path: self.path.clone(), owner: before.clone(), asked: owner.into() }),
            None => {
                self.put(&Record::Owner(owner.into()));
                Ok(())
            }
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// In no order.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    pub fn find(&self, uid: &str) -> Option<&Entry> {
        self.by_uid.get(uid).and_then(|id| self.entries.get(id))
    }

    /// Batches that were announced and not settled, oldest first.
    pub fn unsettled(&self) -> Vec<Batch> {
        self.batches.values().cloned().collect()
    }

    /// Announces a batch. Nothing is durable before [`Journal::sync`].
    pub fn begin(&mut self, target: &str, at: i64) -> BatchId {
        let id = BatchId(self.draw());
        self.put(&Record::Begin { batch: id, at, target: target.into() });
        id
    }

    /// Takes a message in.
    pub fn add(&mut self, uid: Option<&str>, size: u64, digest: Digest, first: i64, state: State, place: &str) -> Id {
        let id = Id(self.draw());
        let uid = uid.map(Arc::from);
        self.put(&Record::Add(Entry { id, uid, size, digest, first, state, missing: None, place: place.into() }));
        id
    }

    /// All that waited in the batch was delivered.
    pub fn done(&mut self, batch: BatchId) {
        self.put(&Record::Done(batch));
    }

    /// This one was delivered.
    pub fn delivered(&mut self, id: Id) {
        self.put(&Record::Delivered(id));
    }

    /// Forgets a message.
    pub fn drop_entry(&mut self, id: Id) {
        self.put(&Record::Gone(id));
    }

    /// Notes since when the server does not list a message; none: it does.
    pub fn set_missing(&mut self, id: Id, since: Option<i64>) {
        if self.entries.get(&id).is_some_and(|entry| entry.missing != since) {
            self.put(&Record::Missing(id, since));
        }
    }

    /// Writes what is not written yet, without waiting for the disk.
    pub fn write(&mut self) -> Result<(), JournalError> {
        if self.broken {
            return Err(JournalError::Broken(self.path.clone()));
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.apart) {
            self.buffer.insert(0, b'\n');
        }
        if let Err(error) = self.file.write_at(&self.buffer, self.end) {
            // A half record would be cut off by the next run all the same; nothing may follow it.
            self.broken = true;
            let _ = self.file.truncate(self.end);
            return Err(error).at("write", &self.path).map_err(JournalError::from);
        }
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        self.unsynced = true;
        Ok(())
    }

    /// Makes every record so far durable.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.write()?;
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        let synced = self.file.sync_data();
        self.broken |= synced.is_err();
        Ok(synced.at("sync", &self.path)?)
    }

    /// Replaces the file by one without dead records, if most of it is dead. The old one stays where that fails.
    pub fn tidy(&mut self) -> Result<(), JournalError> {
        self.sync()?;
        if self.is_mostly_dead() { self.compact() } else { Ok(()) }
    }

    /// Replaces the file by one that holds all that is known, durably.
    pub fn rewrite(&mut self) -> Result<(), JournalError> {
        self.write()?;
        self.compact()
    }

    fn is_mostly_dead(&self) -> bool {
        let live = self.entries.len() + self.batches.len();
        self.records > 2 * live + SPARE
    }

    fn draw(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn put(&mut self, record: &Record) {
        record.write(&mut self.buffer);
        self.apply(record);
    }

    fn apply(&mut self, record: &Record) {
        self.records += 1;
        match record {
            Record::Owner(owner) => self.owner = Some(owner.clone()),
            Record::Begin { batch, at, target } => {
                self.next = self.next.max(batch.0.saturating_add(1));
                self.batches.insert(*batch, Batch { id: *batch, target: target.clone(), at: *at, ids: Vec::new() });
            }
            Record::Add(entry) => {
                self.next = self.next.max(entry.id.0.saturating_add(1));
                if let State::Waiting(batch) = entry.state
                    && let Some(batch) = self.batches.get_mut(&batch)
                {
                    batch.ids.push(entry.id);
                }
                if let Some(uid) = &entry.uid {
                    self.by_uid.insert(uid.clone(), entry.id);
                }
                self.entries.insert(entry.id, entry.clone());
            }
            Record::Done(batch) => {
                for id in self.batches.remove(batch).map(|batch| batch.ids).unwrap_or_default() {
                    self.entries.get_mut(&id).filter(|entry| entry.state == State::Waiting(*batch)).into_iter().for_each(deliver);
                }
            }
            Record::Delivered(id) => {
                self.entries.get_mut(id).into_iter().for_each(deliver);
            }
            Record::Gone(id) => {
                if let Some(Entry { uid: Some(uid), .. }) = self.entries.remove(id)
                    && self.by_uid.get(&uid) == Some(id)
                {
                    self.by_uid.remove(&uid);
                }
            }
            Record::Missing(id, since) => {
                if let Some(entry) = self.entries.get_mut(id) {
                    entry.missing = *since;
                }
            }
        }
    }

    /// Reads the records of a file of `size` bytes; gives the lines that are none. What stands behind the last good record is torn if
    /// it has no line end, or is nothing but zeroes.
    fn read(&mut self, size: u64) -> Result<Vec<u8>, JournalError> {
        if size == 0 {
            return self.found().map(|()| Vec::new());
        }
        let (mut bad, mut tail) = (Vec::new(), Vec::new());
        let (mut held, mut at, mut chunk) = (Vec::new(), 0, vec![0; CHUNK]);
        let mut headed = false;
        while at < size {
            let n = self.file.read_at(&mut chunk, at).at("read", &self.path)?;
            if n == 0 {
                break;
            }
            at += n as u64;
            let mut from = held.len();
            held.extend_from_slice(&chunk[..n]);
            let mut start = 0;
            while let Some(length) = memchr::memchr(b'\n', &held[from..]) {
                let end = from + length + 1;
                let line = &held[start..end];
                if !std::mem::replace(&mut headed, true) {
                    self.headed(line)?;
                } else if line != b"\n" {
                    match parse(line) {
                        Parsed::Record(record) => {
                            self.apply(&record);
                            bad.append(&mut tail);
                            self.end = at - (held.len() - end) as u64;
                        }
                        Parsed::Unknown => {
                            bad.append(&mut tail);
                            bad.extend_from_slice(line);
                            self.end = at - (held.len() - end) as u64;
                        }
                        Parsed::Bad => tail.extend_from_slice(line),
                    }
                }
                (start, from) = (end, end);
            }
            held.drain(..start);
            if held.len() > MAX_LINE {
                tail.append(&mut held);
            }
        }
        if !headed && is_unbegun(&held) && tail.iter().all(|byte| *byte == 0) {
            return self.found().map(|()| Vec::new());
        }
        if !headed {
            return Err(JournalError::Foreign(self.path.clone()));
        }
        // Zeroes are blocks that were never written.
        if tail.iter().any(|byte| *byte != 0 && *byte != b'\n') {
            bad.append(&mut tail);
        }
        if self.end < size {
            self.file.truncate(self.end).at("cut the end of", &self.path)?;
        }
        Ok(bad)
    }

    /// Makes it a new one.
    fn found(&mut self) -> Result<(), JournalError> {
        let random = getrandom::u64().map_err(io::Error::from).at("make", &self.path)?;
        self.tag = format!("{random:016x}").into();
        sync_above(self.fs.as_ref(), parent(&self.path))?;
        // Only what is whole and durable gets the name, or a power cut would leave something that is no journal.
        self.compact()
    }

    /// Messages whose batch is not known, since its record is damaged: nobody can say where they are.
    fn drop_orphans(&mut self) {
        let orphan = |entry: &&Entry| matches!(entry.state, State::Waiting(batch) if !self.batches.contains_key(&batch));
        let orphans: Vec<Id> = self.entries.values().filter(orphan).map(|entry| entry.id).collect();
        orphans.into_iter().for_each(|id| self.drop_entry(id));
    }

    fn header(&self) -> Vec<u8> {
        [HEADER, self.tag.as_bytes(), b"\n"].concat()
    }

    fn headed(&mut self, line: &[u8]) -> Result<(), JournalError> {
        let tag =
            line.strip_prefix(HEADER).and_then(|rest| rest.strip_suffix(b"\n")).and_then(|tag| std::str::from_utf8(tag).ok());
        match tag.filter(|tag| line.len() == HEADER_LENGTH && tag.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(tag) => {
                self.tag = tag.into();
                Ok(())
            }
            None => Err(JournalError::Foreign(self.path.clone())),
        }
    }

    fn put_aside(&self, bad: &[u8]) -> Result<PathBuf, JournalError> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".corrupt");
        let path = PathBuf::from(name);
        let file = match self.fs.create_new(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => self.fs.open(&path, super::fs::Access::ReadWrite),
            made => made,
        };
        let file = file.at("open", &path)?;
        let end = file.stat().at("read", &path)?.size;
        file.write_at(bad, end).at("write", &path)?;
        file.sync_all().at("sync", &path)?;
        self.fs.sync_dir(parent(&path)).at("sync", parent(&path))?;
        Ok(path)
    }

    /// Puts a file of live records in the place of this one. On an error the old one stays, and stays good.
    fn compact(&mut self) -> Result<(), JournalError> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let draft = PathBuf::from(name);
        let made = self.write_draft(&draft);
        let (file, end, records) = match made {
            Ok(made) => made,
            Err(error) => {
                let _ = self.fs.unlink(&draft);
                return Err(error);
            }
        };
        self.fs.rename(&draft, &self.path).at("replace", &self.path)?;
        // The old file's lock goes here; the new one was locked before it had the name.
        (self.file, self.end, self.records, self.apart) = (file, end, records, false);
        let above = parent(&self.path);
        let synced = self.fs.sync_dir(above);
        self.broken |= synced.is_err();
        Ok(synced.at("sync", above)?)
    }

    fn write_draft(&mut self, draft: &Path) -> Result<(Box<dyn File>, u64, usize), JournalError> {
        // Only the holder of the lock makes one: what is there is from a run that was killed.
        present(self.fs.unlink(draft)).at("remove", draft)?;
        let file = self.fs.create_new(draft).at("create", draft)?;
        let Some(file) = file.try_lock().at("lock", draft)? else { return Err(JournalError::Busy(draft.to_owned())) };
        let mut ids: Vec<Id> = self.entries.keys().copied().collect();
        ids.sort_unstable();
        let (mut buffer, mut end) = (self.header(), 0);
        if let Some(owner) = &self.owner {
            Record::Owner(owner.clone()).write(&mut buffer);
        }
        for batch in self.batches.values() {
            Record::Begin { batch: batch.id, at: batch.at, target: batch.target.clone() }.write(&mut buffer);
        }
        for id in &ids {
            let Some(entry) = self.entries.get(id) else { continue };
            Record::Add(entry.clone()).write(&mut buffer);
            if buffer.len() >= CHUNK {
                file.write_at(&buffer, end).at("write", draft)?;
                end += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.write_at(&buffer, end).at("write", draft)?;
        file.sync_all().at("sync", draft)?;
        Ok((file, end + buffer.len() as u64, ids.len() + self.batches.len() + usize::from(self.owner.is_some())))
    }
}

fn deliver(entry: &mut Entry) {
    entry.state = State::Delivered;
    entry.place = "".into();
}

/// Of the first line there is a part at most, or blocks that were never written: nobody relied on it.
fn is_unbegun(text: &[u8]) -> bool {
    let of_header = text.len() < HEADER_LENGTH
        && text.strip_prefix(HEADER).map_or(HEADER.starts_with(text), |tag| tag.iter().all(u8::is_ascii_hexdigit));
    of_header || text.iter().all(|byte| *byte == 0)
}
