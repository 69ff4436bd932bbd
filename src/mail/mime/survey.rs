//! What of a message has to change before it can go a narrower way: 8-bit content where only 7-bit content goes (RFC 6152 section 3), lines
//! longer than any server has to take (RFC 5321 section 4.5.3.1.6). Found as a stream; nothing is changed here.

use super::head::{Flag, Head};
use super::scan::{Kind, Limits, Part, Run, Scanner, Visitor};
use crate::bytes::transfer::{Damage, Decoder, Encoding, MAX_LINE, Profile};
use crate::mail::header::{self, fold};
use std::collections::BTreeMap;

/// Parts that are looked at; of more, what has to change cannot be said.
const LIMITS: Limits = Limits { depth: 64, parts: 1_000_000, header: 1024 * 1024 };
/// Changes that are told.
const TOLD: usize = 10;

/// What the message is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Octets below 128 only.
    SevenBit,
    /// Lines of at most 998 octets.
    ShortLines,
}

/// Why it cannot become so. The section is that of IMAP.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("part {0} is signed, and changing it would break the signature")]
    Signed(String),
    #[error("the message has a DKIM signature, which changing it would break")]
    Dkim,
    #[error("a header field of part {0} has 8-bit octets, which no transfer encoding covers")]
    HeaderText(String),
    #[error("a header line of part {0} is longer than 998 octets and has no blank to fold it at")]
    HeaderLine(String),
    #[error("a line outside of all parts is longer than 998 octets")]
    FrameLine,
    #[error("part {section}: {why}")]
    Part { section: String, why: &'static str },
}

impl Unfit {
    /// It could be done, but must not be.
    pub fn is_prohibited(&self) -> bool {
        matches!(self, Unfit::Signed(_) | Unfit::Dkim)
    }
}

/// What changes in one part.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// The content's encoding as it is, and as it is to be.
    pub recode: Option<(Encoding, Encoding)>,
    /// The label says 8bit or binary and is to say 7bit.
    pub relabel: bool,
    /// A part without a type gets this character set.
    pub charset: Option<&'static str>,
    pub add_mime_version: bool,
    pub refold: bool,
}

/// All changes, by the number of their part in the order in which parts begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub goal: Goal,
    pub changes: BTreeMap<u64, Change>,
    /// The first changes in words.
    pub told: Vec<String>,
    /// Preambles or epilogues lose octets over 127.
    frame: bool,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.frame
    }

    pub(super) fn scanner() -> Scanner {
        Scanner::new(LIMITS)
    }
}

/// Takes the message in wire form, and gives the plan.
#[derive(Debug)]
pub struct Survey {
    scanner: Scanner,
    look: Look,
}

impl Survey {
    pub fn new(goal: Goal) -> Survey {
        let plan = Plan { goal, changes: BTreeMap::new(), told: Vec::new(), frame: false };
        let (header, frame) = (Lines::default(), Lines::default());
        let look = Look { plan, open: Vec::new(), begun: 0, header, header_8bit: false, frame, dkim: false };
        Survey { scanner: Plan::scanner(), look }
    }

    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Unfit> {
        self.scanner.push(bytes, &mut self.look)
    }

    pub fn finish(mut self) -> Result<Plan, Unfit> {
        self.scanner.finish(&mut self.look)?;
        if self.look.dkim && !self.look.plan.is_empty() { Err(Unfit::Dkim) } else { Ok(self.look.plan) }
    }
}

/// Line lengths in wire form, the line end not counted.
#[derive(Debug, Default)]
struct Lines {
    column: u64,
    after_cr: bool,
    longest: u64,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let has_cr = if end > 0 { rest[end - 1] == b'\r' } else { self.after_cr };
            self.longest = self.longest.max((self.column + end as u64).saturating_sub(u64::from(has_cr)));
            (self.column, self.after_cr) = (0, false);
            rest = &rest[end + 1..];
        }
        if let Some(last) = rest.last() {
            (self.column, self.after_cr) = (self.column + rest.len() as u64, *last == b'\r');
        }
    }

    fn is_too_long(&self) -> bool {
        self.longest.max(self.column) > MAX_LINE
    }
}

