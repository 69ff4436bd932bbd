//! imap-shell's `append`: many messages in one command, one by one where that is refused, octets that no literal takes.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use support::dialogue::{Does, Site, hears, says, serve};
use support::login::PASSWORD;
use support::process::{Ran, run, tool};

/// With what the server offers, and what it hears behind the login.
fn shell(offers: &str, commands: &[&str], script: Vec<Does>, make: impl FnOnce(&Path)) -> Ran {
    let site = Site::new();
    let password = site.dir.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    make(site.dir.path());
    let before = vec![
        says(&format!("* OK [CAPABILITY IMAP4rev1 {offers}] hi")),
        hears(&format!("a1 LOGIN bob {PASSWORD}")),
        says(&format!("a1 OK [CAPABILITY IMAP4rev1 {offers}] in")),
    ];
    let (address, serving) = serve(&site, [before, script].concat());
    let mut command = tool("imap-shell");
    command.arg(address.to_string()).args(["--user", "bob", "--tls", "never", "--allow-plaintext-auth", "--tags", "a"]);
    command.args(["--login", "login", "--password-file"]).arg(password).current_dir(site.dir.path());
    for words in commands {
        let words = if words.starts_with("--") { vec![*words] } else { vec!["-c", words] };
        command.args(words);
    }
    let ran = run(&mut command, b"");
    if let Err(why) = serving.join().unwrap() {
        panic!("{why}\n{}{}", ran.out, ran.err);
    }
    ran
}

/// Three messages, each of nine octets on the wire.
fn maildir(dir: &Path) {
    for part in ["M", "M/cur", "M/new", "M/tmp"] {
        std::fs::create_dir(dir.join(part)).unwrap();
    }
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
    for (name, text) in [("new/1.a.x", "A: 1\n\nx"), ("cur/2.b.x:2,FS", "A: 2\n\nx"), ("cur/3.c.x:2,", "A: 3\n\nx")] {
        let path = dir.join("M").join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }
}

/// The row of each that is stored as this.
fn rows(stored: &[(u32, &str)]) -> String {
    stored.iter().map(|(uid, file)| format!("x\t{uid}\tM/{file}\n")).collect()
}

const FILES: [&str; 3] = ["new/1.a.x", "cur/2.b.x:2,FS", "cur/3.c.x:2,"];
const DATE: &str = "\" 1-Jan-2026 00:00:00 +0000\"";

#[test]
fn a_maildir_goes_in_one_command() {
    let script = vec![
        hears(&format!("a2 APPEND x {DATE} {{9+}}")),
        hears("A: 1"),
        hears(""),
        hears(&format!("x (\\Flagged \\Seen) {DATE} {{9+}}")),
        hears("A: 2"),
        hears(""),
        hears(&format!("x {DATE} {{9+}}")),
        hears("A: 3"),
        hears(""),
        hears("x"),
        says("a2 OK [APPENDUID 7 4:6] done"),
        hears("a3 LOGOUT"),
        says("* BYE\na3 OK x"),
    ];
    let ran = shell("MULTIAPPEND LITERAL+", &["append maildir M x"], script, maildir);
    assert_eq!((ran.status, ran.out, ran.err.as_str()), (0, rows(&[(4, FILES[0]), (5, FILES[1]), (6, FILES[2])]), ""));
}

/// RFC 3502: all of them are stored, or none.
#[test]
fn what_is_refused_together_goes_one_by_one() {
    let script = vec![
        hears(&format!("a2 APPEND x {DATE} {{9}}")),
        says("+ go"),
        hears("A: 1"),
        hears(""),
        hears(&format!("x (\\Flagged \\Seen) {DATE} {{9}}")),
        says("a2 NO [TOOBIG] the second"),
        hears(&format!("a3 APPEND x {DATE} {{9}}")),
        says("+ go"),
        hears("A: 1"),
        hears(""),
        hears("x"),
        says("a3 OK [APPENDUID 7 4] done"),
        hears(&format!("a4 APPEND x (\\Flagged \\Seen) {DATE} {{9}}")),
        says("a4 NO [TOOBIG] that is it"),
        hears(&format!("a5 APPEND x {DATE} {{9}}")),
        says("+ go"),
        hears("A: 3"),
        hears(""),
        hears("x"),
        says("a5 OK done"),
        hears("a6 LOGOUT"),
        says("* BYE\na6 OK x"),
    ];
    let ran = shell("MULTIAPPEND", &["append maildir M x"], script, maildir);
    // Without APPENDUID nobody knows its UID, but it is stored.
    assert_eq!((ran.status, ran.out), (1, format!("{}x\t-\tM/{}\n", rows(&[(4, FILES[0])]), FILES[2])), "{}", ran.err);
    let lines: Vec<&str> = ran.err.lines().take(2).collect();
    let wanted = [
        "imap-shell: M/cur/2.b.x:2,FS: APPEND: NO [TOOBIG] that is it",
        "imap-shell: M: 2 went in, as the rows say: to append all of it again would double those",
    ];
    assert_eq!(lines, wanted);
}

