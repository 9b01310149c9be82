//! What all pages share.

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use maud::{DOCTYPE, Markup, html};

use crate::operator::work::{Actor, OperatorError};

/// Which part of the page one is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Clients,
    Holds,
    Audit,
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
                    (link(Place::Holds, "/admin/holds", "Holds"))
                    (link(Place::Audit, "/admin/audit", "Audit"))
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
