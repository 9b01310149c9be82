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
    accounting::{AccountKey, Kind, Movement, Order, OrderKind, PostRefusal, Posted, Posting},
    operator::moment,
    store::StoreError,
};

/// The latest moment at which a grant can expire, Unix milliseconds.
const LAST_MS: u64 = (1 << 53) - 1;

/// Who asks again for a grant that expires after some time asks for a later end: as late as that, and this much.
const SAME_SPAN_MS: u64 = 60_000;

/// What stands between why it was given and when it expires, in a grant's note.
const EXPIRES: &str = " (expires ";

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
        let until = expires_ms.map(moment::moment);
        let note = until.iter().fold(reason, |reason, until| format!("{reason}{EXPIRES}{until})"));
        let until = until.map(|until| format!("expires {until}"));
        let posting = Posting { kind: Kind::Grant, reference, amount, note: Some(note) };
        let work = async {
            let done = self.store.grant(key, posting.clone(), expires_ms).await?;
            if done == Posted::Refused(PostRefusal::Conflict) {
                return Err(self.conflict(key, &posting).await?);
            }
            let (account, repeated) = posted(done)?;
            if repeated && let Some(other) = self.other_expiry(key, &posting, expires_ms).await? {
                return Err(other);
            }
            let account = self.frozen_alike(key, account).await?;
            let account = view::Account::of(&key, &account);
            let given = Adjusted { subject: client.subject(), repeated, account };
            let deed = if repeated { Deed::repeated(given) } else { Deed::done(given) };
            Ok(Deed { detail: until, ..deed })
        };
        self.on_record(actor, order, work).await
    }

    /// That a grant was given before under this reference, and expires at another moment.
    async fn other_expiry(
        &self,
        key: AccountKey,
        posting: &Posting,
        wanted: Option<u64>,
    ) -> Result<Option<OperatorError>, StoreError> {
        let known = self.store.movement(key, posting.kind, &posting.reference).await?;
        let Some(known) = known.filter(|known| !is_same(known, wanted, self.clock.now_ms())) else {
            return Ok(None);
        };
        let until = expiry(&known).map_or_else(
            || "never expires".to_owned(),
            |at_ms| format!("expires {}", moment::moment(at_ms)),
        );
        let text = format!(
            "Reference \"{}\" was already used for a grant that {until}; choose another reference.",
            posting.reference
        );
        Ok(Some(OperatorError::Refused { code: "conflict", text }))
    }
}

/// When a grant that an operator gave expires, Unix milliseconds: whole seconds, as its note says it.
fn expiry(grant: &Movement) -> Option<u64> {
    let (_, until) = grant.posting.note.as_deref()?.strip_suffix(')')?.rsplit_once(EXPIRES)?;
    moment::read(until)
}

/// Whether a grant expires when this asks for: at the same moment, or as long after it was given as this is from now.
fn is_same(known: &Movement, wanted: Option<u64>, now_ms: u64) -> bool {
    match (expiry(known), wanted) {
        (None, None) => true,
        (Some(known_ms), Some(wanted_ms)) => {
            let (lasted, lasts) =
                (known_ms.saturating_sub(known.at_ms), wanted_ms.saturating_sub(now_ms));
            known_ms.abs_diff(wanted_ms) < 1_000 || lasted.abs_diff(lasts) <= SAME_SPAN_MS
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_again_it_is_the_same_grant_if_it_ends_then_or_lasts_as_long() {
        const HOUR: u64 = 3_600_000;
        let given = |note: &str| Movement {
            posting: Posting {
                kind: Kind::Grant,
                reference: "r".to_owned(),
                amount: Units::from_u32(1),
                note: Some(note.to_owned()),
            },
            at_ms: 10 * HOUR,
        };
        let never = given("why (a reason)");
        let noon = given("why (expires soon) (expires 1970-01-01T12:00:00Z)");
        assert_eq!(expiry(&noon), Some(12 * HOUR));
        for (known, wanted, now, same) in [
            (&never, None, 10 * HOUR, true),
            (&never, Some(12 * HOUR), 10 * HOUR, false),
            (&noon, None, 10 * HOUR, false),
            (&noon, Some(12 * HOUR + 999), 11 * HOUR, true),
            (&noon, Some(13 * HOUR), 11 * HOUR, true),
            (&noon, Some(13 * HOUR), 10 * HOUR, false),
            (&noon, Some(11 * HOUR), 10 * HOUR, false),
        ] {
            assert_eq!(is_same(known, wanted, now), same, "{wanted:?} {now}");
        }
    }
}
