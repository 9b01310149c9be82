//! What `make bench` compares with: an ext_authz service over the ledger's own code and store, asked
//! once for each request. `stripe402-bench-authz 127.0.0.1:PORT STORE`.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode},
};
use stripe402_bench::{Result, accounts, deduction};
use stripe402_ledger::{accounting::AccountKey, store::Store};
use stripe402_protocol::{
    Currency, Intent, Payment, Receipt,
    message::{self, Batch, DeductionOutcome},
};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: stripe402-bench-authz 127.0.0.1:PORT STORE";
    let address: SocketAddr = arguments.next().ok_or(usage)?.parse()?;
    let store = accounts::open(&arguments.next().ok_or(usage)?)?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, Router::new().fallback(check).with_state(store)).await?;
    Ok(())
}

async fn check(State(store): State<Arc<dyn Store>>, headers: HeaderMap) -> (StatusCode, HeaderMap) {
    let mut answer = HeaderMap::new();
    match receipt(store.as_ref(), &headers).await {
        Some(receipt) => {
            answer.insert("payment-response", receipt);
            (StatusCode::OK, answer)
        }
        None => (StatusCode::PAYMENT_REQUIRED, answer),
    }
}

async fn receipt(store: &dyn Store, headers: &HeaderMap) -> Option<HeaderValue> {
    let payment = Payment::decode(headers.get("payment")?.as_bytes()).ok()?;
    let Intent::Spend { client_id: Some(client), .. } = payment.intent() else { return None };
    let deduction = deduction(AccountKey { client, currency: Currency::USD }).ok()?;
    let batch = Batch {
        version: message::VERSION,
        deductions: vec![deduction],
        voids: Vec::new(),
        captures: vec![],
    };
    match store.batch(batch).await.ok()?.deductions.first()? {
        (_, DeductionOutcome::Deducted(left)) => {
            let receipt = Receipt {
                success: true,
                charge_id: None,
                credits_remaining: *left,
                client_id: client.to_hex(),
                currency: Some(Currency::USD),
                hold: None,
                auto_top_up: None,
            };
            HeaderValue::from_str(&stripe402_protocol::encode(&receipt)).ok()
        }
        _ => None,
    }
}
