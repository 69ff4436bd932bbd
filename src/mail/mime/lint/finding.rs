//! What a message breaks, and where.

/// Something that a message should not have, or should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Octets from the start of the message: of the octet, line or field at fault; of what a header lacks, where that begins; of what is
    /// missing at the end of a part, that.
    pub offset: u64,
    pub section: String,
    /// `-` for a limit of ours, which no RFC has.
    pub clause: &'static str,
    pub what: String,
}

/// A place, the clause, and what breaks it there: of a part that is known.
pub type Found = (u64, &'static str, String);
