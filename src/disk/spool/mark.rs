//! The mark: one byte per recipient that says what is settled. No I/O.

/// What is settled about a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// To be tried, for the first time or again.
    Pending,
    /// The next host took it, or it was stored.
    Accepted,
    /// Refused for good; the sender is still to be told.
    Refused,
    /// Refused for good, and a DSN that says so stands on disk.
    Bounced,
    /// Replaced by the recipients of a child that stands on disk (an alias, a forward).
    Expanded,
    /// Refused for good, and nobody can be told.
    Failed,
    /// Dropped by a route or by hand.
    Discarded,
    /// Taken by the next host, which makes no reports, and the sender asked to hear of it. The report takes the message's place once nothing else
    /// is left to do: a mark that is written over may be torn, and the message would go out again.
    Relayed,
    /// Delivered here for good, and the sender asked to hear of it, as before.
    Delivered,
    /// Replaced by the several recipients of a child that stands on disk, and the sender asked to hear of it, as before.
    Spread,
    /// Refused for good, and the sender asked not to be told.
    Unwanted,
}

impl Mark {
    pub fn byte(self) -> u8 {
        match self {
            Mark::Pending => b'.',
            Mark::Accepted => b'A',
            Mark::Refused => b'R',
            Mark::Bounced => b'B',
            Mark::Expanded => b'X',
            Mark::Failed => b'F',
            Mark::Discarded => b'D',
            Mark::Relayed => b'L',
            Mark::Delivered => b'V',
            Mark::Spread => b'S',
            Mark::Unwanted => b'N',
        }
    }

    /// A byte that nobody wrote counts as pending: a repeat is better than a loss.
    pub fn from_byte(byte: u8) -> Mark {
        match byte {
            b'A' => Mark::Accepted,
            b'R' => Mark::Refused,
            b'B' => Mark::Bounced,
            b'X' => Mark::Expanded,
            b'F' => Mark::Failed,
            b'D' => Mark::Discarded,
            b'L' => Mark::Relayed,
            b'V' => Mark::Delivered,
            b'S' => Mark::Spread,
            b'N' => Mark::Unwanted,
            _ => Mark::Pending,
        }
    }

    /// Nothing is left to do for the recipient.
    pub fn is_settled(self) -> bool {
        !matches!(self, Mark::Pending | Mark::Refused) && !self.awaits_word()
    }

    /// It went well, and the sender is to hear of it.
    pub fn awaits_word(self) -> bool {
        matches!(self, Mark::Relayed | Mark::Delivered | Mark::Spread)
    }

    /// As `mailq-run list` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Mark::Pending => "pending",
            Mark::Accepted => "accepted",
            Mark::Refused => "refused",
            Mark::Bounced => "bounced",
            Mark::Expanded => "expanded",
            Mark::Failed => "failed",
            Mark::Discarded => "discarded",
            Mark::Relayed => "relayed",
            Mark::Delivered => "delivered",
            Mark::Spread => "spread",
            Mark::Unwanted => "unwanted",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Mark;

    #[test]
    fn every_mark_reads_back_and_a_strange_byte_is_pending() {
        for byte in 0..=255u8 {
            let mark = Mark::from_byte(byte);
            assert!(mark.byte() == byte || mark == Mark::Pending, "{byte}");
        }
        let known: Vec<Mark> = (0..=255u8).map(Mark::from_byte).filter(|&mark| mark != Mark::Pending).collect();
        assert_eq!(known.len(), 10, "as many as there are");
        let open: Vec<&str> = known.iter().filter(|mark| !mark.is_settled()).map(|mark| mark.word()).collect();
        assert_eq!(open, ["relayed", "refused", "spread", "delivered"]);
    }
}
