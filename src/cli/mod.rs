//! Floor 5: the only floor that prints, reads the environment, or picks an exit status.

pub mod args;
pub mod certificate;
pub mod clock;
pub mod config;
pub mod conversation;
pub mod exit;
pub mod explain;
pub mod follow;
pub mod input;
pub mod interactive;
pub mod log;
pub mod message;
pub mod opts;
pub mod pager;
pub mod program;
pub mod progress;
pub mod raw;
pub mod record;
pub mod report;
pub mod screen;
pub mod secret;
pub mod stdio;
pub mod trace;
pub mod transcript;
pub mod typing;
pub mod veil;
