//! Drives the running stand-in over HTTP.

#[cfg(test)]
mod async_stripe;
#[cfg(test)]
mod cards;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod idempotency;
#[cfg(test)]
mod inspection;
#[cfg(test)]
mod intents;
#[cfg(test)]
mod methods;
#[cfg(test)]
mod money;
#[cfg(test)]
mod persistence;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod three_d_secure;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod webhooks;
