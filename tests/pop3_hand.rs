//! pop3-fetch led by hand: `--interactive` from a pipe and on a terminal.

mod support;

use std::io::{BufRead, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use support::dialogue::{self, Does, Serving, Site, hears, says, serve};
use support::process::{Ran, run, tool};
use support::terminal::Terminal;

/// Types these lines into a pipe.
fn typed(server: Serving, words: &[&str], lines: &str) -> Ran {
    dialogue::typed("pop3-fetch", server, words, lines)
}

#[test]
fn a_textbook_dialogue_waits_for_each_response_and_shows_no_password() {
    let site = Site::new();
    let script = vec![
        says("+OK POP3 server ready <1896.697@mail.test>"),
        hears("USER bob"),
        says("+OK"),
        hears("PASS two words"),
        Does::Says(b"+OK \x1b[2Jlogged on\r\n".to_vec()),
        hears("list"),
        says("+OK\n1 498\n2 912\n."),
        hears("RETR 1"),
        Does::Says(b"+OK\r\nSubject: hi\r\n\r\n..dot\r\n-ERR is text\r\n\x9b\x1b]0;x\x07\r\n.\r\n".to_vec()),
        hears("DELE 1"),
        says("+OK"),
        hears("QUIT"),
        says("+OK bye"),
        Does::Ends(Vec::new()),
    ];
    let lines = "USER bob\nPASS two words\nlist\r\nRETR 1\nDELE 1\nQUIT\n";
    let copy = site.dir.path().join("transcript");
    let ran = typed(serve(&site, script), &["--explain", "--transcript", copy.to_str().unwrap()], lines);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
    let dialogue: Vec<&str> = ran.out.lines().filter(|line| line.starts_with(" <- ") || line.starts_with(" -> ")).collect();
    let wanted = [
        " <- +OK POP3 server ready <1896.697@mail.test>",
        " -> USER bob",
        " <- +OK",
        " -> PASS <hidden>",
        " <- +OK \\x1b[2Jlogged on",
        " -> list",
        " <- +OK",
        " <- 1 498",
        " <- 2 912",
        " <- .",
        " -> RETR 1",
        " <- +OK",
        " <- Subject: hi",
        " <- ",
        // As it crossed the wire: who types the protocol wants to see it.
        " <- ..dot",
        " <- \\x9b\\x1b]0;x\\x07",
        " <- .",
        " -> DELE 1",
    ];
    assert_eq!(dialogue[..wanted.len()], wanted);
    assert!(ran.out.contains("    # authorization: the password of the user named before. +OK: granted\n"), "{}", ran.out);
    assert!(!ran.out.contains("***"), "an orderly end is none of an error: {}", ran.out);
    let copy = std::fs::read_to_string(copy).unwrap();
    assert!(copy.contains(" -> QUIT\n <- +OK bye\n") && !copy.contains("two words"), "{copy}");
}

#[test]
fn stls_typed_by_hand_starts_tls_as_the_options_say() {
    let site = Site::new();
    let script = |stls: &str| {
        vec![
            says("+OK ready"),
            hears(stls),
            says("+OK go"),
            Does::Tls,
            hears("USER bob"),
            says("+OK"),
            hears("PASS secret"),
            says("-ERR [AUTH] no"),
            hears("QUIT"),
            says("+OK bye"),
        ]
    };
    let lines = "stls\nUSER bob\nPASS secret\n";
    let ran = typed(serve(&site, script("stls")), &["--tls-ca", site.ca.to_str().unwrap()], lines);
    assert_eq!(ran.status, 0, "the end of stdin is QUIT: {}", ran.out);
    assert!(ran.out.contains("=== Verified TLS connection established to 127.0.0.1[127.0.0.1]:"), "{}", ran.out);
    assert!(ran.out.contains(" ~> PASS <hidden>\n<** -ERR [AUTH] no\n ~> QUIT\n <~ +OK bye\n"), "{}", ran.out);
    let ran = typed(serve(&site, script("STLS")), &["--tls-insecure"], &lines.replace("stls", ":stls"));
    assert_eq!(ran.status, 0, "{}", ran.out);
    let refused = vec![says("+OK ready"), hears("STLS"), says("+OK go")];
    let (address, serving) = serve(&site, refused);
    let ran = run(tool("pop3-fetch").args(["--interactive", &address.to_string()]), b"STLS\nUSER bob\nPASS secret\n");
    assert_eq!((ran.status, serving.join().unwrap()), (75, Ok(())), "an authority that nobody trusts: {}", ran.out);
    assert!(!ran.out.contains("USER bob"), "{}", ran.out);
}

#[test]
fn implicit_tls_comes_before_the_greeting() {
    let site = Site::new();
    let script = vec![Does::Tls, says("+OK ready"), hears("QUIT"), says("+OK bye")];
    let ran = typed(serve(&site, script), &["--tls-implicit", "--tls-ca", site.ca.to_str().unwrap()], "");
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains(" <~ +OK ready\n ~> QUIT\n"), "nothing was offered in clear: {}", ran.out);
}

