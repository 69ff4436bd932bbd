//! What is watched, and commands of extensions that have no other: what is switched on, where mailboxes stand, what the server is to tell.

use super::kinds::{Plan, PlanError, View};
use super::{Planner, mod_seq};
use crate::browse::flags::is_atom;
use crate::browse::watch::{Group, Watch, notify, notify_as_before, notify_none};
use crate::browse::words::Word;

impl Planner<'_> {
    pub(super) fn of_extensions(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        match name {
            "enable" => self.enable(words),
            "namespace" => {
                self.offered("NAMESPACE")?;
                if words.is_empty() { Ok(Self::send([self.line("NAMESPACE")], View::Namespaces)) } else { self.usage() }
            }
            "notify" => self.notify(words),
            "watch" => self.watch(words),
            _ => self.changes(words),
        }
    }

    /// What is done with the selected mailbox as a whole.
    pub(super) fn at_once(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let mailbox = self.selected()?;
        let capabilities = self.context.capabilities;
        match (name, words) {
            // RFC 9051 appendix E: the second revision has NOOP alone.
            ("check", []) if capabilities.is_rev2() && !capabilities.has("IMAP4rev1") => {
                Err(PlanError::NotOffered("CHECK, for which IMAP4rev2 has NOOP: say noop"))
            }
            ("check", []) => Ok(Self::send([self.line("CHECK")], View::News)),
            ("close", []) if capabilities.offers("UNSELECT") => Ok(Self::send([self.line("UNSELECT")], View::Nothing)),
            // RFC 3501 section 6.4.2: CLOSE removes nothing from what is open to be read only.
            ("close", []) if self.context.examined => Ok(Self::send([self.line("CLOSE")], View::Nothing)),
            ("close", []) => Ok(Self::send([self.line("EXAMINE").mailbox(mailbox)?, self.line("CLOSE")], View::Nothing)),
            ("close", [option]) if option.is("--expunge") => Ok(Self::send([self.line("CLOSE")], View::Nothing)),
            _ => self.usage(),
        }
    }

    /// `enable = "ENABLE" 1*(SP capability)` (RFC 5161)
    fn enable(&self, words: &[Word]) -> Result<Plan, PlanError> {
        self.offered("ENABLE")?;
        let mut line = self.line("ENABLE");
        for word in words {
            if !is_atom(&word.text) {
                return Err(PlanError::Word(word.text.clone(), "no capability; those are like CONDSTORE or UTF8=ACCEPT"));
            }
            line = line.word(&word.text);
        }
        if words.is_empty() {
            self.usage()
        } else {
            Ok(Self::send([line], View::Enabled(words.iter().map(|word| word.text.clone()).collect())))
        }
    }

    /// RFC 5465.
    fn notify(&self, words: &[Word]) -> Result<Plan, PlanError> {
        self.offered("NOTIFY")?;
        let encoding = self.context.encoding;
        let groups: Vec<Group> = words.iter().map(Group::named).collect();
        let line = match words {
            [] => return self.usage(),
            [word] if word.is("none") => notify_none(encoding),
            [word] if word.is("default") => notify_as_before(encoding),
            _ => {
                // Mailboxes that are none are passed over with OK, so each is asked for, and says how it stands.
                let named = groups.iter().filter_map(|group| match group {
                    Group::Mailbox(name) => Some(self.line("STATUS").mailbox(name)),
                    Group::Filter(_) => None,
                });
                let asks = named.map(|line| Ok(line?.word("(MESSAGES UIDNEXT UIDVALIDITY)")));
                let mut lines = asks.collect::<Result<Vec<_>, PlanError>>()?;
                lines.push(notify(groups.iter().any(Group::has_others), &groups, encoding)?);
                return Ok(Self::send(lines, View::Counts));
            }
        };
        Ok(Self::send([line], View::Counts))
    }

    fn watch(&self, words: &[Word]) -> Result<Plan, PlanError> {
        let Some(watch) = Watch::asked(words)? else { return self.usage() };
        if watch.mailboxes.is_empty() {
            self.selected()?;
        }
        Ok(Plan::Watch(watch))
    }

    /// RFC 7162 section 3.1.4.1, with section 3.2.6 where QRESYNC is on.
    fn changes(&self, words: &[Word]) -> Result<Plan, PlanError> {
        let (since, set) = match words {
            [since] => (since, Word::plain("all")),
            [since, set] => (since, set.clone()),
            _ => return self.usage(),
        };
        self.offered("CONDSTORE")?;
        let since = mod_seq(since)?;
        let set = self.set(&set)?;
        let vanished = if self.context.qresync { " VANISHED" } else { "" };
        let line = self.line("UID FETCH").word(&set.set.to_string()).word("(UID FLAGS)");
        Ok(Self::send([line.word(&format!("(CHANGEDSINCE {since}{vanished})"))], View::Messages))
    }
}
