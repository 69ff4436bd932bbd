//! The file of one message up to its history: preamble, marks, header, body, trailer, and how they vouch for each other. The
//! format is that of spool(5). Names and directories are not here.

use super::mark::Mark;
use crate::disk::fs::{File, read_full_at};
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::envelope::Envelope;
use crate::mail::notify::{EnvelopeId, Request, Wish};
use crate::mail::queue_id::QueueId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::io;
use std::ops::Range;

/// Length of the preamble and of the trailer, in bytes.
pub const PREAMBLE: usize = 64;
pub const TRAILER: usize = 64;
/// Longest header line, in bytes.
pub const MAX_HEAD: u32 = 16 * 1024 * 1024;
/// Room for the header line of a usual message, so that it seldom grows while it is written.
const LIKELY_HEAD: usize = 512;
/// The same for an address.
const LIKELY_PATH: usize = 64;
/// Most recipients of one message.
pub const MAX_RECIPIENTS: u32 = 999_999;
/// Longest body that the preamble can tell, in bytes.
pub const MAX_BODY: u64 = 999_999_999_999_999;

/// Where numbers stand in the preamble, and checksums in the trailer. Both are written for each message, and `format!` took longer than
/// everything else in its file but the JSON.
const HEAD: Range<usize> = 15..23;
const RECIPIENTS: Range<usize> = 29..35;
const BODY: Range<usize> = 41..56;
const BITS: usize = 62;
const HEAD_SUM: Range<usize> = 13..21;
const BODY_SUM: Range<usize> = 27..35;

/// Stands where the preamble will be until the message is whole.
pub const UNFINISHED: &[u8; PREAMBLE] = b"postroad1 unfinished ------------------------------------------\n";

/// The facts that place everything else in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// Length of the header with its LF, in bytes.
    pub head: u32,
    pub recipients: u32,
    /// Length of the body, in bytes.
    pub body: u64,
    /// The body holds bytes above 127.
    pub eight_bit: bool,
}

/// Where and from whom a message came. What is absent was not so or is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrival {
    pub at: Timestamp,
    /// The client's address, as in an address literal without brackets, or `local`.
    pub client: Option<String>,
    pub helo: Option<String>,
    /// As in `TLSv1.3 TLS_AES_256_GCM_SHA384`.
    pub tls: Option<String>,
    /// Whom the client authenticated as.
    pub user: Option<String>,
    /// As in `ESMTPSA` (RFC 3848).
    pub protocol: Option<String>,
}

/// What a file in the spool is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    #[default]
    Message,
    /// A delivery status notification of ours.
    Dsn,
    /// A message's copy for what its recipient stands for.
    Expansion,
    #[serde(other)]
    Other,
}

/// Which message a child came of, and which of its recipients the child settles, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    #[serde(with = "queue_id")]
    pub id: QueueId,
    pub covers: Vec<usize>,
}

/// The header of a message's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub id: QueueId,
    pub sort: Sort,
    pub arrival: Arrival,
    pub envelope: Envelope,
    pub parent: Option<Parent>,
}

/// A [`Header`] to be written, which need not be copied for it.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    pub id: &'a QueueId,
    pub sort: Sort,
    pub arrival: &'a Arrival,
    pub envelope: &'a Envelope,
    pub parent: Option<&'a Parent>,
}

/// A file that vouches for itself, apart from its body, whose checksum is told while it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub header: Header,
    pub marks: Vec<Mark>,
    pub preamble: Preamble,
    pub body_crc: u32,
}

/// Why a file is no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// Cut short, or never finished: perhaps the rest of an accept that died.
    #[error("unfinished")]
    Unfinished,
    #[error("bad preamble")]
    Preamble,
    #[error("bad trailer")]
    Trailer,
    #[error("header checksum does not match")]
    Checksum,
    #[error("body checksum does not match")]
    Body,
    #[error("bad header")]
    Header,
    #[error("named for another message")]
    Name,
    #[error("not a regular file")]
    NotRegular,
    #[error("has another name, too")]
    Linked,
    #[error("belongs to another user")]
    Owner,
}

/// Reading failed, or showed that there is no message.
#[derive(Debug)]
pub enum Unreadable {
    Io(io::Error),
    Defect(Defect),
}

impl Preamble {
    /// Offset of the first mark; the marks end with a LF.
    pub const MARKS: u64 = PREAMBLE as u64;

    pub fn head_at(&self) -> u64 {
        Self::MARKS + u64::from(self.recipients) + 1
    }

    pub fn body_at(&self) -> u64 {
        self.head_at() + u64::from(self.head)
    }

    pub fn trailer_at(&self) -> u64 {
        self.body_at() + self.body
    }

    pub fn history_at(&self) -> u64 {
        self.trailer_at() + TRAILER as u64
    }