#[test]
fn what_comes_with_the_answer_to_stls_ends_the_session() {
    let injected = Does::Says(b"+OK go\r\n+OK injected\r\n".to_vec());
    let script = vec![says("+OK ready"), hears("STLS"), injected, Does::Ends(Vec::new())];
    let ran = typed(serve(&Site::new(), script), &[], "STLS\nUSER bob\n");
    assert_eq!(ran.status, 76, "{}", ran.out);
    assert!(ran.out.contains("*** plain text behind the command that starts TLS"), "{}", ran.out);
}

#[test]
fn the_configured_login_is_used_for_auth() {
    let site = Site::new();
    let password = site.dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let script = vec![
        says("+OK ready <1@mail.test>"),
        hears("CAPA"),
        says("+OK\nSTLS\nUSER\nSASL PLAIN\n."),
        hears("STLS"),
        says("+OK go"),
        Does::Tls,
        hears("CAPA"),
        says("+OK\nUSER\nSASL PLAIN LOGIN\n."),
        hears("AUTH PLAIN AGJvYgBzZWNyZXQ="),
        says("-ERR [AUTH] no"),
        hears("USER bob"),
        says("+OK"),
        hears("PASS secret"),
        says("-ERR no"),
        hears("AUTH LOGIN"),
        says("+ VXNlcm5hbWU6"),
        hears("Ym9i"),
        says("+ UGFzc3dvcmQ6"),
        hears("c2VjcmV0"),
        says("+OK in"),
        hears("QUIT"),
        says("+OK bye"),
    ];
    let words = ["--user", "bob", "--password-file", password.to_str().unwrap(), "--tls-ca", site.ca.to_str().unwrap()];
    let lines = "CAPA\n:auth\n:auth apop\nSTLS\n:auth apop\nCAPA\n:auth\n:auth user\n:auth login\nQUIT\n";
    let ran = typed(serve(&site, script), &words, lines);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert_eq!(ran.out.matches("*** no password is sent without TLS").count(), 2, "{}", ran.out);
    assert_eq!(ran.out.matches("*** the server offers no way to log in that can be used").count(), 1, "{}", ran.out);
    assert_eq!(ran.out.matches("*** not logged in\n").count(), 2, "{}", ran.out);
    assert!(ran.out.contains("=== logged in\n"), "{}", ran.out);
    assert!(!ran.out.contains("c2VjcmV0") && !ran.out.contains("secret\n") && !ran.out.contains("AGJvYg"), "{}", ran.out);
}

/// RFC 1939 section 6: a session that ends without QUIT deletes nothing.
#[test]
fn the_end_of_input_is_no_quit_where_messages_were_marked() {
    let script = |rest: Vec<Does>| {
        let start = vec![says("+OK"), hears("DELE 1"), says("+OK")];
        [start, rest].concat()
    };
    let ran = typed(serve(&Site::new(), script(vec![Does::Ends(Vec::new())])), &[], "DELE 1\n");
    assert_eq!(ran.status, 1, "{}", ran.out);
    assert!(ran.out.contains("=== closed without QUIT: what DELE marked is not deleted\n"), "{}", ran.out);
    let unmarked = vec![hears("RSET"), says("+OK"), hears("QUIT"), says("+OK")];
    assert_eq!(typed(serve(&Site::new(), script(unmarked)), &[], "DELE 1\nRSET\n").status, 0);
    let refused = vec![hears("QUIT"), says("-ERR some were not deleted")];
    assert_eq!(typed(serve(&Site::new(), script(refused)), &[], "DELE 1\nQUIT\n").status, 1);
}

