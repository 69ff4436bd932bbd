//! `headers`, `show` and `save`: one message, or a part of it.

use super::output::{Facts, Out};
use super::section;
use super::shell::{Shell, Stop};
use super::text::{Shown, decoded};
use crate::browse::items;
use crate::browse::local;
use crate::browse::plan::kinds::{Plan, Take};
use crate::browse::session::Lead;
use crate::bytes::newline::ToLf;
use crate::bytes::transfer::Decoder;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::stdio::{StdoutError, say};
use crate::mail::mime::head::Head;
use crate::mail::mime::scan::Scanner;
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Longest header of a part, in octets.
const MAX_HEADER: usize = 1 << 20;

/// What a plan of this file sends, for `explain`.
pub fn lines(plan: &Plan) -> Vec<String> {
    let of = |uid: &str, section: &str| format!("UID FETCH {uid} (UID BODY.PEEK[{section}])");
    match plan {
        Plan::Read { uid, part: None, take: Take::Header } => vec![of(&uid.to_string(), "HEADER")],
        Plan::Read { uid, part: None, .. } => vec![of(&uid.to_string(), "")],
        Plan::Read { uid, part: Some(part), .. } => {
            vec![of(&uid.to_string(), &format!("{part}.MIME")), of(&uid.to_string(), part)]
        }
        Plan::Export { asked, .. } => vec![items::for_export(&asked.set)],
        _ => Vec::new(),
    }
}

pub fn read(shell: &mut Shell<'_>, lead: &mut Lead, uid: u32, part: Option<&str>, take: &Take) -> Result<Status, Stop> {
    match (take, part) {
        (Take::Header, _) => to_stdout(shell, lead, uid, "HEADER", Decoder::Identity),
        (Take::Text, None) => show(shell, lead, uid),
        (Take::Text, Some(part)) => show_part(shell, lead, uid, part),
        (Take::File(path), part) => save(shell, lead, uid, part, path),
    }
}

/// Text of others, which may be long.
fn page(shell: &Shell<'_>, crlf: bool) -> Out {
    let mut out = Out::new(shell.args.client.json, crlf);
    out.begin_page();
    out
}

fn show(shell: &mut Shell<'_>, lead: &mut Lead, uid: u32) -> Result<Status, Stop> {
    let mut scanner = Scanner::default();
    let mut out = page(shell, true);
    let mut shown = Shown::new(&mut out, shell.mailbox.as_deref(), uid);
    let status = section::fetch(shell, lead, uid, "", &mut |bytes| scanner.push(bytes, &mut shown));
    if let Ok(Status::Done) = status {
        scanner.finish(&mut shown).map_err(Stop::Failed)?;
    }
    out.cut()?;
    out.end_page()?;
    status
}

/// The MIME header of a part. That of a message without parts is its own.
fn head(shell: &Shell<'_>, lead: &mut Lead, uid: u32, part: &str) -> Result<Result<Head, Status>, Stop> {
    let mut header = Vec::new();
    let fetch = |lead: &mut Lead, section: &str, header: &mut Vec<u8>| {
        section::fetch(shell, lead, uid, section, &mut |bytes| {
            let room = MAX_HEADER.saturating_sub(header.len()).min(bytes.len());
            header.extend_from_slice(&bytes[..room]);
            Ok(())
        })
    };
    let mut status = fetch(lead, &format!("{part}.MIME"), &mut header)?;
    if status == Status::Done && header.iter().all(u8::is_ascii_whitespace) {
        if part != "1" {
            say(&format!("imap-shell: {uid}: no part {part}"));
            return Ok(Err(Status::NoInput));
        }
        header.clear();
        status = fetch(lead, "HEADER", &mut header)?;
    }
    Ok(if status == Status::Done { Ok(Head::read(&header, "text/plain")) } else { Err(status) })
}

fn show_part(shell: &mut Shell<'_>, lead: &mut Lead, uid: u32, part: &str) -> Result<Status, Stop> {
    let head = match head(shell, lead, uid, part)? {
        Ok(head) => head,
        Err(status) => return Ok(status),
    };
    let mut text = decoded(&head);
    let mut out = page(shell, true);
    let mut begun = Once::new(super::text::facts(shell.mailbox.as_deref(), uid, part, &head));
    let status = section::fetch(shell, lead, uid, part, &mut |bytes| {
        begun.now(|facts| out.begin_text(facts))?;
        Ok(out.content(&text.push(bytes))?)
    });
    if let Ok(Status::Done) = status {
        begun.now(|facts| out.begin_text(facts))?;
        out.content(&text.finish())?;
        out.end(true)?;
    }
    out.cut()?;
    out.end_page()?;
    status
}

