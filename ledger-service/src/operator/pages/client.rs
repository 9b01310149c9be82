//! One client: what it has, what happened, and what can be done about it.

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use stripe402_protocol::Currency;
use uuid::Uuid;

use super::{
    super::keyring::Operators,
    clients,
    layout::{self, Place},
    text::{moment, money, number, plain},
};
use crate::{
    accounting::{Account, AccountKey, Movement},
    operator::work::{Actor, Operations, OperatorError},
    store::StoredDeduction,
};

/// How many movements and deductions are shown.
const MOVEMENTS: usize = 25;
const DEDUCTIONS: usize = 10;

/// What is shown of a client.
#[derive(Default, Deserialize)]
pub(super) struct Look {
    /// What has just been done.
    pub(super) done: Option<String>,
    /// Movements of this account before that many of the oldest.
    before: Option<usize>,
    currency: Option<String>,
}

/// What a form had, to be shown again where it did not work.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Filled {
    #[serde(default)]
    pub(super) amount: String,
    #[serde(default)]
    pub(super) currency: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) reference: String,
}

/// A form that did not work: which, what it had, and why.
#[derive(Clone, Copy)]
pub(super) struct Failed<'f> {
    pub(super) form: &'f str,
    pub(super) filled: &'f Filled,
    pub(super) problem: &'f OperatorError,
}

/// An account with its past.
struct Past {
    key: AccountKey,
    account: Account,
    requests: i64,
    spent: i64,
    movements: Vec<Movement>,
    /// How many are older than those.
    older: usize,
    recent: Vec<StoredDeduction>,
}

pub(super) async fn show(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Query(look): Query<Look>,
) -> Response {
    match page(&operators.0.operations, &actor, &client, &look, None).await {
        Ok(page) => page.into_response(),
        Err(problem) => layout::wrong(&actor, Place::Clients, &problem),
    }
}

/// The page of a client; with what did not work, and the form that it came from.
pub(super) async fn page(
    operations: &Operations,
    actor: &Actor,
    client: &str,
    look: &Look,
    failed: Option<Failed<'_>>,
) -> Result<Markup, OperatorError> {
    let keys = operations.accounts_of(client).await?;
    let subject = keys.first().map(|key| key.client.subject()).unwrap_or_default();
    let customer = match keys.first() {
        Some(key) => operations.store().customer(key.client).await?,
        None => None,
    };
    let mut pasts = Vec::new();
    for key in keys {
        pasts.push(past(operations, key, look).await?);
    }
    let frozen = pasts.iter().any(|past| past.account.frozen);
    let main = html! {
        @if let Some(done) = look.done.as_deref().and_then(said) { p.done role="status" { (done) } }
        @if let Some(failed) = failed { p.alert role="alert" { (failed.problem) } }
        div.head {
            h1 { "Client " code { (subject) } }
            @if let Some(customer) = customer { p.muted { "At Stripe: " code { (customer) } } }
        }
        @for past in &pasts { (account(past, &subject)) }
        h2 { "Do something" }
        p.hint { "Whatever is done here is in the audit record, under " strong { (actor.0) } "." }
        (forms(&subject, frozen, &pasts, failed))
    };
    Ok(layout::page(actor, Place::Clients, &format!("Client {subject}"), main))
}

fn said(done: &str) -> Option<&'static str> {
    match done {
        "freeze" => Some("Frozen: no more deductions and card charges."),
        "unfreeze" => Some("Unfrozen: deductions and card charges again."),
        "adjust" => Some("The correction is in the books."),
        "repeated" => Some("It was in the books already, by the same reference: nothing happened."),
        "refund" => Some("The refund is on its way to the card."),
        "short" => {
            Some("Less went back than was asked for: no card charge can take back the rest.")
        }
        _ => None,
    }
}

async fn past(
    operations: &Operations,
    key: AccountKey,
    look: &Look,
) -> Result<Past, OperatorError> {
    let store = operations.store();
    let account = store.account(key).await?;
    let tallies = store.tallies(key).await?;
    let (requests, spent) = tallies.iter().fold((0_i64, 0_i64), |(count, spent), tally| {
        (count.saturating_add(tally.count), spent.saturating_add(tally.amount))
    });
    let mut movements = store.movements(key).await?;
    if look.currency.as_deref() == Some(key.currency.as_str()) {
        movements.truncate(look.before.unwrap_or(usize::MAX));
    }
    let older = movements.len().saturating_sub(MOVEMENTS);
    let mut movements = movements.split_off(older);
    movements.reverse();
    let recent = store.deductions(key, DEDUCTIONS).await?;
    Ok(Past { key, account, requests, spent, movements, older, recent })
}

