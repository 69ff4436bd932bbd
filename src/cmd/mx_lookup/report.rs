//! What mx-lookup finds out about one domain, as values: the JSON object, the rows and the notes for people.

use crate::bytes::escape::visible;
use crate::cli::exit::Status;
use crate::mail::address::Domain;
use crate::mail::mx::{DnsError, HostList, Kind, MailHosts, MxHost};
use crate::net::dns::{Resolver, random_below};
use serde::Serialize;
use std::net::IpAddr;
use std::thread;

/// Hosts whose addresses are looked up at a time.
const HOSTS_AT_A_TIME: usize = 8;

/// One name as it was given, and the domain in it.
pub struct Question {
    given: String,
    domain: Result<Domain, String>,
}

/// The words of `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Ok,
    Implicit,
    Null,
    Nxdomain,
    Nodata,
    Tempfail,
    Invalid,
}

/// One domain's object.
#[derive(Debug, Serialize)]
pub struct Report {
    domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unicode: Option<String>,
    status: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    canonical: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ad: Option<bool>,
    mx: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    pub exit: Status,
}

/// One mail host.
#[derive(Debug, Serialize)]
struct Row {
    preference: u16,
    host: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    canonical: Option<String>,
    addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ad: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip)]
    temporary: bool,
}

impl Question {
    /// Takes the domain out of `DOMAIN`, `local@DOMAIN` or `<local@DOMAIN>`, with its trailing dot if it has one. The local part may be
    /// any, since it is not looked up; the domain may be in Unicode.
    pub fn read(given: &str) -> Question {
        let bare = given.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(given);
        let domain = match bare.rsplit_once('@') {
            Some(("", _)) => Err("no local part before the @".to_owned()),
            Some((_, "")) => Err("no domain behind the @".to_owned()),
            Some((_, domain)) => read_domain(domain),
            None => read_domain(bare),
        };
        let given = bare.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| !domain.is_empty());
        Question { given: given.unwrap_or(bare).to_owned(), domain }
    }
}

fn read_domain(text: &str) -> Result<Domain, String> {
    let text = if text.starts_with('[') { text } else { text.strip_suffix('.').unwrap_or(text) };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(format!("an address; as a mail domain it is written {}", Domain::Literal(address)));
    }
    let text = if text.is_ascii() { text.to_owned() } else { idna::domain_to_ascii(text).map_err(|_| "not a domain name")? };
    text.parse::<Domain>().map_err(|_| "not a domain name".to_owned())
}

/// Looks up one domain: its mail hosts, and the addresses of each.
pub fn look_up(resolver: &Resolver, question: Question, shuffle: bool) -> Report {
    let mut report = Report::new(&question);
    let hosts = match question.domain {
        Err(error) => return report.ends(Word::Invalid, Status::Data, Some(error)),
        Ok(Domain::Literal(address)) => MailHosts::literal(address),
        Ok(Domain::Name(name)) => match resolver.mx(&name) {
            Err(error) => return report.fails(&error),
            Ok(answer) => {
                report.canonical = other_name(&answer.canonical, &name);
                report.ad = Some(answer.authentic);
                answer.into_hosts(|n| if shuffle { random_below(n) } else { 0 })
            }
        },
    };
    match hosts {
        MailHosts::Null => report.ends(Word::Null, Status::Refused, Some("takes no mail (null MX)".to_owned())),
        MailHosts::Hosts(list) => report.resolve(resolver, &list),
    }
}

impl Report {
    fn new(question: &Question) -> Report {
        let domain = match &question.domain {
            Ok(Domain::Name(name)) => name.to_ascii_lowercase(),
            Ok(literal) => literal.to_string(),
            Err(_) => question.given.clone(),
        };
        let (unicode, sound) = idna::domain_to_unicode(&domain);
        let is_name = matches!(question.domain, Ok(Domain::Name(_)));
        let unicode = (is_name && sound.is_ok() && unicode != domain).then_some(unicode);
        Report { domain, unicode, status: Word::Ok, canonical: None, ad: None, mx: Vec::new(), error: None, exit: Status::Done }
    }

    fn ends(mut self, status: Word, exit: Status, error: Option<String>) -> Report {
        self.error = error.map(|text| without_name(text, &self.domain));
        Report { status, exit, ..self }
    }

    fn fails(self, error: &DnsError) -> Report {
        let (word, exit) = match error {
            DnsError::NoDomain(_) => (Word::Nxdomain, Status::NoHost),
            DnsError::NoData(_) => (Word::Nodata, Status::Refused),
            DnsError::Temporary(_) => (Word::Tempfail, Status::TryAgain),
            DnsError::Invalid(_) => (Word::Invalid, Status::Refused),
        };
        self.ends(word, exit, Some(error.to_string()))
    }

