//! The MIME parser, the lint, and what reads the content of parts: whatever comes, none panics, no byte is lost, no limit is passed, a message
//! within a message has the parts that it has alone, and nothing depends on how the bytes are cut.

#![no_main]

#[path = "../tests/mime_pack/told.rs"]
mod told;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let cuts: Vec<usize> = (0..bytes.len()).step_by(1 + usize::from(size)).collect();
    told::check(bytes, &cuts);
});