#[test]
fn a_lost_connection_and_garbage_have_their_statuses() {
    let cut = vec![says("+OK"), hears("RETR 1"), says("+OK\nhalf of it")];
    let ran = typed(serve(&Site::new(), cut), &[], "RETR 1\nQUIT\n");
    assert_eq!(ran.status, 75, "{}", ran.out);
    assert!(ran.out.contains(" <- half of it\n*** the peer closed the connection\n"), "{}", ran.out);
    let garbage = vec![says("220 mx ESMTP"), Does::Ends(Vec::new())];
    assert_eq!(typed(serve(&Site::new(), garbage), &[], "STAT\n").status, 76);
    let endless = vec![Does::Says(b"+OK ".repeat(5_000_000)), Does::Ends(Vec::new())];
    let ran = typed(serve(&Site::new(), endless), &[], "STAT\n");
    assert_eq!(ran.status, 76);
    assert!(ran.peak < 64 * 1024 * 1024, "{} bytes", ran.peak);
    let silent = vec![says("+OK"), hears("STAT"), Does::Ends(Vec::new())];
    assert_eq!(typed(serve(&Site::new(), silent), &["--timeout", "1s"], "STAT\nQUIT\n").status, 75);
}

#[test]
fn raw_bytes_and_unknown_helpers() {
    let script = vec![
        says("+OK"),
        Does::Hears("STAT\nx\0".into()),
        says("-ERR what"),
        hears("CAPA"),
        says("+OK\nTOP\n."),
        hears("QUIT"),
        says("+OK"),
    ];
    let ran = typed(serve(&Site::new(), script), &[], ":frob\n:raw STAT\\nx\\0\\r\\n\n:help\n:raw CAPA\\r\\n\nQUIT\n");
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("*** :frob is nothing that this tool knows") && ran.out.contains(":stls "), "{}", ran.out);
}

#[test]
fn only_one_mailbox_is_spoken_with() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.toml");
    let account = |name: &str| format!("[account.{name}]\nserver = \"pop3://bob@127.0.0.1:1\"\n");
    std::fs::write(&config, account("a") + &account("b")).unwrap();
    let ran = run(tool("pop3-fetch").args(["--interactive", "-a", "a", "-a", "b", "--config"]).arg(&config), b"");
    assert_eq!((ran.status, ran.err.as_str()), (64, "pop3-fetch: --interactive: one mailbox at a time\n"));
}

/// A message is as long as it likes.
#[test]
fn a_message_costs_no_memory() {
    const LINES: usize = 500_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let mut client = std::io::BufReader::new(listener.accept().unwrap().0);
        client.get_mut().write_all(b"+OK\r\n").unwrap();
        let mut heard = String::new();
        client.read_line(&mut heard).unwrap();
        let line = [&b"x".repeat(98)[..], b"\r\n"].concat();
        client.get_mut().write_all(b"+OK\r\n").unwrap();
        for _ in 0..LINES / 500 {
            client.get_mut().write_all(&line.repeat(500)).unwrap();
        }
        client.get_mut().write_all(b".\r\n").unwrap();
        client.read_line(&mut heard).unwrap();
        client.get_mut().write_all(b"+OK\r\n").unwrap();
        heard
    });
    let mut command = tool("pop3-fetch");
    command.args(["--interactive", &address.to_string()]).stdout(Stdio::null());
    let ran = support::process::run_fed(&mut command, |to| to.write_all(b"RETR 1\nQUIT\n"));
    assert_eq!((ran.status, serving.join().unwrap().as_str()), (0, "RETR 1\r\nQUIT\r\n"), "{}", ran.err);
    assert!(ran.peak < 24 * 1024 * 1024, "{} octets of memory for a message of {}", ran.peak, LINES * 100);
}

