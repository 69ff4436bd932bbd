//! TLS for both sides: who does it and why is told in docs/decisions/tls.md.

pub mod layer;
