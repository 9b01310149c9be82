//! What is held for requests whose price is not known yet.

use axum::{
    Extension,
    extract::State,
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};

use super::{
    super::keyring::Operators,
    layout::{self, Place},
    text::money,
};
use crate::operator::{
    moment::{moment, span},
    work::{
        Actor,
        view::{Hold, Holds},
    },
};

/// How many holds the page has.
const LINES: usize = 100;

pub(super) async fn list(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
) -> Response {
    match operators.0.operations.holds(None, None, LINES).await {
        Ok(holds) => layout::page(&actor, Place::Holds, "Holds", all(&holds)).into_response(),
        Err(problem) => layout::wrong(&actor, Place::Holds, &problem),
    }
}

fn all(Holds { holds, more, .. }: &Holds) -> Markup {
    html! {
        div.head { h1 { "Holds" } }
        p.hint {
            "What requests in progress may cost at most. When its price is known, the gateway takes that and \
             releases the rest. A hold that the gateway never settles ends by itself."
        }
        section.card {
            @if holds.is_empty() {
                p.empty { "Nothing is held." }
            } @else {
                (table(holds, true))
            }
        }
        @if *more { p.muted { "There are more, which end later." } }
    }
}

/// Holds in a table; with whose they are, or of one client.
pub(super) fn table(holds: &[Hold], of_all: bool) -> Markup {
    html! {
        table {
            thead { tr {
                @if of_all { th scope="col" { "Client" } }
                th scope="col" { "Route" } th.number scope="col" { "Held" }
                th.number.wide scope="col" { "For" } th.number scope="col" { "Ends in" }
                th.number.wide scope="col" { "Taken at its end" }
            } }
            tbody { @for hold in holds { (line(hold, of_all)) } }
        }
    }
}

fn line(hold: &Hold, of_all: bool) -> Markup {
    html! {
        tr {
            @if of_all { td { (layout::client(&hold.subject)) } }
            td.reference { (hold.shown_route()) }
            td.number { (money(hold.amount.get(), hold.currency)) }
            td.number.wide title=(moment(hold.at_ms)) { (span(hold.age_seconds)) }
            td.number title=(moment(hold.ends_ms)) { (span(hold.ends_in_seconds())) }
            td.number.wide { (money(hold.at_end.get(), hold.currency)) }
        }
    }
}
