//! Keys of clients. A key lies with its owner, so that what it does is one script; a name elsewhere says whose it is.
//!
//! The script is told what becomes of the key, and does nothing if the key has changed since it was read: the
//! rules are in Rust alone. One entry is one script, so those of a batch are taken one after the other, for a
//! while.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use stripe402_protocol::{
    ClientId, DeductionId, Units,
    message::{
        Batch, BatchAnswer, Capture, CaptureOutcome, Deduction, DeductionOutcome, Void, VoidOutcome,
    },
};

use super::{
    super::{Accounts as _, Keys, StoreError},
    Redis,
    keys::{self, ClientKeys},
    part::{Call, Part, PartAnswer, unanswered},
    reply::{Reply, damaged, parse},
    script::{CHANGE_KEY, KEY_STEP, ROTATE},
};
use crate::accounting::{Key, KeyHash, Rotation, Spender, has_taken_effect, is_lease, refused};

/// For so long deductions of one batch are begun; those after that are asked for again. Other clients wait for the
/// same answer.
const PATIENCE: Duration = Duration::from_millis(30);
/// How often a key is read again that another ledger has changed meanwhile.
const TRIES: u32 = 100;

#[async_trait]
impl Keys for Redis {
    async fn key(&self, hash: KeyHash) -> Result<Option<Key>, StoreError> {
        let mut whose = redis::cmd("GET");
        let owner: Option<String> = self.connection.command(whose.arg(keys::key(&hash))).await?;
        let Some(owner) = owner else { return Ok(None) };
        self.key_of(parse(&owner, "whose a key is")?, &hash).await
    }

    async fn keys_of(&self, owner: ClientId) -> Result<Vec<(KeyHash, Key)>, StoreError> {
        let mut found = Vec::new();
        for (hash, stored) in self.scan(&ClientKeys::of(&owner).keys()).await? {
            let looks: ClientId = parse(&hash, "the hash of a key")?;
            found.push((KeyHash(*looks.as_bytes()), read(&owner, &stored)?));
        }
        found.sort_by_key(|(hash, _)| *hash);
        Ok(found)
    }

    async fn change_key(&self, hash: KeyHash, after: Key) -> Result<bool, StoreError> {
        if after.revision == 1 {
            let mut name = redis::cmd("SET");
            name.arg(keys::key(&hash)).arg(after.owner.to_hex());
            self.connection.command::<()>(&name).await?;
        }
        let arguments = written(&hash, &after)?;
        let own = [ClientKeys::of(&after.owner).keys()];
        let changed: String = self.connection.call(&CHANGE_KEY, &own, &arguments).await?;
        Ok(changed == "1")
    }

    async fn rotate(
        &self,
        client: ClientId,
        before: Rotation,
        after: Rotation,
    ) -> Result<bool, StoreError> {
        let state = [ClientKeys::of(&client).state()];
        let text = |of: Rotation| {
            format!("{} {} {} {}", of.generation, of.oldest, of.until_ms, of.name).into_bytes()
        };
        let done: String =
            self.connection.call(&ROTATE, &state, &[text(before), text(after)]).await?;
        Ok(done == "1")
    }

    async fn batch_by_key(&self, hash: KeyHash, batch: Batch) -> Result<BatchAnswer, StoreError> {
        let Some(key) = self.key(hash).await? else { return Ok(refused(&batch)) };
        if let Some(generation) = key.generation {
            return self.apply_batch(batch, Spender::Generation(generation)).await;
        }
        let mut work = ByKey { redis: self, hash, key };
        work.hear().await?;
        let since = Instant::now();
        let mut answer = BatchAnswer::default();
        for void in &batch.voids {
            answer.voids.push((void.id, work.void(void).await?));
        }
        for capture in &batch.captures {
            answer.captures.push((capture.id, work.capture(capture).await?));
        }
        for deduction in &batch.deductions {
            answer.deductions.push((deduction.id, work.deduct(deduction, since).await?));
        }
        Ok(answer)
    }
}

/// What one key does, and the key as it was read or written last.
struct ByKey<'r> {
    redis: &'r Redis,
    hash: KeyHash,
    key: Key,
}

