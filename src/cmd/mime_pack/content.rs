//! Content that is read more than once in constant memory: to see what it is, then to send it. What cannot be read twice is kept in
//! memory while it is small, else in an unlinked temporary file.

use super::unique::random_hex;
use crate::bytes::charset::{NotUtf8, Utf8Check};
use crate::bytes::transfer::Profile;
use crate::cli::exit::{Failure, OrStatus, Status};
use anyhow::Context;
use memchr::memmem;
use nix::errno::Errno;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Whole base64 lines, and enough for few system calls.
const CHUNK: usize = 57 * 4096;
/// What is kept in memory of a stream, in octets.
const IN_MEMORY: usize = 1024 * 1024;

/// Content and what to call it in an error.
#[derive(Debug)]
pub struct Content {
    pub label: String,
    data: Data,
}

#[derive(Debug)]
enum Data {
    Memory(Vec<u8>),
    /// From this offset on.
    File(File, u64),
    /// Of this name, opened again for each reading: as many files as are attached cannot all stay open.
    Named(PathBuf, Identity),
}

/// What tells a file, and a state of it, from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(found: &Metadata) -> Identity {
        let modified = (found.mtime(), found.mtime_nsec());
        Identity { device: found.dev(), inode: found.ino(), size: found.size(), modified }
    }
}

/// `-`, or what the system calls it: opened by that name, it would be read again or not at all.
pub fn is_stdin(path: &Path) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].iter().any(|name| path == Path::new(name))
}

/// What content looks like.
#[derive(Debug)]
pub struct Measure {
    pub profile: Profile,
    pub utf8: Result<(), NotUtf8>,
}

impl Content {
    /// Opens a file, `-` being stdin: status 66 where that fails, a directory included.
    pub fn open(path: &Path) -> Result<Content, Failure> {
        if is_stdin(path) {
            return Content::stdin();
        }
        let label = path.display().to_string();
        let file = opened(path, &label)?;
        let looked = file.metadata().map(|metadata| (metadata, file.read_at(&mut [0], 0)));
        let (metadata, first) = looked.with_context(|| format!("cannot read {label}")).or_status(Status::NoInput)?;
        // What has no size but content is made anew at each reading, as in /proc.
        let is_stable = metadata.is_file() && (metadata.size() > 0 || matches!(first, Ok(0)));
        if is_stable {
            first.with_context(|| format!("cannot read {label}")).or_status(Status::NoInput)?;
            return Ok(Content { label, data: Data::Named(path.to_owned(), Identity::of(&metadata)) });
        }
        Ok(Content { data: keep(file, &label)?, label })
    }

    /// The rest of stdin.
    pub fn stdin() -> Result<Content, Failure> {
        let stdin = io::stdin().as_fd().try_clone_to_owned().context("cannot read stdin").or_status(Status::NoInput)?;
        let mut file = File::from(stdin);
        let at = file.stream_position().unwrap_or(0);
        Content::of_file(file, at, "stdin".to_owned())
    }

    /// Reads it all, `take` being given one chunk after the other. A file that is not what it was when it was opened first is status 74.
    pub fn each(&self, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let reopened;
        let (file, mut at) = match &self.data {
            Data::Memory(bytes) => return bytes.chunks(CHUNK).try_for_each(take),
            Data::File(file, start) => (file, *start),
            Data::Named(path, _) => {
                reopened = self.reopened(path)?;
                (&reopened, 0)
            }
        };
        let mut chunk = vec![0; CHUNK];
        loop {
            let used = self.fill(file, at, &mut chunk)?;
            if used == 0 {
                return self.confirm(file);
            }
            take(&chunk[..used])?;
            at += used as u64;
        }
    }

    /// Its first octets, `most` of them.
    pub fn start(&self, most: usize) -> Result<Vec<u8>, Failure> {
        let reopened;
        let (file, start) = match &self.data {
            Data::Memory(bytes) => return Ok(bytes[..bytes.len().min(most)].to_vec()),
            Data::File(file, start) => (file, *start),
            Data::Named(path, _) => {
                reopened = self.reopened(path)?;
                (&reopened, 0)
            }
        };
        let mut chunk = vec![0; most];
        let used = self.fill(file, start, &mut chunk)?;
        chunk.truncate(used);
        Ok(chunk)
    }

