//! What SEARCH, SORT and THREAD find.

use super::mailbox::{Mailbox, mailbox};
use super::scan::{ALLOCATION, Parsed, Scanner};
use super::set::{SequenceSet, sequence_set};

/// Most levels of threads within threads.
const MAX_DEPTH: usize = 500;

/// `* SEARCH` and `* SORT` (RFC 3501 section 7.2.5, RFC 5256, RFC 7162).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of the server's.
    pub numbers: Vec<u32>,
    /// The highest mod-sequence of those found.
    pub mod_seq: Option<u64>,
}

/// `esearch-response` (RFC 9051 section 7.3.4, RFC 4731, RFC 5267, RFC 7377, RFC 9394).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Esearch {
    /// Of the command that it answers.
    pub tag: Option<Vec<u8>>,
    /// Where several mailboxes are searched (RFC 7377).
    pub mailbox: Option<Mailbox>,
    pub uid_validity: Option<u32>,
    /// The numbers are UIDs.
    pub uid: bool,
    pub min: Option<u32>,
    pub max: Option<u32>,
    pub all: Option<SequenceSet>,
    pub count: Option<u64>,
    pub mod_seq: Option<u64>,
    /// Name and value raw: PARTIAL, ADDTO, REMOVEFROM and others.
    pub other: Vec<(String, Vec<u8>)>,
}

/// One thread: messages each of which answers the one before it, and then several threads that answer the last. A thread without a message
/// of its own has lost its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Thread {
    pub numbers: Vec<u32>,
    pub answers: Vec<Thread>,
}

/// `"SEARCH" *(SP nz-number) [SP "(" "MODSEQ" SP mod-sequence-value ")"]`, behind its name.
pub fn search(s: &mut Scanner<'_>) -> Parsed<Found> {
    let mut found = Found::default();
    loop {
        s.blanks();
        if s.eat(b'(') {
            if !s.keyword("MODSEQ") {
                return s.fail("MODSEQ");
            }
            s.sp()?;
            found.mod_seq = Some(s.number64()?);
            s.blanks();
            s.char(b')', "the end of MODSEQ")?;
            s.end()?;
            return Ok(found);
        }
        if s.rest().is_empty() {
            return Ok(found);
        }
        let number = s.nz_number()?;
        s.keep(&mut found.numbers, number)?;
    }
}

/// `esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)`, behind its name.
pub fn esearch(s: &mut Scanner<'_>) -> Parsed<Esearch> {
    let mut found = Esearch::default();
    s.blanks();
    if s.peek() == Some(b'(') {
        search_correlator(s, &mut found)?;
    }
    s.blanks();
    found.uid = s.keyword("UID");
    loop {
        s.blanks();
        if s.rest().is_empty() {
            return Ok(found);
        }
        let name = s.name()?;
        s.sp()?;
        match name.as_str() {
            "MIN" => found.min = Some(s.nz_number()?),
            "MAX" => found.max = Some(s.nz_number()?),
            "ALL" => found.all = Some(sequence_set(s)?),
            "COUNT" => found.count = Some(s.number64()?),
            "MODSEQ" => found.mod_seq = Some(s.number64()?),
            _ => {
                let value = s.value()?;
                let value = s.copy(value)?;
                s.keep(&mut found.other, (name, value))?;
            }
        }
    }
}

/// `search-correlator = SP "(" "TAG" SP tag-string ")"`; with `"MAILBOX" SP mailbox` and `"UIDVALIDITY" SP nz-number` of RFC 7377.
fn search_correlator(s: &mut Scanner<'_>, found: &mut Esearch) -> Parsed<()> {
    s.list(|s| {
        let name = s.name()?;
        s.sp()?;
        match name.as_str() {
            "TAG" => found.tag = Some(s.astring()?),
            "MAILBOX" => found.mailbox = Some(mailbox(s)?),
            "UIDVALIDITY" => found.uid_validity = Some(s.number()?),
            _ => {
                s.value()?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// `thread-data = "THREAD" [SP 1*thread-list]` (RFC 5256 section 5), behind its name.
pub fn threads(s: &mut Scanner<'_>) -> Parsed<Vec<Thread>> {
    s.items_to_end(|s| thread_list(s, MAX_DEPTH))
}

/// `thread-list = "(" (thread-members / thread-nested) ")"`, `thread-members = nz-number *(SP nz-number) [SP thread-nested]`,
/// `thread-nested = 2*thread-list`
fn thread_list(s: &mut Scanner<'_>, depth: usize) -> Parsed<Thread> {
    let Some(depth) = depth.checked_sub(1) else { return s.fail("fewer levels of threads") };
    s.char(b'(', "a thread")?;
    s.spend(ALLOCATION)?;
    let mut thread = Thread::default();
    loop {
        s.blanks();
        match s.peek() {
            Some(b'(') => {
                let answer = thread_list(s, depth)?;
                s.keep(&mut thread.answers, answer)?;
            }
            Some(b')') => {
                s.eat(b')');
                return Ok(thread);
            }
            _ if thread.answers.is_empty() => {
                let number = s.nz_number()?;
                s.keep(&mut thread.numbers, number)?;
            }
            _ => return s.fail("a thread or its end"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scanner<'_> {
        Scanner::new(text.as_bytes(), &[])
    }

    #[test]
    fn results_of_search() {
        assert_eq!(search(&mut scan(" 2 3  6 ")).unwrap().numbers, [2, 3, 6]);
        assert_eq!(search(&mut scan("")).unwrap(), Found::default());
        assert_eq!(search(&mut scan(" 2 (MODSEQ 917162500)")).unwrap().mod_seq, Some(917_162_500));
        for text in [" x", " 0", " 4294967297", " 1 (FOO 2)"] {
            assert!(search(&mut scan(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn results_of_esearch() {
        let found =
            esearch(&mut scan(" (TAG \"A1\") UID min 2 MAX 47 ALL 1:4294967295 COUNT 25 MODSEQ 9 PARTIAL (1:10 2,4)")).unwrap();
        assert_eq!((found.tag.as_deref(), found.uid, found.min, found.max), (Some(&b"A1"[..]), true, Some(2), Some(47)));
        assert_eq!(found.all.unwrap().0.len(), 1);
        assert_eq!((found.count, found.mod_seq), (Some(25), Some(9)));
        assert_eq!(found.other, [("PARTIAL".to_owned(), b"(1:10 2,4)".to_vec())]);
        let found = esearch(&mut scan(" (TAG A1 MAILBOX \"f\" UIDVALIDITY 1)")).unwrap();
        assert_eq!((found.mailbox, found.uid), (Some(Mailbox::encoded(b"f")), false));
        assert!(esearch(&mut scan(" ALL")).is_err());
    }

    /// RFC 5256 section 5.
    #[test]
    fn threads_of_the_rfc() {
        let found = threads(&mut scan(" (2)(3 6 (4 23)(44 7 96)) ((3)(5))")).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!((found[1].numbers.as_slice(), found[1].answers[1].numbers.as_slice()), (&[3, 6][..], &[44, 7, 96][..]));
        assert_eq!((found[2].numbers.len(), found[2].answers.len()), (0, 2));
        assert!(threads(&mut scan(" (1 (2) 3)")).is_err());
        assert!(threads(&mut scan(&"(".repeat(1_000_000))).is_err(), "depth is bounded");
    }
}
