//! Typed commands and what they send.

use super::*;
use crate::browse::criteria::CriteriaError;
use crate::browse::line::Encoding;
use crate::browse::watch::Watch;
use crate::protocol::imap::capabilities::Capabilities;
use crate::protocol::imap::set::SequenceSet;
use jiff::civil::Date;
use std::time::Duration;

const SERVER: &str =
    "IMAP4rev1 ESEARCH SORT THREAD=REFERENCES MOVE UIDPLUS UNSELECT QUOTA ACL METADATA LIST-EXTENDED SPECIAL-USE ID";

fn planned(typed: &str, offered: &str, selected: Option<&str>) -> Result<Plan, PlanError> {
    let capabilities = Capabilities::new(&offered.split(' ').map(str::to_owned).collect::<Vec<_>>(), &[]);
    let found = Set::of(SequenceSet::of([4, 5, 9]));
    let context = Context {
        encoding: Encoding::default(),
        today: Date::constant(2026, 11, 22),
        capabilities: &capabilities,
        selected,
        found: found.as_ref(),
        qresync: offered.contains("QRESYNC"),
        seen: false,
        read_only: false,
        examined: false,
    };
    plan(typed, &context)
}

fn sent(typed: &str, offered: &str) -> Vec<String> {
    match planned(typed, offered, Some("INBOX")).unwrap_or_else(|error| panic!("{typed}: {error}")) {
        Plan::Send { lines, .. } => lines.iter().map(Line::shown).collect(),
        Plan::Select { line, .. } => vec![line.shown()],
        other => panic!("{typed}: {other:?}"),
    }
}

#[test]
fn commands_send_their_lines() {
    for (typed, lines) in [
        ("ls", &["LIST \"\" \"*\" RETURN (CHILDREN SPECIAL-USE)"][..]),
        ("ls -s Work/%", &["LIST (SUBSCRIBED) \"\" \"Work/%\" RETURN (CHILDREN SPECIAL-USE)"]),
        ("select 'My Mail'", &["SELECT \"My Mail\""]),
        ("examine Entwürfe", &["EXAMINE Entw&APw-rfe"]),
        ("search from alice not seen", &["UID SEARCH RETURN (ALL) FROM alice NOT SEEN"]),
        ("search subject Grüße", &["UID SEARCH RETURN (ALL) CHARSET UTF-8 SUBJECT {7} Grüße"]),
        ("sort -date,from since 2026-01-01", &["UID SORT (REVERSE DATE FROM) US-ASCII SINCE 1-Jan-2026"]),
        ("thread", &["UID THREAD REFERENCES US-ASCII ALL"]),
        ("thread refs unseen", &["UID THREAD REFS US-ASCII UNSEEN"]),
        ("fetch 1:3 FLAGS BODY[TEXT]", &["UID FETCH 1:3 (UID FLAGS BODY.PEEK[TEXT])"]),
        ("fetch $", &["UID FETCH 4:5,9 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"]),
        ("flag 5 seen Work", &["UID STORE 5 +FLAGS (\\Seen Work)"]),
        ("unflag $ \\Seen", &["UID STORE 4:5,9 -FLAGS (\\Seen)"]),
        ("rm all", &["UID STORE 1:* +FLAGS (\\Deleted)"]),
        ("undelete 7", &["UID STORE 7 -FLAGS (\\Deleted)"]),
        ("copy 1 NIL", &["UID COPY 1 \"NIL\""]),
        ("move 1,2 Trash", &["UID MOVE 1,2 Trash"]),
        ("expunge", &["EXPUNGE"]),
        ("expunge 5", &["UID EXPUNGE 5"]),
        ("mkdir a/b", &["CREATE a/b"]),
        ("rename a 'b c'", &["RENAME a \"b c\""]),
        ("status a b", &["STATUS a (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)", "STATUS b (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"]),
        ("quota", &["GETQUOTAROOT INBOX"]),
        ("acl Work bob lrs", &["SETACL Work bob lrs"]),
        ("acl Work bob ''", &["DELETEACL Work bob"]),
        ("acl Work", &["MYRIGHTS Work", "GETACL Work"]),
        ("meta Work /private/comment 'a b'", &["SETMETADATA Work (/private/comment \"a b\")"]),
        ("meta Work /private/comment ''", &["SETMETADATA Work (/private/comment NIL)"]),
        ("close", &["UNSELECT"]),
        ("close --expunge", &["CLOSE"]),
        ("check", &["CHECK"]),
        ("flag --only 5 seen Work", &["UID STORE 5 FLAGS (\\Seen Work)"]),
        ("flag --only 5", &["UID STORE 5 FLAGS ()"]),
        ("search --count", &["UID SEARCH RETURN (COUNT) ALL"]),
        ("raw  UID FETCH 1 \"x", &["UID FETCH 1 \"x"]),
        (".noop", &["noop"]),
        ("raw APPEND x {<a.eml}", &["APPEND x {<a.eml}"]),
    ] {
        assert_eq!(sent(typed, SERVER), lines, "{typed}");
    }
    assert_eq!(sent("compress", "COMPRESS=DEFLATE"), ["COMPRESS DEFLATE"]);
    assert_eq!(sent("mkdir D drafts", "CREATE-SPECIAL-USE"), ["CREATE D (USE (\\Drafts))"]);
}

