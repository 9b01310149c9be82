//! Paying from a balance.

use serde_json::json;
use stripe402_protocol::{ClientId, Payment, VERSION, encode};

use super::{Call, Outcome, Paid, Phase, Step};
use crate::{Answer, Error, Purse, Secret};

impl Call {
    pub(super) fn spend(&mut self, purse: &mut Purse, client: ClientId) -> Result<Step, Error> {
        self.tried = Some((client, self.top_ups(purse)));
        if self.policy.client_id == Some(client) {
            self.bind(purse, &client.to_hex());
        }
        let payment = Secret::new(encode(&json!(self.payment(purse, Some(client)))));
        self.phase = Phase::Spending { payment: payment.clone() };
        self.send(payment, false)
    }

    /// Whether the server takes nothing where its price is in another currency than we name.
    fn names_currency(&self, purse: &Purse) -> bool {
        self.known(purse).is_some_and(|known| known.knows_currency)
    }

    /// What any payment of ours says.
    pub(super) fn payment(&self, purse: &Purse, client: Option<ClientId>) -> Payment {
        let guarded = self.known(purse).is_some_and(|known| known.knows_max_price);
        Payment {
            stripe402_version: VERSION,
            client_id: client.map(|id| id.to_hex()),
            max_price: guarded.then(|| self.policy.most_price().get()),
            currency: self.names_currency(purse).then(|| self.policy.currency.as_str().to_owned()),
            ..Payment::default()
        }
    }

    /// The answer to a client id.
    pub(super) fn spent(
        &mut self,
        purse: &mut Purse,
        payment: Secret,
        answer: &Answer,
        now: u64,
    ) -> Result<Step, Error> {
        if answer.status == 402 {
            return self.not_enough(purse, answer);
        }
        if answer.was_not_served() {
            let retry_after = answer.retry_after;
            let pause = self.pause(Phase::Spending { payment }, answer);
            return pause.ok_or(Error::Unavailable { retry_after });
        }
        let Some(receipt) = answer.receipt() else {
            return Ok(Step::Done { outcome: Outcome::NotTaken });
        };
        let used = self.client(purse);
        let currency = receipt.currency.unwrap_or(self.policy.currency);
        purse.receipt(&self.request.origin, &receipt, currency, false, used, now);
        Ok(Step::Done {
            outcome: Outcome::Paid(Paid {
                hold: receipt.held(&self.request.origin, currency),
                credits_remaining: receipt.left,
                client_id: receipt.client_id,
                charge_id: receipt.charge_id,
                charged: None,
            }),
        })
    }

    fn not_enough(&mut self, purse: &mut Purse, answer: &Answer) -> Result<Step, Error> {
        if let Some(refused) = answer.refusal() {
            return Err(Error::Refused { refused: Box::new(refused) });
        }
        let terms = self.agree(purse, answer)?;
        purse.short(&self.request.origin, &terms);
        let next = self.by_card(purse);
        if next.is_ok() && !self.request.replayable {
            self.phase = Phase::Ended;
            return Err(Error::BodyConsumed { terms: Box::new(terms) });
        }
        next
    }
}
