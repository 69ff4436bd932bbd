//! The transcripts of `tests/imap_shell` against the binary over a socket.

mod support;

#[path = "imap_shell/export.rs"]
mod export;
#[path = "imap_shell/save.rs"]
mod save;
#[path = "imap_shell/signals.rs"]
mod signals;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;
use support::played::{self, play};
use support::process::{PATIENCE, Ran, run_as_is, tool};
use support::transcript::{self, Transcript};

fn check(transcript: &Transcript) {
    played::check("imap-shell", &[0], transcript);
}

#[test]
fn every_transcript_passes_against_the_binary() {
    transcript::check_all("imap_shell", check);
}

/// Runs `commands` with INBOX selected as `a2`, against what the server says and hears from then on; behind a LOGOUT of the client's
/// comes what answers it.
fn scripted(options: &[&str], commands: &[&str], dialogue: &str) -> (Ran, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("session.txt");
    let commands: String = commands.iter().map(|command| format!(" -c '{command}'")).collect();
    let farewell = match dialogue.lines().last().and_then(|line| line.strip_prefix("C: ")?.strip_suffix(" LOGOUT")) {
        Some(tag) => format!("\nS: * BYE\nS: {tag} OK\nclose"),
        None => String::new(),
    };
    let text = format!(
        "$ imap-shell $SERVER/INBOX --user bob --tls never --allow-plaintext-auth --password-file $PASSWORD --tags a --login login {}{commands}\n\
         S: * OK [CAPABILITY IMAP4rev1] ready\n\
         C: a1 LOGIN bob s3cret\n\
         S: a1 OK [CAPABILITY IMAP4rev1] in\n\
         C: a2 SELECT INBOX\n\
         S: a2 OK x\n\
         {dialogue}{farewell}\n",
        options.join(" ")
    );
    std::fs::write(&path, text).unwrap();
    play("imap-shell", &transcript::read(&path))
}

/// What a server hides in an envelope is bounded on stdout, and told with its size.
#[test]
fn a_long_literal_where_none_belongs_is_cut() {
    let octets = "A".repeat(70_000);
    let dialogue = format!(
        "C: a3 UID FETCH 5 (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)\n\
         S: * 1 FETCH (UID 5 FLAGS (\\Seen) ENVELOPE (NIL {{70000}}\n\
         S: {octets} NIL NIL NIL NIL NIL NIL NIL NIL))\n\
         S: a3 OK x\n\
         C: a4 LOGOUT"
    );
    let (ran, place) = scripted(&[], &["fetch 5"], &dialogue);
    assert_eq!(ran.status, 76, "{place}");
    let rows: Vec<&str> = ran.out.lines().collect();
    assert!(rows[0].ends_with(&"A".repeat(1024)) && rows[0].len() < 1200, "{place}");
    assert!(rows[1].starts_with("5\t\\Seen\t"), "the rest of the row is shown: {place}");
    assert!(ran.out.len() < 4096 && ran.err.contains("a literal of 70000 octets"), "{place}");
}

/// Keys of rows in the transcripts are documented with their types, and what is documented comes.
#[test]
fn the_keys_of_rows_are_those_of_the_document() {
    let text = include_str!("../docs/imap-shell-json.md");
    let mut documented = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        for key in cells[0].trim_start_matches("| ").split(", ") {
            documented.insert(key.trim_matches('`').to_owned(), cells[1].to_owned());
        }
    }
    let mut seen = BTreeSet::new();
    let transcripts = transcript::all("imap_shell");
    for transcript in transcripts.iter().filter(|transcript| transcript.has("--json")) {
        for row in transcript.outcomes.iter().filter(|row| !row.ends_with('…')) {
            let Ok(serde_json::Value::Object(row)) = serde_json::from_str(row) else { panic!("{row}") };
            for (key, value) in row {
                let kind = match value {
                    serde_json::Value::String(_) => "string",
                    serde_json::Value::Number(_) => "number",
                    serde_json::Value::Bool(_) => "boolean",
                    serde_json::Value::Array(_) => "array",
                    _ => "object",
                };
                let kinds =
                    documented.get(&key).unwrap_or_else(|| panic!("{key} of {} is not documented", transcript.path.display()));
                assert!(kinds.split(" or ").any(|known| known == kind), "{key} is {kind} in {}", transcript.path.display());
                seen.insert(key);
            }
        }
    }
    // Those of `export`, `append`, `watch` and extensions have tests of their own.
    let elsewhere = ["outcome", "file", "event", "required", "optional", "count", "namespace", "prefix"].map(str::to_owned);
    let missing: Vec<&String> = documented.keys().filter(|key| !seen.contains(*key) && !elsewhere.contains(key)).collect();
    assert!(missing.is_empty(), "no transcript shows {missing:?}");
}

/// The end of a script in a file is seen ahead: LOGOUT goes right behind its last command, which is answered once both are there.
#[test]
fn a_script_in_a_file_says_goodbye_with_its_last_command() {
    let dir = tempfile::tempdir().unwrap();
    let (password, script) = (dir.path().join("password"), dir.path().join("script"));
    std::fs::write(&password, "s3cret\n").unwrap();
    std::fs::write(&script, "search\nfetch 5 FLAGS\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("{}/INBOX", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let stream = listener.accept().unwrap().0;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut turn = |says: &str, hears: &[&str]| {
            (&stream).write_all(says.as_bytes()).unwrap();
            hears.iter().for_each(|wanted| assert_eq!(&lines.next().unwrap().unwrap(), wanted));
        };
        turn("* OK [CAPABILITY IMAP4rev1] ready\r\n", &["a1 LOGIN bob s3cret"]);
        turn("a1 OK [CAPABILITY IMAP4rev1] in\r\n", &["a2 SELECT INBOX"]);
        turn("a2 OK x\r\n", &["a3 UID SEARCH ALL"]);
        turn("* SEARCH 5\r\na3 OK x\r\n", &["a4 UID FETCH 5 (UID FLAGS)", "a5 LOGOUT"]);
        turn("* 1 FETCH (UID 5 FLAGS ())\r\na4 OK x\r\n* BYE\r\na5 OK\r\n", &[]);
    });
    let mut command = tool("imap-shell");
    command.args([&server, "--user", "bob", "--tls", "never", "--allow-plaintext-auth", "--tags", "a", "--login", "login"]);
    let ran = run_as_is(command.arg("--password-file").arg(&password).stdin(File::open(&script).unwrap()));
    serving.join().unwrap();
    assert_eq!((ran.status, ran.out.as_str(), ran.err.as_str()), (0, "5\n5\t-\t-\t-\t-\t-\n", ""));
}
