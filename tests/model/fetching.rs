//! A mailbox that is fetched: every crash point of a run, every subset of what was not synced, and the next run against what the server has
//! left. Each message is delivered once.

use crate::crash::{Image, Reach, images};
use crate::disk::{Disk, Effect, Fault, Process, path};
use crate::seen::Note;
use crate::stage::{Kind, disk};
use crate::tree::{Node, Tree};
use jiff::Timestamp;
use postroad::disk::mbox::Mbox;
use postroad::fetch::keeper::{Keeper, Options};
use postroad::fetch::policy::{Disposal, Policy};
use postroad::fetch::settle;
use postroad::fetch::target::Target;
use postroad::fetch::target::maildir::IntoMaildir;
use postroad::fetch::target::mbox::IntoMbox;
use postroad::fetch::words::{Listed, Plan, Stop, Uid};
use postroad::relay::clock::Clock;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

const BEGIN: i64 = 1_795_341_600;
/// A dotlock that was torn is old by then.
const LATER: i64 = 400;
/// So many messages a commit.
const BATCH: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Into {
    Maildir,
    Mbox,
}

/// What is played: one session after the other.
pub struct Trace {
    pub name: &'static str,
    pub into: Into,
    pub sessions: &'static [Session],
    /// Without UIDL.
    pub nameless: bool,
    /// What the journal is made to look like before the first crash can come, after so many sessions.
    pub damaged_after: usize,
}

/// One session.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// Messages up to this one have come by then.
    pub newest: usize,
    pub disposal: Disposal,
    /// Whether QUIT is answered.
    pub quits: bool,
}

const fn session(newest: usize, disposal: Disposal, quits: bool) -> Session {
    Session { newest, disposal, quits }
}

const fn trace(name: &'static str, into: Into, sessions: &'static [Session]) -> Trace {
    Trace { name, into, sessions, nameless: false, damaged_after: 0 }
}

pub const ALL: &[Trace] = &[
    trace("fetched and deleted", Into::Maildir, &[session(3, Disposal::Delete, true)]),
    trace("lost before QUIT", Into::Maildir, &[session(2, Disposal::Delete, false), session(3, Disposal::Delete, true)]),
    trace("kept", Into::Maildir, &[session(1, Disposal::Keep, true), session(2, Disposal::Keep, true)]),
    Trace {
        nameless: true,
        ..trace("without UIDL", Into::Maildir, &[session(1, Disposal::Keep, true), session(2, Disposal::Delete, true)])
    },
    Trace {
        damaged_after: 1,
        ..trace("a damaged journal", Into::Maildir, &[session(1, Disposal::Keep, true), session(2, Disposal::Keep, true)])
    },
    trace("into an mbox", Into::Mbox, &[session(3, Disposal::Delete, true)]),
    trace("into an mbox, and kept", Into::Mbox, &[session(1, Disposal::Keep, true), session(2, Disposal::Keep, true)]),
];

/// The last run of a trace, which has to find all that it wants.
pub struct Judge<'a> {
    trace: &'a Trace,
    kind: Kind,
    reach: Reach,
    known: HashSet<(u64, u64, u32)>,
    pub states: u64,
    pub different: u64,
}

struct At<'a>(&'a Disk, i64);

impl Clock for At<'_> {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.now().as_second() + self.1).unwrap()
    }
}

/// What stands on the server: numbers of messages.
type Server = BTreeSet<usize>;

fn text(message: usize) -> String {
    format!("Subject: m{message}\r\n\r\nFrom here on {}\r\n", "x".repeat(120))
}

impl Trace {
    fn count(&self) -> usize {
        self.sessions.iter().map(|session| session.newest).max().unwrap_or(0)
    }

    fn target(&self, process: &Process, journal: &postroad::disk::journal::Journal) -> Result<Box<dyn Target>, Stop> {
        Ok(match self.into {
            Into::Maildir => Box::new(IntoMaildir::open(process.fs(), &path("/mail"), "mx", journal)?),
            Into::Mbox => Box::new(IntoMbox::open(process.fs(), &path("/mail/box"), &|| false)?),
        })
    }

