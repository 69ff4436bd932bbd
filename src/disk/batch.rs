//! Many messages into a Maildir at the price of few syncs: written and synced under `tmp`, then, once the caller has noted down
//! their names, moved to `new` with one sync of it. After a crash `settle` says what became of those names.

use super::fs::{Access, At, File, Fs, FsError};
use super::lock::present;
use super::maildir::has_no_links;
use crate::bytes::newline::ToLf;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

/// So many files are synced together, while others are written: a journalling file system writes its journal once for all of them.
const TOGETHER: usize = 64;
/// So many groups of files are synced at once.
const SYNCERS: usize = 4;
/// Bytes of a message that are collected before they are written.
const BUFFER: usize = 64 * 1024;
/// Longest part of the host in a name.
const LONGEST_HOST: usize = 100;

/// Messages under `tmp` that are to become visible together.
#[derive(Debug)]
pub struct Batch {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    host: String,
    /// Of the mailbox they come from, in every name.
    tag: String,
    /// Those that are whole.
    whole: Vec<Whole>,
    /// Whole, and not synced.
    fresh: Vec<Draft>,
    syncs: VecDeque<JoinHandle<Result<(), FsError>>>,
    /// Why one of them is not durable.
    failed: Option<FsError>,
    current: Option<Draft>,
    newline: ToLf,
    buffer: Vec<u8>,
    size: u64,
}

#[derive(Debug)]
struct Draft {
    name: String,
    file: Box<dyn File>,
    at: u64,
    info: String,
    modified: Option<Timestamp>,
}

#[derive(Debug)]
struct Whole {
    name: String,
    /// Behind the colon of its name in `cur`; without, it goes to `new`.
    info: String,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Delivered,
    /// It is nowhere, or its Maildir is.
    Lost,
    /// It never stood there whole.
    Torn,
}

/// Which directory `tmp` was: another of its path knows nothing of our files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub device: u64,
    pub inode: u64,
}

impl Batch {
    pub fn new(fs: Arc<dyn Fs>, dir: impl Into<PathBuf>, host: &str, tag: &str) -> Batch {
        let host: String = host.replace('/', "\\057").replace(':', "\\072");
        let host = host.chars().filter(char::is_ascii_graphic).take(LONGEST_HOST).collect();
        Batch {
            fs,
            dir: dir.into(),
            host,
            tag: tag.to_owned(),
            whole: Vec::new(),
            fresh: Vec::new(),
            syncs: VecDeque::new(),
            failed: None,
            current: None,
            newline: ToLf::default(),
            buffer: Vec::new(),
            size: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.whole.len()
    }

    pub fn is_empty(&self) -> bool {
        self.whole.is_empty()
    }

    /// Octets of all of them.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn begin(&mut self, at: Timestamp) -> Result<(), FsError> {
        self.abort();
        let tmp = self.dir.join("tmp");
        let random = getrandom::u64().map_err(io::Error::from).at("name a file in", &tmp)?;
        let (seconds, micros, pid) = (at.as_second(), at.subsec_microsecond(), std::process::id());
        let name = format!("{seconds}.M{micros}P{pid}R{random:016x}{}.{}", mark(&self.tag), self.host);
        let path = tmp.join(&name);
        let file = self.fs.create_new(&path).at("create", &path)?;
        self.current = Some(Draft { name, file, at: 0, info: String::new(), modified: None });
        Ok(())
    }

    /// What is known beside the content of the message that was begun: `info`, if any, has it stand in `cur`, as a message that somebody saw.
    pub fn label(&mut self, info: String, modified: Option<Timestamp>) {
        if let Some(draft) = &mut self.current {
            (draft.info, draft.modified) = (info, modified);
        }
    }

    /// Takes the next bytes, in wire form.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.newline.push(bytes, &mut self.buffer);
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// The message is whole.
    pub fn end(&mut self) -> Result<(), FsError> {
        self.newline.finish(&mut self.buffer);
        self.flush()?;
        if let Some(draft) = self.current.take() {
            if let Some(modified) = draft.modified {
                draft.file.set_modified(modified.into()).at("date", &self.tmp(&draft.name))?;
            }
            self.size += draft.at;
            self.whole.push(Whole { name: draft.name.clone(), info: draft.info.clone() });
            self.fresh.push(draft);
        }
        if self.fresh.len() >= TOGETHER {
            self.sync_behind();
        }
        Ok(())
    }

    /// Nothing stays of the message that was begun.
    pub fn abort(&mut self) {
        self.newline = ToLf::default();
        self.buffer.clear();
        if let Some(draft) = self.current.take() {
            let _ = self.fs.unlink(&self.tmp(&draft.name));
        }
    }

