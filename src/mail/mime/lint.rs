//! A message held to the RFCs: what it breaks, where, and the clause. A stream in constant memory; nothing is changed.

use super::head::Flag;
use super::scan::{Kind, Part, Run, Scanner, Visitor};
use crate::bytes::transfer::Encoding;
use content::Leaf;
use finding::{Finding, Found};
use header::Header;

mod content;
pub mod finding;
mod header;
mod params;
mod status;

/// Findings of one kind that are told of the whole message.
const TOLD: u32 = 3;

/// Takes a message and gives its findings in the order of their offsets.
#[derive(Default)]
pub struct Lint {
    scanner: Scanner,
    look: Look,
}

impl Lint {
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Finding> {
        let Ok(()) = self.scanner.push(bytes, &mut self.look);
        let end = self.look.unsettled_from();
        self.look.settled(end)
    }

    pub fn finish(&mut self) -> Vec<Finding> {
        let Ok(()) = self.scanner.finish(&mut self.look);
        self.look.settled(u64::MAX)
    }
}

#[derive(Default)]
struct Look {
    /// Those that others may yet come before. Each header, and each leaf, has a bounded number.
    findings: Vec<Finding>,
    offset: u64,
    /// Where the header that is being read, or was read last, begins.
    header_at: Option<u64>,
    lines: Lines,
    open: Vec<Open>,
    found: Vec<Found>,
}

/// Lines of the whole message, whatever they belong to.
#[derive(Default)]
struct Lines {
    column: u64,
    after_cr: bool,
    /// How often each of the findings below was told.
    told: [u32; 3],
}

struct Open {
    section: String,
    kind: Kind,
    header_at: u64,
    media: String,
    /// What was wrong with its header, and told when it began.
    flags: Vec<Flag>,
    children: u64,
    /// It holds others, says that all of it is 7bit, and nothing else was seen yet.
    is_7bit: bool,
    leaf: Option<Leaf>,
}

impl Visitor for Look {
    type Error = std::convert::Infallible;

    fn begin(&mut self, part: &Part<'_>) -> Result<(), Self::Error> {
        let header_at = self.header_at.take().unwrap_or(self.offset);
        // The root is what no part, or only a message, stands around.
        let is_root = self.open.last().is_none_or(|open| open.kind == Kind::Message);
        let section = part.section.to_owned();
        let mut header = Header { section: &section, at: header_at, findings: &mut self.findings };
        header.check(part.head, part.header, is_root);
        let leaf = (part.kind == Kind::Leaf).then(|| Leaf::new(part.head, header.media_at(part.header)));
        if let Some(around) = self.open.last_mut() {
            around.children += 1;
        }
        self.open.push(Open {
            section,
            kind: part.kind,
            header_at,
            media: part.head.media.clone(),
            flags: part.head.flags.clone(),
            children: 0,
            is_7bit: part.kind != Kind::Leaf && part.head.encoding == Encoding::SevenBit,
            leaf,
        });
        Ok(())
    }

    fn bytes(&mut self, run: Run, bytes: &[u8]) -> Result<(), Self::Error> {
        if run == Run::Header {
            self.header_at.get_or_insert(self.offset);
        }
        let leaf = self.open.last().and_then(|open| open.leaf.as_ref()).filter(|_| run == Run::Content);
        if leaf.is_some_and(|leaf| leaf.encoding == Encoding::Binary) {
            // It has no lines (RFC 2045 section 2.9).
            (self.lines.column, self.lines.after_cr) = (0, false);
        } else {
            self.lines(run, bytes);
        }
        if run == Run::Content {
            self.content(bytes);
        }
        self.offset += bytes.len() as u64;
        Ok(())
    }

    fn end(&mut self, flags: &[Flag]) -> Result<(), Self::Error> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        // Of a leaf within a multipart that was not closed, it says that it may be cut off; the breach is the multipart's.
        let is_own = |flag: &&Flag| **flag != Flag::Unterminated || open.kind == Kind::Multipart;
        let late = flags.iter().filter(|flag| !open.flags.contains(flag)).filter(is_own);
        let mut header = Header { section: &open.section, at: self.offset, findings: &mut self.findings };
        late.for_each(|flag| header.flag(0, *flag));
        if let Some(leaf) = &mut open.leaf {
            leaf.finish(self.offset, &mut self.found);
        }
        if let Some((clause, what)) = too_few_parts(&open).filter(|_| !flags.contains(&Flag::NoParts)) {
            self.found.push((self.offset, clause, what));
        }
        self.open.push(open);
        self.take_found();
        self.open.pop();
        Ok(())
    }
}

