//! `export` and `save`: what is stored, under which names, flags and dates, and what is told of the rest.

use super::scripted;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn only(dir: &Path) -> PathBuf {
    let names = names(dir);
    assert_eq!(names.len(), 1, "{names:?}");
    dir.join(&names[0])
}

/// Two literals, one with all that is known of it before, one with all of that behind; a quoted body; one without a body; one nobody asked for;
/// one that came already; a change of flags by another.
const ROWS: &str = "\
S: * 1 FETCH (UID 5 FLAGS (\\Seen $Forwarded Work) INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {11}
S: A: b
S: 
S: c
S: )
S: * 9 FETCH (FLAGS (\\Deleted))
S: * 3 EXPUNGE
S: * 2 FETCH (BODY[] {16}
S: A: d
S: 
S: >From 
S:  UID 6 FLAGS (\\Answered) INTERNALDATE \"18-Jul-1996 00:00:00 +0000\")
S: * 3 FETCH (UID 7 FLAGS (\\Recent) INTERNALDATE \"19-Jul-1996 00:00:00 +0000\" BODY[] \"e\")
S: * 4 FETCH (UID 8 FLAGS () INTERNALDATE \"19-Jul-1996 00:00:00 +0000\" BODY[] NIL)
S: * 5 FETCH (UID 99 FLAGS () INTERNALDATE \"19-Jul-1996 00:00:00 +0000\" BODY[] {3}
S: f
S: )
S: * 5 FETCH (UID 5 FLAGS () INTERNALDATE \"19-Jul-1996 00:00:00 +0000\" BODY[] {3}
S: g
S: )";

#[test]
fn a_maildir_keeps_flags_and_dates_and_every_other_row_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mail = dir.path().join("mail");
    let command = format!("export 5:9,11 maildir {}", mail.display());
    let fetch = "UID FETCH 5:9,11 (UID FLAGS INTERNALDATE BODY.PEEK[])";
    let (ran, place) = scripted(&["--json"], &[&command], &format!("C: a3 {fetch}\n{ROWS}\nS: a3 OK x\nC: a4 LOGOUT"));
    assert_eq!(ran.status, 76, "{place}");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let cur = names(&mail.join("cur"));
    let named =
        |info: &str| mail.join("cur").join(cur.iter().find(|name| name.ends_with(info)).unwrap_or_else(|| panic!("{cur:?}")));
    assert_eq!(cur.len(), 2, "{cur:?}");
    let (first, second, third) = (named(":2,PS"), named(":2,R"), only(&mail.join("new")));
    assert_eq!((read(&first), read(&second), read(&third)), ("A: b\n\nc\n".into(), "A: d\n\n>From \n".into(), "e".into()));
    let date = |path: &Path| std::fs::metadata(path).unwrap().mtime();
    assert_eq!((date(&first), date(&second), date(&third)), (837_596_665, 837_648_000, 837_734_400));
    assert_eq!(names(&mail.join("tmp")), [""; 0]);
    let rows: Vec<&str> = ran.out.lines().collect();
    assert_eq!(
        rows[0],
        r#"{"mailbox":"INBOX","uid":5,"size":11,"flags":["\\Seen","$Forwarded","Work"],"internaldate":"1996-07-17T09:44:25Z","outcome":"delivered"}"#
    );
    assert_eq!(rows.len(), 3, "{place}");
    for told in [
        "8: the server has no content",
        "99: a message that was not asked for",
        "5: a message that came already",
        "11: no such message",
    ] {
        assert!(ran.err.contains(told), "{told}: {place}");
    }
    assert!(!ran.err.contains("5:9: no such"), "{place}");
}

#[test]
fn an_mbox_keeps_flags_and_dates_and_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let mbox = dir.path().join("mbox");
    std::fs::write(&mbox, "From x Sat Jan  1 00:00:00 2000\nB: c\n\nold\n\n").unwrap();
    let command = format!("export 5:8 mbox {}", mbox.display());
    let rows: String = ROWS.lines().take_while(|line| !line.contains("UID 99")).map(|line| format!("{line}\n")).collect();
    let fetch = "UID FETCH 5:8 (UID FLAGS INTERNALDATE BODY.PEEK[])";
    let (ran, place) = scripted(&[], &[&command], &format!("C: a3 {fetch}\n{rows}S: a3 OK x\nC: a4 LOGOUT"));
    assert_eq!((ran.status, ran.out.as_str()), (1, "5\t11\n6\t16\n7\t1\n"), "{place}");
    let wanted = "From x Sat Jan  1 00:00:00 2000\nB: c\n\nold\n\n\
         From MAILER-DAEMON Wed Jul 17 09:44:25 1996\nX-Keywords: $Forwarded Work\nStatus: RO\nA: b\n\nc\n\n\
         From MAILER-DAEMON Thu Jul 18 00:00:00 1996\nX-Status: A\nStatus: O\nA: d\n\n>>From \n\n\
         From MAILER-DAEMON Fri Jul 19 00:00:00 1996\nStatus: O\ne\n\n";
    assert_eq!(std::fs::read_to_string(&mbox).unwrap(), wanted);
}

#[test]
fn nothing_stays_of_a_message_that_was_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mail = dir.path().join("mail");
    let command = format!("export all maildir {}", mail.display());
    let rows = "C: a3 UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])\nC: a4 LOGOUT\n\
         S: * 1 FETCH (UID 5 FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {3}\nS: a\nS: )\n\
         S: * 2 FETCH (UID 6 FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {30}\nS: half\nlost";
    let (ran, place) = scripted(&[], &[&command], rows);
    assert_eq!((ran.status, ran.out.as_str()), (75, "5\t3\n"), "{place}");
    assert_eq!((names(&mail.join("new")).len(), names(&mail.join("tmp")).len()), (1, 0));
    let file = dir.path().join("six.eml");
    let command = format!("save 6 {}", file.display());
    let rows = "C: a3 UID FETCH 6 (UID BODY.PEEK[])\nC: a4 LOGOUT\nS: * 2 FETCH (UID 6 BODY[] {30}\nS: half\nlost";
    let (ran, place) = scripted(&[], &[&command], rows);
    assert_eq!(ran.status, 75, "{place}");
    assert_eq!(names(dir.path()), ["mail"], "nothing of it is left");
}

