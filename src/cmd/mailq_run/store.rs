//! The helper behind local delivery as root: becomes the recipient, then stores what comes on stdin.

use super::args::StoreAs;
use super::identity::become_user;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::disk::maildir::Name;
use crate::disk::real::Real;
use crate::mail::outcome::Outcome;
use crate::relay::local::{Known, store};
use jiff::Timestamp;
use nix::unistd::{Gid, Uid};
use std::io::{self, Read};

/// A stdin that ends before `left` bytes came is no message: whoever wrote it was cut off.
struct Whole<R> {
    from: R,
    left: u64,
}

pub fn run(args: &StoreAs) -> Result<Status, Failure> {
    let uid = Uid::from_raw(args.uid);
    if uid.is_root() {
        return Err(Failure::text(Status::Usage, "nobody's mail is stored as root"));
    }
    become_user(uid, Gid::from_raw(args.gid))?;
    let at = Timestamp::from_second(args.at).or_status(Status::Usage)?;
    let name = Name { at, host: args.host.clone(), token: Some(args.token.clone()) };
    let mut stdin = Whole { from: io::stdin().lock(), left: args.length };
    match store(Real::shared(), &Known::default(), &args.dir, &name, b"", &mut stdin).or_status(Status::Io)? {
        Outcome::Accepted(_) => Ok(Status::Done),
        other => Err(Failure::text(Status::TryAgain, &other.diagnostic().text)),
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let n = self.from.read(&mut buffer[..most])?;
        if n == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the message was cut short"));
        }
        self.left -= n as u64;
        Ok(n)
    }
}
