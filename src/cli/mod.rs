//! Floor 5: the only floor that prints, reads the environment, or picks an exit status.

pub mod args;
pub mod exit;
pub mod stdio;
