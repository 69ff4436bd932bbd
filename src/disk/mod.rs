//! Floor 3: mail on disk. Every file operation goes through the trait in `fs`.

pub mod atomic;
pub mod fs;
pub mod group;
pub mod lock;
pub mod maildir;
pub mod mbox;
pub mod pickup;
pub mod real;
pub mod scratch;
pub mod spool;
