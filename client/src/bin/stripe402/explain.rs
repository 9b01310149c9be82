//! `stripe402 explain`.

use std::time::Duration;

use reqwest::{Client, Method, Response, Url};
use serde_json::{Value, json};
use stripe402_client::{Error, Policy, Terms, money, pricing_in_words};
use stripe402_protocol::{PAYMENT_REQUIRED, Payment, Receipt, decode};

use crate::{arguments::ExplainArgs, exit::Exit, network::NetworkArgs, prices::prices, show};

/// The longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn explain(arguments: ExplainArgs) -> Result<u8, Exit> {
    let ExplainArgs { what, request, json, network } = arguments;
    match what.parse::<Url>() {
        Ok(url) => explain_url(&network, url, request, json).await,
        Err(_) => explain_header(what.trim(), json),
    }
}

async fn explain_url(
    network: &NetworkArgs,
    url: Url,
    method: Method,
    as_json: bool,
) -> Result<u8, Exit> {
    let response = ask(network, url.clone(), method).await?;
    let status = response.status().as_u16();
    if status != 402 {
        // An MCP server sells its tools one by one, at one address.
        let tools = prices(&client(network)?, &url).await;
        if as_json {
            let mut said = json!({"url": url.as_str(), "status": status, "free": tools.is_empty()});
            if let (Some(said), false) = (said.as_object_mut(), tools.is_empty()) {
                said.insert("tools".to_owned(), json!(tools));
            }
            show::json(&said);
        } else if tools.is_empty() {
            show::say(&format!("{url} answers {status} without payment."));
        } else {
            show::say(&format!("{url} sells the tools of an MCP server:"));
            tools.iter().for_each(|(name, price)| show::row(name, price));
        }
        return Ok(0);
    }
    let terms = terms(&response)?;
    if as_json {
        show::json(&json!({"url": url.as_str(), "status": status, "free": false, "terms": terms}));
    } else {
        show_terms(&terms);
    }
    Ok(0)
}

/// As [`ask_within`], for half a minute.
pub(crate) async fn ask(network: &NetworkArgs, url: Url, method: Method) -> Result<Response, Exit> {
    ask_within(network, url, method, PATIENCE).await
}

/// One request without payment, for so long; where it redirects to is not followed.
pub(crate) async fn ask_within(
    network: &NetworkArgs,
    url: Url,
    method: Method,
    limit: Duration,
) -> Result<Response, Exit> {
    let answer = client(network)?.request(method, url).timeout(limit).send().await;
    answer.map_err(|error| reqwest_middleware::Error::from(error).into())
}

/// One request that shows who asks, by a header.
pub(crate) async fn ask_with(
    network: &NetworkArgs,
    url: Url,
    method: Method,
    (name, value): (&'static str, String),
) -> Result<Response, Exit> {
    let request = client(network)?.request(method, url).header(name, value);
    let answer = request.timeout(PATIENCE).send().await;
    answer.map_err(|error| reqwest_middleware::Error::from(error).into())
}

fn client(network: &NetworkArgs) -> Result<Client, Exit> {
    let client = network.builder()?.redirect(reqwest::redirect::Policy::none()).build();
    client.map_err(|error| Exit::local(error.to_string()))
}

pub(crate) fn terms(response: &Response) -> Result<Terms, Error> {
    let values = response.headers().get_all(PAYMENT_REQUIRED).iter();
    let values: Vec<_> = values.map(|value| value.to_str().unwrap_or("?")).collect();
    Terms::read(Some(&values.join(", ")))
}

fn show_terms(terms: &Terms) {
    let amount = |units| format!("{} ({units} units)", money(units, terms.currency));
    if let Some(description) = &terms.description {
        show::row("sold", description);
    }
    match &terms.pricing {
        Some(pricing) => {
            if !pricing.description.is_empty() {
                show::row("paid for", &pricing.description);
            }
            show::row("price", &pricing_in_words(pricing, terms.currency));
            show::row("held", &format!("{} until the answer has ended", amount(pricing.most)));
        }
        None => show::row("price", &format!("{} per request", amount(terms.price))),
    }
    show::row("card charge", &format!("{} at least, kept as credit", amount(terms.min_top_up)));
    let requests = terms.min_top_up.get().checked_div(terms.price.get()).unwrap_or_default();
    let this = if terms.pricing.is_some() { "the highest" } else { "this" };
    show::row("that is", &format!("{requests} requests at {this} price"));
    show::row("with Stripe key", &terms.publishable_key);
    let extensions = match (terms.knows_max_price, terms.knows_idempotency_key) {
        (true, true) => "takes no more than agreed; a repeated top-up is charged once",
        (true, false) => "takes no more than agreed",
        _ => "version 1 without extensions: asked for the price before each payment",
    };
    show::row("the server", extensions);
    if let Err(error) = terms.agreed(&Policy { currency: terms.currency, ..Policy::default() }) {
        show::row("note", &format!("{error}, unless you allow it with --max-price"));
    }
}

/// One of the three headers, told apart by what is in it.
fn explain_header(header: &str, as_json: bool) -> Result<u8, Exit> {
    let wrong = || Exit::usage("this is neither a URL nor a header of stripe402".to_owned());
    let json: Value = decode(header.as_bytes()).map_err(|_| wrong())?;
    if json.get("success").is_some() {
        let receipt: Receipt = decode(header.as_bytes()).map_err(|_| wrong())?;
        return Ok(explain_receipt(&receipt, as_json));
    }
    if json.get("accepts").is_some() || json.get("price").is_some() {
        let terms = Terms::read(Some(header))?;
        if as_json {
            show::json(&json!({"terms": terms}));
        } else {
            show_terms(&terms);
        }
        return Ok(0);
    }
    let payment = Payment::decode(header.as_bytes()).map_err(|_| wrong())?;
    if as_json {
        show::json(&json!({"payment": masked(&payment)}));
    } else if let Value::Object(fields) = masked(&payment) {
        for (name, value) in fields {
            show::row(&name, &value.to_string());
        }
    }
    Ok(0)
}

fn explain_receipt(receipt: &Receipt, as_json: bool) -> u8 {
    let client = short(&receipt.client_id);
    if as_json {
        let charge = &receipt.charge_id;
        let left = receipt.credits_remaining;
        show::json(&json!({"receipt": {
            "creditsRemaining": left, "chargeId": charge, "clientId": client, "hold": receipt.hold,
            "currency": receipt.currency,
        }}));
    } else {
        if let Some(hold) = &receipt.hold {
            let cost = hold.captured.map(|cost| format!("; cost {cost} units")).unwrap_or_default();
            show::row("held", &format!("{} units{cost}", hold.amount));
        }
        let units = receipt.credits_remaining;
        let left = receipt.currency.map(|currency| format!("{} ", money(units, currency)));
        show::row("left", &format!("{}({units} units)", left.unwrap_or_default()));
        show::row("card charged", receipt.charge_id.as_deref().unwrap_or("no"));
        show::row("client id", &client);
    }
    0
}

/// Without what could be spent.
fn masked(payment: &Payment) -> Value {
    let mask = |text: &Option<String>| text.as_deref().map(short);
    json!(Payment {
        client_id: mask(&payment.client_id),
        payment_method_id: mask(&payment.payment_method_id),
        ..payment.clone()
    })
}

/// The beginning of a credential.
fn short(text: &str) -> String {
    format!("{}…", text.chars().take(8).collect::<String>())
}
