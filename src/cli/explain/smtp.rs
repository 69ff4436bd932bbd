//! An exchange of SMTP in plain words: the phase of the session, what the command asks, what the reply's codes mean.

use crate::mail::reply::{Class, EnhancedStatus, Reply};

/// `verb`, the phase as textbooks name it, what it asks.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("", "handshake", "the server speaks first: its greeting"),
    (".", "transfer", "a dot alone ends the message; the server now answers for it"),
    ("AUTH", "handshake", "the client shows who it is"),
    ("BDAT", "transfer", "a counted piece of the message follows"),
    ("DATA", "transfer", "the client wants to send the message"),
    ("EHLO", "handshake", "the client names itself and asks which extensions there are"),
    ("ETRN", "transfer", "the client asks for the mail that is queued for a host"),
    ("EXPN", "transfer", "the client asks who is on a list"),
    ("HELO", "handshake", "the client names itself, without extensions"),
    ("HELP", "transfer", "the client asks for help"),
    ("LHLO", "handshake", "the client names itself, as LMTP does, and asks which extensions there are"),
    ("MAIL", "transfer", "a new message: whom to tell if it cannot be delivered"),
    ("NOOP", "transfer", "nothing is asked but an answer"),
    ("QUIT", "closure", "the client is done"),
    ("RCPT", "transfer", "one recipient of the message"),
    ("RSET", "transfer", "the message that was begun is forgotten"),
    ("STARTTLS", "handshake", "the client wants to go on encrypted"),
    ("VRFY", "transfer", "the client asks whether an address is known"),
    ("XCLIENT", "handshake", "the client says on whose behalf it speaks"),
    ("XFORWARD", "handshake", "the client says where the message came from, for the log"),
];

/// RFC 5321 section 4.2.3 and, for 235, 334, 432, 454, 530, 534, 535 and 538, RFC 4954 section 6; 521 and 556 are RFC 7504's.
const CODES: &[(u16, &str)] = &[
    (211, "status of the system"),
    (214, "the help that was asked for"),
    (220, "ready"),
    (221, "the server closes the connection"),
    (235, "logged in"),
    (250, "done"),
    (251, "taken; the address is elsewhere, and the server passes the message on"),
    (252, "not verified, but a message for it would be taken"),
    (334, "the login goes on: the server waits for the next answer"),
    (354, "go ahead: send the message, then a line with a dot alone"),
    (421, "the server is going away and closes the connection; try later"),
    (432, "the password has to be changed first"),
    (450, "the mailbox cannot be used now; try later"),
    (451, "the server failed at this; try later"),
    (452, "too many recipients, or no room; try later"),
    (454, "not possible now, for a reason of the server's"),
    (455, "these parameters cannot be honoured now"),
    (500, "no command that the server knows"),
    (501, "something is wrong behind the verb"),
    (502, "the server does not do this command"),
    (503, "not now: another command has to come first"),
    (504, "the server does not do this parameter"),
    (521, "this host takes no mail at all"),
    (530, "not before logging in, or not before STARTTLS"),
    (534, "this mechanism is too weak for the server"),
    (535, "the name or the password is wrong"),
    (538, "this mechanism only inside TLS"),
    (550, "refused: no such mailbox, or the server does not want it"),
    (551, "the address is elsewhere; try there"),
    (552, "too much: the message or the mailbox is over its size"),
    (553, "no address that the server allows"),
    (554, "refused"),
    (555, "the server does not know these parameters"),
    (556, "that domain takes no mail"),
];

