//! Messages put into a mailbox: from a file, from stdin, from a Maildir.

use super::hearing::Hearing;
use super::output::Facts;
use super::shell::{Shell, Stop, verdict};
use crate::browse::line::Line;
use crate::browse::plan::kinds::{From, View};
use crate::browse::session::{self, Content, Lead};
use crate::browse::watch::is_same;
use crate::bytes::newline::ToCrlf;
use crate::cli::exit::Status;
use crate::cli::stdio::say;
use crate::disk::pickup::Pickup;
use crate::disk::scratch::Scratch;
use crate::fetch::labels;
use crate::mail::header::from_line;
use crate::protocol::imap::code::{Code, StatusKind};
use crate::protocol::imap::command::Command;
use crate::protocol::imap::words::Done;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Octets looked at in one go; an mbox line is shorter.
const BUFFER: usize = 64 * 1024;
/// Most messages of one command, each of which is an open file, and octets of them.
const MOST: usize = 100;
const MOST_OCTETS: u64 = 32 << 20;

/// A message in wire form, in a temporary file: a literal's length goes ahead of it.
struct Letter {
    called: String,
    file: File,
    octets: u64,
    flags: String,
    /// `date-time` (RFC 9051 section 9), where it is known when it came.
    date: Option<String>,
    nul: bool,
    /// Its header goes beyond ASCII.
    eight_bit: bool,
}

/// The content that goes out last: behind it the server has all.
struct Last {
    file: File,
    left: u64,
    whole: Arc<AtomicBool>,
}

impl Read for Last {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buf)?;
        self.left = self.left.saturating_sub(n as u64);
        if self.left == 0 {
            self.whole.store(true, Ordering::Relaxed);
        }
        Ok(n)
    }
}

/// Appends what `from` names to `mailbox`. The first that fails ends it.
pub fn append(shell: &mut Shell<'_>, lead: &mut Lead, from: &From, mailbox: &str) -> Result<Status, Stop> {
    let before = lead.exists;
    let status = append_all(shell, lead, from, mailbox)?;
    let is_open = shell.mailbox.as_ref().is_some_and(|open| is_same(open, mailbox));
    if is_open && status == Status::Done && lead.exists == before {
        // Courier shows what is new in the mailbox that is open only once it is asked (RFC 9051 section 6.3.12 wants it at once).
        lead.run(Command::bare("NOOP"), Vec::new(), &mut |_, _| {})?;
    }
    Ok(status)
}

