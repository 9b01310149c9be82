//! Tables of money: card charges, and movements, with refunds and disputes among them.

use axum::{
    Extension, Form,
    extract::{Path, Query, State},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::keyring::Operators,
    choose::Look,
    layout::{self, Place},
    text::{moment, money, plain},
};
use crate::operator::{
    download,
    sheet::Format,
    work::{
        Actor, OperatorError, Table, spelt,
        view::{Movement, TopUp},
    },
};

/// How many rows a page has.
pub(super) const LINES: usize = 50;

pub(super) async fn card_charges(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Query(look): Query<Look>,
) -> Response {
    let context = &operators.0;
    let of = Of { table: Table::CardCharges, title: "Card charges", page: "/admin/card-charges" };
    let filter = look.filter(of.table).map_err(OperatorError::Invalid);
    let found = match filter {
        Ok(filter) => context.operations.top_ups(&filter, look.after.as_deref(), LINES).await,
        Err(problem) => Err(problem),
    };
    let rows = found.map(|found| (top_ups(&found.top_ups, context.live), found.next));
    of.page(&actor, &look, rows)
}

pub(super) async fn movements(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Query(look): Query<Look>,
) -> Response {
    let context = &operators.0;
    let of = Of { table: Table::Movements, title: "Movements", page: "/admin/movements" };
    let filter = look.filter(of.table).map_err(OperatorError::Invalid);
    let found = match filter {
        Ok(filter) => context.operations.movements(&filter, look.after.as_deref(), LINES).await,
        Err(problem) => Err(problem),
    };
    let rows = found.map(|found| (all(&found.movements, context.live), found.next));
    of.page(&actor, &look, rows)
}

/// A page with one table.
pub(super) struct Of {
    pub(super) table: Table,
    pub(super) title: &'static str,
    pub(super) page: &'static str,
}

impl Of {
    /// The page: a form, rows, the way to older ones.
    pub(super) fn page(
        &self,
        actor: &Actor,
        look: &Look,
        rows: Result<(Option<Markup>, Option<String>), OperatorError>,
    ) -> Response {
        let (table, place) = (self.table, Place::Table(self.table));
        let status = rows.as_ref().err().map(layout::status);
        let main = html! {
            div.head { h1 { (self.title) } }
            (look.form(table, self.page))
            @match &rows {
                Err(problem) => p.alert role="alert" { (problem) },
                Ok((shown, next)) => {
                    section.card {
                        @match shown {
                            Some(shown) => (shown),
                            None if next.is_some() => p.empty { "None among these. There are older ones to look at." },
                            None => p.empty { "None." },
                        }
                    }
                    div.pages {
                        @if look.after.is_some() { a href=(look.address(self.page, &[])) { "Newest" } }
                        @if let Some(next) = next {
                            a.button href=(look.address(self.page, &[("after", next)])) { "Older" }
                        }
                        @if shown.is_some() {
                            a href=(look.address(&format!("/admin/exports/{}", spelt(&table)), &[])) { "All of these as CSV" }
                        }
                    }
                }
            }
        };
        let page = layout::page(actor, place, self.title, main);
        status.map_or_else(
            || page.clone().into_response(),
            |status| (status, page.clone()).into_response(),
        )
    }
}

fn top_ups(all: &[TopUp], live: bool) -> Option<Markup> {
    let rows = html! {
        table.lines {
            thead { tr {
                th scope="col" { "When" } th scope="col" { "Client" } th.number scope="col" { "Amount" }
                th scope="col" { "Card" } th scope="col" { "State" } th.wide scope="col" { "At Stripe" }
            } }
            tbody { @for of in all {
                tr {
                    td { (moment(of.created_ms)) }
                    td { (layout::client(&of.subject)) }
                    td.number { (money(of.amount.get(), of.currency)) }
                    td { @if let Some(card) = &of.card { (plain(&card.to_string())) } }
                    td {
                        (stage(of))
                        @if let Some(message) = &of.message { span.note { (message) } }
                    }
                    td.wide.reference { (layout::named_at_stripe(of.payment_intent.as_deref().unwrap_or_default(), live)) }
                }
            } }
        }
    };
    (!all.is_empty()).then_some(rows)
}

