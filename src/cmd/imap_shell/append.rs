//! Messages put into a mailbox: from a file, from stdin, from a Maildir or an mbox.

use super::hearing::Hearing;
use super::letter::{Letter, Typed, letter};
use super::output::Facts;
use super::shell::{Shell, Stop, verdict, verdict_on};
use crate::browse::flags::Flag;
use crate::browse::line::Line;
use crate::browse::plan::kinds::{From, View};
use crate::browse::session::{self, Content, Lead};
use crate::browse::watch::is_same;
use crate::cli::exit::Status;
use crate::cli::stdio::say;
use crate::disk::mbox::{Mbox, MboxError};
use crate::disk::pickup::Pickup;
use crate::disk::scratch::Scratch;
use crate::fetch::labels;
use crate::mail::date;
use crate::protocol::imap::code::{Code, StatusKind, Word};
use crate::protocol::imap::command::Command;
use crate::protocol::imap::words::Done;
use jiff::Timestamp;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most messages of one command, each of which is an open file, and octets of them.
const MOST: usize = 100;
const MOST_OCTETS: u64 = 32 << 20;
/// Longest header that is looked at for flags, in octets.
const MOST_HEADER: u64 = 64 << 10;

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

/// Appends what `from` names to `mailbox`: a row for each message that is stored. One that is refused keeps none behind it back.
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
        From::Stdin => {
            let mut typed = Typed { interrupted: shell.interrupted.as_deref() };
            if shell.interrupted.is_some() {
                say("imap-shell: the message, up to a line of Ctrl-D alone; Ctrl-C breaks it off");
            }
            // A signal ends a script that waits here as one that waits for its next line.
            shell.signals.while_reading(|| letter(None, &mut typed, String::new(), None))
        }
        From::File(path) => match File::open(path) {
            Ok(mut file) => letter(Some(path), &mut file, String::new(), None),
            Err(error) => return Ok(unreadable(path, &error)),
        },
        From::Maildir(path) | From::Mbox(path) => return many(shell, lead, from, path, mailbox),
    };
    match letter {
        Ok(letter) => send(shell, lead, mailbox, &letter),
        Err(status) => Ok(status),
    }
}