#[test]
fn what_is_not_offered_has_its_stand_in_or_is_told() {
    assert_eq!(sent("move 5 T", "IMAP4rev1 UIDPLUS"), ["UID COPY 5 T", "UID STORE 5 +FLAGS.SILENT (\\Deleted)", "UID EXPUNGE 5"]);
    assert_eq!(sent("search", "IMAP4rev1"), ["UID SEARCH ALL"]);
    assert_eq!(sent("ls -s", "IMAP4rev1"), ["LSUB \"\" \"*\""]);
    assert_eq!(sent("search --count", "IMAP4rev1"), ["UID SEARCH ALL"]);
    assert_eq!(sent("close", "IMAP4rev1"), ["EXAMINE INBOX", "CLOSE"]);
    assert_eq!(sent("status * a", "LIST-STATUS").len(), 2);
    assert!(
        matches!(planned("status * a", "IMAP4rev1", None), Ok(Plan::EachListed { lines, patterns, .. }) if (lines.len(), patterns.len()) == (1, 1))
    );
    for typed in [
        "move 5 T",
        "sort date",
        "thread",
        "expunge 5",
        "quota",
        "acl",
        "meta",
        "id",
        "mkdir a drafts",
        "search --save all",
        "fetch 1 preview",
        "fetch 1 BINARY[1]",
        "changes 1",
        "flag --only --unchanged-since 1 5",
    ] {
        assert!(matches!(planned(typed, "IMAP4rev1", Some("a")), Err(PlanError::NotOffered(_))), "{typed}");
    }
    assert!(matches!(planned("check", "IMAP4rev2", Some("a")), Err(PlanError::NotOffered(_))));
    for query in ["search older 1d", "search not (modseq 1)", "sort date savedsince today", "search emailid M1"] {
        let refused = planned(query, "IMAP4rev1 SORT", Some("a"));
        assert!(matches!(refused, Err(PlanError::Criteria(CriteriaError::NotOffered(..)))), "{query}: {refused:?}");
    }
    assert_eq!(sent("search younger 1d modseq 1", "WITHIN QRESYNC"), ["UID SEARCH YOUNGER 86400 MODSEQ 1"]);
}

/// A name with a wildcard in it is one mailbox where it is selected.
#[test]
fn the_selected_mailbox_is_no_pattern() {
    let line = "STATUS \"a*b\" (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)";
    assert!(matches!(planned("status", "LIST-STATUS", Some("a*b")), Ok(Plan::Send { lines, .. }) if lines[0].shown() == line));
}

