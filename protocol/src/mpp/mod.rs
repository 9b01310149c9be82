//! MPP: the HTTP authentication scheme `Payment`, method `stripe`, intent `charge`.
//!
//! A server asks for a top-up in `WWW-Authenticate: Payment …`; a client answers with a Shared Payment
//! Token of Stripe's. The server keeps nothing of a challenge: its id is a MAC of what it says.
//!
//! Sources: draft-ryan-httpauth-payment-00, draft-payment-intent-charge-00, draft-stripe-charge-00
//! (github.com/tempoxyz/mpp-specs). The parameter `header` is the SDKs' own.

mod challenge;
mod credential;
mod instant;
pub mod native;
mod receipt;
mod scheme;

pub use challenge::{Bound, Challenge, DESCRIPTION, opaque, request};
pub use credential::{Credential, Malformed};
pub use instant::instant;
pub use receipt::Receipt;
pub use scheme::{Scheme, scheme};

/// The request header in which a credential comes, unless a challenge names another.
pub const AUTHORIZATION: &str = "authorization";
/// The request header by which a client says that it speaks MPP.
pub const ACCEPT_PAYMENT: &str = "accept-payment";
/// The header of a 402 that carries the challenge.
pub const WWW_AUTHENTICATE: &str = "www-authenticate";
/// The header of a paid answer.
pub const PAYMENT_RECEIPT: &str = "payment-receipt";

/// The method of payment.
pub const METHOD: &str = "stripe";
/// What is asked for.
pub const INTENT: &str = "charge";

/// The longest credential that is read, in bytes of base64. The draft wants 4 KB at least.
pub const LONGEST_CREDENTIAL: usize = 8_192;
/// The shortest secret that ids may be made with, in bytes.
pub const SHORTEST_SECRET: usize = 32;
