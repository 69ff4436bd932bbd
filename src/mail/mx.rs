//! Where a domain's mail goes: MX answers put in order of trial (RFC 5321 section 5.1, RFC 7505), and the words in which other
//! floors ask for them. Sends no query; randomness is passed in.

use super::address::Domain;
use super::reply::EnhancedStatus;
use std::net::{IpAddr, Ipv4Addr};

/// What delivery asks the DNS. `net::dns` answers from the network, tests from a table.
pub trait Lookup: Send + Sync {
    /// The hosts that take the domain's mail, in order of trial.
    fn mail_hosts(&self, domain: &Domain) -> Result<MailHosts, DnsError>;

    /// The addresses of one [`MxHost::name`], never an empty list.
    fn addresses(&self, host: &str) -> Result<Addresses, DnsError>;
}

/// Why the DNS gave nothing to go on. Each text is one line that names what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// NXDOMAIN: the name does not exist, with any type.
    #[error("{0}: no such domain")]
    NoDomain(String),
    /// The name exists and has no address.
    #[error("{0}: no address")]
    NoData(String),
    /// No answer, a broken one, or a server's own failure: a retry may help.
    #[error("{0}")]
    Temporary(String),
    /// What should be a host name is none: no query can help.
    #[error("{0}")]
    Invalid(String),
}

impl DnsError {
    pub fn is_temporary(&self) -> bool {
        matches!(self, DnsError::Temporary(_))
    }

    /// The code for a delivery status: 4.4.3 (directory failure) or 5.4.4 (no route), RFC 3463 section 3.5.
    pub fn enhanced(&self) -> EnhancedStatus {
        if self.is_temporary() { EnhancedStatus::new(4, 4, 3) } else { EnhancedStatus::new(5, 4, 4) }
    }
}

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mx {
    pub preference: u16,
    /// Without the trailing dot, so empty for the root.
    pub exchange: String,
}

/// What the DNS said about a domain that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxAnswer {
    /// The name that the records belong to: another than the one asked for where that is an alias (CNAME).
    pub canonical: String,
    /// In no order; empty where there is no MX record.
    pub records: Vec<Mx>,
    /// The resolver says that it validated the answer (AD).
    pub authentic: bool,
}

/// What a host name resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    pub list: Vec<IpAddr>,
    /// The name that has the addresses, as [`MxAnswer::canonical`].
    pub canonical: String,
    pub authentic: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailHosts {
    /// The domain takes no mail at all (RFC 7505).
    Null,
    Hosts(HostList),
}

/// Never empty, in order of trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostList {
    pub kind: Kind,
    pub hosts: Vec<MxHost>,
    pub authentic: bool,
}

/// Where a host list comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MX records.
    Mx,
    /// There is none: the domain is its own host, with preference 0 (RFC 5321 section 5.1).
    Implicit,
    /// The domain is an address literal: no DNS is asked.
    Literal,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxHost {
    pub preference: u16,
    /// For [`Lookup::addresses`]. It may be no host name at all; that is told there, so that every record has its own error.
    pub name: String,
}

/// Every host left to try is this one, or worse than it (RFC 5321 section 5.1): mail sent there would come back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("mail loops back to myself ({0} is this host)")]
pub struct LoopsBack(pub String);

impl MailHosts {
    pub fn literal(address: IpAddr) -> MailHosts {
        let name = Domain::Literal(address).to_string();
        MailHosts::Hosts(HostList { kind: Kind::Literal, hosts: vec![MxHost { preference: 0, name }], authentic: false })
    }
}

