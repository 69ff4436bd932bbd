//! For somebody who types the protocol on a terminal, where Enter sends a bare LF: an engine behind this sees CRLF. Nothing that comes
//! over a network may pass through here.

use super::engine::{End, Engine, Step};

/// How much is held between terminal and engine.
const PIECE: usize = 4096;

/// An engine that is typed to.
#[derive(Debug)]
pub struct Typed<E> {
    engine: E,
    /// With its line ends repaired, but not yet taken.
    held: Vec<u8>,
    after_cr: bool,
}

impl<E: Engine> Typed<E> {
    pub fn new(engine: E) -> Typed<E> {
        Typed { engine, held: Vec::new(), after_cr: false }
    }

    fn pass_on(&mut self) {
        let used = self.engine.receive(&self.held);
        self.held.drain(..used);
    }
}

impl<E: Engine> Engine for Typed<E> {
    type Ask = E::Ask;
    type Tell = E::Tell;

    fn receive(&mut self, bytes: &[u8]) -> usize {
        if !self.held.is_empty() {
            return 0;
        }
        let piece = &bytes[..bytes.len().min(PIECE)];
        for &byte in piece {
            if byte == b'\n' && !self.after_cr {
                self.held.push(b'\r');
            }
            self.after_cr = byte == b'\r';
            self.held.push(byte);
        }
        self.pass_on();
        piece.len()
    }

    fn outgoing(&self) -> &[u8] {
        self.engine.outgoing()
    }

    fn wrote(&mut self, n: usize) {
        self.engine.wrote(n);
    }

    fn body(&mut self, bytes: &[u8], last: bool) -> usize {
        self.engine.body(bytes, last)
    }

    fn tell(&mut self, tell: E::Tell) {
        self.engine.tell(tell);
    }

    fn ended(&mut self, why: End) {
        self.held.clear();
        self.engine.ended(why);
    }

    fn step(&mut self) -> Step<E::Ask> {
        let mut step = self.engine.step();
        while matches!(step, Step::Io { read: true, .. }) && !self.held.is_empty() {
            let before = self.held.len();
            self.pass_on();
            step = self.engine.step();
            if self.held.len() == before {
                break;
            }
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::smtp::server::Server;
    use crate::protocol::smtp::server::config::ServerConfig;

    #[test]
    fn enter_alone_ends_a_line() {
        let mut typed = Typed::new(Server::new(ServerConfig::new("mx.test")));
        assert_eq!(typed.receive(b"NOOP\nNOOP\r\nQUIT\n"), 16);
        while !matches!(typed.step(), Step::Done) {}
        let said = String::from_utf8_lossy(typed.outgoing()).into_owned();
        assert_eq!(said.matches("250 2.0.0 Ok").count(), 2, "{said}");
        assert!(said.contains("221 2.0.0"), "{said}");
    }
}
