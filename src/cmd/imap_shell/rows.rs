//! Rows made of responses: the facts of mailboxes, messages, quotas and rights by the names that the contract gives them.

use super::output::Facts;
use crate::browse::line::Encoding;
use crate::bytes::charset::guess;
use crate::bytes::encoded_word;
use crate::bytes::escape::visible;
use crate::bytes::mutf7;
use crate::mail::address_list::quoted_string;
use crate::mail::date::rfc3339;
use crate::mail::header::readable::word;
use crate::protocol::imap::access::{Acl, Entries, ListRights, Metadata, MyRights, Quota};
use crate::protocol::imap::envelope::{Address, Envelope};
use crate::protocol::imap::fetch::{Attribute, DateTime, Fetch, Item};
use crate::protocol::imap::flag::Flag;
use crate::protocol::imap::mailbox::{Listed, Mailbox, Namespace, Namespaces, StatusItem};
use crate::protocol::imap::scan::Data;
use crate::protocol::imap::search::Thread;
use crate::protocol::imap::structure::{Body, Extension, Parameters};
use serde_json::{Map, Value, json};

/// A mailbox's name to be read; none where it is no modified UTF-7, or no UTF-8 where that is spoken.
pub fn readable(mailbox: &Mailbox, encoding: Encoding) -> Option<String> {
    let wire = mailbox.bytes();
    if encoding.utf8 { String::from_utf8(wire.to_vec()).ok() } else { mutf7::decode(wire).ok() }
}

/// The same; one that cannot be read as it stands on the wire, escaped.
pub fn name(mailbox: &Mailbox, encoding: Encoding) -> String {
    readable(mailbox, encoding).unwrap_or_else(|| visible(mailbox.bytes()))
}

fn lossy(bytes: &[u8]) -> String {
    guess(bytes).into_owned()
}

/// Mailbox, special use and other attributes, delimiter.
pub fn listed(listed: &Listed, encoding: Encoding) -> Facts {
    let delimiter = listed.delimiter.map(|byte| char::from(byte).to_string());
    let row = Facts::default().fact("mailbox", name(&listed.mailbox, encoding));
    let row = row.only_json("attributes", listed.attributes.clone()).column(Some(listed.attributes.join(" ")));
    let row = row.fact("delimiter", delimiter);
    let unreadable = readable(&listed.mailbox, encoding).is_none();
    if unreadable { row.only_json("raw", listed.mailbox.bytes().escape_ascii().to_string()) } else { row }
}

/// Mailbox, messages, unseen, UIDNEXT, UIDVALIDITY, size where the server tells it.
pub fn counts(mailbox: &Mailbox, items: &[StatusItem], encoding: Encoding) -> Facts {
    let mut facts: [Value; 7] = Default::default();
    let mut row = Facts::default().fact("mailbox", name(mailbox, encoding));
    let mut more = Vec::new();
    for item in items {
        match item {
            StatusItem::Messages(n) => facts[0] = json!(n),
            StatusItem::Unseen(n) => facts[1] = json!(n),
            StatusItem::UidNext(n) => facts[2] = json!(n),
            StatusItem::UidValidity(n) => facts[3] = json!(n),
            StatusItem::Size(n) => facts[4] = json!(n),
            StatusItem::HighestModSeq(n) => facts[5] = json!(n),
            StatusItem::MailboxId(id) => facts[6] = json!(lossy(id)),
            StatusItem::Deleted(n) => more.push(("deleted".to_owned(), json!(n))),
            StatusItem::Recent(n) => more.push(("recent".to_owned(), json!(n))),
            StatusItem::DeletedStorage(n) => more.push(("deleted_storage".to_owned(), json!(n))),
            StatusItem::AppendLimit(n) => more.push(("append_limit".to_owned(), json!(n))),
            StatusItem::Other(name, value) => more.push((name.to_ascii_lowercase(), json!(lossy(value)))),
        }
    }
    let names = ["messages", "unseen", "uidnext", "uidvalidity", "size", "highestmodseq", "mailboxid"];
    for (at, (name, value)) in names.into_iter().zip(facts).enumerate() {
        row = if at < 5 { row.fact(name, value) } else { row.only_json(name, value) };
    }
    more.into_iter().fold(row, |row, (name, value)| row.only_json(&name, value))
}

