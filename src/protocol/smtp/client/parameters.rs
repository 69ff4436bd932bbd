//! What MAIL and RCPT say of a transaction in the words of the server's extensions, and what its EHLO rules out beforehand. No state.

use super::words::{HeaderText, Transaction};
use crate::mail::address::{ForwardPath, ReversePath};
use crate::mail::outcome::{Diagnostic, Outcome};
use crate::mail::reply::EnhancedStatus;
use crate::protocol::smtp::extensions::Extensions;

/// `MAIL FROM:<...>` with the parameters that were offered and that this transaction needs.
pub fn mail_line(transaction: &Transaction, offered: &Extensions) -> String {
    let mut line = format!("MAIL FROM:<{}>", transaction.envelope.reverse_path);
    if let (Some(_), Some(size)) = (offered.size, transaction.size) {
        line += &format!(" SIZE={size}");
    }
    if offered.eight_bit_mime && transaction.eight_bit {
        line += " BODY=8BITMIME";
    }
    if offered.smtputf8 && wants_utf8(transaction) {
        line += " SMTPUTF8";
    }
    if offered.dsn {
        line += &transaction.envelope.request.mail_parameters();
    }
    if transaction.envelope.request.require_tls && offered.require_tls {
        line += " REQUIRETLS";
    }
    line
}

/// `RCPT TO:<...>` with its parameters, for the recipient at this place.
pub fn rcpt_line(transaction: &Transaction, place: usize, offered: &Extensions) -> String {
    let (envelope, utf8) = (&transaction.envelope, offered.smtputf8 && wants_utf8(transaction));
    let parameters = if offered.dsn { envelope.wish(place).rcpt_parameters(utf8) } else { String::new() };
    format!("RCPT TO:<{}>{parameters}", envelope.recipients()[place])
}

/// SMTPUTF8 is for addresses with a local part beyond ASCII, and for header fields (RFC 6531 section 3.4). A domain beyond ASCII has its
/// A-labels and needs nothing.
fn wants_utf8(transaction: &Transaction) -> bool {
    let envelope = &transaction.envelope;
    !is_ascii(&envelope.reverse_path)
        || transaction.header != HeaderText::Ascii
        || envelope.recipients().iter().any(|recipient| !recipient.is_ascii())
}

fn is_ascii(path: &ReversePath) -> bool {
    path.mailbox().is_none_or(|mailbox| mailbox.is_ascii())
}

/// What the server's EHLO rules out for the whole transaction: TLS that is not good enough (RFC 8689 section 4.2.1), a message over its
/// SIZE (RFC 1870 section 6.1), UTF-8 without SMTPUTF8 (RFC 6531 section 3.4), 8-bit content without 8BITMIME (RFC 6152 section 3).
/// `trusted`: the session is inside TLS with a server that was verified.
pub fn ruled_out(transaction: &Transaction, offered: &Extensions, trusted: bool) -> Option<Outcome> {
    let refused = |(class, subject, detail), text: String| {
        Some(Outcome::Refused(Diagnostic::local(EnhancedStatus::new(class, subject, detail), text)))
    };
    // A report goes on all the same (RFC 8689 section 5).
    let require_tls = transaction.envelope.request.require_tls && transaction.envelope.reverse_path != ReversePath::Null;
    if require_tls && !trusted {
        return refused((5, 7, 30), "REQUIRETLS was asked for and the session is not inside verified TLS".to_owned());
    }
    if require_tls && !offered.require_tls {
        return refused((5, 7, 30), "REQUIRETLS was asked for and the server does not offer it".to_owned());
    }
    if let (Some(size), Some(limit)) = (transaction.size, offered.size.flatten())
        && size > limit
    {
        return refused((5, 3, 4), format!("message of {size} octets is over the server's limit of {limit}"));
    }
    if !offered.smtputf8 && !is_ascii(&transaction.envelope.reverse_path) {
        return refused((5, 6, 7), "the reverse-path needs SMTPUTF8 and the server does not offer it".to_owned());
    }
    if !offered.smtputf8 && transaction.header == HeaderText::Utf8 {
        let text = "the header has raw UTF-8, which needs SMTPUTF8, and the server does not offer it";
        return refused((5, 6, 7), text.to_owned());
    }
    if transaction.eight_bit && !offered.eight_bit_mime {
        return refused((5, 6, 3), "the message has 8-bit content and the server does not offer 8BITMIME".to_owned());
    }
    None
}

/// What it rules out for one recipient alone.
pub fn recipient_ruled_out(recipient: &ForwardPath, offered: &Extensions) -> Option<Outcome> {
    if offered.smtputf8 || recipient.is_ascii() {
        return None;
    }
    let text = "the address needs SMTPUTF8 and the server does not offer it";
    Some(Outcome::Refused(Diagnostic::local(EnhancedStatus::new(5, 6, 7), text)))
}
