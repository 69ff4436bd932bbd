//! What a mailbox holds, by STAT, LIST and UIDL. A server that lies about one message is believed about the others.

use super::session::{Job, next};
use super::sizes::Sizes;
use super::words::{Listed, Uid};
use crate::protocol::pop3::listing::counts;
use crate::protocol::pop3::words::{Answer, ClientTell, Command};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Most messages that are told by STAT alone, where LIST is refused or leaves some out.
const MOST_UNLISTED: u32 = 10_000;
/// How much of an id that is none is shown, in octets.
const MOST_SAID: usize = 100;
/// Most things that are complained of.
const MOST_PROBLEMS: usize = 10;

/// Collects it, and gives each message out once there is no more to come of it: what UIDL names in order is not held.
#[derive(Debug)]
pub struct Listing {
    /// Still to be asked, in this order.
    asking: Vec<Command>,
    /// Commands whose answers did not end yet.
    due: usize,
    counts: Option<(u32, u64)>,
    sizes: Sizes,
    /// Those that UIDL named and that were not given out.
    named: BTreeMap<u32, Named>,
    /// Those that UIDL named and LIST did not.
    without_size: u32,
    /// The lowest number that was not given out; beyond all numbers in the end.
    next: u64,
    /// Messages that UIDL named again after they were given out.
    renamed: BTreeSet<u32>,
    /// What the server says that cannot be, one line each.
    problems: Vec<String>,
}

#[derive(Debug)]
struct Named {
    /// What UIDL called it first; of one that is too long for an id, its start.
    first: Box<[u8]>,
    again: bool,
}

impl Listing {
    /// All there is to know.
    pub fn new() -> Listing {
        Listing::of(vec![Command::Uidl, Command::List, Command::Stat])
    }

    /// How much there is, and no more.
    pub fn counting() -> Listing {
        Listing::of(vec![Command::Stat])
    }

    fn of(asking: Vec<Command>) -> Listing {
        Listing {
            asking,
            due: 0,
            counts: None,
            sizes: Sizes::default(),
            named: BTreeMap::new(),
            without_size: 0,
            next: 1,
            renamed: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    pub fn is_done(&self) -> bool {
        self.asking.is_empty() && self.due == 0
    }

    /// Messages, and octets, as STAT counts them.
    pub fn counts(&self) -> Option<(u32, u64)> {
        self.counts
    }

    /// The next message by its number that LIST and UIDL have named; none before more was answered.
    pub fn ready(&mut self) -> Option<Listed> {
        let first = self.named.first_entry().filter(|first| u64::from(*first.key()) == self.next)?;
        let (number, named) = first.remove_entry();
        Some(self.give(number, Some(named)))
    }

    /// All of them, once all is answered: those that were given out, and the rest. Of two ids of a message neither is known to be its own.
    pub fn all(&mut self, mut given: Vec<Listed>) -> Vec<Listed> {
        given.extend(std::iter::from_fn(|| self.rest()));
        for number in &self.renamed {
            if let Ok(at) = given.binary_search_by_key(number, |listed| listed.number) {
                let first = given[at].uid.take().map(|uid| uid.as_str().into());
                given[at].said = given[at].said.take().or(first);
            }
        }
        given
    }

    /// The next message, once all is answered.
    pub fn rest(&mut self) -> Option<Listed> {
        let next = u32::try_from(self.next).ok()?;
        let number = match self.counts {
            Some((count, _)) if count.saturating_sub(self.listed()) <= MOST_UNLISTED => (next <= count).then_some(next),
            _ => self.named.keys().next().copied().into_iter().chain(self.sizes.next(next)).min(),
        }?;
        let named = self.named.remove(&number);
        Some(self.give(number, named))
    }

    fn give(&mut self, number: u32, named: Option<Named>) -> Listed {
        self.next = u64::from(number) + 1;
        let uid = named.as_ref().filter(|named| !named.again).and_then(|named| Uid::new(&named.first));
        let said = named.filter(|_| uid.is_none()).map(|named| String::from_utf8_lossy(&named.first).into());
        Listed { number, size: self.sizes.get(number), uid, said }
    }

    /// How many messages LIST or UIDL named.
    fn listed(&self) -> u32 {
        u32::try_from(self.sizes.known()).unwrap_or(u32::MAX).saturating_add(self.without_size)
    }

    /// What the server said that cannot be.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Notes something that the server said and should not have.
    pub(super) fn complain(&mut self, text: String) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(text);
        }
    }

