//! The header of a composed message from the command line: checked, encoded, folded.

use super::answer::Answer;
use super::options::Compose;
use crate::bytes::encoded_word;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::address_list::{NamedMailbox, named_mailboxes};
use crate::mail::date;
use crate::mail::header::fold;
use crate::mail::header::readable::Allowed;
use anyhow::Context;
use jiff::Timestamp;

/// Fields whose value is a list of addresses.
const ADDRESS_FIELDS: &[&str] =
    &["from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-to", "resent-cc", "resent-bcc"];

/// The header as far as it does not depend on the content.
#[derive(Debug)]
pub struct Fields {
    /// Date, if we say it.
    date: Option<Timestamp>,
    has_message_id: bool,
    from: Option<NamedMailbox>,
    /// Fields between Date and Message-ID, then those after it.
    addresses: String,
    rest: String,
}

impl Fields {
    /// Everything that can be wrong with the header is wrong here, before anything is read.
    pub fn new(compose: &Compose, answer: Option<&Answer>) -> Result<Fields, Failure> {
        let extra: Vec<(&str, &str)> = compose.header.iter().map(|field| split("--header", field)).collect::<Result<_, _>>()?;
        let given = |name: &str| extra.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut fields =
            Fields { date: None, has_message_id: given("Message-ID"), from: None, addresses: String::new(), rest: String::new() };
        if let Some(from) = &compose.from {
            let mut list = given_mailboxes("--from", std::slice::from_ref(from))?;
            if list.len() != 1 {
                return Err(Failure::text(Status::Usage, format!("--from {from}: expected one address")));
            }
            fold::mailboxes("From", &list, &mut fields.addresses).or_status(Status::Usage)?;
            fields.from = list.pop();
        }
        // Recipients that are given take the place of those of a reply.
        let (mut to, mut cc) = (Vec::new(), Vec::new());
        if let (Some(answer), true) = (answer, compose.to.is_empty() && !given("To")) {
            (to, cc) = answer.recipients(fields.from.as_ref())?;
        }
        to.append(&mut given_mailboxes("--to", &compose.to)?);
        cc.append(&mut given_mailboxes("--cc", &compose.cc)?);
        for (name, list) in [("To", to), ("Cc", cc), ("Bcc", given_mailboxes("--bcc", &compose.bcc)?)] {
            if !list.is_empty() {
                fold::mailboxes(name, &list, &mut fields.addresses).or_status(Status::Usage)?;
            }
        }
        if let Some(subject) = &compose.subject {
            fold::unstructured("Subject", subject, &mut fields.rest).context("--subject").or_status(Status::Usage)?;
        } else if let (Some(answer), false) = (answer, given("Subject")) {
            fold::unstructured("Subject", &answer.subject(), &mut fields.rest).or_status(Status::Data)?;
        }
        let (id, references) = answer.map(Answer::references).unwrap_or_default();
        if let (Some(id), false) = (&id, given("In-Reply-To")) {
            fold::words("In-Reply-To", [id.as_str()], &mut fields.rest);
        }
        if !references.is_empty() && !given("References") {
            fold::words("References", references.iter().map(String::as_str), &mut fields.rest);
        }
        for (name, value) in &extra {
            fields.extra(compose, name, value)?;
        }
        fields.date = if given("Date") { None } else { Some(now(compose)?) };
        Ok(fields)
    }

    /// The finished header. `unique` makes the Message-ID, on the sender's domain or else on this host's.
    pub fn finish(&self, unique: &str) -> String {
        let mut header = String::new();
        if let Some(date) = self.date {
            header.push_str(&format!("Date: {}\n", date::rfc5322(date)));
        }
        header.push_str(&self.addresses);
        if !self.has_message_id {
            let host =
                || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).filter(|name| is_dot_atom(name));
            let domain = self.from.as_ref().map(|from| from.mailbox.domain.to_string()).or_else(host);
            let id = format!("<{unique}@{}>", domain.as_deref().unwrap_or("localhost"));
            fold::words("Message-ID", [id.as_str()], &mut header);
        }
        header.push_str(&self.rest);
        header
    }

    fn extra(&mut self, compose: &Compose, name: &str, value: &str) -> Result<(), Failure> {
        let lower = name.to_ascii_lowercase();
        let refuse = |why: &str| Err(Failure::text(Status::Usage, format!("--header {name}: {why}")));
        if lower.starts_with("content-") || lower == "mime-version" {
            return refuse("follows from the content");
        }
        let twice = match lower.as_str() {
            "from" => compose.from.is_some(),
            "to" => !compose.to.is_empty(),
            "cc" => !compose.cc.is_empty(),
            "bcc" => !compose.bcc.is_empty(),
            "subject" => compose.subject.is_some(),
            "date" => compose.date.is_some(),
            _ => false,
        };
        if twice {
            return refuse("an option gives it too");
        }
        write("--header", name, value, &mut self.rest)
    }
}

/// A field as an option gives it: its name in lower case, and its text, encoded and folded.
pub fn written(option: &str, field: &str) -> Result<(String, String), Failure> {
    let (name, value) = split(option, field)?;
    let mut text = String::new();
    write(option, name, value, &mut text)?;
    Ok((name.to_ascii_lowercase(), text))
}

