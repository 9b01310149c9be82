//! The stripe402 wire, version 1: HTTP 402 as a payment negotiation over card rails.
//!
//! Everything both ends of a conversation must agree on, and nothing else: units and currencies,
//! identities, the three headers, the closed set of refusal codes, and the messages between
//! gateway and ledger. No I/O, no clock, no randomness; `no_std` with `alloc`.
#![no_std]

extern crate alloc;

mod challenge;
mod client_id;
mod currency;
mod deduction_id;
mod header;
pub mod hex;
pub mod message;
pub mod mpp;
mod payment;
mod pricing;
mod receipt;
mod refusal;
mod spender;
mod stripe_id;
mod units;

pub use challenge::{Anonymous, Challenge, Offer, Resource, Trial};
pub use client_id::{ClientId, ParseClientIdError};
pub use currency::{Currency, UnknownCurrency};
pub use deduction_id::{DeductionId, ParseDeductionIdError};
pub use header::{
    HeaderError, PAYMENT, PAYMENT_REQUIRED, PAYMENT_RESPONSE, decode, decode_bytes, encode,
    encode_bytes,
};
pub use payment::{Intent, Payment, PaymentError, is_idempotency_key};
pub use pricing::{Pricing, UnitPrice};
pub use receipt::{Receipt, ReceiptHold};
pub use refusal::{Code, Reason, Refusal};
pub use stripe_id::{
    GrantedTokenId, Instrument, ParseStripeIdError, PaymentIntentId, PaymentMethodId,
};
pub use units::{AmountOutOfRange, Units};

/// The only protocol version there is. A message without a version means this one.
pub const VERSION: u8 = 1;

/// The version of x402 whose clients are to understand that a challenge is not theirs.
pub const X402_VERSION: u8 = 2;

/// What this implementation knows beyond version 1; announced in every challenge.
pub const EXTENSIONS: [&str; 4] = ["maxPrice", "idempotencyKey", "paymentIntentId", "currency"];
