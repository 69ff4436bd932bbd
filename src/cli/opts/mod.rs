//! Option groups: one file per group with its flags, help, errors and `resolve()`.

pub mod duration;
pub mod size;