fn account(past: &Past, subject: &str) -> Markup {
    let Past { key, account, .. } = past;
    let currency = key.currency;
    let tile = |name: &str, value: Markup| html! { div.tile { dt { (name) } dd { (value) } } };
    html! {
        section aria-label={ "Account in " (currency) } {
            div.head { h2 { "Account in " (currency) } (clients::state(account)) }
            dl.tiles {
                (tile("Available", money(account.available.get(), currency)))
                (tile("Held back", money(account.pending.get(), currency)))
                (tile("Owed", money(account.debt.get(), currency)))
                (tile("Paid requests", html! { (number(past.requests)) }))
                (tile("Spent", money(past.spent, currency)))
            }
            div.two {
                section.card {
                    h3 { "Movements" }
                    (movements(past, subject))
                }
                section.card {
                    h3 { "Latest deductions" }
                    (deductions(past))
                }
            }
        }
    }
}

fn movements(past: &Past, subject: &str) -> Markup {
    let currency = past.key.currency;
    html! {
        @if past.movements.is_empty() { p.empty { "None." } } @else {
            table {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "What" }
                    th.number scope="col" { "Amount" } th.wide scope="col" { "Reference" }
                } }
                tbody {
                    @for movement in &past.movements {
                        @let posting = &movement.posting;
                        tr {
                            td { (moment(movement.at_ms)) }
                            td {
                                (plain(posting.kind.as_str()))
                                @if let Some(note) = &posting.note { span.note { (note) } }
                            }
                            td.number { @if !posting.amount.is_zero() { (money(posting.amount.get(), currency)) } }
                            td.wide.reference { (posting.reference) }
                        }
                    }
                }
            }
        }
        @if past.older > 0 {
            p { a href={ "/admin/clients/" (subject) "?currency=" (currency) "&before=" (past.older) } { "Older" } }
        }
    }
}

fn deductions(past: &Past) -> Markup {
    html! {
        @if past.recent.is_empty() { p.empty { "None that is still kept one by one." } } @else {
            table {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Route" } th.number scope="col" { "Amount" }
                } }
                tbody {
                    @for kept in &past.recent {
                        tr {
                            td { (moment(kept.id.minted_ms())) }
                            td.reference { (kept.route) }
                            td.number { (money(kept.amount.get(), past.key.currency)) }
                        }
                    }
                }
            }
        }
    }
}

fn forms(subject: &str, frozen: bool, pasts: &[Past], failed: Option<Failed<'_>>) -> Markup {
    // A form that is sent twice does its work once, by its reference.
    let fresh = Filled { reference: Uuid::new_v4().simple().to_string(), ..Filled::default() };
    let filled = |form: &str| failed.filter(|of| of.form == form).map_or(&fresh, |of| of.filled);
    let action = |what: &str| format!("/admin/clients/{subject}/{what}");
    let currencies: Vec<Currency> = pasts.iter().map(|past| past.key.currency).collect();
    html! {
        div.three {
            form.card method="post" action=(action("adjust")) {
                h3 { "Correct the balance" }
                (amount("adjust", "Amount, below zero to debit", "5.00", true, &currencies, filled("adjust")))
                (reason("adjust", true, filled("adjust")))
                (reference("adjust", filled("adjust")))
                button type="submit" { "Correct" }
            }
            form.card method="post" action=(action("refund")) {
                h3 { "Refund unused credits" }
                (amount("refund", "Amount; all that is available without", "all", false, &currencies, filled("refund")))
                (reason("refund", false, filled("refund")))
                (reference("refund", filled("refund")))
                button type="submit" { "Refund to the card" }
            }
            @let (what, button, hint) = if frozen {
                ("unfreeze", "Unfreeze", "Deductions and card charges again, in every currency.")
            } else {
                ("freeze", "Freeze", "No more deductions and card charges, in every currency.")
            };
            form.card method="post" action=(action(what)) {
                h3 { (button) }
                p.hint { (hint) }
                (reason(what, true, filled(what)))
                button.danger[!frozen] type="submit" { (button) }
            }
        }
    }
}

fn amount(
    form: &str,
    label: &str,
    example: &str,
    needed: bool,
    currencies: &[Currency],
    filled: &Filled,
) -> Markup {
    let id = format!("{form}-amount");
    html! {
        label for=(id) { (label) }
        div.amount {
            input #(id) name="amount" value=(filled.amount) placeholder=(example) required[needed]
                inputmode="decimal" autocomplete="off" pattern="-?[0-9]*[.]?[0-9]{0,4}";
            select name="currency" aria-label="Currency" {
                @for currency in currencies {
                    option value=(currency) selected[filled.currency == currency.as_str()] { (currency) }
                }
            }
        }
    }
}

fn reason(form: &str, needed: bool, filled: &Filled) -> Markup {
    let id = format!("{form}-reason");
    html! {
        label for=(id) { "Reason, for the record" }
        input #(id) name="reason" value=(filled.reason) maxlength="500" required[needed] autocomplete="off";
    }
}

fn reference(form: &str, filled: &Filled) -> Markup {
    let id = format!("{form}-reference");
    html! {
        details {
            summary { "Reference" }
            label for=(id) { "Names this: sent again, it is done once" }
            input #(id) name="reference" value=(filled.reference) maxlength="64" required autocomplete="off";
        }
    }
}
