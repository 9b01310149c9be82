//! The books that a command works on: a store that it opens, or a ledger that runs. Both answer the
//! objects of the operator API.

use std::{sync::Arc, time::Duration};

use futures_util::TryFutureExt as _;
use serde_json::json;
use stripe402_protocol::{ClientId, Currency};
use uuid::Uuid;

use super::{
    CliError, at_stripe, open,
    remote::{Remote, Task},
};
use crate::{
    clock::SystemClock,
    config::{BooksArgs, Secret, StripeArgs, Target},
    operator::work::{
        Actor, Adjustment, GrantOrder, KeyEnd, KeyOrder, Month, Operations, OperatorError,
        view::{
            Adjusted, Client, ClientDetails, Clients, Holds, Key, Keys, MadeKey, Movement,
            Movements, Reconciled, Revenue, Rotated, Statement, SumBy, Verified,
        },
    },
};

/// How many lines of a list are asked for at once: the most that the API gives.
const PAGE: usize = 500;
/// The most days that the API sums: more than there have been since 1970.
const ALL_DAYS: u64 = 36_500;

/// See the module.
pub(super) enum Books {
    /// A store, which this process has open.
    Here(Box<Operations>),
    /// A ledger.
    There(Box<Remote>),
}

impl Books {
    /// The books that these arguments and the environment name, without Stripe.
    ///
    /// # Errors
    /// [`CliError`] if a setting is wrong, or there are no books.
    pub(super) fn open(arguments: &BooksArgs) -> Result<Self, CliError> {
        match arguments.target()? {
            Target::Store(store) => {
                let store = open(&store, arguments)?;
                let operations = Operations::new(store, None, Arc::new(SystemClock));
                Ok(Self::Here(Box::new(operations)))
            }
            Target::Ledger { url, token, ca } => {
                Ok(Self::There(Box::new(Remote::new(&url, &token, ca.as_deref())?)))
            }
        }
    }

