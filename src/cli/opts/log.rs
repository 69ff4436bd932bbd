//! The options of a log: where it goes and in what form.

use crate::cli::exit::Failure;
use crate::cli::log::{self, Format, Sink, Target};
use clap::Args;

#[derive(Debug, Clone, Args)]
pub struct LogOptions {
    /// Where the log goes: stderr, syslog, none, or a FILE (a path with a slash)
    #[arg(id = "log", long, value_name = "WHERE", value_parser = log::target, help_heading = "Log options")]
    target: Option<Target>,
    /// The form of a log line: text, or one JSON object a line
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Format::Text, hide_short_help = true, help_heading = "Log options")]
    log_format: Format,
}

impl LogOptions {
    /// Opens the log; `default` is where it goes if nothing was said. A file that cannot be written is status 73.
    pub fn open(&self, tool: &'static str, default: Target) -> Result<Sink, Failure> {
        Sink::open(self.target.as_ref().unwrap_or(&default), self.log_format, tool)
    }

    /// Where the log goes, if that was said.
    pub fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }
}
