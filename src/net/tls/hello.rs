//! Version and cipher of a session, read from the ServerHello as it passes: native-tls does not tell them. Nothing is decided by
//! what is read here.

/// The bytes of a ServerHello are far fewer; what is longer is not looked at.
const MOST: usize = 4096;
const HANDSHAKE_RECORD: u8 = 22;
const SERVER_HELLO: u8 = 2;
/// supported_versions (RFC 8446 section 4.2.1): where TLS 1.3 hides its version.
const SUPPORTED_VERSIONS: u16 = 43;

/// What a server chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chosen {
    /// 0x0303 is TLS 1.2, 0x0304 TLS 1.3.
    pub version: u16,
    /// As IANA numbers them.
    pub cipher: u16,
}

impl Chosen {
    /// As OpenSSL names it.
    pub fn version_name(self) -> String {
        match self.version {
            0x0301 => "TLSv1".into(),
            0x0302 => "TLSv1.1".into(),
            0x0303 => "TLSv1.2".into(),
            0x0304 => "TLSv1.3".into(),
            other => format!("TLS {other:#06x}"),
        }
    }
}

/// Watches what a client reads until the ServerHello has passed.
#[derive(Debug, Default)]
pub struct Watch {
    seen: Vec<u8>,
    chosen: Option<Chosen>,
    over: bool,
}

impl Watch {
    /// Bytes that were read from the server.
    pub fn see(&mut self, bytes: &[u8]) {
        if self.over {
            return;
        }
        self.seen.extend_from_slice(&bytes[..bytes.len().min(MOST - self.seen.len())]);
        let message = handshake_bytes(&self.seen);
        self.chosen = server_hello(&message);
        if self.chosen.is_some() || self.seen.len() >= MOST {
            self.over = true;
            self.seen = Vec::new();
        }
    }

    pub fn chosen(&self) -> Option<Chosen> {
        self.chosen
    }
}

/// What the handshake records at the head of the stream carry, joined.
fn handshake_bytes(mut stream: &[u8]) -> Vec<u8> {
    let mut joined = Vec::new();
    while let [HANDSHAKE_RECORD, _, _, high, low, rest @ ..] = stream {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (now, later) = rest.split_at(length.min(rest.len()));
        joined.extend_from_slice(now);
        stream = later;
    }
    joined
}

/// RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3. None: not all there, or something else.
fn server_hello(message: &[u8]) -> Option<Chosen> {
    let mut reader = Reader(message);
    if reader.number(1)? != u32::from(SERVER_HELLO) {
        return None;
    }
    let length = reader.number(3)?;
    let mut reader = Reader(reader.take(usize::try_from(length).ok()?)?);
    let mut version = reader.short()?;
    reader.take(32)?;
    let session = reader.number(1)?;
    reader.take(usize::try_from(session).ok()?)?;
    let cipher = reader.short()?;
    reader.take(1)?;
    // TLS 1.2 may have no extensions at all.
    let extensions = reader.short().and_then(|length| reader.take(length.into()));
    let mut reader = Reader(extensions.unwrap_or_default());
    while let (Some(kind), Some(length)) = (reader.short(), reader.short()) {
        let mut data = Reader(reader.take(length.into())?);
        if kind == SUPPORTED_VERSIONS {
            version = data.short()?;
        }
    }
    Some(Chosen { version, cipher })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (now, later) = self.0.split_at_checked(n)?;
        self.0 = later;
        Some(now)
    }

    fn number(&mut self, octets: usize) -> Option<u32> {
        Some(self.take(octets)?.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    fn short(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ServerHello in records of at most `record` bytes.
    fn stream(legacy: u16, cipher: u16, extensions: &[u8], record: usize) -> Vec<u8> {
        let mut hello = legacy.to_be_bytes().to_vec();
        hello.extend([7; 32]);
        hello.extend([3, 1, 2, 3]);
        hello.extend(cipher.to_be_bytes());
        hello.push(0);
        if !extensions.is_empty() {
            hello.extend((extensions.len() as u16).to_be_bytes());
            hello.extend(extensions);
        }
        let mut message = vec![SERVER_HELLO, 0, 0, hello.len() as u8];
        message.extend(hello);
        let records = message.chunks(record).map(|part| [&[22, 3, 3, 0, part.len() as u8], part].concat());
        records.flatten().chain([20, 3, 3, 0, 1, 1]).collect()
    }

    #[test]
    fn version_and_cipher_are_read() {
        for record in [1, 7, 200] {
            let mut watch = Watch::default();
            watch.see(&stream(0x0303, 0x1302, &[0, 51, 0, 1, 9, 0, 43, 0, 2, 3, 4], record));
            let chosen = watch.chosen().unwrap();
            assert_eq!((chosen.version_name().as_str(), chosen.cipher), ("TLSv1.3", 0x1302));
        }
        let mut watch = Watch::default();
        watch.see(&stream(0x0303, 0xc02f, &[], 200));
        assert_eq!(watch.chosen(), Some(Chosen { version: 0x0303, cipher: 0xc02f }));
    }

    #[test]
    fn what_is_no_server_hello_is_let_pass() {
        for bytes in [b"220 mx.test ESMTP\r\n".as_slice(), &[21, 3, 3, 0, 2, 2, 40], &[22, 3, 3, 0, 4, 2, 0, 0, 0]] {
            let mut watch = Watch::default();
            watch.see(bytes);
            assert_eq!(watch.chosen(), None);
        }
        let mut watch = Watch::default();
        for _ in 0..100 {
            watch.see(&[22; 1000]);
        }
        assert!(watch.seen.capacity() == 0 && watch.chosen().is_none());
    }

    proptest! {
        #[test]
        fn the_split_makes_no_difference(at in 0usize..70, record in 1usize..60) {
            let bytes = stream(0x0303, 0x1301, &[0, 43, 0, 2, 3, 4], record);
            let at = at.min(bytes.len());
            let mut watch = Watch::default();
            watch.see(&bytes[..at]);
            watch.see(&bytes[at..]);
            prop_assert_eq!(watch.chosen(), Some(Chosen { version: 0x0304, cipher: 0x1301 }));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut watch = Watch::default();
            watch.see(&bytes);
            watch.see(&[&[22, 3, 3, 0, 60, 2, 0, 0, 56], bytes.as_slice()].concat());
        }
    }
}
