//! imap-shell at its prompt, on a terminal: completion, history, what the server says by itself, Ctrl-C.

mod support;

use nix::sys::signal::Signal;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use support::login::PASSWORD;
use support::process::PATIENCE;
use support::terminal::Terminal;
use tempfile::TempDir;

/// The server's side, by hand.
struct Server(BufReader<TcpStream>);

impl Server {
    fn accept(listener: &TcpListener) -> Server {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Server(BufReader::new(stream))
    }

    fn says(&mut self, lines: &str) {
        let bytes: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
        self.0.get_mut().write_all(bytes.as_bytes()).unwrap();
    }

    fn hears(&mut self, wanted: &str) {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), wanted);
    }

    /// Up to the prompt.
    fn lets_in(&mut self) {
        self.says("* OK [CAPABILITY IMAP4rev1 IDLE] ready");
        self.hears(&format!("a1 LOGIN bob {PASSWORD}"));
        self.says("a1 OK [CAPABILITY IMAP4rev1 IDLE] in");
        self.hears("a2 LIST \"\" \"*\"");
        self.says("* LIST () \"/\" INBOX\n* LIST () \"/\" Drafts\na2 OK x");
    }
}

fn open(listener: &TcpListener, dir: &Path, pager: &str, more: &[&str]) -> Terminal {
    let password: PathBuf = dir.join("password");
    std::fs::write(&password, format!("{PASSWORD}\n")).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let words = ["--user", "bob", "--tls", "never", "--allow-plaintext-auth", "--tags", "a", "--login", "login"];
    let words = [&words[..], &["--password-file", password.to_str().unwrap(), &address]].concat();
    Terminal::with_pager("imap-shell", &[&words[..], more].concat(), &dir.join("state"), pager)
}

/// The tool and the server's side of its session, in a directory of their own.
fn connected(pager: impl Fn(&Path) -> String, more: &[&str]) -> (TempDir, Terminal, Server) {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let terminal = open(&listener, dir.path(), &pager(dir.path()), more);
    let server = Server::accept(&listener);
    (dir, terminal, server)
}

/// Logged in, at the first prompt.
fn at_prompt() -> (TempDir, Terminal, Server) {
    let (dir, mut terminal, mut server) = connected(|_| String::new(), &[]);
    server.lets_in();
    terminal.until("bob@127.0.0.1> ");
    (dir, terminal, server)
}

fn with_pager(script: &str, more: &[&str]) -> (TempDir, Terminal, Server) {
    connected(|dir| pager(dir, script), more)
}

/// Ends well by a LOGOUT with this number.
fn quit(mut terminal: Terminal, mut server: Server, number: u32) {
    terminal.press("quit\r");
    server.hears(&format!("a{number} LOGOUT"));
    server.says(&format!("* BYE\na{number} OK x"));
    assert_eq!(terminal.status(), 0);
}

#[test]
fn words_are_completed_and_the_server_speaks_above_the_prompt() {
    let (dir, mut terminal, mut server) = at_prompt();
    terminal.press("sel\t dr\t\r");
    server.hears("a3 SELECT Drafts");
    server.says("* 3 EXISTS\n* OK [UIDVALIDITY 7] x\na3 OK [READ-WRITE] x");
    terminal.until("-> SELECT Drafts");
    terminal.until("bob@127.0.0.1/Drafts rw 3> ");
    terminal.press("search fr");
    server.says("* 4 EXISTS\n* OK [ALERT] \x1b[2J");
    terminal.until("* 4 EXISTS");
    terminal.until("\\x1b[2J");
    // What was typed is still there.
    terminal.press("om x\r");
    server.hears("a4 UID SEARCH FROM x");
    server.says("* SEARCH 9\na4 OK x");
    terminal.until("9\r\n");
    terminal.until("bob@127.0.0.1/Drafts rw 4> ");
    terminal.press(&format!("raw LOGIN bob {PASSWORD}\r"));
    server.hears(&format!("a5 LOGIN bob {PASSWORD}"));
    server.says("a5 BAD no");
    terminal.until("LOGIN: BAD no");
    terminal.until("/Drafts rw 4> ");
    terminal.press("\x1b[A\r");
    server.hears("a6 UID SEARCH FROM x");
    // The prompt also stands before the line that came from the history.
    terminal.until("-> UID SEARCH FROM x");
    server.says("* SEARCH\na6 OK x");
    terminal.until("/Drafts rw 4> ");
    terminal.press("\x04");
    server.hears("a7 LOGOUT");
    server.says("* BYE\na7 OK x");
    assert_eq!(terminal.status(), 0);
    let history = std::fs::read_to_string(dir.path().join("state/postroad/imap-history")).unwrap();
    assert!(history.contains("search from x") && !history.contains(PASSWORD), "{history}");
}

