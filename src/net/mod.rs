//! Floor 3: the only place with sockets and TLS. Knows no protocol and no mail.

mod command;
pub mod connection;
mod deflate;
pub mod dial;
pub mod dns;
pub mod drive;
pub mod inherited;
pub mod listen;
pub mod mailbox;
pub mod peer;
mod race;
pub mod through;
pub mod tls;
pub mod wire;
