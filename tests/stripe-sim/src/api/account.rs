//! The account and its balance, as far as clients look at them to see whether a key works.

use serde_json::{Map, Value, json};

use crate::context::{Answer, Context};
use crate::params::Params;

/// `GET /v1/account`
pub(crate) fn account(_cx: &mut Context<'_>, _id: &str, params: Params) -> Answer {
    params.finish()?;
    Ok(json!({
        "id": "acct_stripesim0000000",
        "object": "account",
        "business_profile": null,
        "business_type": null,
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": true,
        "country": "US",
        "created": 1_577_836_800,
        "default_currency": "usd",
        "details_submitted": true,
        "email": null,
        "metadata": {},
        "payouts_enabled": true,
        "type": "standard",
    }))
}

/// `GET /v1/balance`: what was captured, less refunds and disputes; nothing waits for settlement.
pub(crate) fn balance(cx: &mut Context<'_>, _id: &str, params: Params) -> Answer {
    params.finish()?;
    let available: Vec<Value> = totals(cx)
        .into_iter()
        .map(|(currency, total)| {
            let amount = |name: &str| total.get(name).and_then(Value::as_i64).unwrap_or_default();
            let net = amount("charged")
                .saturating_sub(amount("refunded"))
                .saturating_sub(amount("disputed"));
            json!({"amount": net, "currency": currency, "source_types": {"card": net}})
        })
        .collect();
    Ok(json!({"object": "balance", "available": available, "livemode": false, "pending": []}))
}

/// Per currency, in minor units: what was captured, what was refunded, what disputes hold.
pub(crate) fn totals(cx: &Context<'_>) -> Map<String, Value> {
    let mut totals = Map::new();
    let mut add = |currency: &str, name: &str, amount: i64| {
        let total = totals
            .entry(currency)
            .or_insert_with(|| json!({"charged": 0, "refunded": 0, "disputed": 0}));
        if let Some(field) = total.get_mut(name) {
            *field = json!(field.as_i64().unwrap_or_default().saturating_add(amount));
        }
    };
    for charge in cx.world.charges.newest_first() {
        add(&charge.currency, "charged", charge.amount_captured);
    }
    for refund in cx.world.refunds.newest_first().filter(|refund| !refund.failed()) {
        add(&refund.currency, "refunded", refund.amount);
    }
    for dispute in cx.world.disputes.newest_first() {
        if dispute.withdrawn.is_some() && dispute.reinstated.is_none() {
            add(&dispute.currency, "disputed", dispute.amount);
        }
    }
    totals
}