/// What a server says of a message: UID, flags, date, size, from, subject; then all else by its name.
pub fn message(fetch: &Fetch, mailbox: &str) -> Facts {
    let mut facts = Message::default();
    let mut attributes = Map::new();
    for attribute in &fetch.attributes {
        facts.take(attribute, &mut attributes);
    }
    let Message { uid, flags, date, size, envelope, from, subject } = facts;
    let row = Facts::default().only_json("mailbox", mailbox).fact("uid", uid).only_json("seq", fetch.sequence);
    let shown = flags.as_ref().map(|flags| flags.join(" "));
    let row = row.only_json("flags", flags).column(shown).fact("internaldate", date).fact("size", size);
    let mut row = row.only_json("envelope", envelope).column(from).column(subject);
    for (name, value) in &attributes {
        let shown = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        row = row.column(Some(format!("{name} {shown}")));
    }
    attributes.retain(|_, value| !value.is_null());
    if !attributes.is_empty() {
        row = row.only_json("attributes", Value::Object(attributes));
    }
    match &fetch.unparsed {
        Some((raw, _)) => row.only_json("raw", lossy(raw)).column(Some(lossy(raw))),
        None => row,
    }
}

#[derive(Default)]
struct Message {
    uid: Value,
    flags: Option<Vec<String>>,
    date: Value,
    size: Value,
    envelope: Value,
    from: Option<String>,
    subject: Option<String>,
}

impl Message {
    fn take(&mut self, attribute: &Attribute, attributes: &mut Map<String, Value>) {
        let mut other = |name: String, value: Value| {
            attributes.insert(name, value);
        };
        match attribute {
            Attribute::Uid(uid) => self.uid = json!(uid),
            Attribute::Flags(flags) => self.flags = Some(flags.iter().map(Flag::to_string).collect()),
            Attribute::InternalDate(at) => self.date = json!(date(at)),
            Attribute::Size(size) => self.size = json!(size),
            Attribute::Envelope(all) => {
                self.envelope = envelope(all);
                self.from = all.from.first().map(person);
                self.subject = all.subject.as_deref().map(encoded_word::decode);
            }
            Attribute::Body(body) => other("BODY".to_owned(), structure(body)),
            Attribute::BodyStructure(body) => other("BODYSTRUCTURE".to_owned(), structure(body)),
            Attribute::Section(item, data) | Attribute::Binary(item, data) => other(called(item), content(data)),
            Attribute::BinarySize(item, size) => other(called(item), json!(size)),
            Attribute::ModSeq(number) => other("MODSEQ".to_owned(), json!(number)),
            Attribute::EmailId(id) => other("EMAILID".to_owned(), json!(lossy(id))),
            Attribute::ThreadId(id) => other("THREADID".to_owned(), json!(id.as_deref().map(lossy))),
            Attribute::Preview(text) => other("PREVIEW".to_owned(), json!(text.as_deref().map(lossy))),
            Attribute::SaveDate(at) => other("SAVEDATE".to_owned(), json!(at.as_ref().map(date))),
            Attribute::Other(name, value) => other(name.clone(), json!(lossy(value))),
            Attribute::Unparsed(name, raw, why) => {
                other(name.clone(), json!({ "raw": lossy(raw), "error": why.to_string() }));
            }
        }
    }
}

/// `BODY[1.2]<0>`
pub fn called(item: &Item) -> String {
    let section = item.section.as_deref().map(|section| format!("[{}]", lossy(section))).unwrap_or_default();
    let origin = item.origin.map(|origin| format!("<{origin}>")).unwrap_or_default();
    format!("{}{section}{origin}", item.name)
}

fn content(data: &Data) -> Value {
    match data {
        Data::Nil => Value::Null,
        Data::Held(bytes) => json!(lossy(bytes)),
        Data::Streamed { len, .. } => json!({ "size": len }),
    }
}

fn date(at: &DateTime) -> String {
    at.instant.map_or_else(|| at.text.clone(), rfc3339)
}

fn envelope(all: &Envelope) -> Value {
    let mut map = Map::new();
    let texts = [("date", &all.date), ("message_id", &all.message_id), ("in_reply_to", &all.in_reply_to)];
    if let Some(subject) = &all.subject {
        map.insert("subject".to_owned(), json!(encoded_word::decode(subject)));
    }
    for (name, value) in texts {
        if let Some(value) = value {
            map.insert(name.to_owned(), json!(lossy(value)));
        }
    }
    let people = [("from", &all.from), ("sender", &all.sender), ("reply_to", &all.reply_to), ("to", &all.to), ("cc", &all.cc)];
    for (name, people) in people.into_iter().chain([("bcc", &all.bcc)]) {
        if !people.is_empty() {
            map.insert(name.to_owned(), people.iter().map(address).collect());
        }
    }
    Value::Object(map)
}

fn spec(address: &Address) -> Option<String> {
    match (&address.mailbox, &address.host) {
        (Some(mailbox), Some(host)) => Some(format!("{}@{}", lossy(mailbox), lossy(host))),
        (Some(mailbox), None) => Some(lossy(mailbox)),
        _ => None,
    }
}

