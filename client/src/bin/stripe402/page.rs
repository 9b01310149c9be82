//! The local page with Stripe's own script: where a card is entered, which tells us an id, or a charge is
//! confirmed (3D Secure).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use reqwest::Url;
use serde_json::{Value, json};
use stripe402_protocol::{PaymentMethodId, hex};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{exit::Exit, show};

/// Stripe's API, and its script for browsers (docs.stripe.com/js).
const STRIPE_API: &str = "api.stripe.com";
const STRIPE_JS: &str = "https://js.stripe.com/v3/";
/// Another connection to the page, which says nothing, is not waited for.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// What the page says when the cardholder has confirmed.
const CONFIRMED: &str = "confirmed";

#[derive(Clone)]
struct Page {
    html: Arc<str>,
    policy: Arc<str>,
    accepts: fn(&str) -> bool,
    /// Whoever waits for what the page says; gone with the first.
    waits: Arc<Mutex<Option<oneshot::Sender<String>>>>,
}

/// A page, and what it is for.
struct Form<'a> {
    html: &'static str,
    /// What its script is given.
    given: Value,
    script: &'a str,
    accepts: fn(&str) -> bool,
    /// What to do there.
    ask: &'static str,
    as_json: bool,
}

/// Shows a page until a card was entered.
pub(crate) async fn enter(origin: &str, key: &str, as_json: bool) -> Result<PaymentMethodId, Exit> {
    let form = Form {
        html: include_str!("page.html"),
        given: json!({"origin": origin, "key": key}),
        script: STRIPE_JS,
        accepts: |said| said.parse::<PaymentMethodId>().is_ok(),
        ask: "Open this page and enter the card:",
        as_json,
    };
    let said = serve(form).await?;
    said.parse().map_err(|_| Exit::local("the page told no PaymentMethod".to_owned()))
}

/// Shows a page until the cardholder has confirmed a charge there.
pub(crate) async fn confirm(
    api_base: &Url,
    origin: &str,
    amount: &str,
    secret: &str,
    key: &str,
    as_json: bool,
) -> Result<(), Exit> {
    let script = if is_stripe(api_base) {
        STRIPE_JS.to_owned()
    } else {
        let script = api_base.join("/v3/");
        script.map_err(|error| Exit::usage(error.to_string()))?.to_string()
    };
    let form = Form {
        html: include_str!("confirm.html"),
        given: json!({"origin": origin, "amount": amount, "secret": secret, "key": key}),
        script: &script,
        accepts: |said| said == CONFIRMED,
        ask: "Open this page and confirm the charge:",
        as_json,
    };
    serve(form).await.map(drop)
}

/// Whether this is Stripe itself, and no stand-in.
pub(crate) fn is_stripe(api_base: &Url) -> bool {
    api_base.host_str() == Some(STRIPE_API)
}

/// Nothing but the script, and what that needs; nobody else may frame it.
fn policy(script: &str) -> String {
    let from = script.parse::<Url>().map(|url| url.origin().ascii_serialization());
    let from = from.unwrap_or_default();
    format!(
        "default-src 'none'; script-src 'unsafe-inline' {from}; style-src 'unsafe-inline'; \
         frame-src {from} https://hooks.stripe.com; connect-src 'self' {from} https://{STRIPE_API}; \
         frame-ancestors 'none'; form-action 'none'"
    )
}

async fn serve(form: Form<'_>) -> Result<String, Exit> {
    let local = |error: std::io::Error| Exit::local(error.to_string());
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Exit::local(error.to_string()))?;
    // Other pages in the same browser cannot guess where it is.
    let secret = hex::to_string(&random);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(local)?;
    let address = listener.local_addr().map_err(local)?;
    let url = format!("http://{address}/{secret}");

    let (sender, heard) = oneshot::channel();
    // No `<` in what stands in a script.
    let given = form.given.to_string().replace('<', "\\u003c");
    let page = Page {
        html: form.html.replace("GIVEN", &given).replace("STRIPE_JS", form.script).into(),
        policy: policy(form.script).into(),
        accepts: form.accepts,
        waits: Arc::new(Mutex::new(Some(sender))),
    };
    let path = format!("/{secret}");
    let service = Router::new().route(&path, get(show_page).post(take)).with_state(page);
    if form.as_json {
        show::json(&json!({"open": url}));
    } else {
        show::aside(&format!("{}  {url}", form.ask));
    }
    show::flush();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        let _stopped = stopped.await;
    });
    let server = tokio::spawn(server.into_future());
    let said = heard.await.map_err(|_| Exit::local("the page was closed".to_owned()))?;
    // The browser is told that it worked before the page goes.
    let _ends = stop.send(());
    let _ended = tokio::time::timeout(ENDS_WITHIN, server).await;
    Ok(said)
}

async fn show_page(State(page): State<Page>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, page.policy.to_string()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, page.html.to_string())
}

async fn take(State(page): State<Page>, body: String) -> StatusCode {
    let said = body.trim().to_owned();
    if !(page.accepts)(&said) {
        return StatusCode::BAD_REQUEST;
    }
    let waits = page.waits.lock().unwrap_or_else(PoisonError::into_inner).take();
    match waits.map(|waits| waits.send(said)) {
        Some(Ok(())) => StatusCode::NO_CONTENT,
        _ => StatusCode::GONE,
    }
}
