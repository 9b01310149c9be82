//! Giving credit.

use stripe402_protocol::{Currency, Units};

use super::{
    Actor, Operations, OperatorError,
    act::{LONGEST_REASON, LONGEST_REFERENCE, posted, said},
    find::UNKNOWN,
    record::Deed,
    view::{self, Adjusted},
};
use crate::{
    accounting::{AccountKey, Kind, Order, OrderKind, PostRefusal, Posted, Posting},
    operator::moment::moment,
};

/// The latest moment at which a grant can expire, Unix milliseconds.
const LAST_MS: u64 = (1 << 53) - 1;

/// Credit to be given: it is spent before what was paid for, and never refunded to a card.
#[derive(Clone, Debug)]
pub struct GrantOrder {
    /// Which account.
    pub currency: Currency,
    /// Units, above zero.
    pub units: i64,
    /// When what is left of it expires, Unix milliseconds; never without.
    pub expires_ms: Option<u64>,
    /// Names it: asked for again, it is given once.
    pub reference: String,
    /// Why.
    pub reason: String,
}

impl Operations {
    /// Gives credit.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn grant(
        &self,
        actor: &Actor,
        client: &str,
        wanted: GrantOrder,
    ) -> Result<Adjusted, OperatorError> {
        said("reason", &wanted.reason, LONGEST_REASON)?;
        said("reference", &wanted.reference, LONGEST_REFERENCE)?;
        let amount = Units::new(wanted.units).ok().filter(|amount| !amount.is_zero());
        let amount = amount.ok_or_else(|| {
            OperatorError::Invalid("units must be a whole number from 1 to 2^53 - 1".to_owned())
        })?;
        // Beyond that a number of JSON's and of Lua's is not exact.
        if wanted.expires_ms.is_some_and(|at_ms| at_ms > LAST_MS) {
            let text = "a grant can expire at most 2^53 - 1 milliseconds after 1970";
            return Err(OperatorError::Invalid(text.to_owned()));
        }
        // The client must be known; an account in this currency may be new.
        let found = self.accounts_of(client).await?;
        let client = found.first().ok_or(UNKNOWN)?.client;
        let key = AccountKey { client, currency: wanted.currency };
        let order = Order {
            kind: OrderKind::Grant,
            subject: Some(client.subject()),
            currency: Some(wanted.currency),
            units: Some(wanted.units),
            reference: Some(wanted.reference.clone()),
            reason: Some(wanted.reason.clone()),
        };
        let GrantOrder { reference, reason, expires_ms, .. } = wanted;
        let until = expires_ms.map(|at_ms| format!("expires {}", moment(at_ms)));
        let note = until.iter().fold(reason, |reason, until| format!("{reason} ({until})"));
        let posting = Posting { kind: Kind::Grant, reference, amount, note: Some(note) };
        let work = async {
            let done = self.store.grant(key, posting.clone(), expires_ms).await?;
            if done == Posted::Refused(PostRefusal::Conflict) {
                return Err(self.conflict(key, &posting).await?);
            }
            let (account, repeated) = posted(done)?;
            let account = view::Account::of(&key, &account);
            let given = Adjusted { subject: client.subject(), repeated, account };
            let deed = if repeated { Deed::repeated(given) } else { Deed::done(given) };
            Ok(Deed { detail: until, ..deed })
        };
        self.on_record(actor, order, work).await
    }
}