    /// One usable host makes the domain ok. Without any, one that may be usable later makes it a temporary failure.
    fn resolve(mut self, resolver: &Resolver, list: &HostList) -> Report {
        for some in list.hosts.chunks(HOSTS_AT_A_TIME) {
            thread::scope(|scope| {
                let rows: Vec<_> = some.iter().map(|host| scope.spawn(|| Row::resolve(resolver, host))).collect();
                self.mx.extend(rows.into_iter().filter_map(|row| row.join().ok()));
            });
        }
        let usable = self.mx.iter().any(|row| row.error.is_none());
        let hope = self.mx.iter().any(|row| row.temporary);
        match (usable, hope, list.kind) {
            (true, _, Kind::Mx) => self.ends(Word::Ok, Status::Done, None),
            (true, _, Kind::Implicit | Kind::Literal) => self.ends(Word::Implicit, Status::Done, None),
            (false, true, Kind::Mx) => {
                self.ends(Word::Tempfail, Status::TryAgain, Some("none of its mail hosts can be resolved now".to_owned()))
            }
            (false, false, Kind::Mx) => {
                self.ends(Word::Invalid, Status::Refused, Some("none of its mail hosts has an address".to_owned()))
            }
            (false, hope, Kind::Implicit | Kind::Literal) => {
                let error = self.mx.drain(..).find_map(|row| row.error).unwrap_or_default();
                let (word, exit) = if hope { (Word::Tempfail, Status::TryAgain) } else { (Word::Nodata, Status::Refused) };
                self.ends(word, exit, Some(if hope { error } else { "neither MX record nor address".to_owned() }))
            }
        }
    }

    pub fn domain(&self) -> String {
        visible(self.domain.as_bytes())
    }

    /// `PREFERENCE HOST ADDRESS...`, tabs between.
    pub fn rows(&self) -> Vec<String> {
        let row = |row: &Row| {
            let mut fields = vec![row.preference.to_string(), visible(row.host.as_bytes())];
            fields.extend(row.addresses.iter().map(IpAddr::to_string));
            if row.addresses.is_empty() {
                fields.push("-".to_owned());
            }
            fields.join("\t")
        };
        self.mx.iter().map(row).collect()
    }

    /// What the rows do not say, one line each with the domain's name.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(unicode) = &self.unicode {
            notes.push(format!("is {unicode}"));
        }
        if let Some(canonical) = &self.canonical {
            notes.push(format!("is an alias of {canonical}"));
        }
        if self.status == Word::Implicit && !self.domain.starts_with('[') {
            notes.push("no MX record: the domain is its own mail host".to_owned());
        }
        for row in &self.mx {
            let host = &row.host;
            if let Some(canonical) = row.canonical.as_ref().filter(|_| self.status != Word::Implicit) {
                notes.push(format!("{host} is an alias of {canonical}, which an MX record should not name"));
            }
            notes.extend(row.error.as_ref().map(|error| format!("{host}: {error}")));
        }
        notes.extend(self.error.clone());
        let name = if self.domain.is_empty() { "''" } else { &self.domain };
        notes.iter().map(|note| format!("{name}: {note}")).collect()
    }
}

impl Row {
    fn resolve(resolver: &Resolver, host: &MxHost) -> Row {
        let mut row = Row {
            preference: host.preference,
            host: if host.name.is_empty() { ".".to_owned() } else { host.name.clone() },
            canonical: None,
            addresses: Vec::new(),
            ad: None,
            error: None,
            temporary: false,
        };
        match resolver.addresses(&host.name) {
            Ok(found) => {
                row.canonical = other_name(&found.canonical, &host.name);
                // A literal was looked up nowhere.
                row.ad = (!host.name.starts_with('[')).then_some(found.authentic);
                row.addresses = found.list;
            }
            Err(error) => {
                row.temporary = error.is_temporary();
                row.error = Some(without_name(error.to_string(), &host.name));
            }
        }
        row
    }
}

/// The canonical name where it is another.
fn other_name(canonical: &str, asked: &str) -> Option<String> {
    (!canonical.eq_ignore_ascii_case(asked)).then(|| canonical.to_owned())
}

/// An error text without the name that it stands beside anyway.
fn without_name(text: String, name: &str) -> String {
    let rest = text
        .get(..name.len())
        .filter(|start| start.eq_ignore_ascii_case(name))
        .and_then(|_| text[name.len()..].strip_prefix(": "));
    rest.map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(given: &str) -> Result<String, String> {
        Question::read(given).domain.map(|domain| domain.to_string())
    }

    #[test]
    fn a_domain_is_taken_out_of_what_people_paste() {
        for given in ["hamburger.test", "hamburger.test.", "bob@hamburger.test", "<bob@hamburger.test>", "\"b@b\"@hamburger.test"]
        {
            assert_eq!(domain(given).as_deref(), Ok("hamburger.test"), "{given}");
        }
        assert_eq!(domain("j\u{f6}rg@B\u{fc}cher.test").as_deref(), Ok("xn--bcher-kva.test"));
        assert_eq!(domain("bob@[IPv6:2001:db8::1]").as_deref(), Ok("[IPv6:2001:db8::1]"));
        for bad in
            ["", ".", "a..b", "a b", "@", "@hamburger.test", "bob@", "[192.0.2", "-a.test", "\u{fc}..test", "a.test\r", "<a.test"]
        {
            assert!(domain(bad).is_err(), "{bad:?}");
        }
        assert_eq!(domain("192.0.2.1").unwrap_err(), "an address; as a mail domain it is written [192.0.2.1]");
        assert_eq!(domain("::1").unwrap_err(), "an address; as a mail domain it is written [IPv6:::1]");
    }

    #[test]
    fn a_name_is_not_said_twice() {
        assert_eq!(without_name("a.test: no address".to_owned(), "A.test"), "no address");
        assert_eq!(without_name("b.test: no address".to_owned(), "a.test"), "b.test: no address");
    }
}
