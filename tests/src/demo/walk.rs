//! The steps. Each asks the gateway, shows the answer, and fails if it is not as it should be.

use std::io::Write;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Places;
use super::answer::{Answer, number, same, text};
use super::money::money;
use super::screen::Screen;
use crate::stripe_sim::PUBLISHABLE_KEY;
use crate::{Error, Result, card, http, stripe_sim, wire};

const WEATHER: &str = "/api/weather";
const JOKE: &str = "/api/joke";
const FAIL: &str = "/api/fail";
const BALANCE: &str = "/.well-known/stripe402/balance";

/// How long a reversed charge may take to be back; it rides in a batch after the answer.
const BACK_WITHIN: Duration = Duration::from_secs(5);

/// What the gateway told at first.
struct Offer {
    currency: String,
    price: i64,
    min_top_up: i64,
}

/// Who pays, and what is left.
struct Account {
    client_id: String,
    balance: i64,
}

pub(super) async fn walk<W: Write>(places: &Places, screen: Screen<W>) -> Result<()> {
    let mut walk = Walk { places, screen, client: http::client()? };
    // Before anything is drawn: where nothing listens, one sentence says more than half a step.
    let first = walk.first_contact().await?;
    walk.screen.title("stripe402: pay per request by card, without an account", &places.gateway);
    let offer = walk.ask_without_paying(first)?;
    let card = walk.make_a_payment_method().await?;
    let mut account = walk.pay_with_the_card(&offer, &card).await?;
    walk.spend_a_credit(&offer, &mut account).await?;
    walk.a_failure_costs_nothing(&offer, &account).await?;
    let requests = walk.spend_all(&offer, &mut account).await?;
    walk.nothing_left(&account).await?;
    walk.screen.end(&format!(
        "One card charge of {}, {} paid requests, and the balance came out at exactly 0.",
        money(offer.min_top_up, &offer.currency),
        requests.saturating_add(2),
    ));
    Ok(())
}

struct Walk<'places, W> {
    places: &'places Places,
    screen: Screen<W>,
    client: reqwest::Client,
}

