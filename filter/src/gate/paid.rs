//! Why a request goes on, and what the API is told with it.

use stripe402_protocol::{ClientId, DeductionId, Units};

use crate::config::Identity;

/// Why a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It costs nothing.
    Free,
    /// It was paid for.
    Paid(Paid),
    /// The ledger gave no answer, and the operator allows that.
    Unpaid,
    /// It came without a payment, of which its address had one left.
    Anonymous,
}

/// Who paid for a request, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The client.
    pub client: ClientId,
    /// What it has left.
    pub left: Units,
    /// What the request costs, or the most that it can cost.
    pub price: Units,
    /// The deduction's id.
    pub deduction: DeductionId,
}

impl Passed {
    /// Shows each header that the API gets with the request. Without a copy: every paid request has four.
    pub fn tell(&self, names: &Identity, mut set: impl FnMut(&str, &str)) {
        match self {
            Self::Free => {}
            Self::Unpaid => set(&names.unpaid, "ledger_unavailable"),
            Self::Anonymous => set(&names.unpaid, "anonymous"),
            Self::Paid(Paid { client, left, price, deduction }) => {
                set(&names.client_id, client.digits(&mut [0; 64]));
                set(&names.credits_remaining, left.digits(&mut [0; 16]));
                set(&names.price, price.digits(&mut [0; 16]));
                set(&names.deduction_id, deduction.digits(&mut [0; 32]));
            }
        }
    }
}
