//! imap-shell at servers that speak in another way than Dovecot: Courier with its `INBOX.` before every name, and Cyrus.

use super::dialect::{Dialect, Kind};
use super::imap_extensions::{appends_and_logs_in_at_once, keeps_names, uses_each};
use super::letters::{assert_same, letters, lf};
use crate::support::process::{Ran, run_as_is, tool};
use std::path::Path;

impl Dialect {
    fn shell(&self, server: &str, words: &[&str]) -> Ran {
        let mut command = tool("imap-shell");
        command.env("HOME", self.dir.path()).current_dir(self.dir.path()).arg(server);
        run_as_is(command.arg("--password-file").arg(&self.password).arg("--tls-ca").arg(&self.ca).args(words))
    }

    /// Runs commands, which have to succeed in silence, and gives their rows. Without OBJECTID: for a mailbox that was just made, Cyrus 3.6
    /// names octets of its memory, and parentheses may be among them.
    fn rows(&self, mailbox: &str, commands: &[&str]) -> Vec<String> {
        let first = ["--auth", "PLAIN", "--disable-extension", "OBJECTID"];
        let words: Vec<&str> = first.into_iter().chain(commands.iter().flat_map(|command| ["-c", command])).collect();
        let ran = self.shell(&format!("imaps://alice@{}/{mailbox}", self.imaps), &words);
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{commands:?}: {}\n{}", ran.out, self.said());
        ran.out.lines().map(str::to_owned).collect()
    }

    fn logs_in(&self, ways: &[&str]) {
        for way in ways {
            for server in [format!("imaps://alice@{}", self.imaps), format!("imap://alice@{}", self.imap)] {
                let ran = self.shell(&server, &["--auth", way, "-v", "-c", "noop"]);
                assert_eq!(ran.status, 0, "{way}: {}\n{}", ran.err, self.said());
                assert!(ran.err.contains(&format!(" AUTHENTICATE {way}")), "{}", ran.err);
            }
        }
        let ran = self.shell(&format!("imap://alice@{}", self.imap), &["--login", "login", "-v", "-c", "noop"]);
        assert!(ran.status == 0 && ran.err.contains(" LOGIN <hidden>"), "{}", ran.err);
    }

    /// What is appended comes back by export, show and save as it was; one by one, and all of a Maildir.
    fn appends_and_exports(&self, sent: &[Vec<u8>], archive: &str) {
        let dir = self.dir.path();
        for part in ["Sent", "Sent/new", "Sent/cur", "Sent/tmp"] {
            std::fs::create_dir(dir.join(part)).unwrap();
        }
        for (number, letter) in sent.iter().enumerate() {
            std::fs::write(dir.join(format!("Sent/cur/{}.M{number}P1.x:2,S", 1_700_000_000 + number)), lf(letter)).unwrap();
        }
        let first = dir.join("Sent/cur/1700000000.M0P1.x:2,S");
        let uids = self.rows("", &[&format!("mkdir {archive}"), &format!("append maildir Sent {archive}")]);
        assert_eq!(uids.len(), sent.len(), "{uids:?}");
        let rows =
            self.rows(archive, &["export all maildir Here", "export all mbox Here.mbox", "search seen", "save 1 One", "fetch 1"]);
        assert_eq!(rows.iter().filter(|row| !row.contains('\t')).count(), sent.len(), "flags went with them: {rows:?}");
        // From the name of the file, by its time.
        assert!(rows.last().unwrap().contains("\\Seen") && rows.last().unwrap().contains("\t20"), "{rows:?}");
        assert_same(stored(&dir.join("Here")), sent.iter().map(|message| lf(message)).collect());
        assert_eq!(std::fs::read(dir.join("One")).unwrap(), std::fs::read(&first).unwrap());
        let shown = self.rows(archive, &["show 1"]);
        assert!(shown.contains(&"Do you like ketchup?".to_owned()), "{shown:?}");
    }