impl<W: Write> Walk<'_, W> {
    fn ask_without_paying(&mut self, answer: Answer) -> Result<Offer> {
        self.screen.step("Ask without paying");
        let answer = answer.expect(402)?;
        let challenge = answer.header(wire::PAYMENT_REQUIRED)?;
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        same("the body of the challenge", &body, &challenge)?;
        let offer = Offer {
            currency: text(&challenge, "/accepts/0/currency")?.to_owned(),
            price: number(&challenge, "/price")?,
            min_top_up: number(&challenge, "/minTopUp")?,
        };
        same("accepts[0].amount", &number(&challenge, "/accepts/0/amount")?, &offer.price)?;
        same("stripe402Version", &number(&challenge, "/stripe402Version")?, &1)?;
        if challenge.get("error").is_some() {
            return Err(Error::Invalid(format!(
                "a first challenge has no error field, but this one: {challenge}"
            )));
        }
        let key = text(&challenge, "/accepts/0/publishableKey")?.to_owned();

        let cash = |units| money(units, &offer.currency);
        let screen = &mut self.screen;
        screen.sent(&format!("GET {WEATHER}"), "no key, no account, no header");
        screen.received(answer.status, "the gateway asks for money; the API did not hear of it");
        screen.header(wire::PAYMENT_REQUIRED, "JSON in base64; the body says the same");
        screen.field(
            "price",
            &offer.price.to_string(),
            &format!("units of 1/10,000: {} a request", cash(offer.price)),
        );
        screen.field(
            "minTopUp",
            &offer.min_top_up.to_string(),
            &format!("{} is the least that a card is charged", cash(offer.min_top_up)),
        );
        screen.field("resource.url", text(&challenge, "/resource/url")?, "what is for sale");
        screen.field("accepts.scheme", text(&challenge, "/accepts/0/scheme")?, "how to pay");
        screen.field("accepts.currency", &offer.currency, "in which currency");
        screen.field("publishableKey", &key, "lets anyone make a PaymentMethod for this seller");
        screen.checked("status, header and body agree on a price and a way to pay it");
        if key != PUBLISHABLE_KEY {
            return Err(Error::Invalid(
                "This gateway charges at Stripe itself. The demo pays with made-up cards at the stand-in, so it stops \
                 here.\n  For the whole walk start the gateway without Stripe's keys."
                    .to_owned(),
            ));
        }
        Ok(offer)
    }

    /// The first request tells whether anything is there at all.
    async fn first_contact(&self) -> Result<Answer> {
        match self.get(WEATHER, None).await {
            Err(Error::Http { .. }) => Err(Error::Invalid(format!(
                "Nothing answers at {}: start it with  make run  in another terminal.",
                self.places.gateway
            ))),
            other => other,
        }
    }

    async fn make_a_payment_method(&mut self) -> Result<String> {
        self.screen.step("Turn a card into a PaymentMethod");
        let number = card::fresh()?;
        let made =
            stripe_sim::payment_method(&self.places.stripe_sim, PUBLISHABLE_KEY, &number, "123")
                .await;
        let id = made.map_err(|error| {
            Error::Invalid(format!(
                "No PaymentMethod could be made at the Stripe stand-in.\n{error}"
            ))
        })?;
        let screen = &mut self.screen;
        screen.sent(
            "POST /v1/payment_methods",
            "to Stripe (here the stand-in), as Stripe.js or an agent's wallet does",
        );
        screen.field(
            "card[number]",
            &format!("4242…{}", last_four(&number)),
            "a new test card each time; only Stripe sees it",
        );
        screen.received(reqwest::StatusCode::OK, "nothing is charged yet");
        screen.field("id", &id, "stands for the card from here on");
        screen.checked("the gateway and the ledger never see a card number");
        Ok(id)
    }

    async fn pay_with_the_card(&mut self, offer: &Offer, card: &str) -> Result<Account> {
        self.screen.step("Ask again, and pay");
        let payment = json!({"paymentMethodId": card});
        let answer = self.get(WEATHER, Some(&payment)).await?.expect(200)?;
        let receipt = answer.header(wire::PAYMENT_RESPONSE)?;
        let account = Account {
            client_id: text(&receipt, "/clientId")?.to_owned(),
            balance: number(&receipt, "/creditsRemaining")?,
        };
        let charge = text(&receipt, "/chargeId")?;
        same("creditsRemaining", &account.balance, &offer.min_top_up.saturating_sub(offer.price))?;
        same("the length of clientId", &account.client_id.len(), &64)?;

        let cash = |units| money(units, &offer.currency);
        let screen = &mut self.screen;
        screen.sent(&format!("GET {WEATHER}"), "the same request with one header more");
        screen.header(wire::PAYMENT, "the payment is the authentication");
        screen.field("paymentMethodId", card, "the card to charge if the balance is too low");
        screen.received(answer.status, "charged, deducted, and only then passed on to the API");
        screen.body(answer.body.trim(), "what the API answered");
        screen.header(wire::PAYMENT_RESPONSE, "the receipt");
        screen.field(
            "chargeId",
            charge,
            &format!("the card was charged {}", cash(offer.min_top_up)),
        );
        screen.field(
            "creditsRemaining",
            &account.balance.to_string(),
            &format!(
                "{} less {} is {}",
                cash(offer.min_top_up),
                cash(offer.price),
                cash(account.balance)
            ),
        );
        screen.field(
            "clientId",
            &account.client_id,
            "made from the card's fingerprint: the same card has the same id",
        );
        screen.checked("charged once, credited in full, and this request deducted");
        Ok(account)
    }

    async fn spend_a_credit(&mut self, offer: &Offer, account: &mut Account) -> Result<()> {
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
        Ok(())
    }

    async fn a_failure_costs_nothing(&mut self, offer: &Offer, account: &Account) -> Result<()> {
        self.screen.step("A failure of the API costs nothing");
        let payment = json!({"clientId": account.client_id});
        let answer = self.get(FAIL, Some(&payment)).await?.expect(500)?;
        if answer.has(wire::PAYMENT_RESPONSE) {
            return Err(Error::Invalid(
                "a failed request has no receipt, but this one had".to_owned(),
            ));
        }
        let balance = self.balance_back_at(&payment, account.balance).await?;
        let screen = &mut self.screen;
        screen.sent(&format!("GET {FAIL}"), "a priced route that always breaks");
        screen.received(answer.status, "the API's own error; the charge is reversed");
        screen.sent("GET …/balance", "free; asks the ledger itself");
        screen.field(
            "creditsRemaining",
            &balance.to_string(),
            &format!("{}, as before", money(balance, &offer.currency)),
        );
        screen.checked("deducted before the API was asked, and given back after it failed");
        Ok(())
    }

    async fn balance_back_at(&self, payment: &Value, expected: i64) -> Result<i64> {
        let start = Instant::now();
        loop {
            let answer = self.get(BALANCE, Some(payment)).await?.expect(200)?;
            let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let balance = number(&body, "/creditsRemaining")?;
            if balance == expected || start.elapsed() > BACK_WITHIN {
                same("the balance after a failed request", &balance, &expected)?;
                return Ok(balance);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Down to 0, with the dear route as long as it can be paid and then the cheap one.
    async fn spend_all(&mut self, offer: &Offer, account: &mut Account) -> Result<i64> {
        self.screen.step("Spend the rest");
        let start = Instant::now();
        let (all, mut requests) = (account.balance, 0_i64);
        while account.balance > 0 {
            let route = if account.balance >= offer.price { WEATHER } else { JOKE };
            let before = account.balance;
            self.spend(route, account).await?;
            if route == WEATHER {
                same(
                    "what one request cost",
                    &before.saturating_sub(account.balance),
                    &offer.price,
                )?;
            }
            requests = requests.saturating_add(1);
            let aside =
                format!("{requests:>3} requests, {} left", money(account.balance, &offer.currency));
            self.screen.progress(all.saturating_sub(account.balance), all, &aside);
        }
        let took = start.elapsed();
        let each =
            took.checked_div(u32::try_from(requests).unwrap_or(1).max(1)).unwrap_or_default();
        self.screen.checked(&format!(
            "{requests} requests one after another in {:.2} s ({:.1} ms each), every price deducted to the unit",
            took.as_secs_f32(),
            each.saturating_mul(1000).as_secs_f32(),
        ));
        Ok(requests)
    }

    async fn nothing_left(&mut self, account: &Account) -> Result<()> {
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

    /// One request paid from the balance; the receipt must be of the same client and tell less than before.
    async fn spend(&self, path: &str, account: &mut Account) -> Result<(Answer, Value)> {
        let payment = json!({"clientId": account.client_id});
        let answer = self.get(path, Some(&payment)).await?.expect(200)?;
        let receipt = answer.header(wire::PAYMENT_RESPONSE)?;
        same("clientId", &text(&receipt, "/clientId")?, &account.client_id.as_str())?;
        let balance = number(&receipt, "/creditsRemaining")?;
        if balance >= account.balance || balance < 0 {
            return Err(Error::Invalid(format!(
                "the balance went from {} to {balance}",
                account.balance
            )));
        }
        account.balance = balance;
        Ok((answer, receipt))
    }

    async fn get(&self, path: &str, payment: Option<&Value>) -> Result<Answer> {
        Answer::get(&self.client, &format!("{}{path}", self.places.gateway), payment).await
    }
}

fn last_four(number: &str) -> &str {
    number.get(number.len().saturating_sub(4)..).unwrap_or_default()
}