impl MxAnswer {
    /// Sorts by preference, lowest first, and shuffles equals: `pick(n)` gives a number below `n` at random. A `pick` that
    /// always gives 0 sorts equals by name. A host that is listed twice keeps its better place.
    pub fn into_hosts(self, mut pick: impl FnMut(usize) -> usize) -> MailHosts {
        if is_null_mx(&self.records) {
            return MailHosts::Null;
        }
        let authentic = self.authentic;
        if self.records.is_empty() {
            let host = MxHost { preference: 0, name: self.canonical };
            return MailHosts::Hosts(HostList { kind: Kind::Implicit, hosts: vec![host], authentic });
        }
        let mut records = self.records;
        records.sort_by_cached_key(|mx| (mx.preference, mx.exchange.to_ascii_lowercase()));
        for equals in records.chunk_by_mut(|a, b| a.preference == b.preference) {
            for at in 0..equals.len() {
                let rest = equals.len() - at;
                equals.swap(at, at + pick(rest).min(rest - 1));
            }
        }
        let mut seen = std::collections::HashSet::new();
        records.retain(|mx| seen.insert(mx.exchange.to_ascii_lowercase()));
        let hosts = records.into_iter().map(|mx| MxHost { preference: mx.preference, name: mx.exchange }).collect();
        MailHosts::Hosts(HostList { kind: Kind::Mx, hosts, authentic })
    }
}

/// RFC 7505 section 3: one MX record alone, with preference 0 and the root as its exchange.
fn is_null_mx(records: &[Mx]) -> bool {
    matches!(records, [only] if only.preference == 0 && only.exchange.is_empty())
}

impl HostList {
    /// Where this host is among the list, drops its preference and every worse one (RFC 5321 section 5.1): those would send the
    /// mail back here. `is_us` may look at the name or resolve it.
    pub fn before_us(mut self, mut is_us: impl FnMut(&MxHost) -> bool) -> Result<HostList, LoopsBack> {
        let Some(us) = self.hosts.iter().find(|host| is_us(host)).cloned() else { return Ok(self) };
        self.hosts.retain(|host| host.preference < us.preference);
        if self.hosts.is_empty() { Err(LoopsBack(us.name)) } else { Ok(self) }
    }
}

/// What may stand where a host name is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name for the DNS, without trailing dot.
    Name(String),
    /// An address literal in its brackets.
    Literal(IpAddr),
}

