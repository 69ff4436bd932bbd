//! A message changed before it is sent: its header, lines that are too long, and whether its header is fit for the wire.

use super::{Message, header_text};
use crate::bytes::overlong::Overlong;
use crate::bytes::transfer::MAX_LINE;
use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::header::{field, fields};
use crate::mail::mime::survey::Goal;
use crate::mail::submitted;
use crate::protocol::smtp::client::words::HeaderText;
use crate::relay::body::{Rewriting, has_utf8_in_parts, measure, survey};
use anyhow::Context;
use std::io::Read;
use std::sync::Arc;

const UNREADABLE: &str = "cannot read the message";

/// What becomes of a message with a line longer than 998 octets (RFC 5322 section 2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongLines {
    Refuse,
    /// Their parts are encoded again, header fields folded; what cannot be is refused.
    Fix,
    /// What cannot be fixed goes as it is.
    FixOrKeep,
}

fn is_multipart(content_type: &[u8]) -> bool {
    content_type.trim_ascii_start().get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

impl Message {
    /// With the header that `edit` makes of the whole one, in wire form.
    pub fn with_header(
        mut self,
        keep_bcc: bool,
        edit: impl FnOnce(&[u8]) -> Result<Vec<u8>, Failure>,
    ) -> Result<Message, Failure> {
        let whole = edit(&self.whole_header)?;
        let header = if keep_bcc { whole.clone() } else { submitted::without_bcc(&whole) };
        self.size = self.size + header.len() as u64 - self.header.len() as u64;
        self.eight_bit = self.rest_is_eight_bit || !header.is_ascii();
        self.text = header_text(&header);
        (self.header, self.whole_header, self.edited) = (header.into(), whole.into(), true);
        Ok(self)
    }

    /// Refuses a header in an unknown character set, which no server need take (RFC 6532 section 3.2): status 65.
    pub fn with_known_text(self) -> Result<Message, Failure> {
        let bad = fields(&self.header).find(|field| std::str::from_utf8(field.raw).is_err());
        match bad {
            Some(bad) => {
                let name = String::from_utf8_lossy(bad.name).into_owned();
                Err(Failure::text(
                    Status::Data,
                    format_args!("{}the header field {name} has 8-bit octets that are no UTF-8", self.place(bad.raw)),
                ))
            }
            None => Ok(self),
        }
    }

    /// Notes whether the headers of its parts need SMTPUTF8 where it is offered (RFC 6532 section 3). Only a message with octets over 127
    /// behind its header, and with parts, is read for it.
    pub fn with_part_headers(mut self) -> Result<Message, Failure> {
        let has_parts = || field(&self.header, "Content-Type").is_some_and(|field| is_multipart(&field.value()));
        if self.text == HeaderText::Ascii
            && self.rest_is_eight_bit
            && has_parts()
            && has_utf8_in_parts(self.body()).context(UNREADABLE).or_status(Status::Io)?
        {
            self.text = HeaderText::Utf8InTransit;
        }
        Ok(self)
    }

    /// As programs hand it over that know nothing of the servers to come: what can be made fit is, and the rest goes as it is.
    pub fn as_submitted(mut self) -> Result<Message, Failure> {
        if self.text == HeaderText::Utf8 {
            self.text = HeaderText::Utf8InTransit;
        }
        self.with_short_lines(LongLines::FixOrKeep)?.with_part_headers()
    }

    /// Without lines that are too long: status 65 where there are any that must or can not be changed. What was changed stands in
    /// [`Message::changes`].
    pub fn with_short_lines(mut self, long: LongLines) -> Result<Message, Failure> {
        let in_header = self.overlong_header_line();
        let Some(place) = in_header.map(|line| self.place(line)).or_else(|| self.overlong.map(|line| format!("line {line}: ")))
        else {
            return Ok(self);
        };
        if long == LongLines::Refuse {
            let text = "longer than 998 octets, which servers may refuse or break; --fix-lines encodes it";
            return Err(Failure::text(Status::Data, format_args!("{place}{text}")));
        }
        let plan = match survey(self.body(), Goal::ShortLines).context(UNREADABLE).or_status(Status::Io)? {
            Ok(plan) => Arc::new(plan),
            Err(_) if long == LongLines::FixOrKeep => return Ok(self),
            Err(unfit) => {
                return Err(Failure::text(
                    Status::Data,
                    format_args!("{place}longer than 998 octets and cannot be fixed: {unfit}"),
                ));
            }
        };
        let measured = measure(Rewriting::new(self.body(), plan.clone())).context(UNREADABLE).or_status(Status::Io)?;
        (self.size, self.eight_bit, self.plan) = (measured.octets, measured.eight_bit, Some(plan));
        Ok(self)
    }

    /// What was changed so that no line is too long, for people.
    pub fn changes(&self) -> &[String] {
        self.plan.as_ref().map_or(&[], |plan| &plan.told)
    }

    /// The message in wire form, from its start.
    pub fn body(&self) -> Box<dyn Read + Send> {
        let body = self.unchanged_body();
        match &self.plan {
            Some(plan) => Box::new(Rewriting::new(body, plan.clone())),
            None => Box::new(body),
        }
    }

    fn overlong_header_line(&self) -> Option<&[u8]> {
        let mut overlong = Overlong::default();
        overlong.push(&self.header);
        overlong.line()?;
        self.header.split_inclusive(|b| *b == b'\n').find(|line| line.trim_ascii_end().len() as u64 > MAX_LINE)
    }

    /// Where something of the header stands in what was read; nothing where that was changed since.
    fn place(&self, part: &[u8]) -> String {
        let at = memchr::memmem::find(&self.whole_header, part).filter(|_| !self.edited);
        let line = |at: usize| self.lines_before + memchr::memchr_iter(b'\n', &self.whole_header[..at]).count() as u64 + 1;
        at.map(|at| format!("line {}: ", line(at))).unwrap_or_default()
    }
}
