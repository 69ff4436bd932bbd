//! Each extension of IMAP that a real server offers: the command that is made of it sends it, and without it there is a stand-in or a plain
//! refusal. Names of mailboxes that are hard to write down come back as they were.

use crate::support::process::Ran;
use std::path::Path;

/// Extension, command in INBOX, what that sends; and what without the extension, or nothing: it is refused.
const USES: &[(&str, &str, &str, &str)] = &[
    ("ACL", "acl", " GETACL INBOX\n", ""),
    ("BINARY", "fetch 1 BINARY[1]", " UID FETCH 1 (UID BINARY.PEEK[1])\n", ""),
    ("COMPRESS=DEFLATE", "compress", " COMPRESS DEFLATE\n", ""),
    ("CONDSTORE", "changes 1", " UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 1)\n", ""),
    ("CREATE-SPECIAL-USE", "mkdir Kept archive", " CREATE Kept (USE (\\Archive))\n", ""),
    ("ENABLE", "enable CONDSTORE", " ENABLE CONDSTORE\n", ""),
    ("ESEARCH", "search --count", " UID SEARCH RETURN (COUNT) ALL\n", " UID SEARCH ALL\n"),
    ("ID", "id", " ID (\"name\" \"postroad\"", ""),
    ("IDLE", "watch -t 1s --every 1s", " IDLE\n", " NOOP\n"),
    ("LIST-EXTENDED", "ls -s", " LIST (SUBSCRIBED) \"\" \"*\" RETURN (CHILDREN SPECIAL-USE)\n", " LSUB \"\" \"*\"\n"),
    ("LIST-STATUS", "status *", " LIST \"\" \"*\" RETURN (STATUS (MESSAGES", " STATUS Other (MESSAGES"),
    ("METADATA", "meta", " GETMETADATA (DEPTH infinity) INBOX (/private /shared)\n", ""),
    ("MOVE", "move 3:* Other", " UID MOVE 3:* Other\n", " UID EXPUNGE 3:*\n"),
    ("NAMESPACE", "namespace", " NAMESPACE\n", ""),
    ("NOTIFY", "watch INBOX Other -t 1s", " NOTIFY SET (selected ", " EXAMINE Other\n"),
    ("OBJECTID", "fetch 1 emailid threadid", " UID FETCH 1 (UID emailid threadid)\n", ""),
    ("PREVIEW", "fetch 1 preview", " UID FETCH 1 (UID preview)\n", ""),
    ("QRESYNC", "enable QRESYNC", " ENABLE QRESYNC\n", " ENABLE QRESYNC\n"),
    ("QUOTA", "quota", " GETQUOTAROOT INBOX\n", ""),
    ("SAVEDATE", "search savedsince 1d", " UID SEARCH RETURN (ALL) SAVEDSINCE ", ""),
    ("SEARCHRES", "search --save all", " UID SEARCH RETURN (SAVE) ALL\n", ""),
    ("SORT", "sort -date,from", " UID SORT (REVERSE DATE FROM) US-ASCII ALL\n", ""),
    ("SPECIAL-USE", "ls", " LIST \"\" \"*\" RETURN (CHILDREN SPECIAL-USE)\n", " LIST \"\" \"*\" RETURN (CHILDREN)\n"),
    (
        "STATUS=SIZE",
        "status",
        " (MESSAGES UNSEEN UIDNEXT UIDVALIDITY SIZE",
        " (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ",
    ),
    ("THREAD=REFERENCES", "thread", " UID THREAD REFERENCES US-ASCII ALL\n", " UID THREAD "),
    ("UIDPLUS", "expunge 1:*", " UID EXPUNGE 1:*\n", ""),
    ("UNSELECT", "close", " UNSELECT\n", " CLOSE\n"),
    ("WITHIN", "search younger 1d", " UID SEARCH RETURN (ALL) YOUNGER 86400\n", ""),
    // None of theirs has a capability that could be missing.
    ("IMAP4rev1", "check", " CHECK\n", " CHECK\n"),
    ("IMAP4rev1", "flag --only 1 flagged Work", " UID STORE 1 FLAGS (\\Flagged Work)\n", " UID STORE 1 FLAGS ("),
    ("IMAP4rev1", "close --expunge", " CLOSE\n", " CLOSE\n"),
];

