//! What a mailbox holds, by STAT, LIST and UIDL. A server that lies about one message is believed about the others.

use super::session::{Job, next};
use super::words::{Listed, Uid};
use crate::protocol::pop3::listing::counts;
use crate::protocol::pop3::words::{Answer, ClientTell, Command};
use std::collections::BTreeMap;

/// Most messages that are told by STAT alone, where LIST is refused or leaves some out.
const MOST_UNLISTED: u32 = 10_000;
/// How much of an id that is none is shown, in octets.
const MOST_SAID: usize = 100;
/// Most things that are complained of.
const MOST_PROBLEMS: usize = 10;

/// Collects it.
#[derive(Debug)]
pub struct Listing {
    /// Still to be asked, in this order.
    asking: Vec<Command>,
    /// Commands whose answers did not end yet.
    due: usize,
    counts: Option<(u32, u64)>,
    messages: BTreeMap<u32, Message>,
    /// What the server says that cannot be, one line each.
    problems: Vec<String>,
}

#[derive(Debug, Default)]
struct Message {
    size: Option<u64>,
    uid: Option<Uid>,
    /// What UIDL named it first, where that is none.
    said: Option<Box<str>>,
    /// UIDL named it.
    named: bool,
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
        Listing { asking, due: 0, counts: None, messages: BTreeMap::new(), problems: Vec::new() }
    }

    pub fn is_done(&self) -> bool {
        self.asking.is_empty() && self.due == 0
    }

    /// Messages, and octets, as STAT counts them.
    pub fn counts(&self) -> Option<(u32, u64)> {
        self.counts
    }

    /// By their numbers. Call it once all is answered.
    pub fn messages(&mut self) -> Vec<Listed> {
        let listed = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        if let Some((count, _)) = self.counts.filter(|(count, _)| *count > listed) {
            if count - listed <= MOST_UNLISTED {
                for number in 1..=count {
                    self.messages.entry(number).or_default();
                }
            } else {
                self.complain(format!("the server counts {count} messages and lists {listed}"));
            }
        }
        let listed = |(number, message): (&u32, &Message)| Listed {
            number: *number,
            size: message.size,
            uid: message.uid.clone(),
            said: message.said.clone(),
        };
        self.messages.iter().map(listed).collect()
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
        if !self.exists(number, command) {
            return;
        }
        let message = self.messages.entry(number).or_default();
        if message.size.replace(octets).is_some_and(|before| before != octets) {
            self.complain(format!("LIST has message {number} twice"));
        }
    }

    fn uid(&mut self, number: u32, uid: &[u8], command: Command) {
        if self.exists(number, command) {
            let message = self.messages.entry(number).or_default();
            // Of two ids neither is known to be its own.
            message.uid = Uid::new(uid).filter(|_| !message.named);
            if message.uid.is_none() {
                let uid = &uid[..uid.len().min(MOST_SAID)];
                message.said.get_or_insert_with(|| String::from_utf8_lossy(uid).into());
            }
            message.named = true;
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(stat: &str, sizes: &[(u32, u64)], uids: &[(u32, &str)]) -> Listing {
        let mut listing = Listing::new();
        while matches!(listing.next(), ClientTell::Do(_)) {}
        listing.answer(Command::Stat, Answer::Ok(stat.to_owned()));
        for &(number, octets) in sizes {
            listing.answer(Command::List, Answer::Size { number, octets });
        }
        listing.answer(Command::List, Answer::End);
        for (number, uid) in uids {
            listing.answer(Command::Uidl, Answer::Uid { number: *number, uid: uid.as_bytes().to_vec() });
        }
        listing.answer(Command::Uidl, Answer::End);
        assert!(listing.is_done());
        listing
    }

    fn shown(listing: &mut Listing) -> Vec<String> {
        let uid = |listed: &Listed| listed.uid.as_ref().map_or("-".to_owned(), ToString::to_string);
        let size = |listed: &Listed| listed.size.map_or("-".to_owned(), |size| size.to_string());
        listing.messages().iter().map(|listed| format!("{} {} {}", listed.number, size(listed), uid(listed))).collect()
    }

    #[test]
    fn a_lie_about_one_message_is_no_lie_about_the_others() {
        let long = "x".repeat(300);
        let mut mailbox = listing(
            "4 400",
            &[(1, 100), (2, 100), (2, 200), (9, 1)],
            &[(1, "a"), (2, &long), (3, "b"), (3, "c"), (4, "d\x1b"), (7, "z")],
        );
        assert_eq!(shown(&mut mailbox), ["1 100 a", "2 200 -", "3 - -", "4 - -"]);
        let said: Vec<usize> = mailbox.messages().iter().map(|listed| listed.name().map_or(0, str::len)).collect();
        assert_eq!(said, [1, MOST_SAID, 1, 2], "what is no id is shown, though not without end");
        let told = mailbox.problems().join("\n");
        assert!(told.contains("message 2 twice") && told.contains("message 9") && told.contains("message 7"), "{told}");
    }

    #[test]
    fn what_list_leaves_out_is_there_all_the_same() {
        let mut mailbox = listing("3 30", &[(2, 10)], &[]);
        assert_eq!(shown(&mut mailbox), ["1 - -", "2 10 -", "3 - -"]);
        let mut mailbox = listing("4294967295 1", &[(1, 10)], &[]);
        assert_eq!((shown(&mut mailbox).len(), mailbox.problems().len()), (1, 1), "no memory for what was only claimed");
    }

    #[test]
    fn a_server_that_lies_all_day_is_complained_of_a_few_times() {
        let mut mailbox = listing("1 1", &[], &[]);
        for _ in 0..1000 {
            mailbox.answer(Command::List, Answer::BadRow(b"nonsense".to_vec()));
        }
        assert_eq!(mailbox.problems().len(), MOST_PROBLEMS);
    }
}