fn write(option: &str, name: &str, value: &str, out: &mut String) -> Result<(), Failure> {
    let what = || format!("{option} {name}");
    fold::reject_line_ends(value).with_context(what).or_status(Status::Usage)?;
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("content-") && !matches!(lower.as_str(), "content-description") && !value.is_ascii() {
        // Encoded words may not stand in a parameter (RFC 2047 section 5).
        return Err(Failure::text(Status::Usage, format!("{}: text beyond ASCII cannot stand there as it is", what())));
    }
    if ADDRESS_FIELDS.contains(&lower.as_str()) {
        let list = mailboxes(&what(), &[value.to_owned()])?;
        // A group may have no members, and Bcc none at all (RFC 5322 sections 3.4 and 3.6.3).
        if list.is_empty() && !value.contains(':') && !lower.ends_with("bcc") {
            return Err(Failure::text(Status::Usage, format!("{}: no address", what())));
        }
        if value.is_ascii() {
            fold::words(name, value.split_ascii_whitespace(), out);
        } else {
            fold::mailboxes(name, &list, out).or_status(Status::Usage)?;
        }
        return Ok(());
    }
    let allowed = Allowed::of(name.as_bytes());
    if allowed == Allowed::Phrases {
        return phrases(&what(), name, value, out);
    }
    if allowed != Allowed::Text {
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(Failure::text(Status::Usage, format!("{}: only ASCII may stand there", what())));
        }
        fold::words(name, value.split_ascii_whitespace(), out);
        return Ok(());
    }
    fold::unstructured(name, value, out).with_context(what).or_status(Status::Usage)
}

/// Phrases with commas between them (Keywords), or one before an identifier (List-ID, RFC 2919 section 3).
fn phrases(what: &str, name: &str, value: &str, out: &mut String) -> Result<(), Failure> {
    if value.is_ascii() {
        fold::words(name, value.split_ascii_whitespace(), out);
        return Ok(());
    }
    let (phrases, id) = value.find('<').map_or((value, ""), |at| value.split_at(at));
    if !id.is_ascii() {
        return Err(Failure::text(Status::Usage, format!("{what}: only ASCII may stand in an identifier")));
    }
    fold::phrases(name, phrases.split(',').map(str::trim), id, out).with_context(|| what.to_owned()).or_status(Status::Usage)
}

/// `NAME: VALUE`, or `NAME:VALUE`.
fn split<'a>(option: &str, field: &'a str) -> Result<(&'a str, &'a str), Failure> {
    let bad = |why: &str| Failure::text(Status::Usage, format!("{option} {field}: {why}"));
    let (name, value) = field.split_once(':').ok_or_else(|| bad("expected NAME: VALUE"))?;
    fold::field_name(name).map_err(|why| bad(&why.to_string()))?;
    Ok((name, value.strip_prefix(' ').unwrap_or(value)))
}

/// At least one in each value.
fn given_mailboxes(option: &str, values: &[String]) -> Result<Vec<NamedMailbox>, Failure> {
    let mut all = Vec::new();
    for value in values {
        let mut list = mailboxes(option, std::slice::from_ref(value))?;
        if list.is_empty() {
            return Err(Failure::text(Status::Usage, format!("{option} '{value}': no address")));
        }
        all.append(&mut list);
    }
    Ok(all)
}

fn mailboxes(option: &str, values: &[String]) -> Result<Vec<NamedMailbox>, Failure> {
    let mut all = Vec::new();
    for value in values {
        fold::reject_line_ends(value).with_context(|| format!("{option} {value}")).or_status(Status::Usage)?;
        let mut list = named_mailboxes(value.as_bytes()).with_context(|| option.to_owned()).or_status(Status::Usage)?;
        for named in &mut list {
            // What is encoded already is not encoded again.
            let name = named.name.take().map(|name| encoded_word::decode(name.as_bytes()));
            if let Some(name) = &name {
                fold::reject_line_ends(name).with_context(|| format!("{option} {value}")).or_status(Status::Usage)?;
            }
            named.name = name;
        }
        all.append(&mut list);
    }
    Ok(all)
}

/// `--date`, else SOURCE_DATE_EPOCH, else the clock.
fn now(compose: &Compose) -> Result<Timestamp, Failure> {
    if let Some(date) = compose.date {
        return Ok(date);
    }
    Ok(source_date_epoch()?.unwrap_or_else(Timestamp::now))
}

/// The time in the environment that asks for reproducible output (reproducible-builds.org, SOURCE_DATE_EPOCH).
pub fn source_date_epoch() -> Result<Option<Timestamp>, Failure> {
    let Some(seconds) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    let time = seconds.to_str().and_then(|text| text.parse().ok()).and_then(|seconds| Timestamp::from_second(seconds).ok());
    let bad = || Failure::text(Status::Usage, format!("SOURCE_DATE_EPOCH={}: expected seconds since 1970", seconds.display()));
    time.map(Some).ok_or_else(bad)
}

fn is_dot_atom(name: &str) -> bool {
    !name.is_empty()
        && name.split('.').all(|label| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}
