//! Options: how the session is shown beside `-v`.

use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::record::Record;
use crate::cli::screen::Traces;
use crate::cli::trace::TraceFile;
use anyhow::Context;
use clap::Args;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Clone, Default, Args)]
pub struct TraceOptions {
    /// Explain each exchange in plain words, with the session on stderr
    ///
    /// Below each reply stands the phase (handshake, transfer, closure), what the command asks, and what the reply's codes mean.
    #[arg(long, hide_short_help = true, help_heading = "Debugging options")]
    pub explain: bool,
    /// Show the session on stderr with the bytes of each line; what is secret is hidden there, too
    #[arg(long, hide_short_help = true, help_heading = "Debugging options")]
    pub hex: bool,
    /// Write the session to this file as -v shows it; with -v -v also when each line was seen
    ///
    /// What -v shows on stderr is not changed by that. Secrets are hidden there, too, unless --show-secrets is given.
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Debugging options")]
    pub trace: Option<PathBuf>,
    /// Write the dialogue to this file, one JSON object a line
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Debugging options")]
    pub trace_json: Option<PathBuf>,
}

impl TraceOptions {
    /// Somebody wants to see more than the results.
    pub fn is_any(&self) -> bool {
        self.explain || self.hex || self.trace.is_some() || self.trace_json.is_some()
    }

    /// The files of `--trace` and `--trace-json`, made. One that cannot be made is status 73.
    pub fn files(&self) -> Result<Traces, Failure> {
        Ok(Traces {
            lines: made(self.trace.as_deref(), Record::create)?,
            json: made(self.trace_json.as_deref(), TraceFile::create)?,
        })
    }
}

fn made<T>(path: Option<&Path>, create: impl Fn(&Path) -> io::Result<T>) -> Result<Option<Arc<T>>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let made = create(path).with_context(|| format!("cannot create {}", path.display())).or_status(Status::CannotCreate)?;
    Ok(Some(Arc::new(made)))
}
