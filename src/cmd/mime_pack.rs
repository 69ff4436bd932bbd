//! mime-pack: arguments, and which of its jobs they ask for. Composing, listing and picking are in files of their own.

mod attachment;
mod compose;
mod content;
mod fields;
mod list;
mod message;
mod options;
mod pick;
mod unique;

use crate::cli::args::{Parsed, parse};
use crate::cli::exit::{Failure, Status};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;

const AFTER_HELP: &str = "\
COMPOSING
  The body is read from stdin: text in UTF-8, sent as it is; nothing in it is a directive. Transfer encodings follow from the
  content: 7bit where that is safe, quoted-printable for other text (also where a line is longer than 998 octets, begins with
  \"From \" or is a lone dot), base64 for all that is no text, whole messages unchanged. An attachment comes out at the other
  end byte for byte; of a message (message/rfc822), the line ends may change. All files are opened and read before a byte is written.

  -a FILE[;type=TYPE][;name=NAME][;cid=ID][;charset=SET]
    type     else from a table of our own, the guess by the file's extension, text where the content is UTF-8 without NUL
    name     for the reader, else the file's own
    cid      a Content-ID, for cid: links

  From, To, Cc and Bcc take addresses as header fields have them: bob@hamburger.test, 'Bob <bob@hamburger.test>', lists with
  commas. Nothing is added that was not asked for but Date and Message-ID; --header 'Date: ...' and --header 'Message-ID: ...'
  replace these. A line end or NUL in a value, name, type or ID is refused.

  With SOURCE_DATE_EPOCH in the environment (seconds), the Date is that time and the same input gives the same bytes.

LISTING
  --list prints one line a part, depth first, fields separated by tabs, `-` for what is absent, control characters escaped:
    PART TYPE SIZE NAME CHARSET ENCODING DISPOSITION FLAGS
  PART is the IMAP section: 1, 2.1. A message that is no multipart is part 1. The multipart that is the body of a message has
  no number in IMAP: it is TEXT, or 2.TEXT within the message that is part 2. SIZE is that of the decoded content in bytes,
  line ends as they came; multiparts have none. CHARSET, ENCODING and DISPOSITION are as stated in the message.

  --json: one object a part: part, type, charset, encoding, disposition, name, size, sha256 (of the decoded content), flags (a
  list). Absent facts are left out. Of messages nested in more than eight others the sha256 is left out too; and in a message of more
  than 10000 parts, what is only known at its end of those that hold others.

  FLAGS: unterminated (a closing delimiter is missing), bad-header-line, header-too-long (over 1 MiB), bad-content-type,
  no-boundary, unknown-encoding, encoded-container, too-deep (over 64 levels), too-many-parts (over 10 million), base64-junk,
  base64-after-end, base64-cut, bad-quoted-printable. Damage never loses bytes, and is no failure.

EXIT STATUS
  0    done
  1    -H: no such field
  64   usage, a bad address or field
  65   the body is not UTF-8; a file cannot be sent as the type it was given; no message on stdin
  66   a file cannot be read; -O: no such part
  73   a temporary file cannot be created
  74   input or output failed

EXAMPLES
  mime-pack -f alice@crepes.test -t bob@hamburger.test -s Hi -a photo.jpg < body.txt | smtp-send -t
  mime-pack --html page.html --inline 'logo@crepes.test=logo.png' -s News < page.txt > news.eml
  mime-pack --list --json < news.eml | jq -r 'select(.name) | .part + \" \" + .name'
  mime-pack -O 2 < news.eml > logo.png";

/// Make a MIME message from a body and files, or take one apart
///
/// Without --list, -H or -O, reads the text of a message from stdin and writes the message to stdout, lines ended by LF.
#[derive(Parser, Debug)]
#[command(name = "mime-pack", version, after_long_help = AFTER_HELP, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    compose: options::Compose,
    /// List the parts of the message on stdin
    #[arg(short, long, conflicts_with = "Compose")]
    list: bool,
    /// With --list: one JSON object a part
    #[arg(long, requires = "list")]
    json: bool,
    /// Print the value of this header field of the message on stdin, decoded; one line for each that there is
    #[arg(short = 'H', long, value_name = "NAME", conflicts_with_all = ["Compose", "list"])]
    field: Option<String>,
    /// Write the decoded content of a part of the message on stdin: PART as --list shows it, or the name of its file
    #[arg(short = 'O', long, value_name = "PART", conflicts_with_all = ["Compose", "list", "field"])]
    output: Option<String>,
}

pub fn command() -> clap::Command {
    Args::command()
}

pub fn run(args: impl IntoIterator<Item = OsString>) -> Result<Status, Failure> {
    let Parsed::Run(args) = parse::<Args>(args)? else { return Ok(Status::Done) };
    match (&args.field, &args.output) {
        (Some(name), _) => pick::field(name),
        (_, Some(selector)) => pick::part(selector),
        _ if args.list => list::list(args.json),
        _ => compose::compose(&args.compose),
    }
}
