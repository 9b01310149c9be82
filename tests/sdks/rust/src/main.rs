//! Pays with the unmodified mpp: pay URL TOKENS PAYMENT_METHOD TIMES [AT_ONCE]. One line of JSON a call.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use futures_util::future::join_all;
use mpp::{
    MppError,
    client::{
        Fetch as _,
        stripe::{CreateTokenParams, StripeProvider},
    },
    protocol::{core::parse_receipt, methods::stripe::CreateTokenResult},
};
use serde_json::{Value, json};

async fn token(
    tokens: String,
    method: String,
    wanted: CreateTokenParams,
) -> Result<String, reqwest::Error> {
    let form = [
        ("payment_method", method),
        ("usage_limits[currency]", wanted.currency),
        ("usage_limits[max_amount]", wanted.amount),
        ("usage_limits[expires_at]", wanted.expires_at.to_string()),
        ("seller_details[network_id]", wanted.network_id),
    ];
    let call = reqwest::Client::new().post(tokens).bearer_auth("sk_test_rust").form(&form);
    let made = call.header("stripe-version", "2026-04-22.preview").send().await?;
    let made: Value = made.json().await?;
    Ok(made["id"].as_str().unwrap_or_default().to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, tokens, method, times, at_once @ ..] = arguments.as_slice() else {
        panic!("pay URL TOKENS PAYMENT_METHOD TIMES [AT_ONCE]");
    };
    let at_once = at_once.first().map_or(1, |at_once| at_once.parse().unwrap());
    let made = Arc::new(AtomicU32::new(0));
    let provider = {
        let (tokens, method, made) = (tokens.clone(), method.clone(), Arc::clone(&made));
        StripeProvider::new(move |wanted| {
            made.fetch_add(1, Ordering::Relaxed);
            let token = token(tokens.clone(), method.clone(), wanted);
            Box::pin(async move {
                let spt = token.await.map_err(|error| MppError::Http(error.to_string()))?;
                Ok(CreateTokenResult { spt, external_id: None })
            })
        })
    };
    let client = reqwest::Client::new();
    let call = async || {
        let request = client.get(url).header("accept-payment", "stripe/charge");
        let answer = request.send_with_payment(&provider).await.unwrap();
        let status = answer.status().as_u16();
        let receipt = answer
            .headers()
            .get("payment-receipt")
            .map(|receipt| parse_receipt(receipt.to_str().unwrap()).unwrap());
        let body: Value = answer.json().await.unwrap();
        let made = made.load(Ordering::Relaxed);
        println!("{}", json!({"status": status, "made": made, "receipt": receipt, "body": body}));
    };
    for _ in 0..times.parse().unwrap() {
        join_all((0..at_once).map(|_| call())).await;
    }
}
