//! From the words of a command line to a tool's arguments, with our statuses in place of the parser's own exits.

use super::exit::{Failure, Status, UsageError};
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

/// Parses a command line, `argv[0]` included. A mistake is status 64: one line that names it, then, unless it lies in a value alone, the
/// usage.
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
    let mut told = usage_error(&error.render().to_string());
    if error.kind() == ErrorKind::ValueValidation {
        // What is wrong with an address or a number is all said: how the options are spelt is no help.
        told.usage.clear();
    }
    Err(Failure::new(Status::Usage, told))
}

/// Takes the parser's text apart: its first paragraph, on one line, is the mistake; the rest is tips and usage.
fn usage_error(text: &str) -> UsageError {
    let text = text.trim();
    let (first, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let line: Vec<&str> = first.lines().map(str::trim).collect();
    let line = line.join(" ");
    UsageError { line: line.strip_prefix("error: ").unwrap_or(&line).to_owned(), usage: rest.to_owned() }
}

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

    fn refused(line: &str) -> (Status, UsageError) {
        let failure = parse::<Args>(words(line)).unwrap_err();
        (failure.status, failure.error.downcast().unwrap())
    }

    #[test]
    fn a_mistake_is_one_line_then_the_usage() {
        let (status, error) = refused("tool");
        assert_eq!(status, Status::Usage);
        assert_eq!(error.line, "the following required arguments were not provided: <RECIPIENT>...");
        assert!(error.usage.contains("Usage: tool"), "{}", error.usage);

        let (_, error) = refused("tool --sise 3 a@b.test");
        assert_eq!(error.line, "unexpected argument '--sise' found");
        assert!(error.usage.contains("--size"), "{}", error.usage);

        let (_, error) = refused("tool --size x a@b.test");
        assert_eq!(error.line, "invalid value 'x' for '--size <SIZE>': invalid digit found in string");
        assert_eq!(error.usage, "", "a wrong value takes one line");
    }

    #[test]
    fn what_is_right_is_handed_over() {
        let args = Args { size: Some(3), recipient: vec!["a@b.test".to_owned()] };
        assert_eq!(parse::<Args>(words("tool --size 3 a@b.test")).unwrap(), Parsed::Run(args));
    }
}
