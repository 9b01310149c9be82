//! The API's objects: what is kept of each, and its JSON.
//!
//! The JSON has every field of API version 2026-09-30.endive, null where unset
//! (docs.stripe.com/api, each object's page). Fields without a page of their own here are not modelled.

pub(crate) mod billing;
pub(crate) mod charge;
pub(crate) mod customer;
pub(crate) mod dispute;
pub(crate) mod event;
pub(crate) mod payment_intent;
pub(crate) mod payment_method;
pub(crate) mod refund;
pub(crate) mod setup_intent;
