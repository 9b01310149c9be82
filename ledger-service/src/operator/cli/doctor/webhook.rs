//! Stripe's webhooks: whether the ledger takes them, and whether Stripe sends what it needs.

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{ask::Ask, check::Check};
use crate::config::Config;

const WEBHOOK: &str = "webhook";
/// Where the ledger takes them.
const PATH: &str = "/webhooks/stripe";

/// What Stripe must send: docs/stripe.md, "Events to send".
const EVENTS: [&str; 11] = [
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.canceled",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
];

/// The secret, and the endpoints that Stripe has.
pub(super) async fn check(ask: &Ask, config: &Config) -> Check {
    let Some((_, secret)) = &config.webhooks else {
        let finding =
            "STRIPE_WEBHOOK_SECRET is not set: the ledger learns of no refund and no dispute";
        let mend = "add an endpoint in Stripe's dashboard (docs/stripe.md lists the events), and set its secret";
        return grave(config.is_live(), finding.to_owned(), mend);
    };
    if !secret.expose_secret().starts_with("whsec_") {
        let mend = "set STRIPE_WEBHOOK_SECRET to the signing secret of the endpoint: it begins with whsec_";
        return Check::fail(WEBHOOK, "the secret is none of Stripe's", mend);
    }
    let listed = match ask.get("webhook_endpoints?limit=100").await {
        Ok(answer) if answer.status == 200 => answer.body,
        Ok(answer) => {
            let finding =
                format!("Stripe does not list endpoints to this key (status {})", answer.status);
            let mend = "compare the endpoint's events with docs/stripe.md in Stripe's dashboard, or give the key \
                        the right to read Webhook Endpoints";
            return Check::warn(WEBHOOK, finding, mend);
        }
        Err(cause) => {
            let finding = format!("Stripe does not list its endpoints: {cause}");
            return Check::warn(WEBHOOK, finding, "run doctor again");
        }
    };
    judge(&listed, config.is_live())
}

/// Wrong where real money moves; otherwise to be looked at.
fn grave(live: bool, finding: String, mend: &str) -> Check {
    if live { Check::fail(WEBHOOK, finding, mend) } else { Check::warn(WEBHOOK, finding, mend) }
}

/// What to say of Stripe's list of endpoints.
fn judge(listed: &Value, live: bool) -> Check {
    let text = |endpoint: &Value, name: &str| -> String {
        endpoint.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let endpoints = listed.get("data").and_then(Value::as_array);
    let ours = endpoints.into_iter().flatten().filter(|endpoint| {
        let url = text(endpoint, "url");
        text(endpoint, "status") == "enabled" && url.trim_end_matches('/').ends_with(PATH)
    });
    let ours: Vec<&Value> = ours.collect();
    let Some(endpoint) = ours.iter().min_by_key(|endpoint| missing(endpoint).len()) else {
        let mend = "add an endpoint in Stripe's dashboard: https://…/webhooks/stripe, with the events of docs/stripe.md";
        let finding = format!("Stripe has no enabled endpoint whose address ends with {PATH}");
        return grave(live, finding, mend);
    };
    let url = text(endpoint, "url");
    let missing = missing(endpoint);
    if !missing.is_empty() {
        let finding = format!("Stripe does not send {} to {url}", missing.join(", "));
        return Check::fail(
            WEBHOOK,
            finding,
            "add these events to the endpoint in Stripe's dashboard",
        );
    }
    if !url.starts_with("https://") {
        let finding = format!("Stripe sends events to {url}, without TLS");
        let mend = "give the endpoint a public https address; live mode takes no other";
        return grave(live, finding, mend);
    }
    Check::ok(WEBHOOK, format!("Stripe sends every event to {url}"))
}

/// Which of the events that the ledger needs are not sent there.
fn missing(endpoint: &Value) -> Vec<&'static str> {
    let enabled = endpoint.get("enabled_events").and_then(Value::as_array);
    let enabled: Vec<&str> = enabled.into_iter().flatten().filter_map(Value::as_str).collect();
    let is_sent = |event: &str| enabled.contains(&"*") || enabled.contains(&event);
    EVENTS.into_iter().filter(|event| !is_sent(event)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::operator::cli::doctor::check::Status;

    fn endpoint(url: &str, status: &str, events: &[&str]) -> Value {
        json!({"url": url, "status": status, "enabled_events": events})
    }

    #[test]
    fn endpoints_are_judged_by_address_and_events() {
        let good = "https://hooks.example.com/webhooks/stripe";
        let few = &EVENTS[1..];
        let rows = [
            (vec![], Status::Fail, "no enabled endpoint"),
            (vec![endpoint(good, "disabled", &["*"])], Status::Fail, "no enabled endpoint"),
            (vec![endpoint("https://a.example/", "enabled", &["*"])], Status::Fail, "no enabled"),
            (vec![endpoint(good, "enabled", few)], Status::Fail, "payment_intent.succeeded to"),
            (vec![endpoint(good, "enabled", &["*"])], Status::Ok, "every event"),
            (vec![endpoint(good, "enabled", &EVENTS)], Status::Ok, "every event"),
            (
                vec![endpoint(good, "enabled", few), endpoint(good, "enabled", &["*"])],
                Status::Ok,
                "every event",
            ),
            (
                vec![endpoint("http://h.example/webhooks/stripe", "enabled", &["*"])],
                Status::Fail,
                "without TLS",
            ),
        ];
        for (endpoints, status, words) in rows {
            let found = judge(&json!({"data": endpoints}), true);
            assert_eq!(found.status, status, "{found:?}");
            assert!(found.finding.contains(words), "{found:?}");
        }
        // A test ledger may do without.
        assert_eq!(judge(&json!({"data": []}), false).status, Status::Warn);
    }

    #[test]
    fn the_events_are_those_of_the_document() {
        let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/stripe.md");
        let document = std::fs::read_to_string(document).unwrap();
        for event in EVENTS {
            let all_of_dispute = event.starts_with("charge.dispute.");
            let named = document.contains(&format!("`{event}`"));
            assert!(named || all_of_dispute && document.contains("`charge.dispute.*`"), "{event}");
        }
    }
}
