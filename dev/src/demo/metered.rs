//! The step with a price that is known only afterwards: what is held, and what it cost.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::{number, same, text};
use super::spend::LOOK_AFTER_MS;
use super::walk::{Account, Offer, Walk};
use crate::money::money;
use crate::{Error, Result, wire};

const CHAT: &str = "/api/chat";
const RECEIPTS: &str = "/.well-known/stripe402/receipts";
/// With four words of a question it makes exactly 200 units.
const WORDS: i64 = 1_999;
const COST: i64 = 200;

impl<W: Write> Walk<'_, W> {
    pub(super) async fn a_price_that_is_known_afterwards(
        &mut self,
        offer: &Offer,
        account: &mut Account,
    ) -> Result<()> {
        self.screen.step("A price that is known afterwards");
        let question = json!({
            "max_tokens": WORDS,
            "messages": [{"role": "user", "content": "why pay per call"}],
        });
        let before = account.balance;
        let payment = json!({"clientId": account.client_id});
        let answer = self.post(CHAT, &payment, &question).await?.expect(200)?;
        let receipt = answer.header(wire::PAYMENT_RESPONSE)?;
        let (hold, held) =
            (text(&receipt, "/hold/id")?.to_owned(), number(&receipt, "/hold/amount")?);
        let left = number(&receipt, "/creditsRemaining")?;
        same("what is left beside the hold", &left, &before.saturating_sub(held))?;
        let settled = self.settled(&format!("{RECEIPTS}/{hold}"), &payment).await?;
        same("captured", &number(&settled, "/captured")?, &COST)?;
        account.balance = number(&settled, "/creditsRemaining")?;
        same("creditsRemaining", &account.balance, &before.saturating_sub(COST))?;
        account.requests = account.requests.saturating_add(1);

        let cash = |units| money(units, &offer.currency);
        let screen = &mut self.screen;
        screen.sent(&format!("POST {CHAT}"), "a model: nobody knows yet how much it will say");
        screen.received(answer.status, "held, served, and read as it passed");
        screen.header(wire::PAYMENT_RESPONSE, "sent before the answer was over");
        screen.field(
            "hold.amount",
            &held.to_string(),
            &format!("at most {}, set aside", cash(held)),
        );
        screen.field("creditsRemaining", &left.to_string(), "without what is held");
        screen.sent(&format!("GET {RECEIPTS}/…"), "what it cost in the end");
        screen.field("state", text(&settled, "/state")?, "the hold is settled");
        screen.field(
            "captured",
            &COST.to_string(),
            &format!("{} for 4 and {WORDS} tokens", cash(COST)),
        );
        screen.field(
            "creditsRemaining",
            &account.balance.to_string(),
            &format!("{} came back", cash(held.saturating_sub(COST))),
        );
        screen.checked("never more than was held, and exactly what was used");
        Ok(())
    }

    /// The receipt, once it is settled.
    async fn settled(&self, path: &str, payment: &Value) -> Result<Value> {
        let mut last = Value::Null;
        for pause in LOOK_AFTER_MS {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let answer = self.get(path, Some(payment)).await?.expect(200)?;
            last = serde_json::from_str(&answer.body).unwrap_or_default();
            if last.get("state").is_some_and(|state| state == "captured") {
                return Ok(last);
            }
        }
        Err(Error::Invalid(format!("a request that was over is not settled after seconds: {last}")))
    }
}
