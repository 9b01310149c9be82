//! The edges of the network: listeners with their limits, TLS, tokens, and answers that are errors.

mod activity;
pub(crate) mod error;
pub(crate) mod listener;
pub(crate) mod receive;
pub mod tls;
pub(crate) mod token;

pub use self::{
    listener::{ListenerLimits, serve},
    token::{Token, Tokens},
};
