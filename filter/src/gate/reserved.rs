//! Which headers a client must not send, and which it must not have a later hop drop.

use crate::config::Identity;

/// By which a gRPC client chooses how long a request may take. Envoy takes it for the request's
/// time-out where a route says so (`max_grpc_timeout`, `grpc_timeout_header_max`), and a gRPC
/// server ends its work by it: a client could have the work done and its deduction given back.
/// Source: Envoy, "Router", "HTTP headers (consumed from downstreams)"; gRPC over HTTP/2, "Timeout".
pub const DEADLINE: &str = "grpc-timeout";

/// What Envoy and its filters set themselves before the gate sees a request; the rest of
/// `x-envoy-` tells a router what to do (time-outs, retries, hedging, the names of statistics).
/// Source: Envoy, "HTTP header manipulation", and "Router", "HTTP headers (consumed from
/// downstreams)"; `source/common/http/headers.h`.
const ENVOYS_OWN: [&[u8]; 8] = [
    b"external-address",
    b"internal",
    b"downstream-service-",
    b"original-",
    b"ip-tags",
    b"force-trace",
    b"peer-metadata",
    b"decorator-operation",
];

/// Names that are Envoy's or ours to set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserved<'i> {
    identity: &'i Identity,
    /// How long names of ours are, as bits: most headers have another length.
    lengths: u64,
}

/// The gate's own names that nobody can configure.
const OURS: [&str; 2] =
    [stripe402_protocol::PAYMENT_REQUIRED, stripe402_protocol::PAYMENT_RESPONSE];

impl<'i> Reserved<'i> {
    /// With identity headers of these names.
    pub(super) fn of(identity: &'i Identity) -> Self {
        let names = identity.names();
        let own = names.iter().map(|(_, name)| *name).chain(OURS);
        let lengths = own.fold(0, |lengths, name| lengths | length(name.as_bytes()));
        Self { identity, lengths }
    }

    /// Whether this is one of them. A client-chosen time-out or retry policy would be a way to have a
    /// request done and its deduction voided, or done twice for one deduction; a client-chosen path one
    /// to have another done than was paid for.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        const PATHS: [&[u8]; 2] = [b"x-original-url", b"x-rewrite-url"];
        if let Some(rest) = name.strip_prefix(b"x-envoy-") {
            return !ENVOYS_OWN.iter().any(|own| rest.starts_with(own));
        }
        if name.starts_with(b"x") && PATHS.iter().any(|path| same_header(name, path)) {
            return true;
        }
        self.is_ours(name)
    }

    /// Names that are the gate's alone, as an API may read them. All have to be compared: those of
    /// identity headers are configurable.
    fn is_ours(&self, name: &[u8]) -> bool {
        if self.lengths & length(name) == 0 {
            return false;
        }
        let own = |own: &str| same_header(name, own.as_bytes());
        self.identity.names().iter().any(|(_, name)| own(name)) || OURS.into_iter().any(own)
    }

    /// What is left of a `connection` header; `None` if it can stay. A later hop drops what it names
    /// (RFC 9110, section 7.6.1), and Envoy forwards the header with requests to upgrade: a client must
    /// not have the identity dropped on the way to the API.
    pub(super) fn left_of_connection(&self, value: &[u8]) -> Option<String> {
        let tokens = || value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let ours = |token: &[u8]| token.eq_ignore_ascii_case(b"payment") || self.is_ours(token);
        if !tokens().any(ours) {
            return None;
        }
        let mut left = String::new();
        for token in tokens().filter(|token| !ours(token)) {
            if !left.is_empty() {
                left.push_str(", ");
            }
            left.push_str(&String::from_utf8_lossy(token));
        }
        Some(left)
    }
}

/// A bit for the length of a name; one for all that are very long.
fn length(name: &[u8]) -> u64 {
    u32::try_from(name.len()).ok().and_then(|bit| 1_u64.checked_shl(bit)).unwrap_or(1 << 63)
}

/// Whether an API could take one name for the other: CGI-like interfaces tell neither letter case
/// apart nor what is no letter and no digit (RFC 3875, section 4.1.18, and what servers made of it).
pub(super) fn same_header(name: &[u8], own: &[u8]) -> bool {
    let fold =
        |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    name.len() == own.len() && name.iter().zip(own).all(|(one, other)| fold(*one) == fold(*other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_an_api_could_take_for_ours_is_ours() {
        for (name, ours) in [
            ("x-stripe402-client-id", true),
            ("x.stripe402.client.id", true),
            ("x stripe402~client!id", true),
            ("X_Stripe402-Client|Id", true),
            ("x-stripe402-client-i", false),
            ("x-stripe4021client-id", false),
            ("payment.required", true),
            ("accept", false),
        ] {
            assert_eq!(
                Reserved::of(&Identity::default()).contains(name.as_bytes()),
                ours,
                "{name}"
            );
        }
        let named = Identity { client_id: "customer-id".to_owned(), ..Identity::default() };
        assert!(Reserved::of(&named).contains(b"Customer.Id"));
        let long = Identity { unpaid: "x".repeat(70), ..Identity::default() };
        assert!(Reserved::of(&long).contains("X".repeat(70).as_bytes()));
        assert!(!Reserved::of(&long).contains("X".repeat(71).as_bytes()));
    }

    #[test]
    fn what_a_later_hop_would_drop_is_not_ours() {
        for (value, expected) in [
            ("upgrade", None),
            ("keep-alive, Upgrade, x-other", None),
            ("upgrade, x-stripe402-client-id", Some("upgrade")),
            ("X-Stripe402.Price ,upgrade,\tPAYMENT, te", Some("upgrade, te")),
            ("x_stripe402_charge_id", Some("")),
        ] {
            let left = Reserved::of(&Identity::default()).left_of_connection(value.as_bytes());
            assert_eq!(left.as_deref(), expected, "{value}");
        }
    }
}
