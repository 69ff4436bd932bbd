//! What a journal knows of a message, and one line of it: its CRC32C, a word, fields between spaces, LF.

use std::fmt::Write;
use std::sync::Arc;

/// Names a message for as long as the journal knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub u64);

/// Names messages that become safe together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u64);

/// The start of a message's SHA-256.
pub type Digest = [u8; 16];

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Announced, and perhaps handed over: see [`super::Journal::unsettled`].
    Waiting(BatchId),
    Delivered,
    /// Never handed over, and to be deleted.
    Killed,
    /// Handed over for some of its recipients: which, says its place.
    Partly,
}

/// A message that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: Id,
    /// The server's name for it, if it has one: no space, no control.
    pub uid: Option<Arc<str>>,
    /// In octets, as it came.
    pub size: u64,
    pub digest: Digest,
    /// When it was first seen, in Unix seconds.
    pub first: i64,
    pub state: State,
    /// Since when the server does not list it, in Unix seconds.
    pub missing: Option<i64>,
    /// Of a message that waits, or was never settled: where it is to be found, or for whom it was handed over. No space, no control.
    pub place: Box<str>,
}

/// Something that became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Whose messages these are: no line end.
    Owner(Box<str>),
    Begin {
        batch: BatchId,
        at: i64,
        target: Box<str>,
    },
    Add(Entry),
    Done(BatchId),
    Delivered(Id),
    Gone(Id),
    Missing(Id, Option<i64>),
}

/// What a line was found to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    Record(Record),
    /// Its checksum holds, and it says nothing known here: a later version wrote it.
    Unknown,
    Bad,
}

impl Record {
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut text = String::with_capacity(128);
        // Writing to a string cannot fail.
        let _ = match self {
            Record::Owner(owner) => write!(text, "owner {owner}"),
            Record::Begin { batch, at, target } => write!(text, "begin {} {at} {target}", batch.0),
            Record::Add(entry) => add(&mut text, entry),
            Record::Done(batch) => write!(text, "done {}", batch.0),
            Record::Delivered(id) => write!(text, "delivered {}", id.0),
            Record::Gone(id) => write!(text, "gone {}", id.0),
            Record::Missing(id, Some(since)) => write!(text, "missing {} {since}", id.0),
            Record::Missing(id, None) => write!(text, "listed {}", id.0),
        };
        out.extend_from_slice(format!("{:08x} ", crc32c::crc32c(text.as_bytes())).as_bytes());
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }
}

/// `add ID STATE SIZE DIGEST FIRST MISSING =UID =PLACE`
fn add(text: &mut String, entry: &Entry) -> std::fmt::Result {
    let state = match entry.state {
        State::Waiting(batch) => format!("{}", batch.0),
        State::Delivered => "delivered".to_owned(),
        State::Killed => "killed".to_owned(),
        State::Partly => "partly".to_owned(),
    };
    write!(text, "add {} {state} {} ", entry.id.0, entry.size)?;
    entry.digest.iter().try_for_each(|byte| write!(text, "{byte:02x}"))?;
    match entry.missing {
        Some(since) => write!(text, " {} {since}", entry.first)?,
        None => write!(text, " {} -", entry.first)?,
    }
    match &entry.uid {
        Some(uid) => write!(text, " ={uid}")?,
        None => text.push_str(" -"),
    }
    write!(text, " ={}", entry.place)
}

/// Reads a line with its LF.
pub fn parse(line: &[u8]) -> Parsed {
    let Some((sum, text)) = line.strip_suffix(b"\n").and_then(|line| line.split_at_checked(9)) else { return Parsed::Bad };
    if format!("{:08x} ", crc32c::crc32c(text)).as_bytes() != sum {
        return Parsed::Bad;
    }
    std::str::from_utf8(text).ok().and_then(known).map_or(Parsed::Unknown, Parsed::Record)
}

