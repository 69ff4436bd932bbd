//! imap-shell where the server's answer is another's, or does not come: nothing wrong is saved, and nothing that may have been done is called undone.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::dialogue::{Does, Site, hears, says, serve};
use support::login::PASSWORD;
use support::process::{Ran, run, tool};

/// With INBOX selected as `a2`, in a directory that `make` fills; gives what the file `out` holds in the end, too.
fn shell(offers: &str, commands: &[&str], script: Vec<Does>, make: impl FnOnce(&Path)) -> (Ran, Option<String>) {
    let site = Site::new();
    let password = site.dir.path().join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    make(site.dir.path());
    let before = vec![
        says(&format!("* OK [CAPABILITY IMAP4rev1 {offers}] hi")),
        hears(&format!("a1 LOGIN bob {PASSWORD}")),
        says(&format!("a1 OK [CAPABILITY IMAP4rev1 {offers}] in")),
        hears("a2 SELECT INBOX"),
        says("* 9 EXISTS\na2 OK [READ-WRITE] x"),
    ];
    let (address, serving) = serve(&site, [before, script].concat());
    let mut command = tool("imap-shell");
    command.arg(format!("{address}/INBOX")).args(["--user", "bob", "--tls", "never", "--allow-plaintext-auth", "--tags", "a"]);
    command.args(["--login", "login", "--timeout", "2", "--password-file"]).arg(password).current_dir(site.dir.path());
    let ran = run(command.args(commands.iter().flat_map(|command| ["-c", command])), b"");
    if let Err(why) = serving.join().unwrap() {
        panic!("{why}\n{}{}", ran.out, ran.err);
    }
    let saved = std::fs::read_to_string(site.dir.path().join("out")).ok();
    (ran, saved)
}

fn nothing(_: &Path) {}

/// What answers `save 3 out` and `save 3 -`: the body is known by the UID of its row, wherever it stands there.
#[test]
fn another_message_s_body_is_not_saved() {
    const OTHER: &str = "* 5 FETCH (BODY[] {12}\nA: five\n\nx UID 5)\n";
    const OWN: &str = "* 3 FETCH (BODY[] {12}\nA: thre\n\nx UID 3)\n";
    const NONE: &str = "* 3 FETCH (BODY[] {12}\nA: thre\n\nx)\n";
    const QUOTED: &str = "* 3 FETCH (BODY[] \"A: thre\")\n";
    let own = Some("A: thre\n\nx".to_owned());
    for (rows, status, wanted, told) in [
        (OWN.to_owned(), 0, own.clone(), ""),
        (OWN.to_owned() + OTHER, 0, own, ""),
        (OTHER.to_owned(), 76, None, "3: the server sent message 5 in place of it"),
        (OTHER.to_owned() + OWN, 76, None, "3: the server sent message 5 in place of it"),
        (NONE.to_owned(), 76, None, "3: the server gives no UID for message number 3"),
        (QUOTED.to_owned(), 76, None, "3: the server gives no UID for message number 3"),
        (QUOTED.replace(')', " UID 5)"), 66, None, "3: no such message"),
    ] {
        for file in ["out", "-"] {
            let script = vec![
                hears("a3 UID FETCH 3 (UID BODY.PEEK[])"),
                says(&format!("{rows}a3 OK x")),
                hears("a4 LOGOUT"),
                says("* BYE\na4 OK x"),
            ];
            let (ran, saved) = shell("", &[&format!("save 3 {file}")], script, nothing);
            assert_eq!(ran.status, status, "{rows} {}", ran.err);
            assert!(ran.err.contains(told), "{rows} {}", ran.err);
            if file == "out" {
                assert_eq!(saved, wanted, "{rows}");
            }
        }
    }
}

#[test]
fn a_message_whose_append_is_not_answered_is_in_doubt() {
    let letter = |dir: &Path| std::fs::write(dir.join("f"), "A: 1\n\nx").unwrap();
    let whole = || vec![hears("a3 APPEND Drop {9}"), says("+ go"), hears("A: 1"), hears(""), hears("x")];
    for (script, status) in [
        (whole(), 79),
        ([whole(), vec![says("* BYE going")]].concat(), 79),
        // Silent, and then gone.
        ([whole(), vec![Does::Ends(Vec::new())]].concat(), 79),
        (vec![hears("a3 APPEND Drop {9}")], 75),
    ] {
        let (ran, _) = shell("", &["append f Drop"], script.clone(), letter);
        assert_eq!(ran.status, status, "{script:?} {}", ran.err);
        assert_eq!(ran.err.contains("APPEND may have been done"), status == 79, "{}", ran.err);
    }
}

#[test]
fn copies_that_are_not_answered_are_in_doubt() {
    for (command, line, status) in [
        ("copy 3 Drop", "a3 UID COPY 3 Drop", 79),
        ("move 3 Drop", "a3 UID MOVE 3 Drop", 79),
        (".UID COPY 3 Drop", "a3 UID COPY 3 Drop", 79),
        ("flag 3 seen", "a3 UID STORE 3 +FLAGS (\\Seen)", 75),
    ] {
        let (ran, _) = shell("MOVE", &[command], vec![hears(line)], nothing);
        assert_eq!(ran.status, status, "{command} {}", ran.err);
    }
}