/// RFC 5322 section 2.3 forbids it all, and it is there.
#[test]
fn every_byte_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let body = format!("\r\nno header\0\rlone CR\r\n{}\r\nno end of line", "x".repeat(5000));
    let file = |name: &str| dir.path().join(name);
    let rows = |line: &str| {
        let (first, rest) = body.split_once("\r\n").unwrap();
        let rest = rest.replace("\r\n", "\nS: ");
        format!("C: a3 {line}\nS: * 1 FETCH (UID 5 BODY[] {{{}}}\nS: {first}\nS: {rest})\nS: a3 OK x\nC: a4 LOGOUT", body.len())
    };
    let save = format!("save 5 {}", file("saved").display());
    let (ran, place) = scripted(&["--crlf"], &[&save], &rows("UID FETCH 5 (UID BODY.PEEK[])"));
    assert_eq!(ran.status, 0, "{place}");
    assert_eq!(std::fs::read(file("saved")).unwrap(), body.as_bytes());
    let export = format!("export 5 maildir {}", file("mail").display());
    let (ran, place) = scripted(&[], &[&export], &rows("UID FETCH 5 (UID FLAGS INTERNALDATE BODY.PEEK[])"));
    assert_eq!(ran.status, 0, "{place}");
    assert_eq!(std::fs::read(only(&file("mail/new"))).unwrap(), body.replace("\r\n", "\n").as_bytes());
    let (ran, place) = scripted(&[], &[&save], "C: a3 LOGOUT");
    assert_eq!(ran.status, 73, "a file that is there is not written over: {place}");
}

/// RFC 9051 sections 2.3.2 and 9: words of the protocol, flags and keywords count in any case.
#[test]
fn flags_in_another_case_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mail = dir.path().join("mail");
    let command = format!("export 5 maildir {}", mail.display());
    let row = "* 1 fetch (uid 5 flags (\\seen \\ANSWERED $FORWARDED) internaldate \"17-jul-1996 02:44:25 -0700\" body[] {3}\nS: a\nS: )";
    let rows = format!(
        "C: a3 UID FETCH 5 (UID FLAGS INTERNALDATE BODY.PEEK[])\nS: {row}\nS: a3 ok x\n\
         C: a4 UID FETCH 5 (UID FLAGS)\nS: * 1 fetch (uid 5 flags (\\SEEN $FORWARDED))\nS: a4 ok x\nC: a5 LOGOUT"
    );
    let (ran, place) = scripted(&[], &[&command, "fetch 5 FLAGS"], &rows);
    assert_eq!((ran.status, ran.out.as_str()), (0, "5\t3\n5\t\\Seen $FORWARDED\t-\t-\t-\t-\n"), "{place}");
    let file = only(&mail.join("cur"));
    assert!(file.to_string_lossy().ends_with(":2,PRS"), "{file:?}");
    assert_eq!(std::fs::metadata(&file).unwrap().mtime(), 837_596_665);
}