    /// Numbers within [`MAX_HEAD`], [`MAX_RECIPIENTS`] and [`MAX_BODY`] have room in it.
    pub fn line(&self) -> [u8; PREAMBLE] {
        let mut line = *b"postroad1 head=00000000 rcpt=000000 body=000000000000000 bits=7\n";
        fill::<10>(&mut line[HEAD], self.head.into());
        fill::<10>(&mut line[RECIPIENTS], self.recipients.into());
        fill::<10>(&mut line[BODY], self.body);
        if self.eight_bit {
            line[BITS] = b'8';
        }
        line
    }

    fn parse(line: &[u8; PREAMBLE]) -> Result<Preamble, Defect> {
        if line == UNFINISHED || line.iter().all(|&b| b == 0) {
            return Err(Defect::Unfinished);
        }
        let number = |field: Range<usize>| -> Option<u64> { std::str::from_utf8(line.get(field)?).ok()?.parse().ok() };
        let read = || -> Option<Preamble> {
            Some(Preamble {
                head: number(HEAD)?.try_into().ok()?,
                recipients: number(RECIPIENTS)?.try_into().ok()?,
                body: number(BODY)?,
                eight_bit: line[BITS] == b'8',
            })
        };
        let preamble = read().ok_or(Defect::Preamble)?;
        let sound = preamble.line() == *line && preamble.head <= MAX_HEAD && preamble.recipients > 0;
        if sound { Ok(preamble) } else { Err(Defect::Preamble) }
    }
}

/// The trailer of a file: checksums of preamble and header, and of the body.
pub fn trailer(head_crc: u32, body_crc: u32) -> [u8; TRAILER] {
    let mut line = *b"trailer head=00000000 body=00000000 ------------- postroad1-end\n";
    fill::<16>(&mut line[HEAD_SUM], head_crc.into());
    fill::<16>(&mut line[BODY_SUM], body_crc.into());
    line
}

/// Writes a number over a field of zeroes, at its end.
fn fill<const BASE: u64>(field: &mut [u8], mut number: u64) {
    for digit in field.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number % BASE) as usize];
        number /= BASE;
    }
}

/// CRC32C of what the trailer's first checksum covers. The marks between the two are left out, since they change.
pub fn head_crc(preamble: &Preamble, head: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&preamble.line()), head)
}

impl Head<'_> {
    /// One line of JSON with its LF.
    pub fn line(&self) -> Vec<u8> {
        let request = &self.envelope.request;
        let line = Line {
            id: self.id.as_str().into(),
            sort: self.sort,
            arrival: self.arrival.at.to_string().into(),
            arrival_ms: self.arrival.at.as_millisecond(),
            reverse_path: text(&self.envelope.reverse_path).into(),
            recipients: self.envelope.recipients().iter().map(|path| text(path).into()).collect(),
            client: self.arrival.client.as_deref().map(Cow::Borrowed),
            helo: self.arrival.helo.as_deref().map(Cow::Borrowed),
            tls: self.arrival.tls.as_deref().map(Cow::Borrowed),
            user: self.arrival.user.as_deref().map(Cow::Borrowed),
            protocol: self.arrival.protocol.as_deref().map(Cow::Borrowed),
            ret: request.ret.map(|ret| ret.to_string()),
            envid: request.envid.as_ref().map(|envid| Cow::Borrowed(envid.as_str())),
            require_tls: request.require_tls,
            smtputf8: request.utf8,
            dsn: Asked::all(self.envelope),
            parent: self.parent.map(Cow::Borrowed),
        };
        let mut bytes = Vec::with_capacity(LIKELY_HEAD);
        // Strings and numbers alone: there is nothing in it that JSON cannot say, and memory takes all of it.
        let _ = serde_json::to_writer(&mut bytes, &line);
        bytes.push(b'\n');
        bytes
    }
}

/// As `to_string`, which would grow it piece by piece.
fn text(path: &impl fmt::Display) -> String {
    let mut text = String::with_capacity(LIKELY_PATH);
    let _ = write!(text, "{path}");
    text
}

impl Header {
    pub fn head(&self) -> Head<'_> {
        let Header { id, sort, arrival, envelope, parent } = self;
        Head { id, sort: *sort, arrival, envelope, parent: parent.as_ref() }
    }

    fn parse(line: &[u8]) -> Option<Header> {
        let line: Line<'_> = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
        let reverse_path: ReversePath = line.reverse_path.parse().ok()?;
        let count = line.recipients.len();
        let recipients = line.recipients.iter().map(|r| r.parse().ok()).collect::<Option<Vec<ForwardPath>>>()?;
        let request = Request {
            ret: line.ret.map(|ret| ret.parse()).transpose().ok()?,
            envid: line.envid.map(|envid| envid.parse::<EnvelopeId>()).transpose().ok()?,
            require_tls: line.require_tls,
            utf8: line.smtputf8,
        };
        let wishes = Asked::wishes(line.dsn, count)?;
        let envelope = Envelope::asking(reverse_path, recipients.into_iter().zip(wishes), request).ok()?;
        let arrival = Arrival {
            at: Timestamp::from_millisecond(line.arrival_ms).ok()?,
            client: line.client.map(Cow::into_owned),
            helo: line.helo.map(Cow::into_owned),
            tls: line.tls.map(Cow::into_owned),
            user: line.user.map(Cow::into_owned),
            protocol: line.protocol.map(Cow::into_owned),
        };
        // A mark belongs to a recipient by its place, so a repeated recipient is no good header.
        let sound = envelope.recipients().len() == count && line.parent.as_ref().is_none_or(|p| !p.covers.is_empty());
        sound.then_some(Header {
            id: line.id.parse().ok()?,
            sort: line.sort,
            arrival,
            envelope,
            parent: line.parent.map(Cow::into_owned),
        })
    }
}

