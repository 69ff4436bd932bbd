//! Names that nothing else has.

use crate::cli::exit::{Failure, OrStatus, Status};
use anyhow::Context;

/// 128 random bits, which nobody can guess and nothing else has.
pub fn random_hex() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("cannot get random bytes").or_status(Status::Os)?;
    Ok(hex(&bytes))
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}
