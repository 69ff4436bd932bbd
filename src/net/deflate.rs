//! Both directions of a connection compressed (RFC 4978): raw DEFLATE (RFC 1951), each write flushed so that the peer can read all of it.
//! Constant memory: what the peer's octets unfold to is made as it is read.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io::{self, Read, Write};

/// Octets of the peer, as they come, that are held at once.
const HELD: usize = 16 * 1024;
/// Octets that are compressed at once.
const STRIDE: usize = 16 * 1024;

/// The state of both directions.
pub(super) struct Deflated {
    inflate: Decompress,
    deflate: Compress,
    /// Of the peer, not unfolded yet.
    input: Vec<u8>,
    at: usize,
    /// The inflater may have more to give without another octet.
    full: bool,
    /// Compressed, not written yet; and how many octets that stands for, which the caller offers again until all of it is written.
    pending: Vec<u8>,
    owed: usize,
}

impl Deflated {
    /// `ahead`: what was read already, and is compressed.
    pub(super) fn new(ahead: &[u8]) -> Deflated {
        Deflated {
            inflate: Decompress::new(false),
            deflate: Compress::new(Compression::default(), false),
            input: ahead.to_vec(),
            at: 0,
            full: false,
            pending: Vec::new(),
            owed: 0,
        }
    }

    pub(super) fn read(&mut self, wire: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.get(self.at..).unwrap_or_default();
            if !input.is_empty() || self.full {
                let (taken, made) = (self.inflate.total_in(), self.inflate.total_out());
                let status = self.inflate.decompress(input, buf, FlushDecompress::Sync).map_err(broken)?;
                let (taken, made) = (self.inflate.total_in() - taken, self.inflate.total_out() - made);
                self.at += taken as usize;
                self.full = made as usize == buf.len();
                if made > 0 || status == Status::StreamEnd {
                    return Ok(made as usize);
                }
                if taken == 0 && self.at < self.input.len() {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "compressed data that leads nowhere"));
                }
            }
            if self.at >= self.input.len() {
                self.input.resize(HELD, 0);
                self.at = self.input.len();
                let n = wire.read(&mut self.input)?;
                self.input.truncate(n);
                self.at = 0;
                if n == 0 {
                    return Ok(0);
                }
            }
        }
    }

    /// Takes octets once all that they were compressed to is written; until then the same ones are to be offered again.
    pub(super) fn write(&mut self, wire: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        if self.owed == 0 {
            let bytes = &bytes[..bytes.len().min(STRIDE)];
            self.compress(bytes)?;
            self.owed = bytes.len();
        }
        while !self.pending.is_empty() {
            let n = wire.write(&self.pending)?;
            self.pending.drain(..n);
            if n == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(std::mem::take(&mut self.owed))
    }

    fn compress(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.deflate.total_in();
        loop {
            self.pending.reserve(bytes.len() / 2 + 256);
            let taken = (self.deflate.total_in() - before) as usize;
            self.deflate.compress_vec(&bytes[taken..], &mut self.pending, FlushCompress::Sync).map_err(broken)?;
            let taken = (self.deflate.total_in() - before) as usize;
            // With room left, all of it was flushed.
            if taken == bytes.len() && self.pending.len() < self.pending.capacity() {
                return Ok(());
            }
        }
    }
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes and gives little at a time, and blocks every other time.
    #[derive(Default)]
    struct Narrow {
        bytes: std::collections::VecDeque<u8>,
        blocks: bool,
    }

    impl Narrow {
        fn blocked(&mut self) -> bool {
            self.blocks = !self.blocks;
            self.blocks
        }
    }

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.blocked() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let n = bytes.len().min(7);
            self.bytes.extend(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Read for Narrow {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.blocked() || self.bytes.is_empty() {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let n = buf.len().min(5).min(self.bytes.len());
            for (to, from) in buf.iter_mut().zip(self.bytes.drain(..n)) {
                *to = from;
            }
            Ok(n)
        }
    }

    fn is_blocked(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::WouldBlock
    }

    fn send(side: &mut Deflated, wire: &mut Narrow, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match side.write(wire, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(error) => assert!(is_blocked(&error), "{error}"),
            }
        }
    }

    fn receive(side: &mut Deflated, wire: &mut Narrow, size: usize) -> Vec<u8> {
        let (mut all, mut buf, mut idle) = (Vec::new(), vec![0; size], 0);
        while idle < 3 {
            match side.read(wire, &mut buf) {
                Ok(n) => all.extend_from_slice(&buf[..n]),
                Err(error) => {
                    assert!(is_blocked(&error), "{error}");
                    idle = if wire.bytes.is_empty() { idle + 1 } else { 0 };
                }
            }
        }
        all
    }

    #[test]
    fn each_write_can_be_read_at_once_whatever_the_wire_takes() {
        let (mut here, mut there, mut wire) = (Deflated::new(&[]), Deflated::new(&[]), Narrow::default());
        let noise: Vec<u8> = (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        for text in [&b"A1 NOOP\r\n"[..], &noise, b"A2 LOGOUT\r\n", &[b'x'; 100_000]] {
            send(&mut here, &mut wire, text);
            assert_eq!(receive(&mut there, &mut wire, 333), text);
        }
    }

    #[test]
    fn what_was_read_ahead_is_not_lost() {
        let (mut here, mut wire) = (Deflated::new(&[]), Narrow::default());
        send(&mut here, &mut wire, b"* OK compressed\r\n");
        let ahead: Vec<u8> = wire.bytes.drain(..).collect();
        assert_eq!(receive(&mut Deflated::new(&ahead), &mut wire, 100), b"* OK compressed\r\n");
    }

    #[test]
    fn little_that_unfolds_to_much_is_unfolded_as_it_is_read() {
        let (mut here, mut wire) = (Deflated::new(&[]), Narrow::default());
        let zeros = vec![0; 64 << 20];
        send(&mut here, &mut wire, &zeros);
        let mut there = Deflated::new(&[]);
        let (mut total, mut buf) = (0, [0; 1000]);
        while total < zeros.len() {
            match there.read(&mut wire, &mut buf) {
                Ok(n) => total += n,
                Err(error) => assert!(is_blocked(&error), "{error}"),
            }
            assert!(there.input.capacity() <= 2 * HELD);
        }
    }

    #[test]
    fn what_is_not_compressed_is_an_error() {
        let mut there = Deflated::new(b"\xff* OK plain\r\n");
        assert_eq!(there.read(&mut io::empty(), &mut [0; 100]).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
