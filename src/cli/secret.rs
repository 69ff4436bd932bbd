//! Where a password or token comes from. It is fetched once, when it is needed, and never stands on a command line or in a URL.

pub mod file;
pub mod netrc;
mod program;
mod terminal;

use crate::bytes::secret::Secret;
use anyhow::{Result, anyhow};
use std::fs::File;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Where passwords may come from, for errors.
pub const SOURCES: &str = "use --password-command, --password-file, --password-fd, the config, .netrc or the prompt";

/// One source.
#[derive(Debug)]
pub enum Source {
    /// Read already.
    Known(Secret<String>),
    /// A program and its arguments, and how long it may take.
    Program(Vec<String>, Duration),
    /// A descriptor that was inherited; it can be read once.
    Stream(Mutex<Option<File>>),
    /// The terminal, asked with these words.
    Terminal(String),
}

/// A source and what it gave.
#[derive(Debug)]
pub struct Vault {
    source: Source,
    fetched: OnceLock<Result<Secret<String>, String>>,
}

impl Vault {
    pub fn new(source: Source) -> Vault {
        Vault { source, fetched: OnceLock::new() }
    }

    pub fn asks_somebody(&self) -> bool {
        matches!(self.source, Source::Terminal(_))
    }

    /// The secret, or in one line why there is none. The second time it is what it was the first time.
    pub fn open(&self) -> Result<Secret<String>, String> {
        self.fetched.get_or_init(|| self.source.fetch().map_err(|error| format!("{error:#}"))).clone()
    }
}

impl Source {
    fn fetch(&self) -> Result<Secret<String>> {
        match self {
            Source::Known(secret) => Ok(secret.clone()),
            Source::Program(words, within) => program::run(words, *within),
            Source::Stream(stream) => {
                let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
                file::from(stream.ok_or_else(|| anyhow!("the descriptor was read already"))?, "--password-fd")
            }
            Source::Terminal(question) => terminal::ask(question).map_err(|error| anyhow!("{question}: {error:#}; {SOURCES}")),
        }
    }
}
