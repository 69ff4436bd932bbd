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

/// A message in a command of its own: its lines on the wire, and what the server says of it.
fn append(tag: u32, words: &str, lines: &[&str], answer: &str) -> Vec<Does> {
    let mut script = vec![hears(&format!("a{tag} APPEND x {words}"))];
    if !words.ends_with("+}") {
        script.push(says("+ go"));
    }
    script.extend(lines.iter().map(|line| hears(line)));
    script.push(says(&format!("a{tag} {answer}")));
    script
}

/// One of [`maildir`].
fn append_one(tag: u32, number: u32, words: &str, answer: &str) -> Vec<Does> {
    append(tag, words, &[&format!("A: {number}"), "", "x"], answer)
}

fn quit(tag: u32) -> Vec<Does> {
    vec![hears(&format!("a{tag} LOGOUT")), says(&format!("* BYE\na{tag} OK x"))]
}

fn file(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
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
    ];
    let ran = shell("MULTIAPPEND LITERAL+", &["append maildir M x"], [script, quit(3)].concat(), maildir);
    assert_eq!((ran.status, ran.out, ran.err.as_str()), (0, rows(&[(4, FILES[0]), (5, FILES[1]), (6, FILES[2])]), ""));
}

/// RFC 3502: all of them are stored, or none.
#[test]
fn what_is_refused_together_goes_one_by_one() {
    let script = [
        vec![
            hears(&format!("a2 APPEND x {DATE} {{9}}")),
            says("+ go"),
            hears("A: 1"),
            hears(""),
            hears(&format!("x (\\Flagged \\Seen) {DATE} {{9}}")),
            says("a2 NO [TOOBIG] the second"),
        ],
        append_one(3, 1, &format!("{DATE} {{9}}"), "OK [APPENDUID 7 4] done"),
        vec![hears(&format!("a4 APPEND x (\\Flagged \\Seen) {DATE} {{9}}")), says("a4 NO [TOOBIG] that is it")],
        append_one(5, 3, &format!("{DATE} {{9}}"), "OK done"),
        quit(6),
    ];
    let ran = shell("MULTIAPPEND", &["append maildir M x"], script.concat(), maildir);
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
    let script = [append_one(2, 1, &format!("{DATE} {{9+}}"), "NO [TRYCREATE] no such mailbox"), quit(3)].concat();
    let ran = shell("LITERAL-", &["append maildir M x"], script, maildir);
    assert_eq!((ran.status, ran.out.as_str()), (69, ""), "{}", ran.err);
}

#[test]
fn without_multiappend_each_has_its_command() {
    let one = |number: u32, flags: &str| {
        append_one(number + 1, number, &format!("{flags}{DATE} {{9+}}"), &format!("OK [APPENDUID 7 {}] done", number + 2))
    };
    let script = [one(1, ""), one(2, "(\\Flagged \\Seen) "), one(3, ""), quit(5)].concat();
    let ran = shell("LITERAL-", &["append maildir M x"], script, maildir);
    assert_eq!((ran.status, ran.out, ran.err.as_str()), (0, rows(&[(3, FILES[0]), (4, FILES[1]), (5, FILES[2])]), ""));
}

#[test]
fn nul_goes_as_a_literal8_or_not_at_all() {
    let nul = |dir: &Path| file(dir, "f", "A: 1\n\n\0");
    let script = [append(2, "~{9+}", &["A: 1", "", "\0"], "OK done"), quit(3)].concat();
    let ran = shell("BINARY LITERAL+", &["--json", "append f x"], script, nul);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "{\"mailbox\":\"x\",\"file\":\"f\"}\n", ""));
    let ran = shell("LITERAL+", &["append f x"], quit(2), nul);
    assert_eq!(ran.status, 65, "{}", ran.err);
    assert!(ran.err.contains("f: it holds a NUL"), "{}", ran.err);
}

