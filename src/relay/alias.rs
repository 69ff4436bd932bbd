//! Aliases in the form of sendmail's file: `name: target, target`. Addresses only; a command, a file or an included list as a target is
//! refused, for an address must never choose what runs or what is written.

use crate::mail::address::{AddressError, Domain, LocalPart, Mailbox};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;

/// Names and what they stand for. Names compare in any case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aliases {
    names: HashMap<String, Vec<Target>>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// A name without a domain: it is sought in the domain of the recipient.
    Local(LocalPart),
    Mailbox(Mailbox),
}

/// What is wrong in a file of aliases, and in which line, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct AliasError {
    pub line: usize,
    pub why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("no colon behind the name")]
    NoColon,
    #[error("continues nothing")]
    NoName,
    #[error("{0} is given twice")]
    Twice(String),
    #[error("{0} stands for nothing")]
    NoTarget(String),
    #[error("only addresses can be targets: {0}")]
    NoAddress(String),
    #[error("{0}: {1}")]
    Address(String, AddressError),
    #[error("unclosed quote")]
    Quote,
}

/// What an alias comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expansion {
    /// Addresses that are no alias, or name themselves: each stands for itself.
    To(Vec<Mailbox>),
    /// The aliases lead round and round and to nobody.
    Loop,
}

impl Aliases {
    /// What `mailbox` stands for to the last, or none if it is no alias. Names without a domain count where `is_ours` holds.
    pub fn expand(&self, mailbox: &Mailbox, is_ours: impl Fn(&Domain) -> bool) -> Option<Expansion> {
        self.targets(mailbox, &is_ours)?;
        let mut seen = HashSet::from([key(mailbox)]);
        let (mut waiting, mut found) = (vec![mailbox.clone()], Vec::new());
        while let Some(next) = waiting.pop() {
            let Some(targets) = self.targets(&next, &is_ours) else {
                found.push(next);
                continue;
            };
            for target in targets {
                let target = target.at(&next.domain);
                if key(&target) == key(&next) {
                    found.push(next.clone());
                } else if seen.insert(key(&target)) {
                    waiting.push(target);
                }
            }
        }
        found.reverse();
        Some(if found.is_empty() { Expansion::Loop } else { Expansion::To(found) })
    }

    /// The targets of the whole address, of its name, or of its name without the tag, whichever is there first.
    fn targets(&self, mailbox: &Mailbox, is_ours: &impl Fn(&Domain) -> bool) -> Option<&Vec<Target>> {
        if let Some(targets) = self.names.get(&key(mailbox)) {
            return Some(targets);
        }
        if !is_ours(&mailbox.domain) {
            return None;
        }
        let name = mailbox.local.as_str().to_ascii_lowercase();
        self.names.get(&name).or_else(|| self.names.get(without_tag(&name)))
    }
}

/// The user of a local part: what stands before the first `+`, unless that is nothing.
pub fn without_tag(local: &str) -> &str {
    match local.split_once('+') {
        Some((user, _)) if !user.is_empty() => user,
        _ => local,
    }
}

impl Target {
    fn at(&self, domain: &Domain) -> Mailbox {
        match self {
            Target::Local(local) => Mailbox { local: local.clone(), domain: domain.clone() },
            Target::Mailbox(mailbox) => mailbox.clone(),
        }
    }
}

fn key(mailbox: &Mailbox) -> String {
    mailbox.to_string().to_ascii_lowercase()
}

impl FromStr for Aliases {
    type Err = AliasError;

    /// Reads a file: one alias a line, continued by lines that begin with a blank; `#` opens a comment line.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut aliases = Aliases::default();
        for (line, entry) in entries(text)? {
            aliases.add(&entry).map_err(|why| AliasError { line, why })?;
        }
        Ok(aliases)
    }
}

impl Aliases {
    fn add(&mut self, entry: &str) -> Result<(), Why> {
        let (name, targets) = split_quoted(entry, ':')?.ok_or(Why::NoColon)?;
        let name = name_key(name.trim())?;
        let mut list = Vec::new();
        let mut rest = targets;
        while !rest.trim().is_empty() {
            let (target, more) = split_quoted(rest, ',')?.unwrap_or((rest, ""));
            if !target.trim().is_empty() {
                list.push(parse_target(target.trim())?);
            }
            rest = more;
        }
        if list.is_empty() {
            return Err(Why::NoTarget(name));
        }
        match self.names.insert(name.clone(), list) {
            Some(_) => Err(Why::Twice(name)),
            None => Ok(()),
        }
    }
}

/// Logical lines, each with the number of its first physical one.
fn entries(text: &str) -> Result<Vec<(usize, String)>, AliasError> {
    let mut entries: Vec<(usize, String)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            let Some((_, entry)) = entries.last_mut() else { return Err(AliasError { line: at + 1, why: Why::NoName }) };
            entry.push(' ');
            entry.push_str(line.trim());
        } else {
            entries.push((at + 1, line.trim_end().to_owned()));
        }
    }
    Ok(entries)
}