fn known(text: &str) -> Option<Record> {
    let (word, rest) = text.split_once(' ')?;
    let id = || rest.parse().ok().map(Id);
    Some(match word {
        "owner" => Record::Owner(rest.into()),
        "begin" => {
            let mut fields = rest.splitn(3, ' ');
            let batch = BatchId(fields.next()?.parse().ok()?);
            Record::Begin { batch, at: fields.next()?.parse().ok()?, target: fields.next()?.into() }
        }
        "add" => Record::Add(entry(rest)?),
        "done" => Record::Done(BatchId(rest.parse().ok()?)),
        "delivered" => Record::Delivered(id()?),
        "gone" => Record::Gone(id()?),
        "listed" => Record::Missing(id()?, None),
        "missing" => {
            let (id, since) = rest.split_once(' ')?;
            Record::Missing(Id(id.parse().ok()?), Some(since.parse().ok()?))
        }
        _ => return None,
    })
}

fn entry(text: &str) -> Option<Entry> {
    let mut fields = text.split(' ');
    let mut next = || fields.next();
    let id = Id(next()?.parse().ok()?);
    let state = match next()? {
        "delivered" => State::Delivered,
        "killed" => State::Killed,
        "partly" => State::Partly,
        batch => State::Waiting(BatchId(batch.parse().ok()?)),
    };
    let (size, digest, first) = (next()?.parse().ok()?, digest(next()?)?, next()?.parse().ok()?);
    let missing = match next()? {
        "-" => None,
        since => Some(since.parse().ok()?),
    };
    let uid = match next()? {
        "-" => None,
        uid => Some(uid.strip_prefix('=')?.into()),
    };
    let place = next()?.strip_prefix('=')?.into();
    next().is_none().then_some(Entry { id, uid, size, digest, first, state, missing, place })
}

fn digest(text: &str) -> Option<Digest> {
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() || !text.is_ascii() {
        return None;
    }
    for (n, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn state() -> impl Strategy<Value = State> {
        prop_oneof![
            any::<u64>().prop_map(|n| State::Waiting(BatchId(n))),
            Just(State::Delivered),
            Just(State::Killed),
            Just(State::Partly)
        ]
    }

    fn record() -> impl Strategy<Value = Record> {
        let entry =
            (any::<(u64, u64, Digest, i64)>(), state(), any::<Option<i64>>(), proptest::option::of("[!-~]{1,70}"), "[!-~]{0,80}")
                .prop_map(|((id, size, digest, first), state, missing, uid, place)| {
                    let uid = uid.map(Arc::from);
                    Record::Add(Entry { id: Id(id), uid, size, digest, first, state, missing, place: place.into() })
                });
        prop_oneof![
            entry,
            "[ -~]{0,40}".prop_map(|owner| Record::Owner(owner.into())),
            (any::<(u64, i64)>(), "[ -~]{0,40}")
                .prop_map(|((n, at), target)| { Record::Begin { batch: BatchId(n), at, target: target.into() } }),
            any::<u64>().prop_map(|n| Record::Done(BatchId(n))),
            any::<u64>().prop_map(|n| Record::Delivered(Id(n))),
            any::<u64>().prop_map(|n| Record::Gone(Id(n))),
            any::<(u64, Option<i64>)>().prop_map(|(n, since)| Record::Missing(Id(n), since)),
        ]
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_it_was_written_and_never_where_a_byte_is_wrong(record in record(), at in any::<usize>(), bit in 0u8..8) {
            let mut line = Vec::new();
            record.write(&mut line);
            prop_assert_eq!(parse(&line), Parsed::Record(record));
            let at = at % line.len();
            line[at] ^= 1 << bit;
            prop_assert_eq!(parse(&line), Parsed::Bad);
        }

        #[test]
        fn no_line_makes_it_panic(line in any::<Vec<u8>>()) {
            parse(&line);
        }
    }

    #[test]
    fn what_a_later_version_wrote_is_told_apart_from_damage() {
        let text = "later 1 2 3";
        let line = format!("{:08x} {text}\n", crc32c::crc32c(text.as_bytes()));
        assert_eq!(parse(line.as_bytes()), Parsed::Unknown);
        assert_eq!(parse(b"\n"), Parsed::Bad);
        assert_eq!(parse(b"00000000 gone 1\n"), Parsed::Bad);
    }
}