/// Where there is no such mailbox, every other message would be refused, too.
#[test]
fn a_mailbox_that_is_not_there_ends_it() {
    let script = vec![
        hears(&format!("a2 APPEND x {DATE} {{9+}}")),
        hears("A: 1"),
        hears(""),
        hears("x"),
        says("a2 NO [TRYCREATE] no such mailbox"),
        hears("a3 LOGOUT"),
        says("* BYE\na3 OK x"),
    ];
    let ran = shell("LITERAL-", &["append maildir M x"], script, maildir);
    assert_eq!((ran.status, ran.out.as_str()), (69, ""), "{}", ran.err);
}

#[test]
fn without_multiappend_each_has_its_command() {
    let one = |number: u32, flags: &str| {
        let uid = number + 2;
        vec![
            hears(&format!("a{} APPEND x {flags}{DATE} {{9+}}", number + 1)),
            hears(&format!("A: {number}")),
            hears(""),
            hears("x"),
            says(&format!("a{} OK [APPENDUID 7 {uid}] done", number + 1)),
        ]
    };
    let script =
        [one(1, ""), one(2, "(\\Flagged \\Seen) "), one(3, ""), vec![hears("a5 LOGOUT"), says("* BYE\na5 OK x")]].concat();
    let ran = shell("LITERAL-", &["append maildir M x"], script, maildir);
    assert_eq!((ran.status, ran.out, ran.err.as_str()), (0, rows(&[(3, FILES[0]), (4, FILES[1]), (5, FILES[2])]), ""));
}

#[test]
fn nul_goes_as_a_literal8_or_not_at_all() {
    let nul = |dir: &Path| std::fs::write(dir.join("f"), "A: 1\n\n\0").unwrap();
    let script = vec![
        hears("a2 APPEND x ~{9+}"),
        hears("A: 1"),
        hears(""),
        hears("\0"),
        says("a2 OK done"),
        hears("a3 LOGOUT"),
        says("* BYE\na3 OK x"),
    ];
    let ran = shell("BINARY LITERAL+", &["--json", "append f x"], script, nul);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "{\"mailbox\":\"x\",\"file\":\"f\"}\n", ""));
    let ran = shell("LITERAL+", &["append f x"], vec![hears("a2 LOGOUT"), says("* BYE\na2 OK x")], nul);
    assert_eq!(ran.status, 65, "{}", ran.err);
    assert!(ran.err.contains("f: it holds a NUL"), "{}", ran.err);
}

