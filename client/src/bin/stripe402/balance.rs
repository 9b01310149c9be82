//! `stripe402 balance`.

use std::fmt::Write as _;

use serde_json::json;
use stripe402_client::{Policy, money};
use stripe402_protocol::Units;

use crate::{arguments::BalanceArgs, budget, exit::Exit, show};

pub(crate) async fn balance(arguments: BalanceArgs) -> Result<u8, Exit> {
    let BalanceArgs { url, client_id, currency, allow_http, network, common } = arguments;
    // Nothing is paid: these limits only have to be there.
    let none = Some(Units::ZERO);
    let policy = Policy {
        client_id,
        currency,
        allow_http,
        max_price: none,
        max_charge: none,
        ..Policy::default()
    };
    let wallet = common.wallet(policy)?;
    // From now on the wallet asks by a client like this one.
    wallet.client(network.builder()?).map_err(|error| Exit::local(error.to_string()))?;
    let origin = url.origin().ascii_serialization();
    let balance = wallet.ask_balance(&url).await?;
    let purse = wallet.purse().map_err(|error| Exit::local(error.to_string()))?;
    let charged = purse.charged(currency);
    let unconfirmed = purse.spent(currency, budget::now()).checked_sub(charged).unwrap_or_default();
    let Some(balance) = balance else {
        let message = format!("nothing was bought at {origin} yet");
        let error = json!({"code": "payment_required", "message": message, "origin": origin});
        return Err(Exit { code: 10, message, error });
    };
    if common.json {
        show::json(&json!({
            "origin": origin, "creditsRemaining": balance.credits_remaining,
            "currency": balance.currency, "now": balance.now, "chargedInTotal": charged,
            "unconfirmed": unconfirmed,
        }));
        return Ok(0);
    }
    let left = money(balance.credits_remaining, balance.currency);
    let source =
        if balance.now { "" } else { ", as the last receipt said; others may have spent since" };
    show::row("left", &format!("{left} ({} units){source}", balance.credits_remaining));
    let mut told = format!("{} in total, everywhere", money(charged, currency));
    if !unconfirmed.is_zero() {
        // Writing to a String cannot fail.
        let _written = write!(told, ", {} unconfirmed", money(unconfirmed, currency));
    }
    show::row("cards charged", &told);
    Ok(0)
}
