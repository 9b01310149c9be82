//! Whether an account holds what its movements, deductions and open holds come to.

use super::{Store, StoreError, Tally};
use crate::accounting::{
    Account, AccountKey, HOUR_MS, Key, Kind, Lot, Movement, OpenHold, Posting, Rotation,
    SPENT_KEPT_MS,
};

/// How often an account is looked at before it counts as different.
const LOOKS: usize = 5;

/// Two sums of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sums {
    /// Available and pending, less debt.
    pub(crate) net: i64,
    /// Held.
    pub(crate) pending: i64,
    /// Out on leases.
    pub(crate) leased: i64,
    /// How many of these there are.
    pub(crate) leases: u8,
}

/// An account whose records do not explain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What its records come to.
    pub(crate) explained: Sums,
    /// What it holds.
    pub(crate) held: Sums,
}

/// What an account's records come to and what it holds, if that differs.
///
/// The store is being used meanwhile, and its records are read one after the other: what looks wrong is looked
/// at again, unless nothing came or went between two readings.
///
/// # Errors
/// The store's; [`StoreError::Damaged`] if the records cannot be added up, or do not agree.
pub(crate) async fn difference(
    store: &dyn Store,
    key: AccountKey,
) -> Result<Option<Difference>, StoreError> {
    let mut records = Records::read(store, key).await?;
    for _ in 1..LOOKS {
        if matches!(records.judged(), Ok(None)) {
            break;
        }
        let again = Records::read(store, key).await?;
        if again == records {
            break;
        }
        records = again;
    }
    records.judged()
}

/// All that the books have of an account.
#[derive(PartialEq)]
struct Records {
    key: AccountKey,
    /// Before the others were read.
    account: Account,
    /// After them.
    account_after: Account,
    /// Of all accounts of the client.
    rotations: Vec<Rotation>,
    lots: Vec<Lot>,
    movements: Vec<Movement>,
    tallies: Vec<Tally>,
    /// Of the account.
    open: Vec<OpenHold>,
    /// Of the client.
    keys: Vec<Key>,
}

impl Records {
    async fn read(store: &dyn Store, key: AccountKey) -> Result<Self, StoreError> {
        let account = store.account(key).await?;
        let mut rotations = vec![account.rotation];
        for other in store.accounts(Some(key.client), None, usize::MAX).await? {
            if other != key {
                rotations.push(store.account(other).await?.rotation);
            }
        }
        let open = store.open_holds(Some(key.client), usize::MAX).await?.into_iter();
        Ok(Self {
            key,
            account,
            rotations,
            lots: store.balance(key).await?.grants.lots().to_vec(),
            movements: store.movements(key).await?,
            tallies: store.tallies(key).await?,
            open: open.map(|(_, hold)| hold).filter(|hold| hold.account == key).collect(),
            keys: store.keys_of(key.client).await?.into_iter().map(|(_, of)| of).collect(),
            account_after: store.account(key).await?,
        })
    }

    /// What they come to, if that is not what the account holds.
    fn judged(&self) -> Result<Option<Difference>, StoreError> {
        let of = |what: &str| StoreError::Damaged(what.replace("{}", &self.key.client.subject()));
        if !self.grants_are_explained() {
            return Err(of("a grant of client {} that its movements do not explain"));
        }
        if self.grants_are_lost() {
            return Err(of("a grant of client {} of which more is missing than was spent"));
        }
        if !self.keys_are_explained() {
            return Err(of("keys of client {} have spent more than was deducted"));
        }
        if !self.rotation_is_one() {
            return Err(of("the rotation of client {}, whose accounts and ids do not agree"));
        }
        let explained = self.explained();
        let explained =
            explained.ok_or_else(|| of("records of client {} that cannot be added up"))?;
        let held = sums_of(self.account);
        let is_explained = explained == held && self.account_after == self.account;
        Ok((!is_explained).then_some(Difference { explained, held }))
    }

    fn movement(&self, kind: Kind, reference: &str) -> Option<&Posting> {
        let mut all = self.movements.iter().map(|of| &of.posting);
        all.find(|of| of.kind == kind && of.reference == reference)
    }

