//! What all pages share.

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::operator::work::{Actor, OperatorError, Table};

/// Which part of the page one is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Clients,
    Table(Table),
    Holds,
}

/// A page for who has signed in.
pub(super) fn page(actor: &Actor, place: Place, title: &str, main: Markup) -> Markup {
    let link = |to: Place, address: &str, name: &str| {
        html! { a href=(address) aria-current=[(to == place).then_some("page")] { (name) } }
    };
    bare(
        title,
        html! {
            a.skip href="#main" { "Skip to the content" }
            header.top {
                a.brand href="/admin/" { span.mark aria-hidden="true" {} "stripe402" }
                nav aria-label="Pages" {
                    (link(Place::Overview, "/admin/", "Overview"))
                    (link(Place::Clients, "/admin/clients", "Clients"))
                    (link(Place::Table(Table::CardCharges), "/admin/card-charges", "Card charges"))
                    (link(Place::Table(Table::Movements), "/admin/movements", "Movements"))
                    (link(Place::Holds, "/admin/holds", "Holds"))
                    (link(Place::Table(Table::Audit), "/admin/audit", "Audit"))
                }
                form.find method="post" action="/admin/search" role="search" {
                    label.hidden for="find" { "Find a client, a card charge, a refund or a dispute" }
                    input #find name="search" placeholder="Find: client, pi_…, re_…, dp_…, reference"
                        autocomplete="off" spellcheck="false" maxlength="256";
                }
                form.who method="post" action="/admin/logout" {
                    span.muted { (actor.0) }
                    button.quiet type="submit" { "Sign out" }
                }
            }
            main #main { (main) }
        },
    )
}

/// A page for anybody.
pub(super) fn bare(title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · stripe402" }
                link rel="icon" href="/admin/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/admin/style.css";
            }
            body { (body) }
        }
    }
}

/// A page that says what is wrong.
pub(super) fn wrong(actor: &Actor, place: Place, problem: &OperatorError) -> Response {
    let main = html! {
        h1 { "That did not work" }
        p.alert role="alert" { (problem) }
    };
    (status(problem), page(actor, place, "Problem", main)).into_response()
}

/// The status for a problem.
pub(super) const fn status(problem: &OperatorError) -> StatusCode {
    super::super::status(problem).0
}

/// A client's subject, as a link to it.
pub(super) fn client(subject: &str) -> Markup {
    html! { a.id href={ "/admin/clients/" (subject) } { (subject) } }
}

/// A text, with a link to Stripe's dashboard for each id of Stripe's in it.
pub(super) fn named_at_stripe(text: &str, live: bool) -> Markup {
    html! {
        @for (at, part) in text.split(':').enumerate() {
            @if at > 0 { ":" }
            @match at_stripe(part, live) {
                Some(address) => a href=(address) rel="noreferrer" { (part) },
                None => (part),
            }
        }
    }
}

/// Where Stripe's dashboard shows what has this id.
fn at_stripe(id: &str, live: bool) -> Option<String> {
    let (kind, rest) = id.split_once('_')?;
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let place = match kind {
        "pi" => format!("payments/{id}"),
        "cus" => format!("customers/{id}"),
        "re" | "dp" | "du" => format!("search?query={id}"),
        _ => return None,
    };
    let mode = if live { "" } else { "test/" };
    Some(format!("https://dashboard.stripe.com/{mode}{place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_stripe_lead_to_its_dashboard() {
        let shown = named_at_stripe("refund:pi_1:case 17:0", false).into_string();
        let link = "https://dashboard.stripe.com/test/payments/pi_1";
        assert_eq!(
            shown,
            format!("refund:<a href=\"{link}\" rel=\"noreferrer\">pi_1</a>:case 17:0")
        );
        for (id, live, expected) in [
            ("cus_1", true, Some("https://dashboard.stripe.com/customers/cus_1")),
            ("dp_1", false, Some("https://dashboard.stripe.com/test/search?query=dp_1")),
            ("re_1", true, Some("https://dashboard.stripe.com/search?query=re_1")),
            ("pm_1", true, None),
            ("pi_", true, None),
            ("pi_../x", true, None),
            ("case-17", true, None),
        ] {
            assert_eq!(at_stripe(id, live).as_deref(), expected, "{id}");
        }
    }
}
