//! SMTP's replies as a conversation by hand hears them: what is no reply is told and passed over.

use super::reply::{BadReply, ReplyReader};
use crate::mail::reply::Reply;
use crate::protocol::hand::Dialect;

/// Reads SMTP and LMTP replies.
#[derive(Debug, Default)]
pub struct Smtp {
    reader: ReplyReader,
}

impl Dialect for Smtp {
    type Heard = Result<Reply, BadReply>;

    fn take(&mut self, bytes: &[u8]) -> (usize, Option<Self::Heard>) {
        let (used, heard) = self.reader.take(bytes);
        if matches!(heard, Some(Err(_))) {
            self.reader = ReplyReader::default();
        }
        (used, heard)
    }

    fn forget(&mut self) {
        self.reader = ReplyReader::default();
    }
}
