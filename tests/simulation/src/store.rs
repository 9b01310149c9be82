//! The line from one ledger to the store: each call takes a while, and fails before or after its work.

use std::sync::Arc;

use stripe402_ledger::{
    accounting::{AccountKey, KeyHash, NewTopUp, Opened, Posted, Posting},
    forward_store,
    store::{Accounts, Keys as _, StoreError, TopUps},
};
use stripe402_protocol::message::{Batch, BatchAnswer, Deduction, DeductionOutcome, VERSION};

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

impl Line {
    async fn batch(&self, batch: Batch, by_card: bool) -> Result<BatchAnswer, StoreError> {
        self.through("batch", async {
            let asked = batch.deductions.clone();
            let new = asked.iter().filter(|of| !self.world.is_known(&of.id));
            let new: Vec<_> = new.map(|of| of.id).collect();
            let answer = match asked.first() {
                Some(deduction) if by_card => {
                    let outcome = self.world.books.deduct_for_card(deduction.clone()).await?;
                    BatchAnswer { deductions: vec![(deduction.id, outcome)], ..Default::default() }
                }
                _ => self.world.books.batch(batch).await?,
            };
            for deduction in asked.iter().filter(|of| !by_card && new.contains(&of.id)) {
                self.world.at_own_id(deduction, 0, &answer);
            }
            for (deduction, (_, outcome)) in asked.iter().zip(&answer.deductions) {
                if *outcome == DeductionOutcome::Insufficient {
                    self.world.at_refusal(deduction);
                }
            }
            let deducted = |(_, outcome): &&_| matches!(outcome, DeductionOutcome::Deducted(_));
            let made = answer.deductions.iter().filter(deducted).map(|(id, _)| random_of(id));
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

    async fn open(&self, wanted: NewTopUp) -> Result<Opened, StoreError> {
        self.through("open_top_up", async {
            let known = self.world.books.top_up(wanted.id).await?.is_some();
            let opened = self.world.books.open_top_up(wanted.clone()).await?;
            if !known {
                self.world.at_opening(&wanted, &opened);
            }
            Ok(opened)
        })
        .await
    }

    async fn goodwill(&self, key: AccountKey, posting: Posting) -> Result<Posted, StoreError> {
        self.through("post_up_to", async {
            let posted = self.world.books.post_up_to(key, posting.clone()).await?;
            self.world.at_goodwill(key, &posting, posted);
            Ok(posted)
        })
        .await
    }

    async fn plan(&self, key: AccountKey, postings: Vec<Posting>) -> Result<Posted, StoreError> {
        self.through("post_together", async {
            let posted = self.world.books.post_together(key, postings.clone()).await?;
            self.world.at_refund_plan(key, &postings, posted);
            Ok(posted)
        })
        .await
    }

    async fn by_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError> {
        self.through("batch_by_key", async {
            let asked = batch.deductions.clone();
            let before = self.world.books.key(hash).await?;
            let new = asked.iter().filter(|of| !self.world.is_known(&of.id));
            let new: Vec<_> = new.map(|of| of.id).collect();
            let answer = self.world.books.batch_by_key(hash, batch).await?;
            let generation = before.as_ref().and_then(|key| key.generation);
            for deduction in asked.iter().filter(|of| new.contains(&of.id)) {
                if let Some(generation) = generation {
                    self.world.at_own_id(deduction, generation, &answer);
                }
            }
            for (deduction, (id, outcome)) in asked.iter().zip(&answer.deductions) {
                match outcome {
                    DeductionOutcome::Insufficient => self.world.at_refusal(deduction),
                    DeductionOutcome::Deducted(_) => {
                        self.world.truth().deducted.insert(random_of(id));
                        if new.contains(id) && generation.is_none() {
                            self.world.at_key(hash, before.as_ref(), *id);
                        }
                    }
                    _ => {}
                }
            }
            let charges = answer.deductions.iter().map(|(id, of)| format!("{id} {of:?}"));
            let voids = answer.voids.iter().map(|(id, of)| format!("{id} {of:?}"));
            let shown: Vec<_> = charges.chain(voids).collect();
            let name = &self.life.name;
            self.world.tell(format_args!("{name} → store"), format_args!("{hash:?} {shown:?}"));
            Ok(answer)
        })
        .await
    }

    /// By the batch, so that the world hears of it.
    async fn deduct(&self, deduction: Deduction) -> Result<DeductionOutcome, StoreError> {
        let batch = Batch {
            version: VERSION,
            deductions: vec![deduction],
            voids: Vec::new(),
            captures: vec![],
        };
        let answer = self.batch(batch, true).await?;
        let outcome = answer.deductions.first().map(|(_, outcome)| *outcome);
        outcome.ok_or_else(|| StoreError::Damaged("a batch of one has one answer".to_owned()))
    }
}

macro_rules! line {
    ($self:ident batch($batch:ident)) => { $self.batch($batch, false).await };
    ($self:ident batch_by_key($hash:ident, $batch:ident)) => { $self.by_key($hash, $batch).await };
    ($self:ident deduct_for_card($deduction:ident)) => { $self.deduct($deduction).await };
    ($self:ident open_top_up($wanted:ident)) => { $self.open($wanted).await };
    ($self:ident post_up_to($key:ident, $posting:ident)) => { $self.goodwill($key, $posting).await };
    ($self:ident post_together($key:ident, $postings:ident)) => { $self.plan($key, $postings).await };
    ($self:ident $method:ident($($argument:ident),*)) => {
        $self.through(stringify!($method), $self.world.books.$method($($argument),*)).await
    };
}

forward_store!(Line, line);
