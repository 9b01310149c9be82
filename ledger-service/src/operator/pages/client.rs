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
    super::keyring::{OperatorContext, Operators},
    clients, holds,
    layout::{self, Place},
    text::{moment, money, number, plain},
};
use crate::operator::work::{
    Actor, OperatorError,
    view::{AccountDetails, Grant, Movements},
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
    /// `1` if all of it is meant.
    #[serde(default)]
    pub(super) all: String,
    /// In how many days a grant expires.
    #[serde(default)]
    pub(super) days: String,
    #[serde(default)]
    pub(super) reason: String,
    #[serde(default)]
    pub(super) reference: String,
    /// `1` once the operator has agreed to what was asked.
    #[serde(default)]
    pub(super) sure: String,
    /// The refund that the operator has agreed to.
    #[serde(default)]
    pub(super) plan: String,
    /// The id of a key.
    #[serde(default)]
    pub(super) key: String,
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
    account: AccountDetails,
    movements: Movements,
}

impl Past {
    fn currency(&self) -> Currency {
        self.account.account.currency
    }
}

pub(super) async fn show(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Query(look): Query<Look>,
) -> Response {
    match page(&operators.0, &actor, &client, &look, None).await {
        Ok(page) => page.into_response(),
        Err(problem) => layout::wrong(&actor, Place::Clients, &problem),
    }
}

/// The page of a client; with what did not work, and the form that it came from.
pub(super) async fn page(
    OperatorContext { operations, live, .. }: &OperatorContext,
    actor: &Actor,
    client: &str,
    look: &Look,
    failed: Option<Failed<'_>>,
) -> Result<Markup, OperatorError> {
    let found = operations.client_details(client).await?;
    let (subject, customer) = (found.subject, found.customer);
    let mut pasts = Vec::new();
    for account in found.accounts {
        let currency = account.account.currency;
        let before = look.before.filter(|_| look.currency.as_deref() == Some(currency.as_str()));
        let movements = operations.movements_of(client, Some(currency), before, MOVEMENTS).await?;
        pasts.push(Past { account, movements });
    }
    let keys = operations.keys_of(client).await?.keys;
    let frozen = pasts.iter().any(|past| past.account.account.frozen);
    let main = html! {
        @if let Some(done) = look.done.as_deref().and_then(said) { p.done role="status" { (done) } }
        @if let Some(failed) = failed { p.alert role="alert" { (failed.problem) } }
        div.head {
            h1 { "Client " code { (subject) } }
            p.muted {
                a href={ "/admin/card-charges?client=" (subject) } { "Card charges" }
                @if let Some(customer) = customer {
                    " · At Stripe: " code { (layout::named_at_stripe(&customer, *live)) }
                }
            }
        }
        @for past in &pasts { (account(past, &subject)) }
        @if !keys.is_empty() { (super::keys::table(&keys, &subject, failed)) }
        @if !found.holds.is_empty() {
            section.card {
                h3 { "Open holds" }
                (holds::table(&found.holds, false))
            }
        }
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
        "grant" => Some("The credit is in the books."),
        "stop-auto-top-up" => Some("The key tops up no more."),
        "rotate" => Some("Rotated: the client's ids so far spend nothing more."),
        "revoke" => Some("The key is revoked: it spends nothing any more."),
        "repeated" => Some("It was in the books already, by the same reference: nothing happened."),
        "refund" => Some("The refund is on its way to the card."),
        "short" => Some("Less was refunded than was asked for: no card charge can take the rest."),
        _ => None,
    }
}

