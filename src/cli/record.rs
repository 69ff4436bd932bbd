//! Lines of sessions in a file. One that cannot be written breaks no session; at the end it is told that the file is not whole.

use super::stdio::complain;
use crate::net::wire::reason;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A file that sessions write on, from any thread.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    inside: Mutex<Inside>,
}

#[derive(Debug)]
struct Inside {
    file: File,
    /// The first that went wrong; nothing more is written then.
    failed: Option<io::Error>,
}

impl Record {
    /// A file that is there is written over.
    pub fn create(path: &Path) -> io::Result<Record> {
        let inside = Inside { file: File::create(path)?, failed: None };
        Ok(Record { path: path.to_owned(), inside: Mutex::new(inside) })
    }

    /// `line` without its end. It is in the file when this returns, as far as the system is concerned: who dies later leaves it there.
    pub fn line(&self, line: &str) {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.failed.is_none() {
            inside.failed = inside.file.write_all(format!("{line}\n").as_bytes()).err();
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(error) = &self.inside.get_mut().unwrap_or_else(PoisonError::into_inner).failed {
            complain(&format!("{} is not whole: {}", self.path.display(), reason(error)));
        }
    }
}
