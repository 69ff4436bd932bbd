//! What the command line says of a message that is to be composed.

use jiff::Timestamp;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(clap::Args, Debug)]
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
    #[arg(long, value_name = "ADDRESS")]
    pub bcc: Vec<String>,
    #[arg(short, long, value_name = "TEXT", help = "What it is about")]
    pub subject: Option<String>,
    /// Attach a file
    #[arg(short, long, value_name = "FILE[;type=..;name=..;cid=..]")]
    pub attach: Vec<OsString>,
    /// The body as HTML, beside the text; alone where stdin is empty
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// A file that the body shows, by `cid:ID` in HTML
    #[arg(long, value_name = "ID=FILE")]
    pub inline: Vec<OsString>,
    /// Add a header field
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// The time in the Date field: 2026-11-22T10:00:00Z, or as in a Date field, or @SECONDS [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_date)]
    pub date: Option<Timestamp>,
    /// Write lines ended by CRLF, as on the wire
    #[arg(long)]
    pub crlf: bool,
}

/// `--date`: RFC 3339, as in a Date field, or `@SECONDS`.
fn parse_date(text: &str) -> Result<Timestamp, String> {
    let seconds = text.strip_prefix('@').and_then(|seconds| seconds.parse().ok()).and_then(|s| Timestamp::from_second(s).ok());
    let rfc5322 = || jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let found = seconds.or_else(|| text.parse().ok()).or_else(rfc5322);
    found.ok_or_else(|| "expected 2026-11-22T10:00:00Z, a date as in a Date field, or @SECONDS".to_owned())
}
