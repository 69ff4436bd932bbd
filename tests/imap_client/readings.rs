//! What the tokenizer makes of bytes, for tests and fuzzing.

use postroad::protocol::imap::framing::{Frame, Framing};
use postroad::protocol::imap::response::read;

/// What the tokenizer makes of it; pieces of literals are joined.
pub fn readings(bytes: &[u8], size: usize) -> Vec<String> {
    let (mut framing, mut readings, mut octets) = (Framing::default(), Vec::new(), 0);
    for piece in bytes.chunks(size) {
        let mut rest = piece;
        while !rest.is_empty() || framing.is_due() {
            let (used, frame) = framing.take(rest);
            rest = &rest[used..];
            match frame {
                None => assert!(used > 0, "it takes nothing"),
                Some(Ok(Frame::Data(more))) => octets += more.len(),
                Some(Ok(Frame::Response(raw))) => readings.push(format!("{octets} {:?} {raw:?}", read(&raw))),
                Some(other) => {
                    readings.push(format!("{octets} {other:?}"));
                    if other.is_err() {
                        return readings;
                    }
                }
            }
        }
    }
    readings
}