/// Splits at the first `at` outside double quotes.
fn split_quoted(text: &str, at: char) -> Result<Option<(&str, &str)>, Why> {
    let (mut quoted, mut escaped) = (false, false);
    for (place, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if c == at && !quoted => return Ok(Some((&text[..place], &text[place + c.len_utf8()..]))),
            _ => {}
        }
    }
    if quoted { Err(Why::Quote) } else { Ok(None) }
}

/// A name as it is looked up: `name`, or `name@domain` for that domain alone.
fn name_key(text: &str) -> Result<String, Why> {
    match text.parse::<Mailbox>() {
        Ok(mailbox) => Ok(key(&mailbox)),
        Err(AddressError::NoAt) => local_part(text).map(|local| local.as_str().to_ascii_lowercase()),
        Err(why) => Err(Why::Address(text.to_owned(), why)),
    }
}

fn parse_target(text: &str) -> Result<Target, Why> {
    let bare = text.trim_start_matches('"');
    if bare.starts_with(['|', '/', ':']) {
        return Err(Why::NoAddress(text.to_owned()));
    }
    match text.parse::<Mailbox>() {
        Ok(mailbox) => Ok(Target::Mailbox(mailbox)),
        Err(AddressError::NoAt) => local_part(text).map(Target::Local),
        Err(why) => Err(Why::Address(text.to_owned(), why)),
    }
}

/// A local part on its own, read as the front of an address.
fn local_part(text: &str) -> Result<LocalPart, Why> {
    let whole = format!("{text}@localhost");
    whole.parse::<Mailbox>().map(|mailbox| mailbox.local).map_err(|why| Why::Address(text.to_owned(), why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(file: &str, who: &str) -> Option<Vec<String>> {
        let aliases: Aliases = file.parse().unwrap();
        let ours: Domain = "ours.test".parse().unwrap();
        match aliases.expand(&who.parse().unwrap(), |domain| *domain == ours)? {
            Expansion::To(mailboxes) => Some(mailboxes.iter().map(ToString::to_string).collect()),
            Expansion::Loop => Some(vec!["loop".into()]),
        }
    }

    #[test]
    fn names_stand_for_addresses_in_any_case_and_with_a_tag() {
        let file = "# who is who\nPostmaster: alice\n\nteam: alice, bob@else.test,\n\tcarol\n\"a b\": alice\n";
        assert_eq!(expand(file, "postmaster@ours.test").unwrap(), ["alice@ours.test"]);
        assert_eq!(expand(file, "TEAM+x@ours.test").unwrap(), ["alice@ours.test", "bob@else.test", "carol@ours.test"]);
        assert_eq!(expand(file, "\"a b\"@ours.test").unwrap(), ["alice@ours.test"]);
        assert_eq!(expand(file, "alice@ours.test"), None);
        assert_eq!(expand(file, "team@else.test"), None, "another domain's team");
    }

    #[test]
    fn a_whole_address_counts_before_its_name() {
        let file = "info: alice\ninfo@second.test: bob@ours.test\n";
        assert_eq!(expand(file, "info@second.test").unwrap(), ["bob@ours.test"]);
        assert_eq!(expand(file, "info@ours.test").unwrap(), ["alice@ours.test"]);
    }

    #[test]
    fn to_name_oneself_is_to_keep_a_copy_and_loops_end() {
        assert_eq!(expand("alice: alice, bob@else.test", "alice@ours.test").unwrap().len(), 2);
        let both = expand("alice: alice, bob\nbob: bob, alice", "alice@ours.test").unwrap();
        assert_eq!(both, ["bob@ours.test", "alice@ours.test"]);
        assert_eq!(expand("a: b\nb: c\nc: a", "a@ours.test").unwrap(), ["loop"]);
        assert_eq!(expand("a: b\nb: a, c", "a@ours.test").unwrap(), ["c@ours.test"]);
        let long: String = (0..5000).map(|n| format!("n{n}: n{}\n", n + 1)).collect();
        assert_eq!(expand(&long, "n0@ours.test").unwrap(), ["n5000@ours.test"]);
    }

    #[test]
    fn an_address_never_chooses_what_runs() {
        for target in ["|/bin/sh", "\"|/bin/sh -c x\"", "/etc/passwd", ":include:/etc/x", "\"/etc/passwd\"@ours.test"] {
            let error = format!("x: {target}").parse::<Aliases>().unwrap_err();
            assert!(matches!(error.why, Why::NoAddress(_)), "{target}: {error}");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (file, want) in [
            ("a: b\nc d\n", "line 2: no colon behind the name"),
            (" a: b\n", "line 1: continues nothing"),
            ("a: b\n#\nA: c", "line 3: a is given twice"),
            ("a: ,", "line 1: a stands for nothing"),
            ("a: b c", "line 1: b c: no @ in the address"),
            ("a: \"b", "line 1: unclosed quote"),
            ("a: b@-x", "line 1: b@-x: bad domain"),
        ] {
            assert_eq!(file.parse::<Aliases>().unwrap_err().to_string(), want);
        }
    }
}
