//! `stripe402 card add`, `list` and `remove`.

use reqwest::{Method, Url};
use serde_json::{Value, json};
use stripe402_client::storage::Storage as _;
use stripe402_protocol::PaymentMethodId;

use crate::{
    arguments::{CardArgs, CommonArgs, RemoveArgs},
    budget::purse,
    exit::Exit,
    explain,
    network::NetworkArgs,
    page, show,
};

/// Where a server says what it sells.
const DISCOVERY: &str = "/.well-known/stripe402";

pub(crate) async fn add(arguments: CardArgs) -> Result<u8, Exit> {
    let CardArgs { url, stripe_api_base, test_number, network, common } = arguments;
    let origin = url.origin().ascii_serialization();
    let key = publishable_key(&network, &url, &origin).await?;
    let card = if page::is_stripe(&stripe_api_base) {
        page::enter(&origin, &key, common.json).await?
    } else {
        at_stand_in(&stripe_api_base, &key, &test_number).await?
    };
    let mut kept = Some(card.clone());
    let keep = common.file()?.change(&mut |purse| {
        purse.origins.entry(origin.clone()).or_default().card = kept.take();
    });
    keep.map_err(|error| Exit::local(error.to_string()))?;
    if common.json {
        show::json(&json!({"origin": origin, "paymentMethodId": card.as_str()}));
    } else {
        show::say(&format!("{origin} is paid with {} from now on.", card.as_str()));
    }
    Ok(0)
}

/// The key to make a PaymentMethod with: a 402 names it, and else what the server says of itself.
async fn publishable_key(network: &NetworkArgs, url: &Url, origin: &str) -> Result<String, Exit> {
    let response = explain::ask(network, url.clone(), Method::GET).await?;
    if response.status().as_u16() == 402 {
        let key = explain::terms(&response)?.publishable_key;
        if !key.is_empty() {
            return Ok(key);
        }
    }
    let discovery = url.join(DISCOVERY).map_err(|error| Exit::usage(error.to_string()))?;
    let response = explain::ask(network, discovery, Method::GET).await?;
    let told: Option<Value> = response.json().await.ok();
    let key = told.as_ref().and_then(|told| told.get("publishableKey")?.as_str());
    match key.filter(|key| !key.is_empty()) {
        Some(key) => Ok(key.to_owned()),
        None => Err(Exit::usage(format!(
            "{origin} names no publishable key, neither at {url} nor at {DISCOVERY}: \
             name a URL that costs something"
        ))),
    }
}

/// Which card pays where.
pub(crate) fn list(common: &CommonArgs) -> Result<u8, Exit> {
    let purse = purse(common)?;
    let cards =
        purse.origins.iter().filter_map(|(origin, known)| Some((origin, known.card.as_ref()?)));
    let cards: Vec<_> = cards.map(|(origin, card)| (origin, card.as_str())).collect();
    if common.json {
        let row = |(origin, card)| json!({"origin": origin, "paymentMethodId": card});
        show::json(&json!({"cards": cards.into_iter().map(row).collect::<Vec<_>>()}));
    } else if cards.is_empty() {
        show::say("There is no card. Add one:  stripe402 card add URL");
    } else {
        cards.iter().for_each(|(origin, card)| show::say(&format!("  {origin}  {card}")));
    }
    Ok(0)
}

/// Forgets the card of a server; the client id and its balance stay.
pub(crate) fn remove(arguments: &RemoveArgs) -> Result<u8, Exit> {
    let origin = arguments.url.origin().ascii_serialization();
    let mut removed = None;
    let change = arguments.common.file()?.change(&mut |purse| {
        removed = purse.origins.get_mut(&origin).and_then(|known| known.card.take());
    });
    change.map_err(|error| Exit::local(error.to_string()))?;
    let Some(card) = removed else {
        return Err(Exit::usage(format!("there is no card for {origin}: see stripe402 card list")));
    };
    if arguments.common.json {
        show::json(&json!({"origin": origin, "removed": card.as_str()}));
    } else {
        show::say(&format!("{origin} is not paid with {} any more.", card.as_str()));
    }
    Ok(0)
}

/// A stand-in knows test cards only, so there is no card data to keep from this program.
async fn at_stand_in(base: &Url, key: &str, number: &str) -> Result<PaymentMethodId, Exit> {
    let url = base.join("/v1/payment_methods").map_err(|error| Exit::usage(error.to_string()))?;
    let form = [
        ("type", "card"),
        ("card[number]", number),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "2040"),
        ("card[cvc]", if number.starts_with('3') { "1234" } else { "123" }),
    ];
    let client = reqwest::Client::builder().build().map_err(reqwest_middleware::Error::from)?;
    let answer = client.post(url).basic_auth(key, Some("")).form(&form).send().await;
    let answer = answer.map_err(reqwest_middleware::Error::from)?;
    let status = answer.status();
    let body: Value = answer.json().await.map_err(reqwest_middleware::Error::from)?;
    let id = body.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.ok_or_else(|| {
        let said = body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
        Exit::local(format!("the stand-in made no PaymentMethod ({status}): {said}"))
    })
}
