//! What operators are shown. The operator API answers these objects, `--json` of the commands prints
//! them, and the pages and tables are made of them. Amounts are units, times are Unix milliseconds.
//!
//! No client id, PaymentMethod or other credential is among them: clients go by their subjects.

mod actions;
mod audit;
mod checks;
mod clients;
mod health;
mod holds;
mod keys;
mod money;

pub use self::{
    actions::{Adjusted, RefundPlan, Refunded, RefundedPart, Rotated},
    audit::{Entries, Entry},
    checks::{Difference, Reconciled, Unexplained, Verified},
    clients::{Account, AccountDetails, Client, ClientDetails, Clients, Deduction, Grant},
    health::{Health, Part},
    holds::{Hold, Holds},
    keys::{AutoTopUp, Key, KeyState, Keys, MadeKey},
    money::{
        Movement, Movements, Revenue, RevenueLine, Stage, Statement, StatementLine, StatementOf,
        SumBy, TopUp, TopUps,
    },
};
