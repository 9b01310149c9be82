//! A policy, one call, and the right to pay.

use std::{path::PathBuf, sync::Arc, time::UNIX_EPOCH};

use pyo3::{create_exception, exceptions::PyException, exceptions::PyValueError, prelude::*};
use stripe402_client::{
    Hold, Policy, Purse, json,
    storage::{File, Memory, Storage, StorageError},
};

create_exception!(
    stripe402,
    CredentialsError,
    PyException,
    "Credentials cannot be read or written. Nothing was sent to be paid for: retry when the storage is mended."
);

/// A policy, and a place where credentials and budgets are kept.
#[pyclass(frozen, module = "stripe402._native")]
pub(crate) struct Core {
    policy: Arc<Policy>,
    storage: Arc<dyn Storage>,
}

/// One request.
#[pyclass(module = "stripe402._native")]
pub(crate) struct Call {
    call: stripe402_client::Call,
}

/// The right to pay at an origin, until it is released or forgotten.
#[pyclass(module = "stripe402._native")]
pub(crate) struct Turn {
    held: Option<stripe402_client::storage::Turn>,
}

#[pymethods]
impl Core {
    /// With this policy (JSON). Remembers in the file at `path`, or as long as the program runs.
    #[new]
    #[pyo3(signature = (policy, path=None))]
    fn new(policy: &str, path: Option<PathBuf>) -> PyResult<Self> {
        let storage: Arc<dyn Storage> = match path {
            Some(path) => Arc::new(File::new(path)),
            None => Arc::new(Memory::default()),
        };
        Ok(Self { policy: Arc::new(json::policy(policy).map_err(wrong)?), storage })
    }

    /// Begins a call, of a request with these facts (JSON).
    fn call(&self, request: &str) -> PyResult<Call> {
        let request = json::object(request).map_err(wrong)?;
        Ok(Call { call: stripe402_client::Call::new(Arc::clone(&self.policy), request) })
    }

    /// Tells a call what happened (JSON), and returns what to do next (JSON). What the rules remember is
    /// kept before this returns.
    fn step(&self, py: Python<'_>, call: &mut Call, event: &str) -> PyResult<String> {
        let mut event = Some(json::event(event).map_err(wrong)?);
        let call = &mut call.call;
        let step = py.detach(|| {
            let mut next = None;
            self.storage.change(&mut |purse| {
                next = event.take().map(|event| call.step(purse, event, now()));
            })?;
            Ok(next)
        });
        let step =
            step.map_err(failed)?.ok_or_else(|| wrong("the storage made no change".to_owned()))?;
        Ok(json::step(step, false))
    }

    /// Reads what the receipts address of a hold (JSON) answered (`{status, body}`, or `null`), `waited`
    /// milliseconds after it was asked first. What is learnt is kept before this returns.
    fn settle(&self, py: Python<'_>, hold: &str, told: &str, waited: u64) -> PyResult<String> {
        let hold: Hold = json::object(hold).map_err(wrong)?;
        let told = json::told(told).map_err(wrong)?;
        let told = told.as_ref().map(|(status, body)| (*status, body.as_str()));
        let heard = py.detach(|| {
            let mut heard = None;
            self.storage.change(&mut |purse| heard = Some(hold.heard(purse, told, waited)))?;
            Ok(heard)
        });
        let heard =
            heard.map_err(failed)?.ok_or_else(|| wrong("the storage made no change".to_owned()))?;
        Ok(json::settling(heard, false))
    }

    /// Takes the right to pay at an origin among all that share the storage; `None` while another has it.
    fn try_turn(&self, py: Python<'_>, origin: &str) -> PyResult<Option<Turn>> {
        let held = py.detach(|| self.storage.try_turn(origin)).map_err(failed)?;
        Ok(held.map(|held| Turn { held: Some(held) }))
    }

    /// What is remembered (JSON). It holds bearer credentials.
    fn purse(&self, py: Python<'_>) -> PyResult<String> {
        Ok(serde_json::json!(self.remembered(py)?).to_string())
    }

    /// What cards were charged, and may have been, in units of the policy's currency.
    fn spent(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.remembered(py)?.spent(self.policy.currency, now()).get().unsigned_abs())
    }
}

impl Core {
    fn remembered(&self, py: Python<'_>) -> PyResult<Purse> {
        let mut found = Purse::default();
        py.detach(|| self.storage.change(&mut |purse| found.clone_from(purse))).map_err(failed)?;
        Ok(found)
    }
}

#[pymethods]
impl Turn {
    /// Gives it back; a second time does nothing.
    fn release(&mut self) {
        self.held = None;
    }
}

fn now() -> u64 {
    UNIX_EPOCH.elapsed().map(|age| age.as_secs()).unwrap_or_default()
}

fn wrong(text: String) -> PyErr {
    PyValueError::new_err(text)
}

/// With its cause: Python shows one text.
fn failed(error: StorageError) -> PyErr {
    CredentialsError::new_err(format!("{error}: {}", error.cause))
}
