//! Reading a message's data: dots off, end found, limits kept. Bare CR and LF refuse the message (SMTP smuggling).

use super::replies;
use crate::bytes::dot::{Found, Unstuffer};
use crate::mail::reply::Reply;

/// The most octets taken at once, and so the largest chunk.
const PIECE: usize = 64 * 1024;
/// A message that is refused is swallowed to its end, but no further than this past its limit.
const PATIENCE: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
pub struct Data {
    unstuffer: Unstuffer,
    limit: u64,
    size: u64,
    chunk: Vec<u8>,
    refusal: Option<Reply>,
}

#[derive(Debug)]
pub enum Progress {
    More,
    Whole,
    /// At its end, and refused.
    Refused(Reply),
    /// Refused with the end nowhere to be trusted: the session is over.
    Hopeless(Reply),
}

impl Data {
    pub fn new(limit: u64) -> Data {
        Data { unstuffer: Unstuffer::default(), limit, size: 0, chunk: Vec::new(), refusal: None }
    }

    /// The store above failed: swallow the rest.
    pub fn refuse(&mut self, reply: Reply) {
        self.refusal.get_or_insert(reply);
    }

    /// Takes bytes up to the end of data; gives how many.
    pub fn take(&mut self, bytes: &[u8]) -> (usize, Progress) {
        let (used, found) = self.unstuffer.push(&bytes[..bytes.len().min(PIECE)], &mut self.chunk);
        self.size += self.chunk.len() as u64;
        if self.size > self.limit {
            self.refuse(replies::too_big(self.limit));
        }
        if self.unstuffer.bare_line_end() {
            self.refuse(replies::bare_line_end());
        }
        if self.refusal.is_some() {
            self.chunk.clear();
        }
        let progress = match found {
            Found::FalseEnd => Progress::Hopeless(replies::false_end()),
            Found::End => self.refusal.take().map_or(Progress::Whole, Progress::Refused),
            Found::More if self.size > self.limit.saturating_add(PATIENCE) => Progress::Hopeless(replies::too_big(self.limit)),
            Found::More => Progress::More,
        };
        (used, progress)
    }

    /// What of the message has come and was not given yet.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        if self.chunk.is_empty() { None } else { Some(std::mem::take(&mut self.chunk)) }
    }
}
