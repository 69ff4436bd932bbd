//! Every command of RFC 3501 and RFC 9051, and those of extensions, each with the rule that it follows. What is not here, [`Command::raw`]
//! sends.

use super::command::{BadArgument, Builder, Command};
use super::flag::Flag;
use super::mailbox::Mailbox;
use super::set::SequenceSet;

type Made = Result<Command, BadArgument>;

/// Numbers of messages are UIDs, or sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    Uid,
    Sequence,
}

impl Numbers {
    fn command(self, uid: &'static str, sequence: &'static str) -> Builder {
        Command::builder(if self == Numbers::Uid { uid } else { sequence })
    }
}

/// A search key of a caller's: text of its own, and strings that somebody gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word<'a> {
    /// Keywords, numbers, dates, parentheses: as it stands.
    Plain(&'a str),
    /// An astring.
    Text(&'a [u8]),
    Set(&'a SequenceSet),
}

/// What APPEND stores.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    pub flags: Vec<Flag>,
    /// `date-time`, without its quotes.
    pub date: Option<String>,
    /// Octets, in wire form.
    pub len: u64,
    /// With NUL in it: a literal8 (RFC 3516), where the server has BINARY.
    pub binary: bool,
    /// After UTF8=ACCEPT was enabled: `UTF8 (~{…})` (RFC 6855 section 4), for header fields in UTF-8.
    pub utf8: bool,
}

/// How STORE changes flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Add,
    Remove,
    Replace,
}

pub fn noop() -> Command {
    Command::bare("NOOP")
}

pub fn capability() -> Command {
    Command::bare("CAPABILITY")
}

pub fn logout() -> Command {
    Command::bare("LOGOUT")
}

pub fn starttls() -> Command {
    Command::bare("STARTTLS")
}

pub fn check() -> Command {
    Command::bare("CHECK")
}

/// Removes what is marked as deleted, without telling.
pub fn close() -> Command {
    Command::bare("CLOSE")
}

/// RFC 9051 section 6.4.2, RFC 3691: removes nothing.
pub fn unselect() -> Command {
    Command::bare("UNSELECT")
}

pub fn expunge() -> Command {
    Command::bare("EXPUNGE")
}

/// `idle = "IDLE" CRLF "DONE"`; DONE goes with [`super::words::ClientTell::EndIdle`].
pub fn idle() -> Command {
    Command::bare("IDLE")
}

pub fn namespace() -> Command {
    Command::bare("NAMESPACE")
}

/// `compress = "COMPRESS" SP algorithm` (RFC 4978 section 5)
pub fn compress() -> Command {
    Command::compress()
}

/// `id = "ID" SP id-params-list` (RFC 2971 section 4)
pub fn id(fields: &[(&str, &str)]) -> Made {
    if fields.is_empty() {
        return Command::builder("ID").word("NIL").build();
    }
    let list =
        |list: Builder| fields.iter().fold(list, |list, (name, value)| list.string(name.as_bytes()).string(value.as_bytes()));
    Command::builder("ID").list(list).build()
}

/// `enable = "ENABLE" 1*(SP capability)`
pub fn enable(names: &[&str]) -> Made {
    if names.is_empty() {
        return Err(BadArgument::Empty);
    }
    names.iter().fold(Command::builder("ENABLE"), |command, name| command.atom(name)).build()
}

/// `select = "SELECT" SP mailbox [select-params]`, `examine` likewise. `parameters` as `(CONDSTORE)`.
pub fn select(mailbox: &Mailbox, read_only: bool, parameters: Option<&str>) -> Made {
    let command = Command::builder(if read_only { "EXAMINE" } else { "SELECT" }).mailbox(mailbox);
    let effect = super::command::Effect::Select { mailbox: mailbox.clone(), read_only };
    optional(command, parameters).effect(effect).build()
}

fn optional(command: Builder, plain: Option<&str>) -> Builder {
    match plain {
        Some(text) => command.plain(text),
        None => command,
    }
}

/// `create = "CREATE" SP mailbox [create-param *(SP create-param)]`; with a use as `\Drafts` (RFC 6154 section 5.3).
pub fn create(mailbox: &Mailbox, special_use: Option<&Flag>) -> Made {
    let command = Command::builder("CREATE").mailbox(mailbox);
    match special_use {
        None => command.build(),
        Some(flag) => command.list(|list| list.word("USE").flags(std::slice::from_ref(flag))).build(),
    }
}

