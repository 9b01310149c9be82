//! A batch: one script for many clients on a server, one for each client in a cluster.

use std::collections::BTreeMap;

use futures_util::future::{join_all, try_join_all};
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{Batch, BatchAnswer, Deduction, DeductionOutcome, Void, VoidOutcome},
};

use super::{
    super::StoreError,
    Redis,
    keys::{self, BUCKET_MS},
    part::{Call, Part, PartAnswer, unanswered, void_outcome},
    reply::Reply,
    script::{BATCH, CARD_CHARGE, CARD_VOID},
};
use crate::accounting::Spender;

/// So many clients share a call of the script at the most, and so many of their entries: while a script
/// runs, Redis serves nobody else. That is a millisecond or two. The part of one client is never divided.
const CLIENTS_A_CALL: usize = 64;
const ENTRIES_A_CALL: usize = 256;

impl Redis {
    /// # Errors
    /// The store's. A client whose record is damaged does not take the others of a batch with it:
    /// its deductions are refused as of a frozen account, and the log names it.
    pub(super) async fn apply_batch(
        &self,
        batch: Batch,
        spender: Spender,
    ) -> Result<BatchAnswer, StoreError> {
        let mut voids = vec![None; batch.voids.len()];
        let mut captures = vec![None; batch.captures.len()];
        let mut deductions = vec![None; batch.deductions.len()];
        let mut parts: BTreeMap<ClientId, Part<'_>> = BTreeMap::new();
        let owners = self.owners(&batch.voids).await?;
        for ((at, void), owner) in batch.voids.iter().enumerate().zip(owners) {
            match owner {
                Owner::Known(client) => parts.entry(client).or_default().voids.push((at, void)),
                Owner::Unknown(outcome) => set(&mut voids, at, outcome),
            }
        }
        for (at, capture) in batch.captures.iter().enumerate() {
            parts.entry(capture.client_id).or_default().captures.push((at, capture));
        }
        self.list_holds(&batch.deductions).await?;
        for (at, deduction) in batch.deductions.iter().enumerate() {
            parts.entry(deduction.client_id).or_default().deductions.push((at, deduction));
        }
        for answer in self.apply_parts(&parts, spender).await? {
            answer.voids.into_iter().for_each(|(at, outcome)| set(&mut voids, at, outcome));
            answer.captures.into_iter().for_each(|(at, outcome)| set(&mut captures, at, outcome));
            answer
                .deductions
                .into_iter()
                .for_each(|(at, outcome)| set(&mut deductions, at, outcome));
        }
        let deduction_ids = batch.deductions.iter().map(|deduction| deduction.id);
        let void_ids = batch.voids.iter().map(|void| void.id);
        let capture_ids = batch.captures.iter().map(|capture| capture.id);
        let answer = BatchAnswer {
            deductions: named(deduction_ids, deductions)?,
            voids: named(void_ids, voids)?,
            captures: named(capture_ids, captures)?,
        };
        self.unlist_captured(&batch.captures, &answer.captures).await;
        Ok(answer)
    }

    /// # Errors
    /// The store's.
    pub(super) async fn apply_charge_for_card(
        &self,
        deduction: Deduction,
    ) -> Result<DeductionOutcome, StoreError> {
        let kept_ms = self.charge_memory_ms().saturating_add(self.clock_skew_ms());
        let arguments = [deduction.client_id.to_hex().into_bytes(), number(kept_ms)];
        let key = [keys::deduction(&deduction.id)];
        let first: String = self.connection.call(&CARD_CHARGE, &key, &arguments).await?;
        match first.as_str() {
            "voided" => return Ok(DeductionOutcome::Voided),
            "conflict" => return Ok(DeductionOutcome::Conflict),
            _ => {}
        }
        let client = deduction.client_id;
        self.list_holds(core::slice::from_ref(&deduction)).await?;
        let part = Part { deductions: vec![(0, &deduction)], ..Part::default() };
        let answer = self.apply_call(&[(&client, &part)], Spender::Other).await?.into_iter().next();
        let answer = answer.ok_or_else(unanswered)??;
        let outcome = answer.deductions.first().map(|(_, outcome)| *outcome);
        outcome.ok_or_else(unanswered)
    }

    /// What scripts are told of times, in milliseconds.
    pub(super) fn times(&self) -> (u64, u64, u64) {
        (self.charge_memory_ms(), self.clock_skew_ms(), BUCKET_MS)
    }

    /// Whose voided deductions are; a void that does not say is looked up, and leaves its mark.
    async fn owners(&self, voids: &[Void]) -> Result<Vec<Owner>, StoreError> {
        let owners = voids.iter().map(|void| async {
            match void.client_id {
                Some(client) => Ok(Owner::Known(client)),
                None => self.mark_void(&void.id).await,
            }
        });
        let known = |owner| match owner {
            Err(StoreError::Damaged(what)) => {
                tracing::error!(what, "a void of a card payment's charge is refused");
                Ok(Owner::Unknown(VoidOutcome::Conflict))
            }
            owner => owner,
        };
        join_all(owners).await.into_iter().map(known).collect()
    }

