//! A batch of which some of the clients are keys.

use std::collections::BTreeMap;

use futures_util::future::{try_join, try_join_all};
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{
        Batch, BatchAnswer, Capture, CaptureOutcome, Deduction, DeductionOutcome, Void, VoidOutcome,
    },
};

use super::Keys;
use crate::{accounting::KeyHash, store::StoreError};

/// What one key does in a batch; each with its place there.
#[derive(Default)]
struct Part {
    voids: Vec<(usize, Void)>,
    captures: Vec<(usize, Capture)>,
    deductions: Vec<(usize, Deduction)>,
}

/// What became of that.
#[derive(Default)]
struct PartAnswer {
    voids: Vec<(usize, (DeductionId, VoidOutcome))>,
    captures: Vec<(usize, (DeductionId, CaptureOutcome))>,
    deductions: Vec<(usize, (DeductionId, DeductionOutcome))>,
}

impl Keys {
    /// Carries out a batch. What keys do in it is carried out beside the rest, of each key in its order.
    ///
    /// # Errors
    /// The store's.
    pub async fn batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        if !may_have_keys(&batch) {
            return self.store.batch(batch).await;
        }
        let keys = self.known_keys(&batch).await?;
        let (plain, parts) = apart(batch, &keys);
        let by_keys = parts.iter().map(|(hash, part)| self.carry_out(*hash, part));
        let (answer, by_keys) = try_join(self.store.batch(plain), try_join_all(by_keys)).await?;
        let mut places = PartAnswer::default();
        for of_key in by_keys {
            places.voids.extend(of_key.voids);
            places.captures.extend(of_key.captures);
            places.deductions.extend(of_key.deductions);
        }
        Ok(BatchAnswer {
            deductions: merged(answer.deductions, places.deductions),
            voids: merged(answer.voids, places.voids),
            captures: merged(answer.captures, places.captures),
        })
    }

    /// Which of the clients are keys.
    async fn known_keys(&self, batch: &Batch) -> Result<BTreeMap<ClientId, KeyHash>, StoreError> {
        let mut asked: Vec<ClientId> = clients(batch).filter(ClientId::may_be_key).collect();
        asked.sort_unstable();
        asked.dedup();
        let found = asked.iter().map(|client| async move {
            Ok::<_, StoreError>(self.of(client).await?.map(|(hash, _)| (*client, hash)))
        });
        Ok(try_join_all(found).await?.into_iter().flatten().collect())
    }

    /// A key that is damaged is refused as a frozen account, and the others go on.
    async fn carry_out(&self, hash: KeyHash, part: &Part) -> Result<PartAnswer, StoreError> {
        let _turn = self.turns.of(hash).await;
        let mut answer = PartAnswer::default();
        for (at, void) in &part.voids {
            let outcome = self.void(hash, void.id).await;
            let outcome = or_if_damaged(outcome, VoidOutcome::Conflict)?;
            answer.voids.push((*at, (void.id, outcome)));
        }
        for (at, capture) in &part.captures {
            let outcome = self.capture(hash, capture).await;
            let outcome = or_if_damaged(outcome, CaptureOutcome::Conflict)?;
            answer.captures.push((*at, (capture.id, outcome)));
        }
        for (at, deduction) in &part.deductions {
            let outcome = self.deduct(hash, deduction).await;
            let outcome = or_if_damaged(outcome, DeductionOutcome::Frozen)?;
            answer.deductions.push((*at, (deduction.id, outcome)));
        }
        Ok(answer)
    }
}

fn or_if_damaged<T>(outcome: Result<T, StoreError>, instead: T) -> Result<T, StoreError> {
    match outcome {
        Err(StoreError::Damaged(what)) => {
            tracing::error!(what, "what a key asked for is refused");
            Ok(instead)
        }
        outcome => outcome,
    }
}

fn clients(batch: &Batch) -> impl Iterator<Item = ClientId> + '_ {
    let deductions = batch.deductions.iter().map(|deduction| deduction.client_id);
    let captures = batch.captures.iter().map(|capture| capture.client_id);
    deductions.chain(captures).chain(batch.voids.iter().filter_map(|void| void.client_id))
}

fn may_have_keys(batch: &Batch) -> bool {
    clients(batch).any(|client| client.may_be_key())
}

/// What is no key's, and what each key does.
fn apart(batch: Batch, keys: &BTreeMap<ClientId, KeyHash>) -> (Batch, BTreeMap<KeyHash, Part>) {
    let mut plain = Batch { version: batch.version, ..Batch::default() };
    let mut parts: BTreeMap<KeyHash, Part> = BTreeMap::new();
    for (at, void) in batch.voids.into_iter().enumerate() {
        match void.client_id.and_then(|client| keys.get(&client)) {
            Some(hash) => parts.entry(*hash).or_default().voids.push((at, void)),
            None => plain.voids.push(void),
        }
    }
    for (at, capture) in batch.captures.into_iter().enumerate() {
        match keys.get(&capture.client_id) {
            Some(hash) => parts.entry(*hash).or_default().captures.push((at, capture)),
            None => plain.captures.push(capture),
        }
    }
    for (at, deduction) in batch.deductions.into_iter().enumerate() {
        match keys.get(&deduction.client_id) {
            Some(hash) => parts.entry(*hash).or_default().deductions.push((at, deduction)),
            None => plain.deductions.push(deduction),
        }
    }
    (plain, parts)
}

/// The answers to the rest, with those to keys in their places.
fn merged<T>(rest: Vec<T>, mut by_keys: Vec<(usize, T)>) -> Vec<T> {
    let mut all = rest;
    by_keys.sort_by_key(|(at, _)| *at);
    for (at, answer) in by_keys {
        all.insert(at.min(all.len()), answer);
    }
    all
}
