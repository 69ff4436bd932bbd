//! From DNS responses to one answer: aliases (CNAME) followed, absence told apart. How a response is fetched and decoded is
//! `net::dns`'s.

use crate::mail::mx::DnsError;
use std::net::IpAddr;

/// Aliases followed from one name; real chains have two or three.
const MAX_ALIASES: usize = 16;

/// The records this program reads. Names have no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    Mx { preference: u16, exchange: String },
    Address(IpAddr),
    Alias(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub owner: String,
    pub data: Data,
}

/// A response with code NOERROR or NXDOMAIN; others are no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// NXDOMAIN. It speaks of the last name of the chain in `records` (RFC 2308 section 2.1).
    pub no_such_name: bool,
    pub records: Vec<Record>,
    /// The resolver says that it validated the response (AD).
    pub authentic: bool,
}

/// What one question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The name at the end of the aliases.
    pub canonical: String,
    /// Empty where the name exists without such records.
    pub data: Vec<Data>,
    /// Every response on the way was authentic.
    pub authentic: bool,
}

/// A question on its way along aliases.
#[derive(Debug)]
pub struct Chain {
    name: String,
    seen: Vec<String>,
    authentic: bool,
}

impl Chain {
    pub fn new(name: &str) -> Chain {
        Chain { name: name.to_owned(), seen: Vec::new(), authentic: true }
    }

    /// The name to ask for now.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the response to a question for [`Chain::name`], of which it uses the records that are `wanted`. None: ask again, the
    /// chain leads out of this response.
    pub fn take(&mut self, response: Response, wanted: fn(&Data) -> bool) -> Result<Option<Answer>, DnsError> {
        self.authentic &= response.authentic;
        let mut moved = false;
        loop {
            let here = || response.records.iter().filter(|r| r.owner.eq_ignore_ascii_case(&self.name)).map(|r| &r.data);
            let data: Vec<Data> = here().filter(|data| wanted(data)).cloned().collect();
            let alias = here().find_map(|data| if let Data::Alias(to) = data { Some(to.clone()) } else { None });
            match alias {
                Some(to) if data.is_empty() => self.follow(to)?,
                None if data.is_empty() && response.no_such_name => return Err(DnsError::NoDomain(self.name.clone())),
                None if data.is_empty() && moved => return Ok(None),
                _ => return Ok(Some(Answer { canonical: self.name.clone(), data, authentic: self.authentic })),
            }
            moved = true;
        }
    }

    fn follow(&mut self, to: String) -> Result<(), DnsError> {
        self.seen.push(std::mem::replace(&mut self.name, to));
        let loops = self.seen.iter().any(|name| name.eq_ignore_ascii_case(&self.name));
        if loops || self.seen.len() > MAX_ALIASES {
            let from = self.seen.first().map_or("", String::as_str);
            let what = if loops { "aliases (CNAME) go in a circle" } else { "too many aliases (CNAME)" };
            return Err(DnsError::Temporary(format!("{from}: {what}")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alias(owner: &str, to: &str) -> Record {
        Record { owner: owner.to_owned(), data: Data::Alias(to.to_owned()) }
    }

    fn address(owner: &str, last: u8) -> Record {
        Record { owner: owner.to_owned(), data: Data::Address(IpAddr::from([192, 0, 2, last])) }
    }

    fn response(records: Vec<Record>) -> Response {
        Response { no_such_name: false, records, authentic: true }
    }

    fn is_address(data: &Data) -> bool {
        matches!(data, Data::Address(_))
    }

    #[test]
    fn a_chain_within_one_response_is_followed_in_any_order_and_case() {
        let mut chain = Chain::new("a.test");
        let records = vec![address("c.test", 1), alias("B.test", "C.test"), alias("a.test", "b.test"), address("x.test", 9)];
        let answer = chain.take(response(records), is_address).unwrap().unwrap();
        assert_eq!((answer.canonical.as_str(), answer.data.len()), ("C.test", 1), "and what others own is left alone");
    }

    #[test]
    fn a_chain_that_leaves_the_response_is_asked_for_again() {
        let mut chain = Chain::new("a.test");
        assert_eq!(chain.take(response(vec![alias("a.test", "b.test")]), is_address), Ok(None));
        assert_eq!(chain.name(), "b.test");
        let answer =
            chain.take(Response { authentic: false, ..response(vec![address("b.test", 1)]) }, is_address).unwrap().unwrap();
        assert!(!answer.authentic, "as weak as its weakest link");
    }

    #[test]
    fn no_such_name_no_such_record() {
        let gone = Response { no_such_name: true, ..response(vec![alias("a.test", "b.test")]) };
        assert_eq!(Chain::new("a.test").take(gone, is_address), Err(DnsError::NoDomain("b.test".to_owned())));
        let none = Chain::new("a.test").take(response(vec![]), is_address).unwrap().unwrap();
        assert!(none.data.is_empty() && none.authentic);
    }

    #[test]
    fn circles_and_endless_chains_end() {
        let circle = response(vec![alias("a.test", "b.test"), alias("b.test", "A.test")]);
        let error = Chain::new("a.test").take(circle, is_address).unwrap_err();
        assert_eq!(error, DnsError::Temporary("a.test: aliases (CNAME) go in a circle".to_owned()));

        let mut chain = Chain::new("0.test");
        let error = (0..100).find_map(|n| {
            let step = response(vec![alias(&format!("{n}.test"), &format!("{}.test", n + 1))]);
            chain.take(step, is_address).err()
        });
        assert_eq!(error, Some(DnsError::Temporary("0.test: too many aliases (CNAME)".to_owned())));
    }
}