/// Multiparts that have a certain number of parts.
fn too_few_parts(open: &Open) -> Option<(&'static str, String)> {
    let (clause, wanted, words) = match open.media.as_str() {
        _ if open.kind != Kind::Multipart => return None,
        "multipart/signed" => ("RFC 1847 2.1", 2..=2, "two"),
        "multipart/encrypted" => ("RFC 1847 2.2", 2..=2, "two"),
        "multipart/report" => ("RFC 6522 3", 2..=3, "two or three"),
        _ => return None,
    };
    let count = open.children;
    (!wanted.contains(&count)).then(|| (clause, format!("a {} of {count} parts, where {words} belong", open.media)))
}

impl Look {
    /// Nothing that is found from now on stands before this.
    fn unsettled_from(&self) -> u64 {
        let leaf = self.open.last().filter(|open| open.leaf.is_some()).map(|open| open.header_at);
        let line = self.offset - self.lines.column;
        [leaf, self.header_at].into_iter().flatten().fold(line, u64::min)
    }

    /// Takes out what stands before `end`, in its order.
    fn settled(&mut self, end: u64) -> Vec<Finding> {
        self.findings.sort_by_key(|finding| finding.offset);
        let settled = self.findings.partition_point(|finding| finding.offset < end);
        self.findings.drain(..settled).collect()
    }

    /// What was found is of the part that is open.
    fn take_found(&mut self) {
        let section = self.open.last().map_or("-", |open| open.section.as_str());
        let of_part = |(offset, clause, what)| Finding { offset, section: section.to_owned(), clause, what };
        self.findings.extend(self.found.drain(..).map(of_part));
    }

    fn lines(&mut self, run: Run, bytes: &[u8]) {
        let mut found = Vec::new();
        let lines = &mut self.lines;
        let mut tell = |which: usize, told: &mut [u32; 3], at: u64| {
            told[which] += 1;
            if told[which] <= TOLD {
                found.push((which, at));
            }
        };
        if lines.after_cr && bytes.first().is_some_and(|b| *b != b'\n') {
            tell(0, &mut lines.told, self.offset - 1);
        }
        for at in memchr::memchr2_iter(b'\r', 0, bytes) {
            match (bytes[at], bytes.get(at + 1)) {
                (0, _) => tell(1, &mut lines.told, self.offset + at as u64),
                (_, Some(next)) if *next != b'\n' => tell(0, &mut lines.told, self.offset + at as u64),
                _ => {}
            }
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let has_cr = if end > start { bytes[end - 1] == b'\r' } else { lines.after_cr && end == 0 };
            let length = lines.column + (end - start) as u64 - u64::from(has_cr);
            if length > 998 {
                tell(2, &mut lines.told, (self.offset + end as u64).saturating_sub(length + u64::from(has_cr)));
            }
            (lines.column, start) = (0, end + 1);
        }
        lines.column += (bytes.len() - start) as u64;
        if let Some(last) = bytes.last() {
            lines.after_cr = *last == b'\r';
        }
        let lone = if run == Run::Header { "RFC 5322 2.2" } else { "RFC 5322 2.3" };
        for (which, at) in found {
            let (clause, what) = [
                (lone, "a carriage return without a line feed"),
                ("RFC 5322 2.1", "a NUL"),
                ("RFC 5322 2.1.1", "a line of more than 998 octets"),
            ][which];
            self.found.push((at, clause, what.to_owned()));
        }
        self.take_found();
    }

    fn content(&mut self, bytes: &[u8]) {
        let Some((open, around)) = self.open.split_last_mut() else { return };
        let Some(leaf) = &mut open.leaf else { return };
        leaf.push(bytes, self.offset, &mut self.found);
        // A leaf that says 7bit, too, is told of that itself.
        if matches!(leaf.encoding, Encoding::EightBit | Encoding::Binary)
            && around.iter().any(|around| around.is_7bit)
            && let Some(at) = bytes.iter().position(|b| !b.is_ascii())
        {
            for around in around.iter_mut().filter(|around| around.is_7bit) {
                around.is_7bit = false;
                self.findings.push(Finding {
                    offset: self.offset + at as u64,
                    section: around.section.clone(),
                    clause: "RFC 2045 6.4",
                    what: format!("8-bit octets in a {} that says 7bit", around.media),
                });
            }
        }
        self.take_found();
    }
}

#[cfg(test)]
mod tests;
