//! Whether an account holds what its movements, deductions and open holds come to.

use super::{Store, StoreError};
use crate::accounting::{Account, AccountKey, HOUR_MS, Kind, Lot, SPENT_KEPT_MS};

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
/// # Errors
/// The store's; [`StoreError::Damaged`] if the records cannot be added up.
pub(crate) async fn difference(
    store: &dyn Store,
    key: AccountKey,
) -> Result<Option<Difference>, StoreError> {
    let mut found = None;
    grants_are_explained(store, key).await?;
    grants_are_not_lost(store, key).await?;
    keys_are_explained(store, key).await?;
    rotation_is_one(store, key).await?;
    for _ in 0..LOOKS {
        let before = store.account(key).await?;
        let too_large =
            || StoreError::Damaged("an account's records cannot be added up".to_owned());
        let explained = explained(store, key).await?.ok_or_else(too_large)?;
        let held = of(before);
        if explained == held && store.account(key).await? == before {
            return Ok(None);
        }
        found = Some(Difference { explained, held });
    }
    Ok(found)
}

/// What is left of a grant was granted, and has not expired.
async fn grants_are_explained(store: &dyn Store, key: AccountKey) -> Result<(), StoreError> {
    let lots = store.balance(key).await?.grants.lots().to_vec();
    for Lot { reference, granted, left, .. } in lots {
        let made = store.movement(key, Kind::Grant, &reference).await?;
        let expired = store.movement(key, Kind::GrantExpired, &reference).await?;
        let most = made.map(|made| made.posting.amount).unwrap_or_default();
        // Taken back meanwhile, it is left no longer.
        let still = || async {
            let lots = store.balance(key).await?.grants.lots().to_vec();
            Ok::<_, StoreError>(lots.iter().any(|lot| lot.reference == reference))
        };
        let wrong = granted > most || left > granted || expired.is_some();
        if wrong && still().await? {
            let subject = key.client.subject();
            let text = format!("a grant of client {subject} that its movements do not explain");
            return Err(StoreError::Damaged(text));
        }
    }
    Ok(())
}

/// What was granted is left, has expired or was spent: since each grant so much was taken from the account at the least
/// as is missing of it and of those after it. What was minted up to a day before may have been taken after it. A void that comes more than a day after its grant was
/// spent gives back credit that counts as paid for: then a grant may be missing here that is not.
async fn grants_are_not_lost(store: &dyn Store, key: AccountKey) -> Result<(), StoreError> {
    let mut is_lost = false;
    for _ in 0..LOOKS {
        let movements = store.movements(key).await?;
        let left = store.balance(key).await?.grants.total();
        let tallies = store.tallies(key).await?;
        let moved_since = |at_ms: u64, kinds: &[Kind]| {
            let of = movements.iter().filter(move |of| of.at_ms >= at_ms);
            let of = of.map(|of| &of.posting).filter(|of| kinds.contains(&of.kind));
            of.map(|of| Some(of.amount.get())).collect::<Vec<_>>()
        };
        let is_short = |at_ms: u64| {
            let hour = at_ms.saturating_sub(SPENT_KEPT_MS).checked_div(HOUR_MS).unwrap_or(0);
            let spent = tallies.iter().filter(|tally| tally.hour >= hour);
            let taken = [Kind::GrantExpired, Kind::AdjustmentDown, Kind::ExternalDown];
            let gone = spent.map(|tally| Some(tally.amount)).chain(moved_since(at_ms, &taken));
            let gone = sum(gone.chain([Some(left.get())]));
            sum(moved_since(at_ms, &[Kind::Grant]).into_iter()) > gone
        };
        let mut grants = movements.iter().filter(|of| of.posting.kind == Kind::Grant);
        is_lost = grants.any(|of| is_short(of.at_ms));
        // Nothing came or went meanwhile.
        let is_still = store.balance(key).await?.grants.total() == left
            && store.movements(key).await? == movements;
        if !is_lost || is_still {
            break;
        }
    }
    let subject = key.client.subject();
    good(!is_lost, format!("a grant of client {subject} of which more is missing than was spent"))
}

