//! Changing a recipient of a message that waits: its file is written anew and takes the old one's name in one step.

use super::accept::Incoming;
use super::format::Header;
use super::history::{EDITED, Record};
use super::layout::SpoolError;
use super::mark::Mark;
use super::message::Message;
use crate::disk::fs::{At, parent};
use crate::mail::address::ForwardPath;
use crate::mail::envelope::Envelope;
use crate::mail::notify::Wish;
use jiff::Timestamp;
use std::io::Read;

impl Message {
    /// Replaces one recipient, durably; it is pending again, the others keep their marks and all their history. What was asked for it
    /// stays, under the address that its sender knows.
    pub fn readdress(self, recipient: usize, to: ForwardPath, now: Timestamp) -> Result<(), SpoolError> {
        let old = self.envelope().recipients().get(recipient).ok_or_else(|| self.misuse("no such recipient"))?;
        let note = format!("{EDITED}{old} to {to}");
        let mut recipients: Vec<(ForwardPath, Wish)> =
            self.envelope().wishes().map(|(r, wish)| (r.clone(), wish.clone())).collect();
        let mut marks: Vec<Mark> = self.recipients().map(|r| r.mark).collect();
        recipients[recipient] = (to, self.envelope().wish(recipient).clone().of(old));
        marks[recipient] = Mark::Pending;
        let request = self.envelope().request.clone();
        let envelope =
            Envelope::asking(self.reverse_path().clone(), recipients, request).map_err(|_| self.misuse("no recipient"))?;
        if envelope.recipients().len() != marks.len() {
            return Err(self.misuse("already a recipient"));
        }
        let header = Header { envelope, ..self.header().clone() };
        let mut incoming = Incoming::rewrite(&self.spool, self.path().to_owned(), &header.head(), &marks)?;
        let mut body = self.body();
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let n = body.read(&mut chunk).at("read", self.path())?;
            if n == 0 {
                break;
            }
            incoming.write(&chunk[..n])?;
        }
        incoming.seal()?;
        self.copy_history(&mut incoming)?;
        incoming.append(&Record::Note { at: now, note }.line())?;
        incoming.replace()?;
        self.spool.sync_names(parent(self.path()))
    }

    fn copy_history(&self, to: &mut Incoming) -> Result<(), SpoolError> {
        let (mut at, end) = self.history_span();
        let mut chunk = vec![0; 64 * 1024];
        while at < end {
            let want = chunk.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let n = self.file.read_at(&mut chunk[..want], at).at("read", self.path())?;
            if n == 0 {
                break;
            }
            to.append(&chunk[..n])?;
            at += n as u64;
        }
        Ok(())
    }
}
