//! smtp-send led by hand: `--interactive` from a pipe and on a terminal, and `--script`.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use support::dialogue::{self, Does, Serving, Site, hears, says, serve};
use support::process::{Ran, run, tool};
use support::terminal::Terminal;

/// Types these lines into a pipe.
fn typed(server: Serving, words: &[&str], lines: &str) -> Ran {
    dialogue::typed("smtp-send", server, words, lines)
}

#[test]
fn a_textbook_dialogue_waits_for_each_reply() {
    let site = Site::new();
    let script = vec![
        says("220 mx.test"),
        hears("HELO crepes.fr"),
        Does::Says(b"250 \x1b[2JHello crepes.fr\r\n".to_vec()),
        hears("MAIL FROM: <alice@crepes.fr>"),
        says("250 ok"),
        hears("RCPT TO: <bob@hamburger.edu>"),
        says("250 ok"),
        hears("DATA"),
        says("354 go"),
        hears("Do you like ketchup?"),
        hears("QUIT"),
        hears("."),
        says("250 taken"),
        hears("QUIT"),
        says("221 bye"),
        Does::Ends(Vec::new()),
    ];
    let lines = "HELO crepes.fr\nMAIL FROM: <alice@crepes.fr>\r\nRCPT TO: <bob@hamburger.edu>\nDATA\nDo you like ketchup?\nQUIT\n.\nQUIT\n";
    let copy = site.dir.path().join("transcript");
    let ran = typed(serve(&site, script), &["--explain", "--transcript", copy.to_str().unwrap()], lines);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{}", ran.out);
    let dialogue: Vec<&str> = ran.out.lines().filter(|line| line.starts_with(" <- ") || line.starts_with(" -> ")).collect();
    assert_eq!(
        dialogue[..4],
        [" <- 220 mx.test", " -> HELO crepes.fr", " <- 250 \\x1b[2JHello crepes.fr", " -> MAIL FROM: <alice@crepes.fr>"]
    );
    assert!(ran.out.contains("    # closure: "), "{}", ran.out);
    assert!(!ran.out.contains("***"), "an orderly end is none of an error: {}", ran.out);
    let copy = std::fs::read_to_string(copy).unwrap();
    assert!(copy.contains(" -> QUIT\n <- 221 bye\n"), "{copy}");
}

#[test]
fn starttls_typed_by_hand_starts_tls() {
    let site = Site::new();
    let script = vec![
        says("220 mx"),
        hears("EHLO a.test"),
        says("250-mx\n250 STARTTLS"),
        hears("STARTTLS"),
        says("220 go"),
        Does::Tls,
        hears("EHLO a.test"),
        says("250 mx"),
        hears("AUTH PLAIN AGEAYg=="),
        says("535 no"),
        hears("QUIT"),
        says("221 bye"),
    ];
    let lines = "EHLO a.test\nstarttls\nEHLO a.test\nAUTH PLAIN AGEAYg==\n";
    let script: Vec<Does> = script
        .into_iter()
        .map(|step| if matches!(&step, Does::Hears(line) if line == "STARTTLS") { hears("starttls") } else { step })
        .collect();
    let ran = typed(serve(&site, script), &["--tls", "require", "--tls-ca", site.ca.to_str().unwrap()], lines);
    assert_eq!(ran.status, 0, "the end of stdin is QUIT: {}", ran.out);
    assert!(ran.out.contains("=== Verified TLS connection established to 127.0.0.1[127.0.0.1]:"), "{}", ran.out);
    assert!(ran.out.contains(" ~> AUTH PLAIN <hidden>\n<** 535 no\n ~> QUIT\n <~ 221 bye\n"), "{}", ran.out);
}

#[test]
fn what_comes_with_the_220_to_starttls_ends_the_session() {
    let script =
        vec![says("220 mx"), hears("STARTTLS"), Does::Says(b"220 go\r\n250 injected\r\n".to_vec()), Does::Ends(Vec::new())];
    let ran = typed(serve(&Site::new(), script), &[], "STARTTLS\nNOOP\n");
    assert_eq!(ran.status, 76, "{}", ran.out);
    assert!(ran.out.contains("*** plain text behind the command that starts TLS"), "{}", ran.out);
}