    /// There is such a number; else it is complained of.
    fn exists(&mut self, number: u32, command: Command) -> bool {
        let exists = self.counts.is_none_or(|(count, _)| number <= count);
        if !exists {
            self.complain(format!("{command} has a message {number}, and there are not so many"));
        }
        exists
    }

    fn size(&mut self, number: u32, octets: u64, command: Command) {
        if self.exists(number, command) && self.sizes.put(number, octets).is_some_and(|before| before != octets) {
            self.complain(format!("LIST has message {number} twice"));
        }
    }

    fn uid(&mut self, number: u32, uid: &[u8], command: Command) {
        if !self.exists(number, command) {
            return;
        }
        if u64::from(number) < self.next {
            self.renamed.insert(number);
            return;
        }
        match self.named.entry(number) {
            Entry::Occupied(mut named) => named.get_mut().again = true,
            Entry::Vacant(free) => {
                free.insert(Named { first: uid[..uid.len().min(MOST_SAID)].into(), again: false });
                self.without_size += u32::from(self.sizes.get(number).is_none());
            }
        }
    }

    /// All was answered: what STAT counts and nobody names is complained of where it is too much to be told.
    fn finish(&mut self) {
        let listed = self.listed();
        if let Some((count, _)) = self.counts.filter(|(count, _)| *count > listed && count - listed > MOST_UNLISTED) {
            self.complain(format!("the server counts {count} messages and lists {listed}"));
        }
    }

    fn take(&mut self, command: Command, answer: Answer) {
        match (command, answer) {
            (Command::Stat, Answer::Ok(text)) => {
                self.counts = counts(&text);
                if self.counts.is_none() {
                    self.complain(format!("STAT is answered with no two numbers: {text}"));
                }
            }
            (Command::Stat, Answer::Err(refusal)) => self.complain(format!("STAT is refused: {refusal}")),
            (Command::List, Answer::Err(refusal)) if self.counts.is_none_or(|(count, _)| count > MOST_UNLISTED) => {
                self.complain(format!("LIST is refused: {refusal}"));
            }
            (_, Answer::Size { number, octets }) => self.size(number, octets, command),
            (_, Answer::Uid { number, uid }) => self.uid(number, &uid, command),
            (_, Answer::BadRow(row)) => {
                self.complain(format!("{command} has a row that is none: {}", String::from_utf8_lossy(&row)));
            }
            _ => {}
        }
    }
}

impl Default for Listing {
    fn default() -> Listing {
        Listing::new()
    }
}

impl Job for Listing {
    fn next(&mut self) -> ClientTell {
        next(self.asking.pop(), &mut self.due)
    }

    fn answer(&mut self, command: Command, answer: Answer) {
        let ends = match answer {
            Answer::Err(_) | Answer::End => true,
            Answer::Ok(_) => command == Command::Stat,
            _ => false,
        };
        self.due -= usize::from(ends && self.due > 0);
        self.take(command, answer);
        if ends && self.is_done() && command == Command::Uidl {
            self.finish();
        }
    }
}

/// A listing that is told as it comes.
pub struct Telling<'a> {
    pub listing: Listing,
    pub tell: &'a mut dyn FnMut(Listed),
}