/// Reads and checks all but the body and the history.
pub fn read(file: &dyn File, size: u64) -> Result<Parsed, Unreadable> {
    let mut line = [0; PREAMBLE];
    read_part(file, &mut line, 0)?;
    let preamble = Preamble::parse(&line)?;
    if size < preamble.history_at() {
        return Err(Defect::Unfinished.into());
    }
    let mut found = [0; TRAILER];
    read_part(file, &mut found, preamble.trailer_at())?;
    let (head_sum, body_crc) = parse_trailer(&found)?;
    let mut marks_and_head = vec![0; (preamble.body_at() - Preamble::MARKS) as usize];
    read_part(file, &mut marks_and_head, Preamble::MARKS)?;
    let (marks, head) = marks_and_head.split_at((preamble.head_at() - Preamble::MARKS) as usize);
    if head_crc(&preamble, head) != head_sum {
        return Err(Defect::Checksum.into());
    }
    let header = Header::parse(head).ok_or(Defect::Header)?;
    if header.envelope.recipients().len() != preamble.recipients as usize {
        return Err(Defect::Header.into());
    }
    let marks = marks.iter().take(preamble.recipients as usize).map(|&byte| Mark::from_byte(byte)).collect();
    Ok(Parsed { header, marks, preamble, body_crc })
}

fn read_part(file: &dyn File, buffer: &mut [u8], at: u64) -> Result<(), Unreadable> {
    match read_full_at(file, buffer, at) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Defect::Unfinished.into()),
        Err(e) => Err(Unreadable::Io(e)),
    }
}

fn parse_trailer(line: &[u8; TRAILER]) -> Result<(u32, u32), Defect> {
    if line.iter().all(|&b| b == 0) {
        return Err(Defect::Unfinished);
    }
    let sum = |field: Range<usize>| u32::from_str_radix(std::str::from_utf8(line.get(field)?).ok()?, 16).ok();
    let (head, body) = sum(HEAD_SUM).zip(sum(BODY_SUM)).ok_or(Defect::Trailer)?;
    if trailer(head, body) == *line { Ok((head, body)) } else { Err(Defect::Trailer) }
}

/// The header as it stands on disk. Fields that are not known are passed over.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    id: Cow<'a, str>,
    #[serde(default, rename = "kind")]
    sort: Sort,
    /// RFC 3339, for people; `arrival_ms`, in Unix milliseconds, is what is read.
    #[serde(default)]
    arrival: Cow<'a, str>,
    arrival_ms: i64,
    reverse_path: Cow<'a, str>,
    recipients: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    helo: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tls: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<Cow<'a, str>>,
    /// RFC 3461: what the sender asked of reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    envid: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dsn: Vec<Asked>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    require_tls: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    smtputf8: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<Cow<'a, Parent>>,
}

/// What is asked for the recipient at one place.
#[derive(Serialize, Deserialize)]
struct Asked {
    to: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notify: Option<String>,
    /// As the parameter's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    orcpt: Option<String>,
}

impl Asked {
    fn all(envelope: &Envelope) -> Vec<Asked> {
        let asked = |(to, (_, wish)): (usize, (_, &Wish))| {
            let (notify, orcpt) = (wish.notify.map(|n| n.to_string()), wish.original.as_ref().map(ToString::to_string));
            (!wish.is_empty()).then_some(Asked { to, notify, orcpt })
        };
        envelope.wishes().enumerate().filter_map(asked).collect()
    }

    /// By place, for so many recipients; none if one of them says nothing that can be kept.
    fn wishes(asked: Vec<Asked>, count: usize) -> Option<Vec<Wish>> {
        let mut wishes = vec![Wish::default(); count];
        for Asked { to, notify, orcpt } in asked {
            let notify = notify.map(|notify| notify.parse()).transpose().ok()?;
            let original = orcpt.map(|orcpt| orcpt.parse()).transpose().ok()?;
            *wishes.get_mut(to)? = Wish { notify, original };
        }
        Some(wishes)
    }
}

mod queue_id {
    use super::QueueId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(id: &QueueId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<QueueId, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl From<Defect> for Unreadable {
    fn from(defect: Defect) -> Unreadable {
        Unreadable::Defect(defect)
    }
}
