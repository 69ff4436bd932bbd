//! The line that is coming in one direction of a session that is followed.

/// Longest line that is looked at, in octets. Of a longer one only its start and its last octets are.
const MAX_LINE: usize = 4096;
/// Octets that are kept of the end of a long line: a literal's length stands there in IMAP.
const TAIL: usize = 32;
/// Most commands that wait for their answers; a client that sends more is not followed any further.
pub const MAX_WAITING: usize = 100_000;

#[derive(Debug, Default)]
pub struct Coming(Vec<u8>);

impl Coming {
    /// Takes what came, up to a line end if it has one. The whole line, without its end, once that is there.
    pub fn take(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        self.0.extend_from_slice(piece);
        if self.0.len() > MAX_LINE {
            self.0.drain(MAX_LINE - TAIL..self.0.len() - TAIL);
        }
        if !piece.ends_with(b"\n") {
            return None;
        }
        let mut line = std::mem::take(&mut self.0);
        line.pop();
        line.pop_if(|last| *last == b'\r');
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_keeps_its_start_and_its_end_however_it_comes() {
        let long = [b"a LOGIN ".as_slice(), &[b'x'; 3 * MAX_LINE], b" {11}\r\n"].concat();
        for size in [1, 3, 1000, MAX_LINE, long.len()] {
            let mut coming = Coming::default();
            let line = long.chunks(size).filter_map(|piece| coming.take(piece)).collect::<Vec<_>>();
            let [line] = line.as_slice() else { panic!("{size}: {} lines", line.len()) };
            assert!(line.starts_with(b"a LOGIN x") && line.ends_with(b"x {11}") && line.len() == MAX_LINE - 2, "{size}");
            assert_eq!((coming.take(b"b"), coming.take(b"\n")), (None, Some(b"b".to_vec())));
        }
    }
}
