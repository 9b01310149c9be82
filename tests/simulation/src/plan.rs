//! What will happen in one world: drawn from a seed, and made smaller when it shows a fault.

mod acts;
mod fault;
mod faults;

pub use self::fault::{Call, Fault, Outage, When};
use self::{
    acts::{act, auto_key, burst, buy, card, rotate},
    faults::{fault, rotation, slow_then_broken},
};
use crate::dice::Dice;

/// Everything about one world that is decided before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Decides the rest: delays, ids, and who asks whom.
    pub seed: u64,
    /// Envoys.
    pub gateways: usize,
    /// Worker threads of each.
    pub workers: usize,
    /// Replicas of the ledger, on one store.
    pub ledgers: usize,
    /// What a request costs, in units; a block of credits is [`BLOCK`].
    pub price: u32,
    /// By how much each ledger's clock is off, in milliseconds.
    pub skews: Vec<i64>,
    /// Who pays.
    pub cards: Vec<Card>,
    /// What clients, operators, cardholders and strangers do.
    pub acts: Vec<Planned<Act>>,
    /// What goes wrong.
    pub faults: Vec<Planned<Fault>>,
}

/// The least top-up: one block of credits, in units.
pub const BLOCK: u32 = 50_000;

/// Something at its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned<T> {
    /// Milliseconds since the beginning.
    pub at_ms: u64,
    /// For so long, where it is not of a moment.
    pub lasts_ms: u64,
    /// What.
    pub what: T,
}

impl<T> Planned<T> {
    /// When it is over.
    pub const fn ends_ms(&self) -> u64 {
        self.at_ms.saturating_add(self.lasts_ms)
    }

    /// Whether it is going on.
    pub const fn covers(&self, now_ms: u64) -> bool {
        self.at_ms <= now_ms && now_ms < self.ends_ms()
    }
}

/// A card, and how its bank answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What the bank does.
    pub bank: Bank,
    /// Programs that pay with it, each with a PaymentMethod of its own.
    pub agents: usize,
}

/// What a bank does with a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bank {
    /// It pays.
    Pays,
    /// It declines so many charges, then pays.
    Declines(u32),
    /// It wants the cardholder to confirm.
    Asks,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// An agent wants so many calls at once.
    Ask {
        /// Of which card.
        card: usize,
        /// Which of its agents.
        agent: usize,
        /// How many.
        calls: usize,
        /// With a key of its own for the charge.
        named: bool,
        /// After how long it hangs up, if it does.
        patience_ms: Option<u64>,
    },
    /// A buyer's account pays with tokens, so many calls at once.
    Buy {
        /// Of which card.
        card: usize,
        /// How many.
        calls: usize,
        /// It knows the card's number and no more.
        thief: bool,
        /// After how long it hangs up, if it does.
        patience_ms: Option<u64>,
    },
    /// An agent makes so many calls one after the other, so many times at once.
    Burst {
        /// Of which card.
        card: usize,
        /// Which of its agents.
        agent: usize,
        /// How many at once.
        at_once: usize,
        /// How many one after the other.
        calls: usize,
    },
    /// An operator refunds, under a name; the same again after a while, perhaps at another ledger.
    Refund {
        /// Of which card's client.
        card: usize,
        /// In units; all that is available if not given.
        amount: Option<u32>,
        /// The same order again after so long.
        again_ms: Option<u64>,
        /// Whether the money fails to arrive.
        fails: bool,
    },
    /// An operator gives credit.
    Grant {
        /// To this card's client.
        card: usize,
        /// In units.
        amount: u32,
        /// When what is left of it expires, in milliseconds from then; never without.
        lasts_ms: Option<u64>,
        /// After how long the client wants all of its money back, if it does.
        refund_ms: Option<u64>,
    },
    /// A card's holder has its client id rotated.
    Rotate {
        /// Of this card's client.
        card: usize,
        /// The same again after so long, under the same name, perhaps at another ledger.
        again_ms: Option<u64>,
    },
    /// An owner makes a key, which somebody else spends with; it may be revoked meanwhile, and may top up by itself.
    Key {
        /// Of this card's client.
        card: usize,
        /// How many requests its budget is for.
        budget: u32,
        /// How many calls at once.
        calls: usize,
        /// After how long it is revoked, if it is.
        revoke_ms: Option<u64>,
        /// What it charges by itself, if it does.
        auto: Option<Auto>,
    },
    /// Somebody refunds in Stripe's dashboard.
    DashboardRefund {
        /// A charge of this card.
        card: usize,
        /// Whether the money fails to arrive.
        fails: bool,
    },
    /// The cardholder disputes a charge.
    Dispute {
        /// A charge of this card.
        card: usize,
        /// Whether it is won.
        won: bool,
        /// Another charge of theirs is disputed, too, and that dispute goes on.
        another: bool,
    },
    /// Another product on the same account takes a payment whose metadata is copied from ours; then
    /// it is refunded, or disputed.
    Stranger {
        /// From which card's charge.
        card: usize,
        /// Disputed; else refunded.
        disputed: bool,
    },
    /// Somebody clears the metadata of this card's charges.
    ClearMetadata {
        /// Of this card.
        card: usize,
    },
    /// An operator compares with Stripe, and repairs.
    Reconcile,
}