#[test]
fn a_mailbox_is_wanted_where_messages_are_named() {
    for typed in [
        "search",
        "fetch 1",
        "flag 1 seen",
        "copy 1 x",
        "expunge",
        "show 1",
        "save 1 x",
        "export 1 mbox x",
        "append x",
        "close",
        "status",
    ] {
        assert_eq!(planned(typed, SERVER, None), Err(PlanError::NoMailbox), "{typed}");
    }
    let watch = Watch { mailboxes: Vec::new(), within: None, every: Duration::from_secs(60), once: false, exec: Vec::new() };
    let (five, sub) = (Some(Duration::from_secs(300)), vec!["a b".to_owned(), "-t".to_owned()]);
    assert_eq!(planned("watch -t 5m", "", Some("a")), Ok(Plan::Watch(Watch { within: five, ..watch.clone() })));
    assert_eq!(
        planned("watch INBOX --every 5m inbox x --once", "", None),
        Ok(Plan::Watch(Watch {
            mailboxes: vec!["INBOX".to_owned(), "x".to_owned()],
            every: Duration::from_secs(300),
            once: true,
            ..watch.clone()
        }))
    );
    assert_eq!(
        planned("watch x --exec 'a b' -t", "", None).map(|plan| matches!(plan, Plan::Watch(watch) if watch.exec == sub)),
        Ok(true)
    );
    for bad in ["watch x --exec", "watch -t", "watch -x"] {
        assert!(matches!(planned(bad, "", Some("a")), Err(PlanError::Usage(_))), "{bad}");
    }
    assert_eq!(planned("watch", "IDLE", None), Err(PlanError::NoMailbox));
    assert!(planned("append x Sent", SERVER, None).is_ok());
}

#[test]
fn messages_are_read_by_uid_and_part() {
    let read = |typed| planned(typed, SERVER, Some("a")).unwrap();
    assert_eq!(read("show 5.2.1"), Plan::Read { uid: 5, part: Some("2.1".to_owned()), take: Take::Text });
    assert_eq!(read("headers 5"), Plan::Read { uid: 5, part: None, take: Take::Header });
    let wrong = |typed| planned(typed, SERVER, Some("a")).unwrap_err();
    assert_eq!((wrong("show 1:2"), wrong("show 5.x")), (PlanError::One, PlanError::PartNumber("x".to_owned())));
    assert!(matches!(wrong("show 5.1]"), PlanError::PartNumber(_)));
}

#[test]
fn what_is_no_command_is_told() {
    let wrong = |typed| planned(typed, SERVER, Some("a")).unwrap_err().to_string();
    assert_eq!(wrong("fech 1"), "fech: no command (is it fetch?); `help` lists them");
    assert_eq!(wrong("copy 1"), "usage: copy SET MAILBOX");
    assert_eq!(wrong("ls\nstatus"), "a line end outside of quotes: each command is a line, or a -c, of its own");
    assert_eq!(wrong("raw x\r\na LOGOUT"), "a line end or a NUL within a raw line");
    assert_eq!(wrong("raw APPEND x {5+}"), "a literal comes from a file here: say {<FILE} in place of {5+}");
    assert!(wrong("meta a 'b c'").contains("no entry"));
    assert!(wrong("flag 1 'a b'").contains("no flag"));
    assert_eq!(planned(" # nothing", SERVER, None), Ok(Plan::Rest));
}

#[test]
fn no_argument_ends_its_line() {
    for typed in [
        "select \"a\r\nb\"",
        "copy 1 \"a\r\nb\"",
        "acl a \"b\r\nc\" l",
        "meta a /x \"b\r\nc\"",
        "search from \"a\r\nb\"",
        "rename \"a\rb\" \"c\nd\"",
    ] {
        let lines = match planned(typed, SERVER, Some("a")).unwrap() {
            Plan::Send { lines, .. } => lines,
            Plan::Select { line, .. } => vec![line],
            other => panic!("{other:?}"),
        };
        for part in lines.iter().flat_map(Line::parts) {
            assert!(!matches!(part, Part::Text(text) if text.contains(['\r', '\n'])), "{typed}: {part:?}");
        }
    }
}

#[test]
fn every_command_of_the_list_is_understood() {
    for command in super::super::commands::COMMANDS {
        let planned = planned(command.name, &format!("{SERVER} STATUS=SIZE"), Some("a"));
        assert!(!matches!(planned, Err(PlanError::Unknown(..))), "{}", command.name);
    }
}
