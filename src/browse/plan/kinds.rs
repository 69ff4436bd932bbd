//! What a plan is made with, and made of.

use crate::browse::asked::Asked;
use crate::browse::criteria::CriteriaError;
use crate::browse::day::DayError;
use crate::browse::flags::FlagError;
use crate::browse::items::ItemError;
use crate::browse::line::{Encoding, Line, LineError};
use crate::browse::order::OrderError;
use crate::browse::set::{Set, SetError};
use crate::browse::watch::Watch;
use crate::browse::words::WordError;
use crate::protocol::imap::capabilities::Capabilities;
use jiff::civil::Date;
use std::path::PathBuf;

/// What is known when a command is typed.
#[derive(Debug)]
pub struct Context<'a> {
    pub encoding: Encoding,
    pub today: Date,
    pub capabilities: &'a Capabilities,
    /// The mailbox that is selected.
    pub selected: Option<&'a str>,
    /// What the last search found there; `$` stands for it.
    pub found: Option<&'a Set>,
    /// QRESYNC was enabled.
    pub qresync: bool,
    /// Reading may set `\Seen`.
    pub seen: bool,
    /// Mailboxes are opened to be read only, whatever is typed.
    pub read_only: bool,
    /// The selected mailbox is open to be read only.
    pub examined: bool,
}

/// How the answers are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// Only whether it was done.
    Nothing,
    /// Every untagged response as it came.
    Raw,
    Mailboxes,
    Tree,
    /// The same for ourselves: held until all of them are known.
    Held,
    /// Mailbox and what STATUS says.
    Counts,
    /// UIDs, which `$` stands for afterwards.
    Found,
    /// The same for ourselves: nothing is shown.
    Present,
    /// The server keeps what it found as `$`.
    Saved,
    /// How many were found.
    Count,
    /// Both.
    SavedCount,
    /// What was switched on of these.
    Enabled(Vec<String>),
    /// What is new, as a watch tells it.
    News,
    Namespaces,
    Threads,
    Messages,
    Rights,
    Quotas,
    Notes,
    Server,
    /// The mailbox that is being selected.
    Selected,
}

/// What a message, or a part of it, is read for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Take {
    /// Its header, as it stands there.
    Header,
    /// To be read by people: fields that matter, text decoded.
    Text,
    /// Into a file, or a directory under the name that the part has.
    File(PathBuf),
}

/// How the server lets it be known which of the messages that were asked for there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Each has its row.
    Rows,
    /// Those that have no row, or are not named in COPYUID, are searched for.
    Search,
    /// Nothing tells afterwards: they are searched for first.
    Before,
    /// They are gone when it is done: COPYUID names them, or nothing was removed.
    Moved,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    Maildir,
    Mbox,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    File(PathBuf),
    Stdin,
    Maildir(PathBuf),
    Mbox(PathBuf),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing: an empty line, a comment.
    Rest,
    /// Lines one after the other, each once the one before was granted.
    Send {
        lines: Vec<Line>,
        view: View,
        /// The messages that they name.
        asked: Option<(Asked, Proof)>,
    },
    /// Counts of some mailboxes, and of those that patterns match, one by one.
    EachListed {
        lines: Vec<Line>,
        patterns: Vec<Line>,
        items: String,
    },
    Read {
        uid: u32,
        part: Option<String>,
        take: Take,
    },
    Export {
        asked: Asked,
        store: Store,
        path: PathBuf,
    },
    Append {
        from: From,
        mailbox: String,
    },
    Select {
        line: Line,
        name: String,
        uid_validity: Option<u32>,
    },
    Watch(Watch),
    Capabilities,
    /// The lines of the command behind it.
    Explain(Box<Plan>),
    Help(Option<String>),
    Quit,
}

impl Plan {
    /// IDLE by hand, whose answers are wanted as they come.
    pub fn is_idle(&self) -> bool {
        matches!(self, Plan::Send { lines, view: View::Raw, .. } if lines.iter().any(|line| line.shown().eq_ignore_ascii_case("IDLE")))
    }

    /// It sends one command that has no literal from a file, and whatever is answered asks for no other.
    pub fn is_one_question(&self) -> bool {
        match self {
            Plan::Export { .. } | Plan::Read { part: None, .. } => true,
            Plan::Send { lines, view, asked } => {
                let asks = matches!(
                    view,
                    View::Mailboxes | View::Tree | View::Counts | View::Found | View::Count | View::Threads | View::Messages
                );
                asks && lines.len() == 1 && asked.as_ref().is_none_or(|(_, proof)| *proof == Proof::Rows)
            }
            _ => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("{0}: no command{1}; `help` lists them")]
    Unknown(String, String),
    #[error("usage: {0}")]
    Usage(&'static str),
    #[error("no mailbox is selected: say select MAILBOX first")]
    NoMailbox,
    #[error("nothing was searched for in this mailbox, so there is no $")]
    NothingFound,
    #[error("the search found nothing, so $ names no message")]
    FoundNothing,
    #[error("the server does not offer {0}")]
    NotOffered(&'static str),
    #[error("{0} would change something, and --read-only is given")]
    ReadOnly(String),
    #[error("{0} would change the mailbox, which is open to be read only: say select MAILBOX first")]
    Examined(String),
    #[error("one message at a time: its UID, as 5")]
    One,
    #[error("{0:?}: no part; those are like 1 or 2.1")]
    PartNumber(String),
    #[error("a line end or a NUL within a raw line")]
    LineEnd,
    #[error("a literal comes from a file here: say {{<FILE}} in place of {0}")]
    Literal(String),
    #[error("{0:?}: no special use; those are all, archive, drafts, flagged, important, junk, sent, trash")]
    Use(String),
    #[error("{0:?}: {1}")]
    Word(String, &'static str),
    #[error(transparent)]
    Day(#[from] DayError),
    #[error(transparent)]
    Words(#[from] WordError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Flag(#[from] FlagError),
    #[error(transparent)]
    Line(#[from] LineError),
    #[error(transparent)]
    Criteria(#[from] CriteriaError),
    #[error(transparent)]
    Order(#[from] OrderError),
    #[error(transparent)]
    Item(#[from] ItemError),
}