/// Reads an MX record's exchange, a domain, or an address literal. An MX record holds a name, never an address (RFC 5321 section
/// 5.1); an underscore is no letter of a host name, but resolves everywhere, so it is let through.
pub fn host(text: &str) -> Result<Host, DnsError> {
    const MAX_NAME: usize = 253;
    const MAX_LABEL: usize = 63;
    if text.starts_with('[') {
        return match text.parse() {
            Ok(Domain::Literal(address)) => Ok(Host::Literal(address)),
            _ => Err(DnsError::Invalid(format!("{text}: bad address literal"))),
        };
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.is_empty() {
        return Err(DnsError::Invalid("the root (.) is no mail host".to_owned()));
    }
    if name.parse::<Ipv4Addr>().is_ok() || name.contains(':') {
        return Err(DnsError::Invalid(format!("{name}: an address where a host name belongs")));
    }
    let good_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let good_label = |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(good_byte);
    if name.len() > MAX_NAME || !name.split('.').all(good_label) {
        return Err(DnsError::Invalid(format!("{name}: not a host name")));
    }
    Ok(Host::Name(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(records: &[(u16, &str)]) -> MxAnswer {
        let records = records.iter().map(|&(preference, exchange)| Mx { preference, exchange: exchange.to_owned() }).collect();
        MxAnswer { canonical: "crepes.test".to_owned(), records, authentic: false }
    }

    fn list(answer: MxAnswer, pick: impl FnMut(usize) -> usize) -> HostList {
        match answer.into_hosts(pick) {
            MailHosts::Hosts(list) => list,
            MailHosts::Null => panic!("null MX"),
        }
    }

    fn names(list: &HostList) -> Vec<&str> {
        list.hosts.iter().map(|host| host.name.as_str()).collect()
    }

    #[test]
    fn lower_preferences_come_first_and_equals_by_the_dice() {
        let records = [(20, "c.test"), (10, "b.test"), (30, "d.test"), (10, "a.test"), (10, "B2.test")];
        assert_eq!(names(&list(answer(&records), |_| 0)), ["a.test", "b.test", "B2.test", "c.test", "d.test"]);
        assert_eq!(names(&list(answer(&records), |n| n - 1)), ["B2.test", "a.test", "b.test", "c.test", "d.test"]);
        assert_eq!(names(&list(answer(&records), |_| usize::MAX)).len(), 5, "a bad die costs no host");
    }

    #[test]
    fn every_order_of_equals_comes_up() {
        let mut orders = std::collections::HashSet::new();
        for seed in 0..6 {
            let mut dice = [seed % 3, seed / 3, 0].into_iter();
            let list = list(answer(&[(5, "a"), (5, "b"), (5, "c")]), |_| dice.next().unwrap_or(0));
            orders.insert(names(&list).join(" "));
        }
        assert_eq!(orders.len(), 6);
    }

    #[test]
    fn a_host_listed_twice_is_tried_once() {
        let list = list(answer(&[(20, "MX.test"), (10, "mx.test"), (10, "mx.test")]), |_| 0);
        assert_eq!(list.hosts, [MxHost { preference: 10, name: "mx.test".to_owned() }]);
    }

    #[test]
    fn without_mx_records_the_domain_is_its_own_host() {
        let list = list(answer(&[]), |_| 0);
        assert_eq!((list.kind, list.hosts[0].preference, names(&list)), (Kind::Implicit, 0, vec!["crepes.test"]));
    }

    #[test]
    fn null_mx_is_exactly_0_and_the_root_alone() {
        assert_eq!(answer(&[(0, "")]).into_hosts(|_| 0), MailHosts::Null);
        assert_eq!(names(&list(answer(&[(10, "")]), |_| 0)), [""]);
        assert_eq!(names(&list(answer(&[(0, ""), (10, "mx.test")]), |_| 0)), ["", "mx.test"]);
        assert!(matches!(host(""), Err(DnsError::Invalid(_))), "and beside others it is no host");
    }

    #[test]
    fn our_preference_and_every_worse_one_are_dropped() {
        let records = [(5, "best.test"), (10, "other.test"), (10, "us.test"), (20, "backup.test")];
        let us = |host: &MxHost| host.name.eq_ignore_ascii_case("US.test");
        assert_eq!(names(&list(answer(&records), |_| 0).before_us(us).unwrap()), ["best.test"]);
        assert_eq!(names(&list(answer(&records[..2]), |_| 0).before_us(us).unwrap()), ["best.test", "other.test"]);
        let error = list(answer(&records[1..]), |_| 0).before_us(us).unwrap_err();
        assert_eq!(error.to_string(), "mail loops back to myself (us.test is this host)");
    }

    #[test]
    fn a_domain_that_is_its_own_host_loops_back_to_itself() {
        let implicit = list(answer(&[]), |_| 0);
        assert_eq!(implicit.before_us(|host| host.name == "crepes.test"), Err(LoopsBack("crepes.test".to_owned())));
    }

    #[test]
    fn an_exchange_is_a_host_name() {
        assert_eq!(host("Mx_1.crepes.test."), Ok(Host::Name("Mx_1.crepes.test".to_owned())));
        assert_eq!(host("[192.0.2.1]"), Ok(Host::Literal("192.0.2.1".parse().unwrap())));
        assert_eq!(host("[IPv6:2001:db8::1]"), Ok(Host::Literal("2001:db8::1".parse().unwrap())));
        let long = ["a".repeat(63).as_str(); 4].join(".");
        for bad in ["", ".", "192.0.2.1", "192.0.2.1.", "2001:db8::1", "[192.0.2.1", "[x]", "a..b", "a b", "\\000.test", &long] {
            assert!(matches!(host(bad), Err(DnsError::Invalid(_))), "{bad}");
        }
        assert_eq!(host("192.0.2.1").unwrap_err().to_string(), "192.0.2.1: an address where a host name belongs");
    }

    #[test]
    fn a_literal_is_its_own_host() {
        let MailHosts::Hosts(list) = MailHosts::literal("2001:db8::1".parse().unwrap()) else { panic!("null") };
        assert_eq!((list.kind, names(&list)), (Kind::Literal, vec!["[IPv6:2001:db8::1]"]));
    }

    #[test]
    fn only_temporary_trouble_is_worth_a_retry() {
        let temporary = DnsError::Temporary("crepes.test: no answer".to_owned());
        assert_eq!((temporary.is_temporary(), temporary.enhanced().to_string()), (true, "4.4.3".to_owned()));
        let gone = DnsError::NoDomain("crepes.test".to_owned());
        assert_eq!((gone.is_temporary(), gone.enhanced().to_string()), (false, "5.4.4".to_owned()));
    }
}