    /// One run of the tool against `server`; notes what is deleted there.
    fn run(&self, disk: &Arc<Disk>, process: &Process, server: &mut Server, session: Session, later: i64) -> Result<(), String> {
        let clock = At(disk, later);
        let text_of = |stop: Stop| stop.text;
        let (journal, _) =
            settle::open(process.fs(), &path("/state/postroad/journal"), "bob@server", clock.now().as_second(), &|| false)
                .map_err(text_of)?;
        let target = self.target(process, &journal).map_err(text_of)?;
        let policy = Policy { disposal: session.disposal, ..Policy::default() };
        let mut keeper = Keeper::new(Options { policy, filter: None, clock: &clock }, target, Some(journal));
        let there: Vec<usize> = server.iter().copied().filter(|message| *message <= session.newest).collect();
        let listed = |(n, message): (usize, &usize)| Listed {
            number: n as u32 + 1,
            size: None,
            uid: Uid::new(format!("u{message}").as_bytes()).filter(|_| !self.nameless),
            said: None,
        };
        let plans = keeper.plan(&there.iter().enumerate().map(listed).collect::<Vec<_>>(), &mut |_| unreachable!("few"));
        let mut deleted = Vec::new();
        let mut commit = |keeper: &mut Keeper<'_>| {
            for number in keeper.commit() {
                keeper.deleted(number, true);
                deleted.push(there[number as usize - 1]);
            }
        };
        let mut fetched = 0;
        for (n, plan) in plans.iter().enumerate() {
            if *plan == Plan::Fetch && keeper.begin(n as u32 + 1).is_ok() {
                keeper.push(text(there[n]).as_bytes());
                keeper.end();
                fetched += 1;
                if fetched % BATCH == 0 {
                    commit(&mut keeper);
                }
            }
        }
        commit(&mut keeper);
        // Whoever is dead sends no QUIT.
        let quits = session.quits && !process.is_dead();
        if quits {
            for message in deleted {
                server.remove(&message);
                disk.note(Note::Deleted { marker: message.to_string() });
            }
        }
        keeper.updated(quits);
        keeper.stop().map_or(Ok(()), |stop| Err(stop.text.clone()))
    }

    /// Plays all sessions, one of them with a fault; gives the disk, with a log that begins where crashes may come. Damage is done before.
    pub fn play(&self, kind: Kind, fault: Fault) -> (Arc<Disk>, Process) {
        let disk = disk(Tree::new(), BEGIN, kind);
        let maker = disk.process(0, Fault::None);
        maker.fs().make_dir(&path("/mail")).unwrap();
        for part in ["/mail/cur", "/mail/new", "/mail/tmp"] {
            maker.fs().make_dir(&path(part)).unwrap();
        }
        let mut server: Server = (1..=self.count()).collect();
        let (before, after) = self.sessions.split_at(self.damaged_after);
        for session in before {
            self.run(&disk, &maker, &mut server, *session, 0).unwrap();
        }
        let mut state = disk.lock();
        if let Some(ino) = state.tree.find(&path("/state/postroad/journal"))
            && let Node::File(content) = &mut state.tree.nodes[ino]
        {
            // A record that nobody needs.
            content.extend_from_slice(b"00000000 gone 99\n");
        }
        state.log.clear();
        state.base = state.tree.clone();
        drop(state);
        let process = disk.process(1, fault);
        for session in after {
            let ran = self.run(&disk, &process, &mut server, *session, 0);
            assert!(fault != Fault::None || ran.is_ok(), "{}: {ran:?}", self.name);
        }
        (disk, process)
    }

    /// The last session, once more and well.
    fn last(&self) -> Session {
        Session { quits: true, ..self.sessions[self.sessions.len() - 1] }
    }

    /// Each message that is to be there is there once, whole, and nothing else.
    fn verdict(&self, kind: Kind, tree: &Tree) -> Result<(), String> {
        let found = match self.into {
            Into::Maildir => in_maildir(kind, tree)?,
            Into::Mbox => in_mbox(tree)?,
        };
        let mut wanted: Vec<String> = (1..=self.count()).map(|message| text(message).replace('\r', "")).collect();
        wanted.sort();
        if found == wanted { Ok(()) } else { Err(format!("wanted {} messages, found {found:#?}", wanted.len())) }
    }
}

fn in_maildir(kind: Kind, tree: &Tree) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (path, ino) in tree.files() {
        let content = String::from_utf8_lossy(tree.file(ino).map_or(&[][..], Vec::as_slice)).into_owned();
        match path.as_str() {
            _ if path.starts_with("/mail/new/") => found.push(content),
            // A second name that a power cut brings back goes with the next run.
            _ if path.starts_with("/mail/") && (kind.modern || !path.starts_with("/mail/tmp/")) => {
                return Err(format!("{path} is left"));
            }
            _ => {}
        }
    }
    found.sort();
    Ok(found)
}