#[test]
fn a_terminal_has_completion_history_and_a_prompt_that_tells() {
    let site = Site::new();
    let script = vec![
        says("+OK ready"),
        hears("STAT"),
        says("+OK 0 0"),
        hears("PASS secret"),
        says("-ERR no"),
        hears("STAT"),
        says("+OK 0 0"),
        hears("STLS"),
        says("+OK go"),
        Does::Tls,
        hears("LIST"),
        says("+OK\n1 2\n."),
        hears("QUIT"),
        says("+OK bye"),
    ];
    let (address, serving) = serve(&site, script);
    let state = site.dir.path().join("state");
    let words = ["--interactive", &address.to_string(), "--tls-ca", site.ca.to_str().unwrap()];
    let mut terminal = Terminal::open("pop3-fetch", &words, &state);
    terminal.until(" <- +OK ready");
    terminal.until(" -> ");
    // Tab completes the verb.
    terminal.press("sta\t\r");
    terminal.until(" <- +OK 0 0");
    terminal.until(" -> ");
    terminal.press("PASS secret\r");
    terminal.until("<** -ERR no");
    terminal.until(" -> ");
    // The line before in the history is STAT: what was secret is not there.
    terminal.press("\x1b[A\r");
    terminal.until(" <- +OK 0 0");
    terminal.until(" -> ");
    terminal.press(":stls\r");
    terminal.until("say CAPA again");
    terminal.until(" ~> ");
    terminal.press("LIST\r");
    terminal.until(" <~ .");
    terminal.until(" ~> ");
    // Ctrl-D is QUIT.
    terminal.press("\x04");
    terminal.until(" ~> QUIT");
    terminal.until(" <~ +OK bye");
    assert_eq!(terminal.status(), 0);
    serving.join().unwrap().unwrap();
    let history = std::fs::read_to_string(state.join("postroad/pop3-history")).unwrap();
    assert!(history.contains("STAT") && !history.contains("secret"), "{history}");
}

#[test]
fn ctrl_c_ends_the_tool_also_in_mid_message() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::open("pop3-fetch", &["--interactive", &address], dir.path());
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"+OK\r\n").unwrap();
    terminal.until(" -> ");
    terminal.press("RETR 1\r");
    server.write_all(b"+OK\r\n\x1b[2Jhalf\r\n").unwrap();
    terminal.until(" <- \\x1b[2Jhalf");
    terminal.interrupt();
    assert_eq!(terminal.status(), 0);
}

/// RFC 1939 section 6: without QUIT, or before its answer, nobody may take it that messages are deleted.
#[test]
fn ctrl_c_behind_dele_says_that_nothing_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let marked = || {
        let mut terminal = Terminal::open("pop3-fetch", &["--interactive", &address], dir.path());
        let mut server = std::io::BufReader::new(listener.accept().unwrap().0);
        server.get_mut().write_all(b"+OK\r\n").unwrap();
        terminal.until(" -> ");
        terminal.press("DELE 1\r");
        let mut heard = String::new();
        server.read_line(&mut heard).unwrap();
        assert_eq!(heard, "DELE 1\r\n");
        server.get_mut().write_all(b"+OK marked\r\n").unwrap();
        terminal.until(" <- +OK marked");
        terminal.until(" -> ");
        (terminal, server)
    };
    let (mut terminal, _server) = marked();
    terminal.press("\x03");
    terminal.until("=== closed without QUIT: what DELE marked is not deleted");
    assert_eq!(terminal.status(), 1);
    // The signal, in the midst of a line.
    let (mut terminal, _server) = marked();
    terminal.press("NO");
    terminal.until("NO");
    terminal.interrupt();
    terminal.until("=== closed without QUIT: what DELE marked is not deleted");
    assert_eq!(terminal.status(), 1);
    let (mut terminal, mut server) = marked();
    terminal.press("QUIT\r");
    server.read_line(&mut String::new()).unwrap();
    terminal.interrupt();
    terminal.until("=== closed before QUIT was answered: what DELE marked may be deleted or not");
    assert_eq!(terminal.status(), 1);
}
