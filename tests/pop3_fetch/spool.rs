//! From a mailbox into a spool, and from there into a Maildir: both tools as they run.

use crate::lmtp::mailbox;
use crate::mailboxes::fetch;
use crate::support::dialogue::Site;
use crate::support::process::{Ran, run_as_is, tool};
use std::path::Path;

fn mailq(site: &Site, words: &[&str]) -> Ran {
    let mut command = tool("mailq-run");
    run_as_is(command.arg("--config").arg(site.dir.path().join("config.toml")).args(words))
}

fn texts(dir: &Path) -> Vec<String> {
    let files =
        std::fs::read_dir(dir).map(|files| files.map(|file| file.unwrap().path()).collect()).unwrap_or_else(|_| Vec::new());
    let mut texts: Vec<String> = files.iter().map(|path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap()).collect();
    texts.sort();
    texts
}

#[test]
fn fetched_messages_go_through_the_spool_into_a_maildir() {
    let site = Site::new();
    let dir = site.dir.path();
    let config = format!(
        "hostname = \"mx.crepes.test\"\ndomains = [\"crepes.test\"]\nspool = \"{0}/spool\"\n\
         [local]\nmaildir = \"{0}/mail/{{user}}\"\nusers = [\"alice-test\"]\n",
        dir.display()
    );
    std::fs::write(dir.join("config.toml"), config).unwrap();
    std::fs::create_dir(dir.join("mail")).unwrap();
    let long = "x".repeat(5000);
    let (pop3, served) = mailbox(&site, &[("Subject: 1\r\n\r\n...\r\n..dot", true), ("lone\rreturn", false), (&long, true)]);
    let mut command = fetch(dir, &format!("bob@{pop3}"));
    command.args(["--delete", "--create", "--config"]).arg(dir.join("config.toml")).arg("--spool").arg(dir.join("spool"));
    let ran = run_as_is(command.args(["--recipient", "alice-test@crepes.test", "--recipient", "nobody@crepes.test"]));
    served.join().unwrap().unwrap_or_else(|why| panic!("{why}\n{}{}", ran.out, ran.err));
    assert_eq!(ran.status, 1, "{}{}", ran.out, ran.err);
    let rows: Vec<&str> = ran.out.lines().collect();
    assert!(rows[1].starts_with("failed\t2\t") && rows[1].ends_with("a carriage return without a line feed"), "{rows:?}");
    assert!([rows[0], rows[2]].iter().all(|row| row.starts_with("delivered\t") && row.contains("\tqueued as ")), "{rows:?}");

    let pass = mailq(&site, &["--log", &dir.join("log").display().to_string()]);
    assert_eq!(pass.status, 0, "{}", pass.err);
    let stored = texts(&dir.join("mail/alice-test/new"));
    let head = "Return-Path: <>\nDelivered-To: alice-test@crepes.test\nReceived: by mx.crepes.test";
    assert_eq!(stored.len(), 2, "{stored:?}");
    assert!(stored.iter().all(|text| text.starts_with(head)), "{stored:?}");
    assert!(stored.iter().any(|text| text.ends_with("\nSubject: 1\n\n..\n.dot\n")), "{stored:?}");
    assert!(stored.iter().any(|text| text.ends_with(&format!("{long}\n"))), "{stored:?}");

    // Nobody is told of what could not be delivered: it is put aside.
    let list = mailq(&site, &["list"]);
    assert_eq!(list.out.matches("nobody@crepes.test").count(), 2, "{}", list.out);
    assert!(list.out.lines().all(|row| row.contains("failed")), "{}", list.out);
}
