//! Floor 5: one file per tool.

pub mod mx_lookup;