/// Runs commands in INBOX with options, `-v` among them, and gives what came of it.
pub type Run<'a> = &'a dyn Fn(&[&str], &[&str]) -> Ran;

/// With messages 1 to 3 in INBOX. `missing` is what this server has not.
pub fn uses_each(run: Run<'_>, missing: &[&str]) {
    let told = run(&[], &["capabilities", "mkdir Other"]).out;
    let offers = |name: &str| told.lines().any(|row| row.split('\t').next() == Some(name));
    for (name, command, sends, stands_in) in USES {
        assert_eq!(!offers(name), missing.contains(name), "{name}: {told}");
        let with = run(&[], &[command]);
        let without = run(&["--disable-extension", name], &[command]);
        for (ran, wire) in [(with, if offers(name) { sends } else { stands_in }), (without, stands_in)] {
            let as_wanted = match *wire {
                "" => ran.status == 69 && ran.err.contains("the server does not offer "),
                wire => ran.status == 0 && ran.err.contains(wire),
            };
            assert!(as_wanted, "{name}: {command}: wanted {wire:?}, status {}:\n{}\n{}", ran.status, ran.err, ran.out);
        }
    }
    for row in told.lines() {
        assert!(!row.contains("not known here") && !row.contains("the server's own"), "{row}");
    }
}

/// How the login and literals go, and several messages at once; `literal` is the extension that this server has for the second.
pub fn appends_and_logs_in_at_once(run: Run<'_>, dir: &Path, literal: &str) {
    for part in ["Two", "Two/new", "Two/cur", "Two/tmp"] {
        std::fs::create_dir(dir.join(part)).unwrap();
    }
    for name in ["1700000001.a.x", "1700000002.b.x"] {
        std::fs::write(dir.join("Two/new").join(name), "Subject: x\n\nhi\n").unwrap();
    }
    let commands = ["append maildir Two Other"];
    let times = |ran: &Ran, wire: &str| ran.err.matches(wire).count();
    let (all, one_by_one) = (run(&[], &commands), run(&["--disable-extension", "MULTIAPPEND"], &commands));
    assert_eq!((all.status, times(&all, " APPEND Other "), times(&one_by_one, " APPEND Other ")), (0, 1, 2), "{}", all.err);
    assert!(times(&all, "+}\n") == 2 && times(&run(&["--disable-extension", literal], &commands), "+}\n") == 0, "{}", all.err);
    let ahead = |ran: &Ran| times(ran, " AUTHENTICATE PLAIN <hidden>") == 1 && ran.status == 0;
    assert!(ahead(&all) && !ahead(&run(&["--disable-extension", "SASL-IR"], &["noop"])), "{}", all.err);
}

/// Names that are quoted, encoded, or look like something else.
pub fn keeps_names(run: Run<'_>) {
    let names =
        ["R&D", "two words", "日本語", "(paren)", "star*name", "a]b", "&-", "e&AOk-x", " lead", "nil", "NIL x", "😀", "$", "all"];
    let listed = |out: &str, name: &str| out.lines().any(|row| row.starts_with(&format!("{name}\t")));
    for name in names {
        let (mkdir, copy, select) = (format!("mkdir '{name}'"), format!("copy 1 '{name}'"), format!("select '{name}'"));
        let ran = run(&[], &[&mkdir, &copy, &select, "search", "status", &format!("subscribe '{name}'"), "ls -s"]);
        assert!(ran.status == 0 && ran.out.contains("\n1\n") && listed(&ran.out, name), "{name}: {}\n{}", ran.err, ran.out);
    }
    let all = run(&[], &["ls"]).out;
    assert!(names.iter().all(|name| listed(&all, name)), "{all}");
}