/// `delete = "DELETE" SP mailbox`
pub fn delete(mailbox: &Mailbox) -> Made {
    Command::builder("DELETE").mailbox(mailbox).build()
}

/// `rename = "RENAME" SP mailbox SP mailbox`
pub fn rename(from: &Mailbox, to: &Mailbox) -> Made {
    Command::builder("RENAME").mailbox(from).mailbox(to).build()
}

pub fn subscribe(mailbox: &Mailbox) -> Made {
    Command::builder("SUBSCRIBE").mailbox(mailbox).build()
}

pub fn unsubscribe(mailbox: &Mailbox) -> Made {
    Command::builder("UNSUBSCRIBE").mailbox(mailbox).build()
}

/// `list-mailbox = 1*list-char / string`; a pattern may hold `%` and `*`.
fn pattern(command: Builder, pattern: &[u8]) -> Builder {
    let is_list_char = |byte: &u8| byte.is_ascii() && (super::scan::is_astring_char(*byte) || matches!(byte, b'%' | b'*'));
    match std::str::from_utf8(pattern) {
        Ok(text) if !text.is_empty() && pattern.iter().all(is_list_char) => command.plain(text),
        Ok(text) if !text.is_ascii() => command.utf8(text),
        _ => command.string(pattern),
    }
}