    async fn mark_void(&self, id: &DeductionId) -> Result<Owner, StoreError> {
        let arguments =
            [number(id.minted_ms()), number(self.charge_memory_ms()), number(self.clock_skew_ms())];
        let answer: Vec<String> =
            self.connection.call(&CARD_VOID, &[keys::deduction(id)], &arguments).await?;
        let mut reply = Reply::new(answer);
        match reply.text()?.as_str() {
            "client" => reply.parse("a charge's client").map(Owner::Known),
            other => void_outcome(other).map(Owner::Unknown),
        }
    }

    /// Carries out the parts of all clients. A damaged client's is refused, and the log names it.
    async fn apply_parts(
        &self,
        parts: &BTreeMap<ClientId, Part<'_>>,
        spender: Spender,
    ) -> Result<Vec<PartAnswer>, StoreError> {
        let most_clients = if self.connection.is_cluster() { 1 } else { CLIENTS_A_CALL };
        let calls = divided(parts, most_clients);
        let answers = join_all(calls.iter().map(|call| self.apply_call(call, spender))).await;
        let mut done = Vec::with_capacity(parts.len());
        for (call, answers) in calls.iter().zip(answers) {
            for ((_, part), answer) in call.iter().zip(answers?) {
                done.push(match answer {
                    Err(StoreError::Damaged(what)) => {
                        tracing::error!(what, "a client's charges and voids are refused");
                        part.refused()
                    }
                    answer => answer?,
                });
            }
        }
        Ok(done)
    }

    /// One call of the script, and a second one for clients that must be put into the index of accounts
    /// first. Answers for each client, in order.
    async fn apply_call(
        &self,
        parts: &[(&ClientId, &Part<'_>)],
        spender: Spender,
    ) -> Result<Vec<Result<PartAnswer, StoreError>>, StoreError> {
        let mut answers = self.call_charges(parts, false, spender).await?;
        let unlisted = |answer: &Result<Option<PartAnswer>, _>| matches!(answer, Ok(None));
        let again: Vec<_> = parts
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| unlisted(answer))
            .map(|(part, _)| *part)
            .collect();
        if !again.is_empty() {
            try_join_all(again.iter().map(|(client, _)| self.list(client))).await?;
            let listed = self.call_charges(&again, true, spender).await?;
            let places = answers.iter_mut().filter(|answer| unlisted(answer));
            places.zip(listed).for_each(|(place, answer)| *place = answer);
        }
        let known = |answer: Option<PartAnswer>| answer.ok_or_else(unanswered);
        Ok(answers.into_iter().map(|answer| answer.and_then(known)).collect())
    }

    /// `None` for a client that must be put into the index of accounts first.
    async fn call_charges(
        &self,
        parts: &[(&ClientId, &Part<'_>)],
        listed: bool,
        spender: Spender,
    ) -> Result<Vec<Result<Option<PartAnswer>, StoreError>>, StoreError> {
        let mut call = Call::new(self.times(), listed, spender);
        for (client, part) in parts {
            call.add(client, part);
        }
        let said = self.connection.call(&BATCH, &call.keys, &call.arguments).await?;
        let mut reply = Reply::new(said);
        Ok(parts.iter().map(|(client, part)| part.answer(client, &mut reply)).collect())
    }
}

/// The parts, in the order of the clients, as they share calls.
fn divided<'p, 'b>(
    parts: &'p BTreeMap<ClientId, Part<'b>>,
    most_clients: usize,
) -> Vec<Vec<(&'p ClientId, &'p Part<'b>)>> {
    let mut calls: Vec<Vec<(&ClientId, &Part<'_>)>> = Vec::new();
    let mut entries = 0_usize;
    for (client, part) in parts {
        entries = entries.saturating_add(part.len());
        match calls.last_mut() {
            Some(call) if call.len() < most_clients && entries <= ENTRIES_A_CALL => {
                call.push((client, part));
            }
            _ => {
                entries = part.len();
                calls.push(vec![(client, part)]);
            }
        }
    }
    calls
}

/// Whose a voided deduction is.
enum Owner {
    Known(ClientId),
    /// Nobody knows; this became of the void.
    Unknown(VoidOutcome),
}

fn set<T>(outcomes: &mut [Option<T>], at: usize, outcome: T) {
    if let Some(slot) = outcomes.get_mut(at) {
        *slot = Some(outcome);
    }
}

/// Outcomes in the order of the batch, each with its id.
fn named<T>(
    ids: impl Iterator<Item = DeductionId>,
    outcomes: Vec<Option<T>>,
) -> Result<Vec<(DeductionId, T)>, StoreError> {
    let outcome = |(id, outcome): (DeductionId, Option<T>)| Some((id, outcome?));
    ids.zip(outcomes).map(outcome).collect::<Option<_>>().ok_or_else(unanswered)
}

fn number(of: u64) -> Vec<u8> {
    of.to_string().into_bytes()
}