#[test]
fn a_file_is_sent_with_its_dots() {
    let site = Site::new();
    let file = site.dir.path().join("m.eml");
    std::fs::write(&file, "Subject: hi\n\n.\n..\nlast\n").unwrap();
    let script = || {
        vec![
            says("220 mx"),
            hears("DATA"),
            says("354 go"),
            Does::Hears("Subject: hi\r\n\r\n..\r\n...\r\nlast\r\n.".into()),
            says("250 taken"),
            hears("QUIT"),
            says("221 bye"),
        ]
    };
    for lines in [format!(":send {}\n:quit\n", file.display()), format!("DATA\n:send {}\nQUIT\n", file.display())] {
        let ran = typed(serve(&site, script()), &[], &lines);
        assert_eq!(ran.status, 0, "{}", ran.out);
    }
    let none = vec![says("220 mx"), hears("DATA"), says("354 go"), Does::Ends(Vec::new())];
    let ran = typed(serve(&site, none), &[], ":send /no/such/file\nQUIT\n");
    assert_eq!(ran.status, 66, "what was begun is not ended: {}", ran.out);
}

#[test]
fn the_configured_login_is_used_for_auth() {
    let site = Site::new();
    let password = site.dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    let script = vec![
        says("220 mx"),
        hears("EHLO a"),
        says("250-mx\n250 STARTTLS"),
        hears("STARTTLS"),
        says("220 go"),
        Does::Tls,
        hears("EHLO a"),
        says("250-mx\n250 AUTH PLAIN LOGIN"),
        hears("AUTH PLAIN AGJvYgBzZWNyZXQ="),
        says("535 5.7.8 no"),
        hears("AUTH LOGIN"),
        says("334 VXNlcm5hbWU6"),
        hears("Ym9i"),
        says("334 UGFzc3dvcmQ6"),
        hears("c2VjcmV0"),
        says("235 in"),
        hears("QUIT"),
        says("221 bye"),
    ];
    let words = ["--user", "bob", "--password-file", password.to_str().unwrap(), "--tls-ca", site.ca.to_str().unwrap()];
    let lines = "EHLO a\n:auth\nSTARTTLS\n:auth\nEHLO a\n:auth\n:auth login\nQUIT\n";
    let ran = typed(serve(&site, script), &words, lines);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    assert_eq!(ran.out.matches("*** the server does not offer AUTH").count(), 2, "{}", ran.out);
    assert!(ran.out.contains("*** not logged in\n") && ran.out.contains("=== logged in\n"), "{}", ran.out);
    assert!(!ran.out.contains("c2VjcmV0") && !ran.out.contains("AGJvYgBzZWNyZXQ"), "{}", ran.out);
}

#[test]
fn half_a_message_is_never_ended() {
    let script = vec![says("220 mx"), hears("DATA"), says("354 go"), Does::Ends(b"half\r\n".to_vec())];
    let ran = typed(serve(&Site::new(), script), &[], "DATA\nhalf\n");
    assert_eq!(ran.status, 65, "{}", ran.out);
}

#[test]
fn a_lost_connection_and_garbage_have_their_statuses() {
    let lost = vec![says("220 mx"), hears("NOOP"), says("421 going down")];
    let ran = typed(serve(&Site::new(), lost), &[], "NOOP\nNOOP\n");
    assert_eq!(ran.status, 75, "{}", ran.out);
    // What was sent meanwhile may make it a reset.
    let told = ["*** the peer closed the connection\n", "*** connection lost: "].iter().any(|told| ran.out.contains(told));
    assert!(ran.out.contains("<** 421 going down\n") && told, "{}", ran.out);
    let garbage = vec![says("220 mx"), hears("NOOP"), says("250-one\nwhat"), Does::Ends(Vec::new())];
    assert_eq!(typed(serve(&Site::new(), garbage), &[], "NOOP\nNOOP\n").status, 76);
    let endless = vec![Does::Says(b"220-more\r\n".repeat(1_000_000)), Does::Ends(Vec::new())];
    let ran = typed(serve(&Site::new(), endless), &[], "NOOP\n");
    assert_eq!(ran.status, 76);
    assert!(ran.peak < 64 * 1024 * 1024, "{} bytes", ran.peak);
    let silent = vec![says("220 mx"), hears("NOOP"), Does::Ends(Vec::new())];
    assert_eq!(typed(serve(&Site::new(), silent), &["--timeout", "1s"], "NOOP\nNOOP\n").status, 75);
}

#[test]
fn raw_bytes_and_unknown_helpers() {
    let script = vec![says("220 mx"), Does::Hears("NOOP\nx\0".into()), says("500 what"), hears("QUIT"), says("221 bye")];
    let ran = typed(serve(&Site::new(), script), &[], ":frob\n:raw NOOP\\nx\\0\\r\\n\n:help\nQUIT\n");
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("*** :frob is nothing that this tool knows") && ran.out.contains(":send FILE"), "{}", ran.out);
}

