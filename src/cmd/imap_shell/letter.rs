//! Messages on their way into a mailbox, in wire form.

use crate::bytes::newline::ToCrlf;
use crate::cli::exit::Status;
use crate::cli::stdio::say;
use crate::disk::scratch::Scratch;
use crate::mail::header::from_line;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, tcflush};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Octets looked at in one go; an mbox line is shorter.
const BUFFER: usize = 64 * 1024;
/// How often somebody who types may have pressed Ctrl-C, in milliseconds.
const LOOK: u8 = 50;
/// What parts two messages of an mbox, in wire form.
const SEAM: &[u8] = b"\r\n\r\nFrom ";

/// A message in wire form, in a temporary file: a literal's length goes ahead of it.
pub struct Letter {
    pub called: String,
    /// It comes from a file of that name, and not from stdin.
    pub named: bool,
    pub file: File,
    pub octets: u64,
    pub flags: String,
    /// `date-time` (RFC 9051 section 9), where it is known when it came.
    pub date: Option<String>,
    pub nul: bool,
    /// Its header goes beyond ASCII.
    pub eight_bit: bool,
}

/// Stdin. Who types there and thinks better of it says so by Ctrl-C, which breaks off what would begin again by itself.
pub struct Typed<'a> {
    pub interrupted: Option<&'a AtomicBool>,
}

impl Read for Typed<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut stdin = io::stdin().lock();
        let Some(interrupted) = self.interrupted else { return stdin.read(buf) };
        loop {
            if interrupted.load(Ordering::Relaxed) {
                // What else was typed of it must not be taken for commands.
                let _ = tcflush(&stdin, FlushArg::TCIFLUSH);
                return Err(io::Error::other("broken off: nothing is appended"));
            }
            match poll(&mut [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)], PollTimeout::from(LOOK)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => {
                    let n = stdin.read(buf)?;
                    // What was typed while the terminal changed hands ends in CR.
                    buf[..n].iter_mut().filter(|byte| **byte == b'\r').for_each(|byte| *byte = b'\n');
                    return Ok(n);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What is wrong with one that is none was told.
pub fn letter(path: Option<&Path>, from: &mut dyn Read, flags: String, date: Option<String>) -> Result<Letter, Status> {
    let called = path.map_or_else(|| "stdin".to_owned(), |path| path.display().to_string());
    match wire_form(from) {
        Ok((_, look)) if look.octets == 0 => {
            say(&format!("imap-shell: {called}: no message"));
            Err(Status::NoInput)
        }
        Ok((file, look)) => Ok(Letter {
            called,
            named: path.is_some(),
            file,
            octets: look.octets,
            flags,
            date,
            nul: look.nul,
            eight_bit: look.eight_bit,
        }),
        Err(error) => {
            say(&format!("imap-shell: {called}: {error}"));
            Err(if error.kind() == io::ErrorKind::InvalidData { Status::Data } else { Status::Io })
        }
    }
}

/// What is seen of a message as it passes.
#[derive(Debug, Default)]
struct Look {
    octets: u64,
    nul: bool,
    eight_bit: bool,
    behind_header: bool,
    /// The last octets so far.
    tail: Vec<u8>,
    /// A line `From ` stands behind an empty one.
    parted: bool,
}

impl Look {
    fn at(&mut self, bytes: &[u8]) {
        self.octets += bytes.len() as u64;
        self.nul |= memchr::memchr(0, bytes).is_some();
        let mut seen = std::mem::take(&mut self.tail);
        seen.extend_from_slice(bytes);
        self.parted |= memchr::memmem::find(&seen, SEAM).is_some();
        if !self.behind_header {
            let end = memchr::memmem::find(&seen, b"\r\n\r\n");
            self.behind_header = end.is_some();
            self.eight_bit |= !seen[..end.unwrap_or(seen.len())].is_ascii();
        }
        self.tail = seen.split_off(seen.len().saturating_sub(SEAM.len() - 1));
    }
}

/// In wire form, without an mbox line. A lone CR, and an mbox of several messages, are [`io::ErrorKind::InvalidData`].
fn wire_form(from: &mut dyn Read) -> io::Result<(File, Look)> {
    let mut scratch = Scratch::new()?;
    let (mut newline, mut buf, mut out, mut look) = (ToCrlf::default(), vec![0; BUFFER], Vec::new(), Look::default());
    let (mut at_start, mut mbox) = (true, false);
    let lone = |lone| io::Error::new(io::ErrorKind::InvalidData, lone);
    loop {
        let n = fill(from, &mut buf)?;
        if n == 0 {
            break;
        }
        let skip = if std::mem::take(&mut at_start) { from_line(&buf[..n]) } else { 0 };
        mbox |= skip > 0;
        newline.push(&buf[skip..n], &mut out).map_err(lone)?;
        look.at(&out);
        scratch.write_all(&out)?;
        out.clear();
        if n < buf.len() {
            // A terminal has said that this is the end, and would have to say it again.
            break;
        }
    }
    newline.finish().map_err(lone)?;
    if mbox && look.parted {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "an mbox of several messages: say append mbox FILE"));
    }
    Ok((scratch.into_file()?, look))
}

fn fill(from: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buf.len() {
        match from.read(&mut buf[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_goes_in_wire_form() {
        let mut text = String::new();
        let (mut file, look) = wire_form(&mut &b"From x Mon\nA: b\n\nc\r\nd"[..]).unwrap();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), look.octets, look.nul, look.eight_bit), ("A: b\r\n\r\nc\r\nd", 12, false, false));
        for bad in [&b"a\rb"[..], b"From x Mon\nA: b\n\nc\n\nFrom y Tue\nA: d\n\ne\n"] {
            assert_eq!(wire_form(&mut &bad[..]).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        // Without an mbox line it is a message, whatever stands in it.
        assert!(wire_form(&mut &b"A: b\n\nc\n\nFrom y Tue\n"[..]).is_ok());
    }

    #[test]
    fn the_end_is_asked_for_once() {
        struct Typed(usize);
        impl Read for Typed {
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.0 += 1;
                match self.0 {
                    1 => (&b"A: b\n"[..]).read(buf),
                    2 => Ok(0),
                    _ => panic!("asked again"),
                }
            }
        }
        assert_eq!(wire_form(&mut Typed(0)).unwrap().1.octets, 6);
    }

    #[test]
    fn only_the_header_goes_beyond_ascii() {
        for (message, wanted) in [("A: \u{e4}\r\n\r\nb", true), ("A: b\r\n\r\n\u{e4}", false), ("A: b\r\nB: \u{e4}", true)] {
            for cut in 0..message.len() {
                let mut look = Look::default();
                look.at(&message.as_bytes()[..cut]);
                look.at(&message.as_bytes()[cut..]);
                assert_eq!(look.eight_bit, wanted, "{message:?} cut at {cut}");
            }
        }
    }
}
