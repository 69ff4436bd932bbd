//! What the command line says of a message that is to be composed, or taken apart.

use clap::builder::NonEmptyStringValueParser as NonEmpty;
use jiff::Timestamp;
use std::ffi::OsString;
use std::path::PathBuf;

/// The fields of [`Compose`]. Named one by one, so that a conflict names the one that was given.
pub const COMPOSE: &[&str] = &[
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "attach",
    "media",
    "html",
    "related",
    "inline",
    "charset",
    "flowed",
    "digest",
    "reply",
    "all",
    "quote",
    "forward",
    "sign_with",
    "encrypt_with",
    "header",
    "date",
    "crlf",
];
/// Those that change the header.
pub const EDIT: &[&str] = &["set", "add", "remove"];

#[derive(clap::Args, Debug)]
#[group(id = "Compose", multiple = true)]
#[command(next_help_heading = "Composing")]
pub struct Compose {
    /// Who it is from
    #[arg(short, long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// Who it is for; may be repeated
    #[arg(short, long, value_name = "ADDRESS")]
    pub to: Vec<String>,
    /// Who gets a copy
    #[arg(long, value_name = "ADDRESS")]
    pub cc: Vec<String>,
    /// Who gets a copy without the others knowing: smtp-send takes the field out
    #[arg(long, value_name = "ADDRESS", hide_short_help = true)]
    pub bcc: Vec<String>,
    #[arg(short, long, value_name = "TEXT", help = "What it is about")]
    pub subject: Option<String>,
    /// Attach a file
    #[arg(short, long, value_name = "FILE[;type=..;name=..;cid=..]")]
    pub attach: Vec<OsString>,
    /// The type of the attached files that have none of their own by ;type=
    #[arg(long = "type", value_name = "TYPE", requires = "attach", hide_short_help = true)]
    pub media: Option<String>,
    /// The body as HTML, beside the text; where stdin is empty, the text is made of it
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Attach the images and other files below its directory that the HTML shows, and refer to them by their IDs
    #[arg(long, value_name = "auto", value_parser = ["auto"], requires = "html")]
    pub related: Option<String>,
    /// A file that the body shows, by `cid:ID` in HTML
    #[arg(long, value_name = "ID=FILE")]
    pub inline: Vec<OsString>,
    /// The character set of the text and the HTML, which go out as UTF-8
    #[arg(long, value_name = "SET", value_parser = NonEmpty::new(), hide_short_help = true)]
    pub charset: Option<String>,
    /// Wrap paragraphs of the text as format=flowed: readers join them again
    #[arg(long, hide_short_help = true)]
    pub flowed: bool,
    /// Put the attached messages into a multipart/digest
    #[arg(long, hide_short_help = true)]
    pub digest: bool,
    /// Answer this message: its sender, subject and thread
    #[arg(long, value_name = "FILE")]
    pub reply: Option<PathBuf>,
    /// With --reply: a copy to its other recipients
    #[arg(long, requires = "reply", hide_short_help = true)]
    pub all: bool,
    /// With --reply: its text quoted below
    #[arg(long, requires = "reply", hide_short_help = true)]
    pub quote: bool,
    /// Pass this message on as an attachment
    #[arg(long, value_name = "FILE", conflicts_with = "reply")]
    pub forward: Option<PathBuf>,
    /// Sign the content with what this command prints: a detached signature, OpenPGP or S/MIME
    #[arg(long, value_name = "COMMAND", value_parser = NonEmpty::new(), hide_short_help = true)]
    pub sign_with: Option<String>,
    /// Encrypt the content, signed or not, to what this command prints
    #[arg(long, value_name = "COMMAND", value_parser = NonEmpty::new(), hide_short_help = true)]
    pub encrypt_with: Option<String>,
    /// Add a header field
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// The time in the Date field: 2026-11-22T10:00:00Z, or as in a Date field, or @SECONDS [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_date, hide_short_help = true)]
    pub date: Option<Timestamp>,
    /// Write lines ended by CRLF, as on the wire
    #[arg(long, hide_short_help = true)]
    pub crlf: bool,
}

/// What to do with the message on stdin.
#[derive(clap::Args, Debug)]
#[group(id = "Apart", multiple = true, conflicts_with_all = [COMPOSE, EDIT].concat())]
#[command(next_help_heading = "Taking apart")]
pub struct Apart {
    /// List the parts of the message on stdin
    #[arg(short, long, group = "job")]
    pub list: bool,
    /// Write parts as files: those chosen by number, name, pattern (*.pdf) or type (image/*), or all
    #[arg(short = 'x', long, value_name = "SELECTOR", value_parser = NonEmpty::new(), num_args = 0.., group = "job")]
    pub extract: Option<Vec<String>>,
    /// With -x: the directory to write to, which must be there [default: this one]
    #[arg(short = 'C', long, value_name = "DIR", requires = "extract")]
    pub directory: Option<PathBuf>,
    /// Write the decoded content of the first part that is so chosen to stdout
    #[arg(short = 'O', long, value_name = "SELECTOR", value_parser = NonEmpty::new(), group = "job")]
    pub output: Option<String>,
    /// With -O: the part as it stands in the message, its header included
    #[arg(long, requires = "output", conflicts_with_all = ["list", "extract", "text", "check", "report", "field"], hide_short_help = true)]
    pub raw: bool,
    /// Print the text of the message as UTF-8: plain text, else HTML as text
    #[arg(long, group = "job")]
    pub text: bool,
    /// Print what the message breaks of the RFCs: the place, the part, the clause
    #[arg(long, group = "job", conflicts_with = "mbox")]
    pub check: bool,
    /// Print what a delivery report or read receipt says of each recipient
    #[arg(long, group = "job")]
    pub report: bool,
    /// Print the value of this header field, decoded; one line for each that there is
    #[arg(short = 'H', long, value_name = "NAME", group = "job")]
    pub field: Option<String>,
    /// With --list, -x, --check, --report: one JSON object a row
    #[arg(long, conflicts_with_all = ["output", "text", "field"], requires = "job")]
    pub json: bool,
    /// Damage is an error: status 65
    #[arg(long, requires = "job", hide_short_help = true)]
    pub strict: bool,
    /// Stdin is an mbox: each of its messages
    #[arg(long, requires = "job", hide_short_help = true)]
    pub mbox: bool,
}

/// `--date`: RFC 3339, as in a Date field, or `@SECONDS`.
fn parse_date(text: &str) -> Result<Timestamp, String> {
    let seconds = text.strip_prefix('@').and_then(|seconds| seconds.parse().ok()).and_then(|s| Timestamp::from_second(s).ok());
    let rfc5322 = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let found = seconds.or_else(|| text.parse().ok()).or_else(rfc5322);
    found.ok_or_else(|| "expected 2026-11-22T10:00:00Z, a date as in a Date field, or @SECONDS".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command};

    #[test]
    fn every_option_of_composing_is_kept_from_the_other_jobs() {
        let command = Compose::augment_args(Command::new("compose"));
        assert_eq!(command.get_arguments().map(|arg| arg.get_id().as_str()).collect::<Vec<_>>(), COMPOSE);
    }
}
