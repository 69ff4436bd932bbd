//! The options of a log: where it goes and in what form.

use crate::cli::exit::Failure;
use crate::cli::log::{Format, Sink, Target};
use clap::Args;

#[derive(Debug, Clone, Args)]
pub struct LogOptions {
    /// Where the log goes: stderr, syslog, none, or a FILE to append to (a path with a slash)
    #[arg(long = "log", value_name = "WHERE", value_parser = target, help_heading = "Log options")]
    target: Option<Target>,
    /// The form of a log line
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

/// A file's name needs a slash, so that a slip in `syslog` never makes a file.
fn target(text: &str) -> Result<Target, String> {
    match text {
        "stderr" => Ok(Target::Stderr),
        "syslog" => Ok(Target::Syslog),
        "none" => Ok(Target::None),
        file if file.contains('/') && !file.ends_with('/') => Ok(Target::File(file.into())),
        _ => Err("stderr, syslog, none, or a file's path with a slash in it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_makes_no_file() {
        assert_eq!(target("syslog"), Ok(Target::Syslog));
        assert_eq!(target("./log"), Ok(Target::File("./log".into())));
        for bad in ["sylog", "", "log/", "STDERR"] {
            assert!(target(bad).is_err(), "{bad}");
        }
    }
}
