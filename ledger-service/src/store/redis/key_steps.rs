//! Keys of clients. A key lies with its owner, so that a step is one script; a name elsewhere says whose it is.

use async_trait::async_trait;
use stripe402_protocol::ClientId;

use super::{
    super::{Keys, StoreError},
    Redis,
    keys::{self, BUCKET_MS, ClientKeys},
    part::{Call, Part, unanswered},
    reply::{Reply, damaged, parse},
    script::{CHANGE_KEY, KEY_STEP},
};
use crate::accounting::{Key, KeyHash, KeyStep, KeyStepOutcome};

#[async_trait]
impl Keys for Redis {
    async fn key(&self, hash: KeyHash) -> Result<Option<Key>, StoreError> {
        let mut whose = redis::cmd("GET");
        let owner: Option<String> = self.connection.command(whose.arg(keys::key(&hash))).await?;
        let Some(owner) = owner else { return Ok(None) };
        let owner: ClientId = parse(&owner, "whose a key is")?;
        let mut record = redis::cmd("HGET");
        record.arg(ClientKeys::of(&owner).keys()).arg(hash.to_hex());
        let stored: Option<String> = self.connection.command(&record).await?;
        stored.map(|stored| read(&owner, &stored)).transpose()
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

    async fn step_by_key(
        &self,
        hash: KeyHash,
        after: Key,
        step: KeyStep,
    ) -> Result<Option<KeyStepOutcome>, StoreError> {
        let (owner, batch) = (after.owner, step.batch());
        self.list_holds(&batch.deductions).await?;
        let part = Part {
            voids: batch.voids.iter().enumerate().collect(),
            captures: batch.captures.iter().enumerate().collect(),
            deductions: batch.deductions.iter().enumerate().collect(),
        };
        // An owner has paid, and is in the index of accounts; else it is put there.
        for listed in [false, true] {
            let mut call =
                Call::new(self.charge_memory_ms(), self.clock_skew_ms(), BUCKET_MS, listed);
            call.keys.push(ClientKeys::of(&owner).keys());
            call.arguments.extend(written(&hash, &after)?);
            call.arguments.extend(effect(&step));
            call.add(&owner, &part);
            let said: Vec<String> =
                self.connection.call(&KEY_STEP, &call.keys, &call.arguments).await?;
            if said.first().is_some_and(|said| said == "changed") {
                return Ok(None);
            }
            let Some(answer) = part.answer(&owner, &mut Reply::new(said))? else {
                self.list(&owner).await?;
                continue;
            };
            let answer = answer.of_one(&step);
            self.unlist_captured(&batch.captures, &answer.captures).await;
            return step.outcome(&answer).map(Some).ok_or_else(unanswered);
        }
        Err(StoreError::Damaged("a script does not see the index of accounts".to_owned()))
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

/// How the script knows a step that takes effect: see [`KeyStep::took_effect`].
fn effect(step: &KeyStep) -> [Vec<u8>; 2] {
    match step {
        KeyStep::Deduct(_) => ["charged ".into(), "1".into()],
        KeyStep::Capture(_, taken) => [format!("captured {taken} ").into_bytes(), "0".into()],
        KeyStep::Void(_) => ["voided".into(), "0".into()],
    }
}