/// `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`. `selection` as `(SUBSCRIBED)`, `returned` as
/// `RETURN (CHILDREN STATUS (MESSAGES))` (RFC 5258, RFC 5819); several patterns want LIST-EXTENDED, too.
pub fn list(reference: &Mailbox, patterns: &[&[u8]], selection: Option<&str>, returned: Option<&str>) -> Made {
    let command = optional(Command::builder("LIST"), selection).mailbox(reference);
    let command = match patterns {
        [one] => pattern(command, one),
        several => command.list(|list| several.iter().fold(list, |list, one| pattern(list, one))),
    };
    optional(command, returned).build()
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox` (RFC 3501)
pub fn lsub(reference: &Mailbox, wanted: &[u8]) -> Made {
    pattern(Command::builder("LSUB").mailbox(reference), wanted).build()
}

/// `status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`; `items` as `(MESSAGES UIDNEXT)`.
pub fn status(mailbox: &Mailbox, items: &str) -> Made {
    Command::builder("STATUS").mailbox(mailbox).plain(items).build()
}

/// `append = "APPEND" SP mailbox SP append-message`; several with MULTIAPPEND (RFC 3502). The octets of each come when they are wanted,
/// one message behind the other.
pub fn append(mailbox: &Mailbox, messages: &[Message]) -> Made {
    if messages.is_empty() {
        return Err(BadArgument::Empty);
    }
    let mut command = Command::builder("APPEND").mailbox(mailbox);
    for message in messages {
        if !message.flags.is_empty() {
            command = command.flags(&message.flags);
        }
        if let Some(date) = &message.date {
            command = command.date_time(date);
        }
        command = if message.utf8 {
            command.word("UTF8").list(|list| list.body(message.len, true))
        } else {
            command.body(message.len, message.binary)
        };
    }
    command.build()
}

/// `uid-expunge = "UID" SP "EXPUNGE" SP sequence-set` (RFC 4315)
pub fn uid_expunge(set: &SequenceSet) -> Made {
    Command::builder("UID EXPUNGE").set(set).build()
}

fn words(command: Builder, keys: &[Word<'_>]) -> Builder {
    keys.iter().fold(command, |command, key| match key {
        Word::Plain(text) => command.plain(text),
        Word::Text(text) => command.astring(text),
        Word::Set(set) => command.set(set),
    })
}

/// `search = "SEARCH" [search-return-opts] SP search-program`; `returned` as `RETURN (ALL)`, `charset` where a key goes beyond ASCII.
pub fn search(by: Numbers, returned: Option<&str>, charset: Option<&str>, keys: &[Word<'_>]) -> Made {
    let command = optional(by.command("UID SEARCH", "SEARCH"), returned);
    let command = match charset {
        Some(charset) => command.word("CHARSET").astring(charset.as_bytes()),
        None => command,
    };
    words(command, keys).build()
}

/// `sort = ["UID" SP] "SORT" SP sort-criteria SP search-criteria` (RFC 5256); `criteria` as `(REVERSE DATE)`.
pub fn sort(by: Numbers, criteria: &str, charset: &str, keys: &[Word<'_>]) -> Made {
    words(by.command("UID SORT", "SORT").plain(criteria).astring(charset.as_bytes()), keys).build()
}

/// `thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria` (RFC 5256); `algorithm` as `REFERENCES`.
pub fn thread(by: Numbers, algorithm: &str, charset: &str, keys: &[Word<'_>]) -> Made {
    words(by.command("UID THREAD", "THREAD").atom(algorithm).astring(charset.as_bytes()), keys).build()
}

/// `fetch = "FETCH" SP sequence-set SP ("ALL" / … / "(" fetch-att *(SP fetch-att) ")") [fetch-modifiers]`; `items` as `(UID FLAGS)`,
/// `modifiers` as `(CHANGEDSINCE 12)`. Names of header fields in `items` are of the caller's making.
pub fn fetch(by: Numbers, set: &SequenceSet, items: &str, modifiers: Option<&str>) -> Made {
    optional(by.command("UID FETCH", "FETCH").set(set).plain(items), modifiers).build()
}

/// `store = "STORE" SP sequence-set SP store-att-flags`, with `(UNCHANGEDSINCE 12)` of RFC 7162 before them.
pub fn store(by: Numbers, set: &SequenceSet, modifiers: Option<&str>, change: Change, silent: bool, flags: &[Flag]) -> Made {
    let name = match (change, silent) {
        (Change::Add, false) => "+FLAGS",
        (Change::Add, true) => "+FLAGS.SILENT",
        (Change::Remove, false) => "-FLAGS",
        (Change::Remove, true) => "-FLAGS.SILENT",
        (Change::Replace, false) => "FLAGS",
        (Change::Replace, true) => "FLAGS.SILENT",
    };
    optional(by.command("UID STORE", "STORE").set(set), modifiers).word(name).flags(flags).build()
}

/// `copy = "COPY" SP sequence-set SP mailbox`
pub fn copy(by: Numbers, set: &SequenceSet, mailbox: &Mailbox) -> Made {
    by.command("UID COPY", "COPY").set(set).mailbox(mailbox).build()
}

/// `move = "MOVE" SP sequence-set SP mailbox` (RFC 6851)
pub fn move_to(by: Numbers, set: &SequenceSet, mailbox: &Mailbox) -> Made {
    by.command("UID MOVE", "MOVE").set(set).mailbox(mailbox).build()
}

/// `notify = "NOTIFY" SP (notify-add / notify-remove)` (RFC 5465 section 8): what is to be told of which mailboxes.
pub fn notify(status: bool, groups: &[(Watched<'_>, &str)]) -> Made {
    if groups.is_empty() {
        return Command::builder("NOTIFY").word("NONE").build();
    }
    let command = Command::builder("NOTIFY").word("SET");
    let command = if status { command.word("STATUS") } else { command };
    groups
        .iter()
        .fold(command, |command, (watched, events)| {
            command.list(|list| match watched {
                Watched::Filter(name) => list.word(name).plain(events),
                Watched::Mailboxes(names) => {
                    list.word("mailboxes").list(|list| names.iter().fold(list, Builder::mailbox)).plain(events)
                }
                Watched::Subtree(names) => {
                    list.word("subtree").list(|list| names.iter().fold(list, Builder::mailbox)).plain(events)
                }
            })
        })
        .build()
}

/// `filter-mailboxes` (RFC 5465 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched<'a> {
    /// `selected`, `selected-delayed`, `inboxes`, `personal`, `subscribed`.
    Filter(&'static str),
    Mailboxes(&'a [Mailbox]),
    Subtree(&'a [Mailbox]),
}

/// `getquota = "GETQUOTA" SP quota-root-name` (RFC 9208)
pub fn getquota(root: &[u8]) -> Made {
    Command::builder("GETQUOTA").astring(root).build()
}

/// `getquotaroot = "GETQUOTAROOT" SP mailbox` (RFC 9208)
pub fn getquotaroot(mailbox: &Mailbox) -> Made {
    Command::builder("GETQUOTAROOT").mailbox(mailbox).build()
}

/// `setquota = "SETQUOTA" SP quota-root-name SP setquota-list` (RFC 9208)
pub fn setquota(root: &[u8], limits: &[(&str, u64)]) -> Made {
    let list = |list: Builder| limits.iter().fold(list, |list, (name, limit)| list.atom(name).number(*limit));
    Command::builder("SETQUOTA").astring(root).list(list).build()
}

/// `getacl = "GETACL" SP mailbox` (RFC 4314)
pub fn getacl(mailbox: &Mailbox) -> Made {
    Command::builder("GETACL").mailbox(mailbox).build()
}

/// `setacl = "SETACL" SP mailbox SP identifier SP mod-rights` (RFC 4314); `+` and `-` before rights change those that there are.
pub fn setacl(mailbox: &Mailbox, identifier: &[u8], rights: &[u8]) -> Made {
    Command::builder("SETACL").mailbox(mailbox).astring(identifier).astring(rights).build()
}

/// `deleteacl = "DELETEACL" SP mailbox SP identifier` (RFC 4314)
pub fn deleteacl(mailbox: &Mailbox, identifier: &[u8]) -> Made {
    Command::builder("DELETEACL").mailbox(mailbox).astring(identifier).build()
}

/// `listrights = "LISTRIGHTS" SP mailbox SP identifier` (RFC 4314)
pub fn listrights(mailbox: &Mailbox, identifier: &[u8]) -> Made {
    Command::builder("LISTRIGHTS").mailbox(mailbox).astring(identifier).build()
}

/// `myrights = "MYRIGHTS" SP mailbox` (RFC 4314)
pub fn myrights(mailbox: &Mailbox) -> Made {
    Command::builder("MYRIGHTS").mailbox(mailbox).build()
}

/// `getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries` (RFC 5464); the mailbox `""` is the server. `options` as
/// `(DEPTH infinity)`.
pub fn getmetadata(mailbox: &Mailbox, options: Option<&str>, entries: &[&[u8]]) -> Made {
    let command = optional(Command::builder("GETMETADATA"), options).mailbox(mailbox);
    command.list(|list| entries.iter().fold(list, |list, entry| list.astring(entry))).build()
}

/// `setmetadata = "SETMETADATA" SP mailbox SP entry-values` (RFC 5464); no value removes an entry.
pub fn setmetadata(mailbox: &Mailbox, entries: &[(&[u8], Option<&[u8]>)]) -> Made {
    let list = |list: Builder| {
        entries.iter().fold(list, |list, (entry, value)| {
            let list = list.astring(entry);
            match value {
                // `value = nstring / literal8`
                Some(value) if value.contains(&0) => list.literal(value, true),
                value => list.nstring(*value),
            }
        })
    };
    Command::builder("SETMETADATA").mailbox(mailbox).list(list).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(made: Made) -> String {
        made.unwrap().shown()
    }

    fn name(text: &str) -> Mailbox {
        Mailbox::encoded(text.as_bytes())
    }

    #[test]
    fn commands_as_the_rfcs_write_them() {
        let set = SequenceSet::parse(b"1:3,7").unwrap();
        let flag = |text| Flag::new(text).unwrap();
        let message = Message {
            flags: vec![flag("\\Seen")],
            date: Some(" 1-Jan-2026 00:00:00 +0000".into()),
            len: 3,
            ..Message::default()
        };
        let utf8 = Message { len: 4, utf8: true, ..Message::default() };
        for (made, want) in [
            (id(&[("name", "postroad")]), "ID (\"name\" \"postroad\")"),
            (id(&[]), "ID NIL"),
            (enable(&["CONDSTORE", "UTF8=ACCEPT"]), "ENABLE CONDSTORE UTF8=ACCEPT"),
            (select(&name("a b"), true, Some("(CONDSTORE)")), "EXAMINE \"a b\" (CONDSTORE)"),
            (create(&name("x"), Some(&flag("\\Drafts"))), "CREATE x (USE (\\Drafts))"),
            (rename(&name("a"), &name("NIL")), "RENAME a \"NIL\""),
            (list(&name(""), &[b"*"], None, None), "LIST \"\" *"),
            (
                list(&name(""), &[b"INBOX", b"a b/%"], Some("(SUBSCRIBED)"), Some("RETURN (CHILDREN)")),
                "LIST (SUBSCRIBED) \"\" (INBOX \"a b/%\") RETURN (CHILDREN)",
            ),
            (lsub(&name(""), b"%"), "LSUB \"\" %"),
            (status(&name("x"), "(MESSAGES SIZE)"), "STATUS x (MESSAGES SIZE)"),
            (append(&name("x"), &[message]), "APPEND x (\\Seen) \" 1-Jan-2026 00:00:00 +0000\" {3}"),
            (append(&name("x"), &[utf8.clone(), utf8]), "APPEND x UTF8 (~{4}) UTF8 (~{4})"),
            (uid_expunge(&set), "UID EXPUNGE 1:3,7"),
            (
                search(
                    Numbers::Uid,
                    Some("RETURN (ALL)"),
                    Some("UTF-8"),
                    &[Word::Plain("FROM"), Word::Text(b"al ice"), Word::Set(&set)],
                ),
                "UID SEARCH RETURN (ALL) CHARSET UTF-8 FROM \"al ice\" 1:3,7",
            ),
            (sort(Numbers::Sequence, "(REVERSE DATE)", "UTF-8", &[Word::Plain("ALL")]), "SORT (REVERSE DATE) UTF-8 ALL"),
            (thread(Numbers::Uid, "REFERENCES", "UTF-8", &[Word::Plain("ALL")]), "UID THREAD REFERENCES UTF-8 ALL"),
            (
                fetch(Numbers::Uid, &set, "(UID FLAGS)", Some("(CHANGEDSINCE 12)")),
                "UID FETCH 1:3,7 (UID FLAGS) (CHANGEDSINCE 12)",
            ),
            (
                store(Numbers::Uid, &set, Some("(UNCHANGEDSINCE 12)"), Change::Add, true, &[flag("\\Deleted")]),
                "UID STORE 1:3,7 (UNCHANGEDSINCE 12) +FLAGS.SILENT (\\Deleted)",
            ),
            (copy(Numbers::Sequence, &set, &name("x")), "COPY 1:3,7 x"),
            (move_to(Numbers::Uid, &set, &name("x")), "UID MOVE 1:3,7 x"),
            (notify(false, &[]), "NOTIFY NONE"),
            (
                notify(
                    true,
                    &[
                        (Watched::Filter("selected"), "(MessageNew (FLAGS) MessageExpunge)"),
                        (Watched::Mailboxes(&[name("a b"), name("c")]), "(MessageNew)"),
                    ],
                ),
                "NOTIFY SET STATUS (selected (MessageNew (FLAGS) MessageExpunge)) (mailboxes (\"a b\" c) (MessageNew))",
            ),
            (setquota(b"", &[("STORAGE", 512)]), "SETQUOTA \"\" (STORAGE 512)"),
            (setacl(&name("x"), b"bob", b"+lr"), "SETACL x bob +lr"),
            (getmetadata(&name(""), Some("(DEPTH 1)"), &[b"/shared/comment"]), "GETMETADATA (DEPTH 1) \"\" (/shared/comment)"),
            (
                setmetadata(&name("x"), &[(b"/private/a", Some(b"b")), (b"/private/c", None), (b"/private/d", Some(b"\0"))]),
                "SETMETADATA x (/private/a \"b\" /private/c NIL /private/d ~{1})",
            ),
        ] {
            assert_eq!(shown(made), want);
        }
        assert_eq!(compress().shown(), "COMPRESS DEFLATE");
    }

    /// CVE-2026-42257: whatever a name, a key or a value holds.
    #[test]
    fn nothing_that_is_given_ends_the_line() {
        let evil = "x\r\nA LOGOUT";
        let set = SequenceSet::all();
        for made in [
            delete(&name(evil)),
            rename(&name("a"), &name(evil)),
            list(&name(evil), &[evil.as_bytes()], None, None),
            search(Numbers::Uid, None, None, &[Word::Text(evil.as_bytes())]),
            copy(Numbers::Uid, &set, &name(evil)),
            getquota(evil.as_bytes()),
            setacl(&name("x"), evil.as_bytes(), evil.as_bytes()),
            setmetadata(&name("x"), &[(evil.as_bytes(), Some(evil.as_bytes()))]),
            id(&[("name", evil)]),
        ] {
            assert!(!made.unwrap().shown().contains(['\r', '\n']));
        }
        for made in [
            enable(&[evil]),
            status(&name("x"), evil),
            fetch(Numbers::Uid, &set, evil, None),
            search(Numbers::Uid, Some(evil), None, &[Word::Plain(evil)]),
            thread(Numbers::Uid, evil, "UTF-8", &[]),
            select(&name("x"), false, Some(evil)),
        ] {
            assert_eq!(made, Err(BadArgument::NoAtom));
        }
    }
}
