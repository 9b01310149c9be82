//! The record of what operators did: a line before it happens, a line when its outcome is known.

use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use maud::{Markup, html};

use super::{
    super::keyring::Operators,
    choose::Look,
    layout,
    tables::{LINES, Of},
    text::{moment, money},
};
use crate::{
    accounting::Outcome,
    operator::work::{Actor, OperatorError, Table, spelt, view::Entry},
};

pub(super) async fn list(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Query(look): Query<Look>,
) -> Response {
    let of = Of { table: Table::Audit, title: "Audit", page: "/admin/audit" };
    let filter = look.filter(of.table).map_err(OperatorError::Invalid);
    let found = match filter {
        Ok(filter) => operators.0.operations.audit(&filter, look.after.as_deref(), LINES).await,
        Err(problem) => Err(problem),
    };
    of.page(&actor, &look, found.map(|found| (all(&found.entries), found.next)))
}

fn all(entries: &[Entry]) -> Option<Markup> {
    let rows = html! {
        table.lines {
            thead { tr {
                th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" }
                th scope="col" { "Client" } th.wide scope="col" { "Why" } th scope="col" { "Outcome" }
            } }
            tbody { @for entry in entries { (line(entry)) } }
        }
    };
    (!entries.is_empty()).then_some(rows)
}

fn line(entry: &Entry) -> Markup {
    html! {
        tr {
            td { (moment(entry.at_ms)) }
            td { (entry.actor) }
            td {
                (spelt(&entry.kind))
                @if let (Some(units), Some(currency)) = (entry.units, entry.currency) {
                    " " (money(units, currency))
                }
            }
            td { @if let Some(subject) = &entry.subject { (layout::client(subject)) } }
            td.wide { (entry.reason.as_deref().unwrap_or_default()) }
            td { (outcome(entry)) }
        }
    }
}

fn outcome(entry: &Entry) -> Markup {
    let name = spelt(&entry.outcome);
    let detail = entry.detail.as_deref();
    html! {
        @match entry.outcome {
            Outcome::Begun => span.badge title=[detail] { (name) },
            Outcome::Done | Outcome::Repeated => span.badge.good title=[detail] { (name) },
            Outcome::Refused => span.badge.bad title=[detail] { (name) },
            Outcome::Unknown => span.badge.waiting title=[detail] { (name) },
        }
    }
}
