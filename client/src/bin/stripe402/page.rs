//! The local page on which a card is entered: Stripe's own form, which tells us an id.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;
use stripe402_protocol::{PaymentMethodId, hex};
use tokio::{net::TcpListener, sync::oneshot};

use crate::{exit::Exit, show};

const PAGE: &str = include_str!("page.html");
/// Nothing but Stripe's script, and what that needs; nobody else may frame it.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' https://js.stripe.com; \
    style-src 'unsafe-inline'; frame-src https://js.stripe.com https://hooks.stripe.com; \
    connect-src 'self' https://api.stripe.com; frame-ancestors 'none'; form-action 'none'";

#[derive(Clone)]
struct Page {
    html: Arc<str>,
    /// Whoever waits for the card; gone with the first.
    waits: Arc<Mutex<Option<oneshot::Sender<PaymentMethodId>>>>,
}

/// Shows the page until a card was entered.
pub(crate) async fn enter(origin: &str, key: &str, as_json: bool) -> Result<PaymentMethodId, Exit> {
    let local = |error: std::io::Error| Exit::local(error.to_string());
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|error| Exit::local(error.to_string()))?;
    // Other pages in the same browser cannot guess where it is.
    let secret = hex::to_string(&random);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(local)?;
    let address = listener.local_addr().map_err(local)?;
    let url = format!("http://{address}/{secret}");

    let (sender, entered) = oneshot::channel();
    // No `<` in what stands in a script.
    let given = json!({"origin": origin, "key": key}).to_string().replace('<', "\\u003c");
    let page = Page {
        html: PAGE.replace("GIVEN", &given).into(),
        waits: Arc::new(Mutex::new(Some(sender))),
    };
    let path = format!("/{secret}");
    let service = Router::new().route(&path, get(show_page).post(take)).with_state(page);
    if as_json {
        show::json(&json!({"open": url}));
    } else {
        show::say(&format!("Open this page and enter the card:  {url}"));
    }
    show::flush();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, service).with_graceful_shutdown(async {
        let _stopped = stopped.await;
    });
    let server = tokio::spawn(server.into_future());
    let card = entered.await.map_err(|_| Exit::local("the page was closed".to_owned()))?;
    // The browser is told that it worked before the page goes.
    let _ends = stop.send(());
    let _ended = server.await;
    Ok(card)
}

async fn show_page(State(page): State<Page>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, page.html.to_string())
}

async fn take(State(page): State<Page>, body: String) -> StatusCode {
    let Ok(card) = body.trim().parse() else { return StatusCode::BAD_REQUEST };
    let waits = page.waits.lock().unwrap_or_else(PoisonError::into_inner).take();
    match waits.map(|waits| waits.send(card)) {
        Some(Ok(())) => StatusCode::NO_CONTENT,
        _ => StatusCode::GONE,
    }
}
