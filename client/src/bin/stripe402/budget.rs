//! `stripe402 budget show` and `reset`.

use std::{collections::BTreeSet, time::UNIX_EPOCH};

use serde_json::{Value, json};
use stripe402_client::{Purse, money, storage::Storage as _};
use stripe402_protocol::Currency;

use crate::{arguments::CommonArgs, exit::Exit, show};

pub(crate) fn now() -> u64 {
    UNIX_EPOCH.elapsed().map(|age| age.as_secs()).unwrap_or_default()
}

/// What cards were charged, and may yet be.
pub(crate) fn display(common: &CommonArgs) -> Result<u8, Exit> {
    let purse = purse(common)?;
    let (now, mut listed) = (now(), Vec::<Value>::new());
    for currency in currencies(&purse) {
        let charged = purse.charged(currency);
        let open = purse.spent(currency, now).checked_sub(charged).unwrap_or_default();
        let today = purse.spent_today(currency, now);
        if common.json {
            listed.push(json!({
                "currency": currency, "today": today, "charged": charged, "unconfirmed": open,
            }));
            continue;
        }
        show::row("last 24 hours", &money(today, currency));
        show::row("cards charged", &format!("{} in total", money(charged, currency)));
        if !open.is_zero() {
            show::row("unconfirmed", &money(open, currency));
        }
    }
    if common.json {
        show::json(&json!({"budgets": listed}));
    } else if currencies(&purse).is_empty() {
        show::say("No card was charged yet.");
    }
    Ok(0)
}

/// Budgets count from now on.
pub(crate) fn reset(common: &CommonArgs) -> Result<u8, Exit> {
    let changed = common.file()?.change(&mut Purse::forget_charges);
    changed.map_err(|error| Exit::local(error.to_string()))?;
    if common.json {
        show::json(&json!({"reset": true}));
    } else {
        show::say("Budgets count from now on.");
    }
    Ok(0)
}

/// What the credentials file holds.
pub(crate) fn purse(common: &CommonArgs) -> Result<Purse, Exit> {
    let mut held = Purse::default();
    let read = common.file()?.change(&mut |purse| held = purse.clone());
    read.map_err(|error| Exit::local(error.to_string()))?;
    Ok(held)
}

fn currencies(purse: &Purse) -> BTreeSet<Currency> {
    let known = purse.origins.values();
    let open = known.flat_map(|known| known.pending.iter().chain(&known.unconfirmed));
    let earlier = purse.earlier.keys().filter_map(|code| code.parse().ok());
    let charged = purse.charges.iter().map(|charge| charge.currency);
    charged.chain(open.map(|open| open.currency)).chain(earlier).collect()
}
