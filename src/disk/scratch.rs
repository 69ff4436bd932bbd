//! A message that has to be read twice or held until it is whole: an unlinked temporary file, gone when it is dropped, and never a
//! promise to anybody.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Written first, then read from the start, as often as wanted. Costs constant memory.
#[derive(Debug)]
pub struct Scratch {
    file: io::BufWriter<File>,
    size: u64,
}

impl Scratch {
    /// In `$TMPDIR`, else `/tmp`. No name points to it.
    pub fn new() -> io::Result<Scratch> {
        Ok(Scratch { file: io::BufWriter::with_capacity(64 * 1024, tempfile::tempfile()?), size: 0 })
    }

    /// Octets so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Forgets what was written behind the first `size` octets.
    pub fn cut(&mut self, size: u64) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.set_len(size)?;
        file.seek(SeekFrom::Start(size))?;
        self.size = size;
        Ok(())
    }

    /// What was written, from its start.
    pub fn into_file(self) -> io::Result<File> {
        let mut file = self.file.into_inner().map_err(|error| error.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }

    /// What was written, to be read as often as wanted, on any thread; nothing more is.
    pub fn keep(self) -> io::Result<Kept> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        Ok(Kept(Arc::new(file)))
    }

    /// What was written, as a reader from its start; more can be written after it is dropped.
    pub fn reader(&mut self) -> io::Result<impl Read + '_> {
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        Ok(file.take(self.size))
    }
}

impl Write for Scratch {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What a [`Scratch`] held in the end.
#[derive(Debug, Clone)]
pub struct Kept(Arc<File>);

impl Kept {
    /// From its start.
    pub fn reader(&self) -> impl Read + Send + use<> {
        KeptReader { file: Arc::clone(&self.0), at: 0 }
    }
}

/// Has a place of its own in the file.
struct KeptReader {
    file: Arc<File>,
    at: u64,
}

impl Read for KeptReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buf, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_is_gone() {
        let mut scratch = Scratch::new().unwrap();
        scratch.write_all(b"one, two").unwrap();
        scratch.cut(3).unwrap();
        scratch.write_all(b"!").unwrap();
        let mut read = String::new();
        scratch.reader().unwrap().read_to_string(&mut read).unwrap();
        assert_eq!((read.as_str(), scratch.size()), ("one!", 4));
    }

    #[test]
    fn what_is_kept_is_read_by_several() {
        let mut scratch = Scratch::new().unwrap();
        scratch.write_all(b"kept").unwrap();
        let kept = scratch.keep().unwrap();
        let (mut one, mut other) = (kept.reader(), kept.reader());
        let (mut first, mut second) = ([0; 2], String::new());
        one.read_exact(&mut first).unwrap();
        other.read_to_string(&mut second).unwrap();
        assert_eq!((&first, second.as_str()), (b"ke", "kept"));
    }

    #[test]
    fn reads_back_from_the_start_as_often_as_wanted() {
        let mut scratch = Scratch::new().unwrap();
        scratch.write_all(b"once").unwrap();
        for _ in 0..2 {
            let mut read = String::new();
            scratch.reader().unwrap().read_to_string(&mut read).unwrap();
            assert_eq!((read.as_str(), scratch.size()), ("once", 4));
        }
    }
}
