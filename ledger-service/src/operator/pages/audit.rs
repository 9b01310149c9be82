//! The record of what operators did.

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    super::keyring::Operators,
    layout::{self, Place},
    text::{moment, money},
};
use crate::{
    accounting::Outcome,
    operator::work::{
        Actor, spelt,
        view::{Entries, Entry},
    },
};

/// How many entries a page has.
const LINES: usize = 50;

/// Which entries.
#[derive(Deserialize)]
pub(super) struct Which {
    before: Option<String>,
}

pub(super) async fn list(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Query(which): Query<Which>,
) -> Response {
    // What is no place of an entry begins anew.
    let before = which.before.and_then(|before| before.parse().ok());
    match operators.0.operations.audit(before, LINES).await {
        Ok(entries) => layout::page(&actor, Place::Audit, "Audit", all(&entries)).into_response(),
        Err(problem) => layout::wrong(&actor, Place::Audit, &problem),
    }
}

fn all(Entries { entries, next }: &Entries) -> Markup {
    html! {
        div.head { h1 { "Audit" } }
        p.hint { "What operators did: a line before it happens, a line when its outcome is known." }
        section.card {
            @if entries.is_empty() {
                p.empty { "Nobody has done anything yet." }
            } @else {
                table.lines {
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" }
                        th scope="col" { "Client" } th.wide scope="col" { "Why" } th scope="col" { "Outcome" }
                    } }
                    tbody { @for entry in entries { (line(entry)) } }
                }
            }
        }
        @if let Some(next) = next {
            p { a.button href={ "/admin/audit?before=" (next) } { "Older" } }
        }
    }
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
