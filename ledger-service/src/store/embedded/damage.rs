//! Records that cannot be used: said once, with the table and the key, where operators look.
//!
//! A key that holds a client id is shown as the client's subject: ids are credentials.

use redb::TableHandle;
use stripe402_protocol::ClientId;

use super::super::StoreError;
use crate::accounting::AccountKey;

/// Says that the record under this key cannot be used, in the log and to the metrics.
pub(super) fn damaged(table: &impl TableHandle, key: &str, why: &str) -> StoreError {
    let table = table.name();
    tracing::error!(
        table,
        key,
        why,
        "a stored record is damaged: what needs it is refused, everything else goes on; keep a \
         copy of the file and see docs/alerts.md, Stripe402StoreDamaged"
    );
    metrics::counter!("stripe402_records_damaged_total", "table" => table.to_owned()).increment(1);
    StoreError::Damaged(format!("table {table}, key {key}: {why}"))
}

/// An account's key, to show.
pub(super) fn shown(account: &AccountKey) -> String {
    format!("{}/{}", account.client.subject(), account.currency)
}

/// Bytes that should begin with a client id, to show.
pub(super) fn shown_bytes(bytes: &[u8]) -> String {
    match bytes.split_first_chunk::<32>() {
        Some((client, rest)) => {
            format!("{} and {} bytes", ClientId::from_bytes(*client).subject(), rest.len())
        }
        None => format!("{} bytes", bytes.len()),
    }
}
