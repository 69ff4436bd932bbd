//! Floor 1: the words of mail as parsed values. No I/O and no clock.

pub mod address;
pub mod address_list;
pub mod complete;
pub mod date;
pub mod dsn;
pub mod envelope;
pub mod header;
pub mod mime;
pub mod mx;
pub mod network;
pub mod notify;
pub mod outcome;
pub mod queue_id;
pub mod reply;
pub mod server;
pub mod submitted;
pub mod trace;
