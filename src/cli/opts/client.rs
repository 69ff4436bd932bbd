//! Options: what every client takes: its config, how results are written, how much is shown of a session.

use super::trace::TraceOptions;
use crate::cli::config::settings::Config;
use crate::cli::config::{self, Reader};
use crate::cli::exit::Failure;
use crate::cli::screen::{Screen, Traces};
use crate::cli::transcript::Level;
use crate::cli::veil::words::Speech;
use clap::Args;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

#[derive(Debug, Clone, Default, Args)]
pub struct ClientOptions {
    /// Config file [default: $POSTROAD_CONFIG, else ~/.config/postroad/config.toml over /etc/postroad/config.toml]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    config: Option<PathBuf>,
    /// Results as one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Show the session on stderr; twice: with times
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// No progress bar, and nothing on stderr but what ends the tool
    #[arg(short, long)]
    pub quiet: bool,
}

impl ClientOptions {
    pub fn config(&self) -> Result<Config, Failure> {
        config::load(Reader::Client, self.config.as_deref())
    }

    /// Where sessions in that protocol are shown.
    pub fn screen(&self, speech: Speech, trace: &TraceOptions, traces: Traces, secrets: bool) -> Screen {
        let level = Level::new(self.verbose, self.quiet, !io::stderr().is_terminal());
        let screen = Screen::new(level).speaking(speech).showing_secrets(secrets);
        screen.in_detail(trace.hex, trace.explain).tracing(traces)
    }
}
