//! The steps after the first payment: spending, a failure that costs nothing, and an empty balance.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer::{Answer, number, same, text};
use super::walk::{Account, Offer, WEATHER, Walk};
use crate::money::money;
use crate::{Error, Result, wire};

const JOKE: &str = "/api/joke";
const FAIL: &str = "/api/fail";

/// When to look whether a reversed charge is back; it rides in a batch after the answer.
pub(super) const LOOK_AFTER_MS: [u64; 6] = [0, 100, 300, 600, 1000, 2000];

impl<W: Write> Walk<'_, W> {
    pub(super) async fn spend_a_credit(
        &mut self,
        offer: &Offer,
        account: &mut Account,
    ) -> Result<i64> {
        self.screen.step("Spend the balance");
        let before = account.balance;
        let (answer, receipt) = self.spend(JOKE, account).await?;
        if receipt.get("chargeId").is_some() {
            return Err(Error::Invalid(format!(
                "the card was charged although the balance sufficed: {receipt}"
            )));
        }
        let price = before.saturating_sub(account.balance);
        let cash = |units| money(units, &offer.currency);
        let screen = &mut self.screen;
        screen.sent(&format!("GET {JOKE}"), "another route has another price");
        screen.header(wire::PAYMENT, "no card any more");
        screen.field("clientId", &account.client_id, "whoever has it can spend, so keep it secret");
        screen.received(answer.status, "deducted, then served by the API");
        screen.body(answer.body.trim(), "what the API answered");
        screen.header(wire::PAYMENT_RESPONSE, "no chargeId: Stripe was not asked");
        screen.field(
            "creditsRemaining",
            &account.balance.to_string(),
            &format!("{} deducted", cash(price)),
        );
        screen.checked("paid from the balance, without a card payment and its fee");
        Ok(price)
    }

    pub(super) async fn a_failure_costs_nothing(
        &mut self,
        offer: &Offer,
        joke_price: i64,
        account: &mut Account,
    ) -> Result<()> {
        self.screen.step("A failure of the API costs nothing");
        let payment = json!({"clientId": account.client_id});
        let failed = self.get(FAIL, Some(&payment)).await?.expect(500)?;
        if failed.has(wire::PAYMENT_RESPONSE) {
            return Err(Error::Invalid(
                "a failed request has no receipt, but this one had".to_owned(),
            ));
        }
        let answer = self.spend_until_back(joke_price, account).await?;
        let screen = &mut self.screen;
        screen.sent(&format!("GET {FAIL}"), "a priced route that always breaks");
        screen.received(failed.status, "the API's own error; the charge is reversed");
        screen.sent(&format!("GET {JOKE}"), "the next receipt shows it");
        screen.received(answer.status, "served, and deducted");
        screen.field(
            "creditsRemaining",
            &account.balance.to_string(),
            &format!("{}: only jokes were deducted", money(account.balance, &offer.currency)),
        );
        screen.checked("deducted before the API was asked, and given back after it failed");
        Ok(())
    }

    /// Asks for jokes until a receipt tells that nothing but jokes was paid for.
    async fn spend_until_back(&self, joke_price: i64, account: &mut Account) -> Result<Answer> {
        let mut expected = account.balance;
        let mut last = None;
        for pause in LOOK_AFTER_MS {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            expected = expected.saturating_sub(joke_price);
            let (answer, _receipt) = self.buy(JOKE, account).await?;
            if account.balance == expected {
                return Ok(answer);
            }
            last = Some(account.balance);
        }
        Err(Error::Invalid(format!(
            "the balance some seconds after a failed request is {}, where {expected} was expected",
            last.unwrap_or_default(),
        )))
    }

    /// Down to 0, with the dear route as long as it can be paid and then the cheap one.
    pub(super) async fn spend_all(&mut self, offer: &Offer, account: &mut Account) -> Result<()> {
        self.screen.step("Spend the rest");
        let start = Instant::now();
        let (all, before) = (account.balance, account.requests);
        while account.balance > 0 {
            let route = if account.balance >= offer.price { WEATHER } else { JOKE };
            let balance = account.balance;
            self.spend(route, account).await?;
            if route == WEATHER {
                same(
                    "what one request cost",
                    &balance.saturating_sub(account.balance),
                    &offer.price,
                )?;
            }
            let requests = account.requests.saturating_sub(before);
            let aside =
                format!("{requests:>3} requests, {} left", money(account.balance, &offer.currency));
            self.screen.progress(all.saturating_sub(account.balance), all, &aside);
        }
        let took = start.elapsed();
        let requests = account.requests.saturating_sub(before);
        let each =
            took.checked_div(u32::try_from(requests).unwrap_or(1).max(1)).unwrap_or_default();
        self.screen.checked(&format!(
            "{requests} requests one after another in {:.2} s ({:.1} ms each), every price deducted to the unit",
            took.as_secs_f32(),
            each.saturating_mul(1000).as_secs_f32(),
        ));
        Ok(())
    }

    pub(super) async fn nothing_left(&mut self, account: &Account) -> Result<()> {
        self.screen.step("Ask with an empty balance");
        let payment = json!({"clientId": account.client_id});
        let answer = self.get(JOKE, Some(&payment)).await?.expect(402)?;
        let challenge = answer.header(wire::PAYMENT_REQUIRED)?;
        let error = text(&challenge, "/error")?;
        same("error", &error, &"insufficient_credits")?;
        let screen = &mut self.screen;
        screen.sent(&format!("GET {JOKE}"), "one more, with nothing left");
        screen.header(wire::PAYMENT, "as before");
        screen.field("clientId", &account.client_id, "known, but its balance is 0");
        screen.received(answer.status, "a price again; send a card to go on");
        screen.header(wire::PAYMENT_REQUIRED, "now with the reason");
        screen.field("error", error, "one of six codes that programs can rely on");
        screen.field("price", &number(&challenge, "/price")?.to_string(), "units, for this route");
        screen.checked("nothing was served that was not paid for");
        Ok(())
    }

    /// One request paid from the balance, which must get smaller by it.
    async fn spend(&self, path: &str, account: &mut Account) -> Result<(Answer, Value)> {
        let before = account.balance;
        let bought = self.buy(path, account).await?;
        if account.balance >= before || account.balance < 0 {
            return Err(Error::Invalid(format!(
                "the balance went from {before} to {}",
                account.balance
            )));
        }
        Ok(bought)
    }

    /// One request paid from the balance; the receipt must be of the same client.
    async fn buy(&self, path: &str, account: &mut Account) -> Result<(Answer, Value)> {
        let payment = json!({"clientId": account.client_id});
        let answer = self.get(path, Some(&payment)).await?.expect(200)?;
        let receipt = answer.header(wire::PAYMENT_RESPONSE)?;
        same("clientId", &text(&receipt, "/clientId")?, &account.client_id.as_str())?;
        account.balance = number(&receipt, "/creditsRemaining")?;
        account.requests = account.requests.saturating_add(1);
        Ok((answer, receipt))
    }
}