fn to_stdout(shell: &mut Shell<'_>, lead: &mut Lead, uid: u32, name: &str, mut decoder: Decoder) -> Result<Status, Stop> {
    let mut out = page(shell, shell.args.crlf || !matches!(decoder, Decoder::Identity));
    let facts = Facts::default().only_json("mailbox", shell.mailbox.clone()).only_json("uid", uid);
    let mut begun = Once::new(facts.only_json("section", name));
    let mut clear = Vec::new();
    let status = section::fetch(shell, lead, uid, name, &mut |bytes| {
        begun.now(|facts| out.begin(facts))?;
        clear.clear();
        decoder.push(bytes, &mut clear);
        Ok(out.content(&clear)?)
    });
    if let Ok(Status::Done) = status {
        begun.now(|facts| out.begin(facts))?;
        clear.clear();
        decoder.finish(&mut clear);
        out.content(&clear)?;
        out.end(false)?;
    }
    out.cut()?;
    out.end_page()?;
    status
}

/// An object is begun once it is known that there is something to tell.
struct Once(Option<Facts>);

impl Once {
    fn new(facts: Facts) -> Once {
        Once(Some(facts))
    }

    fn now(&mut self, begin: impl FnOnce(&Facts) -> Result<(), StdoutError>) -> Result<(), StdoutError> {
        self.0.take().map_or(Ok(()), |facts| begin(&facts))
    }
}

/// Into a file that is not there yet, whole or not at all; into a directory under the name that the part has; `-` is stdout.
fn save(shell: &mut Shell<'_>, lead: &mut Lead, uid: u32, part: Option<&str>, path: &Path) -> Result<Status, Stop> {
    let head = match part.map(|part| head(shell, lead, uid, part)).transpose()? {
        Some(Err(status)) => return Ok(status),
        Some(Ok(head)) => Some(head),
        None => None,
    };
    let decoder = head.as_ref().map_or(Decoder::Identity, |head| Decoder::new(head.encoding));
    if path == Path::new("-") {
        return to_stdout(shell, lead, uid, part.unwrap_or_default(), decoder);
    }
    let path = if path.is_dir() { path.join(file_name(uid, part, head.as_ref())) } else { path.to_owned() };
    let mut saving = match Saving::begin(path, decoder, part.is_none() && !shell.args.crlf) {
        Ok(saving) => saving,
        Err(failure) => {
            say(&format!("imap-shell: {:#}", failure.error));
            return Ok(failure.status);
        }
    };
    let fetched = section::fetch(shell, lead, uid, part.unwrap_or_default(), &mut |bytes| saving.push(bytes))?;
    if fetched != Status::Done {
        return Ok(fetched);
    }
    match saving.end() {
        Ok(()) => Ok(Status::Done),
        Err(failure) => {
            say(&format!("imap-shell: {:#}", failure.error));
            Ok(failure.status)
        }
    }
}

/// One name in that directory, whatever the sender wrote.
fn file_name(uid: u32, part: Option<&str>, head: Option<&Head>) -> String {
    match (part, head.and_then(|head| head.name.as_deref())) {
        (_, Some(name)) => local::name(name),
        (Some(part), None) => format!("{uid}.{part}"),
        (None, None) => format!("{uid}.eml"),
    }
}

struct Saving {
    path: PathBuf,
    file: tempfile::NamedTempFile,
    decoder: Decoder,
    newline: Option<ToLf>,
}

impl Saving {
    fn begin(path: PathBuf, decoder: Decoder, to_lf: bool) -> Result<Saving, Failure> {
        let told = || format!("cannot create {}", path.display());
        if path.symlink_metadata().is_ok() {
            return Err(Failure::text(Status::CannotCreate, format_args!("{} is there already", path.display())));
        }
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::NamedTempFile::new_in(dir).with_context(told).or_status(Status::CannotCreate)?;
        Ok(Saving { path, file, decoder, newline: to_lf.then(ToLf::default) })
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut clear = Vec::new();
        self.decoder.push(bytes, &mut clear);
        self.write(&clear, false)
    }

    fn write(&mut self, clear: &[u8], last: bool) -> Result<(), Failure> {
        let mut text = Vec::new();
        let bytes = match &mut self.newline {
            None => clear,
            Some(newline) => {
                newline.push(clear, &mut text);
                if last {
                    newline.finish(&mut text);
                }
                &text
            }
        };
        self.file.write_all(bytes).with_context(|| format!("cannot write {}", self.path.display())).or_status(Status::Io)
    }

    fn end(mut self) -> Result<(), Failure> {
        let mut clear = Vec::new();
        self.decoder.finish(&mut clear);
        self.write(&clear, true)?;
        let path = self.path;
        let told = || format!("cannot create {}", path.display());
        self.file.persist_noclobber(&path).map_err(|error| error.error).with_context(told).or_status(Status::CannotCreate)?;
        Ok(())
    }
}