#[test]
fn a_terminal_has_completion_history_and_a_prompt_that_tells() {
    let site = Site::new();
    let script = vec![
        says("220 mx"),
        hears("NOOP"),
        says("250 fine"),
        hears("AUTH PLAIN AGEAYg=="),
        says("535 no"),
        hears("NOOP"),
        says("250 fine"),
        hears("STARTTLS"),
        says("220 go"),
        Does::Tls,
        hears("QUIT"),
        says("221 bye"),
    ];
    let (address, serving) = serve(&site, script);
    let state = site.dir.path().join("state");
    let mut terminal = Terminal::open("smtp-send", &["--interactive", "-s", &address.to_string()], &state);
    terminal.until(" <- 220 mx");
    terminal.until(" -> ");
    // Tab completes the verb.
    terminal.press("noo\t\r");
    terminal.until(" <- 250 fine");
    terminal.until(" -> ");
    terminal.press("AUTH PLAIN AGEAYg==\r");
    terminal.until("<** 535 no");
    terminal.until(" -> ");
    // The line before in the history is NOOP: what was secret is not there.
    terminal.press("\x1b[A\r");
    terminal.until(" <- 250 fine");
    terminal.until(" -> ");
    terminal.press(":starttls\r");
    terminal.until("say EHLO again");
    terminal.until(" ~> ");
    // Ctrl-D is QUIT.
    terminal.press("\x04");
    terminal.until(" ~> QUIT");
    terminal.until(" <~ 221 bye");
    assert_eq!(terminal.status(), 0);
    serving.join().unwrap().unwrap();
    let history = std::fs::read_to_string(state.join("postroad/smtp-history")).unwrap();
    assert!(history.contains("NOOP") && !history.contains("AGEAYg"), "{history}");
}

#[test]
fn what_a_server_says_unasked_is_shown_at_once_and_its_end_ends_the_tool() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::open("smtp-send", &["--interactive", "-s", &address], dir.path());
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"220 mx\r\n").unwrap();
    terminal.until(" -> ");
    server.write_all(b"421 \x1b[2Jbye\r\n").unwrap();
    terminal.until("<** 421 \\x1b[2Jbye");
    drop(server);
    terminal.until("*** the peer closed the connection");
    assert_eq!(terminal.status(), 75);
}

#[test]
fn ctrl_c_ends_the_tool_also_while_a_reply_is_awaited() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::open("smtp-send", &["--interactive", "-s", &address], dir.path());
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"220 mx\r\n").unwrap();
    terminal.until(" -> ");
    terminal.press("\x03");
    assert_eq!(terminal.status(), 0);
    let terminal = Terminal::open("smtp-send", &["--interactive", "-s", &address], dir.path());
    let (_server, _) = listener.accept().unwrap();
    thread::sleep(Duration::from_millis(300));
    terminal.interrupt();
    assert_eq!(terminal.status(), 0);
}

#[test]
fn ctrl_c_within_a_message_says_that_it_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::open("smtp-send", &["--interactive", "-s", &address], dir.path());
    let mut server = BufReader::new(listener.accept().unwrap().0);
    server.get_mut().write_all(b"220 mx\r\n").unwrap();
    terminal.until(" -> ");
    terminal.press("DATA\r");
    let mut heard = String::new();
    server.read_line(&mut heard).unwrap();
    server.get_mut().write_all(b"354 go on\r\n").unwrap();
    terminal.until(" message -> ");
    terminal.press("\x03");
    terminal.until("*** the input ended within the message: it is not sent");
    assert_eq!(terminal.status(), 65);
}

fn scripted(server: Serving, text: &str, words: &[&str]) -> (Ran, Result<(), String>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.txt");
    std::fs::write(&path, text).unwrap();
    let (address, serving) = server;
    let ran = run(tool("smtp-send").args(["-s", &address.to_string(), "--script"]).arg(path).args(words), b"");
    (ran, serving.join().unwrap())
}

#[test]
fn a_script_sends_what_it_says_and_checks_what_comes() {
    let script = || {
        vec![
            Does::Hears("EHLO a\r\nNOOP\nx\0\u{fc}".into()),
            says("220 mx\n250-mx\n250 PIPELINING\n500 5.5.1 what"),
            hears("QUIT"),
            says("221 bye"),
        ]
    };
    let text = "# speaks first\nC> EHLO a\\r\\nNOOP\\nx\\0\\xc3\\xbc\\r\\n\nS: 220\nS: 250 mx PIPE…\nS: 5\nsilence 0.1\nC: QUIT\nS: 221\nclosed\n";
    let (ran, served) = scripted(serve(&Site::new(), script()), text, &[]);
    assert_eq!((ran.status, served), (0, Ok(())), "{}{}", ran.out, ran.err);
    assert!(ran.out.starts_with("ok\t3\t220\t220 mx\n") && ran.out.ends_with("\n6 of 6 as expected\n"), "{}", ran.out);
    let (ran, _) = scripted(serve(&Site::new(), script()), &text.replace("S: 5\n", "S: 250\n"), &["--json"]);
    assert_eq!(ran.status, 1);
    let failed: serde_json::Value = serde_json::from_str(ran.out.lines().nth(2).unwrap()).unwrap();
    assert_eq!(failed, serde_json::json!({"line": 5, "wanted": "250", "got": "500 5.5.1 what", "ok": false}));
}