    /// What is left of a grant was granted, and has not expired.
    fn grants_are_explained(&self) -> bool {
        self.lots.iter().all(|Lot { reference, granted, left, .. }| {
            let made = self.movement(Kind::Grant, reference).map(|made| made.amount);
            let expired = self.movement(Kind::GrantExpired, reference);
            *granted <= made.unwrap_or_default() && left <= granted && expired.is_none()
        })
    }

    /// What was granted is left, has expired or was spent: since each grant so much was taken from the account at
    /// the least as is missing of it and of those after it. What was minted up to a day before may have been taken
    /// after it. A void that comes more than a day after its grant was spent gives back credit that counts as paid
    /// for: then a grant may be missing here that is not.
    fn grants_are_lost(&self) -> bool {
        let moved_since = |at_ms: u64, kinds: &[Kind]| {
            let of = self.movements.iter().filter(move |of| of.at_ms >= at_ms);
            let of = of.map(|of| &of.posting).filter(|of| kinds.contains(&of.kind));
            of.map(|of| Some(of.amount.get())).collect::<Vec<_>>()
        };
        let left = sum(self.lots.iter().map(|lot| Some(lot.left.get())));
        let is_short = |at_ms: u64| {
            let hour = at_ms.saturating_sub(SPENT_KEPT_MS).checked_div(HOUR_MS).unwrap_or(0);
            let spent = self.tallies.iter().filter(|tally| tally.hour >= hour);
            let taken = [Kind::GrantExpired, Kind::AdjustmentDown, Kind::ExternalDown];
            let gone = spent.map(|tally| Some(tally.amount)).chain(moved_since(at_ms, &taken));
            let gone = sum(gone.chain([left]));
            sum(moved_since(at_ms, &[Kind::Grant]).into_iter()) > gone
        };
        let mut grants = self.movements.iter().filter(|of| of.posting.kind == Kind::Grant);
        grants.any(|of| is_short(of.at_ms))
    }

    /// All accounts of a client say the same of which ids spend, and no id is of a generation after that.
    fn rotation_is_one(&self) -> bool {
        let own = self.account.rotation;
        own.oldest <= own.generation
            && self.rotations.iter().all(|of| *of == own)
            && self.keys.iter().all(|of| of.generation <= Some(own.generation))
    }

    /// What keys have spent was deducted.
    fn keys_are_explained(&self) -> bool {
        let own = self.keys.iter().filter(|of| of.currency == self.key.currency);
        let spent = sum(own.flat_map(|of| {
            let open = of.open.iter().map(|open| open.amount.get().checked_neg());
            open.chain([Some(of.spent.get())])
        }));
        let deducted = sum(self.tallies.iter().map(|tally| Some(tally.amount)));
        spent.zip(deducted).is_some_and(|(spent, deducted)| spent <= deducted)
    }

    /// `None` if a sum overflows.
    fn explained(&self) -> Option<Sums> {
        let Self { movements, tallies, open, .. } = self;
        let moved =
            movements.iter().map(|movement| movement.posting.kind.net(movement.posting.amount));
        let of_refunds = movements.iter().map(|movement| {
            let amount = movement.posting.amount.get();
            match movement.posting.kind {
                Kind::Hold => Some(amount),
                Kind::Capture | Kind::Release => amount.checked_neg(),
                _ => Some(0),
            }
        });
        let leases = open.iter().filter(|hold| hold.terms.lease.is_some());
        let (leased, leases) =
            (sum(leases.clone().map(|hold| Some(hold.amount.get()))), u8::try_from(leases.count()));
        let open = open.iter().map(|hold| Some(hold.amount.get()));
        let spent = tallies.iter().map(|tally| tally.amount.checked_neg());
        let net = sum(moved.map(Some).chain(spent));
        let pending = sum(of_refunds.chain(open));
        net.zip(pending)
            .zip(leased.zip(leases.ok()))
            .map(|((net, pending), (leased, leases))| Sums { net, pending, leased, leases })
    }
}

const fn sums_of(account: Account) -> Sums {
    Sums {
        net: account.net(),
        pending: account.pending.get(),
        leased: account.leased.get(),
        leases: account.leases,
    }
}

fn sum(mut amounts: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    amounts.try_fold(0_i64, |sum, amount| sum.checked_add(amount?))
}
