//! All that a store shows, and what it should show of the books, line by line.

use super::{
    books::Books,
    calls::{Caller, limit},
};
use crate::{
    accounting::AccountKey,
    store::{
        Accounts as _, Counters as _, Customers as _, Reports as _, StoreError, TopUps as _,
        embedded::Embedded,
    },
};

pub(super) async fn of_store(
    store: &Embedded,
    caller: &Caller,
    now_ms: u64,
) -> Result<Vec<String>, StoreError> {
    let mut lines = Vec::new();
    for key in &caller.keys {
        let moved: Vec<_> =
            store.movements(*key).await?.into_iter().map(|movement| movement.posting).collect();
        let mut summed = store.tallies(*key).await?;
        summed.sort_unstable();
        lines.push(format!("{:?}", store.account(*key).await?));
        lines.push(format!("{moved:?}"));
        lines.push(format!("{summed:?}"));
        lines.push(format!("{:?}", store.deductions(*key, usize::MAX).await?));
        lines.push(format!("{:?}", store.customer(key.client).await?));
        lines.push(format!("{:?}", store.agreed(key.client, None).await?));
    }
    let mut open = store.unfinished_top_ups().await?;
    open.sort_by_key(|top_up| top_up.id);
    lines.push(format!("{open:?}"));
    for id in &caller.top_ups {
        lines.push(format!("{:?}", store.top_up(*id).await?));
        lines.push(format!("{:?}", store.payer(&format!("pi_{id}")).await?));
    }
    lines.push(format!("{:?} at {now_ms}", store.check_and_count(&limit(), false).await?));
    Ok(lines)
}

pub(super) fn of_books(books: &Books, caller: &Caller, now_ms: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for key in &caller.keys {
        let own = books.memory.movements().iter().filter(|(of, _)| of == key);
        let moved: Vec<_> = own.map(|(_, movement)| movement.posting.clone()).collect();
        let mut summed = books.tallies(key);
        summed.sort_unstable();
        lines.push(format!("{:?}", books.account(key)));
        lines.push(format!("{moved:?}"));
        lines.push(format!("{summed:?}"));
        lines.push(format!("{:?}", books.deductions(key, now_ms)));
        lines.push(format!("{:?}", books.customers.get(&key.client)));
        lines.push(format!("{:?}", books.agreed.get(&key.client)));
    }
    let open: Vec<_> =
        books.memory.top_ups().values().filter(|top_up| !top_up.state.is_finished()).collect();
    lines.push(format!("{open:?}"));
    for id in &caller.top_ups {
        lines.push(format!("{:?}", books.top_up(id)));
        lines.push(format!("{:?}", books.memory.payer(&format!("pi_{id}"))));
    }
    lines.push(format!("{:?} at {now_ms}", books.wait(&limit(), now_ms)));
    lines
}

/// What `stripe402-ledger verify` looks for.
pub(super) async fn verify(store: &Embedded, keys: &[AccountKey], at: &str) {
    for key in keys {
        let differs = crate::store::difference(store, *key).await.unwrap();
        assert_eq!(differs, None, "{at}: {key:?} is not explained");
    }
}
