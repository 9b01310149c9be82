//! Idempotency keys: a result is stored under its key, failures of Stripe's own too, for 24 hours.
//! Source: docs.stripe.com/api/idempotent_requests.

use std::collections::BTreeMap;

use stripe402_ledger::stripe::{Failure, Intent, Refund, Verification};

/// For so long a result is stored, in milliseconds.
const STORED_MS: u64 = 24 * 3_600_000;

/// What a key was used for.
#[derive(Debug, Default)]
pub struct Keys(BTreeMap<String, Used>);

#[derive(Debug)]
struct Used {
    parameters: String,
    began_ms: u64,
    result: Option<Result<Answer, Failure>>,
}

/// What a call that writes brought.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A customer's id.
    Customer(String),
    /// A PaymentIntent, as it was then.
    Intent(Intent),
    /// A refund, as it was then.
    Refund(Refund),
    /// A verification.
    Verification(Verification),
}

/// Whether a call may go on.
#[derive(Debug)]
pub enum Begun {
    /// It is the first with its key.
    First,
    /// The stored result, again.
    Again(Box<Result<Answer, Failure>>),
    /// Another call with this key is being carried out: 409.
    Busy,
    /// The key was used with other parameters: 400.
    Differs,
}

impl Keys {
    /// A call arrives.
    pub fn begin(&mut self, key: &str, parameters: &str, now_ms: u64) -> Begun {
        if let Some(used) = self.0.get(key)
            && now_ms < used.began_ms + STORED_MS
        {
            return match &used.result {
                _ if used.parameters != parameters => Begun::Differs,
                None => Begun::Busy,
                Some(result) => Begun::Again(Box::new(result.clone())),
            };
        }
        let parameters = parameters.to_owned();
        self.0.insert(key.to_owned(), Used { parameters, began_ms: now_ms, result: None });
        Begun::First
    }

    /// It ended like this.
    pub fn end(&mut self, key: &str, result: Result<Answer, Failure>) {
        if let Some(used) = self.0.get_mut(key) {
            used.result = Some(result);
        }
    }
}
