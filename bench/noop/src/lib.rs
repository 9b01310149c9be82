//! A filter that does nothing. Envoy makes a context for each request and enters the module at each
//! step of it, as with the real filter; every answer is to go on.
#![cfg(target_arch = "wasm32")]

mod nothing;
