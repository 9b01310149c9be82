//! Whether an account holds what its movements, deductions and open holds come to.

use super::{Store, StoreError};
use crate::accounting::{Account, AccountKey, Kind, Lot};

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
    keys_are_explained(store, key).await?;
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
    if is_explained {
        return Ok(());
    }
    let subject = key.client.subject();
    let text = format!("keys of client {subject} have spent more than was deducted");
    Err(StoreError::Damaged(text))
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