/// A group begins with an object that has `group` alone, and ends with an empty one.
fn address(address: &Address) -> Value {
    let mut map = Map::new();
    if let Some(name) = &address.name {
        map.insert("name".to_owned(), json!(encoded_word::decode(name)));
    }
    let key = if address.host.is_some() { "address" } else { "group" };
    if let Some(spec) = spec(address) {
        map.insert(key.to_owned(), json!(spec));
    }
    Value::Object(map)
}

/// As a header field has it (RFC 5322 section 3.4): a name, or a local part, that holds an address cannot be taken for one.
fn person(address: &Address) -> String {
    let name = address.name.as_deref().filter(|name| !name.is_empty()).map(|name| word(&encoded_word::decode(name)));
    match (name, &address.mailbox, &address.host) {
        (name, Some(mailbox), Some(host)) => {
            let spec = addr_spec(&lossy(mailbox), &lossy(host));
            name.map_or_else(|| spec.clone(), |name| format!("{name} <{spec}>"))
        }
        (_, Some(group), None) => word(&lossy(group)),
        (name, None, _) => name.unwrap_or_default(),
    }
}

/// `addr-spec = local-part "@" domain`; where the domain is none, all of it is quoted.
fn addr_spec(local: &str, host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|literal| literal.strip_suffix(']')).unwrap_or(host);
    if bare.contains(|c: char| c.is_whitespace() || "<>()[]\\\",;@".contains(c)) {
        return quoted_string(&format!("{local}@{host}"));
    }
    let is_dot_atom = local.split('.').all(|atom| word(atom) == atom) && !local.contains(char::is_whitespace);
    if is_dot_atom { format!("{local}@{host}") } else { format!("{}@{host}", quoted_string(local)) }
}

/// The tree of the parts; numbers of parts follow from it.
fn structure(body: &Body) -> Value {
    let mut map = Map::new();
    match body {
        Body::Multi(multi) => {
            map.insert("type".to_owned(), json!(format!("multipart/{}", lossy(&multi.subtype).to_ascii_lowercase())));
            insert_parameters(&mut map, "parameters", &multi.parameters);
            insert_extension(&mut map, &multi.extension);
            map.insert("parts".to_owned(), multi.parts.iter().map(structure).collect());
        }
        Body::Single(single) => {
            let media = format!("{}/{}", lossy(&single.media_type), lossy(&single.subtype)).to_ascii_lowercase();
            map.insert("type".to_owned(), json!(media));
            insert_parameters(&mut map, "parameters", &single.parameters);
            let texts = [("id", &single.id), ("description", &single.description), ("encoding", &single.encoding)];
            for (name, value) in texts.into_iter().chain([("md5", &single.md5)]) {
                if let Some(value) = value {
                    map.insert(name.to_owned(), json!(lossy(value)));
                }
            }
            for (name, value) in [("size", single.octets), ("lines", single.lines)] {
                if let Some(value) = value {
                    map.insert(name.to_owned(), json!(value));
                }
            }
            insert_extension(&mut map, &single.extension);
            if let Some(message) = &single.message {
                map.insert("envelope".to_owned(), envelope(&message.envelope));
                map.insert("parts".to_owned(), json!([structure(&message.body)]));
            }
        }
    }
    Value::Object(map)
}

fn insert_parameters(map: &mut Map<String, Value>, name: &str, parameters: &Parameters) {
    if !parameters.is_empty() {
        let all = parameters.iter().map(|(name, value)| (lossy(name).to_ascii_lowercase(), json!(lossy(value))));
        map.insert(name.to_owned(), Value::Object(all.collect()));
    }
}

fn insert_extension(map: &mut Map<String, Value>, extension: &Extension) {
    if let Some((disposition, parameters)) = &extension.disposition {
        map.insert("disposition".to_owned(), json!(lossy(disposition).to_ascii_lowercase()));
        insert_parameters(map, "disposition_parameters", parameters);
    }
    if !extension.language.is_empty() {
        map.insert("language".to_owned(), extension.language.iter().map(|tag| lossy(tag)).collect());
    }
    if let Some(location) = &extension.location {
        map.insert("location".to_owned(), json!(lossy(location)));
    }
}

/// One row a resource; STORAGE counts in units of 1024 octets (RFC 9208 section 5.1).
pub fn quotas(quota: &Quota) -> impl Iterator<Item = Facts> + '_ {
    let row = move |resource: &crate::protocol::imap::access::Resource| {
        let row = Facts::default().fact("root", lossy(&quota.root)).fact("resource", resource.name.clone());
        row.fact("usage", resource.usage).fact("limit", resource.limit)
    };
    quota.resources.iter().map(row)
}

pub fn rights(acl: &Acl, encoding: Encoding) -> impl Iterator<Item = Facts> + '_ {
    let row = move |(who, rights): &(Vec<u8>, Vec<u8>)| {
        let row = Facts::default().fact("mailbox", name(&acl.mailbox, encoding)).fact("identifier", lossy(who));
        row.fact("rights", lossy(rights))
    };
    acl.entries.iter().map(row)
}

