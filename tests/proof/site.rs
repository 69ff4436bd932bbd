//! A site whose mail all ends where it can be counted: a spool, a user with a Maildir, an alias, and routes to a [`Sink`]. Each test program uses a part
//! of it.

#![allow(dead_code)]

use crate::letters::{self, Letter};
use crate::process::{Listener, run, tool};
use crate::sink::{Arrived, NOBODY, Sink};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::ops::AddAssign;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

pub const SENDER: &str = "alice@lettuce.test";
/// An alias, and whom it stands for.
const ALIAS: (&str, &str) = ("team@crepes.test", "erin@hamburger.test");
/// Whose mail a program takes, which keeps only what is whole.
pub const PIPED: &str = "fred@pipes.test";
/// Whom the Maildirs belong to where root delivers and becomes somebody else: "nobody".
const SOMEBODY: u32 = 65534;
/// Most rounds of passes that a queue of ours may take.
const ROUNDS: usize = 20;

pub struct Site {
    _dir: tempfile::TempDir,
    config: PathBuf,
    /// Holds spool and Maildirs, and nothing else.
    pub tree: PathBuf,
    pub sink: Sink,
}

/// A message on its way in.
#[derive(Debug, Clone)]
pub struct Sent {
    pub number: u32,
    pub recipients: Vec<String>,
    pub answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 250, or the status that says as much.
    Taken,
    /// Told that it was not taken.
    Refused,
    /// None: the other side died.
    None,
}

/// What became of many messages, a recipient at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub messages: usize,
    pub acknowledged: usize,
    /// Recipients of those: in a Maildir or taken by the server.
    pub delivered: usize,
    /// Recipients of those whom a report names.
    pub bounced: usize,
    /// Recipients of those of whom nothing is known.
    pub lost: usize,
    /// Copies beyond the first.
    pub duplicates: usize,
    /// Copies that were taken by the server when the client died: each may come again.
    pub in_flight: usize,
    /// Duplicates that no death explains.
    pub unexplained: usize,
}

/// Copies that one recipient has of one message.
#[derive(Debug, Default, Clone, Copy)]
struct Copies {
    count: usize,
    in_flight: usize,
}

/// By message and recipient.
type Delivered = BTreeMap<(u32, String), Copies>;

impl Site {
    pub fn new(sink: &Sink) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (config, aliases, tree) = (dir.path().join("config.toml"), dir.path().join("aliases"), dir.path().join("tree"));
        fs::create_dir_all(tree.join("mail")).unwrap();
        fs::write(&aliases, format!("{}: {}\n", ALIAS.0.split('@').next().unwrap(), ALIAS.1)).unwrap();
        let mut text = format!(
            "hostname = \"mx.crepes.test\"\ndomains = [\"crepes.test\"]\nspool = \"{}\"\nrelay-from = [\"127.0.0.0/8\"]\n\
             [local]\nmaildir = \"{}/{{user}}\"\nusers = [\"dave\"]\naliases = \"{}\"\n",
            tree.join("spool").display(),
            tree.join("mail").display(),
            aliases.display(),
        );
        let program = dir.path().join("take");
        let take = "#!/bin/sh\nset -e\nf=$(mktemp \"$0\"n/.XXXXXX)\ncat > \"$f\"\ntail -n 1 \"$f\" | grep -q '^end of' || exit 75\nmv \"$f\" \"$0\"n/\"${f##*.}\"\n";
        fs::write(&program, take).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        // As root, programs are started as somebody else.
        fs::create_dir(dir.path().join("taken")).unwrap();
        fs::set_permissions(dir.path().join("taken"), Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        text += &format!("[[route]]\nmatch = \"pipes.test\"\nto = \"pipe:{}\"\n", program.display());
        for (domain, scheme) in [("hamburger.test", "smtp"), ("lettuce.test", "smtp"), ("pickle.test", "lmtp")] {
            text += &format!("[[route]]\nmatch = \"{domain}\"\nto = \"{scheme}://{}\"\n", sink.address);
        }
        fs::write(&config, text).unwrap();
        Site { _dir: dir, config, tree, sink: sink.clone() }
    }

    /// Gives the Maildirs to somebody else, so that root stores mail by a child that becomes them.
    pub fn of_somebody_else(self) -> Site {
        chown(self.tree.join("mail"), Some(SOMEBODY), None).unwrap();
        self
    }

    pub fn spool(&self) -> PathBuf {
        self.tree.join("spool")
    }

    /// `--config FILE --log none`
    pub fn common(&self) -> Vec<String> {
        ["--config", &self.config.display().to_string(), "--log", "none"].map(String::from).to_vec()
    }

    pub fn listener(&self) -> Listener {
        let common = self.common();
        Listener::start(&common.iter().map(String::as_str).collect::<Vec<_>>(), &self.complaints_path())
    }

    /// Where the tools' stderr is collected.
    pub fn complaint_file(&self) -> fs::File {
        fs::OpenOptions::new().create(true).append(true).open(self.complaints_path()).unwrap()
    }

    pub fn complaints(&self) -> String {
        fs::read_to_string(self.complaints_path()).unwrap_or_default()
    }

    fn complaints_path(&self) -> PathBuf {
        self.config.with_file_name("complaints")
    }

    pub fn mailq(&self, arguments: &[&str]) -> Command {
        let mut command = tool("mailq-run");
        command.args(&self.common()[..2]).args(arguments);
        command
    }

