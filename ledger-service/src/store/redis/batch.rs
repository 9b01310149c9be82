//! A batch: one script for each client in it, all at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use stripe402_protocol::{
    ClientId, DeductionId,
    message::{
        Batch, BatchAnswer, Capture, CaptureOutcome, Deduction, DeductionOutcome, Void, VoidOutcome,
    },
};

use super::{
    super::StoreError,
    Redis,
    keys::{self, BUCKET_MS, ClientKeys},
    reply::{Reply, units},
    script::{CARD_CHARGE, CARD_VOID, CHARGES},
};

/// What one client's script has to do; each with its place in the batch.
#[derive(Default)]
struct Group<'b> {
    voids: Vec<(usize, &'b Void)>,
    captures: Vec<(usize, &'b Capture)>,
    deductions: Vec<(usize, &'b Deduction)>,
}

/// What became of one client's part.
#[derive(Default)]
struct GroupAnswer {
    voids: Vec<(usize, VoidOutcome)>,
    captures: Vec<(usize, CaptureOutcome)>,
    deductions: Vec<(usize, DeductionOutcome)>,
}

impl Redis {
    /// # Errors
    /// The store's. A client whose record is damaged does not take the others of a batch with it:
    /// its deductions are refused as of a frozen account, and the log names it.
    pub(super) async fn apply_batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let mut voids = vec![None; batch.voids.len()];
        let mut captures = vec![None; batch.captures.len()];
        let mut deductions = vec![None; batch.deductions.len()];
        let mut groups: BTreeMap<ClientId, Group<'_>> = BTreeMap::new();
        let owners = self.owners(&batch.voids).await?;
        for ((at, void), owner) in batch.voids.iter().enumerate().zip(owners) {
            match owner {
                Owner::Known(client) => groups.entry(client).or_default().voids.push((at, void)),
                Owner::Unknown(outcome) => set(&mut voids, at, outcome),
            }
        }
        for (at, capture) in batch.captures.iter().enumerate() {
            groups.entry(capture.client_id).or_default().captures.push((at, capture));
        }
        self.list_holds(&batch.deductions).await?;
        for (at, deduction) in batch.deductions.iter().enumerate() {
            groups.entry(deduction.client_id).or_default().deductions.push((at, deduction));
        }
        let answers = groups.iter().map(|(client, group)| self.apply_group(client, group));
        for (answer, group) in join_all(answers).await.into_iter().zip(groups.values()) {
            let answer = match answer {
                Err(StoreError::Damaged(what)) => {
                    tracing::error!(what, "a client's charges and voids are refused");
                    group.refused()
                }
                answer => answer?,
            };
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
        let group = Group { deductions: vec![(0, &deduction)], ..Group::default() };
        let answer = self.apply_group(&client, &group).await?;
        let outcome = answer.deductions.first().map(|(_, outcome)| *outcome);
        outcome.ok_or_else(unanswered)
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

    async fn apply_group(
        &self,
        client: &ClientId,
        group: &Group<'_>,
    ) -> Result<GroupAnswer, StoreError> {
        let client_keys = ClientKeys::of(client);
        // After the record, the state and the movements: the sums, the holds, then the buckets.
        let mut more_keys = vec![client_keys.sums(), client_keys.holds(), client_keys.hold_ends()];
        let mut arguments =
            vec![number(self.charge_memory_ms()), number(self.clock_skew_ms()), number(BUCKET_MS)];
        let mut push = |what: &str, id: &DeductionId, rest: Vec<Vec<u8>>| {
            let bucket = client_keys.deductions(id.minted_ms());
            let known = more_keys.iter().position(|key| *key == bucket);
            let place = known.unwrap_or_else(|| {
                more_keys.push(bucket);
                more_keys.len().saturating_sub(1)
            });
            // Lua counts from 1, and three keys are in front.
            let index = place.saturating_add(4).to_string().into_bytes();
            let id_text = id.to_string().into_bytes();
            arguments.extend([what.into(), index, id_text, number(id.minted_ms())]);
            arguments.extend(rest);
        };
        for (_, void) in &group.voids {
            push("v", &void.id, vec![]);
        }
        for (_, capture) in &group.captures {
            push("k", &capture.id, vec![capture.amount.to_string().into_bytes()]);
        }
        for (_, deduction) in &group.deductions {
            let currency = deduction.currency.as_str().into();
            let amount = deduction.amount.to_string().into_bytes();
            let mut rest = vec![currency, amount, deduction.route.clone().into_bytes()];
            let kind = deduction.hold.map_or("c", |terms| {
                rest.extend([number(terms.ends_ms), terms.at_end.to_string().into_bytes()]);
                "h"
            });
            push(kind, &deduction.id, rest);
        }
        let mut reply = self.on_accounts(&CHARGES, client, &more_keys, &arguments).await?;
        let mut answer = GroupAnswer::default();
        for (at, _) in &group.voids {
            answer.voids.push((*at, void_outcome(&reply.text()?)?));
        }
        for (at, _) in &group.captures {
            answer.captures.push((*at, capture_outcome(&reply.text()?)?));
        }
        for (at, _) in &group.deductions {
            answer.deductions.push((*at, charge_outcome(&reply.text()?)?));
        }
        Ok(answer)
    }
}

/// Whose a voided deduction is.
enum Owner {
    Known(ClientId),
    /// Nobody knows; this became of the void.
    Unknown(VoidOutcome),
}

impl Group<'_> {
    /// Nothing was done: the only answers to single deductions and voids that say so.
    fn refused(&self) -> GroupAnswer {
        let deductions = self.deductions.iter().map(|(at, _)| (*at, DeductionOutcome::Frozen));
        let voids = self.voids.iter().map(|(at, _)| (*at, VoidOutcome::Conflict));
        let captures = self.captures.iter().map(|(at, _)| (*at, CaptureOutcome::Conflict));
        GroupAnswer {
            deductions: deductions.collect(),
            voids: voids.collect(),
            captures: captures.collect(),
        }
    }
}

fn charge_outcome(text: &str) -> Result<DeductionOutcome, StoreError> {
    match text {
        "insufficient" => Ok(DeductionOutcome::Insufficient),
        "frozen" => Ok(DeductionOutcome::Frozen),
        "voided" => Ok(DeductionOutcome::Voided),
        "conflict" => Ok(DeductionOutcome::Conflict),
        "stale" => Ok(DeductionOutcome::Stale),
        _ => match text.split_once(' ') {
            Some(("charged", left)) => units(left).map(DeductionOutcome::Deducted),
            Some(("in_debt", owed)) => units(owed).map(DeductionOutcome::InDebt),
            _ => Err(unanswered()),
        },
    }
}

fn capture_outcome(text: &str) -> Result<CaptureOutcome, StoreError> {
    match text {
        "marked" => Ok(CaptureOutcome::Marked),
        "voided" => Ok(CaptureOutcome::Voided),
        "conflict" => Ok(CaptureOutcome::Conflict),
        "stale" => Ok(CaptureOutcome::Stale),
        _ => {
            let amounts = text.strip_prefix("captured ").and_then(|rest| rest.split_once(' '));
            let (captured, left) = amounts.ok_or_else(unanswered)?;
            Ok(CaptureOutcome::Captured { captured: units(captured)?, left: units(left)? })
        }
    }
}

fn void_outcome(text: &str) -> Result<VoidOutcome, StoreError> {
    match text {
        "voided" => Ok(VoidOutcome::Voided),
        "marked" => Ok(VoidOutcome::Marked),
        "repeated" => Ok(VoidOutcome::Repeated),
        "stale" => Ok(VoidOutcome::Stale),
        "conflict" => Ok(VoidOutcome::Conflict),
        _ => Err(unanswered()),
    }
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

fn unanswered() -> StoreError {
    StoreError::Damaged("a script did not answer for everything it was asked".to_owned())
}