    /// The same, with Stripe. A ledger has its own key and secrets. `secrets` derive client ids; without
    /// them no account can be found by its card.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) fn with_stripe(
        arguments: &BooksArgs,
        stripe: &StripeArgs,
        secrets: &Option<Secret>,
        lost_books: Option<Uuid>,
    ) -> Result<Self, CliError> {
        match arguments.target()? {
            Target::Store(store) => {
                let store = open(&store, arguments)?;
                let parts = at_stripe(&store, stripe, secrets, lost_books)?;
                let operations = Operations::new(store, Some(parts), Arc::new(SystemClock));
                Ok(Self::Here(Box::new(operations)))
            }
            Target::Ledger { .. } if lost_books.is_some() => {
                let text =
                    "--lost-books: cannot be used with --url: stop the ledger and use --store";
                Err(CliError::Setting(text.to_owned()))
            }
            Target::Ledger { url, token, ca } => {
                Ok(Self::There(Box::new(Remote::new(&url, &token, ca.as_deref())?)))
            }
        }
    }

    pub(super) async fn client_details(&self, client: &str) -> Result<ClientDetails, CliError> {
        match self {
            Self::Here(books) => Ok(books.client_details(client).await?),
            Self::There(ledger) => ledger.get(&format!("/clients/{}", subject(client)?)).await,
        }
    }

    /// Every movement of one account, newest first.
    pub(super) async fn movements_of(
        &self,
        client: &str,
        currency: Currency,
    ) -> Result<Vec<Movement>, CliError> {
        let ledger = match self {
            Self::Here(books) => {
                let all = books.movements_of(client, Some(currency), None, usize::MAX).await?;
                return Ok(all.movements);
            }
            Self::There(ledger) => ledger,
        };
        let path = format!("/clients/{}/movements?currency={currency}", subject(client)?);
        let page = async |next| ledger.get::<Movements>(&page(&path, next)).await;
        all(page, |found| (found.movements, found.next)).await
    }

    /// Every movement, of one client or of all, newest first.
    pub(super) async fn all_movements(&self, client: Option<&str>) -> Result<Movements, CliError> {
        let ledger = match self {
            Self::Here(books) => return Ok(books.all_movements(client).await?),
            Self::There(ledger) => ledger,
        };
        let clients = match client {
            Some(client) => {
                let found = self.client_details(client).await?;
                let accounts = found.accounts.into_iter().map(|of| of.account).collect();
                vec![Client { subject: found.subject, accounts }]
            }
            None => {
                let page = async |next| ledger.get::<Clients>(&page("/clients?", next)).await;
                all(page, |found| (found.clients, found.next)).await?
            }
        };
        let mut movements = Vec::new();
        for Client { subject, accounts } in clients {
            for account in accounts {
                movements.extend(self.movements_of(&subject, account.currency).await?);
            }
        }
        movements.sort_by_key(|movement| std::cmp::Reverse(movement.at_ms));
        Ok(Movements { movements, next: None })
    }

    pub(super) async fn holds(&self, client: Option<&str>) -> Result<Holds, CliError> {
        let ledger = match self {
            Self::Here(books) => return Ok(books.holds(client, None, usize::MAX).await?),
            Self::There(ledger) => ledger,
        };
        let path = match client {
            Some(client) => format!("/holds?client={}", subject(client)?),
            None => "/holds?".to_owned(),
        };
        let page = async |next| ledger.get::<Holds>(&page(&path, next)).await;
        let holds = all(page, |found| (found.holds, found.next)).await?;
        Ok(Holds { holds, more: false, next: None })
    }

    /// What deductions brought, of all time.
    pub(super) async fn revenue(&self, by: SumBy) -> Result<Revenue, CliError> {
        match self {
            Self::Here(books) => Ok(books.revenue(by, None).await?),
            Self::There(ledger) => {
                let by = match by {
                    SumBy::Route => "route",
                    SumBy::Day => "day",
                    SumBy::Hour => "hour",
                };
                ledger.get(&format!("/revenue?by={by}&days={ALL_DAYS}")).await
            }
        }
    }

    pub(super) async fn statement(&self, month: &str) -> Result<Statement, CliError> {
        let of: Month = month.parse()?;
        match self {
            Self::Here(books) => Ok(books.statement(of).await?),
            Self::There(ledger) => ledger.get_sums(&format!("/statement?month={month}")).await,
        }
    }

    pub(super) async fn freeze(
        &self,
        client: &str,
        frozen: bool,
        reason: &str,
    ) -> Result<Client, CliError> {
        match self {
            Self::Here(books) => {
                Ok(books.freeze(&Actor::command_line(), client, frozen, reason).await?)
            }
            Self::There(ledger) => {
                let action = if frozen { "freeze" } else { "unfreeze" };
                let path = format!("/clients/{}/{action}", subject(client)?);
                ledger.post(&path, &json!({"reason": reason}), Task::Act).await
            }
        }
    }

    pub(super) async fn adjust(
        &self,
        client: &str,
        wanted: Adjustment,
    ) -> Result<Adjusted, CliError> {
        match self {
            Self::Here(books) => Ok(books.adjust(&Actor::command_line(), client, wanted).await?),
            Self::There(ledger) => {
                let Adjustment { currency, units, reference, reason } = wanted;
                let path = format!("/clients/{}/adjustments", subject(client)?);
                let body = json!({
                    "units": units, "currency": currency, "reference": reference, "reason": reason,
                });
                ledger.post(&path, &body, Task::Act).await
            }
        }
    }

    pub(super) async fn grant(
        &self,
        client: &str,
        wanted: GrantOrder,
    ) -> Result<Adjusted, CliError> {
        match self {
            Self::Here(books) => Ok(books.grant(&Actor::command_line(), client, wanted).await?),
            Self::There(ledger) => {
                let GrantOrder { currency, units, expires_ms, reference, reason } = wanted;
                let path = format!("/clients/{}/grants", subject(client)?);
                let body = json!({
                    "units": units, "currency": currency, "expires_ms": expires_ms,
                    "reference": reference, "reason": reason,
                });
                ledger.post(&path, &body, Task::Act).await
            }
        }
    }

    pub(super) async fn keys_of(&self, client: &str) -> Result<Keys, CliError> {
        match self {
            Self::Here(books) => Ok(books.keys_of(client).await?),
            Self::There(ledger) => ledger.get(&format!("/clients/{}/keys", subject(client)?)).await,
        }
    }

    pub(super) async fn make_key(
        &self,
        client: &str,
        wanted: KeyOrder,
    ) -> Result<MadeKey, CliError> {
        match self {
            Self::Here(books) => Ok(books.make_key(&Actor::command_line(), client, wanted).await?),
            Self::There(ledger) => {
                let KeyOrder { terms, reason } = wanted;
                let path = format!("/clients/{}/keys", subject(client)?);
                let body = json!({
                    "label": terms.label, "currency": terms.currency,
                    "total": terms.budget.total, "per_day": terms.budget.per_day,
                    "per_month": terms.budget.per_month, "expires_ms": terms.expires_ms,
                    "routes": terms.routes, "manage": terms.manage, "reason": reason,
                });
                ledger.post(&path, &body, Task::Act).await
            }
        }
    }

    pub(super) async fn end_key(
        &self,
        client: &str,
        key: &str,
        (end, reason): (KeyEnd, &str),
    ) -> Result<Key, CliError> {
        match self {
            Self::Here(books) => {
                let actor = Actor::command_line();
                Ok(books.end_key(&actor, client, key, (end, reason)).await?)
            }
            Self::There(ledger) => {
                // Both become parts of a path.
                let (client, key) = (subject(client)?, subject(key)?);
                let path = format!("/clients/{client}/keys/{key}/{}", end.as_str());
                ledger.post(&path, &json!({"reason": reason}), Task::Act).await
            }
        }
    }

    pub(super) async fn rotate(&self, client: &str, reason: &str) -> Result<Rotated, CliError> {
        match self {
            Self::Here(books) => Ok(books.rotate(&Actor::command_line(), client, reason).await?),
            Self::There(ledger) => {
                let path = format!("/clients/{}/rotate", subject(client)?);
                ledger.post(&path, &json!({"reason": reason}), Task::Act).await
            }
        }
    }

    pub(super) async fn verify(&self) -> Result<Verified, CliError> {
        match self {
            Self::Here(books) => Ok(books.verify().await?),
            Self::There(ledger) => ledger.post("/verify", &json!({}), Task::Check).await,
        }
    }

    pub(super) async fn reconcile(
        &self,
        since: Duration,
        repair: bool,
    ) -> Result<Reconciled, CliError> {
        match self {
            Self::Here(books) => {
                let actor = Actor::command_line();
                books.reconcile(&actor, since, repair).map_err(CliError::from).await
            }
            Self::There(ledger) => {
                // A part of a second counts as a whole one: rather too much is compared.
                let part = u64::from(since.subsec_nanos() > 0);
                let seconds = since.as_secs().saturating_add(part);
                let body = json!({"since_seconds": seconds, "repair": repair});
                ledger.post("/reconcile", &body, Task::Check).await
            }
        }
    }
}

/// A client's name for a path: its subject. Its id can spend, and stays out of paths, which are logged.
pub(super) fn subject(client: &str) -> Result<String, OperatorError> {
    if let Ok(id) = client.parse::<ClientId>() {
        return Ok(id.subject());
    }
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if client.len() != 16 || !client.bytes().all(is_hex) {
        return Err(OperatorError::unnamed());
    }
    Ok(client.to_owned())
}

/// The path of one page of a list; `path` has its question mark.
fn page(path: &str, next: Option<String>) -> String {
    let cursor = next.map(|next| format!("&cursor={next}")).unwrap_or_default();
    format!("{path}&limit={PAGE}{cursor}")
}

/// All pages of a list.
async fn all<P, T>(
    page: impl AsyncFn(Option<String>) -> Result<P, CliError>,
    lines: impl Fn(P) -> (Vec<T>, Option<String>),
) -> Result<Vec<T>, CliError> {
    let (mut found, mut next) = (Vec::new(), None);
    loop {
        let (some, after) = lines(page(next).await?);
        found.extend(some);
        if after.is_none() {
            return Ok(found);
        }
        next = after;
    }
}
