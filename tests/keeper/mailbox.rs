//! A POP3 mailbox without a protocol: what sessions see of it, and what they may do to it.

use jiff::Timestamp;
use postroad::disk::real::Real;
use postroad::fetch::keeper::{Keeper, Options};
use postroad::fetch::policy::Policy;
use postroad::fetch::settle;
use postroad::fetch::target::Target;
use postroad::fetch::target::maildir::IntoMaildir;
use postroad::fetch::words::{Listed, Outcome, Plan, Row, Uid};
use postroad::relay::clock::Clock;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

pub const BEGIN: i64 = 1_795_341_600;
pub const DAY: i64 = 24 * 3600;

/// A clock that is turned by hand.
pub struct Hand(pub AtomicI64);

impl Hand {
    pub fn turn(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// What stands on the server: unique-id as UIDL gives it, and text.
#[derive(Clone, Default)]
pub struct Mailbox {
    pub messages: Vec<(Vec<u8>, Vec<u8>)>,
    pub has_uidl: bool,
    /// Every size is listed as one octet.
    pub lies: bool,
}

/// How a session ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    Quit,
    /// Lost before QUIT was answered: nothing is deleted.
    Lost,
    /// Lost after QUIT was sent: deleted it is, and nobody said so.
    Unanswered,
    /// The tool is killed before the last commit.
    Killed,
}

/// A place for a mailbox, a journal and a Maildir.
pub struct Home {
    pub dir: tempfile::TempDir,
    pub clock: Hand,
    pub mailbox: Mailbox,
    pub told: Vec<String>,
}

impl Mailbox {
    pub fn of(messages: &[(&str, &str)]) -> Mailbox {
        let messages = messages.iter().map(|(uid, text)| (uid.as_bytes().to_vec(), text.as_bytes().to_vec())).collect();
        Mailbox { messages, has_uidl: true, lies: false }
    }

    fn listed(&self) -> Vec<Listed> {
        let listed = |(n, (uid, text)): (usize, &(Vec<u8>, Vec<u8>))| Listed {
            number: n as u32 + 1,
            size: Some(if self.lies { 1 } else { text.len() as u64 }),
            uid: Uid::new(uid).filter(|_| self.has_uidl),
            said: None,
        };
        self.messages.iter().enumerate().map(listed).collect()
    }

    /// One session, in pieces of seven octets.
    pub fn session(&mut self, mut keeper: Keeper<'_>, end: End) -> Vec<Row> {
        let plans = keeper.plan(&self.listed(), &mut |_| unreachable!("few"));
        let mut deleted = Vec::new();
        let mut commit = |keeper: &mut Keeper<'_>| {
            for number in keeper.commit() {
                keeper.deleted(number, true);
                deleted.push(number);
            }
        };
        for (n, plan) in plans.iter().enumerate() {
            let (number, text) = (n as u32 + 1, &self.messages[n].1);
            let plan = if *plan == Plan::Header { keeper.header(number, header(text), true) } else { *plan };
            if plan == Plan::Fetch && keeper.stop().is_none() {
                let _ = keeper.begin(number);
                text.chunks(7).for_each(|piece| keeper.push(piece));
                keeper.end();
            }
            if keeper.full() {
                commit(&mut keeper);
            }
        }
        if end == End::Killed {
            std::mem::forget(keeper);
            return Vec::new();
        }
        commit(&mut keeper);
        if end != End::Lost {
            keeper.quit();
        }
        keeper.updated(end == End::Quit);
        if end != End::Lost {
            let mut number = 0;
            self.messages.retain(|_| {
                number += 1;
                !deleted.contains(&number)
            });
        }
        keeper.rows()
    }
}

fn header(text: &[u8]) -> &[u8] {
    let end = text.windows(4).position(|window| window == b"\r\n\r\n").map_or(text.len(), |at| at + 4);
    &text[..end]
}

impl Home {
    pub fn new(messages: &[(&str, &str)]) -> Home {
        let dir = tempfile::tempdir().unwrap();
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(dir.path().join("mail").join(part)).unwrap();
        }
        Home { dir, clock: Hand(AtomicI64::new(BEGIN)), mailbox: Mailbox::of(messages), told: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Into the Maildir.
    pub fn fetch(&mut self, policy: Policy) -> Vec<Row> {
        self.fetch_until(policy, End::Quit)
    }

    pub fn fetch_until(&mut self, policy: Policy, end: End) -> Vec<Row> {
        let journal = self.journal();
        let target = IntoMaildir::open(Real::shared(), &self.path("mail"), "mx.test", &journal).unwrap();
        let options = Options { policy, filter: None, clock: &self.clock };
        self.mailbox.session(Keeper::new(options, Box::new(target), Some(journal)), end)
    }

    /// Into another target.
    pub fn fetch_into(&mut self, target: Box<dyn Target>, policy: Policy) -> Vec<Row> {
        let journal = self.journal();
        let options = Options { policy, filter: None, clock: &self.clock };
        self.mailbox.session(Keeper::new(options, target, Some(journal)), End::Quit)
    }

    pub fn journal(&mut self) -> postroad::disk::journal::Journal {
        let (journal, told) =
            settle::open(Real::shared(), &self.path("state/journal"), "bob@server", self.clock.now().as_second(), &|| false)
                .unwrap();
        self.told = told;
        journal
    }

    /// The lock of a run that was not really killed goes with the file.
    pub fn bury(&self) {
        let (path, copy) = (self.path("state/journal"), self.path("state/copy"));
        std::fs::copy(&path, &copy).unwrap();
        std::fs::rename(&copy, &path).unwrap();
    }

    /// The texts in `new`, sorted.
    pub fn delivered(&self) -> Vec<String> {
        let mut texts: Vec<String> = files(&self.path("mail/new")).iter().map(|path| read(path)).collect();
        texts.sort();
        texts
    }
}

pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Outcomes in order of the rows.
pub fn outcomes(rows: &[Row]) -> Vec<Outcome> {
    rows.iter().map(|row| row.outcome).collect()
}
