//! Messages as they were stored.

use jiff::Timestamp;
use postroad::disk::spool::layout::Spool;
use postroad::disk::spool::queue::{Claim, Which};
use std::io::Read;
use std::path::Path;

/// The messages of a spool, oldest first.
pub fn in_spool(dir: &Path) -> Vec<Vec<u8>> {
    let (spool, now) = (Spool::open(dir).unwrap(), Timestamp::now());
    let mut messages: Vec<(String, Vec<u8>)> = spool
        .scan(Which::Queued, now)
        .map(|entry| match spool.claim(&entry.unwrap(), now).unwrap() {
            Claim::Message(message) => {
                let mut body = Vec::new();
                message.body().read_to_end(&mut body).unwrap();
                (message.id().to_string(), body)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    messages.sort();
    messages.into_iter().map(|(_, body)| body).collect()
}

/// The messages of a Maildir, in no order.
pub fn in_maildir(dir: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(dir.join("new")) else { return Vec::new() };
    entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
}

/// Without one field at the start, which must be named so.
pub fn without<'a>(name: &str, message: &'a [u8]) -> &'a [u8] {
    assert!(message.starts_with(format!("{name}: ").as_bytes()), "no {name}: {}", String::from_utf8_lossy(message));
    let mut lines = message.split_inclusive(|byte| *byte == b'\n');
    let folded = lines.clone().skip(1).take_while(|line| line.starts_with(b" ") || line.starts_with(b"\t")).count();
    let length: usize = lines.by_ref().take(folded + 1).map(<[u8]>::len).sum();
    &message[length..]
}
