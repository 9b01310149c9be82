//! The steps up to the first payment. Each asks the gateway, shows the answer, and fails if it is not as it should be.

use std::io::Write;

use serde_json::{Value, json};

use super::Places;
use super::answer::{Answer, number, same, text};
use super::screen::Screen;
use crate::money::money;
use crate::stripe_sim::PUBLISHABLE_KEY;
use crate::{Error, Result, card, http, stripe_sim, wire};

pub(super) const WEATHER: &str = "/api/weather";

/// What the gateway told at first.
pub(super) struct Offer {
    pub(super) currency: String,
    pub(super) price: i64,
    min_top_up: i64,
}

/// Who pays, and what is left.
pub(super) struct Account {
    pub(super) client_id: String,
    pub(super) balance: i64,
    /// How many requests were paid for so far.
    pub(super) requests: i64,
}

pub(super) async fn walk<W: Write>(places: &Places, screen: Screen<W>) -> Result<()> {
    let mut walk = Walk { places, screen, client: http::client()? };
    // Before anything is drawn: where nothing listens, one sentence says more than half a step.
    let first = walk.first_contact().await?;
    walk.screen.title("stripe402: pay per request by card, without an account", &places.gateway);
    let offer = walk.ask_without_paying(first)?;
    let card = walk.make_a_payment_method().await?;
    let mut account = walk.pay_with_the_card(&offer, &card).await?;
    let joke_price = walk.spend_a_credit(&offer, &mut account).await?;
    walk.a_failure_costs_nothing(&offer, joke_price, &mut account).await?;
    walk.a_price_that_is_known_afterwards(&offer, &mut account).await?;
    walk.spend_all(&offer, &mut account).await?;
    walk.nothing_left(&account).await?;
    walk.screen.end(&format!(
        "One card charge of {}, {} paid requests, and the balance came out at exactly 0.",
        money(offer.min_top_up, &offer.currency),
        account.requests,
    ));
    Ok(())
}

pub(super) struct Walk<'places, W> {
    places: &'places Places,
    pub(super) screen: Screen<W>,
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
            requests: 1,
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

    pub(super) async fn post(&self, path: &str, payment: &Value, body: &Value) -> Result<Answer> {
        let url = format!("{}{path}", self.places.gateway);
        Answer::post(&self.client, &url, payment, body).await
    }

    pub(super) async fn get(&self, path: &str, payment: Option<&Value>) -> Result<Answer> {
        Answer::get(&self.client, &format!("{}{path}", self.places.gateway), payment).await
    }
}

fn last_four(number: &str) -> &str {
    number.get(number.len().saturating_sub(4)..).unwrap_or_default()
}