/// RFC 6855 section 4.
#[test]
fn a_header_in_utf_8_goes_as_such_where_that_is_on() {
    let script = [
        vec![hears("a2 ENABLE UTF8=ACCEPT"), says("* ENABLED UTF8=ACCEPT\na2 OK x")],
        append(3, "UTF8 (~{10+}", &["A: \u{fc}", "", "x)"], "OK done"),
        append(4, "{10+}", &["A: 1", "", "\u{fc}"], "OK done"),
        quit(5),
    ];
    let ran = shell("ENABLE UTF8=ACCEPT LITERAL+", &["append f x", "append g x"], script.concat(), |dir| {
        file(dir, "f", "A: \u{fc}\n\nx");
        file(dir, "g", "A: 1\n\n\u{fc}");
    });
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

/// Courier tells of a message in the open mailbox only when it is asked.
#[test]
fn what_is_appended_to_the_open_mailbox_is_there_for_the_next_command() {
    let mut second = append_one(5, 1, "{9+}", "OK done");
    second.insert(second.len() - 1, says("* 3 EXISTS"));
    let script = [
        vec![hears("a2 SELECT x"), says("* 1 EXISTS\na2 OK x")],
        append_one(3, 1, "{9+}", "OK done"),
        vec![hears("a4 NOOP"), says("* 2 EXISTS\na4 OK x")],
        second,
        quit(6),
    ];
    let ran = shell("LITERAL+", &["select x", "append f", "append f"], script.concat(), |dir| file(dir, "f", "A: 1\n\nx"));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
}

/// What cannot be sent is named, and nothing behind it stays.
#[test]
fn a_bad_message_of_a_maildir_keeps_no_other_back() {
    let bad = |dir: &Path| {
        maildir(dir);
        file(dir, "M/cur/2.b.x:2,FS", "A: 2\rx\n\nx");
    };
    let one = |tag, number| append_one(tag, number, &format!("{DATE} {{9+}}"), &format!("OK [APPENDUID 7 {tag}] done"));
    let ran = shell("LITERAL-", &["append maildir M x"], [one(2, 1), one(3, 3), quit(4)].concat(), bad);
    assert_eq!((ran.status, ran.out), (1, rows(&[(2, FILES[0]), (3, FILES[2])])), "{}", ran.err);
    assert!(ran.err.contains("M/cur/2.b.x:2,FS: ") && ran.err.contains("M: 2 went in"), "{}", ran.err);
}

/// Each message by itself, with its flags, and with what other programs wrote into it; a keyword that is no atom stays where it is.
#[test]
fn an_mbox_is_appended_message_by_message() {
    let mbox = |dir: &Path| {
        file(dir, "m", "From a Mon\nStatus: RO\nX-Status: F\nX-Keywords: Work a)\n\nx\n\nFrom b Tue\nA: 2\n\n>From y\n\n");
    };
    let first = ["Status: RO", "X-Status: F", "X-Keywords: Work a)", "", "x", ""];
    let script = [
        append(2, "(\\Seen \\Flagged Work) {51+}", &first, "OK [APPENDUID 7 4] done"),
        append(3, "{16+}", &["A: 2", "", "From y", ""], "OK [APPENDUID 7 5] done"),
        quit(4),
    ];
    let ran = shell("LITERAL+", &["append mbox m x"], script.concat(), mbox);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "x\t4\tm:1\nx\t5\tm:2\n", ""));
    // As one message it would be none that anybody sent.
    let ran = shell("LITERAL+", &["append m x"], quit(2), mbox);
    assert_eq!(ran.status, 65, "{}", ran.err);
    assert!(ran.err.contains("m: an mbox of several messages: say append mbox FILE"), "{}", ran.err);
}

/// What `export` wrote goes back as it was: without the fields that kept the flags, with those that the message had itself, and with its
/// date.
#[test]
fn an_mbox_of_ours_gives_back_what_was_exported() {
    let mbox = |dir: &Path| {
        let from = "From MAILER-DAEMON Thu Jan  1 00:00:00 2026";
        let first = format!("{from}\nX-Keywords: Work\nX-Status: F\nStatus: RO\nStatus: y\nA: 1\n\nx\n\n");
        let second = format!("{from}\nStatus: O\nX-Status: F\nStatus: RO\n\ny\n\n");
        file(dir, "m", &format!("{first}{second}From b\nStatus: RO\n\nz\n\n"));
    };
    let script = [
        append(2, &format!("(\\Seen \\Flagged Work) {DATE} {{22+}}"), &["Status: y", "A: 1", "", "x", ""], "OK done"),
        append(3, &format!("{DATE} {{30+}}"), &["X-Status: F", "Status: RO", "", "y", ""], "OK done"),
        append(4, "(\\Seen) {17+}", &["Status: RO", "", "z", ""], "OK done"),
        quit(5),
    ];
    let ran = shell("LITERAL+", &["append mbox m x"], script.concat(), mbox);
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "x\t-\tm:1\nx\t-\tm:2\nx\t-\tm:3\n", ""));
}
