//! mime-pack: arguments, and which of its jobs they ask for. Composing, listing and picking are in files of their own.

mod answer;
mod attachment;
mod check;
mod compose;
mod content;
mod edit;
mod extract;
mod fields;
mod list;
mod message;
mod options;
mod pick;
mod related;
mod render;
mod seal;
mod source;
mod text;
mod unique;
mod writing;

use crate::cli::args::{Parsed, parse};
use crate::cli::exit::{Failure, Status};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::path::Path;

const AFTER_HELP: &str = "\
COMPOSING
  The body is read from stdin: text in UTF-8, sent as it is; nothing in it is a directive. Transfer encodings follow from the
  content: 7bit where that is safe, quoted-printable for other text (also where a line is longer than 998 octets, begins with
  \"From \" or is a lone dot), base64 for all that is no text, whole messages unchanged. An attachment comes out at the other
  end byte for byte; of text and messages, the line ends are those of the message: CRLF where it went over the wire or was sealed.
  All files are opened before a byte is written, and again when
  they are: one that is not the same any more is an error (74).

  -a FILE[;type=TYPE][;name=NAME][;cid=ID][;charset=SET]
    type     else by --type, by the file's name, by how the content begins, text where it is UTF-8 without NUL. A name that says text of
             what is no UTF-8 does not count
    name     for the reader, else the file's own: UTF-8, or in the locale's character set, or octets that are labelled unknown-8bit
    cid      a Content-ID, for cid: links
    charset  of a text that is no UTF-8, which is checked
    FILE - is stdin (-a'-;name=dump.sql'), and the message has no text then. Where a file is there whose name has such keys in it, that file is meant, and they are no keys.

  From, To, Cc and Bcc take addresses as header fields have them: bob@hamburger.test, 'Bob <bob@hamburger.test>', lists with
  commas. Nothing is added that was not asked for but Date and Message-ID; --header 'Date: ...' and --header 'Message-ID: ...'
  replace these. A line end or NUL in a value, name, type or ID is refused.

  HTML without a text gets one made of it. --related auto takes files that the page shows (src, srcset, poster, background, url() in styles) below its own
  directory only, and says which it left.
  --reply and --forward take From, Subject, Message-ID and References of that message; recipients and a subject that are given count
  instead. --digest wants messages only (-a).

  --sign-with and --encrypt-with give the content to a command, in wire form, and read what it prints;
  there is no shell in between (sh -c '...' is one):
    --sign-with 'gpg --armor --detach-sign'            --encrypt-with 'gpg --armor --encrypt -r bob@hamburger.test'
    --sign-with 'openssl cms -sign -binary -outform DER -signer me.pem'
    --encrypt-with 'openssl cms -encrypt -binary -outform DER bob.pem'
  The header of the message, its subject too, stays in clear.

  With SOURCE_DATE_EPOCH in the environment (seconds), the Date is that time and the same input gives the same bytes.

TAKING APART
  PART is the IMAP section: 1, 2.1. A message that is no multipart is part 1. The multipart that is the body of a message has
  no number in IMAP: it is TEXT, or 2.TEXT within the message that is part 2. Files in uuencode that stand in the lines of part 1, a
  plain text, are 1.UU1, 1.UU2; the text keeps those lines. A SELECTOR is such a number, the name of a file, a
  pattern of names ('*.pdf', '[a-c]?.txt'), or one of types ('image/*').

  --list prints one line a part, depth first, fields separated by tabs, `-` for what is absent (a name that is that is \x2d), control characters escaped:
    PART TYPE SIZE NAME CHARSET ENCODING DISPOSITION FLAGS
  SIZE is that of the decoded content in bytes, line ends as they came; multiparts have none. CHARSET, ENCODING and DISPOSITION
  are as stated in the message.

  --json: one object a part: part, type, charset, encoding, disposition, name, size, sha256 (of the decoded content), flags (a
  list). Absent facts are left out. Of messages nested in more than eight others the sha256 is left out too; and in a message of more
  than 10000 parts, what is only known at its end of those that hold others.

  -x writes the parts that the SELECTORs choose as new files into the directory, which must be there, everything if there is none; of
  a multipart what is in it, or its own bytes where no part is in it, of a message within the message one .eml. Nothing is overwritten, followed, or written elsewhere: names lose their
  paths, control characters, semicolons, leading dots and dashes, and a name that is taken gets a number (a-1.txt). One line a file:
    PART FILE SIZE FLAGS
  and with --json part, file, size, type, name, sha256, flags.

  --text prints the first text that is no attachment as UTF-8: the plain one where there are several forms, else the HTML as text;
  paragraphs of format=flowed joined, its last line ended. -H decodes encoded words where RFC 2047 lets them stand; what they name is quoted where it
  would be an address, a comment or a comma else. -O writes bytes, in their character set. On a terminal, both escape what could drive it.

  --check prints a line for each breach of an RFC, with the place of what is at fault in octets from the start of the message; what is only
  too much for it to look at has no clause; --json has offset, part, clause and text:
    OFFSET PART CLAUSE TEXT

  --report prints a line for each recipient of a delivery report (DSN) or disposition notification (MDN); --json has part, kind,
  action, recipient, status, diagnostic, original_recipient, remote_mta, reporting_mta, envelope_id and message_id:
    KIND ACTION RECIPIENT STATUS DIAGNOSTIC
  The report is the second part of a multipart/report, or stands in none; one within a message that is returned does not count.

  --set, --add and --remove write the message to stdout again, every byte but the named fields as it came. On a terminal, what could drive
  it is escaped, as by --text and -O.

  With --mbox, stdin is an mbox: --list, -x, -O, -H, --text and --report see each message in turn, and the number of a part has that of its
  message before it (2/1.1; in JSON, message).

  FLAGS: unterminated (a closing delimiter is missing; what stands last before that may be cut off, too), bad-header-line, header-too-long (over 1 MiB), bad-content-type,
  no-boundary, no-parts, unknown-encoding, unknown-charset, encoded-container, too-deep (over 64 levels), too-many-parts (over 10 million),
  base64-junk, base64-after-end, base64-cut, bad-quoted-printable, bad-uuencode. Damage never loses bytes, and is a failure with
  --strict only.

EXIT STATUS
  0    done
  1    -H: no such field; -x: some of the SELECTORs met nothing
  64   usage, a bad address or field
  65   the body is not UTF-8, or not in --charset; a file cannot be sent as the type it was given; no message on stdin; --strict: damage;
       --check: findings; --report: it names no recipient; -H: a field over 1 MiB, of which the beginning is printed; the command of
       --sign-with or --encrypt-with prints something else
  66   a file cannot be read; -O, -x: no such part; --text: no text; --report: no report
  69   the command of --sign-with or --encrypt-with failed or cannot be started
  71   too many files are open at once (ulimit -n)
  73   a file cannot be created
  74   input or output failed, or a file changed while it was read

EXAMPLES
  mime-pack -f alice@crepes.test -t bob@hamburger.test -s Hi -a photo.jpg < body.txt | smtp-send -t
  mime-pack --html page.html --inline 'logo@crepes.test=logo.png' -s News < page.txt > news.eml
  mime-pack --list --json < news.eml | jq -r 'select(.name) | .part + \" \" + .name'
  mime-pack -O 2 < news.eml > logo.png
  mime-pack -x '*.pdf' 'image/*' -C inbox < news.eml
  mime-pack --set 'Subject: News of today' --remove X-Spam < news.eml > today.eml";

/// Make a MIME message from a body and files, or take one apart
///
/// Without an option that takes apart or changes, reads the text of a message from stdin and writes the message to stdout, lines ended
/// by LF.
#[derive(Parser, Debug)]
#[command(name = "mime-pack", version, after_long_help = AFTER_HELP, max_term_width = 100)]
struct Args {
    #[command(flatten)]
    compose: options::Compose,
    #[command(flatten)]
    apart: options::Apart,
    #[command(flatten)]
    edit: edit::Edit,
}

pub fn command() -> clap::Command {
    Args::command()
}

pub fn run(args: impl IntoIterator<Item = OsString>) -> Result<Status, Failure> {
    let Parsed::Run(args) = parse::<Args>(args)? else { return Ok(Status::Done) };
    let Args { compose, apart, edit } = &args;
    match (&apart.field, &apart.output, &apart.extract) {
        (Some(name), ..) => pick::field(name, apart.mbox, apart.strict),
        (_, Some(selector), _) => pick::part(selector, apart.raw, apart.mbox, apart.strict),
        (.., Some(selectors)) => {
            let directory = apart.directory.as_deref().unwrap_or(Path::new("."));
            let (json, mbox, strict) = (apart.json, apart.mbox, apart.strict);
            extract::extract(&extract::Extraction { selectors, directory, json, mbox, strict })
        }
        _ if apart.check => check::check(apart.json),
        _ if apart.report => check::reports(apart.json, apart.mbox, apart.strict),
        _ if apart.text => text::text(apart.mbox, apart.strict),
        _ if apart.list => list::list(apart.json, apart.mbox, apart.strict),
        _ if edit.is_asked_for() => edit::edit(edit),
        _ => compose::compose(compose),
    }
}
