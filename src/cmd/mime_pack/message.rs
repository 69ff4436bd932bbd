//! The message on stdin, read part by part.

use crate::cli::exit::{Failure, OrStatus, Status};
use crate::mail::mime::scan::{Scanner, Visitor};
use anyhow::Context;
use std::io::{self, Read};

/// Reads the message on stdin part by part. An empty stdin is no message.
pub fn scan_stdin<V: Visitor<Error = Failure>>(visitor: &mut V) -> Result<(), Failure> {
    let mut scanner = Scanner::default();
    let mut stdin = io::stdin().lock();
    let mut chunk = vec![0; 128 * 1024];
    let mut is_empty = true;
    loop {
        match stdin.read(&mut chunk) {
            Ok(0) if is_empty => return Err(Failure::text(Status::Data, "stdin: empty, no message")),
            Ok(0) => return scanner.finish(visitor),
            Ok(used) => {
                is_empty = false;
                scanner.push(&chunk[..used], visitor)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read stdin").or_status(Status::NoInput),
        }
    }
}
