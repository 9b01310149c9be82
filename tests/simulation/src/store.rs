//! The line from one ledger to the store: each call takes a while, and fails before or after its work.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use stripe402_ledger::{
    accounting::{
        Account, AccountKey, Advance, AuditEntry, AuditKey, Kind, Limit, Movement, NewTopUp,
        Opened, Posted, Posting, State, TopUp, TopUpId,
    },
    store::{Store, StoreError, StoredDeduction, Tally},
};
use stripe402_protocol::{
    ClientId,
    message::{Batch, BatchAnswer, DeductionOutcome},
};

use uuid::Uuid;

use crate::{
    dice::Dice,
    gateway::random_of,
    ledger::Life,
    plan::Fault,
    world::{World, pass},
};

/// The store, from one ledger's side.
#[derive(Debug)]
pub struct Line {
    /// The world.
    pub world: Arc<World>,
    /// The ledger's.
    pub life: Arc<Life>,
    /// Its own.
    pub dice: Dice,
}

impl Line {
    async fn through<T>(
        &self,
        what: &str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.life.goes_on().await;
        pass(self.delay()).await;
        self.life.goes_on().await;
        let fault = self.fault();
        if fault == Some(false) {
            return Err(self.away(what));
        }
        let done = work.await;
        pass(self.delay()).await;
        self.life.goes_on().await;
        if fault == Some(true) { Err(self.away(what)) } else { done }
    }

    fn delay(&self) -> u64 {
        match self.dice.below(40) {
            0..=25 => 0,
            26..=38 => self.dice.between(1, 5),
            _ => self.dice.span(5, 2_000),
        }
    }

    /// Whether it fails now; and then, whether after the work.
    fn fault(&self) -> Option<bool> {
        self.world.now(|fault| match fault {
            Fault::Store { ledger, after } if ledger == self.life.ledger => Some(after),
            Fault::StoreDies => Some(self.dice.chance(300)),
            _ => None,
        })
    }

    fn away(&self, what: &str) -> StoreError {
        self.world.tell(format_args!("{} ⇄ store", self.life.name), format_args!("{what}: broken"));
        StoreError::Unavailable("the line is cut".to_owned())
    }
}

macro_rules! forward {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for Line {
            async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
                self.through("batch", async {
                    let answer = self.world.books.batch(batch).await?;
                    let made = answer.deductions.iter().filter_map(|(id, outcome)| {
                        matches!(outcome, DeductionOutcome::Deducted(_)).then(|| random_of(id))
                    });
                    self.world.truth().deducted.extend(made);
                    let charges = answer.deductions.iter().map(|(id, of)| format!("{id} {of:?}"));
                    let voids = answer.voids.iter().map(|(id, of)| format!("{id} {of:?}"));
                    let shown: Vec<_> = charges.chain(voids).collect();
                    let name = &self.life.name;
                    self.world.tell(format_args!("{name} → store"), format_args!("{shown:?}"));
                    Ok(answer)
                })
                .await
            }
            async fn open_top_up(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
                self.through("open_top_up", async {
                    let opened = self.world.books.open_top_up(wanted.clone()).await?;
                    self.world.at_opening(&wanted, &opened);
                    Ok(opened)
                })
                .await
            }
            async fn post_up_to(
                &self,
                key: AccountKey,
                posting: Posting,
            ) -> Result<Posted, StoreError> {
                self.through("post_up_to", async {
                    let posted = self.world.books.post_up_to(key, posting.clone()).await?;
                    self.world.at_goodwill(key, &posting, posted);
                    Ok(posted)
                })
                .await
            }
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                self.through(stringify!($name), self.world.books.$name($($argument),*)).await
            })*
        }
    };
}

forward! {
    account(key: AccountKey) -> Account;
    post(key: AccountKey, posting: Posting) -> Posted;
    movement(key: AccountKey, kind: Kind, reference: &str) -> Option<Movement>;
    post_together(key: AccountKey, postings: Vec<Posting>) -> Posted;
    movements(key: AccountKey) -> Vec<Movement>;
    accounts(client: Option<ClientId>, after: Option<AccountKey>, most: usize) -> Vec<AccountKey>;
    tallies(key: AccountKey) -> Vec<Tally>;
    deductions(key: AccountKey, most: usize) -> Vec<StoredDeduction>;
    customer(client: ClientId) -> Option<String>;
    remember_customer(client: ClientId, customer: String) -> String;
    replace_customer(client: ClientId, gone: &str, customer: String) -> String;
    payer(payment_intent: &str) -> Option<AccountKey>;
    agreed(anchor: ClientId, wanted: Option<ClientId>) -> Option<ClientId>;
    identity(fresh: Uuid) -> Uuid;
    within(limit: &Limit, count: bool) -> Option<Duration>;
    advance_top_up(id: TopUpId, from: Option<State>, to: State) -> Advance;
    top_up(id: TopUpId) -> Option<TopUp>;
    unfinished_top_ups() -> Vec<TopUp>;
    recent_top_ups(most: usize) -> Vec<TopUp>;
    record_action(entry: AuditEntry) -> ();
    audit(before: Option<AuditKey>, most: usize) -> Vec<AuditEntry>;
    ping() -> ();
}
