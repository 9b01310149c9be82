//! The record of what operators did: one sorted set, whose members sort by their beginnings.

use super::{
    super::{AuditPage, StoreError},
    Redis,
    keys::AUDIT,
    script::APPEND_TO_AUDIT,
};
use crate::accounting::AuditEntry;

/// The last time that has 15 digits, Unix milliseconds: in the year 33658.
const LAST_MS: u64 = 999_999_999_999_999;

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
    pub(super) async fn read_audit(&self, page: &AuditPage) -> Result<Vec<AuditEntry>, StoreError> {
        // A place, and a time of as many digits, comes before what is written after it.
        let time = |at_ms: u64| format!("({:015}", at_ms.min(LAST_MS));
        let until = time(page.until_ms);
        let end =
            page.before.map_or_else(|| until.clone(), |key| until.clone().min(format!("({key}")));
        let mut command = redis::cmd("ZREVRANGEBYLEX");
        command.arg(AUDIT).arg(end).arg(time(page.from_ms));
        command.arg("LIMIT").arg(0).arg(page.most);
        let members: Vec<String> = self.connection.command(&command).await?;
        let read = |member: &String| {
            let json = member.split_once(' ').map(|(_, json)| json);
            json.and_then(|json| serde_json::from_str(json).ok())
        };
        let damaged = || StoreError::Damaged("an entry of the audit record".to_owned());
        members.iter().map(|member| read(member).ok_or_else(damaged)).collect()
    }
}