fn in_mbox(tree: &Tree) -> Result<Vec<String>, String> {
    let content = tree.find(&path("/mail/box")).and_then(|ino| tree.file(ino)).cloned().unwrap_or_default();
    let (mut mbox, mut found) = (Mbox::new(content.as_slice()), Vec::new());
    loop {
        let mut text = Vec::new();
        let more = mbox.next(&mut |piece| {
            text.extend_from_slice(piece);
            Ok(())
        });
        if !more.map_err(|error| error.to_string())? {
            found.sort();
            return Ok(found);
        }
        found.push(String::from_utf8_lossy(&text).into_owned());
    }
}

impl<'a> Judge<'a> {
    pub fn new(trace: &'a Trace, kind: Kind, reach: Reach) -> Judge<'a> {
        Judge { trace, kind, reach, known: HashSet::new(), states: 0, different: 0 }
    }

    /// Crashes in what was played, from an entry of the log on.
    pub fn crash(&mut self, disk: &Disk, from: usize, crashes: u32) -> Result<(), String> {
        let state = disk.lock();
        let (base, log) = (state.base.clone(), state.log.clone());
        drop(state);
        let server = (1..=self.trace.count()).collect();
        self.explore(&base, &log, from, &server, crashes)
    }

    fn explore(&mut self, base: &Tree, log: &[Effect], from: usize, server: &Server, crashes: u32) -> Result<(), String> {
        let mut server = server.clone();
        for end in 0..=log.len() {
            if let Some(Effect::Note(Note::Deleted { marker })) = end.checked_sub(1).map(|last| &log[last]) {
                server.retain(|message| message.to_string() != *marker);
            }
            if end < from {
                continue;
            }
            let mut found = Ok(());
            images(base, &log[..end], self.kind.modern, self.reach, &mut |image| {
                if found.is_ok() {
                    found = self.after(&image, &server, crashes).map_err(|why| story(&log[..end], &image, &why));
                }
            });
            found?;
        }
        Ok(())
    }

    fn after(&mut self, image: &Image, server: &Server, crashes: u32) -> Result<(), String> {
        self.states += 1;
        if !self.known.insert(key(&image.tree, server, crashes)) {
            return Ok(());
        }
        self.different += 1;
        let disk = disk(image.tree.clone(), BEGIN, self.kind);
        let mut left = server.clone();
        self.trace.run(&disk, &disk.process(9, Fault::None), &mut left, self.trace.last(), LATER)?;
        let state = disk.lock();
        self.trace.verdict(self.kind, &state.tree)?;
        if crashes > 1 {
            let (base, log) = (state.base.clone(), state.log.clone());
            drop(state);
            return self.explore(&base, &log, 0, server, crashes - 1).map_err(|why| format!("in the next run:\n{why}"));
        }
        Ok(())
    }

    /// What the next run makes of a disk that went through no crash.
    pub fn go_on(&self, disk: &Arc<Disk>) -> Result<(), String> {
        let mut server: Server = (1..=self.trace.count()).collect();
        for effect in &disk.lock().log {
            if let Effect::Note(Note::Deleted { marker }) = effect {
                server.retain(|message| message.to_string() != *marker);
            }
        }
        self.trace.run(disk, &disk.process(3, Fault::None), &mut server, self.trace.last(), LATER)?;
        self.trace.verdict(self.kind, &disk.lock().tree)
    }
}

fn key(tree: &Tree, server: &Server, crashes: u32) -> (u64, u64, u32) {
    let digest = |salt: u64| {
        let mut hash = DefaultHasher::new();
        hash.write_u64(salt);
        tree.digest(&mut hash);
        server.hash(&mut hash);
        hash.finish()
    };
    (digest(1), digest(2), crashes)
}

/// The counterexample.
fn story(log: &[Effect], image: &Image, why: &str) -> String {
    let lines: Vec<String> = log
        .iter()
        .enumerate()
        .map(|(at, effect)| {
            let fate = image
                .names
                .iter()
                .find(|(place, _)| *place == at)
                .map_or("", |(_, kept)| if *kept { " [kept]" } else { " [LOST]" });
            let shown = match effect {
                Effect::Write { ino, at, bytes } => format!("write file {ino} at {at}: {}", String::from_utf8_lossy(bytes)),
                other => format!("{other:?}"),
            };
            format!("  {shown}{fate}")
        })
        .collect();
    let data: Vec<String> = image.data.iter().map(|(ino, how)| format!("  -- file {ino}: {how}")).collect();
    format!("{}\n{}\n  => {why}", lines.join("\n"), data.join("\n"))
}