/// All accounts of a client say the same of which ids spend, and no id is of a generation after that.
async fn rotation_is_one(store: &dyn Store, key: AccountKey) -> Result<(), StoreError> {
    let mut is_one = true;
    for _ in 0..LOOKS {
        let own = store.account(key).await?.rotation;
        is_one = own.oldest <= own.generation;
        for other in store.accounts(Some(key.client), None, usize::MAX).await? {
            is_one &= store.account(other).await?.rotation == own;
        }
        let keys = store.keys_of(key.client).await?;
        is_one &= keys.iter().all(|(_, of)| of.generation <= Some(own.generation));
        if is_one || store.account(key).await?.rotation == own {
            break;
        }
    }
    let subject = key.client.subject();
    good(is_one, format!("the rotation of client {subject}, whose accounts and ids do not agree"))
}

/// What keys have spent was deducted.
async fn keys_are_explained(store: &dyn Store, key: AccountKey) -> Result<(), StoreError> {
    let mut is_explained = true;
    for _ in 0..LOOKS {
        let keys = store.keys_of(key.client).await?;
        let own = keys.iter().filter(|(_, of)| of.currency == key.currency);
        let spent = sum(own.flat_map(|(_, of)| {
            let open = of.open.iter().map(|open| open.amount.get().checked_neg());
            open.chain([Some(of.spent.get())])
        }));
        let deducted = sum(store.tallies(key).await?.iter().map(|tally| Some(tally.amount)));
        is_explained = spent.zip(deducted).is_some_and(|(spent, deducted)| spent <= deducted);
        if is_explained || store.keys_of(key.client).await? == keys {
            break;
        }
    }
    let subject = key.client.subject();
    good(is_explained, format!("keys of client {subject} have spent more than was deducted"))
}

fn good(is_good: bool, else_what: String) -> Result<(), StoreError> {
    if is_good { Ok(()) } else { Err(StoreError::Damaged(else_what)) }
}

const fn of(account: Account) -> Sums {
    Sums {
        net: account.net(),
        pending: account.pending.get(),
        leased: account.leased.get(),
        leases: account.leases,
    }
}

/// `None` if a sum overflows.
async fn explained(store: &dyn Store, key: AccountKey) -> Result<Option<Sums>, StoreError> {
    let movements = store.movements(key).await?;
    let tallies = store.tallies(key).await?;
    let open = store.open_holds(Some(key.client), usize::MAX).await?;
    let moved = movements.iter().map(|movement| movement.posting.kind.net(movement.posting.amount));
    let of_refunds = movements.iter().map(|movement| {
        let amount = movement.posting.amount.get();
        match movement.posting.kind {
            Kind::Hold => Some(amount),
            Kind::Capture | Kind::Release => amount.checked_neg(),
            _ => Some(0),
        }
    });
    let open: Vec<_> = open.iter().filter(|(_, hold)| hold.account == key).collect();
    let leases = open.iter().filter(|(_, hold)| hold.terms.lease.is_some());
    let (leased, leases) = (
        sum(leases.clone().map(|(_, hold)| Some(hold.amount.get()))),
        u8::try_from(leases.count()),
    );
    let open = open.iter().map(|(_, hold)| Some(hold.amount.get()));
    let spent = tallies.iter().map(|tally| tally.amount.checked_neg());
    let net = sum(moved.map(Some).chain(spent));
    let pending = sum(of_refunds.chain(open));
    let sums = net.zip(pending).zip(leased.zip(leases.ok()));
    Ok(sums.map(|((net, pending), (leased, leases))| Sums { net, pending, leased, leases }))
}

fn sum(mut amounts: impl Iterator<Item = Option<i64>>) -> Option<i64> {
    amounts.try_fold(0_i64, |sum, amount| sum.checked_add(amount?))
}