#[test]
fn a_script_starts_tls_where_it_says_so() {
    let site = Site::new();
    let script = vec![says("220 mx"), hears("STARTTLS"), says("220 go"), Does::Tls, hears("NOOP"), says("250 ok")];
    let (ran, served) = scripted(serve(&site, script), "S: 220\nC: STARTTLS\nS: 220\ntls\nC: NOOP\nS: 250\nclose\n", &[]);
    assert_eq!((ran.status, served), (0, Ok(())), "{}", ran.out);
    let lost = vec![says("220 mx")];
    let (ran, _) = scripted(serve(&site, lost), "S: 220\nC: NOOP\nS: 250\nS: 250\n", &[]);
    assert_eq!(ran.status, 1);
    assert!(ran.out.ends_with("1 of 2 as expected\n"), "{}", ran.out);
    let garbage = vec![says("220 mx\nwhat")];
    assert_eq!(scripted(serve(&site, garbage), "S: 220\nS: 250\n", &[]).0.status, 76);
}

/// As `nc -N`: what a server does when nothing more comes, though somebody listens.
#[test]
fn a_script_may_close_its_half_and_go_on_listening() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        client.write_all(b"220 mx\r\n").unwrap();
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        client.write_all(b"250 heard it all\r\n").unwrap();
        if said == "NOOP\r\nNOOP\r\n" { Ok(()) } else { Err(said) }
    });
    let (ran, served) = scripted((address, serving), "S: 220\nC: NOOP\nC: NOOP\nhalf-close\nS: 250 heard\nclosed\n", &[]);
    assert_eq!((ran.status, served), (0, Ok(())), "{}{}", ran.out, ran.err);
}

/// A message from a pipe is as long as it likes; the server takes its time.
#[test]
fn a_piped_message_costs_no_memory() {
    const LINES: usize = 400_000;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serving = thread::spawn(move || {
        let mut client = std::io::BufReader::new(listener.accept().unwrap().0);
        let mut lines = 0;
        client.get_mut().write_all(b"220 mx\r\n").unwrap();
        let mut line = Vec::new();
        while std::io::BufRead::read_until(&mut client, b'\n', &mut line).unwrap() > 0 {
            lines += usize::from(line.ends_with(b"x\r\n"));
            if lines == 1 {
                thread::sleep(Duration::from_secs(1));
            }
            let reply: &[u8] = match &line[..] {
                b"DATA\r\n" => b"354 go\r\n",
                b".\r\n" => b"250 ok\r\n",
                b"QUIT\r\n" => b"221 bye\r\n",
                _ => b"",
            };
            client.get_mut().write_all(reply).unwrap();
            line.clear();
        }
        lines
    });
    let line = format!("{}\n", "x".repeat(99));
    let mut command = tool("smtp-send");
    command.args(["--interactive", "-s", &address.to_string()]).stdout(Stdio::null());
    let ran = support::process::run_fed(&mut command, |to| {
        to.write_all(b"DATA\n")?;
        (0..LINES).try_for_each(|_| to.write_all(line.as_bytes()))?;
        to.write_all(b".\n")
    });
    assert_eq!((ran.status, serving.join().unwrap()), (0, LINES), "{}", ran.err);
    assert!(ran.peak < 24 * 1024 * 1024, "{} octets of memory for a message of {}", ran.peak, LINES * 101);
}

#[test]
fn a_script_that_cannot_be_read_is_told_before_anything_is_connected() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.txt");
    let of = |path: &Path| run(tool("smtp-send").args(["-s", "127.0.0.1:1", "--script"]).arg(path), b"");
    let missing = of(&path);
    assert_eq!(missing.status, 66, "{}", missing.err);
    std::fs::write(&path, "S: 220\nNOOP\n").unwrap();
    let bad = of(&path);
    assert_eq!(bad.status, 65);
    assert!(bad.err.ends_with("s.txt:2: no line of a script: NOOP\n"), "{}", bad.err);
}

#[test]
fn the_examples_find_a_sound_server_sound() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/smtp");
    let dir = tempfile::tempdir().unwrap();
    let listener = support::process::Listener::start(&["--discard", "--hostname", "mx.test"], &dir.path().join("log"));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let ran = run(tool("smtp-send").args(["-s", &listener.address.to_string(), "--script"]).arg(&path), b"");
        assert_eq!(ran.status, 0, "{}: {}{}", path.display(), ran.out, ran.err);
        count += 1;
    }
    assert_eq!(count, 3);
}
