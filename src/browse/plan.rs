//! What a typed command comes to: the lines of the protocol that it sends, and what is to be made of their answers. Nothing is sent here.

pub mod about;
pub mod extensions;
pub mod kinds;

use super::asked::Asked;
use super::criteria::{self, Terms, wants_charset};
use super::flags::Flag;
use super::items;
use super::line::{self, Line, Part};
use super::order;
use super::set::Set;
use super::words::{Parens, Word, one_line, verb, words};
use kinds::{Context, From, Plan, PlanError, Proof, Store, Take, View};
use std::path::PathBuf;

/// What a typed line is to do.
pub fn plan(typed: &str, context: &Context<'_>) -> Result<Plan, PlanError> {
    let typed = typed.trim();
    if typed.is_empty() || typed.starts_with('#') {
        return Ok(Plan::Rest);
    }
    if let Some(raw) = typed.strip_prefix('.') {
        return send_raw(raw, context);
    }
    let (name, rest) = verb(typed);
    let name = name.to_ascii_lowercase();
    let Some(command) = super::commands::named(&name) else {
        let near = super::commands::near(&name).map(|near| format!(" (is it {near}?)")).unwrap_or_default();
        return Err(PlanError::Unknown(name, near));
    };
    if name != "raw" {
        one_line(typed)?;
    }
    let planner = Planner { context, usage: command.usage };
    match name.as_str() {
        "raw" => return send_raw(rest, context),
        "explain" => return plan(rest, context).map(|plan| Plan::Explain(Box::new(plan))),
        "search" => return planner.search(rest),
        "fetch" => return planner.fetch(rest),
        "sort" | "thread" => return planner.ordered(&name, rest),
        _ => {}
    }
    planner.by_words(&name, &words(rest, Parens::Inside)?)
}

/// Commands whose raw lines change something, or open a mailbox to be changed.
const CHANGING: [&str; 18] = [
    "APPEND",
    "CLOSE",
    "COPY",
    "CREATE",
    "DELETE",
    "DELETEACL",
    "EXPUNGE",
    "MOVE",
    "RENAME",
    "REPLACE",
    "SELECT",
    "SETACL",
    "SETMETADATA",
    "SETQUOTA",
    "STORE",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "RESETKEY",
];

fn send_raw(text: &str, context: &Context<'_>) -> Result<Plan, PlanError> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(PlanError::LineEnd);
    }
    if text.trim().is_empty() {
        return Err(PlanError::Usage("raw LINE"));
    }
    let (first, rest) = verb(text.trim());
    let name = if first.eq_ignore_ascii_case("UID") { verb(rest).0 } else { first }.to_ascii_uppercase();
    if context.read_only && CHANGING.contains(&name.as_str()) {
        return Err(PlanError::ReadOnly(name));
    }
    let line = line::typed(text.trim());
    if let Some(Part::Text(last)) = line.parts().last()
        && let Some(at) = last.rfind('{').filter(|_| last.ends_with('}'))
        && last[at + 1..last.len() - 1].trim_end_matches('+').bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(PlanError::Literal(last[at..].to_owned()));
    }
    Ok(Plan::Send { lines: vec![line], view: View::Raw, asked: None })
}

struct Planner<'a> {
    context: &'a Context<'a>,
    usage: &'static str,
}

