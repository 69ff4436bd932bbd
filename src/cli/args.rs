//! From the words of a command line to a tool's arguments, with our statuses in place of the parser's own exits.

use super::exit::{Failure, Status};
use super::stdio::{StdoutError, refuse_closed};
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::io::Write;

/// What the command line asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    Run(T),
    /// `--help` or `--version` was asked for and answered on stdout: nothing is left to do.
    Answered,
}

/// Parses a command line, `argv[0]` included. A mistake is status 64 and one line that names it.
pub fn parse<T: clap::Parser>(args: impl IntoIterator<Item = OsString>) -> Result<Parsed<T>, Failure> {
    match T::try_parse_from(args) {
        Ok(args) => Ok(Parsed::Run(args)),
        Err(error) => answer(error),
    }
}

fn answer<T>(error: clap::Error) -> Result<Parsed<T>, Failure> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        refuse_closed()?;
        let printed = error.print().and_then(|()| std::io::stdout().flush());
        return printed.map(|()| Parsed::Answered).map_err(|e| StdoutError::from(e).into());
    }
    Err(Failure::text(Status::Usage, mistake(&error.render().to_string())))
}

/// What the parser says on one line: its first paragraph, and what it takes to be meant. How options are spelt is in `--help`.
fn mistake(text: &str) -> String {
    let (first, rest) = text.trim().split_once("\n\n").unwrap_or((text.trim(), ""));
    let lines: Vec<&str> = first.lines().map(str::trim).filter(|line| *line != HINT).collect();
    let line = lines.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line).to_owned();
    match rest.lines().find_map(|line| line.trim().strip_prefix("tip: ").filter(|tip| tip.contains("similar"))) {
        Some(tip) => format!("{line}; {tip}"),
        None => line,
    }
}

/// What stands behind some mistakes.
const HINT: &str = "For more information, try '--help'.";

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, clap::Parser)]
    #[command(name = "tool", version)]
    struct Args {
        #[arg(long)]
        size: Option<u64>,
        #[arg(required = true)]
        recipient: Vec<String>,
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    fn refused(line: &str) -> String {
        let failure = parse::<Args>(words(line)).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        failure.error.to_string()
    }

    #[test]
    fn a_mistake_is_one_line() {
        assert_eq!(refused("tool"), "the following required arguments were not provided: <RECIPIENT>...");
        let similar = "unexpected argument '--sise' found; a similar argument exists: '--size'";
        assert_eq!(refused("tool --sise 3 a@b.test"), similar);
        assert_eq!(refused("tool --xyz a@b.test"), "unexpected argument '--xyz' found");
        assert_eq!(refused("tool --size x a@b.test"), "invalid value 'x' for '--size <SIZE>': invalid digit found in string");
        assert_eq!(refused("tool a@b.test --size"), "a value is required for '--size <SIZE>' but none was supplied");
    }

    #[test]
    fn what_is_right_is_handed_over() {
        let args = Args { size: Some(3), recipient: vec!["a@b.test".to_owned()] };
        assert_eq!(parse::<Args>(words("tool --size 3 a@b.test")).unwrap(), Parsed::Run(args));
    }
}
