//! The header of the PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2): who a connection really comes from, said
//! before its first byte. Written only; what a balancer would send.

use std::net::{IpAddr, SocketAddr};

/// Section 2.2: what no line of text begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One line of text.
    V1,
    /// Binary.
    V2,
}

/// A header, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    version: Version,
    bytes: Vec<u8>,
    words: String,
}

impl Introduction {
    /// The header for a connection from `source` to `destination`; without them it says that both are unknown.
    pub fn new(version: Version, ends: Option<(SocketAddr, SocketAddr)>) -> Introduction {
        let words = String::from_utf8_lossy(&header(Version::V1, ends)).trim_end().to_owned();
        Introduction { version, bytes: header(version, ends), words }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    /// As it goes over the wire.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The line that version 1 has for it.
    pub fn words(&self) -> &str {
        &self.words
    }
}

/// Addresses of two families are both written as IPv6, as the protocol knows only pairs of one.
fn header(version: Version, ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    let ends = ends.map(|(source, destination)| match (source.is_ipv4(), destination.is_ipv4()) {
        (true, false) => (mapped(source), destination),
        (false, true) => (source, mapped(destination)),
        _ => (source, destination),
    });
    match version {
        Version::V1 => line(ends).into_bytes(),
        Version::V2 => binary(ends),
    }
}

/// Section 2.1.
fn line(ends: Option<(SocketAddr, SocketAddr)>) -> String {
    let Some((source, destination)) = ends else { return "PROXY UNKNOWN\r\n".to_owned() };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {} {} {} {}\r\n", source.ip(), destination.ip(), source.port(), destination.port())
}

/// Section 2.2: signature, version and command, family and transport, length, addresses, ports.
fn binary(ends: Option<(SocketAddr, SocketAddr)>) -> Vec<u8> {
    const VERSION_PROXY: u8 = 0x21;
    const STREAM_V4: u8 = 0x11;
    const STREAM_V6: u8 = 0x21;
    let mut out = SIGNATURE.to_vec();
    out.push(VERSION_PROXY);
    let Some((source, destination)) = ends else {
        out.extend([0, 0, 0]);
        return out;
    };
    let (family, length) = if source.is_ipv4() { (STREAM_V4, 12) } else { (STREAM_V6, 36) };
    out.extend([family, 0, length]);
    for end in [source, destination] {
        match end.ip() {
            IpAddr::V4(address) => out.extend(address.octets()),
            IpAddr::V6(address) => out.extend(address.octets()),
        }
    }
    for end in [source, destination] {
        out.extend(end.port().to_be_bytes());
    }
    out
}

fn mapped(end: SocketAddr) -> SocketAddr {
    match end.ip() {
        IpAddr::V4(address) => SocketAddr::new(address.to_ipv6_mapped().into(), end.port()),
        IpAddr::V6(_) => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(source: &str, destination: &str) -> Option<(SocketAddr, SocketAddr)> {
        Some((source.parse().unwrap(), destination.parse().unwrap()))
    }

    #[test]
    fn version_1_is_a_line_of_text() {
        let of = |ends| String::from_utf8(header(Version::V1, ends)).unwrap();
        assert_eq!(of(ends("192.0.2.1:4000", "192.0.2.2:25")), "PROXY TCP4 192.0.2.1 192.0.2.2 4000 25\r\n");
        assert_eq!(of(ends("[2001:db8::1]:4000", "[::1]:25")), "PROXY TCP6 2001:db8::1 ::1 4000 25\r\n");
        assert_eq!(of(ends("192.0.2.1:4000", "[::1]:25")), "PROXY TCP6 ::ffff:192.0.2.1 ::1 4000 25\r\n");
        assert_eq!(of(None), "PROXY UNKNOWN\r\n");
    }

    #[test]
    fn version_2_has_the_length_of_its_family() {
        let v4 = header(Version::V2, ends("192.0.2.1:4000", "192.0.2.2:25"));
        assert_eq!(v4[..12], *b"\r\n\r\n\0\r\nQUIT\n");
        assert_eq!(v4[12..], [0x21, 0x11, 0, 12, 192, 0, 2, 1, 192, 0, 2, 2, 0x0f, 0xa0, 0, 25]);
        let v6 = header(Version::V2, ends("[::1]:1", "[::2]:2"));
        assert_eq!((&v6[12..16], v6.len()), (&[0x21, 0x21, 0, 36][..], 16 + 36));
        assert_eq!(header(Version::V2, None)[12..], [0x21, 0, 0, 0]);
    }
}