#[test]
fn ctrl_c_ends_a_command_and_not_the_session() {
    let (_dir, mut terminal, mut server) = at_prompt();
    terminal.press("ls\r");
    server.hears("a3 LIST \"\" \"*\"");
    server.says("* LIST () NIL one");
    terminal.until("-> LIST");
    terminal.interrupt();
    std::thread::sleep(std::time::Duration::from_millis(300));
    server.says("* LIST () NIL ninety-nine\na3 OK x");
    terminal.until("bob@127.0.0.1> ");
    terminal.press("noop\r");
    server.hears("a4 NOOP");
    server.says("a4 OK x");
    terminal.until("-> NOOP");
    terminal.until("bob@127.0.0.1> ");
    quit(terminal, server, 5);
}

/// The rest of a long answer still comes, and none of it is shown or stored.
#[test]
fn ctrl_c_ends_what_is_shown_and_stored_the_first_time() {
    let (dir, mut terminal, mut server) = at_prompt();
    terminal.press("select INBOX\r");
    server.hears("a3 SELECT INBOX");
    server.says("a3 OK x");
    terminal.until("rw> ");
    let lines = |word: &str| format!("{word} seventy-eight octets {}\n", "x".repeat(56 - word.len())).repeat(1000);
    let pause = || std::thread::sleep(std::time::Duration::from_millis(300));
    for (tag, typed) in [(4, "headers 5"), (5, "show 5"), (6, "save 5 -")] {
        terminal.press(&format!("{typed}\r"));
        let section = if tag == 4 { "HEADER" } else { "" };
        server.hears(&format!("a{tag} UID FETCH 5 (UID BODY.PEEK[{section}])"));
        terminal.until(" -> UID FETCH 5");
        let head = if tag == 4 { lines("early:") } else { format!("Subject: x\n\n{}", lines("early")) };
        let rest = lines("late");
        let octets = head.len() + head.lines().count() + rest.len() + rest.lines().count();
        server.says(&format!("* 1 FETCH (UID 5 BODY[{section}] {{{octets}}}\n{}", head.trim_end()));
        terminal.until("early");
        terminal.interrupt();
        pause();
        server.says(&format!("{rest})\na{tag} OK x"));
        let shown = terminal.until("rw> ");
        assert!(!shown.contains("late"), "{typed}");
    }
    let mail = dir.path().join("mail");
    terminal.press(&format!("export all maildir {}\r", mail.display()));
    server.hears("a7 UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])");
    terminal.until(" -> UID FETCH 1:*");
    let row =
        |uid: u32| format!("* {uid} FETCH (UID {uid} FLAGS () INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" BODY[] {{3}}\na\n)");
    server.says(&row(1));
    pause();
    terminal.interrupt();
    pause();
    server.says(&row(2));
    terminal.until("broken off: the rows name what is stored");
    server.says(&format!("{}\na7 OK x", row(3)));
    terminal.until("rw> ");
    assert_eq!(std::fs::read_dir(mail.join("new")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(mail.join("tmp")).unwrap().count(), 0);
    quit(terminal, server, 8);
}

/// Who thinks better of it has appended nothing, and is at the prompt again.
#[test]
fn ctrl_c_breaks_off_a_message_that_is_typed() {
    let (_dir, mut terminal, mut server) = at_prompt();
    terminal.press("append - Drafts\r");
    terminal.until("Ctrl-C breaks it off");
    terminal.press("Subject: never\r\rrm 1:*\r");
    terminal.until("rm");
    terminal.interrupt();
    terminal.until("broken off: nothing is appended");
    terminal.press("noop\r");
    server.hears("a3 NOOP");
    server.says("* 8 EXISTS\na3 OK x");
    terminal.until("bob@127.0.0.1> ");
    terminal.press("raw IDLE\r");
    server.hears("a4 IDLE");
    server.says("+ idling\n* 9 EXISTS");
    // While it goes on.
    terminal.until("* 9 EXISTS");
    terminal.interrupt();
    server.hears("DONE");
    server.says("a4 OK x");
    terminal.until("bob@127.0.0.1> ");
    quit(terminal, server, 5);
}

/// All that is typed while a command runs counts, and so does a message that follows its command.
#[test]
fn lines_that_are_typed_ahead_are_commands_in_their_turn() {
    let (_dir, mut terminal, mut server) = at_prompt();
    terminal.press("ls\r");
    server.hears("a3 LIST \"\" \"*\"");
    terminal.press("noop\rls x\rappend - Drafts\rA: b\r\rc\r\x04sel");
    // Once the terminal has them.
    terminal.until("c\r\n");
    server.says("a3 OK x");
    server.hears("a4 NOOP");
    server.says("a4 OK x");
    server.hears("a5 LIST \"\" \"x\"");
    server.says("a5 OK x");
    server.hears("a6 APPEND Drafts {11}");
    server.says("+ go");
    ["A: b", "", "c", ""].iter().for_each(|line| server.hears(line));
    server.says("a6 OK x");
    // What is no line yet can be edited.
    terminal.until("bob@127.0.0.1> \r");
    terminal.until("sel");
    terminal.press("\t dr\t\r");
    server.hears("a7 SELECT Drafts");
    server.says("a7 OK x");
    terminal.until("/Drafts rw> ");
    quit(terminal, server, 8);
}

/// Who broke an answer off misses none of it, and `$` stays what it was.
#[test]
fn what_is_broken_off_is_not_called_missing() {
    let (_dir, mut terminal, mut server) = at_prompt();
    terminal.press("select INBOX\r");
    server.hears("a3 SELECT INBOX");
    server.says("a3 OK x");
    terminal.until("rw> ");
    terminal.press("fetch 5,6 FLAGS\r");
    server.hears("a4 UID FETCH 5,6 (UID FLAGS)");
    terminal.until(" -> UID FETCH");
    terminal.interrupt();
    std::thread::sleep(std::time::Duration::from_millis(300));
    server.says("* 1 FETCH (UID 5 FLAGS ())\na4 OK x");
    let shown = terminal.until("rw> ");
    assert!(!shown.contains("no such message"), "{shown}");
    quit(terminal, server, 5);
}

#[test]
fn a_signal_at_an_idle_prompt_ends_the_session_with_a_farewell() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let (_dir, terminal, mut server) = at_prompt();
        terminal.signal(signal);
        server.hears("a3 LOGOUT");
        server.says("* BYE\na3 OK x");
        assert_eq!(terminal.status(), 75);
    }
}

