//! Bytes of the peer between the wire and the engine. Knows neither.

/// Bytes of the peer that wait for the engine.
pub(super) struct Held {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl Held {
    pub(super) fn new(size: usize) -> Held {
        Held { buf: vec![0; size], start: 0, end: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buf[self.start..self.end]
    }

    /// Room for the next read; nothing may be held.
    pub(super) fn space(&mut self) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        &mut self.buf
    }

    pub(super) fn filled(&mut self, n: usize) {
        self.end = n.min(self.buf.len());
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
    }
}
