//! A server that answers each line by a table, whoever comes and in whatever order.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Behind the last of an answer: the connection ends there.
pub const LOST: &str = "<lost>";

/// Where it listens, and what it has heard.
pub struct Answers {
    pub address: SocketAddr,
    table: Arc<Mutex<Table>>,
    heard: Arc<Mutex<Vec<String>>>,
}

/// Lines, and what is said to them.
type Table = Vec<(String, String)>;

impl Answers {
    /// `table`: lines, and what is said to them (LF for CRLF). What is not there is answered with +OK; CAPA, LIST and UIDL with -ERR.
    pub fn new(table: &[(&str, &str)]) -> Answers {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::default());
        let table: Table = table.iter().map(|(line, text)| ((*line).to_owned(), (*text).to_owned())).collect();
        let table = Arc::new(Mutex::new(table));
        let (says, hears) = (Arc::clone(&table), Arc::clone(&heard));
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that has heard enough may be gone.
                let _ = talk(stream.unwrap(), &says, &hears);
            }
        });
        Answers { address, table, heard }
    }

    /// From now on this is said to that line.
    pub fn say(&self, line: &str, text: &str) {
        self.table.lock().unwrap().insert(0, (line.to_owned(), text.to_owned()));
    }

    /// For bob.
    pub fn url(&self) -> String {
        format!("bob@{}", self.address)
    }

    /// Lines that begin so, in their order.
    pub fn heard(&self, start: &str) -> Vec<String> {
        self.heard.lock().unwrap().iter().filter(|line| line.starts_with(start)).cloned().collect()
    }
}

fn talk(mut stream: TcpStream, table: &Mutex<Table>, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    stream.write_all(b"+OK\r\n")?;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let known = table.lock().unwrap().iter().find(|(wanted, _)| *wanted == line).map(|(_, text)| text.clone());
        heard.lock().unwrap().push(line.clone());
        let text = known.as_deref().unwrap_or(match line.split(' ').next() {
            Some("CAPA" | "LIST" | "UIDL") => "-ERR",
            _ => "+OK",
        });
        let (text, lost) = text.strip_suffix(LOST).map_or((text, false), |text| (text, true));
        let end = if lost { "" } else { "\r\n" };
        stream.write_all((text.replace('\n', "\r\n") + end).as_bytes())?;
        if lost {
            return Ok(());
        }
        if line == "QUIT" {
            break;
        }
    }
    Ok(())
}
