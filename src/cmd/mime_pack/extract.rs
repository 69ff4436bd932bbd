//! Parts written as files, through the directory's descriptor: new files only, under names that are safe, nothing dropped.

use super::content::Keeper;
use super::message::{Damage, Reader, full_section, scan_files};
use super::unique::hex;
use crate::bytes::transfer::Decoder;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::cli::report::{self, Rows};
use crate::cli::stdio::say;
use crate::mail::mime::head::{Flag, Head, decoding_flags};
use crate::mail::mime::safe_name::{numbered, safe_name};
use crate::mail::mime::scan::{Kind, Part, Run, Visitor};
use crate::mail::mime::select::Selector;
use anyhow::Context;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Files that want the same name; the one after the last of them is an error.
const MOST_OF_A_NAME: u32 = 10_000_000;
/// Names of which it is remembered how many files have them, so that a message full of one name is no work of hours.
const REMEMBERED: usize = 10_000;

/// What to write, and where.
pub struct Extraction<'a> {
    pub selectors: &'a [String],
    pub directory: &'a Path,
    pub json: bool,
    pub mbox: bool,
    pub strict: bool,
}

/// Writes the decoded content of the chosen parts as files and prints a row for each. Status 1 where a selector met nothing, 66 where
/// none did.
pub fn extract(what: &Extraction<'_>) -> Result<Status, Failure> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = nix::fcntl::open(what.directory, flags, Mode::empty())
        .with_context(|| format!("cannot open the directory {}", what.directory.display()))
        .or_status(Status::CannotCreate)?;
    let extractor = Extractor {
        selectors: what.selectors.iter().map(|text| (Selector::new(text), false)).collect(),
        directory,
        rows: Rows::new(what.json),
        json: what.json,
        message: None,
        open: Vec::new(),
        written: 0,
        decoded: Vec::new(),
        damage: Damage::default(),
        taken: HashMap::new(),
    };
    let mut extractor = scan_files(what.mbox, extractor)?;
    extractor.rows.flush()?;
    let missed: Vec<&str> = extractor.selectors.iter().filter(|(_, met)| !met).map(|(selector, _)| selector.text()).collect();
    if let Some((last, others)) = missed.split_last() {
        others.iter().for_each(|selector| say(&format!("mime-pack: {selector}: no such part")));
        let status = if extractor.written > 0 { Status::Partly } else { Status::NoInput };
        return Err(Failure::text(status, format!("{last}: no such part")));
    }
    extractor.damage.verdict(what.strict)
}

#[derive(Debug, Serialize)]
struct Row {
    part: String,
    file: String,
    size: u64,
    #[serde(rename = "type")]
    media: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flags: Vec<String>,
}

impl report::Row for Row {
    fn columns(&self) -> Vec<Option<String>> {
        let text = |text: &str| Some(text.to_owned());
        vec![text(&self.part), text(&self.file), Some(self.size.to_string()), Some(self.flags.join(","))]
    }
}

/// A file that is being written.
struct Output {
    row: Row,
    file: BufWriter<File>,
    decoder: Decoder,
    digest: Option<Sha256>,
}

struct OpenPart {
    section: String,
    kind: Kind,
    output: Option<Output>,
    /// All that is in it is wanted.
    all_below: bool,
    /// Of a wanted multipart in which no part has begun: what goes out as its own content if none does.
    unsplit: Option<Box<(Head, Keeper)>>,
}

struct Extractor {
    /// With none, everything is wanted.
    selectors: Vec<(Selector, bool)>,
    directory: OwnedFd,
    rows: Rows,
    json: bool,
    message: Option<u64>,
    open: Vec<OpenPart>,
    written: u64,
    decoded: Vec<u8>,
    damage: Damage,
    /// How many files of a name there were, for some names.
    taken: HashMap<String, u32>,
}

impl Extractor {
    fn is_chosen(&mut self, part: &Part<'_>) -> bool {
        let section = full_section(self.message, part.section);
        let full = Part { section: &section, kind: part.kind, head: part.head, header: part.header };
        let mut chosen = false;
        for (selector, met) in &mut self.selectors {
            if selector.matches(part) || selector.matches(&full) {
                (*met, chosen) = (true, true);
            }
        }
        chosen
    }

    fn output(&mut self, section: &str, kind: Kind, head: &Head) -> Result<Output, Failure> {
        let stated = head.name.as_deref();
        let section = full_section(self.message, section);
        let wish = safe_name(stated, &section.replace('/', "-"), &head.media);
        let from = self.taken.get(&wish).copied().unwrap_or(0);
        let (name, file, next) = create(&self.directory, &wish, from)?;
        if self.taken.len() < REMEMBERED || self.taken.contains_key(&wish) {
            self.taken.insert(wish, next);
        }
        let row = Row {
            part: section,
            file: name,
            size: 0,
            media: head.media.clone(),
            name: stated.map(str::to_owned),
            sha256: None,
            flags: Vec::new(),
        };
        let decoder = if kind == Kind::Message { Decoder::Identity } else { head.decoder() };
        Ok(Output { row, file: BufWriter::with_capacity(64 * 1024, file), decoder, digest: self.json.then(Sha256::new) })
    }
}

