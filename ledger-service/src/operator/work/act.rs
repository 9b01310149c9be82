//! Freezing, correcting, refunding.

use std::sync::Arc;

use stripe402_protocol::{Currency, Units};

use super::{
    Actor, Operations, OperatorError,
    find::UNKNOWN,
    record::Deed,
    view::{self, Adjusted, Client},
};
use crate::{
    accounting::{Account, AccountKey, Kind, Order, OrderKind, PostRefusal, Posted, Posting},
    clock::RandomIds,
    postings::{FreezeReference, Postings, is_disputed, operators_word, without_leases},
    store::StoreError,
};

/// The longest reason and reference, in characters.
pub(super) const LONGEST_REASON: usize = 500;
pub(super) const LONGEST_REFERENCE: usize = 128;

/// A correction by hand.
#[derive(Clone, Debug)]
pub struct Adjustment {
    /// Which account.
    pub currency: Currency,
    /// Units; below zero to debit.
    pub units: i64,
    /// Names it: asked for again, it is made once.
    pub reference: String,
    /// Why.
    pub reason: String,
}

impl Operations {
    /// Freezes (or unfreezes) every account of the client: whatever it is suspected of has no
    /// currency.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn freeze(
        &self,
        actor: &Actor,
        client: &str,
        frozen: bool,
        reason: &str,
    ) -> Result<Client, OperatorError> {
        said("reason", reason, LONGEST_REASON)?;
        let keys = self.accounts_of(client).await?;
        let subject = keys.first().ok_or(UNKNOWN)?.client.subject();
        let (order_kind, kind) = match frozen {
            true => (OrderKind::Freeze, Kind::Freeze),
            false => (OrderKind::Unfreeze, Kind::Unfreeze),
        };
        let order = Order {
            kind: order_kind,
            subject: Some(subject.clone()),
            currency: None,
            units: None,
            reference: None,
            reason: Some(reason.to_owned()),
        };
        let work = async {
            let (mut accounts, mut changed) = (Vec::new(), false);
            let mut all = Vec::new();
            for key in keys {
                all.push((key, self.store.movements(key).await?));
            }
            if !frozen && all.iter().any(|(_, movements)| is_disputed(movements)) {
                let text =
                    "a dispute is open; the ledger unfreezes the client's accounts when it ends"
                        .to_owned();
                return Err(OperatorError::Refused { code: "disputed", text });
            }
            for (key, movements) in all {
                let mut account = self.store.account(key).await?;
                // It may be frozen by a dispute: then it stays so for the operator when that ends.
                let word = operators_word(&movements).unwrap_or(false);
                if word != frozen || account.frozen != frozen {
                    // Frozen and unfrozen again and again, each time is a movement of its own.
                    let reference = FreezeReference::Operator(movements.len()).to_string();
                    let note = Some(reason.to_owned());
                    let posting = Posting { kind, reference, amount: Units::ZERO, note };
                    (account, _) = posted(self.store.post(key, posting).await?)?;
                    changed = true;
                }
                accounts.push(view::Account::of(&key, &account));
            }
            let client = Client { subject, accounts };
            Ok(if changed { Deed::done(client) } else { Deed::repeated(client) })
        };
        self.on_record(actor, order, work).await
    }

    /// Credits or debits by hand.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn adjust(
        &self,
        actor: &Actor,
        client: &str,
        wanted: Adjustment,
    ) -> Result<Adjusted, OperatorError> {
        said("reason", &wanted.reason, LONGEST_REASON)?;
        said("reference", &wanted.reference, LONGEST_REFERENCE)?;
        let kind = if wanted.units < 0 { Kind::AdjustmentDown } else { Kind::AdjustmentUp };
        let amount = wanted.units.checked_abs().and_then(|units| Units::new(units).ok());
        let amount = amount.ok_or_else(|| {
            OperatorError::Invalid(
                "units must be a whole number from -(2^53 - 1) to 2^53 - 1".to_owned(),
            )
        })?;
        if amount.is_zero() {
            let text = "units must be a number other than 0".to_owned();
            return Err(OperatorError::Refused { code: "zero", text });
        }
        // The client must be known; an account in this currency may be new.
        let found = self.accounts_of(client).await?;
        let client = found.first().ok_or(UNKNOWN)?.client;
        let key = AccountKey { client, currency: wanted.currency };
        let order = Order {
            kind: OrderKind::Adjust,
            subject: Some(client.subject()),
            currency: Some(wanted.currency),
            units: Some(wanted.units),
            reference: Some(wanted.reference.clone()),
            reason: Some(wanted.reason.clone()),
        };
        let Adjustment { reference, reason, .. } = wanted;
        let posting = Posting { kind, reference, amount, note: Some(reason) };
        let work = async {
            if kind == Kind::AdjustmentDown {
                without_leases(&*self.store, key, Some(amount)).await?;
            }
            let done = self.store.post(key, posting.clone()).await?;
            if done == Posted::Refused(PostRefusal::Conflict) {
                return Err(self.conflict(key, &posting).await?);
            }
            let (account, repeated) = posted(done)?;
            let account = self.frozen_alike(key, account).await?;
            let account = view::Account::of(&key, &account);
            let adjusted = Adjusted { subject: client.subject(), repeated, account };
            Ok(if repeated { Deed::repeated(adjusted) } else { Deed::done(adjusted) })
        };
        self.on_record(actor, order, work).await
    }

    /// An account that was credited: frozen, if another one of its client is. It may be new.
    pub(super) async fn frozen_alike(
        &self,
        key: AccountKey,
        account: Account,
    ) -> Result<Account, OperatorError> {
        if account.frozen {
            return Ok(account);
        }
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let postings = Postings { store, clock, ids: Arc::new(RandomIds) };
        postings.freeze_like_others(key).await?;
        Ok(self.store.account(key).await?)
    }

    /// That the reference of a correction was used before, and for how much.
    pub(super) async fn conflict(
        &self,
        key: AccountKey,
        posting: &Posting,
    ) -> Result<OperatorError, StoreError> {
        let known = self.store.movement(key, posting.kind, &posting.reference).await?;
        let Some(known) = known else { return Ok(PostRefusal::Conflict.into()) };
        let Posting { kind, reference, amount, .. } = known.posting;
        Ok(OperatorError::conflict(&reference, Some(kind.net(amount)), key.currency))
    }
}

/// A text for the record: something, not too much, and nothing that a terminal would obey.
pub(super) fn said(what: &str, text: &str, longest: usize) -> Result<(), OperatorError> {
    if text.trim().is_empty()
        || text.chars().count() > longest
        || text.chars().any(char::is_control)
    {
        let problem = format!("{what} must be 1 to {longest} characters of plain text on one line");
        return Err(OperatorError::Invalid(problem));
    }
    Ok(())
}

/// The account after a posting, and whether it was a repetition.
pub(super) fn posted(posted: Posted) -> Result<(Account, bool), OperatorError> {
    match posted {
        Posted::Done(account) => Ok((account, false)),
        Posted::Repeated(account) => Ok((account, true)),
        Posted::Refused(refusal) => Err(refusal.into()),
    }
}