    /// Passes without any fault until nothing waits any more, and nothing is wrong with the spool.
    pub fn settle(&self) {
        for _ in 0..ROUNDS {
            if self.waiting().is_empty() {
                let checked = run(&mut self.mailq(&["check"]), b"");
                return assert_eq!((checked.status, &*checked.err), (0, ""), "{checked:?}");
            }
            for arguments in [&["retry", "--all"][..], &["--log", "none"]] {
                let ran = run(&mut self.mailq(arguments), b"");
                assert_eq!(
                    (ran.status, &*ran.err),
                    (0, ""),
                    "mailq-run {arguments:?} without a fault; left: {:?}",
                    self.waiting()
                );
            }
        }
        assert_eq!(self.waiting(), [""; 0].map(PathBuf::from), "left after {ROUNDS} rounds");
    }

    /// All files that hold a message or a part of one, wherever they stand in the spool.
    pub fn waiting(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for name in ["new", "due", "staged", "hold", "failed", "corrupt"] {
            files(&self.spool().join(name), &mut found);
        }
        found.retain(|path| !is_draft(path));
        found
    }

    /// How many files there are that no reader takes: the rest of something that was cut off.
    pub fn drafts(&self) -> usize {
        let mut found = Vec::new();
        files(&self.spool(), &mut found);
        found.iter().filter(|path| is_draft(path)).count()
    }

    /// Looks at all that arrived. Panics at what may never be: something torn, of unknown origin, told twice of, or half a message's
    /// recipients served of one that was not acknowledged.
    pub fn tally(&self, sent: &[Sent]) -> Tally {
        let (delivered, reports) = (self.delivered(), self.reports());
        let mut tally = Tally { messages: sent.len(), ..Tally::default() };
        let (mut known, mut told) = (0, 0);
        for message in sent {
            let mut served = Vec::new();
            for recipient in &message.recipients {
                let bounces = recipient.starts_with(NOBODY);
                let end = if *recipient == ALIAS.0 { ALIAS.1 } else { recipient };
                let copies = if bounces { &reports } else { &delivered }.get(&(message.number, end.to_owned()));
                *if bounces { &mut told } else { &mut known } += usize::from(copies.is_some());
                served.push(copies.is_some());
                match (message.answer, copies) {
                    (Answer::Refused, Some(_)) => panic!("{message:?} was refused, and came to {recipient}"),
                    (Answer::Taken, Some(_)) if bounces => tally.bounced += 1,
                    (Answer::Taken, Some(_)) => tally.delivered += 1,
                    (Answer::Taken, None) => tally.lost += 1,
                    (Answer::Refused | Answer::None, _) => {}
                }
                tally.count(copies.copied().unwrap_or_default());
            }
            let all_or_none = served.iter().all(|one| *one == served[0]);
            assert!(message.answer == Answer::Taken || all_or_none, "half of {message:?} was there: {served:?}");
            tally.acknowledged += usize::from(message.answer == Answer::Taken);
        }
        assert_eq!((known, told), (delivered.len(), reports.len()), "came to somebody else: {delivered:?} {reports:?}");
        tally
    }

    fn delivered(&self) -> Delivered {
        let mut delivered = Delivered::new();
        for Arrived { letter, recipient, last_words } in self.sink.arrived() {
            if let Letter::Message(number) = letter {
                delivered.entry((number, recipient)).or_default().add(last_words);
            }
        }
        for (dir, whose) in [(self.tree.join("mail/dave/new"), "dave@crepes.test"), (self.config.with_file_name("taken"), PIPED)]
        {
            let mut paths = Vec::new();
            files(&dir, &mut paths);
            for path in paths.iter().filter(|path| !is_draft(path)) {
                match letters::read(&fs::read(path).unwrap()) {
                    Ok(Letter::Message(number)) => delivered.entry((number, whose.to_owned())).or_default().add(false),
                    other => panic!("{}: {other:?}", path.display()),
                }
            }
        }
        delivered
    }

    /// Of whom the sender was told.
    fn reports(&self) -> Delivered {
        let mut names: BTreeMap<(u32, String), String> = BTreeMap::new();
        let mut reports = Delivered::new();
        for Arrived { letter, recipient, last_words } in self.sink.arrived() {
            let Letter::Report { name, about, of } = letter else { continue };
            assert_eq!(recipient, SENDER, "a report to somebody else");
            for of in of {
                let key = (about, of);
                let first = names.entry(key.clone()).or_insert_with(|| name.clone());
                assert_eq!(*first, name, "two reports of {key:?}");
                reports.entry(key).or_default().add(last_words);
            }
        }
        reports
    }
}

impl Copies {
    fn add(&mut self, in_flight: bool) {
        self.count += 1;
        self.in_flight += usize::from(in_flight);
    }
}

impl Tally {
    fn count(&mut self, copies: Copies) {
        let duplicates = copies.count.saturating_sub(1);
        self.duplicates += duplicates;
        self.in_flight += copies.in_flight;
        self.unexplained += duplicates.saturating_sub(copies.in_flight);
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.messages += other.messages;
        self.acknowledged += other.acknowledged;
        self.delivered += other.delivered;
        self.bounced += other.bounced;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.in_flight += other.in_flight;
        self.unexplained += other.unexplained;
    }
}

fn is_draft(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// The files below a directory, which need not be there.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}
