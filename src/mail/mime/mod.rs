//! MIME (RFC 2045 to 2049, 2183, 2231): parameters, part headers, the streaming scanner, the builder. No I/O.

pub mod beyond_ascii;
pub mod build;
pub mod embedded;
pub mod head;
pub mod lint;
pub mod param;
pub mod report;
pub mod rewrite;
pub mod safe_name;
pub mod scan;
pub mod select;
pub mod survey;