    /// Makes all of them durable under `tmp`, and says which directory that is. On an error none of them counts.
    pub fn sync(&mut self) -> Result<Place, FsError> {
        let tmp = self.dir.join("tmp");
        let rest = sync_files(&std::mem::take(&mut self.fresh), &tmp);
        self.wait();
        self.failed.take().map_or(rest, Err)?;
        self.fs.sync_dir(&tmp).at("sync", &tmp)?;
        let stat = self.fs.stat(&tmp).at("look at", &tmp)?;
        Ok(Place { device: stat.device, inode: stat.inode })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.whole.iter().map(|whole| whole.name.as_str())
    }

    /// Moves all of them to `new`, or to `cur`, durably. To be called only when it is noted durably where they were. On an error some may have
    /// moved, and [`settle`] has to say which.
    pub fn publish(&mut self) -> Result<(), FsError> {
        let all = std::mem::take(&mut self.whole);
        self.size = 0;
        let mover = Mover::new(self.fs.as_ref(), &self.dir)?;
        all.iter().try_for_each(|whole| mover.show(&whole.name, &whole.info))?;
        let goes = |seen: bool| all.iter().any(|whole| whole.info.is_empty() != seen);
        let dirs = [(goes(false), &mover.new), (goes(true), &mover.cur)];
        let dirs = dirs.into_iter().filter_map(|(used, dir)| used.then_some(dir.as_path()));
        mover.finish(dirs, all.iter().map(|whole| whole.name.as_str()))
    }

    /// Forgets all of them and removes their files.
    pub fn discard(&mut self) {
        self.abort();
        for whole in self.forget() {
            let _ = self.fs.unlink(&self.tmp(&whole.name));
        }
    }

    /// Forgets all of them and leaves their files: they may be noted down durably or not, and the next run has to say.
    pub fn leave(&mut self) {
        self.forget();
    }

    fn forget(&mut self) -> Vec<Whole> {
        self.wait();
        self.fresh.clear();
        (self.size, self.failed) = (0, None);
        std::mem::take(&mut self.whole)
    }

    fn tmp(&self, name: &str) -> PathBuf {
        self.dir.join("tmp").join(name)
    }

    fn flush(&mut self) -> Result<(), FsError> {
        let Some(draft) = &mut self.current else { return Ok(()) };
        let path = self.dir.join("tmp").join(&draft.name);
        draft.file.write_at(&self.buffer, draft.at).at("write", &path)?;
        draft.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Syncs what is whole on a thread of its own.
    fn sync_behind(&mut self) {
        if self.syncs.len() >= SYNCERS
            && let Some(first) = self.syncs.pop_front()
        {
            self.settle(first);
        }
        let (files, tmp) = (Arc::new(std::mem::take(&mut self.fresh)), self.dir.join("tmp"));
        let theirs = (Arc::clone(&files), tmp.clone());
        match std::thread::Builder::new().spawn(move || sync_files(&theirs.0, &theirs.1)) {
            Ok(thread) => self.syncs.push_back(thread),
            // As where there are too many threads.
            Err(_) => self.failed = self.failed.take().or(sync_files(&files, &tmp).err()),
        }
    }

    /// Each is waited for: a sync that runs on would speak of files that are gone.
    fn wait(&mut self) {
        while let Some(thread) = self.syncs.pop_front() {
            self.settle(thread);
        }
    }

    fn settle(&mut self, thread: JoinHandle<Result<(), FsError>>) {
        let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that synced died")).at("sync", &self.dir));
        self.failed = self.failed.take().or(ended.err());
    }
}

/// Makes files of `tmp` durable.
fn sync_files(files: &[Draft], tmp: &Path) -> Result<(), FsError> {
    if files.len() > 1 {
        files.iter().for_each(|draft| draft.file.write_out());
    }
    files.iter().try_for_each(|draft| draft.file.sync_data().at("sync", &tmp.join(&draft.name)))
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.discard();
    }
}

/// From `tmp` to `new`, or `cur`.
struct Mover<'a> {
    fs: &'a dyn Fs,
    tmp: PathBuf,
    new: PathBuf,
    cur: PathBuf,
    /// A rename is one step on disk; elsewhere the old name goes when the new one is durable.
    one_step: bool,
}

impl<'a> Mover<'a> {
    fn new(fs: &'a dyn Fs, dir: &Path) -> Result<Mover<'a>, FsError> {
        let (tmp, new) = (dir.join("tmp"), dir.join("new"));
        let one_step = fs.renames_atomically(&new).at("look at", &new)?;
        Ok(Mover { fs, tmp, new, cur: dir.join("cur"), one_step })
    }

    /// A reader may see it from here on. Its name has 64 random bits: nothing is replaced.
    fn show(&self, name: &str, info: &str) -> Result<(), FsError> {
        let to = if info.is_empty() { self.new.join(name) } else { self.cur.join(format!("{name}:{info}")) };
        let from = self.tmp.join(name);
        if !self.one_step {
            match self.fs.link(&from, &to) {
                Err(e) if has_no_links(&e) => {}
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
                linked => return linked.at("name", &to),
            }
        }
        self.fs.rename(&from, &to).at("name", &to)
    }

    /// Makes durable what stands in `dirs` now.
    fn finish<'n>(&self, dirs: impl Iterator<Item = &'n Path>, names: impl Iterator<Item = &'n str>) -> Result<(), FsError> {
        for dir in dirs {
            self.fs.sync_dir(dir).at("sync", dir)?;
        }
        if !self.one_step {
            names.for_each(|name| drop(self.fs.unlink(&self.tmp.join(name))));
        }
        Ok(())
    }
}