    /// `other` and `third` do not exist yet.
    fn changes(&self, inbox: usize, other: &str, third: &str) {
        let rows = self.rows("INBOX", &["search", "select INBOX", "fetch 1 fast"]);
        assert_eq!(rows[..inbox], (1..=inbox).map(|n| n.to_string()).collect::<Vec<_>>());
        self.rows("INBOX", &[&format!("mkdir '{other}'"), &format!("mkdir '{third}'"), &format!("subscribe '{third}'")]);
        let listed = self.rows("", &["ls", "ls -s", "tree"]);
        assert!([other, third].iter().all(|name| listed.iter().any(|row| row.starts_with(&format!("{name}\t")))), "{listed:?}");
        let rows = self.rows(
            "INBOX",
            &[&format!("copy 1 '{other}'"), &format!("move 2 '{third}'"), "flag 1 flagged", "search flagged", "status"],
        );
        assert!(rows.contains(&"1".to_owned()), "{rows:?}");
        assert!(rows.last().unwrap().starts_with(&format!("INBOX\t{}\t", inbox - 1)), "{rows:?}");
        let rows = self.rows(
            "INBOX",
            &[&format!("status '{other}' '{third}'"), "rm 3", "search deleted", "undelete 3", "rm 3", "expunge", "search"],
        );
        assert!(rows[0].starts_with(&format!("{other}\t1\t")) && rows[1].starts_with(&format!("{third}\t1\t")), "{rows:?}");
        assert_eq!(rows.iter().filter(|row| *row == "3").count(), 1, "{rows:?}");
        let rows =
            self.rows("INBOX", &[&format!("watch -t 1s INBOX '{other}'"), "capabilities", "thread", "sort -date from alice"]);
        assert!(rows.iter().any(|row| row.starts_with("IDLE\t")), "{rows:?}");
        self.rows(
            "INBOX",
            &[&format!("rename '{other}' '{other}x'"), &format!("rmdir '{other}x'"), &format!("unsubscribe '{third}'")],
        );
        assert!(self.rows("", &["ls"]).iter().all(|row| !row.starts_with(&format!("{other}x\t"))));
    }
}

fn stored(maildir: &Path) -> Vec<Vec<u8>> {
    let files = ["new", "cur"].into_iter().flat_map(|part| std::fs::read_dir(maildir.join(part)).unwrap());
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// It has UTF8=ACCEPT, and no SASL-IR, MOVE or ENABLE that is to be seen before the login.
#[test]
fn imap_shell_uses_all_that_courier_has() {
    let sent = letters();
    let dialect = Dialect::start(Kind::Courier, &sent);
    dialect.logs_in(&["PLAIN"]);
    dialect.changes(sent.len(), "INBOX.Entwürfe", "INBOX.a.b c");
    dialect.appends_and_exports(&sent, "INBOX.Archive");
    // It has no LIST-STATUS, ESEARCH and UNSELECT.
    let rows = dialect.rows("INBOX", &["capabilities", "status INBOX*", "search --count", "close"]);
    assert!(rows.iter().any(|row| row.starts_with(&format!("INBOX.Archive\t{}\t", sent.len()))), "{rows:?}");
    assert_eq!(rows.last().unwrap(), &(sent.len() - 2).to_string());
    assert!(rows.iter().all(|row| !row.contains("not known here")), "{rows:?}");
    let refused = dialect.shell(&format!("imaps://alice@{}/Gone", dialect.imaps), &["-c", "noop"]);
    assert_eq!(refused.status, 69, "{}", refused.err);
}

#[test]
fn imap_shell_uses_all_that_cyrus_has() {
    let sent = letters();
    let dialect = Dialect::start(Kind::Cyrus, &sent);
    dialect.logs_in(&["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"]);
    dialect.changes(sent.len(), "Entwürfe", "a/b c");
    dialect.appends_and_exports(&sent, "Archive");
    let refused = dialect.shell(&format!("imaps://alice@{}/Gone", dialect.imaps), &["--auth", "PLAIN", "-c", "noop"]);
    assert_eq!(refused.status, 69, "{}", refused.err);
}

#[test]
fn imap_shell_uses_each_extension_of_cyrus() {
    let sent = letters();
    let dialect = Dialect::start(Kind::Cyrus, &sent[..3]);
    let run = |options: &[&str], commands: &[&str]| {
        // What stands in a new mailbox's OBJECTID may be no id; those of messages are.
        let counts = commands.iter().any(|command| command.starts_with("status"));
        let disabled = ["--disable-extension", if counts { "OBJECTID" } else { "NONE" }];
        let commands = commands.iter().flat_map(|command| ["-c", command]);
        let words = ["--auth", "PLAIN", "-v"].into_iter().chain(disabled).chain(options.iter().copied()).chain(commands);
        dialect.shell(&format!("imaps://alice@{}/INBOX", dialect.imaps), &words.collect::<Vec<_>>())
    };
    uses_each(&run, &["NOTIFY", "SEARCHRES"]);
    appends_and_logs_in_at_once(&run, dialect.dir.path(), "LITERAL+");
    keeps_names(&run);
}
