//! A message's body: opened as often as it has to be read, and made fit for the server at hand where that does not take 8-bit content.

use crate::mail::mime::beyond_ascii::PartHeaders;
use crate::mail::mime::rewrite::Rewriter;
use crate::mail::mime::survey::{Goal, Plan, Survey, Unfit};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::protocol::smtp::client::words::{HeaderText, Transaction};
use crate::protocol::smtp::extensions::Extensions;
use std::io::{self, Read};
use std::sync::Arc;

const BUFFER: usize = 64 * 1024;

/// A message in wire form (CRLF) that can be read as often as wanted.
pub trait Source: Send {
    /// From its start.
    fn open(&self) -> Box<dyn Read + Send>;

    /// From its start, to be sent.
    fn send(&self) -> Box<dyn Read + Send> {
        self.open()
    }
}

/// For a session that ends before the message.
impl Source for io::Empty {
    fn open(&self) -> Box<dyn Read + Send> {
        Box::new(io::empty())
    }
}

/// Why a message does not go to this server.
#[derive(Debug)]
pub enum Misfit {
    Refused(Outcome),
    /// It could not be read to its end.
    Unreadable(io::Error),
}

/// What has to change so that the server takes the message, and the transaction with it: 8-bit content goes to a server without 8BITMIME
/// re-encoded, part by part (RFC 6152 section 3). None: nothing does.
pub fn fit(transaction: &mut Transaction, body: &dyn Source, offered: &Extensions) -> Result<Option<Arc<Plan>>, Misfit> {
    let wants_utf8 = transaction.header == HeaderText::Utf8 && !offered.smtputf8;
    if !transaction.eight_bit || offered.eight_bit_mime || wants_utf8 {
        return Ok(None);
    }
    let plan =
        survey(body.open(), Goal::SevenBit).map_err(Misfit::Unreadable)?.map_err(|unfit| Misfit::Refused(refused(&unfit)))?;
    let plan = Arc::new(plan);
    if offered.size.is_some() {
        transaction.size = Some(measure(Rewriting::new(body.open(), plan.clone())).map_err(Misfit::Unreadable)?.octets);
    }
    transaction.eight_bit = false;
    Ok(Some(plan))
}

/// RFC 3463 section 3.7: a conversion that must not be is told from one that cannot be.
fn refused(unfit: &Unfit) -> Outcome {
    let status = EnhancedStatus::new(5, 6, if unfit.is_prohibited() { 2 } else { 3 });
    let text = format!("the message has 8-bit content, the server does not offer 8BITMIME, and it cannot be re-encoded: {unfit}");
    Outcome::Refused(Diagnostic::local(status, text))
}

/// Reads a whole message for what has to change.
pub fn survey(mut body: impl Read, goal: Goal) -> io::Result<Result<Plan, Unfit>> {
    let (mut survey, mut buf) = (Survey::new(goal), vec![0; BUFFER]);
    loop {
        match body.read(&mut buf)? {
            0 => return Ok(survey.finish()),
            n => {
                if let Err(unfit) = survey.push(&buf[..n]) {
                    return Ok(Err(unfit));
                }
            }
        }
    }
}

/// Reads a whole message for UTF-8 in the headers of its parts.
pub fn has_utf8_in_parts(mut body: impl Read) -> io::Result<bool> {
    let (mut headers, mut buf) = (PartHeaders::default(), vec![0; BUFFER]);
    loop {
        match body.read(&mut buf)? {
            0 => return Ok(headers.finish()),
            n => headers.push(&buf[..n]),
        }
    }
}

/// What is known of a body that was read.
#[derive(Debug, Default)]
pub struct Measured {
    pub octets: u64,
    pub eight_bit: bool,
}

pub fn measure(mut body: impl Read) -> io::Result<Measured> {
    let (mut measured, mut buf) = (Measured::default(), vec![0; BUFFER]);
    loop {
        match body.read(&mut buf)? {
            0 => return Ok(measured),
            n => {
                measured.octets += n as u64;
                measured.eight_bit |= !buf[..n].is_ascii();
            }
        }
    }
}

/// Reads a message as a plan changes it.
#[derive(Debug)]
pub struct Rewriting<R> {
    body: R,
    rewriter: Option<Rewriter>,
    raw: Vec<u8>,
    ready: Vec<u8>,
    taken: usize,
}

impl<R: Read> Rewriting<R> {
    pub fn new(body: R, plan: Arc<Plan>) -> Rewriting<R> {
        Rewriting { body, rewriter: Some(Rewriter::new(plan)), raw: vec![0; BUFFER], ready: Vec::new(), taken: 0 }
    }
}

impl<R: Read> Read for Rewriting<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            let Some(rewriter) = &mut self.rewriter else { return Ok(0) };
            (self.taken, _) = (0, self.ready.clear());
            match self.body.read(&mut self.raw)? {
                0 => {
                    rewriter.finish(&mut self.ready);
                    self.rewriter = None;
                }
                n => rewriter.push(&self.raw[..n], &mut self.ready),
            }
        }
        let n = (self.ready.len() - self.taken).min(buf.len());
        buf[..n].copy_from_slice(&self.ready[self.taken..self.taken + n]);
        self.taken += n;
        Ok(n)
    }
}
