//! A message of 256 MiB is fetched in less than 12 MiB of memory, wherever it goes, and every byte of it arrives; a mailbox of a million messages
//! is listed in little. A program of its own: what a process took includes what its parent had when it started it.

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
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use tempfile::TempDir;

const MIB: u64 = 1024 * 1024;
const BOUND: u64 = 12 * MIB;
/// Where the code is not optimized, it takes more by itself: beside that, so much.
const BESIDE_CODE: u64 = 6 * MIB;
/// All of it with `--features interop`, where there is time; else as much as would break the bound if it were kept.
const SIZE: u64 = if cfg!(feature = "interop") { 256 * MIB } else { 12 * MIB };
/// Messages of the mailbox that is listed.
const MANY: u64 = if cfg!(feature = "interop") { 1_000_000 } else { 200_000 };
/// For each of them, for its size, in octets.
const EACH: u64 = 16;
/// Messages of the mailbox that was fetched before, and what each may take, its record in the journal included.
const KNOWN: u64 = if cfg!(feature = "interop") { 1_000_000 } else { 50_000 };
const EACH_KNOWN: u64 = 700;
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
            "LIST" if line.contains(' ') => write!(out, "+OK 1 {size}\r\n")?,
            "LIST" => write!(out, "+OK\r\n1 {size}\r\n.\r\n")?,
            "UIDL" => out.write_all(b"+OK\r\n1 large\r\n.\r\n")?,
            // The filter has to judge from the whole of it.
            "TOP" => out.write_all(b"-ERR no\r\n")?,
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

/// An LMTP server for one client; tells length and checksum of the message that it takes.
fn lmtp() -> (SocketAddr, Receiver<Sum>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut client = BufReader::new(listener.accept().unwrap().0);
        let (mut reply, mut line) = ("220 lmtp.test\r\n", Vec::new());
        loop {
            client.get_mut().write_all(reply.as_bytes()).unwrap();
            line.clear();
            client.read_until(b'\n', &mut line).unwrap();
            reply = match &line[..] {
                b"DATA\r\n" => "354 go on\r\n",
                b"QUIT\r\n" | b"" => break,
                _ => "250 ok\r\n",
            };
            if reply.starts_with('3') {
                client.get_mut().write_all(reply.as_bytes()).unwrap();
                tell.send(dotted(&mut client)).unwrap();
                reply = "250 taken\r\n";
            }
        }
    });
    (address, told)
}

/// Lines up to a dot, their own dots removed.
fn dotted(from: &mut impl BufRead) -> Sum {
    let (mut sum, mut line) = (Sum::default(), Vec::new());
    loop {
        line.clear();
        from.read_until(b'\n', &mut line).unwrap();
        match line.strip_prefix(b".") {
            Some(b"\r\n") => return sum,
            Some(line) => sum.add(line),
            None => sum.add(&line),
        }
    }
}

/// Length and checksum.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum(u64, u32);

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        (self.0, self.1) = (self.0 + bytes.len() as u64, crc32c::crc32c_append(self.1, bytes));
    }

    fn of(mut from: impl Read) -> Sum {
        let (mut sum, mut buffer) = (Sum::default(), vec![0; 64 * 1024]);
        loop {
            match from.read(&mut buffer).unwrap() {
                0 => return sum,
                n => sum.add(&buffer[..n]),
            }
        }
    }
}

/// How a message is stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Wire,
    /// LF at line ends.
    Text,
    /// The same with `From ` lines quoted.
    Mbox,
}

/// What is to be stored.
fn wanted(form: Form) -> Sum {
    let wire = (HEADER.to_owned(), String::from_utf8(block()).unwrap());
    let text = |wire: String| if form == Form::Wire { wire } else { wire.replace("\r\n", "\n") };
    let (header, block) = (text(wire.0), text(wire.1));
    let block = if form == Form::Mbox { quoted(&block) } else { block };
    let mut sum = Sum::default();
    sum.add(header.as_bytes());
    (0..blocks()).for_each(|_| sum.add(block.as_bytes()));
    if form == Form::Mbox {
        sum.add(b"\n");
    }
    sum
}

