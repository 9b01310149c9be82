//! A batch: one script for each client in it, all at once.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use stripe402_protocol::{
    ChargeId, ClientId,
    message::{Batch, BatchAnswer, Charge, ChargeOutcome, Void, VoidOutcome},
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
    charges: Vec<(usize, &'b Charge)>,
}

/// What became of one client's part.
struct GroupAnswer {
    voids: Vec<(usize, VoidOutcome)>,
    charges: Vec<(usize, ChargeOutcome)>,
}

impl Redis {
    /// # Errors
    /// The store's. A client whose record is damaged does not take the others of a batch with it:
    /// its charges are refused as of a frozen account, and the log names it.
    pub(super) async fn apply_batch(&self, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let mut voids = vec![None; batch.voids.len()];
        let mut charges = vec![None; batch.charges.len()];
        let mut groups: BTreeMap<ClientId, Group<'_>> = BTreeMap::new();
        let owners = self.owners(&batch.voids).await?;
        for ((at, void), owner) in batch.voids.iter().enumerate().zip(owners) {
            match owner {
                Owner::Known(client) => groups.entry(client).or_default().voids.push((at, void)),
                Owner::Unknown(outcome) => set(&mut voids, at, outcome),
            }
        }
        for (at, charge) in batch.charges.iter().enumerate() {
            groups.entry(charge.client_id).or_default().charges.push((at, charge));
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
            answer.charges.into_iter().for_each(|(at, outcome)| set(&mut charges, at, outcome));
        }
        let charge_ids = batch.charges.iter().map(|charge| charge.id);
        let void_ids = batch.voids.iter().map(|void| void.id);
        Ok(BatchAnswer { charges: named(charge_ids, charges)?, voids: named(void_ids, voids)? })
    }

    /// # Errors
    /// The store's.
    pub(super) async fn apply_charge_for_card(
        &self,
        charge: Charge,
    ) -> Result<ChargeOutcome, StoreError> {
        let kept_ms = self.charge_memory_ms().saturating_add(self.clock_skew_ms());
        let arguments = [charge.client_id.to_hex().into_bytes(), number(kept_ms)];
        let key = [keys::charge(&charge.id)];
        let first: String = self.connection.call(&CARD_CHARGE, &key, &arguments).await?;
        match first.as_str() {
            "voided" => return Ok(ChargeOutcome::Voided),
            "conflict" => return Ok(ChargeOutcome::Conflict),
            _ => {}
        }
        let client = charge.client_id;
        let group = Group { voids: Vec::new(), charges: vec![(0, &charge)] };
        let answer = self.apply_group(&client, &group).await?;
        let outcome = answer.charges.first().map(|(_, outcome)| *outcome);
        outcome.ok_or_else(unanswered)
    }

    /// Whose voided charges are; a void that does not say is looked up, and leaves its mark.
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

    async fn mark_void(&self, id: &ChargeId) -> Result<Owner, StoreError> {
        let arguments =
            [number(id.minted_ms()), number(self.charge_memory_ms()), number(self.clock_skew_ms())];
        let answer: Vec<String> =
            self.connection.call(&CARD_VOID, &[keys::charge(id)], &arguments).await?;
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
        // After the record, the state and the movements: the sums, then the buckets.
        let mut more_keys = vec![client_keys.sums()];
        let mut arguments =
            vec![number(self.charge_memory_ms()), number(self.clock_skew_ms()), number(BUCKET_MS)];
        let mut push = |what: &str, id: &ChargeId, rest: [Vec<u8>; 3]| {
            let bucket = client_keys.charges(id.minted_ms());
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
            push("v", &void.id, [vec![], vec![], vec![]]);
        }
        for (_, charge) in &group.charges {
            let currency = charge.currency.as_str().into();
            let amount = charge.amount.to_string().into_bytes();
            push("c", &charge.id, [currency, amount, charge.route.clone().into_bytes()]);
        }
        let mut reply = self.on_accounts(&CHARGES, client, &more_keys, &arguments).await?;
        let mut answer = GroupAnswer { voids: Vec::new(), charges: Vec::new() };
        for (at, _) in &group.voids {
            answer.voids.push((*at, void_outcome(&reply.text()?)?));
        }
        for (at, _) in &group.charges {
            answer.charges.push((*at, charge_outcome(&reply.text()?)?));
        }
        Ok(answer)
    }
}

/// Whose a voided charge is.
enum Owner {
    Known(ClientId),
    /// Nobody knows; this became of the void.
    Unknown(VoidOutcome),
}

impl Group<'_> {
    /// Nothing was done: the only answers to single charges and voids that say so.
    fn refused(&self) -> GroupAnswer {
        let charges = self.charges.iter().map(|(at, _)| (*at, ChargeOutcome::Frozen));
        let voids = self.voids.iter().map(|(at, _)| (*at, VoidOutcome::Conflict));
        GroupAnswer { charges: charges.collect(), voids: voids.collect() }
    }
}

fn charge_outcome(text: &str) -> Result<ChargeOutcome, StoreError> {
    match text {
        "insufficient" => Ok(ChargeOutcome::Insufficient),
        "frozen" => Ok(ChargeOutcome::Frozen),
        "voided" => Ok(ChargeOutcome::Voided),
        "conflict" => Ok(ChargeOutcome::Conflict),
        "stale" => Ok(ChargeOutcome::Stale),
        _ => {
            let left = text.strip_prefix("charged ").ok_or_else(unanswered)?;
            units(left).map(ChargeOutcome::Charged)
        }
    }
}

fn void_outcome(text: &str) -> Result<VoidOutcome, StoreError> {
    match text {
        "voided" => Ok(VoidOutcome::Voided),
        "marked" => Ok(VoidOutcome::Marked),
        "repeated" => Ok(VoidOutcome::Repeated),
        "stale" => Ok(VoidOutcome::Stale),
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
    ids: impl Iterator<Item = ChargeId>,
    outcomes: Vec<Option<T>>,
) -> Result<Vec<(ChargeId, T)>, StoreError> {
    let outcome = |(id, outcome): (ChargeId, Option<T>)| Some((id, outcome?));
    ids.zip(outcomes).map(outcome).collect::<Option<_>>().ok_or_else(unanswered)
}

fn number(of: u64) -> Vec<u8> {
    of.to_string().into_bytes()
}

fn unanswered() -> StoreError {
    StoreError::Damaged("a script did not answer for everything it was asked".to_owned())
}
