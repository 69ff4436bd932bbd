//! A message of 1 GiB passes through every tool, each in less than 32 MiB of memory.

use crate::process::{Listener, Ran, run_as_is, run_fed, tool};
use crate::talk::Talk;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MIB: u64 = 1024 * 1024;
const BOUND: u64 = 32 * MIB;

const GIB: u64 = 1024 * MIB;

/// What goes all the way: 1 GiB with `--features interop`, where there is time; else 64 MiB under the same bound, which a message kept
/// whole would break.
const SIZE: u64 = if cfg!(feature = "interop") { GIB } else { 64 * MIB };

const HEADER: &str = "From: <alice@crepes.test>\nTo: <bob@hamburger.test>\nSubject: large\n\n";

/// A MiB of lines of all lengths up to 100, among them some that begin with dots.
fn block() -> Vec<u8> {
    let mut block = Vec::new();
    let mut length = 0;
    while block.len() < MIB as usize {
        length = (length + 37) % 101;
        let dots = if length % 5 == 0 { ".." } else { "" };
        block.extend_from_slice(dots.as_bytes());
        block.extend((0..length).map(|place| b"abcdefghijklmnopqrstuvwxyz "[(place * 7 + length) % 27]));
        block.push(b'\n');
    }
    block
}

/// Writes a message of at least `size` bytes; gives its length and checksum.
fn write_message(to: &mut dyn Write, size: u64) -> io::Result<(u64, u32)> {
    let block = block();
    to.write_all(HEADER.as_bytes())?;
    let (mut length, mut crc) = (HEADER.len() as u64, crc32c::crc32c(HEADER.as_bytes()));
    while length < size {
        to.write_all(&block)?;
        length += block.len() as u64;
        crc = crc32c::crc32c_append(crc, &block);
    }
    Ok((length, crc))
}

fn small(what: &str, peak: u64) {
    assert!(peak < BOUND, "{what} took {} MiB", peak / MIB);
    println!("{what}: {} KiB", peak / 1024);
}

fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    let [file] = &files[..] else { panic!("one file: {files:?}") };
    file.clone()
}

/// What stands in the file above its last `length` bytes, and the checksum of those.
fn parted(path: &Path, length: u64) -> (String, u32) {
    let mut file = File::open(path).unwrap();
    let above = file.metadata().unwrap().len().checked_sub(length).expect("not shorter than what was sent");
    let mut head = String::new();
    Read::by_ref(&mut file).take(above).read_to_string(&mut head).unwrap();
    let (mut crc, mut buffer) = (0, vec![0; MIB as usize]);
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return (head, crc),
            n => crc = crc32c::crc32c_append(crc, &buffer[..n]),
        }
    }
}

/// Sent from a pipe, spooled, delivered into a Maildir and over SMTP.
#[test]
fn a_large_message_goes_all_the_way_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("downstream.log");
    let downstream =
        Listener::start(&["--hostname", "mx.hamburger.test", "--config", "/dev/null", "--discard", "--max-size", "2G"], &log);
    let site = crate::site::Site::new(dir.path(), &downstream);
    let upstream = site.listener(&["--max-size", "2G"]);

    let mut sent = (0, 0);
    let mut send = tool("smtp-send");
    send.args([
        "-s",
        &upstream.url(),
        "--tls",
        "never",
        "-f",
        "alice@crepes.test",
        "bob@hamburger.test",
        "alice-test@crepes.test",
    ]);
    let ran = run_fed(&mut send, |to| {
        sent = write_message(to, SIZE)?;
        Ok(())
    });
    assert_eq!((ran.status, ran.out.matches("accepted\t").count()), (0, 2), "{ran:?}");
    small("smtp-send from a pipe", ran.peak);
    small("smtp-listen into the spool", upstream.stop().peak);

    let pass = site.pass();
    assert_eq!((pass.status, &*pass.err), (0, ""), "{pass:?}");
    small("mailq-run", pass.peak);
    small("smtp-listen into nowhere", downstream.stop().peak);
    assert_eq!(site.list(), "", "all is delivered");

    let (length, crc) = sent;
    let (head, stored) = parted(&only_file(&site.mailbox().join("new")), length);
    assert!(head.starts_with("Return-Path: <alice@crepes.test>\nDelivered-To: alice-test@crepes.test\nReceived: "), "{head}");
    assert_eq!(stored, crc, "not the bytes that were sent");
    let log = std::fs::read_to_string(log).unwrap();
    let size = |line: &str| line.split("size=").nth(1)?.split(' ').next()?.parse::<u64>().ok();
    let taken = log.lines().filter(|line| line.contains("outcome=accepted")).find_map(size).expect("the size is in the log");
    let block = block();
    let lines = block.iter().filter(|byte| **byte == b'\n').count() as u64 * (length / block.len() as u64);
    let header = (head.len() + HEADER.len()) as u64;
    assert!((length + lines..length + lines + 2 * header).contains(&taken), "{taken} bytes of {length}, {lines} lines, arrived");
}