impl Job for Telling<'_> {
    fn next(&mut self) -> ClientTell {
        self.listing.next()
    }

    fn answer(&mut self, command: Command, answer: Answer) {
        self.listing.answer(command, answer);
        while let Some(listed) = self.listing.ready() {
            (self.tell)(listed);
        }
        while self.listing.is_done()
            && let Some(listed) = self.listing.rest()
        {
            (self.tell)(listed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it says, and what was given out before its end.
    fn listing(stat: &str, sizes: &[(u32, u64)], uids: &[(u32, &str)]) -> (Listing, Vec<Listed>) {
        let mut given = Vec::new();
        let mut listing = Listing::new();
        while matches!(listing.next(), ClientTell::Do(_)) {}
        listing.answer(Command::Stat, Answer::Ok(stat.to_owned()));
        for &(number, octets) in sizes {
            listing.answer(Command::List, Answer::Size { number, octets });
        }
        listing.answer(Command::List, Answer::End);
        for (number, uid) in uids {
            listing.answer(Command::Uidl, Answer::Uid { number: *number, uid: uid.as_bytes().to_vec() });
            given.extend(std::iter::from_fn(|| listing.ready()));
        }
        listing.answer(Command::Uidl, Answer::End);
        assert!(listing.is_done());
        (listing, given)
    }

    fn shown(listed: &[Listed]) -> Vec<String> {
        let uid = |listed: &Listed| listed.uid.as_ref().map_or("-".to_owned(), ToString::to_string);
        let size = |listed: &Listed| listed.size.map_or("-".to_owned(), |size| size.to_string());
        listed.iter().map(|listed| format!("{} {} {}", listed.number, size(listed), uid(listed))).collect()
    }

    #[test]
    fn a_lie_about_one_message_is_no_lie_about_the_others() {
        let long = "x".repeat(300);
        let (mut mailbox, given) = listing(
            "4 400",
            &[(1, 100), (2, 100), (2, 200), (9, 1)],
            &[(1, "a"), (2, &long), (3, "b"), (3, "c"), (4, "d\x1b"), (7, "z")],
        );
        assert_eq!(given.len(), 4, "what comes in order is not held");
        let all = mailbox.all(given);
        assert_eq!(shown(&all), ["1 100 a", "2 200 -", "3 - -", "4 - -"]);
        let said: Vec<usize> = all.iter().map(|listed| listed.name().map_or(0, str::len)).collect();
        assert_eq!(said, [1, MOST_SAID, 1, 2], "what is no id is shown, though not without end");
        let told = mailbox.problems().join("\n");
        assert!(told.contains("message 2 twice") && told.contains("message 9") && told.contains("message 7"), "{told}");
    }

    #[test]
    fn what_list_leaves_out_is_there_all_the_same() {
        let (mut mailbox, given) = listing("3 30", &[(2, 10)], &[]);
        assert_eq!(shown(&mailbox.all(given)), ["1 - -", "2 10 -", "3 - -"]);
        let (mut mailbox, given) = listing("4294967295 1", &[(1, 10), (u32::MAX, 20)], &[(4_000_000_000, "x")]);
        let all = shown(&mailbox.all(given));
        assert_eq!(all, ["1 10 -", "4000000000 - x", "4294967295 20 -"], "no memory for what was only claimed");
        assert_eq!(mailbox.problems().len(), 1);
    }

    #[test]
    fn what_uidl_names_in_any_order_is_told_in_order_with_its_name() {
        let sizes = [(1, 10), (2, 20), (3, 30), (4, 40)];
        let (mut mailbox, given) = listing("4 100", &sizes, &[(3, "c"), (1, "a"), (4, "d"), (2, "b"), (3, "e"), (9, "z")]);
        assert_eq!(shown(&given), ["1 10 a", "2 20 b", "3 30 c", "4 40 d"]);
        let all = mailbox.all(given);
        assert_eq!(shown(&all), ["1 10 a", "2 20 b", "3 30 -", "4 40 d"], "of two ids neither is its own");
        assert_eq!(all[2].name(), Some("c"));
        let (mut mailbox, given) = listing("4 100", &sizes, &[(4, "d"), (4, "e"), (2, "b")]);
        assert_eq!(
            (given.len(), shown(&mailbox.all(given))),
            (0, ["1 10 -", "2 20 b", "3 30 -", "4 40 -"].map(str::to_owned).to_vec())
        );
    }

    #[test]
    fn a_server_that_lies_all_day_is_complained_of_a_few_times() {
        let (mut mailbox, _) = listing("1 1", &[], &[]);
        for _ in 0..1000 {
            mailbox.answer(Command::List, Answer::BadRow(b"nonsense".to_vec()));
        }
        assert_eq!(mailbox.problems().len(), MOST_PROBLEMS);
    }
}
