//! Options: how the session is shown beside `-v`.

use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::trace::TraceFile;
use anyhow::Context;
use clap::Args;
use std::path::PathBuf;
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
    /// Write the dialogue to this file, one JSON object a line
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = "Debugging options")]
    pub trace_json: Option<PathBuf>,
}

impl TraceOptions {
    /// Somebody wants to see more than the results.
    pub fn is_any(&self) -> bool {
        self.explain || self.hex || self.trace_json.is_some()
    }

    /// The file of `--trace-json`, made. One that cannot be made is status 73.
    pub fn file(&self) -> Result<Option<Arc<TraceFile>>, Failure> {
        let create = |path: &PathBuf| {
            let file = TraceFile::create(path);
            file.map(Arc::new).with_context(|| format!("cannot create {}", path.display())).or_status(Status::CannotCreate)
        };
        self.trace_json.as_ref().map(create).transpose()
    }
}
