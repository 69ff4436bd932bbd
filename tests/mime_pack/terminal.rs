//! What others wrote, on a terminal: nothing of it drives that; a pipe gets the bytes.

use super::*;
use nix::pty::openpty;
use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

/// ESC, a C1 control, a bidirectional override, NUL: in the header, a name, and the text.
const HOSTILE: &str = "From: a@b.test\nSubject: =?utf-8?q?=1B[2J?= s\u{9b}31m\nX-\u{1b}]0;x: \u{202e}\n\
    Content-Type: text/plain; charset=utf-8; name=\"n\u{1b}[2J\u{202e}\"\n\nt\u{1b}[2J \u{9b}31m \u{202e}x\0\n";

/// What the terminal is sent, and the status.
fn on_terminal(words: &[&str]) -> (String, i32) {
    let here = files(&[("m.eml", HOSTILE.as_bytes())]);
    let pty = openpty(None, None).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mime-pack"));
    command.current_dir(here.path()).args(words).stdin(File::open(here.path().join("m.eml")).unwrap());
    let mut child = command.stdout(pty.slave.try_clone().unwrap()).stderr(Stdio::inherit()).spawn().unwrap();
    drop((command, pty.slave));
    let (mut screen, mut shown, mut piece) = (File::from(pty.master), Vec::new(), [0; 4096]);
    // Once nobody has the other end, reading fails.
    while let Ok(read @ 1..) = screen.read(&mut piece) {
        shown.extend_from_slice(&piece[..read]);
    }
    (String::from_utf8(shown).unwrap().replace("\r\n", "\n"), child.wait().unwrap().code().unwrap())
}

#[test]
fn nothing_of_a_message_drives_the_terminal() {
    let text = "t\\x1b[2J \\u{9b}31m \\u{202e}x\\x00\n";
    let name = "n\\x1b[2J\\u{202e}";
    for (words, wanted) in [
        (&["--text"] as &[&str], text),
        (&["-O", "1"], text),
        (&["-O", "1", "--raw"], text),
        (&["-H", "Subject"], "\\x1b[2J s\\u{9b}31m\n"),
        (&["--list"], name),
        (&["--set", "A: b"], "A: b\n"),
        (&["--set", "A: b"], text),
        (&["--add", "A: b"], "X-\\x1b]0;x: \\u{202e}\n"),
        (&["--remove", "From"], text),
    ] {
        let (shown, status) = on_terminal(words);
        assert_eq!(status, 0, "{words:?}");
        assert!(shown.contains(wanted), "{words:?}: {shown:?}");
        let is_harmless = |c: char| matches!(c, '\n' | '\t') || !(c.is_control() || c == '\u{202e}');
        assert!(shown.chars().all(is_harmless), "{words:?}: {shown:?}");
    }
}

#[test]
fn a_pipe_gets_the_bytes() {
    let here = Path::new(".");
    let text = "t\u{1b}[2J \u{9b}31m \u{202e}x\0\n";
    assert_eq!(run(here, &["--text"], HOSTILE).done(), text.as_bytes());
    assert_eq!(run(here, &["-O", "1"], HOSTILE).done(), text.as_bytes());
    assert_eq!(run(here, &["-O", "1", "--raw"], HOSTILE).done(), HOSTILE.as_bytes());
    assert_eq!(run(here, &["-H", "Subject"], HOSTILE).done(), "\u{1b}[2J s\u{9b}31m\n".as_bytes());
    assert_eq!(run(here, &["--add", "A: b"], HOSTILE).done(), HOSTILE.replacen("\n\nt", "\nA: b\n\nt", 1).as_bytes());
}
