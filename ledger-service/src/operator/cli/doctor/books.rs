//! Whether books and key belong together: the latest charge in the books is one that the key knows.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{ask::Ask, check::Check};
use crate::{
    accounting::Kind,
    clock::{Clock, SystemClock},
    config::Config,
    operator::work::{Filter, Operations, OperatorError},
    store::{self, StoreError, StoreOptions, StoreUrl},
};

const BOOKS: &str = "books";
/// For one transaction on a store that is a server.
const PATIENCE: Duration = Duration::from_secs(10);

/// The PaymentIntent of the latest top-up; `None` if there is none yet.
pub(super) type Latest = Result<Option<String>, Unread>;

/// Why the books could not be read.
pub(super) enum Unread {
    /// Only one process can open a file.
    File(String),
    /// No ledger has served there.
    Absent,
    /// The store gives no answer, or is damaged.
    Store(String),
}

/// Reads the books, and makes none.
pub(super) async fn latest(config: &Config) -> Latest {
    let options = StoreOptions { timeout: PATIENCE, ..config.store_options() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let of_file = matches!(config.store, StoreUrl::File(_));
    let unread = |error: StoreError| match error {
        StoreError::Absent(_) => Unread::Absent,
        StoreError::Unavailable(why) if of_file => Unread::File(why),
        error => Unread::Store(error.to_string()),
    };
    let store = store::open_existing(&config.store, options, Arc::clone(&clock)).map_err(unread)?;
    let operations = Operations::new(store, None, clock);
    let charged = Filter { kinds: vec![Kind::TopUp], ..Filter::default() };
    let found = operations.movements(&charged, None, 1);
    match tokio::time::timeout(PATIENCE, found).await {
        Ok(Ok(found)) => {
            let latest = found.movements.into_iter().next();
            Ok(latest.map(|movement| movement.reference))
        }
        Ok(Err(OperatorError::Store(error))) => Err(unread(error)),
        Ok(Err(error)) => Err(Unread::Store(error.to_string())),
        Err(_elapsed) => Err(Unread::Store(format!("no answer in {} s", PATIENCE.as_secs()))),
    }
}

/// Asks Stripe for that charge, if it answers.
pub(super) async fn check(latest: Latest, ask: Option<&Ask>) -> Check {
    let intent = match latest {
        Ok(Some(intent)) => intent,
        Ok(None) => return Check::ok(BOOKS, "readable, and no card was charged yet"),
        Err(Unread::Absent) => {
            return Check::ok(BOOKS, "none yet: a ledger makes them at its first start");
        }
        Err(Unread::File(why)) => {
            let mend = "stop the ledger and run doctor again, or check a copy: --store file:COPY";
            return Check::warn(BOOKS, format!("not looked into: {why}"), mend);
        }
        Err(Unread::Store(why)) => {
            let mend =
                "see LEDGER_STORE: the address, the password, and whether this machine may connect";
            return Check::fail(BOOKS, format!("cannot be read: {why}"), mend);
        }
    };
    let Some(ask) = ask else {
        return Check::warn(
            BOOKS,
            "readable; Stripe could not be asked for their charges",
            "mend the key first",
        );
    };
    match ask.get(&format!("payment_intents/{intent}")).await {
        Ok(answer) if answer.status == 200 => {
            Check::ok(BOOKS, "readable, and their latest charge is of this key's account and mode")
        }
        Ok(answer) if answer.status == 404 => {
            let said = answer.body.pointer("/error/message").and_then(Value::as_str);
            let finding = format!(
                "the key does not know their latest charge: {}",
                said.unwrap_or("it is of another account or mode")
            );
            let mend = "never put a live key over test books, or the other way round: their balances were paid in \
                        another mode. Start a live ledger with an empty store";
            Check::fail(BOOKS, finding, mend)
        }
        Ok(answer) => {
            let finding =
                format!("readable; Stripe answers {} for their latest charge", answer.status);
            Check::warn(BOOKS, finding, "run doctor again")
        }
        Err(cause) => {
            let finding = format!("readable; Stripe does not show their latest charge: {cause}");
            Check::warn(BOOKS, finding, "run doctor again")
        }
    }
}
