//! A message of 256 MiB is fetched in less than 12 MiB of memory, and every byte of it arrives. A program of its own: what a process took
//! includes what its parent had when it started it.

#[path = "support/process.rs"]
mod process;
#[path = "support/usage.rs"]
mod usage;

use process::{Ran, run_as_is, tool};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

const MIB: u64 = 1024 * 1024;
const BOUND: u64 = 12 * MIB;
/// Where the code is not optimized, it takes more by itself: beside that, so much.
const BESIDE_CODE: u64 = 6 * MIB;
/// All of it with `--features interop`, where there is time; else as much as would break the bound if it were kept.
const SIZE: u64 = if cfg!(feature = "interop") { 256 * MIB } else { 24 * MIB };
const HEADER: &str = "From: <alice@crepes.test>\r\nSubject: large\r\n\r\n";

/// Lines of all lengths up to 100, some of them with a dot or `From ` at their start; 64 KiB or a little more.
fn block() -> Vec<u8> {
    let (mut block, mut length) = (Vec::new(), 0);
    while block.len() < 64 * 1024 {
        length = (length + 37) % 101;
        let start = ["", ".", "From ", ">From "][length % 4];
        block.extend_from_slice(start.as_bytes());
        block.extend((0..length).map(|place| b"abcdefghijklmnopqrstuvwxyz "[(place * 7 + length) % 27]));
        block.extend_from_slice(b"\r\n");
    }
    block
}

fn blocks() -> u64 {
    SIZE / block().len() as u64 + 1
}

/// One session: a mailbox with this one message.
fn serve(client: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (block, mut out) = (block(), BufWriter::new(client));
    out.write_all(b"+OK\r\n")?;
    out.flush()?;
    for line in BufReader::new(client).lines() {
        let line = line?;
        let size = HEADER.len() as u64 + blocks() * block.len() as u64;
        match line.split(' ').next().unwrap_or_default() {
            "CAPA" => out.write_all(b"+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n")?,
            "STAT" => write!(out, "+OK 1 {size}\r\n")?,
            "LIST" => write!(out, "+OK\r\n1 {size}\r\n.\r\n")?,
            "UIDL" => out.write_all(b"+OK\r\n1 large\r\n.\r\n")?,
            "RETR" => {
                let stuffed: Vec<u8> = block.split_inclusive(|byte| *byte == b'\n').flat_map(stuffed).collect();
                write!(out, "+OK\r\n{HEADER}")?;
                (0..blocks()).try_for_each(|_| out.write_all(&stuffed))?;
                out.write_all(b".\r\n")?;
            }
            _ => out.write_all(b"+OK\r\n")?,
        }
        out.flush()?;
        if line == "QUIT" {
            break;
        }
    }
    Ok(())
}

fn stuffed(line: &[u8]) -> Vec<u8> {
    let dot: &[u8] = if line.starts_with(b".") { b"." } else { b"" };
    [dot, line].concat()
}

fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|client| client.and_then(|client| serve(&client)).unwrap()));
    address
}

/// Length and checksum of what is stored: LF at line ends, `From ` lines quoted in an mbox.
fn wanted(mbox: bool) -> (u64, u32) {
    let text = String::from_utf8(block()).unwrap().replace("\r\n", "\n");
    let block = if mbox { quoted(&text) } else { text };
    let header = HEADER.replace("\r\n", "\n");
    let (mut length, mut crc) = (header.len() as u64, crc32c::crc32c(header.as_bytes()));
    for _ in 0..blocks() {
        crc = crc32c::crc32c_append(crc, block.as_bytes());
        length += block.len() as u64;
    }
    if mbox { (length + 1, crc32c::crc32c_append(crc, b"\n")) } else { (length, crc) }
}

/// As in an mboxrd: one more `>` before any number of them and `From `.
fn quoted(text: &str) -> String {
    let quote = |line: &str| if line.trim_start_matches('>').starts_with("From ") { format!(">{line}") } else { line.to_owned() };
    text.split_inclusive('\n').map(quote).collect()
}

/// Length and checksum of a file, but for its first line if it is an mbox.
fn stored(path: &Path, mbox: bool) -> (u64, u32) {
    let mut file = BufReader::new(File::open(path).unwrap());
    if mbox {
        let mut line = String::new();
        file.read_line(&mut line).unwrap();
        assert!(line.starts_with("From MAILER-DAEMON "), "{line}");
    }
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

#[test]
fn a_large_message_is_fetched_in_little_memory() {
    let (dir, server) = (tempfile::tempdir().unwrap(), server());
    let password = dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let at = |name: &str| dir.path().join(name);
    let code = run_as_is(tool("pop3-fetch").arg("--version")).peak;
    let bound = if cfg!(debug_assertions) { BOUND.max(code + BESIDE_CODE) } else { BOUND };
    let fetch = |words: &[&str], stdout: Stdio| -> Ran {
        let mut command = tool("pop3-fetch");
        command
            .env("HOME", dir.path())
            .env("TMPDIR", dir.path())
            .env("PATH", "/usr/bin:/bin")
            .arg(format!("pop3://bob@{server}"));
        command.args(["--tls", "never", "--allow-plaintext-auth", "--all", "--password-file"]).arg(&password).args(words);
        let ran = run_as_is(command.stdout(stdout));
        assert_eq!((ran.status, &*ran.err), (0, ""), "{words:?}");
        assert!(ran.peak < bound, "{words:?} took {} KiB, the code alone {}", ran.peak / 1024, code / 1024);
        println!("pop3-fetch {} of {} MiB: {} KiB", words[0], SIZE / MIB, ran.peak / 1024);
        ran
    };
    fetch(&["--stdout"], File::create(at("out")).unwrap().into());
    assert_eq!(stored(&at("out"), false), wanted(false));
    std::fs::remove_file(at("out")).unwrap();
    fetch(&["--maildir", at("mail").to_str().unwrap(), "--create"], Stdio::null());
    assert_eq!(stored(&only_file(&at("mail/new")), false), wanted(false));
    std::fs::remove_dir_all(at("mail")).unwrap();
    fetch(&["--mbox", at("mbox").to_str().unwrap()], Stdio::null());
    assert_eq!(stored(&at("mbox"), true), wanted(true));
    std::fs::remove_file(at("mbox")).unwrap();
    let command = format!("/bin/sh -c 'cat >{}'", at("taken").display());
    fetch(&["--exec", &command], Stdio::null());
    assert_eq!(stored(&at("taken"), false), wanted(false));
}
