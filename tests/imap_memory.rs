//! A message of 256 MiB is saved and exported in less than 16 MiB of memory, and every byte of it arrives; floods and lengths that nobody has
//! are bounded, and so is what one response comes to that is made of many small things. A program of its own: what a process took includes what its parent had when it started it.

#[path = "imap_memory/answers.rs"]
mod answers;
#[path = "support/process.rs"]
mod process;
#[path = "support/usage.rs"]
mod usage;

use answers::{Answer, HOSTILE, ORDINARY};
use process::{Ran, run_as_is, tool};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

const MIB: u64 = 1024 * 1024;
const BOUND: u64 = 16 * MIB;
/// Where the code is not optimized, it takes more by itself: beside that, so much.
const BESIDE_CODE: u64 = 8 * MIB;
/// What a single response takes, which is held until it is whole, and what is made of it; and the same beside code that is not optimized.
const ANSWER: u64 = 24 * MIB;
const ANSWER_BESIDE_CODE: u64 = 16 * MIB;
/// All of it with `--features interop`, where there is time; else as much as would break the bound if it were kept.
const SIZE: u64 = if cfg!(feature = "interop") { 256 * MIB } else { 32 * MIB };
const HEADER: &str = "From: <alice@crepes.test>\r\nSubject: large\r\n\r\n";
const LINE: &str = "0123456789 abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\n";

fn lines() -> u64 {
    SIZE / LINE.len() as u64 + 1
}

/// Octets of the message, on the wire.
fn size() -> u64 {
    HEADER.len() as u64 + lines() * LINE.len() as u64
}

fn message(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(HEADER.as_bytes())?;
    (0..lines()).try_for_each(|_| out.write_all(LINE.as_bytes()))
}

/// One session. NOOP is answered by a flood, CHECK by a length that nobody has.
fn serve(client: &TcpStream, answers: &[&Answer]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 * 1024, client);
    out.write_all(b"* OK [CAPABILITY IMAP4rev1 THREAD=REFERENCES UIDPLUS CONDSTORE] ready\r\n")?;
    out.flush()?;
    for line in BufReader::new(client).lines() {
        let line = line?;
        let (tag, command) = line.split_once(' ').unwrap_or_default();
        if let Some(answer) = answers.iter().find(|answer| command.contains(answer.line)) {
            (answer.response)(&mut out)?;
            write!(out, "\r\n{tag} OK x\r\n")?;
            out.flush()?;
            continue;
        }
        match command.split(' ').next().unwrap_or_default() {
            "LOGIN" => write!(out, "{tag} OK [CAPABILITY IMAP4rev1 THREAD=REFERENCES UIDPLUS CONDSTORE] in\r\n")?,
            "SELECT" => write!(out, "* 1 EXISTS\r\n{tag} OK x\r\n")?,
            "UID" => {
                let date = "17-Jul-1996 02:44:25 -0700";
                write!(out, "* 1 FETCH (UID 5 FLAGS (\\Seen) INTERNALDATE \"{date}\" BODY[] {{{}}}\r\n", size())?;
                message(&mut out)?;
                write!(out, ")\r\n{tag} OK x\r\n")?;
            }
            "NOOP" => {
                let (row, rows) = ("* 4 FETCH (FLAGS (\\Seen))\r\n* 5 EXISTS\r\n* LIST () NIL x\r\n", SIZE / 512);
                (0..rows).try_for_each(|_| out.write_all(row.as_bytes()))?;
                write!(out, "{tag} OK x\r\n")?;
            }
            "CHECK" => {
                out.write_all(b"* 1 FETCH (UID 5 BODY[] {99999999999}\r\n")?;
                message(&mut out)?;
                out.flush()?;
                return Ok(());
            }
            _ => write!(out, "{tag} OK x\r\n")?,
        }
        out.flush()?;
    }
    Ok(())
}

fn server(answers: Vec<&'static Answer>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Who has read enough may hang up.
    thread::spawn(move || listener.incoming().for_each(|client| drop(client.and_then(|client| serve(&client, &answers)))));
    address
}

/// Length and checksum of what is stored, with LF at line ends.
fn wanted() -> (u64, u32) {
    let (header, line) = (HEADER.replace("\r\n", "\n"), LINE.replace("\r\n", "\n"));
    let crc = (0..lines()).fold(crc32c::crc32c(header.as_bytes()), |crc, _| crc32c::crc32c_append(crc, line.as_bytes()));
    (header.len() as u64 + lines() * line.len() as u64, crc)
}

fn stored(path: &Path) -> (u64, u32) {
    let mut file = BufReader::new(File::open(path).unwrap());
    let (mut length, mut crc, mut buffer) = (0, 0, vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return (length, crc),
            n => (length, crc) = (length + n as u64, crc32c::crc32c_append(crc, &buffer[..n])),
        }
    }
}

