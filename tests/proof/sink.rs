//! Where mail goes in the end: a server on loopback that speaks SMTP and LMTP in one process with the test, so that the test knows what
//! was answered, and which answers may not have been taken down by the client. Each test program uses a part
//! of it.

#![allow(dead_code)]

use crate::letters::{self, Letter};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Refused for good, wherever it is.
pub const NOBODY: &str = "nobody@";
/// Told to come back as long as [`Sink::defer`] says so.
pub const LATER: &str = "later@";

/// One recipient's copy, answered with 250.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    pub letter: Letter,
    pub recipient: String,
    /// The client said nothing more on that connection: it may have died before it took the answer down.
    pub last_words: bool,
}

#[derive(Debug, Clone)]
pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    arrived: Mutex<Vec<Arrived>>,
    torn: Mutex<Vec<String>>,
    defers: AtomicBool,
    /// Counted up at each recipient that could be told to come back.
    laters: AtomicU64,
    sessions: AtomicUsize,
}

/// One transaction of a session.
#[derive(Default)]
struct Transaction {
    recipients: Vec<String>,
    /// What was said to the recipients after the dot stands at these places in what arrived.
    answered: std::ops::Range<usize>,
}

impl Sink {
    pub fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        let serving = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, serving) = (stream.unwrap(), serving.clone());
                serving.sessions.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // A client that is killed breaks its session off.
                    let _ = serving.session(&stream);
                    serving.sessions.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Sink { address, shared }
    }

    /// Whether every other `later@` is told to come back.
    pub fn defer(&self, defers: bool) {
        self.shared.defers.store(defers, Ordering::Relaxed);
    }

    /// All that was answered with 250, in order. To be asked when all clients are gone: waits until their last words are read.
    pub fn arrived(&self) -> Vec<Arrived> {
        while self.shared.sessions.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let torn = self.shared.torn.lock().unwrap();
        assert!(torn.is_empty(), "the server was given {torn:?}");
        self.shared.arrived.lock().unwrap().clone()
    }

    /// Begins anew.
    pub fn forget(&self) {
        let gone = self.arrived().len();
        self.shared.arrived.lock().unwrap().drain(..gone);
    }
}

impl Shared {
    fn session(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (mut from, mut to) = (BufReader::new(stream), stream);
        let (mut transaction, mut lmtp) = (Transaction::default(), false);
        to.write_all(b"220 mx.hamburger.test\r\n")?;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Ok(());
            }
            self.taken_down(&mut transaction);
            lmtp |= line.starts_with("LHLO");
            let reply = match line.split([' ', '\r']).next().unwrap_or_default() {
                "EHLO" | "LHLO" => "250-mx.hamburger.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n".to_owned(),
                "RCPT" => self.recipient(&line, lmtp, &mut transaction),
                "DATA" if transaction.recipients.is_empty() => "554 5.5.1 no valid recipients\r\n".to_owned(),
                "DATA" => {
                    to.write_all(b"354 go ahead\r\n")?;
                    let data = data(&mut from)?;
                    self.message(&data, lmtp, &mut transaction)
                }
                "MAIL" | "RSET" => {
                    transaction = Transaction::default();
                    "250 2.0.0 fine\r\n".to_owned()
                }
                "QUIT" => return to.write_all(b"221 2.0.0 bye\r\n"),
                _ => "250 2.0.0 fine\r\n".to_owned(),
            };
            to.write_all(reply.as_bytes())?;
        }
    }

    /// The client went on, so it knows what was said.
    fn taken_down(&self, transaction: &mut Transaction) {
        let places = std::mem::take(&mut transaction.answered);
        self.arrived.lock().unwrap()[places].iter_mut().for_each(|arrived| arrived.last_words = false);
    }

    fn recipient(&self, line: &str, lmtp: bool, transaction: &mut Transaction) -> String {
        let address = line.split(['<', '>']).nth(1).unwrap_or_default();
        if address.starts_with(NOBODY) && !lmtp {
            return "550 5.1.1 no such user\r\n".to_owned();
        }
        let comes_back = address.starts_with(LATER) && self.defers.load(Ordering::Relaxed);
        if comes_back && self.laters.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return "450 4.2.1 come back later\r\n".to_owned();
        }
        transaction.recipients.push(address.to_owned());
        "250 2.1.5 fine\r\n".to_owned()
    }

    /// One reply for all, or with LMTP one for each.
    fn message(&self, data: &[u8], lmtp: bool, transaction: &mut Transaction) -> String {
        let letter = match letters::read(data) {
            Ok(letter) => letter,
            Err(torn) => {
                self.torn.lock().unwrap().push(torn);
                return "554 5.6.0 torn\r\n".to_owned();
            }
        };
        let mut arrived = self.arrived.lock().unwrap();
        let (before, mut replies) = (arrived.len(), String::new());
        for recipient in transaction.recipients.drain(..) {
            if lmtp && recipient.starts_with(NOBODY) {
                replies += "550 5.1.1 no such user\r\n";
                continue;
            }
            arrived.push(Arrived { letter: letter.clone(), recipient, last_words: true });
            replies += "250 2.0.0 taken\r\n";
        }
        transaction.answered = before..arrived.len();
        if lmtp { replies } else { "250 2.0.0 taken\r\n".to_owned() }
    }
}

/// The data up to its dot, without stuffing. The end of the stream is an error: that was no message.
fn data(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let start = data.len();
        if from.read_until(b'\n', &mut data)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if &data[start..] == b".\r\n" {
            data.truncate(start);
            return Ok(data);
        }
        if data.get(start) == Some(&b'.') {
            data.remove(start);
        }
    }
}