/// RFC 6855 section 4.
#[test]
fn a_header_in_utf_8_goes_as_such_where_that_is_on() {
    let script = vec![
        hears("a2 ENABLE UTF8=ACCEPT"),
        says("* ENABLED UTF8=ACCEPT\na2 OK x"),
        hears("a3 APPEND x UTF8 (~{10+}"),
        hears("A: \u{fc}"),
        hears(""),
        hears("x)"),
        says("a3 OK done"),
        hears("a4 APPEND x {10+}"),
        hears("A: 1"),
        hears(""),
        hears("\u{fc}"),
        says("a4 OK done"),
        hears("a5 LOGOUT"),
        says("* BYE\na5 OK x"),
    ];
    let ran = shell("ENABLE UTF8=ACCEPT LITERAL+", &["append f x", "append g x"], script, |dir| {
        std::fs::write(dir.join("f"), "A: \u{fc}\n\nx").unwrap();
        std::fs::write(dir.join("g"), "A: 1\n\n\u{fc}").unwrap();
    });
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

/// Courier tells of a message in the open mailbox only when it is asked.
#[test]
fn what_is_appended_to_the_open_mailbox_is_there_for_the_next_command() {
    let append = |tag: u32, says_exists: &str| {
        vec![
            hears(&format!("a{tag} APPEND x {{9+}}")),
            hears("A: 1"),
            hears(""),
            hears("x"),
            says(&format!("{says_exists}a{tag} OK done")),
        ]
    };
    let script = [
        vec![hears("a2 SELECT x"), says("* 1 EXISTS\na2 OK x")],
        append(3, ""),
        vec![hears("a4 NOOP"), says("* 2 EXISTS\na4 OK x")],
        append(5, "* 3 EXISTS\n"),
        vec![hears("a6 LOGOUT"), says("* BYE\na6 OK x")],
    ]
    .concat();
    let ran = shell("LITERAL+", &["select x", "append f", "append f"], script, |dir| {
        std::fs::write(dir.join("f"), "A: 1\n\nx").unwrap()
    });
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

/// What cannot be sent is named, and nothing behind it stays.
#[test]
fn a_bad_message_of_a_maildir_keeps_no_other_back() {
    let bad = |dir: &Path| {
        maildir(dir);
        std::fs::write(dir.join("M/cur/2.b.x:2,FS"), "A: 2\rx\n\nx").unwrap();
    };
    let one = |tag: u32, number: u32| {
        vec![
            hears(&format!("a{tag} APPEND x {DATE} {{9+}}")),
            hears(&format!("A: {number}")),
            hears(""),
            hears("x"),
            says(&format!("a{tag} OK [APPENDUID 7 {tag}] done")),
        ]
    };
    let script = [one(2, 1), one(3, 3), vec![hears("a4 LOGOUT"), says("* BYE\na4 OK x")]].concat();
    let ran = shell("LITERAL-", &["append maildir M x"], script, bad);
    assert_eq!((ran.status, ran.out), (1, rows(&[(2, FILES[0]), (3, FILES[2])])), "{}", ran.err);
    assert!(ran.err.contains("M/cur/2.b.x:2,FS: ") && ran.err.contains("M: 2 went in"), "{}", ran.err);
}

/// What `export` writes: each message by itself, with its flags; a keyword that is no atom stays where it is.
#[test]
fn an_mbox_is_appended_message_by_message() {
    let mbox = |dir: &Path| {
        let text = "From a Mon\nStatus: RO\nX-Status: F\nX-Keywords: Work a)\n\nx\n\nFrom b Tue\nA: 2\n\n>From y\n\n";
        std::fs::write(dir.join("m"), text).unwrap();
    };
    let script = vec![
        hears("a2 APPEND x (\\Seen \\Flagged Work) {51+}"),
        hears("Status: RO"),
        hears("X-Status: F"),
        hears("X-Keywords: Work a)"),
        hears(""),
        hears("x"),
        hears(""),
        says("a2 OK [APPENDUID 7 4] done"),
        hears("a3 APPEND x {16+}"),
        hears("A: 2"),
        hears(""),
        hears("From y"),
        hears(""),
        says("a3 OK [APPENDUID 7 5] done"),
        hears("a4 LOGOUT"),
        says("* BYE\na4 OK x"),
    ];
    let ran = shell("LITERAL+", &["append mbox m x"], script, mbox);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "x\t4\tm:1\nx\t5\tm:2\n", ""));
    // As one message it would be none that anybody sent.
    let ran = shell("LITERAL+", &["append m x"], vec![hears("a2 LOGOUT"), says("* BYE\na2 OK x")], mbox);
    assert_eq!(ran.status, 65, "{}", ran.err);
    assert!(ran.err.contains("m: an mbox of several messages: say append mbox FILE"), "{}", ran.err);
}

/// What `export` wrote goes back as it was: without the fields that kept the flags, and with its date.
#[test]
fn an_mbox_of_ours_gives_back_what_was_exported() {
    let mbox = |dir: &Path| {
        let fields = "Status: RO\nX-Status: F\nX-Keywords: Work\n";
        let text = format!("From MAILER-DAEMON Thu Jan  1 00:00:00 2026\n{fields}A: 1\nStatus: y\n\nx\n\nFrom b\nA: 2\n\ny\n\n");
        std::fs::write(dir.join("m"), text).unwrap();
    };
    let script = vec![
        hears(&format!("a2 APPEND x (\\Seen \\Flagged Work) {DATE} {{22+}}")),
        hears("A: 1"),
        hears("Status: y"),
        hears(""),
        hears("x"),
        hears(""),
        says("a2 OK [APPENDUID 7 4] done"),
        hears("a3 APPEND x {11+}"),
        hears("A: 2"),
        hears(""),
        hears("y"),
        hears(""),
        says("a3 OK [APPENDUID 7 5] done"),
        hears("a4 LOGOUT"),
        says("* BYE\na4 OK x"),
    ];
    let ran = shell("LITERAL+", &["append mbox m x"], script, mbox);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "x\t4\tm:1\nx\t5\tm:2\n", ""));
}
