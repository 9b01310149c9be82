//! Stripe's key: whether it is taken, for which mode, and what it may read; and the clock, by Stripe's answers.

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;

use super::{
    ask::{Answer, Ask},
    check::Check,
    clock,
};
use crate::config::Config;

const KEY: &str = "Stripe key";
const RIGHTS: &str = "Stripe rights";

/// What the ledger reads, by Stripe's names for it and for the right.
const READ: [(&str, &str); 5] = [
    ("payment_intents", "PaymentIntents"),
    ("customers", "Customers"),
    ("refunds", "Refunds"),
    ("disputes", "Disputes"),
    ("events", "Events"),
];

/// What was found at Stripe.
pub(super) struct OfStripe {
    pub(super) checks: Vec<Check>,
    /// Whether it is of use to ask Stripe more.
    pub(super) answers: bool,
}

/// Reads one of each list.
pub(super) async fn checks(ask: &Ask, config: &Config, now_ms: u64) -> OfStripe {
    let paths = READ.map(|(list, _)| format!("{list}?limit=1"));
    let answers = join_all(paths.iter().map(|path| ask.get(path))).await;
    let base = &config.stripe_api_base;
    let mut heard = Vec::new();
    for (answer, (_, right)) in answers.into_iter().zip(READ) {
        match answer {
            Ok(answer) => heard.push((right, answer)),
            Err(cause) => {
                let finding = format!("{base} does not answer: {cause}");
                let mend = "let the ledger's machine reach it, over port 443; see STRIPE_API_BASE";
                return OfStripe { checks: vec![Check::fail(KEY, finding, mend)], answers: false };
            }
        }
    }
    if heard.iter().any(|(_, answer)| answer.status == 401) {
        let finding = "Stripe does not take it: it was rolled, revoked or mistyped";
        let mend =
            "set STRIPE_SECRET_KEY to a key of Stripe's dashboard, under Developers, API keys";
        return OfStripe { checks: vec![Check::fail(KEY, finding, mend)], answers: false };
    }
    let mut checks = vec![kind(config), rights(&heard)];
    let date = heard.iter().find_map(|(_, answer)| answer.date.as_deref());
    checks.push(clock::check(date, now_ms));
    OfStripe { checks, answers: true }
}

/// Which kind of key it is.
fn kind(config: &Config) -> Check {
    let mode = if config.is_live() { "live mode: real cards are charged" } else { "test mode" };
    if config.stripe_secret_key.expose_secret().starts_with("rk_") {
        return Check::ok(KEY, format!("a restricted key, {mode}"));
    }
    let finding = format!("a secret key with every right, {mode}");
    if config.is_live() {
        let mend = "use a restricted key (rk_live_…) with the rights that SECURITY.md lists: \
                    whoever steals a secret key has the whole account";
        return Check::warn(KEY, finding, mend);
    }
    Check::ok(KEY, finding)
}

/// What it may read. What it may write is known only when something is written.
fn rights(heard: &[(&'static str, Answer)]) -> Check {
    let with = |status: &dyn Fn(u16) -> bool| -> Vec<&str> {
        let found = heard.iter().filter(|(_, answer)| status(answer.status));
        found.map(|(right, _)| *right).collect()
    };
    let denied = with(&|status| status == 403);
    if !denied.is_empty() {
        let finding = format!("the key may not read {}", denied.join(", "));
        let mend = "give the key the rights that SECURITY.md lists, in Stripe's dashboard";
        return Check::fail(RIGHTS, finding, mend);
    }
    let strange = with(&|status| status != 200);
    if !strange.is_empty() {
        let finding = format!("Stripe fails to list {}", strange.join(", "));
        return Check::warn(RIGHTS, finding, "run doctor again; see status.stripe.com");
    }
    let read = READ.map(|(_, right)| right).join(", ");
    Check::ok(RIGHTS, format!("reads {read}; writing is not tried"))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::operator::cli::doctor::check::Status;

    #[test]
    fn every_missing_right_is_named() {
        let answer = |status| Answer { status, date: None, body: Value::Null };
        let rows = [
            ([200, 200, 200], Status::Ok, "reads PaymentIntents, Customers"),
            ([200, 403, 403], Status::Fail, "may not read Refunds, Disputes"),
            ([500, 200, 403], Status::Fail, "may not read Disputes"),
            ([500, 200, 200], Status::Warn, "fails to list Customers"),
        ];
        for (statuses, status, words) in rows {
            let rights_asked = ["Customers", "Refunds", "Disputes"];
            let heard: Vec<_> = rights_asked.into_iter().zip(statuses.map(answer)).collect();
            let found = rights(&heard);
            assert_eq!(found.status, status, "{statuses:?}");
            assert!(found.finding.contains(words), "{}", found.finding);
        }
    }
}