#[derive(Debug)]
struct Look {
    plan: Plan,
    open: Vec<Open>,
    begun: u64,
    /// The header of the part that has not begun.
    header: Lines,
    header_8bit: bool,
    /// Delimiters, preambles, epilogues.
    frame: Lines,
    dkim: bool,
}

#[derive(Debug)]
struct Open {
    number: u64,
    section: String,
    kind: Kind,
    /// It stands within a multipart/signed.
    in_signed: bool,
    is_signed: bool,
    /// The first part of its message, and whether that says MIME-Version.
    root: (u64, bool),
    leaf: Option<Leaf>,
}

/// What is known of a leaf's content.
#[derive(Debug)]
struct Leaf {
    media: String,
    has_type: bool,
    encoding: Encoding,
    unknown_encoding: bool,
    header_cut: bool,
    /// Of the content as it stands.
    eight_bit: bool,
    lines: Lines,
    profile: Profile,
    decoder: Decoder,
    decoded: Vec<u8>,
    utf8: Utf8,
}

impl Look {
    fn change(&mut self, number: u64, root: (u64, bool), told: String) -> &mut Change {
        if self.plan.told.len() < TOLD {
            self.plan.told.push(told);
        }
        let (root, has_version) = root;
        if !has_version {
            self.plan.changes.entry(root).or_default().add_mime_version = true;
        }
        self.plan.changes.entry(number).or_default()
    }

    fn end_header(&mut self, part: &Part<'_>, number: u64, in_signed: bool) -> Result<(), Unfit> {
        let section = part.section.to_owned();
        let (eight_bit, lines) = (std::mem::take(&mut self.header_8bit), std::mem::take(&mut self.header));
        if eight_bit && self.plan.goal == Goal::SevenBit {
            return Err(Unfit::HeaderText(section));
        }
        if !lines.is_too_long() || self.plan.goal != Goal::ShortLines {
            return Ok(());
        }
        if in_signed {
            return Err(Unfit::Signed(section));
        }
        let cut = part.head.flags.contains(&Flag::HeaderTooLong);
        let folds = header::items(part.header).all(|item| fold::refold(item.raw()).is_some());
        if cut || !folds {
            return Err(Unfit::HeaderLine(section));
        }
        let told = format!("part {section}: header folded");
        if self.plan.told.len() < TOLD {
            self.plan.told.push(told);
        }
        self.plan.changes.entry(number).or_default().refold = true;
        Ok(())
    }

    /// What a leaf's content asks for, now that all of it was seen.
    fn judge(&mut self, open: &Open, leaf: &mut Leaf, flags: &[Flag]) -> Result<(), Unfit> {
        let needs = match self.plan.goal {
            Goal::SevenBit => leaf.eight_bit,
            Goal::ShortLines => leaf.lines.is_too_long(),
        };
        let unfit = |why| Err(Unfit::Part { section: open.section.clone(), why });
        if !needs {
            return Ok(());
        }
        if open.in_signed {
            return Err(Unfit::Signed(open.section.clone()));
        }
        if leaf.header_cut {
            return unfit("its header is too long to be changed");
        }
        if leaf.unknown_encoding {
            return unfit("its content has an unknown transfer encoding");
        }
        let is_container = leaf.media.starts_with("multipart/") || leaf.media.starts_with("message/");
        if flags.contains(&Flag::TooManyParts) || (is_container && leaf.encoding.is_identity()) {
            return unfit("it must not be encoded, and its own parts cannot be");
        }
        let damage = leaf.decoder.finish(&mut leaf.decoded);
        if matches!(damage, Some(Damage::Base64(_))) {
            return unfit("its base64 is damaged");
        }
        leaf.profile.finish();
        let to = match leaf.encoding {
            encoding if !encoding.is_identity() => encoding,
            _ if !leaf.media.starts_with("text/") => Encoding::Base64,
            _ => Some(leaf.profile.text_encoding()).filter(|to| !to.is_identity()).unwrap_or(Encoding::QuotedPrintable),
        };
        let charset = match leaf.eight_bit && !leaf.has_type {
            true if leaf.utf8.is_valid() => Some("utf-8"),
            // RFC 1428 section 3: the character set is not known.
            true => Some("unknown-8bit"),
            false => None,
        };
        let change = self.change(open.number, open.root, format!("part {}: {to}", open.section));
        (change.recode, change.charset) = (Some((leaf.encoding, to)), charset);
        Ok(())
    }
}

