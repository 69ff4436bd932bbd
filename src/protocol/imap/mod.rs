//! IMAP (RFC 3501, RFC 9051 and extensions): responses and the client engine.
//!
//! `framing` cuts the server's bytes into responses, long literals passing through in pieces; `response` reads one by the grammar of `scan`,
//! `set`, `flag`, `mailbox`, `code`, `envelope`, `structure`, `fetch`, `search` and `access`, and keeps raw what it cannot read. `command`
//! makes commands of parts, `commands` each that there is, `pipeline` sends them and matches their ends, `authorization` leads from the greeting to the first of them, and
//! `client` is the engine. What it asks of the work above and what that tells it stands in `words`.

pub mod access;
pub mod auth;
mod authorization;
pub mod capabilities;
pub mod client;
pub mod code;
pub mod command;
pub mod envelope;
pub mod fetch;
pub mod flag;
pub mod framing;
mod idle;
pub mod mailbox;
pub mod parts;
mod pipeline;
pub mod response;
pub mod scan;
pub mod search;
pub mod set;
mod state;
pub mod structure;
pub mod words;
