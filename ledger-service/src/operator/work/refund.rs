//! Refunds to cards: what one would give back, and giving it back.

use stripe402_protocol::{Currency, Units};

use super::{
    Actor, Operations, OperatorError,
    act::{LONGEST_REASON, said},
    record::Deed,
    view::{self, RefundPlan, Refunded, RefundedPart},
};
use crate::{
    accounting::{AccountKey, Order, OrderKind},
    refunds::{Refunded as Part, Refunds},
    store::StoreError,
};

/// A refund that is wanted.
#[derive(Clone, Debug)]
pub struct RefundOrder {
    /// Which account.
    pub currency: Currency,
    /// Units; all that was paid for without.
    pub units: Option<i64>,
    /// Names it: asked for again, what was cut off is finished, and nothing is refunded twice.
    pub reference: String,
    /// Why.
    pub reason: Option<String>,
    /// What [`Operations::refund_plan`] said it would be: this is refunded or nothing. Whatever it is, without.
    pub agreed: Option<Vec<RefundedPart>>,
}

impl RefundOrder {
    /// That its name can be one.
    ///
    /// # Errors
    /// [`OperatorError::Invalid`].
    pub(crate) fn check_reference(&self) -> Result<(), OperatorError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let name = self.reference.as_str();
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_name) {
            let text = "reference must be 1 to 64 letters, digits, dots, dashes or underscores";
            return Err(OperatorError::Invalid(text.to_owned()));
        }
        Ok(())
    }
}

/// An order that makes sense.
struct Checked<'a> {
    refunds: &'a Refunds,
    key: AccountKey,
    amount: Option<Units>,
}

impl Operations {
    /// What such a refund would give back, to which card charges. Nothing happens.
    ///
    /// # Errors
    /// [`OperatorError`], as of the refund itself.
    pub async fn refund_plan(
        &self,
        client: &str,
        wanted: &RefundOrder,
    ) -> Result<RefundPlan, OperatorError> {
        let Checked { refunds, key, amount } = self.checked(client, wanted).await?;
        let parts = refunds.preview(key, amount, &wanted.reference).await?;
        let total = sum(&parts)?;
        let granted = self.store.balance(key).await?.grants.total();
        let account = view::Account::of(&key, &self.store.account(key).await?);
        let parts = parts.into_iter().map(RefundedPart::from).collect();
        Ok(RefundPlan { subject: key.client.subject(), total, parts, granted, account })
    }

    /// Refunds unused credits to the cards that paid for them.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn refund(
        &self,
        actor: &Actor,
        client: &str,
        wanted: RefundOrder,
    ) -> Result<Refunded, OperatorError> {
        let Checked { refunds, key, amount } = self.checked(client, &wanted).await?;
        let agreed: Option<Vec<Part>> =
            wanted.agreed.map(|parts| parts.into_iter().map(Part::from).collect());
        let agreed_sum = agreed.as_deref().map(sum).transpose()?;
        let order = Order {
            kind: OrderKind::Refund,
            subject: Some(key.client.subject()),
            currency: Some(key.currency),
            units: wanted.units.or(agreed_sum.map(Units::get)),
            reference: Some(wanted.reference.clone()),
            reason: wanted.reason.clone(),
        };
        let work = async {
            let name = wanted.reference.as_str();
            let went = refunds.refund(key, amount, name, agreed.as_deref()).await?;
            let refunded = sum(&went)?;
            let given = Refunded {
                subject: key.client.subject(),
                refunded,
                short: amount.is_some_and(|asked| refunded < asked),
                parts: went.into_iter().map(RefundedPart::from).collect(),
                account: view::Account::of(&key, &self.store.account(key).await?),
            };
            let detail = Some(format!("{refunded} units refunded in total under this reference"));
            Ok(Deed { detail, ..Deed::done(given) })
        };
        self.on_record(actor, order, work).await
    }

    async fn checked(
        &self,
        client: &str,
        wanted: &RefundOrder,
    ) -> Result<Checked<'_>, OperatorError> {
        if let Some(reason) = &wanted.reason {
            said("reason", reason, LONGEST_REASON)?;
        }
        wanted.check_reference()?;
        let amount = wanted.units.map(|units| {
            Units::new(units).ok().filter(|amount| !amount.is_zero()).ok_or_else(|| {
                OperatorError::Invalid(
                    "the amount must be a whole number of units above 0, at most 2^53 - 1"
                        .to_owned(),
                )
            })
        });
        let amount = amount.transpose()?;
        let parts = self.parts.as_ref().ok_or_else(|| {
            OperatorError::Invalid("a refund needs Stripe's key: set STRIPE_SECRET_KEY".to_owned())
        })?;
        let found = self.accounts_of(client).await?;
        let key = found.into_iter().find(|key| key.currency == wanted.currency);
        let key =
            key.ok_or(OperatorError::NotFound("the client has no account in this currency"))?;
        Ok(Checked { refunds: &parts.refunds, key, amount })
    }
}

fn sum(parts: &[Part]) -> Result<Units, OperatorError> {
    let sum = parts.iter().try_fold(Units::ZERO, |sum, part| sum.checked_add(part.amount));
    let text = "the parts of this refund are too large to be added up";
    Ok(sum.ok_or_else(|| StoreError::Damaged(text.to_owned()))?)
}