    fn reopened(&self, path: &Path) -> Result<File, Failure> {
        let file = opened(path, &self.label)?;
        self.confirm(&file)?;
        Ok(file)
    }

    /// That it is the file that was opened first, and as it was.
    fn confirm(&self, file: &File) -> Result<(), Failure> {
        let Data::Named(_, identity) = &self.data else { return Ok(()) };
        let metadata = file.metadata().with_context(|| format!("cannot read {}", self.label)).or_status(Status::NoInput)?;
        if Identity::of(&metadata) == *identity {
            return Ok(());
        }
        Err(Failure::text(Status::Io, format!("{} changed while it was read", self.label)))
    }

    /// Looks at all of it.
    pub fn measure(&self) -> Result<Measure, Failure> {
        let (mut profile, mut check, mut utf8) = (Profile::default(), Utf8Check::default(), Ok(()));
        self.each(|bytes| {
            profile.push(bytes);
            utf8 = utf8.and_then(|()| check.push(bytes));
            Ok(())
        })?;
        profile.finish();
        Ok(Measure { profile, utf8: utf8.and_then(|()| check.finish()) })
    }

    /// Whether `needle`, which is not empty, stands in it.
    pub fn contains(&self, needle: &[u8]) -> Result<bool, Failure> {
        let finder = memmem::Finder::new(needle);
        let (mut found, mut seam) = (false, Vec::new());
        self.each(|bytes| {
            seam.extend_from_slice(&bytes[..bytes.len().min(needle.len())]);
            found |= finder.find(&seam).is_some() || finder.find(bytes).is_some();
            if bytes.len() >= needle.len() {
                seam = bytes[bytes.len() - needle.len()..].to_vec();
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// What `change` makes of it, chunk by chunk; it is called with none at the end.
    pub fn changed(
        &self,
        mut change: impl FnMut(Option<&[u8]>, &mut Vec<u8>) -> Result<(), Failure>,
    ) -> Result<Content, Failure> {
        let (mut keeper, mut out) = (Keeper::default(), Vec::new());
        self.each(|bytes| {
            out.clear();
            change(Some(bytes), &mut out)?;
            keeper.push(&out)
        })?;
        out.clear();
        change(None, &mut out)?;
        keeper.push(&out)?;
        Ok(keeper.finish(self.label.clone()))
    }

    /// All of it, if it is no longer than `most` octets.
    pub fn whole(&self, most: usize) -> Result<Vec<u8>, Failure> {
        let mut whole = Vec::new();
        self.each(|bytes| {
            whole.extend_from_slice(bytes);
            if whole.len() <= most { Ok(()) } else { Err(Failure::text(Status::Data, format!("{}: too large", self.label))) }
        })?;
        Ok(whole)
    }

    /// Everything that comes from this descriptor.
    pub fn stream(stream: impl Read, label: &str) -> Result<Content, Failure> {
        Ok(Content { label: label.to_owned(), data: keep(stream, label)? })
    }

    pub fn is_empty(&self) -> Result<bool, Failure> {
        let mut is_empty = true;
        self.each(|bytes| {
            is_empty &= bytes.is_empty();
            Ok(())
        })?;
        Ok(is_empty)
    }

    pub fn memory(label: &str, bytes: Vec<u8>) -> Content {
        Content { label: label.to_owned(), data: Data::Memory(bytes) }
    }

    pub fn sha256(&self) -> Result<[u8; 32], Failure> {
        let mut digest = Sha256::new();
        self.each(|bytes| {
            digest.update(bytes);
            Ok(())
        })?;
        Ok(digest.finalize().into())
    }

    fn of_file(file: File, start: u64, label: String) -> Result<Content, Failure> {
        let metadata = file.metadata().with_context(|| format!("cannot read {label}")).or_status(Status::NoInput)?;
        let data = if metadata.is_file() { Data::File(file, start) } else { keep(file, &label)? };
        Ok(Content { label, data })
    }

    /// As many bytes as fit, fewer only at the end.
    fn fill(&self, file: &File, at: u64, chunk: &mut [u8]) -> Result<usize, Failure> {
        let mut used = 0;
        while used < chunk.len() {
            match file.read_at(&mut chunk[used..], at + used as u64) {
                Ok(0) => break,
                Ok(n) => used += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot read {}", self.label)).or_status(Status::NoInput);
                }
            }
        }
        Ok(used)
    }
}

fn opened(path: &Path, label: &str) -> Result<File, Failure> {
    let open = || {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() { Err(io::Error::from(io::ErrorKind::IsADirectory)) } else { Ok(file) }
    };
    let opened = open();
    let status = match opened.as_ref().err().and_then(io::Error::raw_os_error).map(Errno::from_raw) {
        Some(Errno::EMFILE | Errno::ENFILE) => Status::Os,
        _ => Status::NoInput,
    };
    opened.with_context(|| format!("cannot open {label}")).or_status(status)
}

fn keep(mut stream: impl Read, label: &str) -> Result<Data, Failure> {
    let mut keeper = Keeper::default();
    let mut chunk = vec![0; CHUNK];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(keeper.data()),
            Ok(used) => keeper.push(&chunk[..used])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).with_context(|| format!("cannot read {label}")).or_status(Status::NoInput),
        }
    }
}

