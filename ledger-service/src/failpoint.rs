//! Places where a test can let the ledger die, as `kill -9` would.
//!
//! `LEDGER_FAILPOINT=<name>` in the environment of a debug build; a release build knows nothing of
//! it. Random kills alone hit the moment between Stripe's answer and the credit about once in a
//! thousand. A cargo feature would need a second build of the ledger for the tests.

/// Dies here if the environment says so.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::failpoint::reached($name);
    };
}

/// Ends the process at once if it is to die at this place.
#[cfg(debug_assertions)]
pub fn reached(name: &str) {
    if std::env::var("LEDGER_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        std::process::abort();
    }
}