impl Reader for Extractor {
    fn message(&mut self, number: Option<u64>) {
        self.message = number;
    }
}

impl Visitor for Extractor {
    type Error = Failure;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        let below = self.open.last().map_or(self.selectors.is_empty(), |open| open.all_below);
        let wanted = self.is_chosen(part) || below;
        if let Some(around) = self.open.last_mut() {
            around.unsplit = None;
        }
        let mut opened =
            OpenPart { section: part.section.to_owned(), kind: part.kind, output: None, all_below: false, unsplit: None };
        if wanted {
            // What stands in a message is in its file.
            opened.all_below = part.kind != Kind::Message;
            match part.kind {
                Kind::Multipart => opened.unsplit = Some(Box::new((part.head.clone(), Keeper::default()))),
                kind => opened.output = Some(self.output(part.section, kind, part.head)?),
            }
        }
        self.open.push(opened);
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Failure> {
        for open in &mut self.open {
            let is_content = match (open.kind, run) {
                (Kind::Embedded, run) => run == Run::Embedded,
                (_, Run::Embedded) => false,
                (Kind::Leaf, run) => run == Run::Content,
                (Kind::Multipart | Kind::Message, _) => true,
            };
            if !is_content {
                continue;
            }
            if let Some(output) = &mut open.output {
                output.take(bytes, &mut self.decoded, &self.directory)?;
            }
            // The header of its first part is the part's.
            if let Some(unsplit) = open.unsplit.as_mut().filter(|_| run == Run::Frame) {
                unsplit.1.push(bytes)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Failure> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        let mut flags = flags.to_vec();
        if let Some((head, keeper)) = open.unsplit.filter(|_| flags.contains(&Flag::NoParts)).map(|unsplit| *unsplit) {
            let mut output = self.output(&open.section, open.kind, &head)?;
            keeper.finish(open.section.clone()).each(|bytes| output.take(bytes, &mut self.decoded, &self.directory))?;
            open.output = Some(output);
        }
        if let Some(mut output) = open.output {
            self.decoded.clear();
            flags.extend(decoding_flags(output.decoder.finish(&mut self.decoded)));
            output.write(&self.decoded, &self.directory)?;
            let flushed = output.file.flush();
            output.done(flushed, &self.directory)?;
            output.row.flags = flags.iter().map(Flag::to_string).collect();
            output.row.sha256 = output.digest.map(|digest| hex(&digest.finalize()));
            self.written += 1;
            self.rows.add(&output.row)?;
        }
        self.damage.note(self.message, &open.section, &flags);
        Ok(())
    }
}

impl Output {
    /// Content as it stands in the message.
    fn take(&mut self, content: &[u8], decoded: &mut Vec<u8>, directory: &OwnedFd) -> Result<(), Failure> {
        decoded.clear();
        self.decoder.push(content, decoded);
        self.write(decoded, directory)
    }

    fn write(&mut self, content: &[u8], directory: &OwnedFd) -> Result<(), Failure> {
        self.row.size += content.len() as u64;
        if let Some(digest) = &mut self.digest {
            digest.update(content);
        }
        let written = self.file.write_all(content);
        self.done(written, directory)
    }

    /// A file that could not be written whole is not left behind.
    fn done(&self, written: std::io::Result<()>, directory: &OwnedFd) -> Result<(), Failure> {
        let Err(error) = written else { return Ok(()) };
        let _ = unlinkat(directory.as_fd(), self.row.file.as_str(), UnlinkatFlags::NoRemoveDir);
        Err(error).with_context(|| format!("cannot write {}", self.row.file)).or_status(Status::Io)
    }
}

/// A file that was not there, under this name or the next free one. Nothing is followed and nothing overwritten.
fn create(directory: &OwnedFd, wish: &str, from: u32) -> Result<(String, File, u32), Failure> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    for n in from..MOST_OF_A_NAME {
        let name = numbered(wish, n);
        match openat(directory.as_fd(), name.as_str(), flags, Mode::from_bits_truncate(0o666)) {
            Ok(file) => return Ok((name, File::from(file), n + 1)),
            Err(Errno::EEXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create {name}")).or_status(Status::CannotCreate),
        }
    }
    Err(Failure::text(Status::CannotCreate, format!("cannot create {wish}: {MOST_OF_A_NAME} files have that name")))
}