/// `subject.detail` of RFC 3463 sections 3.2 to 3.8, with what the IANA registry added.
const DETAILS: &[(u16, u16, &str)] = &[
    (1, 0, "something about an address"),
    (1, 1, "the mailbox does not exist"),
    (1, 2, "the domain does not exist or takes no mail"),
    (1, 3, "the address is written wrongly"),
    (1, 4, "the address stands for more than one mailbox"),
    (1, 5, "the address is good"),
    (1, 6, "the mailbox has moved"),
    (1, 7, "the sender's address is written wrongly"),
    (1, 8, "the sender's domain does not exist"),
    (1, 9, "passed on to a server that does not report"),
    (1, 10, "the domain says that it takes no mail"),
    (2, 0, "something about the mailbox"),
    (2, 1, "the mailbox is closed"),
    (2, 2, "the mailbox is full"),
    (2, 3, "the message is too big for the mailbox"),
    (2, 4, "the mailing list could not be expanded"),
    (3, 0, "something about the mail system"),
    (3, 1, "the mail system has no room"),
    (3, 2, "the mail system takes no mail now"),
    (3, 3, "the mail system cannot do what was asked"),
    (3, 4, "the message is too big"),
    (3, 5, "the mail system is set up wrongly"),
    (3, 6, "the priority was changed"),
    (4, 0, "something about the network"),
    (4, 1, "no host answered"),
    (4, 2, "the connection was bad"),
    (4, 3, "the directory, as the DNS, could not be asked"),
    (4, 4, "there is no way there"),
    (4, 5, "the mail system is overloaded"),
    (4, 6, "the message goes round in circles"),
    (4, 7, "it took too long"),
    (5, 0, "something about the protocol"),
    (5, 1, "the command is not allowed here"),
    (5, 2, "the command is written wrongly"),
    (5, 3, "too many recipients"),
    (5, 4, "the parameters are wrong"),
    (5, 5, "the wrong version of the protocol"),
    (5, 6, "the lines of the login are too long"),
    (6, 0, "something about the content"),
    (6, 1, "this kind of content is not taken"),
    (6, 2, "the content would have to be converted, which is forbidden"),
    (6, 3, "the content would have to be converted, which is not possible"),
    (6, 4, "the content was converted, with a loss"),
    (6, 5, "the content could not be converted"),
    (6, 6, "the content could not be had"),
    (6, 7, "an address is not ASCII, and this server takes nothing else"),
    (6, 8, "the reply would not be ASCII"),
    (6, 9, "the header is not ASCII, and this server takes nothing else"),
    (7, 0, "something about security or policy"),
    (7, 1, "the server's policy forbids it"),
    (7, 2, "the sender may not write to this list"),
    (7, 3, "the security needs a conversion that is not possible"),
    (7, 4, "the server does not do this kind of security"),
    (7, 5, "something went wrong in the cryptography"),
    (7, 6, "the server does not know this algorithm"),
    (7, 7, "the message was changed on its way"),
    (7, 8, "the name or the password is wrong"),
    (7, 9, "the mechanism is too weak"),
    (7, 10, "not without encryption"),
    (7, 11, "this mechanism not without encryption"),
    (7, 12, "the password has to be changed first"),
    (7, 13, "the account is closed"),
    (7, 14, "the client's trust is not enough"),
    (7, 15, "the priority is too low for now"),
    (7, 16, "the message is too big for its priority"),
    (7, 17, "the mailbox changed hands"),
    (7, 18, "the domain changed hands"),
    (7, 20, "no valid DKIM signature"),
    (7, 21, "no DKIM signature that is acceptable"),
    (7, 22, "no DKIM signature of the author"),
    (7, 23, "SPF says that this host may not send for the domain"),
    (7, 24, "SPF could not be checked"),
    (7, 25, "the client's address has no name, or the name has not that address"),
    (7, 26, "several checks of the sender failed"),
    (7, 27, "the sender's domain says that it sends no mail"),
    (7, 28, "too much mail at once"),
    (7, 29, "ARC does not verify"),
    (7, 30, "REQUIRETLS cannot be honoured"),
];

/// The exchange in one line. `answers` is the verb: `.` for the message, nothing for the greeting; None: nobody asked.
pub fn exchange(answers: Option<&str>, reply: &Reply) -> String {
    let (phase, asked) = match answers {
        None => ("unasked", "the server speaks without being asked"),
        Some(verb) => command(verb),
    };
    let mut told = format!("{phase}: {asked}. {}: {}", reply.code, code(reply));
    if let Some(status) = reply.enhanced {
        told += &format!("; {status}: {}", enhanced(status));
    }
    told
}

fn command(verb: &str) -> (&'static str, &'static str) {
    let known = COMMANDS.iter().find(|(known, ..)| *known == verb);
    known.map_or(("transfer", "a command that is not known here"), |(_, phase, asked)| (*phase, *asked))
}

fn code(reply: &Reply) -> &'static str {
    match CODES.iter().find(|(code, _)| *code == reply.code.value()) {
        Some((_, meaning)) => meaning,
        None => match reply.class() {
            Class::Completion => "done",
            Class::Intermediate => "go on",
            Class::Transient => "not now; try later",
            Class::Permanent => "refused for good",
        },
    }
}

fn enhanced(status: EnhancedStatus) -> &'static str {
    if (status.subject, status.detail) == (0, 0) {
        return if status.class == 2 { "all is well" } else { "no more is told" };
    }
    let found = |subject, detail| DETAILS.iter().find(|(s, d, _)| (*s, *d) == (subject, detail)).map(|(.., meaning)| *meaning);
    found(status.subject, status.detail).or_else(|| found(status.subject, 0)).unwrap_or("not registered")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_told_with_its_phase() {
        let told = exchange(Some("RCPT"), &Reply::enhanced(550, 1, 1, "no such user"));
        assert_eq!(
            told,
            "transfer: one recipient of the message. 550: refused: no such mailbox, or the server does not want it; 5.1.1: the mailbox \
             does not exist"
        );
        assert!(exchange(Some(""), &Reply::new(220, None, "mx")).starts_with("handshake: the server speaks first"));
        assert!(exchange(Some("QUIT"), &Reply::new(221, None, "bye")).starts_with("closure: "));
        assert!(exchange(None, &Reply::new(421, None, "bye")).starts_with("unasked: "));
        assert!(exchange(Some("XYZZY"), &Reply::new(299, None, "")).ends_with("not known here. 299: done"));
    }

    #[test]
    fn a_detail_that_is_not_known_is_told_by_its_subject() {
        assert_eq!(enhanced(EnhancedStatus::new(5, 7, 999)), "something about security or policy");
        assert_eq!(enhanced(EnhancedStatus::new(5, 9, 1)), "not registered");
        assert_eq!(enhanced(EnhancedStatus::new(2, 0, 0)), "all is well");
    }
}