/// Ours: without an identifier.
pub fn my_rights(mine: &MyRights, encoding: Encoding) -> Facts {
    let row = Facts::default().fact("mailbox", name(&mine.mailbox, encoding)).column(None);
    row.fact("rights", lossy(&mine.rights))
}

/// What somebody may be given: always, and each by itself.
pub fn list_rights(may: &ListRights, encoding: Encoding) -> Facts {
    let optional: Vec<String> = may.optional.iter().map(|rights| lossy(rights)).collect();
    let row = Facts::default().fact("mailbox", name(&may.mailbox, encoding)).fact("identifier", lossy(&may.identifier));
    let row = row.fact("required", lossy(&may.required)).column(Some(optional.join(" ")));
    row.only_json("optional", optional)
}

/// One row a namespace: whose it is, what names in it begin with, what parts their levels.
pub fn namespaces(all: &Namespaces, encoding: Encoding) -> impl Iterator<Item = Facts> + '_ {
    let kinds = [("personal", &all.personal), ("other users", &all.other_users), ("shared", &all.shared)];
    let row = move |kind: &str, one: &Namespace| {
        let delimiter = one.delimiter.map(|byte| char::from(byte).to_string());
        let prefix = name(&Mailbox::encoded(&one.prefix), encoding);
        Facts::default().fact("namespace", kind).fact("prefix", prefix).fact("delimiter", delimiter)
    };
    kinds.into_iter().flat_map(move |(kind, all)| all.iter().map(move |one| row(kind, one)))
}

pub fn notes(notes: &Metadata, encoding: Encoding) -> impl Iterator<Item = Facts> + '_ {
    let row = move |entry: &[u8]| Facts::default().fact("mailbox", name(&notes.mailbox, encoding)).fact("entry", lossy(entry));
    let (values, changed): (&[_], &[_]) = match &notes.entries {
        Entries::Values(values) => (values, &[]),
        Entries::Changed(changed) => (&[], changed),
    };
    let values = values.iter().map(move |(entry, value)| row(entry).fact("value", content(value)));
    values.chain(changed.iter().map(move |entry| row(entry)))
}

/// One row a message: the number of its conversation, how deep it is in it, its UID.
pub fn thread<'a>(number: usize, thread: &'a Thread, mailbox: &'a str) -> impl Iterator<Item = Facts> + 'a {
    // Without recursion: a server may nest them deeply.
    let mut open = vec![(thread, 0_usize)];
    let messages = std::iter::from_fn(move || {
        let (thread, depth) = open.pop()?;
        let below = depth + thread.numbers.len().max(1);
        open.extend(thread.answers.iter().rev().map(|answer| (answer, below)));
        Some(thread.numbers.iter().enumerate().map(move |(n, uid)| (depth + n, *uid)))
    });
    messages.flatten().map(move |(depth, uid)| {
        let row = Facts::default().only_json("mailbox", mailbox).fact("thread", number);
        row.fact("depth", depth).fact("uid", uid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5322 section 3.4.
    #[test]
    fn no_name_looks_like_an_address() {
        let part = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
        for (name, mailbox, host, shown) in [
            ("", "al", "a.test", "al@a.test"),
            ("Al", "al", "a.test", "Al <al@a.test>"),
            ("J\u{f6}rg M", "j.m", "a.test", "J\u{f6}rg M <j.m@a.test>"),
            ("M, J", "al", "a.test", "\"M, J\" <al@a.test>"),
            ("=?utf-8?q?ceo=40bank=2Etest=3E=2C?=", "al", "evil.test", "\"ceo@bank.test>,\" <al@evil.test>"),
            ("<ceo@bank.test>", "al", "evil.test", "\"<ceo@bank.test>\" <al@evil.test>"),
            ("a \"b\"", "al", "a.test", "\"a \\\"b\\\"\" <al@a.test>"),
            ("", "ceo@bank.test> x", "evil.test", "\"ceo@bank.test> x\"@evil.test"),
            ("Al", "a b", "a.test", "Al <\"a b\"@a.test>"),
            ("Al", "ceo", "bank.test>, <al@evil.test", "Al <\"ceo@bank.test>, <al@evil.test\">"),
            ("", "al", "[192.0.2.1]", "al@[192.0.2.1]"),
            ("", "al", "[IPv6:2001:db8::1]", "al@[IPv6:2001:db8::1]"),
            ("", "friends, <ceo@bank.test>", "", "\"friends, <ceo@bank.test>\""),
            ("ceo@bank.test", "", "", "\"ceo@bank.test\""),
        ] {
            let address = Address { name: part(name), mailbox: part(mailbox), host: part(host), ..Address::default() };
            assert_eq!(person(&address), shown);
        }
    }
}
