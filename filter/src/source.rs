//! Where requests come from, as far as fairness counts.

use std::net::{IpAddr, Ipv6Addr};

/// The network that a client holds: an IPv4 address, or the /64 of an IPv6 address. A /64 is the
/// least that a subscriber is given (RFC 6177), so its addresses are one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Source(u64);

impl Source {
    /// The source of requests that are not told apart.
    pub const ANY: Self = Self(0);

    /// Reads an address without its port; IPv6 with or without brackets. Whatever is no address
    /// shares one source.
    #[must_use]
    pub fn of(address: &str) -> Self {
        let address = address.trim_start_matches('[').trim_end_matches(']');
        // A zone (`fe80::1%eth0`) names an interface of this machine.
        let address = address.split('%').next().unwrap_or_default();
        match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
            Ok(IpAddr::V4(address)) => Self(u64::from(address.to_bits())),
            Ok(IpAddr::V6(address)) => Self::network(address),
            Err(_) => Self::ANY,
        }
    }

    fn network(address: Ipv6Addr) -> Self {
        Self(u64::try_from(address.to_bits() >> 64).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_source_and_an_ipv4_address_is_one() {
        for (one, other, same) in [
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8:1:2::1", "[2001:db8:1:2:ffff::9]", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("fe80::1%eth0", "fe80::2", true),
            ("", "nonsense", true),
        ] {
            assert_eq!(Source::of(one) == Source::of(other), same, "{one} {other}");
        }
    }
}