fn append_all(shell: &mut Shell<'_>, lead: &mut Lead, from: &From, mailbox: &str) -> Result<Status, Stop> {
    let letter = match from {
        From::Stdin => letter("stdin", &mut io::stdin().lock(), String::new(), None),
        From::File(path) => match File::open(path) {
            Ok(mut file) => letter(&path.display().to_string(), &mut file, String::new(), None),
            Err(error) => return Ok(unreadable(path, &error)),
        },
        From::Maildir(dir) => return maildir(shell, lead, dir, mailbox),
    };
    match letter {
        Ok(letter) => send(shell, lead, mailbox, &[letter]),
        Err(status) => Ok(status),
    }
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Status {
    say(&format!("imap-shell: cannot read {}: {error}", path.display()));
    Status::NoInput
}

/// Many in one command where the server takes that (RFC 3502), which stores all of them or none.
fn maildir(shell: &mut Shell<'_>, lead: &mut Lead, dir: &Path, mailbox: &str) -> Result<Status, Stop> {
    let pickup = Pickup::new(dir);
    let names = match pickup.names() {
        Ok(names) => names,
        Err(error) => return Ok(unreadable(dir, &error)),
    };
    let most = if lead.capabilities.offers("MULTIAPPEND") { MOST } else { 1 };
    let mut batch: Vec<Letter> = Vec::new();
    // A message that is none keeps nothing behind it back.
    let (mut bad, mut any) = (None, false);
    for name in names {
        let path = dir.join(&name);
        let (mut file, _) = match pickup.open(&name) {
            Ok(opened) => opened,
            Err(error) => {
                bad.get_or_insert(unreadable(&path, &error));
                continue;
            }
        };
        let came = file.metadata().ok().and_then(|facts| jiff::Timestamp::try_from(facts.modified().ok()?).ok());
        let date = came.map(|at| at.strftime("%e-%b-%Y %H:%M:%S +0000").to_string());
        let letter = match letter(&path.display().to_string(), &mut file, flags(&name), date) {
            Ok(letter) => letter,
            Err(status @ (Status::Data | Status::NoInput)) => {
                bad.get_or_insert(status);
                continue;
            }
            Err(status) => {
                let sent = together(shell, lead, mailbox, &batch)?;
                return Ok(if sent == Status::Done { status } else { sent });
            }
        };
        if batch.len() == most || batch.iter().map(|one| one.octets).sum::<u64>() + letter.octets > MOST_OCTETS {
            let status = together(shell, lead, mailbox, &batch)?;
            if status != Status::Done {
                return Ok(status);
            }
            batch.clear();
        }
        any = true;
        batch.push(letter);
    }
    let sent = together(shell, lead, mailbox, &batch)?;
    Ok(match bad {
        Some(_) if sent == Status::Done && any => Status::Partly,
        Some(status) if sent == Status::Done => status,
        _ => sent,
    })
}

/// All in one command; where that is refused one by one, so that only what the server does not take stays behind.
fn together(shell: &mut Shell<'_>, lead: &mut Lead, mailbox: &str, batch: &[Letter]) -> Result<Status, Stop> {
    if batch.len() > 1 {
        let (done, damaged) = match ask(shell, lead, mailbox, batch)? {
            Ok(answer) => answer,
            Err(status) => return Ok(status),
        };
        if done.status.kind == StatusKind::Ok {
            return Ok(verdict(&done, damaged));
        }
    }
    for letter in batch {
        let status = send(shell, lead, mailbox, std::slice::from_ref(letter))?;
        if status != Status::Done {
            return Ok(status);
        }
    }
    Ok(Status::Done)
}

fn send(shell: &mut Shell<'_>, lead: &mut Lead, mailbox: &str, letters: &[Letter]) -> Result<Status, Stop> {
    Ok(match ask(shell, lead, mailbox, letters)? {
        Ok((done, damaged)) => verdict(&done, damaged),
        Err(status) => status,
    })
}

/// One APPEND, and whether something in its answer could not be read; or the status of what kept it from being sent.
fn ask(shell: &mut Shell<'_>, lead: &mut Lead, mailbox: &str, letters: &[Letter]) -> Result<Result<(Done, bool), Status>, Stop> {
    let whole = Arc::new(AtomicBool::new(false));
    let made = line(lead, mailbox, letters).and_then(|line| {
        let mut rest = letters.iter();
        let content = &mut |_: &Path| {
            let letter = rest.next().ok_or_else(|| io::Error::other("read already"))?;
            let mut file = letter.file.try_clone()?;
            file.rewind()?;
            let left = if rest.len() == 0 { letter.octets } else { u64::MAX };
            Ok(Content { octets: letter.octets, read: Box::new(Last { file, left, whole: Arc::clone(&whole) }) })
        };
        session::command(line, content).map_err(|error| {
            say(&format!("imap-shell: {error}"));
            Status::Io
        })
    });
    let (command, contents) = match made {
        Ok(made) => made,
        Err(status) => return Ok(Err(status)),
    };
    let view = View::Nothing;
    let mut hearing = Hearing::new(&mut shell.out, &view, mailbox, shell.args.client.quiet);
    let done = lead.run(command, contents, &mut |lead, heard| hearing.hear(lead, heard));
    if let Some(error) = hearing.failed.take() {
        return Err(Stop::Stdout(error));
    }
    let done = done.map_err(|over| if whole.load(Ordering::Relaxed) { Stop::Doubt("APPEND") } else { over.into() })?;
    match done.status.code.as_ref().filter(|_| done.status.kind == StatusKind::Ok) {
        // A row each, if they are as many as were sent.
        Some(Code::AppendUid { validity, uids }) if uids.count() == Some(letters.len() as u64) => {
            for uid in uids.numbers() {
                let row = Facts::default().fact("mailbox", mailbox).only_json("uidvalidity", *validity);
                hearing.out.row(&row.fact("uid", uid))?;
            }
        }
        Some(code) => hearing.code(code)?,
        None => {}
    }
    let damaged = hearing.damaged;
    Ok(Ok((done, damaged)))
}

/// `append = "APPEND" SP mailbox 1*append-message` (RFC 3502 section 6.3.11).
fn line(lead: &Lead, mailbox: &str, letters: &[Letter]) -> Result<Line, Status> {
    let mut line = Line::new("APPEND", lead.encoding).mailbox(mailbox).map_err(|error| {
        say(&format!("imap-shell: {error}"));
        Status::Usage
    })?;
    for letter in letters {
        if !letter.flags.is_empty() {
            line = line.word(&format!("({})", letter.flags));
        }
        if let Some(date) = &letter.date {
            line = line.word(&format!("\"{date}\""));
        }
        let path = PathBuf::from(&letter.called);
        line = match () {
            // RFC 6855 section 4.
            () if letter.eight_bit && lead.has_enabled("UTF8=ACCEPT") => line.word("UTF8 (").binary_file(path).closed(),
            () if !letter.nul => line.file(path),
            () if lead.capabilities.offers("BINARY") => line.binary_file(path),
            () => {
                say(&format!("imap-shell: {}: it holds a NUL, which a server without BINARY does not take", letter.called));
                return Err(Status::Data);
            }
        };
    }
    Ok(line)
}

/// Those that a name in a Maildir shows.
fn flags(name: &Path) -> String {
    labels::of_name(&name.as_os_str().to_string_lossy()).join(" ")
}

/// What is wrong with one that is none was told.
fn letter(called: &str, from: &mut dyn Read, flags: String, date: Option<String>) -> Result<Letter, Status> {
    match wire_form(from) {
        Ok((_, look)) if look.octets == 0 => {
            say(&format!("imap-shell: {called}: no message"));
            Err(Status::NoInput)
        }
        Ok((file, look)) => Ok(Letter {
            called: called.to_owned(),
            file,
            octets: look.octets,
            flags,
            date,
            nul: look.nul,
            eight_bit: look.eight_bit,
        }),
        Err(error) => {
            say(&format!("imap-shell: {called}: {error}"));
            Err(if error.kind() == io::ErrorKind::InvalidData { Status::Data } else { Status::Io })
        }
    }
}

/// What is seen of a message as it passes.
#[derive(Debug, Default)]
struct Look {
    octets: u64,
    nul: bool,
    eight_bit: bool,
    behind_header: bool,
    /// The last octets of the header so far.
    tail: Vec<u8>,
}

impl Look {
    fn at(&mut self, bytes: &[u8]) {
        self.octets += bytes.len() as u64;
        self.nul |= memchr::memchr(0, bytes).is_some();
        if self.behind_header {
            return;
        }
        let mut seen = std::mem::take(&mut self.tail);
        seen.extend_from_slice(bytes);
        let end = memchr::memmem::find(&seen, b"\r\n\r\n");
        self.behind_header = end.is_some();
        self.eight_bit |= !seen[..end.unwrap_or(seen.len())].is_ascii();
        self.tail = seen.split_off(seen.len().saturating_sub(3));
    }
}

/// In wire form, without an mbox line. A lone CR is [`io::ErrorKind::InvalidData`].
fn wire_form(from: &mut dyn Read) -> io::Result<(File, Look)> {
    let mut scratch = Scratch::new()?;
    let (mut newline, mut buf, mut out, mut look) = (ToCrlf::default(), vec![0; BUFFER], Vec::new(), Look::default());
    let mut at_start = true;
    let lone = |lone| io::Error::new(io::ErrorKind::InvalidData, lone);
    loop {
        let n = fill(from, &mut buf)?;
        if n == 0 {
            break;
        }
        let skip = if std::mem::take(&mut at_start) { from_line(&buf[..n]) } else { 0 };
        newline.push(&buf[skip..n], &mut out).map_err(lone)?;
        look.at(&out);
        scratch.write_all(&out)?;
        out.clear();
        if n < buf.len() {
            // A terminal has said that this is the end, and would have to say it again.
            break;
        }
    }
    newline.finish().map_err(lone)?;
    Ok((scratch.into_file()?, look))
}

fn fill(from: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buf.len() {
        match from.read(&mut buf[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_in_wire_form() {
        let mut text = String::new();
        let (mut file, look) = wire_form(&mut &b"From x Mon\nA: b\n\nc\r\nd"[..]).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), look.octets, look.nul, look.eight_bit), ("A: b\r\n\r\nc\r\nd", 12, false, false));
        assert_eq!(wire_form(&mut &b"a\rb"[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn the_end_is_asked_for_once() {
        struct Typed(usize);
        impl Read for Typed {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => (&b"A: b\n"[..]).read(buf),
                    2 => Ok(0),
                    _ => panic!("asked again"),
                }
            }
        }
        assert_eq!(wire_form(&mut Typed(0)).unwrap().1.octets, 6);
    }

    #[test]
    fn only_the_header_goes_beyond_ascii() {
        for (message, wanted) in [("A: \u{e4}\r\n\r\nb", true), ("A: b\r\n\r\n\u{e4}", false), ("A: b\r\nB: \u{e4}", true)] {
            for cut in 0..message.len() {
                let mut look = Look::default();
                look.at(&message.as_bytes()[..cut]);
                look.at(&message.as_bytes()[cut..]);
                assert_eq!(look.eight_bit, wanted, "{message:?} cut at {cut}");
            }
        }
    }
}
