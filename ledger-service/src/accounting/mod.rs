//! The accounting: what a deduction, a void or a top-up does to the books.
//!
//! Pure functions over a [`Book`], which a store opens for the length of one transaction. They
//! know no clock, no I/O and no randomness; every store gives the same answers because every
//! store runs, or is tested against, these.

mod account;
mod audit;
mod book;
mod deduction;
mod grant;
mod hold;
mod key;
mod limit;
mod memory;
mod movement;
mod rotation;
mod shown_card;
mod tally;
mod top_up;
mod uncharged;
mod window;

pub use account::{Account, AccountKey, TooLarge};
pub use audit::{AuditEntry, AuditKey, Order, OrderKind, Outcome, ParseAuditKeyError};
pub use book::{Book, DeductionRecord, OpenHold};
pub use deduction::{apply_batch, apply_batch_by, apply_deduction, apply_void, recall_leases};
pub use grant::{
    Balance, Expired, Grants, LOOK_AGAIN_MS, Lot, MOST_GRANTS, SPENT_KEPT_MS, balance,
    expire_due_grants, expire_grants, expiry_names,
};
pub use hold::{Settled, apply_capture, settle_ended};
pub use key::{
    AutoTopUp, Budget, Key, KeyHash, MOST_OPEN, Off, OpenUse, Spell, apply_by_key, change_key,
    has_taken_effect, is_lease, refused, standing,
};
pub use limit::Limit;
pub use memory::Memory;
pub use movement::{
    Kind, Movement, PostRefusal, Posted, Posting, post, post_expiring, post_together, post_up_to,
};
pub use rotation::{Rotation, Spender};
pub use shown_card::{ParseShownCardError, ShownCard};
pub use tally::{HOUR_MS, TallyKey};
pub use top_up::{
    Advance, Claim, KEY_LIFE_MS, NewTopUp, Opened, State, TopUp, TopUpId, advance, credit_posting,
    open,
};
pub use uncharged::{UNCHARGED_KEPT, name_of_buyer, name_of_customer};
pub use window::Window;