impl ByKey<'_> {
    /// Each step that finds another key than was read has done nothing.
    async fn deduct(
        &mut self,
        deduction: &Deduction,
        since: Instant,
    ) -> Result<DeductionOutcome, StoreError> {
        if is_lease(deduction) {
            return Ok(DeductionOutcome::LeaseRefused);
        }
        let part = Part { deductions: vec![(0, deduction)], ..Part::default() };
        for tried in 0..TRIES {
            if since.elapsed() >= PATIENCE {
                return Ok(DeductionOutcome::Leased);
            }
            if let Err(refusal) = self.key.allow(deduction, self.redis.clock.now_ms())
                && !has_taken_effect(self.known(&deduction.id).await?.as_ref())
            {
                return Ok(DeductionOutcome::KeyRefused(refusal));
            }
            let after = self.key.clone().with(deduction);
            self.redis.list_holds(core::slice::from_ref(deduction)).await?;
            if let Some(said) = self.step(after, &part, ("charged ", true)).await? {
                let (_, outcome) = said.deductions.into_iter().next().ok_or_else(unanswered)?;
                return Ok(self.key.told(outcome, &deduction.id));
            }
            self.read_again(tried).await?;
        }
        Ok(DeductionOutcome::Leased)
    }

    async fn capture(&mut self, capture: &Capture) -> Result<CaptureOutcome, StoreError> {
        let part = Part { captures: vec![(0, capture)], ..Part::default() };
        for tried in 0..TRIES {
            let held = self.key.held(&capture.id);
            let taken = held.map_or(Units::ZERO, |held| held.min(capture.amount));
            let after = self.key.clone().settled(&capture.id, taken);
            let effect = format!("captured {taken} ");
            if let Some(said) = self.step(after, &part, (&effect, false)).await? {
                let (_, outcome) = said.captures.into_iter().next().ok_or_else(unanswered)?;
                let outcomes = [(capture.id, outcome)];
                self.redis.unlist_captured(core::slice::from_ref(capture), &outcomes).await;
                return Ok(self.key.told_captured(outcome, &capture.id));
            }
            self.read_again(tried).await?;
        }
        Err(busy())
    }

    async fn void(&mut self, void: &Void) -> Result<VoidOutcome, StoreError> {
        let part = Part { voids: vec![(0, void)], ..Part::default() };
        for tried in 0..TRIES {
            // Read after the key: what is deducted later changes the key, and it is read again.
            let known = self.known(&void.id).await?;
            let after = self.key.clone().voided(&void.id, known.as_ref());
            if let Some(said) = self.step(after, &part, ("voided", false)).await? {
                let (_, outcome) = said.voids.into_iter().next().ok_or_else(unanswered)?;
                return Ok(outcome);
            }
            self.read_again(tried).await?;
        }
        Err(busy())
    }

    /// What became of holds that have ended. It is kept at once: whatever comes next may be refused.
    async fn hear(&mut self) -> Result<(), StoreError> {
        let mut heard = self.key.clone();
        for ended in self.key.ended(self.redis.clock.now_ms()) {
            let known = self.known(&ended).await?;
            heard = heard.heard_of(&ended, known.as_ref());
        }
        if heard != self.key {
            let heard = heard.changed();
            // Else another ledger has changed it, which the next step notices.
            if self.redis.change_key(self.hash, heard.clone()).await? {
                self.key = heard;
            }
        }
        Ok(())
    }

    async fn known(
        &self,
        id: &DeductionId,
    ) -> Result<Option<crate::accounting::DeductionRecord>, StoreError> {
        self.redis.deduction(self.key.owner, *id).await
    }

    async fn read_again(&mut self, tried: u32) -> Result<(), StoreError> {
        if tried > 0 {
            tokio::time::sleep(Duration::from_millis(u64::from(tried.min(20)))).await;
        }
        let owner = self.key.owner;
        let gone = || damaged(&owner, "a key is gone");
        self.key = self.redis.key_of(owner, &self.hash).await?.ok_or_else(gone)?;
        self.hear().await
    }

    /// One entry, which makes this of the key if its answer begins so, and if its id is new where that matters.
    /// `None`, and nothing is done, if the key has changed.
    async fn step(
        &mut self,
        after: Key,
        part: &Part<'_>,
        (effect, new): (&str, bool),
    ) -> Result<Option<PartAnswer>, StoreError> {
        let (redis, owner, after) = (self.redis, self.key.owner, after.changed());
        // An owner has paid, and is in the index of accounts; else it is put there.
        for listed in [false, true] {
            let mut call = Call::new(redis.times(), listed, Spender::Other);
            call.keys.push(ClientKeys::of(&owner).keys());
            call.arguments.extend(written(&self.hash, &after)?);
            call.arguments.extend([effect.into(), if new { "1" } else { "0" }.into()]);
            call.add(&owner, part);
            let said: Vec<String> =
                redis.connection.call(&KEY_STEP, &call.keys, &call.arguments).await?;
            let mut reply = Reply::new(said);
            match reply.text()?.as_str() {
                "changed" => return Ok(None),
                "kept" => {}
                "written" => self.key = after.clone(),
                _ => return Err(unanswered()),
            }
            if let Some(answer) = part.answer(&owner, &mut reply)? {
                return Ok(Some(answer));
            }
            redis.list(&owner).await?;
        }
        Err(StoreError::Damaged("a script does not see the index of accounts".to_owned()))
    }
}

impl Redis {
    async fn key_of(&self, owner: ClientId, hash: &KeyHash) -> Result<Option<Key>, StoreError> {
        let mut record = redis::cmd("HGET");
        record.arg(ClientKeys::of(&owner).keys()).arg(hash.to_hex());
        let stored: Option<String> = self.connection.command(&record).await?;
        stored.map(|stored| read(&owner, &stored)).transpose()
    }
}

fn read(owner: &ClientId, stored: &str) -> Result<Key, StoreError> {
    let record = stored.split_once(' ').map(|(_, record)| record).unwrap_or_default();
    serde_json::from_str(record).map_err(|_| damaged(owner, "a key cannot be read"))
}

fn written(hash: &KeyHash, key: &Key) -> Result<[Vec<u8>; 3], StoreError> {
    let record = serde_json::to_vec(key).map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok([hash.to_hex().into_bytes(), key.revision.to_string().into_bytes(), record])
}

fn busy() -> StoreError {
    StoreError::Unavailable("other ledgers keep changing the same key".to_owned())
}
