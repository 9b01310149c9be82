//! Whose a PaymentIntent is, and the name of these books: keys in slots of their own.
//!
//! The entry is written before the record that names the PaymentIntent: what a crash leaves between is
//! an entry without a record. It does no harm, since only a PaymentIntent gets one that was made for
//! this account.

use stripe402_protocol::ClientId;
use uuid::Uuid;

use super::{
    super::StoreError,
    Redis,
    keys::{self, BOOKS},
    reply::{damaged, parse},
};
use crate::accounting::AccountKey;

impl Redis {
    pub(super) async fn write_payer(
        &self,
        payment_intent: &str,
        account: AccountKey,
    ) -> Result<(), StoreError> {
        let mut command = redis::cmd("SET");
        let entry = format!("{}:{}", account.client.to_hex(), account.currency);
        command.arg(keys::payer(payment_intent)).arg(entry).arg("NX");
        self.connection.command::<Option<String>>(&command).await.map(drop)
    }

    pub(super) async fn read_payer(
        &self,
        payment_intent: &str,
    ) -> Result<Option<AccountKey>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(keys::payer(payment_intent));
        let Some(entry) = self.connection.command::<Option<String>>(&command).await? else {
            return Ok(None);
        };
        let (client, currency) = entry.split_once(':').unwrap_or_default();
        let client: ClientId = parse(client, "a PaymentIntent's client")?;
        let currency = currency.parse();
        let currency = currency.map_err(|_| damaged(&client, "a PaymentIntent's currency"))?;
        Ok(Some(AccountKey { client, currency }))
    }

    pub(super) async fn read_agreed(
        &self,
        anchor: ClientId,
        wanted: Option<ClientId>,
    ) -> Result<Option<ClientId>, StoreError> {
        if let Some(wanted) = wanted {
            let mut give = redis::cmd("SET");
            give.arg(keys::agreed(&anchor)).arg(wanted.to_hex()).arg("NX");
            self.connection.command::<Option<String>>(&give).await?;
            // Perhaps all else of it was forgotten, and it was given a time to go.
            let mut keep = redis::cmd("PERSIST");
            self.connection.command::<u64>(keep.arg(keys::agreed(&anchor))).await?;
        }
        let mut command = redis::cmd("GET");
        command.arg(keys::agreed(&anchor));
        let known: Option<String> = self.connection.command(&command).await?;
        let known = known.map(|known| parse(&known, "a client id")).transpose()?;
        if wanted.is_some() && known == wanted {
            // Forgotten, another ledger would charge this card for another client.
            self.name_is_replicated(keys::agreed(&anchor)).await?;
        }
        Ok(known)
    }

    pub(super) async fn read_identity(&self, fresh: Uuid) -> Result<Uuid, StoreError> {
        let mut give = redis::cmd("SET");
        give.arg(BOOKS).arg(fresh.to_string()).arg("NX");
        self.connection.command::<Option<String>>(&give).await?;
        let mut command = redis::cmd("GET");
        let known: String = self.connection.command(command.arg(BOOKS)).await?;
        // Forgotten, what is charged under it would not be known as ours.
        self.name_is_replicated(BOOKS.to_owned()).await?;
        parse(&known, "the name of the books")
    }
}
