//! `stripe402 card add`.

use reqwest::{Method, Url};
use serde_json::{Value, json};
use stripe402_client::storage::Storage as _;
use stripe402_protocol::PaymentMethodId;

use crate::{arguments::CardArgs, exit::Exit, explain, page, show};

pub(crate) async fn add(arguments: CardArgs) -> Result<u8, Exit> {
    let CardArgs { url, stripe_api_base, test_number, common } = arguments;
    let origin = url.origin().ascii_serialization();
    let response = explain::ask(url.clone(), Method::GET).await?;
    if response.status().as_u16() != 402 {
        let text = format!("{url} does not ask for payment: name one that does");
        return Err(Exit::usage(text));
    }
    let key = explain::terms(&response)?.publishable_key;
    if key.is_empty() {
        let text = format!("{origin} names no publishable key to make a PaymentMethod with");
        return Err(Exit::local(text));
    }
    let card = if stripe_api_base.host_str() == Some("api.stripe.com") {
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