/// As in an mboxrd: one more `>` before any number of them and `From `.
fn quoted(text: &str) -> String {
    let quote = |line: &str| if line.trim_start_matches('>').starts_with("From ") { format!(">{line}") } else { line.to_owned() };
    text.split_inclusive('\n').map(quote).collect()
}

/// What a file holds behind this line, or line's start.
fn behind(path: &Path, start: &str) -> impl Read {
    let mut file = BufReader::new(File::open(path).unwrap());
    let held = file.fill_buf().unwrap();
    let at = held.windows(start.len()).position(|window| window == start.as_bytes());
    let at = at.unwrap_or_else(|| panic!("{start:?} is not at the start of {}", path.display())) + start.len();
    file.consume(at);
    file
}

fn stored(path: &Path) -> Sum {
    Sum::of(File::open(path).unwrap())
}

/// An mbox of one message.
fn in_mbox(path: &Path) -> Sum {
    let mut file = BufReader::new(File::open(path).unwrap());
    let mut line = String::new();
    file.read_line(&mut line).unwrap();
    assert!(line.starts_with("From MAILER-DAEMON "), "{line}");
    Sum::of(file)
}

fn only_file(dir: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

/// Where a tool is run, and how much it may take.
struct Place {
    dir: TempDir,
    server: SocketAddr,
    code: u64,
}

impl Place {
    fn new(server: SocketAddr) -> Place {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("password"), "secret\n").unwrap();
        std::fs::set_permissions(dir.path().join("password"), std::fs::Permissions::from_mode(0o600)).unwrap();
        let code = run_as_is(tool("pop3-fetch").arg("--version")).peak;
        Place { dir, server, code }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn bound(&self) -> u64 {
        if cfg!(debug_assertions) { BOUND.max(self.code + BESIDE_CODE) } else { BOUND }
    }

    /// Fetches with these words into the directory, stdout there as `out`, and takes no more than that.
    fn fetch(&self, words: &[&str], bound: u64) -> Ran {
        let mut command = tool("pop3-fetch");
        command.env("HOME", self.dir.path()).env("TMPDIR", self.dir.path()).env("PATH", "/usr/bin:/bin").current_dir(&self.dir);
        command.arg(format!("pop3://bob@{}", self.server)).args(["--tls", "never", "--allow-plaintext-auth"]);
        command.args(["--password-file", "password"]).args(words).stdout(File::create(self.at("out")).unwrap());
        let ran = run_as_is(&mut command);
        assert_eq!((ran.status, &*ran.err), (0, ""), "{words:?}");
        println!("pop3-fetch {words:?}: {} KiB, the code alone {}", ran.peak / 1024, self.code / 1024);
        assert!(ran.peak < bound, "{words:?} took {} KiB, the code alone {}", ran.peak / 1024, self.code / 1024);
        ran
    }
}

/// A target, and what its file comes to.
type Target<'a> = (&'a [&'a str], &'a str, fn(&Path) -> Sum, Form);

#[test]
fn a_large_message_is_fetched_in_little_memory() {
    let place = Place::new(server());
    println!("a message of {} MiB", SIZE / MIB);
    let json = |path: &Path| {
        let text = behind(path, "\"base64\":\"").take((wanted(Form::Wire).0).div_ceil(3) * 4);
        Sum::of(base64::read::DecoderReader::new(text, &base64::engine::general_purpose::STANDARD))
    };
    // The spool's own field stands before it.
    let spooled = |path: &Path| {
        let mut sum = Sum::default();
        sum.add(HEADER.as_bytes());
        let block = block();
        let mut rest = behind(path, HEADER);
        for _ in 0..blocks() {
            let mut read = vec![0; block.len()];
            rest.read_exact(&mut read).unwrap();
            sum.add(&read);
        }
        sum
    };
    let targets: [Target<'_>; 9] = [
        (&["--stdout", "--all"], "out", stored, Form::Text),
        (&["--stdout", "--all", "--crlf"], "out", stored, Form::Wire),
        (&["--maildir", "mail", "--create", "--all"], "mail/new", |dir| stored(&only_file(dir)), Form::Text),
        (&["--mbox", "mbox", "--all"], "mbox", in_mbox, Form::Mbox),
        (&["--mbox", "judged", "--all", "--filter", "/bin/true"], "judged", in_mbox, Form::Mbox),
        (&["--exec", "/bin/sh -c 'cat >taken'", "--all"], "taken", stored, Form::Text),
        (&["--retr", "1"], "out", stored, Form::Text),
        (&["--retr", "1", "--json"], "out", json, Form::Wire),
        (&["--spool", "spool", "--create", "--all", "--recipient", "a@x.test"], "spool", spooled, Form::Wire),
    ];
    for (words, name, sum, form) in targets {
        place.fetch(words, place.bound());
        let path = if name == "spool" { largest(&place.at(name)) } else { place.at(name) };
        assert_eq!(sum(&path), wanted(form), "{words:?}");
        let _ = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    }
    let (address, taken) = lmtp();
    place.fetch(&["--lmtp", &format!("lmtp://{address}"), "--recipient", "a@x.test", "--all"], place.bound());
    assert_eq!(taken.recv().unwrap(), wanted(Form::Wire));
}

/// The message among the files of a spool.
fn largest(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() { dirs.push(entry.path()) } else { files.push(entry) }
        }
    }
    files.sort_by_key(|file| file.metadata().unwrap().len());
    files.pop().unwrap().path()
}

