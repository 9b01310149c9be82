//! A server's challenge, read with suspicion.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stripe402_protocol::{Currency, Pricing, Units, VERSION, decode};

use crate::{Error, Policy, answer::read, pricing};

/// What a resource costs, as its server says; every number checked against every other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// What one request costs; where [`Self::pricing`] is there, the most that it can cost.
    pub price: Units,
    /// The least that a card is charged.
    pub min_top_up: Units,
    /// The currency of both.
    pub currency: Currency,
    /// The key with which a browser makes a PaymentMethod; empty if the server names none.
    pub publishable_key: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// How the price is known, where it is known only after the request was served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
    /// Whether a server takes no more than `maxPrice` says.
    pub knows_max_price: bool,
    /// Whether a server takes nothing where its price is in another currency than the payment names.
    #[serde(default)]
    pub knows_currency: bool,
    /// Whether a top-up can be repeated without a second charge.
    pub knows_idempotency_key: bool,
}

/// The fields of both spellings; see protocol, "Headers".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    price: Option<Units>,
    min_top_up: Option<Units>,
    currency: Option<String>,
    publishable_key: Option<String>,
    resource: Option<Resource>,
    /// Any JSON: another scheme has fields of its own.
    accepts: Option<Vec<Value>>,
    /// Any JSON: other kinds of prices have other fields.
    pricing: Option<Value>,
    #[serde(default)]
    extensions: Vec<String>,
}

#[derive(Deserialize)]
struct Resource {
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Offer {
    currency: Option<String>,
    amount: Option<Units>,
    min_top_up: Option<Units>,
    publishable_key: Option<String>,
    description: Option<String>,
}

impl Terms {
    /// Reads a `payment-required` header in either spelling of version 1.
    ///
    /// # Errors
    /// Typed, for each way in which a challenge can be wrong or about something else; the policy
    /// is not asked yet.
    pub fn read(header: Option<&str>) -> Result<Self, Error> {
        let header = header.filter(|text| !text.is_empty()).ok_or(Error::ChallengeMissing)?;
        let malformed = |what: &str| Error::ChallengeMalformed { what: what.to_owned() };
        let unreadable = || malformed("it is not base64 of the expected JSON");
        let json: Value = decode(header.as_bytes()).map_err(|_| unreadable())?;
        // Looked at first: another version may look otherwise altogether.
        match json.get("stripe402Version") {
            None | Some(Value::Null) if json.get("x402Version").is_some() => {
                return Err(Error::UnsupportedScheme { schemes: schemes(&json) });
            }
            None | Some(Value::Null) => {}
            Some(version) => {
                let version = version.as_i64().ok_or_else(unreadable)?;
                if version != i64::from(VERSION) {
                    return Err(Error::UnsupportedVersion { version });
                }
            }
        }
        let schemes = schemes(&json);
        let wire: Wire = read(json).ok_or_else(unreadable)?;
        let offer = match wire.accepts {
            None => None,
            Some(offers) if offers.is_empty() => None,
            Some(offers) => {
                let ours = offers.into_iter().find(|offer| scheme_of(offer) == Some("stripe"));
                let ours = ours.ok_or(Error::UnsupportedScheme { schemes })?;
                Some(read::<Offer>(ours).ok_or_else(unreadable)?)
            }
        };
        let offer = offer.as_ref();
        let one = |top: Option<Units>, offered: Option<Units>, name: &str| match (top, offered) {
            (Some(top), Some(offered)) if top != offered => {
                Err(malformed(&format!("it says two different things about {name}")))
            }
            (top, offered) => {
                top.or(offered).ok_or_else(|| malformed(&format!("it does not say {name}")))
            }
        };
        let price = one(wire.price, offer.and_then(|offer| offer.amount), "the price")?;
        if price.is_zero() {
            return Err(malformed("it asks for payment of nothing"));
        }
        let pricing = pricing::read_from(wire.pricing, price).map_err(malformed)?;
        let least = offer.and_then(|offer| offer.min_top_up);
        let min_top_up = one(wire.min_top_up, least, "the least top-up")?;
        let code = offer.and_then(|offer| offer.currency.as_deref()).or(wire.currency.as_deref());
        let currency = match code {
            None => Currency::USD,
            Some(code) => code
                .parse()
                .map_err(|_| Error::CurrencyNotAllowed { offered: plain(code), allowed: None })?,
        };
        let key = offer.and_then(|offer| offer.publishable_key.as_deref());
        let described = offer.and_then(|offer| offer.description.clone());
        let described = described.or(wire.resource.and_then(|resource| resource.description));
        let knows = |name: &str| wire.extensions.iter().any(|extension| extension == name);
        Ok(Self {
            price,
            // A top-up below the price would be a charge without an answer.
            min_top_up: min_top_up.max(price),
            currency,
            publishable_key: plain(key.or(wire.publishable_key.as_deref()).unwrap_or_default()),
            description: described.map(|text| plain(&text)),
            pricing,
            knows_max_price: knows("maxPrice"),
            knows_currency: knows("currency"),
            knows_idempotency_key: knows("idempotencyKey"),
        })
    }

    /// Whether the caller agrees to them.
    ///
    /// # Errors
    /// [`Error::CurrencyNotAllowed`] and [`Error::PriceTooHigh`].
    pub fn agreed(&self, policy: &Policy) -> Result<(), Error> {
        if self.currency != policy.currency {
            return Err(Error::CurrencyNotAllowed {
                offered: self.currency.as_str().to_owned(),
                allowed: Some(policy.currency),
            });
        }
        let most = policy.most_price();
        if self.price > most {
            return Err(Error::PriceTooHigh { price: self.price, most, currency: self.currency });
        }
        Ok(())
    }

    /// What a card would be charged, in units of credit: what Stripe can charge, not less than the
    /// server's least. `None` if that is more than any amount.
    ///
    /// # Errors
    /// [`Error::TopUpTooLow`] where the caller wants to charge less than that.
    pub fn top_up(&self, policy: &Policy) -> Result<Option<Units>, Error> {
        let (wanted, least) = (policy.top_up.unwrap_or(self.min_top_up), self.min_top_up);
        if wanted < least {
            return Err(Error::TopUpTooLow { wanted, least, currency: self.currency });
        }
        Ok(self.currency.chargeable(wanted))
    }
}

fn scheme_of(offer: &Value) -> Option<&str> {
    offer.get("scheme").and_then(Value::as_str)
}

/// The schemes that a challenge offers, whoever's it is.
fn schemes(challenge: &Value) -> Vec<String> {
    let offers = challenge.get("accepts").and_then(Value::as_array).into_iter().flatten();
    offers.filter_map(scheme_of).map(plain).collect()
}

/// What a server says, fit to be shown: no control characters (a terminal obeys them), not endless.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
