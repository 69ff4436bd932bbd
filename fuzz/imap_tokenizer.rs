//! The tokenizer of IMAP responses: whatever comes, it neither panics nor reads another thing where the bytes are cut in another way.

#![no_main]

#[path = "../tests/imap_client/readings.rs"]
mod readings;

use libfuzzer_sys::fuzz_target;
use readings::readings;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    assert_eq!(readings(bytes, 1 + usize::from(size)), readings(bytes, bytes.len().max(1)));
});