impl Visitor for Look {
    type Error = Unfit;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Unfit> {
        let number = self.begun;
        self.begun += 1;
        let (head, parent) = (part.head, self.open.last());
        let has_version = || header::field(part.header, "MIME-Version").is_some();
        let root = match parent {
            Some(open) if open.kind == Kind::Multipart => open.root,
            _ => (number, has_version()),
        };
        let in_signed = parent.is_some_and(|open| open.in_signed || open.is_signed);
        self.dkim |= number == 0 && header::field(part.header, "DKIM-Signature").is_some();
        self.end_header(part, number, in_signed)?;
        if self.plan.goal == Goal::SevenBit {
            if head.boundary.as_ref().is_some_and(|boundary| !boundary.is_ascii()) {
                return Err(Unfit::HeaderText(part.section.to_owned()));
            }
            let says_more = matches!(head.encoding, Encoding::EightBit | Encoding::Binary);
            if part.kind != Kind::Leaf && says_more && !in_signed {
                self.change(number, root, format!("part {}: 7bit", part.section)).relabel = true;
            }
        }
        let leaf = (part.kind == Kind::Leaf).then(|| Leaf::new(head, header::field(part.header, "Content-Type").is_some()));
        let is_signed = head.media == "multipart/signed";
        self.open.push(Open { number, section: part.section.to_owned(), kind: part.kind, in_signed, is_signed, root, leaf });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Unfit> {
        match run {
            Run::Header => {
                self.header_8bit |= !bytes.is_ascii();
                self.header.push(bytes);
            }
            Run::HeaderEnd | Run::Embedded => {}
            Run::Content => {
                if let Some(leaf) = self.open.last_mut().and_then(|open| open.leaf.as_mut()) {
                    leaf.push(bytes);
                }
            }
            Run::Frame => {
                self.frame.push(bytes);
                if self.plan.goal == Goal::ShortLines && self.frame.is_too_long() {
                    return Err(Unfit::FrameLine);
                }
                if self.plan.goal == Goal::SevenBit && !bytes.is_ascii() {
                    match self.open.last() {
                        Some(open) if open.in_signed || open.is_signed => return Err(Unfit::Signed(open.section.clone())),
                        _ => self.plan.frame = true,
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Unfit> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        let Some(mut leaf) = open.leaf.take() else { return Ok(()) };
        self.judge(&open, &mut leaf, flags)
    }
}

impl Leaf {
    fn new(head: &Head, has_type: bool) -> Leaf {
        Leaf {
            media: head.media.clone(),
            has_type,
            encoding: head.encoding,
            unknown_encoding: head.is_uuencoded || head.flags.contains(&Flag::UnknownEncoding),
            header_cut: head.flags.contains(&Flag::HeaderTooLong),
            eight_bit: false,
            lines: Lines::default(),
            profile: Profile::default(),
            decoder: Decoder::new(head.encoding),
            decoded: Vec::new(),
            utf8: Utf8::default(),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
        if !bytes.is_ascii() {
            self.eight_bit = true;
        }
        self.utf8.push(bytes);
        if self.encoding.is_identity() {
            self.profile.push(bytes);
        } else {
            self.decoded.clear();
            self.decoder.push(bytes, &mut self.decoded);
        }
    }
}

/// Whether a stream is UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    broken: bool,
    /// The start of a character; at most three octets.
    held: Vec<u8>,
}

impl Utf8 {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.broken || (self.held.is_empty() && bytes.is_ascii()) {
            return;
        }
        self.held.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.held) {
            Ok(_) => self.held.len(),
            Err(error) => {
                self.broken = error.error_len().is_some();
                error.valid_up_to()
            }
        };
        self.held.drain(..whole);
    }

    pub(super) fn is_valid(&self) -> bool {
        !self.broken && self.held.is_empty()
    }
}
