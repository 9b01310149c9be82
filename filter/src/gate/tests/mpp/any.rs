//! Any bytes as a credential.

use proptest::prelude::*;

use super::*;

proptest! {
    /// Headers of any bytes that Envoy lets through: priced requests wait for no ledger, other schemes stay.
    #[test]
    fn whatever_is_sent_nothing_is_served_for_it(value in "[ -~\u{80}-\u{ff}]{0,80}", scheme in any::<bool>()) {
        let value = if scheme { format!("Payment {value}") } else { value };
        let config = config();
        let (_, step, removed) = ask_at(&config, "/api/joke", &[("authorization", &value)], 0);
        let refused = reply(step);
        prop_assert!(matches!(refused.status, 400 | 402));
        prop_assert_eq!(removed.is_empty(), refused.details == "stripe402_challenge");
    }

    /// One changed byte of a credential: it is refused, or it names another token and the same challenge.
    #[test]
    fn a_changed_credential_pays_no_other_challenge(at in any::<prop::sample::Index>(), by in 1_u8..=255) {
        let config = config();
        let challenge = challenge_of(&config, "/api/joke");
        let mut json = credential(&challenge).to_string().into_bytes();
        let at = at.index(json.len());
        json[at] ^= by;
        let value = format!("Payment {}", URL_SAFE_NO_PAD.encode(&json));
        if let Step::Pay(request) = ask(&config, &[("authorization", &value)]) {
            prop_assert_eq!(request.idempotency_key, parameter(&challenge, "id"));
            prop_assert!(request.instrument.is_token());
            prop_assert_ne!(request.instrument.as_str(), TOKEN);
        }
    }
}
