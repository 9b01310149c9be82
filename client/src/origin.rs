//! Where credentials may go.

/// Whether what is sent to this origin (`https://api.example`) stays private: it is encrypted, or
/// does not leave this machine. A credential is money.
#[must_use]
pub fn is_private(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://") else {
        return origin.starts_with("https://");
    };
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let v4 = name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    v4 || name == "::1" || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_be_asked_in_the_clear() {
        for private in [
            "https://api.example",
            "http://localhost:10000",
            "http://api.localhost",
            "http://127.0.0.1:1",
            "http://127.3.2.1",
            "http://[::1]:8080",
        ] {
            assert!(is_private(private), "{private}");
        }
        for public in [
            "http://api.example",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "http://[::2]",
            "http://10.0.0.1",
            "ftp://localhost",
            "null",
            "",
        ] {
            assert!(!is_private(public), "{public}");
        }
    }
}
