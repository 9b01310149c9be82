//! A batch of which some of the clients are keys.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::{try_join, try_join_all};
use stripe402_protocol::{
    ClientId, DeductionId, Units,
    message::{
        self, AutoTopUpOff, Batch, BatchAnswer, Capture, CaptureOutcome, Deduction,
        DeductionOutcome, Void, VoidOutcome,
    },
};

use super::Keys;
use crate::{
    accounting::{KeyHash, refused},
    store::StoreError,
};

/// Of one key's deductions in a batch so many are carried out; the others are asked for again.
const MOST_AT_ONCE: usize = 32;
/// So many keys deduct at once, by one ledger.
pub(super) const PLACES: usize = 8;

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
        let by_keys = parts.values().map(|(of, part)| self.carry_out(of, part));
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
    async fn known_keys(&self, batch: &Batch) -> Result<BTreeMap<ClientId, Owned>, StoreError> {
        let mut asked: Vec<ClientId> = clients(batch).filter(ClientId::may_be_key).collect();
        asked.sort_unstable();
        asked.dedup();
        let found = asked.iter().map(|client| async move {
            let found = self.of(client).await?;
            let now_ms = self.clock.now_ms();
            let owned = found.map(|(hash, key)| Owned {
                hash,
                owner: key.owner,
                has_limits: key.generation.is_none(),
                below: key.tops_up_below(now_ms),
                off: key.auto_top_up.as_ref().and_then(|auto| auto.stopped_by(now_ms)),
            });
            Ok::<_, StoreError>(owned.map(|owned| (*client, owned)))
        });
        Ok(try_join_all(found).await?.into_iter().flatten().collect())
    }

    /// What one key does: batches of its owner's. Voids and captures are carried out, whatever it takes. Of what
    /// it deducts as much is begun as does not keep others waiting, for whom the same answer is; the rest is not
    /// deducted, and is asked for again. A key that is damaged is refused, and the others go on.
    async fn carry_out(&self, of: &Owned, part: &Part) -> Result<PartAnswer, StoreError> {
        let mut answer = PartAnswer::default();
        if !of.has_limits {
            let deductions = part.deducted(of.owner, usize::MAX).deductions;
            let all = Batch { deductions, ..part.settled(of.owner) };
            let said = self.by_key(of.hash, all).await?;
            return Ok(PartAnswer {
                voids: placed(&part.voids, said.voids),
                captures: placed(&part.captures, said.captures),
                deductions: placed(&part.deductions, said.deductions),
            });
        }
        let settled = part.settled(of.owner);
        if !settled.voids.is_empty() || !settled.captures.is_empty() {
            let _turn = self.turns.of(of.hash).await;
            let said = self.by_key(of.hash, settled).await?;
            answer.voids = placed(&part.voids, said.voids);
            answer.captures = placed(&part.captures, said.captures);
        }
        let again = part.deductions.iter().map(|(at, of)| (*at, (of.id, DeductionOutcome::Leased)));
        answer.deductions = again.collect();
        if part.deductions.is_empty() {
            return Ok(answer);
        }
        let (Ok(_place), Some(_turn)) = (self.places.try_acquire(), self.turns.now(of.hash)) else {
            return Ok(answer);
        };
        let said = self.by_key(of.hash, part.deducted(of.owner, MOST_AT_ONCE)).await?;
        if let Some(low) = &self.low
            && said.deductions.iter().any(|(_, outcome)| of.may_be_short(*outcome))
        {
            Arc::clone(low).runs_low(of.hash);
        }
        for ((_, place), (id, outcome)) in answer.deductions.iter_mut().zip(said.deductions) {
            *place = (id, of.told(outcome));
        }
        Ok(answer)
    }

    async fn by_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError> {
        match self.store.batch_by_key(hash, batch.clone()).await {
            Err(StoreError::Damaged(what)) => {
                tracing::error!(what, "what a key asked for is refused");
                Ok(refused(&batch))
            }
            said => said,
        }
    }
}