impl Planner<'_> {
    fn line(&self, command: &str) -> Line {
        Line::new(command, self.context.encoding)
    }

    fn send<T: Into<Vec<Line>>>(lines: T, view: View) -> Plan {
        Plan::Send { lines: lines.into(), view, asked: None }
    }

    /// What names messages.
    fn about_messages<T: Into<Vec<Line>>>(asked: Asked, proof: Proof, lines: T, view: View) -> Plan {
        Plan::Send { lines: lines.into(), view, asked: Some((asked, proof)) }
    }

    fn usage<T>(&self) -> Result<T, PlanError> {
        Err(PlanError::Usage(self.usage))
    }

    fn offered(&self, name: &'static str) -> Result<(), PlanError> {
        if self.context.capabilities.offers(name) { Ok(()) } else { Err(PlanError::NotOffered(name)) }
    }

    fn selected(&self) -> Result<&str, PlanError> {
        self.context.selected.ok_or(PlanError::NoMailbox)
    }

    /// A set of UIDs in the selected mailbox; `$` is what was found there.
    fn set(&self, word: &Word) -> Result<Asked, PlanError> {
        self.selected()?;
        match word.text.parse()? {
            Set::Saved => self.context.found.cloned().map(Asked::found).ok_or(PlanError::NothingFound),
            set => Ok(Asked::typed(set)),
        }
    }

    fn terms(&self) -> Terms<'_> {
        let Context { encoding, today, found, capabilities, .. } = *self.context;
        Terms { encoding, today, found, capabilities: Some(capabilities) }
    }

    fn search(&self, query: &str) -> Result<Plan, PlanError> {
        self.selected()?;
        let (first, rest) = verb(query);
        let (second, behind) = verb(rest);
        let (wanted, query, view) = match (first, second) {
            ("--save", "--count") | ("--count", "--save") => (Some("SAVE COUNT"), behind, View::SavedCount),
            ("--save", _) => (Some("SAVE"), rest, View::Saved),
            ("--count", _) => (Some("COUNT"), rest, View::Count),
            _ => (None, query, View::Found),
        };
        let keys = criteria::compile(query, &self.terms())?;
        let mut line = self.line("UID SEARCH");
        let saves = matches!(view, View::Saved | View::SavedCount);
        if saves {
            self.offered("SEARCHRES")?;
        }
        // Without ESEARCH what is found is counted here.
        if let Some(what) = Some(wanted.unwrap_or("ALL")).filter(|_| saves || self.offered("ESEARCH").is_ok()) {
            line = line.word(&format!("RETURN ({what})"));
        }
        if wants_charset(&keys) {
            line = line.word("CHARSET UTF-8");
        }
        Ok(Self::send([line.line(keys)], view))
    }

    fn ordered(&self, name: &str, rest: &str) -> Result<Plan, PlanError> {
        self.selected()?;
        let (first, query) = verb(rest);
        let (how, query, command, view) = if name == "sort" {
            self.offered("SORT")?;
            if first.is_empty() {
                return self.usage();
            }
            (order::on_the_wire(&order::keys(first)?), query, "UID SORT", View::Found)
        } else {
            let offered: Vec<&str> = self.context.capabilities.values("THREAD").collect();
            let Some(best) = offered.iter().find(|name| name.eq_ignore_ascii_case("REFERENCES")).or(offered.first()) else {
                return Err(PlanError::NotOffered("THREAD"));
            };
            let (algorithm, query) = match order::algorithm(first) {
                Ok(named) => (named, query),
                Err(_) => (order::algorithm(best)?, rest),
            };
            (algorithm.to_owned(), query, "UID THREAD", View::Threads)
        };
        let keys = criteria::compile(query, &self.terms())?;
        // RFC 5256 section 3: the character set is no choice there.
        let charset = if wants_charset(&keys) || self.context.encoding.utf8 { "UTF-8" } else { "US-ASCII" };
        Ok(Self::send([self.line(command).word(&how).word(charset).line(keys)], view))
    }

    fn fetch(&self, rest: &str) -> Result<Plan, PlanError> {
        let (set, typed) = verb(rest);
        if set.is_empty() {
            return self.usage();
        }
        let asked = self.set(&Word::plain(set))?;
        let items = items::on_the_wire(typed, self.context.seen)?;
        items::needed(&items).into_iter().try_for_each(|name| self.offered(name))?;
        let line = self.line("UID FETCH").word(&asked.set.to_string()).word(&items);
        Ok(Self::about_messages(asked, Proof::Rows, [line], View::Messages))
    }

    /// What would be changed is refused here, since a server may do nothing and say OK.
    fn refuse_changes(&self, name: &str, words: &[Word]) -> Result<(), PlanError> {
        let here =
            matches!(name, "flag" | "unflag" | "rm" | "undelete" | "expunge" | "move") || (name == "close" && !words.is_empty());
        let elsewhere = match name {
            "append" | "copy" | "mkdir" | "rmdir" | "rename" | "setquota" | "subscribe" | "unsubscribe" => true,
            "acl" | "meta" => words.len() > 2,
            _ => false,
        };
        if self.context.read_only && (here || elsewhere) {
            return Err(PlanError::ReadOnly(name.to_owned()));
        }
        if self.context.examined && here { Err(PlanError::Examined(name.to_owned())) } else { Ok(()) }
    }

    fn by_words(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        self.refuse_changes(name, words)?;
        match name {
            "ls" | "tree" => self.list(name, words),
            "select" | "examine" => self.select(name, words),
            "mkdir" | "rmdir" | "rename" | "subscribe" | "unsubscribe" => self.of_mailboxes(name, words),
            "flag" | "unflag" | "rm" | "undelete" => self.store(name, words),
            "copy" | "move" => self.transfer(name, words),
            "expunge" => self.expunge(words),
            "compress" | "noop" | "id" | "capabilities" | "quit" => self.alone(name, words),
            "close" | "check" => self.at_once(name, words),
            "headers" | "show" | "save" => self.read(name, words),
            "export" => self.export(words),
            "append" => self.append(words),
            "watch" | "enable" | "namespace" | "notify" | "changes" => self.of_extensions(name, words),
            "quota" | "setquota" | "acl" | "meta" => self.about(name, words),
            "status" => self.status(words),
            "help" => match words {
                [] => Ok(Plan::Help(None)),
                [word] => Ok(Plan::Help(Some(word.text.clone()))),
                _ => self.usage(),
            },
            _ => self.usage(),
        }
    }

    fn list(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let (subscribed, words) = match words {
            [first, rest @ ..] if first.is("-s") => (true, rest),
            all => (false, all),
        };
        let pattern = match words {
            [] => "*",
            [word] => word.text.as_str(),
            _ => return self.usage(),
        };
        let capabilities = self.context.capabilities;
        let extended = capabilities.offers("LIST-EXTENDED");
        let line = match (subscribed, extended) {
            (true, true) => self.line("LIST (SUBSCRIBED) \"\""),
            (true, false) => self.line("LSUB \"\""),
            (false, _) => self.line("LIST \"\""),
        };
        let mut line = line.pattern(pattern)?;
        if extended {
            let special = if capabilities.offers("SPECIAL-USE") { " SPECIAL-USE" } else { "" };
            line = line.word(&format!("RETURN (CHILDREN{special})"));
        }
        Ok(Self::send([line], if name == "tree" { View::Tree } else { View::Mailboxes }))
    }

    fn select(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let (mailbox, uid_validity, since) = match words {
            [mailbox] => (&mailbox.text, None, None),
            [mailbox, number, since @ ..] if since.len() < 2 => match number.text.parse() {
                Ok(number) => (&mailbox.text, Some(number), since.first()),
                Err(_) => return self.usage(),
            },
            _ => return self.usage(),
        };
        let verb = if name == "examine" || self.context.read_only { "EXAMINE" } else { "SELECT" };
        let mut line = self.line(verb).mailbox(mailbox)?;
        if let (Some(validity), Some(since)) = (uid_validity, since) {
            if !self.context.qresync {
                return Err(PlanError::Word(since.text.clone(), "QRESYNC is not on: say enable QRESYNC first"));
            }
            line = line.word(&format!("(QRESYNC ({validity} {}))", mod_seq(since)?));
        }
        Ok(Plan::Select { line, name: mailbox.clone(), uid_validity })
    }

    fn of_mailboxes(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let line = match (name, words) {
            ("mkdir", [mailbox]) => self.line("CREATE").mailbox(&mailbox.text)?,
            ("mkdir", [mailbox, special]) => {
                self.offered("CREATE-SPECIAL-USE")?;
                self.line("CREATE").mailbox(&mailbox.text)?.word(&format!("(USE ({}))", special_use(&special.text)?))
            }
            ("rmdir", [mailbox]) => self.line("DELETE").mailbox(&mailbox.text)?,
            ("rename", [from, to]) => self.line("RENAME").mailbox(&from.text)?.mailbox(&to.text)?,
            ("subscribe", [mailbox]) => self.line("SUBSCRIBE").mailbox(&mailbox.text)?,
            ("unsubscribe", [mailbox]) => self.line("UNSUBSCRIBE").mailbox(&mailbox.text)?,
            _ => return self.usage(),
        };
        Ok(Self::send([line], View::Nothing))
    }

    fn store(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let (mut since, mut only, mut words) = (None, false, words);
        loop {
            words = match words {
                [option, number, rest @ ..] if option.is("--unchanged-since") => {
                    self.offered("CONDSTORE")?;
                    since = Some(mod_seq(number)?);
                    rest
                }
                [option, rest @ ..] if name == "flag" && option.is("--only") => {
                    only = true;
                    rest
                }
                _ => break,
            }
        }
        let [set, flags @ ..] = words else { return self.usage() };
        let mut asked = self.set(set)?;
        let named: Vec<Flag> = match (name, flags) {
            ("rm" | "undelete", []) => vec![Flag::named("deleted")?],
            ("flag" | "unflag", flags) if only || !flags.is_empty() => {
                flags.iter().map(|word| Flag::named(&word.text)).collect::<Result<_, _>>()?
            }
            _ => return self.usage(),
        };
        let flags = named.iter().map(Flag::as_str).collect::<Vec<_>>().join(" ");
        let how = match name {
            "flag" if only => "FLAGS",
            "flag" | "rm" => "+FLAGS",
            _ => "-FLAGS",
        };
        asked.unlike = Flag::keys_unlike(&named, how != "-FLAGS");
        let mut line = self.line("UID STORE").word(&asked.set.to_string());
        if let Some(since) = since {
            // RFC 7162 section 3.1.3.
            line = line.word(&format!("(UNCHANGEDSINCE {since})"));
        }
        let line = line.word(how).word(&format!("({flags})"));
        // A server may leave out those whose flags stay what they were.
        Ok(Self::about_messages(asked, Proof::Search, [line], View::Messages))
    }

    fn transfer(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let [set, mailbox] = words else { return self.usage() };
        let asked = self.set(set)?;
        let set = asked.set.to_string();
        let to = |command: &str| self.line(command).word(&set).mailbox(&mailbox.text);
        if name == "copy" {
            return Ok(Self::about_messages(asked, Proof::Search, [to("UID COPY")?], View::Nothing));
        }
        if self.context.capabilities.offers("MOVE") {
            return Ok(Self::about_messages(asked, Proof::Moved, [to("UID MOVE")?], View::Nothing));
        }
        // RFC 6851 section 3.3 says what MOVE stands for. Without UIDPLUS an EXPUNGE would remove what others marked.
        self.offered("UIDPLUS").map_err(|_| PlanError::NotOffered("MOVE, nor UIDPLUS in place of it: say copy, then rm"))?;
        let mark = self.line("UID STORE").word(&set).word("+FLAGS.SILENT (\\Deleted)");
        let steps = [to("UID COPY")?, mark, self.line("UID EXPUNGE").word(&set)];
        Ok(Self::about_messages(asked, Proof::Moved, steps, View::Nothing))
    }

    fn expunge(&self, words: &[Word]) -> Result<Plan, PlanError> {
        self.selected()?;
        match words {
            [] => Ok(Self::send([self.line("EXPUNGE")], View::Nothing)),
            [set] => {
                self.offered("UIDPLUS")?;
                let asked = self.set(set)?;
                let line = self.line("UID EXPUNGE").word(&asked.set.to_string());
                Ok(Self::about_messages(asked, Proof::Before, [line], View::Nothing))
            }
            _ => self.usage(),
        }
    }

    fn alone(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        if !words.is_empty() {
            return self.usage();
        }
        Ok(match name {
            "noop" => Self::send([self.line("NOOP")], View::News),
            "id" => {
                self.offered("ID")?;
                let line = self.line("ID (\"name\" \"postroad\" \"version\"");
                Self::send([line.word(concat!("\"", env!("CARGO_PKG_VERSION"), "\")"))], View::Server)
            }
            "compress" => {
                self.offered("COMPRESS=DEFLATE")?;
                Self::send([self.line("COMPRESS DEFLATE")], View::Nothing)
            }
            "capabilities" => Plan::Capabilities,
            _ => Plan::Quit,
        })
    }

    fn read(&self, name: &str, words: &[Word]) -> Result<Plan, PlanError> {
        let (which, take) = match (name, words) {
            ("headers", [which]) => (which, Take::Header),
            ("show", [which]) => (which, Take::Text),
            ("save", [which, file]) => (which, Take::File(PathBuf::from(&file.text))),
            _ => return self.usage(),
        };
        self.selected()?;
        let (number, part) = match which.text.split_once('.') {
            Some((number, part)) if take != Take::Header => (number, Some(part)),
            _ => (which.text.as_str(), None),
        };
        let uid = self.set(&Word::plain(number))?.set.single().ok_or(PlanError::One)?;
        // `section-part = nz-number *("." nz-number)` (RFC 9051 section 9)
        let is_part = |part: &str| part.split('.').all(|n| n.parse::<u32>().is_ok_and(|n| n > 0) && !n.starts_with('+'));
        match part {
            Some(part) if !is_part(part) => Err(PlanError::PartNumber(part.to_owned())),
            part => Ok(Plan::Read { uid, part: part.map(str::to_owned), take }),
        }
    }

    fn export(&self, words: &[Word]) -> Result<Plan, PlanError> {
        let [set, store, path] = words else { return self.usage() };
        let store = match () {
            () if store.is("maildir") => Store::Maildir,
            () if store.is("mbox") => Store::Mbox,
            () => return self.usage(),
        };
        Ok(Plan::Export { asked: self.set(set)?, store, path: PathBuf::from(&path.text) })
    }

    fn append(&self, words: &[Word]) -> Result<Plan, PlanError> {
        let (from, rest) = match words {
            [first, dir, rest @ ..] if first.is("maildir") => (From::Maildir(PathBuf::from(&dir.text)), rest),
            [first, file, rest @ ..] if first.is("mbox") => (From::Mbox(PathBuf::from(&file.text)), rest),
            [first, rest @ ..] if first.is("-") => (From::Stdin, rest),
            [first, rest @ ..] => (From::File(PathBuf::from(&first.text)), rest),
            [] => return self.usage(),
        };
        let mailbox = match rest {
            [] => self.selected()?.to_owned(),
            [mailbox] => mailbox.text.clone(),
            _ => return self.usage(),
        };
        Ok(Plan::Append { from, mailbox })
    }
}

/// RFC 6154 section 2 and RFC 8457.
fn special_use(text: &str) -> Result<String, PlanError> {
    const USES: [&str; 8] = ["All", "Archive", "Drafts", "Flagged", "Important", "Junk", "Sent", "Trash"];
    let bare = text.strip_prefix('\\').unwrap_or(text);
    let known = USES.iter().find(|known| known.eq_ignore_ascii_case(bare));
    known.map(|known| format!("\\{known}")).ok_or_else(|| PlanError::Use(text.to_owned()))
}

/// `mod-sequence-value` (RFC 7162 section 7): from 1 to 2⁶³-1.
fn mod_seq(word: &Word) -> Result<u64, PlanError> {
    let number = word.text.parse::<u64>().ok().filter(|number| (1..=i64::MAX.unsigned_abs()).contains(number));
    number.ok_or_else(|| PlanError::Word(word.text.clone(), "no MODSEQ; select and status show the highest"))
}

#[cfg(test)]
mod tests;
