//! What a ledger keeps, and what makes it go again.

use futures_util::future::try_join_all;
use stripe402_ledger::{
    accounting::{Limit, NewTopUp, Opened, State, TopUpId},
    store::Store,
};
use stripe402_protocol::{
    Code, Refusal, Units,
    message::{self, Batch, Void},
};

use crate::{
    Result,
    accounts::{client, credit},
    deduction,
};

/// How many are asked for at once.
const AT_ONCE: u64 = 64;
/// Charges in a batch.
const BATCH: u64 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Client,
    FirstCharge,
    Deduction,
    Mark,
    TopUp,
    NamedTopUp,
    RefusedTopUp,
    Customer,
    Card,
    Address,
}

impl Thing {
    pub(super) const ALL: [Self; 10] = [
        Self::Client,
        Self::FirstCharge,
        Self::Deduction,
        Self::Mark,
        Self::TopUp,
        Self::NamedTopUp,
        Self::RefusedTopUp,
        Self::Customer,
        Self::Card,
        Self::Address,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client with one movement",
            Self::FirstCharge => "first charge of a client's hour and route",
            Self::Deduction => "charge after it",
            Self::Mark => "mark of a void that came first",
            Self::TopUp => "first top-up of a client, credited",
            Self::NamedTopUp => "second one, with an idempotency key",
            Self::RefusedTopUp => "top-up that the bank refused",
            Self::Customer => "Stripe customer of a client",
            Self::Card => "card seen, with its client id",
            Self::Address => "limit of an address, for each tenth of limit_window",
        }
    }

    pub(super) const fn bound(self) -> &'static str {
        match self {
            Self::Client | Self::TopUp | Self::NamedTopUp => "never; a card was charged for each",
            Self::FirstCharge => "its sum never; the rest after charge_memory",
            Self::Deduction | Self::Mark => "after charge_memory",
            Self::RefusedTopUp => "after 30 days; limit_attempts bounds how many come",
            Self::Customer | Self::Card => "after 30 days, never if the client has paid",
            Self::Address => "after limit_window and a tenth",
        }
    }
}

/// Adds so many of them, from this number on.
///
/// # Errors
/// The store's.
pub(super) async fn add(store: &dyn Store, thing: Thing, first: u64, many: u64) -> Result<()> {
    let step = if matches!(thing, Thing::FirstCharge | Thing::Deduction | Thing::Mark) {
        BATCH
    } else {
        1
    };
    let mut at = first;
    while at < first + many {
        let end = (at + AT_ONCE * step).min(first + many);
        let numbers = (at..end).step_by(usize::try_from(step)?);
        try_join_all(numbers.map(|number| one(store, thing, number, (number + step).min(end))))
            .await?;
        at = end;
    }
    Ok(())
}

async fn one(store: &dyn Store, thing: Thing, number: u64, end: u64) -> Result<()> {
    let key = client(number);
    match thing {
        Thing::Client => credit(store, key).await?,
        Thing::FirstCharge | Thing::Deduction => {
            let deductions =
                (number..end).map(|of| deduction(client(of))).collect::<Result<_>>()?;
            let batch = Batch {
                version: message::VERSION,
                deductions,
                voids: Vec::new(),
                captures: vec![],
            };
            store.batch(batch).await?;
        }
        Thing::Mark => {
            let mark = |of| Ok(Void { id: deduction(client(of))?.id, client_id: None });
            let voids = (number..end).map(mark).collect::<Result<_>>()?;
            let batch = Batch {
                version: message::VERSION,
                deductions: Vec::new(),
                voids,
                captures: vec![],
            };
            store.batch(batch).await?;
        }
        Thing::TopUp => top_up(store, number, 1, None).await?,
        Thing::NamedTopUp => {
            // As long as a UUID, which is what most clients send.
            let name = format!("{number:036}");
            top_up(store, number, 2, Some(name)).await?;
        }
        Thing::RefusedTopUp => top_up(store, 1_000_000 + number, 3, None).await?,
        Thing::Customer => {
            let customer = format!("cus_{number:014}");
            store.remember_customer(key.client, customer).await?;
        }
        Thing::Card => {
            store.agreed(key.client, Some(key.client)).await?;
        }
        Thing::Address => {
            let name = format!("attempts of 2001:db8:0:{number:x}::/64");
            let window = std::time::Duration::from_secs(600);
            store.check_and_count(&Limit { name, most: 60, window }, true).await?;
        }
    }
    Ok(())
}

async fn top_up(store: &dyn Store, number: u64, kind: u64, name: Option<String>) -> Result<()> {
    let id: TopUpId = format!("{kind:08x}-0000-4000-8000-{number:012x}").parse()?;
    let amount = Units::from_u32(50_000);
    let wanted = NewTopUp {
        id,
        account: client(number),
        amount,
        needed: Units::MAX,
        payment_method: format!("pm_{number:024}").parse().map_err(|_| "no PaymentMethod")?,
        card: "visa 4242".parse().ok(),
        idempotency_key: name,
        now_ms: 1_795_000_000_000,
    };
    let Opened::New(opened) = store.open_top_up(wanted).await? else {
        return Err("a top-up was not opened".into());
    };
    let payment_intent = format!("pi_{kind}{number:023}");
    let to = match kind {
        3 => State::Refused {
            refusal: Box::new(Refusal::new(Code::CardDeclined, "Your card was declined.")),
        },
        _ => State::Credited { payment_intent, amount },
    };
    store.advance_top_up(opened.id, None, to).await?;
    Ok(())
}