fn account(past: &Past, subject: &str) -> Markup {
    let (details, account) = (&past.account, &past.account.account);
    let currency = past.currency();
    let tile = |name: &str, value: Markup| html! { div.tile { dt { (name) } dd { (value) } } };
    html! {
        section aria-label={ "Account in " (currency) } {
            div.head { h2 { "Account in " (currency) } (clients::state(account)) }
            dl.tiles {
                (tile("Available", money(account.available.get(), currency)))
                @if !details.grants.is_empty() {
                    (tile("Of that, paid for", money(details.paid.get(), currency)))
                }
                (tile("Held back", money(account.pending.get(), currency)))
                (tile("Owed", money(account.debt.get(), currency)))
                (tile("Paid requests", html! { (number(details.requests)) }))
                (tile("Spent", money(details.spent, currency)))
            }
            @if !details.grants.is_empty() {
                section.card {
                    h3 { "Credit that was given" }
                    p.hint { "Spent first, in this order; never refunded to a card." }
                    (grants(&details.grants, currency))
                }
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

fn grants(grants: &[Grant], currency: Currency) -> Markup {
    html! {
        table {
            thead { tr {
                th.wide scope="col" { "Reference" } th.number scope="col" { "Given" }
                th.number scope="col" { "Left" } th scope="col" { "Expires" }
            } }
            tbody {
                @for grant in grants {
                    tr {
                        td.wide.reference { (grant.reference) }
                        td.number { (money(grant.granted.get(), currency)) }
                        td.number { (money(grant.left.get(), currency)) }
                        td { @if let Some(at_ms) = grant.expires_ms { (moment(at_ms)) } @else { "never" } }
                    }
                }
            }
        }
    }
}

fn movements(past: &Past, subject: &str) -> Markup {
    let (currency, movements) = (past.currency(), &past.movements.movements);
    html! {
        @if movements.is_empty() { p.empty { "None." } } @else {
            table {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "What" }
                    th.number scope="col" { "Amount" } th.wide scope="col" { "Reference" }
                } }
                tbody {
                    @for movement in movements {
                        tr {
                            td { (moment(movement.at_ms)) }
                            td {
                                (plain(movement.kind.as_str()))
                                @if let Some(note) = &movement.note { span.note { (note) } }
                            }
                            td.number { @if !movement.amount.is_zero() { (money(movement.amount.get(), currency)) } }
                            td.wide.reference { (movement.reference) }
                        }
                    }
                }
            }
        }
        @if let Some(older) = &past.movements.next {
            p { a href={ "/admin/clients/" (subject) "?currency=" (currency) "&before=" (older) } { "Older" } }
        }
    }
}

fn deductions(past: &Past) -> Markup {
    html! {
        @if past.account.recent.is_empty() { p.empty { "None that is still kept one by one." } } @else {
            table {
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Route" } th.number scope="col" { "Amount" }
                } }
                tbody {
                    @for kept in past.account.recent.iter().take(DEDUCTIONS) {
                        tr {
                            td { (moment(kept.at_ms)) }
                            td.reference { (kept.route) }
                            td.number { (money(kept.amount.get(), past.currency())) }
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
    let currencies: Vec<Currency> = pasts.iter().map(Past::currency).collect();
    html! {
        div.three {
            form.card method="post" action=(action("adjust")) {
                h3 { "Correct the balance" }
                (amount("adjust", "Amount, below zero to debit", "5.00", true, &currencies, filled("adjust")))
                (reason("adjust", true, filled("adjust")))
                (reference("adjust", filled("adjust")))
                button type="submit" { "Correct …" }
            }
            form.card method="post" action=(action("grant")) {
                h3 { "Give credit" }
                p.hint { "Spent before what was paid for; never refunded to a card." }
                (amount("grant", "Amount", "5.00", true, &currencies, filled("grant")))
                label for="grant-days" { "Expires in so many days; never without" }
                input #grant-days name="days" value=(filled("grant").days) inputmode="numeric"
                    pattern="[0-9]{0,5}" autocomplete="off";
                (reason("grant", true, filled("grant")))
                (reference("grant", filled("grant")))
                button type="submit" { "Give …" }
            }
            form.card method="post" action=(action("refund")) {
                h3 { "Refund unused credit" }
                p.hint { "Paid for and not spent: " (paid(pasts)) "." }
                (amount("refund", "Amount", "5.00", false, &currencies, filled("refund")))
                label.check {
                    input #refund-all type="checkbox" name="all" value="1" checked[filled("refund").all == "1"];
                    " All that was paid for"
                }
                (reason("refund", false, filled("refund")))
                (reference("refund", filled("refund")))
                button type="submit" { "Refund to the card …" }
            }
            form.card method="post" action=(action("rotate")) {
                h3 { "Rotate the client id" }
                p.hint { "The ids so far spend nothing more. The card learns the new one when it pays next." }
                (reason("rotate", true, filled("rotate")))
                button.danger type="submit" { "Rotate" }
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

/// What can be refunded, in each currency.
fn paid(pasts: &[Past]) -> Markup {
    html! {
        @for (at, past) in pasts.iter().enumerate() {
            @if at > 0 { ", " }
            (money(past.account.paid.get(), past.currency()))
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
