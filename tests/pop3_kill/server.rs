//! A POP3 server with one mailbox, which outlives its sessions: what a session deletes goes when it says QUIT (RFC 1939 section 6).

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

pub struct Server {
    pub address: SocketAddr,
    mailbox: Arc<Mailbox>,
}

struct Mailbox {
    /// In wire form, for ever.
    texts: Vec<Vec<u8>>,
    /// Indices of those that are there.
    there: Mutex<Vec<usize>>,
}

impl Server {
    /// With these messages, in wire form. Its thread ends with the test program.
    pub fn start(texts: Vec<Vec<u8>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = Mutex::new((0..texts.len()).collect());
        let server = Server { address: listener.local_addr().unwrap(), mailbox: Arc::new(Mailbox { texts, there }) };
        let mailbox = Arc::clone(&server.mailbox);
        thread::spawn(move || {
            for client in listener.incoming() {
                let mailbox = Arc::clone(&mailbox);
                // A client that is killed breaks its session off.
                thread::spawn(move || client.and_then(|client| Session::new(&client, &mailbox).run()));
            }
        });
        server
    }

    /// Indices of the messages that are there.
    pub fn left(&self) -> Vec<usize> {
        self.mailbox.there().clone()
    }
}

impl Mailbox {
    fn there(&self) -> MutexGuard<'_, Vec<usize>> {
        self.there.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Session<'a> {
    mailbox: &'a Mailbox,
    input: BufReader<&'a TcpStream>,
    out: BufWriter<&'a TcpStream>,
    /// By number, from 1: the message, unless it was deleted.
    numbers: Vec<Option<usize>>,
    deleted: Vec<usize>,
}

impl<'a> Session<'a> {
    fn new(client: &'a TcpStream, mailbox: &'a Mailbox) -> Session<'a> {
        let numbers = mailbox.there().iter().copied().map(Some).collect();
        Session { mailbox, input: BufReader::new(client), out: BufWriter::new(client), numbers, deleted: Vec::new() }
    }

    fn run(mut self) -> io::Result<()> {
        self.out.get_ref().set_nodelay(true)?;
        self.out.write_all(b"+OK ready\r\n")?;
        let mut line = String::new();
        loop {
            // Answers to commands that came together go together.
            if self.input.buffer().is_empty() {
                self.out.flush()?;
            }
            line.clear();
            if self.input.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end() == "QUIT" {
                self.mailbox.there().retain(|index| !self.deleted.contains(index));
                self.out.write_all(b"+OK bye\r\n")?;
                return self.out.flush();
            }
            self.answer(&line)?;
        }
    }

    fn answer(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split_whitespace();
        let word = words.next().unwrap_or_default();
        let at = words.next().and_then(|number| number.parse::<usize>().ok()).and_then(|number| number.checked_sub(1));
        let message = at.and_then(|at| Some((at, self.numbers.get(at).copied()??)));
        match (word, message) {
            ("CAPA", _) => self.out.write_all(b"+OK\r\nUSER\r\nUIDL\r\nPIPELINING\r\n.\r\n"),
            ("USER" | "PASS", _) => self.out.write_all(b"+OK\r\n"),
            ("STAT", _) => {
                let (count, octets) =
                    self.live().fold((0, 0), |(count, octets), (_, index)| (count + 1, octets + self.size(index)));
                write!(self.out, "+OK {count} {octets}\r\n")
            }
            ("LIST" | "UIDL", _) => {
                let mut list = String::from("+OK\r\n");
                for (number, index) in self.live() {
                    let fact = if word == "LIST" { self.size(index).to_string() } else { format!("uid-{index}") };
                    let _ = write!(list, "{number} {fact}\r\n");
                }
                self.out.write_all(list.as_bytes())?;
                self.out.write_all(b".\r\n")
            }
            ("RETR", Some((_, index))) => {
                self.out.write_all(b"+OK\r\n")?;
                for line in self.mailbox.texts[index].split_inclusive(|byte| *byte == b'\n') {
                    self.out.write_all(if line.starts_with(b".") { b"." } else { b"" })?;
                    self.out.write_all(line)?;
                }
                self.out.write_all(b".\r\n")
            }
            ("DELE", Some((at, index))) => {
                self.numbers[at] = None;
                self.deleted.push(index);
                self.out.write_all(b"+OK\r\n")
            }
            _ => self.out.write_all(b"-ERR no such thing\r\n"),
        }
    }

    fn live(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.numbers.iter().enumerate().filter_map(|(at, index)| Some((at + 1, (*index)?)))
    }

    fn size(&self, index: usize) -> usize {
        self.mailbox.texts[index].len()
    }
}