/// A key, and whose it is.
#[derive(Clone, Copy)]
struct Owned {
    hash: KeyHash,
    owner: ClientId,
    /// Else it is its owner's own id, and costs what that does.
    has_limits: bool,
    /// Below which balance it tops up, if it may.
    below: Option<Units>,
    /// Why it tops up no more, or not now.
    off: Option<AutoTopUpOff>,
}

impl Owned {
    /// Whether its owner may be short after that. What is left of the key's budget may be all that is known.
    fn may_be_short(&self, outcome: DeductionOutcome) -> bool {
        let Some(below) = self.below else { return false };
        match outcome {
            DeductionOutcome::Deducted(left) => left < below,
            // A freeze switches it off.
            outcome => matches!(outcome, DeductionOutcome::Insufficient | DeductionOutcome::Frozen),
        }
    }

    /// The outcome, with why it tops up no more; its owner's own wish is nobody's news.
    fn told(&self, outcome: DeductionOutcome) -> DeductionOutcome {
        match (outcome, self.off.filter(|off| *off != AutoTopUpOff::Owner)) {
            (DeductionOutcome::Deducted(left), Some(off)) => {
                DeductionOutcome::DeductedUntopped(left, off)
            }
            (outcome, _) => outcome,
        }
    }
}

impl Part {
    /// Its voids and captures, as its owner would ask for them.
    fn settled(&self, owner: ClientId) -> Batch {
        let voids = self.voids.iter().map(|(_, void)| Void { id: void.id, client_id: Some(owner) });
        let captures = self.captures.iter().map(|(_, of)| Capture { client_id: owner, ..*of });
        let (voids, captures) = (voids.collect(), captures.collect());
        Batch { version: message::VERSION, voids, captures, ..Batch::default() }
    }

    /// The first of its deductions, as its owner would ask for them.
    fn deducted(&self, owner: ClientId, most: usize) -> Batch {
        let deductions = self.deductions.iter().take(most);
        let deductions = deductions.map(|(_, of)| Deduction { client_id: owner, ..of.clone() });
        let deductions = deductions.collect();
        Batch { version: message::VERSION, deductions, ..Batch::default() }
    }
}

/// Each answer with the place of what was asked.
fn placed<Q, A>(asked: &[(usize, Q)], answers: Vec<A>) -> Vec<(usize, A)> {
    asked.iter().map(|(at, _)| *at).zip(answers).collect()
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
fn apart(
    batch: Batch,
    keys: &BTreeMap<ClientId, Owned>,
) -> (Batch, BTreeMap<KeyHash, (Owned, Part)>) {
    let mut plain = Batch { version: batch.version, ..Batch::default() };
    let mut parts: BTreeMap<KeyHash, (Owned, Part)> = BTreeMap::new();
    for (at, void) in batch.voids.into_iter().enumerate() {
        match void.client_id.and_then(|client| keys.get(&client)) {
            Some(of) => part(&mut parts, of).voids.push((at, void)),
            None => plain.voids.push(void),
        }
    }
    for (at, capture) in batch.captures.into_iter().enumerate() {
        match keys.get(&capture.client_id) {
            Some(of) => part(&mut parts, of).captures.push((at, capture)),
            None => plain.captures.push(capture),
        }
    }
    for (at, deduction) in batch.deductions.into_iter().enumerate() {
        match keys.get(&deduction.client_id) {
            Some(of) => part(&mut parts, of).deductions.push((at, deduction)),
            None => plain.deductions.push(deduction),
        }
    }
    (plain, parts)
}

fn part<'p>(parts: &'p mut BTreeMap<KeyHash, (Owned, Part)>, of: &Owned) -> &'p mut Part {
    &mut parts.entry(of.hash).or_insert_with(|| (*of, Part::default())).1
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