/// What would be sent, for `explain`.
pub fn lines(lead: &Lead, from: &From, mailbox: &str) -> Vec<String> {
    let (labels, path) = match from {
        From::File(path) => ("", path.clone()),
        From::Stdin => ("", PathBuf::from("-")),
        From::Maildir(path) | From::Mbox(path) => ("(FLAGS) \"DATE\"", path.clone()),
    };
    let line = Line::new("APPEND", lead.encoding).mailbox(mailbox);
    line.map(|line| if labels.is_empty() { line } else { line.word(labels) }.file(path).shown()).into_iter().collect()
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Status {
    say(&format!("imap-shell: cannot read {}: {error}", path.display()));
    Status::NoInput
}

/// What came of many messages so far.
#[derive(Default)]
struct Tally {
    stored: usize,
    /// Of those that were not.
    statuses: Vec<Status>,
    /// Nothing behind it would go better.
    hopeless: bool,
}

impl Tally {
    fn miss(&mut self, status: Status) {
        self.statuses.push(status);
    }

    /// [`Status::Partly`] where some were stored; else what kept all of them back.
    fn status(&self) -> Status {
        let has = |wanted: Status| self.statuses.contains(&wanted);
        match self.statuses.as_slice() {
            [] => Status::Done,
            _ if has(Status::Protocol) => Status::Protocol,
            _ if self.stored > 0 => Status::Partly,
            [first, rest @ ..] if rest.iter().all(|status| status == first) => *first,
            _ if has(Status::TryAgain) => Status::TryAgain,
            _ => Status::Refused,
        }
    }

    /// Who runs the same again would have some of them twice.
    fn hint(&self, dir: &Path) {
        let n = self.stored;
        if n > 0 {
            let dir = dir.display();
            say(&format!("imap-shell: {dir}: {n} went in, as the rows say: to append all of it again would double those"));
        }
    }
}

/// Many in one command where the server takes that (RFC 3502), which stores all of them or none.
fn many(shell: &mut Shell<'_>, lead: &mut Lead, from: &From, path: &Path, mailbox: &str) -> Result<Status, Stop> {
    let mut tally = Tally::default();
    let ended = match from {
        From::Mbox(_) => mbox_into(shell, lead, path, mailbox, &mut tally),
        _ => maildir_into(shell, lead, path, mailbox, &mut tally),
    };
    let status = tally.status();
    if ended.is_err() || status != Status::Done {
        tally.hint(path);
    }
    ended.map(|()| status)
}

fn maildir_into(shell: &mut Shell<'_>, lead: &mut Lead, dir: &Path, mailbox: &str, tally: &mut Tally) -> Result<(), Stop> {
    let pickup = Pickup::new(dir);
    let names = match pickup.names() {
        Ok(names) => names,
        Err(error) => {
            tally.miss(unreadable(dir, &error));
            return Ok(());
        }
    };
    let mut names = names.into_iter();
    all_of(shell, lead, mailbox, tally, &mut || {
        let name = names.next()?;
        let path = dir.join(&name);
        let (mut file, _) = match pickup.open(&name) {
            Ok(opened) => opened,
            Err(error) => return Some(Err(unreadable(&path, &error))),
        };
        let came = file.metadata().ok().and_then(|facts| Timestamp::try_from(facts.modified().ok()?).ok());
        Some(letter(Some(&path), &mut file, flags(&name), came.map(internal)))
    })
}

/// `date-time` (RFC 9051 section 9).
fn internal(at: Timestamp) -> String {
    at.strftime("%e-%b-%Y %H:%M:%S +0000").to_string()
}

/// Messages of an mbox, with the flags that their fields tell, and the dates of their `From ` lines.
fn mbox_into(shell: &mut Shell<'_>, lead: &mut Lead, path: &Path, mailbox: &str, tally: &mut Tally) -> Result<(), Stop> {
    let mut mbox = match File::open(path) {
        Ok(file) => Mbox::new(BufReader::new(file)),
        Err(error) => {
            tally.miss(unreadable(path, &error));
            return Ok(());
        }
    };
    let (mut number, mut over) = (0_u64, false);
    all_of(shell, lead, mailbox, tally, &mut || {
        if over {
            return None;
        }
        let mut one = match Scratch::new() {
            Ok(scratch) => scratch,
            Err(error) => return Some(Err(cannot(path, &error, Status::Io))),
        };
        number += 1;
        match mbox.next(&mut |bytes| one.write_all(bytes)) {
            Ok(false) => return None,
            Ok(true) => {}
            Err(error) => {
                over = true;
                let status = match error {
                    MboxError::NoFrom { .. } => Status::Data,
                    MboxError::Io(_) => Status::NoInput,
                    MboxError::Kept(_) => Status::Io,
                };
                return Some(Err(cannot(path, &error, status)));
            }
        }
        Some(one_of(path, number, one, mbox.from_line()))
    })
}

/// Message `number` of an mbox, parted from those before it by `from_line`.
fn one_of(path: &Path, number: u64, mut one: Scratch, from_line: &[u8]) -> Result<Letter, Status> {
    let called = PathBuf::from(format!("{}:{number}", path.display()));
    let mut header = Vec::new();
    let mut read = || -> io::Result<()> {
        one.reader()?.take(MOST_HEADER).read_to_end(&mut header)?;
        Ok(())
    };
    read().map_err(|error| cannot(&called, &error, Status::Io))?;
    let mut from = one.reader().map_err(|error| cannot(&called, &error, Status::Io))?;
    let ours = labels::leading(from_line, &header);
    let mut flags = labels::of_fields(if ours > 0 { &header[..ours] } else { &header });
    let told = flags.len();
    flags.retain(|flag| Flag::named(flag).is_ok());
    // The flags stand for these fields, unless one is none that could be set.
    let skip = if flags.len() == told { ours } else { 0 };
    io::copy(&mut from.by_ref().take(skip as u64), &mut io::sink()).map_err(|error| cannot(&called, &error, Status::Io))?;
    letter(Some(&called), &mut from, flags.join(" "), date::of_from_line(from_line).map(internal))
}

fn cannot(path: &Path, error: &dyn std::fmt::Display, status: Status) -> Status {
    say(&format!("imap-shell: {}: {error}", path.display()));
    status
}

/// All that `next` gives. What is wrong with one that is none was told by then, and keeps nothing behind it back.
fn all_of(
    shell: &mut Shell<'_>,
    lead: &mut Lead,
    mailbox: &str,
    tally: &mut Tally,
    next: &mut dyn FnMut() -> Option<Result<Letter, Status>>,
) -> Result<(), Stop> {
    let most = if lead.capabilities.offers("MULTIAPPEND") { MOST } else { 1 };
    let mut batch: Vec<Letter> = Vec::new();
    while let Some(found) = next() {
        if shell.was_interrupted() {
            tally.miss(Status::TryAgain);
            return Ok(());
        }
        let letter = match found {
            Ok(letter) => letter,
            Err(status) => {
                tally.miss(status);
                // Where there is no room for one in a temporary file, there is none for the next.
                if !matches!(status, Status::Data | Status::NoInput) {
                    break;
                }
                continue;
            }
        };
        if batch.len() == most || batch.iter().map(|one| one.octets).sum::<u64>() + letter.octets > MOST_OCTETS {
            together(shell, lead, mailbox, &batch, tally)?;
            batch.clear();
            if tally.hopeless {
                return Ok(());
            }
        }
        batch.push(letter);
    }
    together(shell, lead, mailbox, &batch, tally)
}

/// All in one command; where that is refused one by one, so that only what the server does not take stays behind.
fn together(shell: &mut Shell<'_>, lead: &mut Lead, mailbox: &str, batch: &[Letter], tally: &mut Tally) -> Result<(), Stop> {
    if batch.len() > 1
        && let Ok((done, damaged)) = ask(shell, lead, mailbox, batch)?
        && done.status.kind == StatusKind::Ok
    {
        tally.stored += batch.len();
        if damaged {
            tally.miss(verdict(&done, damaged));
        }
        return Ok(());
    }
    for letter in batch {
        match ask(shell, lead, mailbox, std::slice::from_ref(letter))? {
            Ok((done, damaged)) => {
                let (status, stored) = (verdict_on(&letter.called, &done, damaged), done.status.kind == StatusKind::Ok);
                tally.stored += usize::from(stored);
                if status != Status::Done {
                    tally.miss(status);
                }
                // There is no such mailbox, or none that takes anything of ours.
                tally.hopeless |= !stored && is_about_the_mailbox(&done);
            }
            Err(status) => tally.miss(status),
        }
        if tally.hopeless {
            return Ok(());
        }
    }
    Ok(())
}

fn is_about_the_mailbox(done: &Done) -> bool {
    [Word::TryCreate, Word::NonExistent, Word::NoPerm].into_iter().any(|word| done.status.is(word))
}

fn send(shell: &mut Shell<'_>, lead: &mut Lead, mailbox: &str, letter: &Letter) -> Result<Status, Stop> {
    Ok(match ask(shell, lead, mailbox, std::slice::from_ref(letter))? {
        Ok((done, damaged)) => verdict(&done, damaged),
        Err(status) => status,
    })
}

/// One APPEND, and whether something in its answer could not be read; or the status of what kept it from being sent.
fn ask(shell: &mut Shell<'_>, lead: &mut Lead, mailbox: &str, letters: &[Letter]) -> Result<Result<(Done, bool), Status>, Stop> {
    let whole = Arc::new(AtomicBool::new(false));
    let made = line(lead, mailbox, letters).and_then(|line| {
        shell.echo(&line);
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
    if done.status.kind == StatusKind::Ok {
        let (validity, uids) = match &done.status.code {
            // One each, if they are as many as were sent.
            Some(Code::AppendUid { validity, uids }) if uids.count() == Some(letters.len() as u64) => {
                (Some(*validity), uids.numbers().map(Some).collect())
            }
            _ => (None, vec![None; letters.len()]),
        };
        for (letter, uid) in letters.iter().zip(uids) {
            let row = Facts::default().fact("mailbox", mailbox).only_json("uidvalidity", validity).fact("uid", uid);
            hearing.out.row(&row.fact("file", letter.named.then(|| letter.called.clone())))?;
        }
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
