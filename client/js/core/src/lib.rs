//! The rules of paying for JavaScript, by way of JSON.

use std::sync::Arc;

use stripe402_client::{Hold, Policy, Purse, json};
use wasm_bindgen::prelude::*;

/// A policy, and what is remembered.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Core {
    policy: Arc<Policy>,
    purse: Purse,
}

/// One request.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Call {
    call: stripe402_client::Call,
}

#[wasm_bindgen]
impl Core {
    /// With this policy and an empty purse.
    ///
    /// # Errors
    /// In words, if the policy has an unknown field, a wrong type or lacks a limit.
    #[wasm_bindgen(constructor)]
    pub fn new(policy: &str) -> Result<Core, String> {
        Ok(Self { policy: Arc::new(json::policy(policy)?), purse: Purse::default() })
    }

    /// Remembers this instead.
    ///
    /// # Errors
    /// In words, if it is no purse.
    pub fn load(&mut self, purse: &str) -> Result<(), String> {
        self.purse = json::object(purse)?;
        Ok(())
    }

    /// What is remembered.
    #[must_use]
    pub fn dump(&self) -> String {
        serde_json::json!(self.purse).to_string()
    }

    /// What cards were charged, and may have been, in total, in units of the policy's currency. `now` is in
    /// Unix seconds.
    #[must_use]
    pub fn spent(&self, now: f64) -> String {
        self.purse.spent(self.policy.currency, whole(now)).to_string()
    }

    /// Begins a call.
    ///
    /// # Errors
    /// In words, if the request's facts are incomplete.
    pub fn call(&self, request: &str) -> Result<Call, String> {
        let request = json::object(request)?;
        Ok(Call { call: stripe402_client::Call::new(Arc::clone(&self.policy), request) })
    }

    /// Tells a call what happened, and returns what to do next; `now` is in Unix seconds.
    ///
    /// # Errors
    /// In words, if the event cannot be read.
    pub fn step(&mut self, call: &mut Call, event: &str, now: f64) -> Result<String, String> {
        let event = json::event(event)?;
        let before = self.purse.clone();
        let step = call.call.step(&mut self.purse, event, whole(now));
        Ok(json::step(step, self.purse != before))
    }

    /// Reads what the receipts address of a hold answered (`{status, body}`, or `null` for no
    /// answer), `waited` milliseconds after it was asked first.
    ///
    /// # Errors
    /// In words, if the hold or the answer cannot be read.
    pub fn settle(&mut self, hold: &str, told: &str, waited: f64) -> Result<String, String> {
        let hold: Hold = json::object(hold)?;
        let told = json::told(told)?;
        let (before, waited) = (self.purse.clone(), whole(waited));
        let told = told.as_ref().map(|(status, body)| (*status, body.as_str()));
        let heard = hold.heard(&mut self.purse, told, waited);
        Ok(json::settling(heard, self.purse != before))
    }
}

/// A number of JavaScript's. Seconds since 1970 are whole in a double for the next 200 million years.
#[expect(clippy::as_conversions, reason = "saturates, and NaN is 0")]
const fn whole(number: f64) -> u64 {
    number as u64
}

/// Reads a challenge: `{terms}` or `{error}`.
#[wasm_bindgen]
#[must_use]
pub fn explain(header: &str) -> String {
    json::explain(header)
}