/// What a key charges by itself, in units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auto {
    /// At once.
    pub amount: u32,
    /// So many times a month.
    pub times: u32,
    /// When the balance is below what it is at first, and so much more.
    pub above: u32,
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

impl Plan {
    /// Whether prices are known only afterwards: in every third world.
    #[must_use]
    pub const fn is_metered(&self) -> bool {
        self.seed % 3 == 1
    }

    /// Whether busy clients are paid for from leases: in every sixth.
    #[must_use]
    pub const fn is_leased(&self) -> bool {
        self.seed % 6 == 5
    }

    /// Whether some pay with Shared Payment Tokens, and somebody with tokens of another's card: in every
    /// fourth.
    #[must_use]
    pub const fn has_tokens(&self) -> bool {
        self.seed % 4 == 2
    }

    /// Whether new cards get trial credit, for three requests: in every fifth.
    #[must_use]
    pub const fn has_trials(&self) -> bool {
        self.seed % 5 == 3
    }

    /// Whether somebody who knows this card's number has tokens made of it.
    #[must_use]
    pub fn is_tried(&self, card: usize) -> bool {
        let thief = |what| matches!(what, Act::Buy { card: of, thief: true, .. } if of == card);
        self.acts.iter().any(|act| thief(act.what))
    }

    /// What this seed decides.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let dice = Dice::new(seed, "plan");
        let gateways = 1 + dice.place(2);
        let workers = 1 + dice.place(2);
        let ledgers = 1 + dice.place(3);
        let price = *dice.pick(&[100, 100, 20_000]);
        // A block pays for two hundred: a lease has fifty at the least, and the last credit is reached.
        let leased = seed % 6 == 5;
        let price = if leased { 250 } else { price };
        let skew = |_| match dice.below(6) {
            0 => i64::try_from(dice.between(0, 40_000)).unwrap_or(0) - 20_000,
            _ => 0,
        };
        let skews = (0..ledgers).map(skew).collect();
        let cards: Vec<_> = (0..1 + dice.place(3)).map(|_| card(&dice)).collect();
        // Most worlds last for a minute or two; some for a day.
        let horizon = if dice.chance(60) { dice.span(MINUTE, 30 * HOUR) } else { 90 * SECOND };
        let mut acts: Vec<_> =
            (0..2 + dice.below(8)).map(|_| act(&dice, &cards, horizon)).collect();
        let first = Act::Ask { card: 0, agent: 0, calls: 1, named: false, patience_ms: None };
        acts.push(Planned { at_ms: dice.below(500), lasts_ms: 0, what: first });
        if leased {
            let bursts = 1 + dice.below(4);
            acts.extend((0..bursts).map(|_| burst(&dice, &cards)));
        }
        if seed % 4 == 2 {
            let buys = 2 + dice.below(6);
            acts.extend((0..buys).map(|_| buy(&dice, &cards)));
        }
        if seed % 4 == 3 {
            let keys = 1 + dice.below(3);
            acts.extend((0..keys).map(|_| auto_key(&dice, &cards)));
        }
        acts.sort_by_key(|act| act.at_ms);
        let shape = (gateways, workers, ledgers);
        let mut faults: Vec<_> = (0..dice.below(5)).map(|_| fault(&dice, shape, horizon)).collect();
        if dice.chance(60) {
            faults.extend(slow_then_broken(&dice));
            // A charge that comes when it was given up long ago is known by its metadata alone: without
            // them nobody can tell it from another product's.
            if faults.iter().any(|of| of.what == Fault::Stripe(Outage::HangsForLong)) {
                faults.retain(|of| of.what != Fault::Stripped);
            }
        }
        if dice.chance(60) {
            faults.push(rotation(&dice));
            let agent = cards[0].agents - 1;
            let ask = Act::Ask { card: 0, agent, calls: 1, named: false, patience_ms: None };
            acts.push(Planned { at_ms: dice.below(3_000), lasts_ms: 0, what: ask });
            acts.sort_by_key(|act| act.at_ms);
        }
        if leased {
            // Whose requests these are is told by the account: one for each card.
            faults.retain(|fault| fault.what != Fault::Rotation);
        }
        if seed % 4 == 3 {
            acts.extend((0..1 + dice.below(3)).map(|_| rotate(&dice, &cards)));
            acts.sort_by_key(|act| act.at_ms);
        }
        faults.sort_by_key(|fault| fault.at_ms);
        Self { seed, gateways, workers, ledgers, price, skews, cards, acts, faults }
    }

    /// When everything that was planned is over.
    #[must_use]
    pub fn ends_ms(&self) -> u64 {
        let faults = self.faults.iter().map(Planned::ends_ms);
        let acts = self.acts.iter().map(|act| {
            let again = match act.what {
                Act::Refund { again_ms: Some(again), .. }
                | Act::Rotate { again_ms: Some(again), .. } => again,
                _ => 0,
            };
            act.ends_ms().saturating_add(again)
        });
        faults.chain(acts).max().unwrap_or(0)
    }
}
