//! The record of what operators did: one sorted set, whose members sort by their beginnings.

use super::{super::StoreError, Redis, keys::AUDIT, script::APPEND_TO_AUDIT};
use crate::accounting::{AuditEntry, AuditKey};

impl Redis {
    /// # Errors
    /// The store's.
    pub(super) async fn append_to_audit(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let json = serde_json::to_string(entry);
        let json = json.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let arguments = [entry.key().to_string().into_bytes(), json.into_bytes()];
        self.connection
            .call::<u64>(&APPEND_TO_AUDIT, &[AUDIT.to_owned()], &arguments)
            .await
            .map(drop)
    }

    /// # Errors
    /// The store's.
    pub(super) async fn read_audit(
        &self,
        before: Option<AuditKey>,
        most: usize,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        // A place comes before what is written after it.
        let end = before.map_or_else(|| "+".to_owned(), |key| format!("({key}"));
        let mut command = redis::cmd("ZREVRANGEBYLEX");
        command.arg(AUDIT).arg(end).arg("-").arg("LIMIT").arg(0).arg(most);
        let members: Vec<String> = self.connection.command(&command).await?;
        let read = |member: &String| {
            let json = member.split_once(' ').map(|(_, json)| json);
            json.and_then(|json| serde_json::from_str(json).ok())
        };
        let damaged = || StoreError::Damaged("an entry of the audit record".to_owned());
        members.iter().map(|member| read(member).ok_or_else(damaged)).collect()
    }
}