/// How far a card charge is.
fn stage(of: &TopUp) -> Markup {
    html! {
        @match of.state {
            "charging" => span.badge.waiting { "charging" },
            "requires_action" => span.badge.waiting { "waiting for 3D Secure" },
            "credited" => span.badge.good { "credited" },
            "lapsed" => span.badge.bad title="Stripe failed; nothing was taken" { "lapsed" },
            _ => span.badge.bad { (plain(of.code.as_deref().unwrap_or("refused"))) },
        }
    }
}

fn all(all: &[Movement], live: bool) -> Option<Markup> {
    let rows = html! {
        table.lines {
            thead { tr {
                th scope="col" { "When" } th scope="col" { "Client" } th scope="col" { "What" }
                th.number scope="col" { "Amount" } th.wide scope="col" { "Reference" }
            } }
            tbody { @for of in all {
                tr {
                    td { (moment(of.at_ms)) }
                    td { (layout::client(&of.subject)) }
                    td {
                        (plain(of.kind.as_str()))
                        @if let Some(note) = &of.note { span.note { (layout::named_at_stripe(note, live)) } }
                    }
                    td.number { @if !of.amount.is_zero() { (money(of.amount.get(), of.currency)) } }
                    td.wide.reference { (layout::named_at_stripe(&of.reference, live)) }
                }
            } }
        }
    };
    (!all.is_empty()).then_some(rows)
}

/// The rows that a page shows, all of them, as a file.
pub(super) async fn export(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(table): Path<String>,
    Query(look): Query<Look>,
) -> Response {
    let found = async {
        let table: Table = serde_json::from_value(table.into())
            .map_err(|_| OperatorError::NotFound("there is no such table"))?;
        let filter = look.filter(table).map_err(OperatorError::Invalid)?;
        download::file(&operators, table, filter, Format::Csv).await
    };
    found.await.unwrap_or_else(|problem| layout::wrong(&actor, Place::Overview, &problem))
}

#[derive(Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    search: String,
}

/// Where what was typed is to be found. It comes in a form, and the answer is at an address without it if it
/// is a client id: that spends, and addresses are kept in histories and logs.
pub(super) async fn search(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Form(Search { search }): Form<Search>,
) -> Response {
    // A client id or a PaymentMethod pays, and is not put into an address, whatever is around it.
    let id = search.split(|of: char| !of.is_ascii_hexdigit()).find(|part| part.len() == 64);
    let text = id.unwrap_or_else(|| search.trim());
    if text.contains("pm_") || text.contains("spt_") || compact_is_id(text) {
        let wrong =
            "what pays is not looked for: use the client's subject, or an id of a charge at Stripe";
        let problem = OperatorError::Invalid(wrong.to_owned());
        return layout::wrong(&actor, Place::Overview, &problem);
    }
    if text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return redirect("/admin/card-charges", &[("card", text)]);
    }
    let is_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if text.is_empty() || is_hex {
        let form = super::clients::Which::of(text);
        return super::clients::search(State(operators), Extension(actor), Form(form)).await;
    }
    let page = match text.split_once('_').map(|(kind, _)| kind) {
        Some("re" | "dp" | "du") => "/admin/movements",
        _ if uuid::Uuid::try_parse(text).is_ok() => "/admin/card-charges",
        Some("pi") => match operators.0.operations.payer(text).await {
            Ok(Some(subject)) => {
                let query = [("client", subject.as_str()), ("about", text)];
                return redirect("/admin/movements", &query);
            }
            Ok(None) => "/admin/card-charges",
            Err(problem) => return layout::wrong(&actor, Place::Overview, &problem),
        },
        _ => "/admin/movements",
    };
    redirect(page, &[("about", text)])
}

/// Whether a client id is in it that something has torn apart.
fn compact_is_id(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits >= 64 && text.len() > 64
}

fn redirect(page: &str, query: &[(&str, &str)]) -> Response {
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    Redirect::to(&format!("{page}?{query}")).into_response()
}
