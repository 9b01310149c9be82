//! `price`, `balance` and `budget`: what is asked without paying.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};
use stripe402_client::{Budget, Terms, money, pricing_in_words};
use stripe402_protocol::Units;

use super::{account::Account, fetch, secrets::for_agents, tools::Tools};
use crate::{address::address, budget::now, exit::Exit, explain};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    url: String,
    method: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Balance {
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetOf {}

/// What a request costs, and whether the limits allow it.
pub(super) async fn price(tools: &Tools, asked: Price) -> Result<Value, Exit> {
    let url = address(&asked.url).map_err(Exit::usage)?;
    let method = fetch::method(asked.method.as_deref().unwrap_or("GET"))?;
    let response = explain::ask_within(&tools.network, url, method, tools.max_time).await?;
    let status = response.status().as_u16();
    if status != 402 {
        return Ok(json!({"free": true, "status": status}));
    }
    let terms = explain::terms(&response)?;
    let mut said = json!({"free": false, "status": status, "text": words(&terms)});
    if let (Some(fields), Value::Object(terms)) = (said.as_object_mut(), for_agents(json!(terms))) {
        // What the server's software can do is of no use to an agent.
        fields.extend(terms.into_iter().filter(|(name, _)| !name.starts_with("knows")));
    }
    if let (Some(fields), Err(error)) = (said.as_object_mut(), terms.agreed(&tools.account.policy))
    {
        fields.insert("notPaid".to_owned(), for_agents(error.to_json()));
    }
    Ok(said)
}

fn words(terms: &Terms) -> String {
    let amount = |units| money(units, terms.currency);
    let price = match &terms.pricing {
        Some(pricing) => pricing_in_words(pricing, terms.currency),
        None => format!("{} a request", amount(terms.price)),
    };
    format!("{price}; a card is charged {} at least, kept as credit", amount(terms.min_top_up))
}

/// What is left at one server; or at every one that was paid, as its last receipt said.
pub(super) async fn balance(tools: &Tools, asked: Balance) -> Result<Value, Exit> {
    let Some(url) = asked.url else { return remembered(&tools.account) };
    let url = address(&url).map_err(Exit::usage)?;
    let origin = url.origin().ascii_serialization();
    let told = tools.account.wallet.ask_balance_within(&url, tools.max_time).await?;
    let Some(told) = told else {
        let message = format!("nothing was bought at {origin} yet");
        let error = json!({"code": "payment_required", "message": message, "origin": origin});
        return Err(Exit { code: 10, message, error });
    };
    let text = format!("{} left at {origin}", money(told.credits_remaining, told.currency));
    Ok(json!({
        "origin": origin, "left": told.credits_remaining, "currency": told.currency,
        "now": told.now, "text": text,
    }))
}

fn remembered(account: &Account) -> Result<Value, Exit> {
    let purse = account.purse()?;
    let allowed: Option<BTreeSet<&str>> = account
        .policy
        .origins
        .as_ref()
        .map(|origins| origins.iter().map(|origin| origin.trim_end_matches('/')).collect());
    let shown = |origin: &str| allowed.as_ref().is_none_or(|allowed| allowed.contains(origin));
    let mut balances = Vec::new();
    for (origin, known) in purse.origins.iter().filter(|(origin, _)| shown(origin)) {
        for (currency, left) in &known.balances {
            balances.push(json!({
                "origin": origin, "left": left, "currency": currency, "now": false,
            }));
        }
    }
    Ok(json!({"balances": balances}))
}

/// What cards were charged, and what may still be.
pub(super) fn budget(account: &Account) -> Result<Value, Exit> {
    let (purse, policy, now) = (account.purse()?, &account.policy, now());
    let currency = policy.currency;
    let charged = purse.charged(currency);
    let (spent, today) = (purse.spent(currency, now), purse.spent_today(currency, now));
    let rest = |limit: Units, spent: Units| limit.checked_sub(spent).unwrap_or(Units::ZERO);
    let mut budgets = Vec::new();
    for (budget, limit, spent) in
        [(Budget::Total, policy.budget_total, spent), (Budget::Day, policy.budget_per_day, today)]
    {
        if let Some(limit) = limit {
            budgets.push(json!({"budget": budget, "limit": limit, "left": rest(limit, spent)}));
        }
    }
    let text = match policy.budget_total {
        Some(limit) => {
            format!("cards were charged {} of {}", money(spent, currency), money(limit, currency))
        }
        None => format!("cards were charged {}; there is no budget", money(spent, currency)),
    };
    Ok(json!({
        "currency": currency, "charged": charged, "unconfirmed": rest(spent, charged),
        "today": today, "budgets": budgets, "maxPrice": policy.most_price(),
        "maxCharge": policy.most_charge(), "origins": policy.origins, "text": text,
    }))
}