/// A file is read where it stands: no copy of it is made.
#[test]
fn a_file_is_sent_without_a_copy_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("message");
    write_message(&mut File::create(&path).unwrap(), SIZE).unwrap();
    let downstream =
        Listener::start(&["--config", "/dev/null", "--discard", "--max-size", "2G"], &dir.path().join("downstream.log"));
    let mut send = tool("smtp-send");
    send.args(["-s", &downstream.url(), "--tls", "never", "-f", "alice@crepes.test", "bob@hamburger.test"]);
    let ran: Ran = run_as_is(send.env("TMPDIR", "/nonexistent").stdin(File::open(&path).unwrap()));
    assert_eq!(ran.status, 0, "{ran:?}");
    small("smtp-send from a file", ran.peak);
}

/// A hole of 1 GiB: a line of more than 998 octets (RFC 5321 section 4.5.3.1.6), which is told before anything is sent.
#[test]
fn an_endless_line_is_refused_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("message");
    std::fs::write(&path, HEADER).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(GIB).unwrap();
    let mut send = tool("smtp-send");
    send.args(["-s", "127.0.0.1:9", "-f", "alice@crepes.test", "bob@hamburger.test"]);
    let ran: Ran = run_as_is(send.env("TMPDIR", "/nonexistent").stdin(File::open(&path).unwrap()));
    assert_eq!((ran.status, &*ran.out), (65, ""), "{ran:?}");
    assert!(ran.err.starts_with("smtp-send: line 5: longer than 998 octets"), "{ran:?}");
    small("smtp-send of an endless line", ran.peak);
}

/// Others send such lines: they are taken in little memory.
#[test]
fn an_endless_line_is_taken_in_little_memory() {
    let dir = tempfile::tempdir().unwrap();
    let listener = Listener::start(&["--config", "/dev/null", "--discard", "--max-size", "2G"], &dir.path().join("log"));
    let mut talk = Talk::open(listener.address).unwrap();
    talk.ask_all(&["EHLO x.test", "MAIL FROM:<alice@crepes.test>", "RCPT TO:<bob@hamburger.test>", "DATA"]).unwrap();
    let block = vec![b'x'; MIB as usize];
    for _ in 0..SIZE / MIB {
        talk.send(&block).unwrap();
    }
    let reply = talk.ask("\r\n.").unwrap();
    assert!(reply.starts_with("250"), "{reply}");
    drop(talk);
    small("smtp-listen of an endless line", listener.stop().peak);
}

/// From a place in a file that is not its start, as after `read` in a shell.
#[test]
fn a_file_is_read_from_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("message");
    std::fs::write(&path, format!("not this line\n{HEADER}body\n")).unwrap();
    let mut file = File::open(&path).unwrap();
    file.seek(SeekFrom::Start("not this line\n".len() as u64)).unwrap();
    let maildir = dir.path().join("mail");
    let sink = ["--config", "/dev/null", "--maildir", maildir.to_str().unwrap()];
    let downstream = Listener::start(&sink, &dir.path().join("downstream.log"));
    let mut send = tool("smtp-send");
    send.args(["-s", &downstream.url(), "--tls", "never", "-f", "alice@crepes.test", "bob@hamburger.test"]);
    assert_eq!(run_as_is(send.stdin(file)).status, 0);
    let stored = std::fs::read_to_string(only_file(&maildir.join("new"))).unwrap();
    assert!(stored.ends_with(&format!("{HEADER}body\n")) && !stored.contains("not this"), "{stored}");
}

#[test]
fn a_header_without_end_is_refused_in_little_memory() {
    let mut send = tool("smtp-send");
    send.args(["-s", "smtp://127.0.0.1:1", "-f", "alice@crepes.test", "bob@hamburger.test"]);
    let ran = run_fed(&mut send, |to| {
        let lines = "X-Endless: header\n".repeat(64 * 1024);
        (0..64).try_for_each(|_| to.write_all(lines.as_bytes()))
    });
    assert_eq!((ran.status, ran.err.lines().count()), (65, 1), "{ran:?}");
    small("smtp-send with an endless header", ran.peak);
}
