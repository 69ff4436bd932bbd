//! The fixed replies of the server.

use super::config::ServerConfig;
use crate::mail::reply::Reply;
use crate::protocol::smtp::grammar::BadCommand;

pub fn greeting(config: &ServerConfig) -> Reply {
    let protocol = if config.lmtp { "LMTP" } else { "ESMTP" };
    Reply::new(220, None, format!("{} {protocol} Postroad", config.hostname))
}

/// `secure`: the session is inside TLS, so STARTTLS is not offered again (RFC 3207 section 4.2).
pub fn ehlo(config: &ServerConfig, secure: bool) -> Reply {
    let mut reply = Reply::new(250, None, config.hostname.clone());
    let size = format!("SIZE {}", config.max_size);
    reply.lines.extend(["PIPELINING", &size, "8BITMIME", "ENHANCEDSTATUSCODES"].map(String::from));
    if config.dsn {
        reply.lines.push("DSN".into());
    }
    if config.offers_require_tls(secure) {
        reply.lines.push("REQUIRETLS".into());
    }
    if config.starttls && !secure {
        reply.lines.push("STARTTLS".into());
    }
    reply.lines.push("HELP".into());
    reply
}

pub fn helo(config: &ServerConfig) -> Reply {
    Reply::new(250, None, config.hostname.clone())
}

pub fn help(config: &ServerConfig) -> Reply {
    let hello = if config.lmtp { "LHLO" } else { "EHLO HELO" };
    let mut reply = Reply::enhanced(214, 0, 0, format!("Commands: {hello} MAIL RCPT DATA RSET NOOP QUIT VRFY HELP"));
    reply.lines.push("MAIL FROM:<you@your.domain>  RCPT TO:<them@their.domain>  DATA, the message, a dot alone on a line".into());
    reply
}

pub fn start_mail_input() -> Reply {
    Reply::new(354, None, "End data with <CR><LF>.<CR><LF>")
}

pub fn ok() -> Reply {
    Reply::enhanced(250, 0, 0, "Ok")
}

pub fn cannot_verify() -> Reply {
    Reply::enhanced(252, 5, 0, "Cannot verify, but will take the message and try to deliver it")
}

pub fn bye(config: &ServerConfig) -> Reply {
    Reply::enhanced(221, 0, 0, format!("{} closing connection", config.hostname))
}

pub fn ready_for_tls() -> Reply {
    Reply::enhanced(220, 0, 0, "Ready to start TLS")
}

pub fn timed_out(config: &ServerConfig) -> Reply {
    Reply::enhanced(421, 4, 2, format!("{} timeout, closing connection", config.hostname))
}

pub fn going_down(config: &ServerConfig) -> Reply {
    Reply::enhanced(421, 3, 2, format!("{} is shutting down, try again", config.hostname))
}

pub fn too_many_errors(config: &ServerConfig) -> Reply {
    Reply::enhanced(421, 7, 0, format!("{} too many errors, closing connection", config.hostname))
}

pub fn not_http(config: &ServerConfig) -> Reply {
    Reply::enhanced(421, 7, 0, format!("{} speaks mail, not HTTP", config.hostname))
}

/// RFC 5321 section 4.1.4: a command out of sequence.
pub fn bad_sequence(text: &str) -> Reply {
    Reply::enhanced(503, 5, 1, text)
}

pub fn no_recipients() -> Reply {
    Reply::enhanced(554, 5, 1, "No valid recipients")
}

/// RFC 5321 section 4.5.3.1.10: 452, so that the client sends the rest in another transaction.
pub fn too_many_recipients() -> Reply {
    Reply::enhanced(452, 5, 3, "Too many recipients")
}

pub fn too_big(limit: u64) -> Reply {
    Reply::enhanced(552, 3, 4, format!("Message is larger than the limit of {limit} octets"))
}

pub fn bare_line_end() -> Reply {
    Reply::enhanced(554, 6, 0, "Message refused: it holds a bare CR or LF; lines end in CRLF (RFC 5321 section 2.3.8)")
}

pub fn false_end() -> Reply {
    Reply::enhanced(554, 6, 0, "Message refused: data ends with <CR><LF>.<CR><LF> and nothing else; closing connection")
}

pub fn no_verdict() -> Reply {
    Reply::enhanced(451, 3, 0, "No verdict for this recipient")
}

pub fn not_implemented() -> Reply {
    Reply::enhanced(502, 5, 1, "Command not implemented")
}

/// The verb of the other protocol: LMTP has no HELO, SMTP no LHLO (RFC 2033 section 4.1).
pub fn wrong_hello(config: &ServerConfig) -> Reply {
    Reply::enhanced(500, 5, 1, if config.lmtp { "This is LMTP: say LHLO" } else { "This is SMTP: say EHLO or HELO" })
}

pub fn line_too_long() -> Reply {
    Reply::enhanced(500, 5, 2, "Line too long")
}

pub fn bare_in_command() -> Reply {
    Reply::enhanced(500, 5, 2, "Lines end in CRLF, not in a bare CR or LF")
}

pub fn bad_command(bad: &BadCommand) -> Reply {
    match bad {
        BadCommand::Unknown => Reply::enhanced(500, 5, 1, "Command unrecognized; HELP lists them"),
        BadCommand::Syntax(what) => Reply::enhanced(501, 5, 4, format!("Syntax: {what}")),
        BadCommand::Address(why) => Reply::enhanced(501, 1, 3, format!("Bad address: {why}")),
        BadCommand::Parameter => Reply::enhanced(555, 5, 4, "Unsupported parameter"),
    }
}