/// A pager that says that it is one, behind all that it was given.
fn pager(dir: &Path, reads: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("pager");
    std::fs::write(&path, format!("#!/bin/sh\n{reads}\necho \"LESS=$LESS $1 END\"\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{} 'an argument'", path.display())
}

fn rows(count: usize) -> String {
    (0..count).map(|n| format!("* LIST () NIL \"\u{1b}[2Jn{n}\"\n")).collect()
}

#[test]
fn long_output_goes_through_the_pager_and_cannot_drive_it() {
    let (_dir, mut terminal, mut server) = with_pager("sed 's/^/PAGED /'", &[]);
    server.lets_in();
    terminal.until("bob@127.0.0.1> ");
    terminal.press("ls\r");
    server.hears("a3 LIST \"\" \"*\"");
    server.says(&format!("{}a3 OK x", rows(40)));
    terminal.until("PAGED \\x1b[2Jn0\t");
    terminal.until("PAGED \\x1b[2Jn39\t");
    terminal.until("LESS=FRX an argument END");
    terminal.until("bob@127.0.0.1> ");
    // What is short does not.
    terminal.press("ls x\r");
    server.hears("a4 LIST \"\" \"x\"");
    server.says(&format!("{}a4 OK x", rows(2)));
    terminal.until("\n\\x1b[2Jn0\t");
    terminal.until("bob@127.0.0.1> ");
    quit(terminal, server, 5);
}

#[test]
fn a_long_message_goes_through_the_pager() {
    let (_dir, mut terminal, mut server) = with_pager("sed 's/^/PAGED /'", &[]);
    server.lets_in();
    terminal.until("bob@127.0.0.1> ");
    terminal.press("select INBOX\r");
    server.hears("a3 SELECT INBOX");
    server.says("a3 OK x");
    terminal.until("rw> ");
    let text = format!("Subject: x\n\n{}", "text\n".repeat(40));
    for (tag, typed, section) in [(4, "show 5", ""), (5, "save 5 -", ""), (6, "headers 5", "HEADER")] {
        terminal.press(&format!("{typed}\r"));
        server.hears(&format!("a{tag} UID FETCH 5 (UID BODY.PEEK[{section}])"));
        server.says(&format!("* 1 FETCH (UID 5 BODY[{section}] {{{}}}\n{text})\na{tag} OK x", 14 + 40 * 6));
        terminal.until("PAGED Subject: x");
        terminal.until("PAGED text");
        terminal.until("END");
        terminal.until("rw> ");
    }
    quit(terminal, server, 7);
}

#[test]
fn who_leaves_the_pager_early_comes_back_to_the_prompt() {
    let (_dir, mut terminal, mut server) = with_pager("read -r line; exec 0<&-", &[]);
    server.lets_in();
    terminal.until("bob@127.0.0.1> ");
    terminal.press("ls\r");
    server.hears("a3 LIST \"\" \"*\"");
    server.says(&format!("{}a3 OK x", rows(20_000)));
    terminal.until("END");
    terminal.until("bob@127.0.0.1> ");
    quit(terminal, server, 4);
}

/// Nobody reads on, the terminal is as it was, and the server hears a farewell.
#[test]
fn a_signal_ends_a_pager_and_the_session_in_order() {
    for (signal, count) in [(Signal::SIGTERM, 40), (Signal::SIGHUP, 40), (Signal::SIGTERM, 20_000)] {
        // The second kind reads no more than a page.
        let reads = if count == 40 { "cat" } else { "head -n 20" };
        let script = format!("stty -echo <&1; {reads}; echo \"READ $$ \"; sleep 600");
        let (_dir, mut terminal, mut server) = with_pager(&script, &[]);
        server.lets_in();
        terminal.until("bob@127.0.0.1> ");
        terminal.press("ls\r");
        server.hears("a3 LIST \"\" \"*\"");
        // Nothing is told of plain names: the terminal is not read while the server waits.
        server.says(&format!("{}a3 OK x", rows(count).replace("\u{1b}[2J", "")));
        terminal.until("READ ");
        let pager = nix::unistd::Pid::from_raw(terminal.until(" ").trim().parse().unwrap());
        terminal.signal(signal);
        server.hears("a4 LOGOUT");
        server.says("* BYE\na4 OK x");
        assert_eq!(terminal.status(), 75);
        assert_eq!(nix::sys::signal::kill(pager, None), Err(nix::errno::Errno::ESRCH));
    }
}

/// What it does there, the pager knows: to search, it breaks off a search.
#[test]
fn ctrl_c_in_a_pager_that_has_all_is_the_pager_s() {
    let (_dir, mut terminal, mut server) = with_pager("cat; echo READ; sleep 1", &[]);
    server.lets_in();
    terminal.until("bob@127.0.0.1> ");
    terminal.press("ls\r");
    server.hears("a3 LIST \"\" \"*\"");
    server.says(&format!("{}a3 OK x", rows(40)));
    terminal.until("READ");
    for _ in 0..3 {
        terminal.interrupt();
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    terminal.until("END");
    terminal.until("bob@127.0.0.1> ");
    quit(terminal, server, 4);
}

#[test]
fn json_never_meets_a_pager() {
    let (_dir, mut terminal, mut server) = with_pager("sed 's/^/PAGED /'", &["--json", "-c", "ls"]);
    server.says("* OK [CAPABILITY IMAP4rev1 IDLE] ready");
    server.hears(&format!("a1 LOGIN bob {PASSWORD}"));
    server.says("a1 OK [CAPABILITY IMAP4rev1 IDLE] in");
    server.hears("a2 LIST \"\" \"*\"");
    server.says(&format!("{}a2 OK x", rows(40).replace("\u{1b}[2J", "")));
    terminal.until("{\"mailbox\":\"n0\"");
    terminal.until("n39");
    server.hears("a3 LOGOUT");
    server.says("* BYE\na3 OK x");
    assert_eq!(terminal.status(), 0);
}

/// CWE-150: what a message, or a raw answer, has in it is shown and does not act.
#[test]
fn what_is_shown_of_a_message_cannot_drive_the_terminal() {
    let (_dir, mut terminal, mut server) = at_prompt();
    terminal.press("select INBOX\r");
    server.hears("a3 SELECT INBOX");
    server.says("a3 OK [READ-WRITE] x");
    let text = |mark: &str| format!("{mark}\u{1b}[2J\u{9b}x\u{202e}y");
    let header = format!("Subject: {}\r\n\r\n", text("s"));
    let commands = [
        ("show 5", "", format!("{header}{}\r\n", text("t")), "st"),
        ("fetch 5 BODY[TEXT]", "TEXT", format!("{}\r\n", text("u")), "u"),
        ("headers 5", "HEADER", header.clone(), "s"),
    ];
    for (n, (typed, section, octets, marks)) in commands.iter().enumerate() {
        let tag = format!("a{}", n + 4);
        terminal.until("/INBOX rw> ");
        terminal.press(&format!("{typed}\r"));
        server.hears(&format!("{tag} UID FETCH 5 (UID BODY.PEEK[{section}])"));
        let length = octets.len();
        server.says(&format!("* 1 FETCH (UID 5 BODY[{section}] {{{length}}}\n{octets})\n{tag} OK x"));
        for mark in marks.chars() {
            terminal.until(&format!("{mark}\\x1b[2J\\u{{9b}}x\\u{{202e}}y"));
        }
    }
    terminal.until("/INBOX rw> ");
    terminal.press("raw NOOP\r");
    server.hears("a7 NOOP");
    server.says(&format!("* X {}\na7 OK x", text("v")));
    terminal.until("* X v\\x1b[2J\\u{9b}x\\u{202e}y");
    terminal.until("/INBOX rw> ");
    quit(terminal, server, 8);
}
