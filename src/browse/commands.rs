//! The shell's commands: how they are called, what they do, what they send. What is not in this list is no command.

/// One command.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    pub name: &'static str,
    pub usage: &'static str,
    /// In one line.
    pub meaning: &'static str,
    /// What goes over the wire.
    pub sends: &'static str,
}

const fn command(name: &'static str, usage: &'static str, meaning: &'static str, sends: &'static str) -> Command {
    Command { name, usage, meaning, sends }
}

/// Sorted by name.
pub const COMMANDS: &[Command] = &[
    command(
        "acl",
        "acl [MAILBOX [WHO [RIGHTS]]]",
        "who may do what; what WHO may be given; or give him these rights, '' takes all",
        "MYRIGHTS MAILBOX, GETACL MAILBOX, LISTRIGHTS MAILBOX WHO, SETACL MAILBOX WHO RIGHTS, DELETEACL MAILBOX WHO",
    ),
    command(
        "append",
        "append FILE|-|maildir DIR|mbox FILE [MAILBOX]",
        "put messages into the selected mailbox, or that one",
        "APPEND MAILBOX (FLAGS) {SIZE}",
    ),
    command(
        "capabilities",
        "capabilities",
        "what the server offers, each with its RFC",
        "CAPABILITY, where it did not say so already",
    ),
    command(
        "changes",
        "changes MODSEQ [SET]",
        "messages whose flags changed since, and with QRESYNC those that are gone",
        "UID FETCH SET (UID FLAGS) (CHANGEDSINCE MODSEQ)",
    ),
    command(
        "check",
        "check",
        "have the server write down what it has of the mailbox; few need to be told, and IMAP4rev2 has noop alone",
        "CHECK",
    ),
    command(
        "close",
        "close [--expunge]",
        "leave the mailbox; nothing is removed, or with --expunge what is marked deleted, without a word",
        "UNSELECT, or EXAMINE and CLOSE; CLOSE",
    ),
    command("compress", "compress", "send and take everything compressed from here on", "COMPRESS DEFLATE"),
    command("copy", "copy SET MAILBOX", "copy messages into another mailbox", "UID COPY SET MAILBOX"),
    command("enable", "enable NAME..", "switch extensions on: CONDSTORE, QRESYNC, UTF8=ACCEPT, IMAP4rev2", "ENABLE NAME.."),
    command("examine", "examine MAILBOX [UIDVALIDITY [MODSEQ]]", "open a mailbox to be read only", "EXAMINE MAILBOX"),
    command("explain", "explain COMMAND", "show what a command would send, and send nothing", "nothing"),
    command(
        "export",
        "export SET maildir DIR | SET mbox FILE",
        "bring messages home",
        "UID FETCH SET (UID FLAGS INTERNALDATE BODY.PEEK[])",
    ),
    command(
        "expunge",
        "expunge [SET]",
        "remove for good what is marked deleted, or only those of SET",
        "EXPUNGE, UID EXPUNGE SET",
    ),
    command(
        "fetch",
        "fetch SET [ITEM..]",
        "facts of messages: flags, date, size, from, subject, structure, or as RFC 9051 calls them",
        "UID FETCH SET (UID ITEM..), with .PEEK",
    ),
    command(
        "flag",
        "flag [--only] [--unchanged-since MODSEQ] SET FLAG..",
        "set flags: seen, answered, flagged, deleted, draft, or keywords; --only: and take all others away; only of messages that nobody changed since",
        "UID STORE SET [(UNCHANGEDSINCE MODSEQ)] +FLAGS (FLAG..), with --only FLAGS",
    ),
    command("headers", "headers N", "the header of a message as it stands there", "UID FETCH N (UID BODY.PEEK[HEADER])"),
    command("help", "help [COMMAND]", "this list, or all of one command", "nothing"),
    command("id", "id", "say who we are, and ask the server the same", "ID (\"name\" \"postroad\" ..)"),
    command("ls", "ls [-s] [PATTERN]", "mailboxes; * is anything, % stops at a level; -s: subscribed ones", "LIST \"\" PATTERN"),
    command(
        "meta",
        "meta [MAILBOX [ENTRY [VALUE]]]",
        "notes with a mailbox, '' for the server; VALUE '' removes one",
        "GETMETADATA (DEPTH infinity) MAILBOX (/private /shared), GETMETADATA MAILBOX ENTRY, SETMETADATA MAILBOX (ENTRY VALUE)",
    ),
    command("mkdir", "mkdir MAILBOX [USE]", "make a mailbox; USE as drafts, sent, trash, junk, archive", "CREATE MAILBOX"),
    command(
        "move",
        "move SET MAILBOX",
        "move messages to another mailbox",
        "UID MOVE SET MAILBOX, or UID COPY, UID STORE, UID EXPUNGE",
    ),
    command("namespace", "namespace", "where own, others' and shared mailboxes stand", "NAMESPACE"),
    command("noop", "noop", "ask what is new", "NOOP"),
    command(
        "notify",
        "notify NAME..|none|default",
        "what the server is to tell by itself: of mailboxes, or selected, inboxes, personal, subscribed",
        "STATUS NAME (..), NOTIFY SET (mailboxes (NAME..) (MessageNew MessageExpunge FlagChange)), NOTIFY NONE",
    ),
    command("quit", "quit", "the end", "LOGOUT"),
    command(
        "quota",
        "quota [MAILBOX|-r ROOT]",
        "how much is used, and how much may be, of what counts for a mailbox, or of one root",
        "GETQUOTAROOT MAILBOX, GETQUOTA ROOT",
    ),
    command("raw", "raw LINE  or  .LINE", "send a line as it is, with a tag before it; {<FILE} is a literal", "LINE"),
    command("rename", "rename MAILBOX NAME", "give a mailbox another name", "RENAME MAILBOX NAME"),
    command(
        "rm",
        "rm [--unchanged-since MODSEQ] SET",
        "mark messages deleted; expunge removes them",
        "UID STORE SET [(UNCHANGEDSINCE MODSEQ)] +FLAGS (\\Deleted)",
    ),
    command("rmdir", "rmdir MAILBOX", "remove a mailbox, with all that is in it", "DELETE MAILBOX"),
    command(
        "save",
        "save N[.PART] FILE|DIR|-",
        "write a message, or a part of it decoded, to a file that is not there yet",
        "UID FETCH N (BODY.PEEK[PART])",
    ),
    command(
        "search",
        "search [--save] [--count] [QUERY]",
        "UIDs of the messages that fit; $ stands for them afterwards; --save: at the server; --count: how many",
        "UID SEARCH KEYS, with RETURN (ALL), (SAVE), (COUNT) or (SAVE COUNT) where there is ESEARCH",
    ),
    command(
        "select",
        "select MAILBOX [UIDVALIDITY [MODSEQ]]",
        "open a mailbox; with UIDVALIDITY: only if UIDs noted then still hold; with MODSEQ: what changed since",
        "SELECT MAILBOX, with (QRESYNC (UIDVALIDITY MODSEQ)) once that is enabled",
    ),
    command(
        "setquota",
        "setquota ROOT RESOURCE LIMIT [RESOURCE LIMIT ..] | ROOT none",
        "how much may be: of STORAGE as 500M or 2G, of MESSAGE and MAILBOX a number; none: no limit",
        "SETQUOTA ROOT (RESOURCE LIMIT ..)",
    ),
    command(
        "show",
        "show N[.PART]",
        "a message to be read: its main fields, its text decoded, its other parts by name",
        "UID FETCH N (BODY.PEEK[])",
    ),
    command(
        "sort",
        "sort KEY[,KEY..] [QUERY]",
        "the same in an order: date, -date, from, subject, size, arrival, to, cc",
        "UID SORT (KEY..) US-ASCII KEYS, or UTF-8 where they need it",
    ),
    command(
        "status",
        "status [MAILBOX..|PATTERN]",
        "counts of mailboxes; * is anything, % stops at a level",
        "STATUS MAILBOX (MESSAGES UNSEEN UIDNEXT UIDVALIDITY ..), LIST \"\" PATTERN RETURN (STATUS (..)), or LIST and STATUS of each",
    ),
    command("subscribe", "subscribe MAILBOX", "put a mailbox on the list of ls -s", "SUBSCRIBE MAILBOX"),
    command(
        "thread",
        "thread [ALGORITHM] [QUERY]",
        "conversations among the messages that fit",
        "UID THREAD REFERENCES US-ASCII KEYS, or UTF-8 where they need it",
    ),
    command("tree", "tree [-s] [PATTERN]", "mailboxes as a tree", "LIST \"\" PATTERN"),
    command(
        "undelete",
        "undelete [--unchanged-since MODSEQ] SET",
        "take the mark of rm away",
        "UID STORE SET [(UNCHANGEDSINCE MODSEQ)] -FLAGS (\\Deleted)",
    ),
    command(
        "unflag",
        "unflag [--unchanged-since MODSEQ] SET FLAG..",
        "take flags away",
        "UID STORE SET [(UNCHANGEDSINCE MODSEQ)] -FLAGS (FLAG..)",
    ),
    command("unsubscribe", "unsubscribe MAILBOX", "take a mailbox from the list of ls -s", "UNSUBSCRIBE MAILBOX"),
    command(
        "watch",
        "watch [MAILBOX..] [-t TIME] [--every TIME] [--once] [--exec PROGRAM ..]",
        "what changes in mailboxes, as it does: for TIME (30s, 5m), or until Ctrl-C",
        "IDLE, and DONE; NOTIFY for several, or a connection for each; NOOP every minute where there is no IDLE",
    ),
];

/// The command of that name.
pub fn named(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// A name that is likely meant: it begins alike, or has the same letters but one.
pub fn near(name: &str) -> Option<&'static str> {
    let names = || COMMANDS.iter().map(|command| command.name);
    names()
        .find(|known| name.len() >= 2 && known.starts_with(name))
        .or_else(|| names().find(|known| name.len() > 3 && one_off(known, name)))
}

fn one_off(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let start = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(a, b)| a == b).count();
    a.len().max(b.len()) - start - end <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_each_usage_names_its_command() {
        assert!(COMMANDS.is_sorted_by_key(|command| command.name));
        for command in COMMANDS {
            assert!(command.usage.starts_with(command.name), "{}", command.name);
        }
    }

    #[test]
    fn a_slip_is_understood() {
        assert_eq!(
            (near("serch"), near("sel"), near("x"), near("fetsch")),
            (Some("search"), Some("select"), None, Some("fetch"))
        );
    }
}