/// What became of the `names` of a batch whose [`Batch::publish`] was not seen to end; what still stands under `tmp` is delivered now.
///
/// A name that is gone from `tmp` was delivered, and perhaps read and removed since. But if `old` (so old that whoever tidies up `tmp` may
/// have removed it), it is lost unless it is found. So it is where another directory stands at `dir` by now (a copy, or the same one by the
/// number that its file system gave it after a restart), since a draft there need not be whole. What is found may be a copy that nobody
/// synced: that is made up for. An error leaves all as it was.
pub fn settle(fs: &dyn Fs, dir: &Path, place: Place, names: &[&str], old: bool) -> Result<Vec<Fate>, FsError> {
    let tmp = dir.join("tmp");
    let Some(found) = present(fs.stat(&tmp)).at("look at", &tmp)? else { return Ok(vec![Fate::Lost; names.len()]) };
    let is_same = (found.device, found.inode) == (place.device, place.inode);
    let mut seen = if is_same { None } else { Some(delivered(fs, dir, names)?) };
    if seen.as_ref().is_some_and(HashMap::is_empty) {
        return Ok(vec![Fate::Lost; names.len()]);
    }
    let mover = Mover::new(fs, dir)?;
    let mut fates = Vec::with_capacity(names.len());
    for name in names {
        let draft = tmp.join(name);
        match present(fs.stat(&draft)).at("look at", &draft)?.filter(|_| is_same) {
            // Linked, and its old name is back, or not yet gone.
            Some(stat) if stat.links > 1 => {}
            Some(_) => mover.show(name, "")?,
            None if is_same && !old => {}
            None => {
                let seen = match &mut seen {
                    Some(seen) => seen,
                    none => none.insert(delivered(fs, dir, names)?),
                };
                let Some(path) = seen.get(name) else {
                    fates.push(Fate::Lost);
                    continue;
                };
                sync_found(fs, dir, name, path)?;
            }
        }
        fates.push(Fate::Delivered);
    }
    if seen.is_some_and(|seen| !seen.is_empty()) {
        fs.sync_dir(&mover.cur).at("sync", &mover.cur)?;
    }
    mover.finish([mover.new.as_path()].into_iter(), names.iter().copied())?;
    Ok(fates)
}

/// Makes durable what was found. A reader may give it other flags meanwhile; who removes it has had it.
fn sync_found(fs: &dyn Fs, dir: &Path, name: &str, path: &Path) -> Result<(), FsError> {
    let mut at = Some(path.to_owned());
    while let Some(path) = at {
        if let Some(file) = present(fs.open(&path, Access::Read)).at("open", &path)? {
            return file.sync_all().at("sync", &path);
        }
        at = delivered(fs, dir, &[name])?.remove(name);
    }
    Ok(())
}

/// Removes from `tmp` what an earlier run with this tag left there. Nobody else writes under it: the mailbox's journal is locked.
pub fn sweep(fs: &dyn Fs, dir: &Path, tag: &str) -> Result<(), FsError> {
    let (tmp, mark) = (dir.join("tmp"), format!("{}.", mark(tag)));
    for name in fs.names(&tmp).at("read", &tmp)? {
        let name = name.at("read", &tmp)?;
        if name.to_str().is_some_and(|name| name.contains(&mark)) {
            let path = tmp.join(&name);
            present(fs.unlink(&path)).at("remove", &path)?;
        }
    }
    Ok(())
}

fn mark(tag: &str) -> String {
    format!("F{tag}")
}

/// Where those of the `names` stand that are in `new` or `cur`, with whatever flags behind them.
fn delivered<'n>(fs: &dyn Fs, dir: &Path, names: &[&'n str]) -> Result<HashMap<&'n str, PathBuf>, FsError> {
    let wanted: HashSet<&'n str> = names.iter().copied().collect();
    let mut found = HashMap::new();
    for part in ["new", "cur"] {
        let path = dir.join(part);
        for name in present(fs.names(&path)).at("read", &path)?.into_iter().flatten() {
            let name = name.at("read", &path)?;
            let bare = name.to_str().and_then(|name| name.split(':').next());
            if let Some(bare) = bare.and_then(|bare| wanted.get(bare)) {
                found.insert(*bare, path.join(&name));
            }
        }
    }
    Ok(found)
}
