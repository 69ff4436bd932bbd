//! Floor 3: the only place with sockets and TLS.

pub mod dns;