/// Content that is being made: in memory while it is small, else in an unlinked temporary file.
#[derive(Debug, Default)]
pub struct Keeper {
    memory: Vec<u8>,
    file: Option<(File, String)>,
}

impl Keeper {
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.file.is_none() && self.memory.len() + bytes.len() > IN_MEMORY {
            self.file = Some(temporary_file()?);
            self.spill()?;
        }
        self.memory.extend_from_slice(bytes);
        if self.file.is_some() { self.spill() } else { Ok(()) }
    }

    pub fn finish(self, label: String) -> Content {
        Content { label, data: self.data() }
    }

    /// An open file with what was pushed, to be read from its start.
    pub fn into_file(mut self) -> Result<File, Failure> {
        if self.file.is_none() {
            self.file = Some(temporary_file()?);
        }
        self.spill()?;
        let (mut file, place) = self.file.take().map_or_else(temporary_file, Ok)?;
        file.rewind().with_context(|| format!("cannot read a temporary file in {place}")).or_status(Status::Io)?;
        Ok(file)
    }

    fn spill(&mut self) -> Result<(), Failure> {
        let Some((file, place)) = &mut self.file else { return Ok(()) };
        let writing = || format!("cannot write to a temporary file in {place}");
        file.write_all(&self.memory).with_context(writing).or_status(Status::Io)?;
        self.memory.clear();
        Ok(())
    }

    fn data(self) -> Data {
        match self.file {
            Some((file, _)) => Data::File(file, 0),
            None => Data::Memory(self.memory),
        }
    }
}

/// A file without a name, and the directory it is in.
fn temporary_file() -> Result<(File, String), Failure> {
    let directory = std::env::temp_dir();
    let place = directory.display().to_string();
    let creating = || format!("cannot create a temporary file in {place}");
    let path = directory.join(format!("mime-pack.{}", random_hex()?));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
    let file = file.with_context(creating).or_status(Status::CannotCreate)?;
    std::fs::remove_file(&path).with_context(creating).or_status(Status::CannotCreate)?;
    Ok((file, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(bytes: &[u8]) -> Content {
        Content::memory("test", bytes.to_vec())
    }

    #[test]
    fn a_needle_is_found_across_chunks() {
        for at in CHUNK - 8..CHUNK + 2 {
            let mut bytes = vec![b'.'; CHUNK * 2];
            bytes[at..at + 6].copy_from_slice(b"needle");
            assert!(memory(&bytes).contains(b"needle").unwrap(), "{at}");
            bytes[at] = b'N';
            assert!(!memory(&bytes).contains(b"needle").unwrap(), "{at}");
        }
    }

    #[test]
    fn a_stream_is_kept_whole_whatever_its_size() {
        for size in [0, 5, IN_MEMORY, IN_MEMORY + 1, IN_MEMORY * 3] {
            let (reader, mut writer) = io::pipe().unwrap();
            let sent = std::thread::spawn(move || writer.write_all(&vec![7; size]));
            let content = Content::of_file(File::from(std::os::fd::OwnedFd::from(reader)), 0, "pipe".to_owned()).unwrap();
            sent.join().unwrap().unwrap();
            assert_eq!(matches!(content.data, Data::Memory(_)), size <= IN_MEMORY);
            for _ in 0..2 {
                let mut read = 0;
                content
                    .each(|bytes| {
                        read += bytes.len();
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(read, size);
            }
        }
    }
}
