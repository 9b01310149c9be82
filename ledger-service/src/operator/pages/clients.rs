//! The list of clients.

use axum::{
    Extension, Form,
    extract::{Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::keyring::Operators,
    layout::{self, Place},
    text::money,
};
use crate::operator::work::{
    Actor, Operations, OperatorError,
    view::{Account, Client},
};

/// How many clients a page has.
const LINES: usize = 25;

/// How much of an id an address may hold.
const TOLD: usize = 16;

/// Which clients.
#[derive(Deserialize)]
pub(super) struct Which {
    search: Option<String>,
    after: Option<String>,
}

impl Which {
    /// Those that are found by this.
    pub(super) fn of(search: &str) -> Self {
        Self { search: Some(search.to_owned()), after: None }
    }
}

pub(super) async fn list(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Query(which): Query<Which>,
) -> Response {
    let search = which.search.unwrap_or_default().trim().to_ascii_lowercase();
    match found(&operators.0.operations, &search, which.after.as_deref()).await {
        Ok(main) => layout::page(&actor, Place::Clients, "Clients", main).into_response(),
        Err(problem) => layout::wrong(&actor, Place::Clients, &problem),
    }
}

/// The question in a form, and its answer at an address without it: a client id spends, and
/// addresses are kept in histories and logs.
pub(super) async fn search(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Form(which): Form<Which>,
) -> Response {
    let search = which.search.unwrap_or_default().trim().to_ascii_lowercase();
    if search.len() <= TOLD || !search.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let search: String =
            search.chars().filter(char::is_ascii_alphanumeric).take(TOLD).collect();
        return Redirect::to(&format!("/admin/clients?search={search}")).into_response();
    }
    let found = operators.0.operations.clients(Some(&search), None, 1).await;
    match found.map(|page| page.clients.into_iter().next()) {
        Ok(Some(client)) => {
            Redirect::to(&format!("/admin/clients/{}", client.subject)).into_response()
        }
        Ok(None) => {
            let problem = OperatorError::NotFound("there is no such client in these books");
            layout::wrong(&actor, Place::Clients, &problem)
        }
        Err(problem) => layout::wrong(&actor, Place::Clients, &problem),
    }
}

async fn found(
    operations: &Operations,
    search: &str,
    after: Option<&str>,
) -> Result<Markup, OperatorError> {
    let asked = Some(search).filter(|search| !search.is_empty());
    let page = operations.clients(asked, after, LINES).await?;
    Ok(html! {
        div.head {
            h1 { "Clients" }
            form.search method="post" action="/admin/clients" role="search" {
                label.hidden for="search" { "Client id or subject" }
                input #search name="search" value=(search) placeholder="Id, its beginning, or subject"
                    autocomplete="off" spellcheck="false" pattern="[0-9a-fA-F]{1,64}";
                button type="submit" { "Find" }
            }
        }
        section.card {
            @if page.clients.is_empty() {
                p.empty {
                    @if search.is_empty() { "There is no client yet. The first card that pays is one." }
                    @else { "No client id begins with, and no subject is, " code { (search) } "." }
                }
            } @else {
                (table(&page.clients))
            }
        }
        @if let Some(next) = &page.next {
            p { a.button href={ "/admin/clients?search=" (search) "&after=" (next) } { "More" } }
        }
    })
}

/// One row for each account. Columns of the class `wide` are hidden on phones: the table must fit 390
/// pixels (`tests/tests/gateway/operator_page.rs`).
fn table(clients: &[Client]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "Client" } th.number scope="col" { "Available" }
                th.number.wide scope="col" { "Held back" } th.number.wide scope="col" { "Owed" }
                th scope="col" { "State" }
            } }
            tbody {
                @for client in clients {
                    @for account in &client.accounts {
                        tr {
                            th scope="row" { (layout::client(&client.subject)) }
                            td.number { (money(account.available.get(), account.currency)) }
                            td.number.wide { (money(account.pending.get(), account.currency)) }
                            td.number.wide { (money(account.debt.get(), account.currency)) }
                            td { (state(account)) }
                        }
                    }
                }
            }
        }
    }
}

/// Whether an account can be used.
pub(super) fn state(account: &Account) -> Markup {
    html! {
        @if account.frozen { span.badge.bad { "frozen" } }
        @else if !account.debt.is_zero() { span.badge.waiting { "in debt" } }
        @else { span.badge.good { "open" } }
        @if account.generation > 0 { span.badge { "id " (account.generation) } }
    }
}