fn only_file(dir: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn shell(dir: &Path, server: SocketAddr, command: &str, out: Stdio) -> Ran {
    let password = dir.join("password");
    std::fs::write(&password, "secret\n").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut tool = tool("imap-shell");
    tool.env("HOME", dir).env("TMPDIR", dir).arg(format!("imap://bob@{server}/INBOX"));
    tool.args(["--tls", "never", "--allow-plaintext-auth", "--login", "login", "--password-file"]).arg(&password);
    run_as_is(tool.args(["-c", command]).stdout(out))
}

fn code() -> u64 {
    run_as_is(tool("imap-shell").arg("--version")).peak
}

/// How many there are, and the end of the last one.
fn rows_of(path: &Path) -> (usize, String) {
    let (mut file, mut lines, mut end) = (BufReader::new(File::open(path).unwrap()), 0, Vec::new());
    loop {
        let bytes = file.fill_buf().unwrap();
        if bytes.is_empty() {
            return (lines, String::from_utf8_lossy(end.strip_suffix(b"\n").unwrap_or(&end)).into_owned());
        }
        lines += memchr::memchr_iter(b'\n', bytes).count();
        end.extend_from_slice(&bytes[bytes.len().saturating_sub(50)..]);
        end.drain(..end.len().saturating_sub(50));
        let used = bytes.len();
        file.consume(used);
    }
}

/// A response of some megabytes comes to a hundred times that where each of its small things is held as one.
#[test]
fn a_response_of_many_small_things_takes_little_memory() {
    let (dir, code) = (tempfile::tempdir().unwrap(), code());
    // The ordinary ones say more in their lines.
    let server = server(ORDINARY.iter().chain(HOSTILE).collect());
    let bound = if cfg!(debug_assertions) { ANSWER.max(code + ANSWER_BESIDE_CODE) } else { ANSWER };
    for Answer { typed, status, rows, last, .. } in HOSTILE.iter().chain(ORDINARY) {
        let out = dir.path().join("out");
        let ran = shell(dir.path(), server, typed, File::create(&out).unwrap().into());
        let told = ran.err.get(..300).unwrap_or(&ran.err);
        let (lines, end) = rows_of(&out);
        println!("{typed}: {} KiB, {lines} rows, {told}", ran.peak / 1024);
        assert_eq!(ran.status, *status, "{typed}: {told}");
        assert!(rows.contains(&lines), "{typed}: {lines} rows: {told}");
        assert!(end.ends_with(last), "{typed}: {end}");
        assert!(ran.peak < bound, "{typed} took {} KiB, the code alone {}", ran.peak / 1024, code / 1024);
        assert_eq!(ran.err.contains("imap-shell: "), *status != 0, "{typed}: {told}");
    }
}

/// Before anybody is logged in there is nothing that would be long.
#[test]
fn a_greeting_takes_little_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let more = |client: &mut TcpStream| (0..1000).try_for_each(|_| client.write_all(&[b'a'; 4000]));
            drop(client.write_all(b"* OK [CAPABILITY IMAP4rev1 ").and_then(|()| more(&mut client)));
        }
    });
    let (dir, code) = (tempfile::tempdir().unwrap(), code());
    let ran = shell(dir.path(), server, "noop", Stdio::null());
    assert_eq!(ran.status, 76, "{}", ran.err);
    assert!(ran.err.contains("a response goes on beyond 65536 octets"), "{}", ran.err);
    assert!(ran.peak < code + 4 * MIB, "{} KiB, the code alone {}", ran.peak / 1024, code / 1024);
}

#[test]
fn whatever_a_server_sends_takes_little_memory() {
    let (dir, server, code) = (tempfile::tempdir().unwrap(), server(Vec::new()), code());
    let at = |name: &str| dir.path().join(name);
    let bound = if cfg!(debug_assertions) { BOUND.max(code + BESIDE_CODE) } else { BOUND };
    let shell = |command: &str, status: i32| -> Ran {
        let ran = shell(dir.path(), server, command, Stdio::null());
        assert_eq!(ran.status, status, "{command}: {}", ran.err);
        assert!(ran.peak < bound, "{command} took {} KiB, the code alone {}", ran.peak / 1024, code / 1024);
        println!("imap-shell -c '{command}' of {} MiB: {} KiB", SIZE / MIB, ran.peak / 1024);
        ran
    };
    shell(&format!("save 5 {}", at("saved").display()), 0);
    assert_eq!(stored(&at("saved")), wanted());
    std::fs::remove_file(at("saved")).unwrap();
    shell(&format!("export 5 maildir {}", at("mail").display()), 0);
    assert_eq!(stored(&only_file(&at("mail/cur"))), wanted());
    std::fs::remove_dir_all(at("mail")).unwrap();
    shell("show 5", 0);
    shell("fetch 5 BODY[]", 0);
    shell("noop", 0);
    shell("raw NOOP", 0);
    shell("raw CHECK", 75);
}
