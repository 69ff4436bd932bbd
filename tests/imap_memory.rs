//! A message of 256 MiB is saved and exported in less than 16 MiB of memory, and every byte of it arrives; floods and lengths that nobody has
//! are bounded. A program of its own: what a process took includes what its parent had when it started it.

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
const BOUND: u64 = 16 * MIB;
/// Where the code is not optimized, it takes more by itself: beside that, so much.
const BESIDE_CODE: u64 = 8 * MIB;
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
fn serve(client: &TcpStream) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(256 * 1024, client);
    out.write_all(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")?;
    out.flush()?;
    for line in BufReader::new(client).lines() {
        let line = line?;
        let (tag, command) = line.split_once(' ').unwrap_or_default();
        match command.split(' ').next().unwrap_or_default() {
            "LOGIN" => write!(out, "{tag} OK [CAPABILITY IMAP4rev1] in\r\n")?,
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

fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Who has read enough may hang up.
    thread::spawn(move || listener.incoming().for_each(|client| drop(client.and_then(|client| serve(&client)))));
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

#[test]
fn whatever_a_server_sends_takes_little_memory() {
    let (dir, server) = (tempfile::tempdir().unwrap(), server());
    let password = dir.path().join("password");
    std::fs::write(&password, "secret\n").unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    let at = |name: &str| dir.path().join(name);
    let code = run_as_is(tool("imap-shell").arg("--version")).peak;
    let bound = if cfg!(debug_assertions) { BOUND.max(code + BESIDE_CODE) } else { BOUND };
    let shell = |command: &str, status: i32| -> Ran {
        let mut tool = tool("imap-shell");
        tool.env("HOME", dir.path()).env("TMPDIR", dir.path()).arg(format!("imap://bob@{server}/INBOX"));
        tool.args(["--tls", "never", "--allow-plaintext-auth", "--login", "login", "--password-file"]).arg(&password);
        let ran = run_as_is(tool.args(["-c", command]).stdout(Stdio::null()));
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
