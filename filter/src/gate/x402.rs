//! x402, another protocol, whose headers have the names of ours: which of them is which.

use serde_json::Value;

/// What only a message of ours has: the fields of a challenge in either spelling, and of a receipt.
const OURS: [&str; 5] = ["stripe402Version", "price", "minTopUp", "clientId", "creditsRemaining"];
/// What a challenge and a receipt of x402 have. Source: x402, "HTTP transport", version 2.
const THEIRS: [&str; 2] = ["x402Version", "transaction"];

/// Whether a `payment-required` or `payment-response` is x402's, and no client of ours could take it for ours.
pub(super) fn is_x402(header: &[u8]) -> bool {
    let Ok(message) = stripe402_protocol::decode::<Value>(header) else { return false };
    let has = |name: &&str| message.get(*name).is_some();
    THEIRS.iter().any(has) && !OURS.iter().any(has)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use stripe402_protocol::encode;

    use super::is_x402;

    #[test]
    fn what_could_be_ours_is_not_theirs() {
        for (message, theirs) in [
            (json!({"x402Version": 2, "accepts": []}), true),
            (json!({"success": true, "transaction": "0x1", "network": "eip155:8453"}), true),
            (json!({"x402Version": 2, "stripe402Version": 1}), false),
            (json!({"x402Version": 2, "price": 100, "minTopUp": 50_000}), false),
            (json!({"transaction": "0x1", "clientId": "ab", "success": true}), false),
            (json!({"success": true}), false),
            (json!(["x402Version"]), false),
        ] {
            assert_eq!(is_x402(encode(&message).as_bytes()), theirs, "{message}");
        }
        assert!(!is_x402(b"forged"));
        let two = encode(&json!({"x402Version": 2}));
        assert!(!is_x402(format!("{two}, {two}").as_bytes()));
    }
}
