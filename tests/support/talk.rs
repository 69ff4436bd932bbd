//! Both sides of SMTP by hand: a client that sends any bytes, and a server that keeps every byte it was sent. Each test program uses
//! a part of it.

#![allow(dead_code)]

use super::process::PATIENCE;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// A client that sends what it is told.
pub struct Talk(BufReader<TcpStream>);

impl Talk {
    /// Connected, the greeting read.
    pub fn open(address: SocketAddr) -> io::Result<Talk> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut talk = Talk(BufReader::new(stream));
        talk.reply().map(|_| talk)
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// The next reply, its lines joined by `\n`. The end of the stream is an error.
    pub fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            if self.0.read_line(&mut reply)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            reply.truncate(reply.trim_end().len());
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }

    /// The reply to a line.
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        self.send(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// The replies to several lines.
    pub fn ask_all(&mut self, lines: &[&str]) -> io::Result<Vec<String>> {
        lines.iter().map(|line| self.ask(line)).collect()
    }

    /// Sends no more, and gives all that comes until the other side closes, too.
    pub fn rest(mut self) -> String {
        let _ = self.0.get_mut().shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        // A connection that is reset is over as well.
        let _ = self.0.read_to_end(&mut rest);
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// A server that takes everything from one client: gives all bytes that the client sent.
pub fn serve_once() -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || one_client(&listener.accept().unwrap().0).unwrap()))
}

fn one_client(stream: &TcpStream) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut from, mut to) = (BufReader::new(stream), stream);
    let (mut all, mut line, mut in_data) = (Vec::new(), Vec::new(), false);
    to.write_all(b"220 mx.test ESMTP\r\n")?;
    while from.read_until(b'\n', &mut line).unwrap_or(0) > 0 {
        all.extend_from_slice(&line);
        if !in_data || line == b".\r\n" {
            let reply = agreeable(&line);
            in_data = reply.starts_with("354");
            to.write_all(reply.as_bytes())?;
        }
        line.clear();
    }
    Ok(all)
}

fn agreeable(line: &[u8]) -> &'static str {
    match line.get(..4) {
        Some(b"EHLO") => "250-mx.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
        Some(b"DATA") => "354 go on\r\n",
        Some(b"QUIT") => "221 bye\r\n",
        _ => "250 fine\r\n",
    }
}