/// The unique-id of a message of many.
fn uid(n: u64) -> String {
    format!("{n:020}.{n:020}")
}

/// A mailbox of so many messages, to be listed.
fn serve_many(client: &TcpStream, many: u64) -> io::Result<()> {
    let mut out = BufWriter::new(client);
    out.write_all(b"+OK\r\n")?;
    out.flush()?;
    for line in BufReader::new(client).lines() {
        let line = line?;
        match &*line {
            "STAT" => write!(out, "+OK {many} {many}\r\n")?,
            "LIST" | "UIDL" => {
                out.write_all(b"+OK\r\n")?;
                (1..=many).try_for_each(|n| {
                    if line == "LIST" { write!(out, "{n} {n}\r\n") } else { write!(out, "{n} {}\r\n", uid(n)) }
                })?;
                out.write_all(b".\r\n")?;
            }
            "CAPA" => out.write_all(b"-ERR\r\n")?,
            _ => out.write_all(b"+OK\r\n")?,
        }
        out.flush()?;
        if line == "QUIT" {
            break;
        }
    }
    Ok(())
}

fn place_of(many: u64) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = Place::new(listener.local_addr().unwrap());
    thread::spawn(move || listener.incoming().for_each(|client| client.and_then(|client| serve_many(&client, many)).unwrap()));
    place
}

#[test]
fn many_messages_are_listed_in_little_memory() {
    let place = place_of(MANY);
    place.fetch(&["--list"], place.bound() + EACH * MANY);
    let mut rows = BufReader::new(File::open(place.at("out")).unwrap()).lines().map(Result::unwrap);
    for n in 1..=MANY {
        assert_eq!(rows.next().unwrap(), format!("{n}\t{n}\t{}", uid(n)));
    }
    assert_eq!(rows.next(), None);
}

/// Each is in the journal, and stays on the server.
#[test]
fn many_messages_that_are_known_take_little_memory_each() {
    let place = place_of(KNOWN);
    let mut journal = BufWriter::new(File::create(place.at("state")).unwrap());
    journal.write_all(b"postroad-journal 1 0123456789abcdef\n").unwrap();
    for n in 1..=KNOWN {
        let record = format!("add {n} delivered {n} {n:032x} 1795404328 - ={} =", uid(n));
        writeln!(journal, "{:08x} {record}", crc32c::crc32c(record.as_bytes())).unwrap();
    }
    journal.into_inner().unwrap().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    place.fetch(&["--mbox", "mbox", "--state", "state"], place.bound() + EACH_KNOWN * KNOWN);
    let mut rows = BufReader::new(File::open(place.at("out")).unwrap()).lines().map(Result::unwrap);
    for n in 1..=KNOWN {
        assert_eq!(rows.next().unwrap(), format!("kept\t{n}\t{n}\t{}\tdelivered earlier", uid(n)));
    }
    assert_eq!(rows.next(), None);
}
