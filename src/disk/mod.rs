//! Floor 3: mail on disk. Every file operation goes through the trait in `fs`.

pub mod atomic;
pub mod batch;
pub mod fs;
pub mod group;
pub mod journal;
pub mod lock;
pub mod maildir;
pub mod mbox;
pub mod mbox_append;
pub mod pickup;
pub mod real;
pub mod scratch;
pub mod spool;
