//! Networks as configuration names them.

use std::net::IpAddr;
use std::str::FromStr;

/// A network, as in `192.0.2.0/24` or `2001:db8::/32`; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no network: {0}; wanted ADDRESS or ADDRESS/BITS")]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadNetwork(text.to_owned());
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| bad()))?;
        if bits > most { Err(bad()) } else { Ok(Network { address, bits }) }
    }
}

impl Network {
    /// An IPv4 address that came in over an IPv6 socket (`::ffff:192.0.2.1`) counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => same_start(network.octets(), address.octets(), self.bits),
            (IpAddr::V6(network), IpAddr::V6(address)) => same_start(network.octets(), address.octets(), self.bits),
            _ => false,
        }
    }
}

fn same_start<const N: usize>(a: [u8; N], b: [u8; N], bits: u8) -> bool {
    let whole = usize::from(bits / 8);
    let mask = !(0xffu8.checked_shr(u32::from(bits % 8)).unwrap_or(0));
    a[..whole] == b[..whole] && (bits.is_multiple_of(8) || a[whole] & mask == b[whole] & mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_its_network_and_in_no_other() {
        let within = |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(within("127.0.0.0/8", "127.255.0.1") && !within("127.0.0.0/8", "128.0.0.1"));
        assert!(within("192.0.2.128/25", "192.0.2.200") && !within("192.0.2.128/25", "192.0.2.100"));
        assert!(within("192.0.2.1", "::ffff:192.0.2.1") && !within("192.0.2.1", "192.0.2.2"));
        assert!(within("2001:db8::/33", "2001:db8:7fff::1") && !within("2001:db8::/33", "2001:db8:8000::1"));
        assert!(within("0.0.0.0/0", "203.0.113.9") && !within("0.0.0.0/0", "2001:db8::1"));
        for bad in ["", "x", "192.0.2.1/33", "::/129", "192.0.2/24", "192.0.2.0/", "192.0.2.0/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
