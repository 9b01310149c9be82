//! A client's keys, and the form that revokes one.

use maud::{Markup, html};

use super::{
    client::Failed,
    text::{moment, money},
};
use crate::operator::work::{
    spelt,
    view::{AutoTopUp, Key, KeyState},
};

/// The keys of a client, the first one first.
pub(super) fn table(keys: &[Key], subject: &str, failed: Option<Failed<'_>>) -> Markup {
    let active = || keys.iter().filter(|key| key.state == KeyState::Active);
    let filled = failed.filter(|failed| failed.form == "revoke").map(|failed| failed.filled);
    let meant = filled.map(|filled| filled.key.as_str());
    let tops_up = |key: &&Key| key.auto_top_up.is_some_and(|auto| auto.off.is_none());
    html! {
        section.card {
            h3 { "Keys" }
            table {
                thead { tr {
                    th scope="col" { "Key" } th.wide scope="col" { "Label" } th scope="col" { "State" }
                    th.number scope="col" { "Spent" } th.number scope="col" { "Left" }
                    th.wide scope="col" { "Routes" } th scope="col" { "Expires" }
                    th scope="col" { "Last paid" } th.wide scope="col" { "Tops up" }
                } }
                tbody { @for key in keys { (row(key)) } }
            }
            @if active().next().is_some() {
                form method="post" action={ "/admin/clients/" (subject) "/revoke" } {
                    label for="revoke-key" { "Revoke a key, for good" }
                    select #revoke-key name="key" {
                        @for key in active() {
                            option value=(key.id) selected[meant == Some(key.id.as_str())] {
                                (key.label) " (" (key.id) ")"
                            }
                        }
                    }
                    label for="revoke-reason" { "Reason, for the record" }
                    input #revoke-reason name="reason" maxlength="500" required autocomplete="off"
                        value=[filled.map(|filled| filled.reason.as_str())];
                    button.danger type="submit" { "Revoke" }
                }
            }
            @if active().any(|key| tops_up(&key)) {
                form method="post" action={ "/admin/clients/" (subject) "/stop-auto-top-up" } {
                    label for="stop-key" { "Let a key charge its card no more" }
                    select #stop-key name="key" {
                        @for key in active().filter(tops_up) {
                            option value=(key.id) { (key.label) " (" (key.id) ")" }
                        }
                    }
                    label for="stop-reason" { "Reason, for the record" }
                    input #stop-reason name="reason" maxlength="500" required autocomplete="off";
                    button.danger type="submit" { "Stop" }
                }
            }
        }
    }
}

fn row(key: &Key) -> Markup {
    let amount = |units: stripe402_protocol::Units| money(units.get(), key.currency);
    let routes = if key.routes.is_empty() { "all".to_owned() } else { key.routes.join(", ") };
    html! {
        tr {
            td { code { (key.id) } }
            td.wide { (key.label) @if key.manage { span.note { "may manage keys" } } }
            td { (spelt(&key.state)) }
            td.number { (amount(key.spent)) }
            td.number { @if let Some(left) = key.left { (amount(left)) } @else { "no limit" } }
            td.wide.reference { (routes) }
            td { @if let Some(at_ms) = key.expires_ms { (moment(at_ms)) } @else { "never" } }
            td { @if let Some(at_ms) = key.used_ms { (moment(at_ms)) } @else { "never" } }
            td.wide { @if let Some(auto) = &key.auto_top_up { (tops_up(auto, key.currency)) } @else { "never" } }
        }
    }
}

fn tops_up(auto: &AutoTopUp, currency: stripe402_protocol::Currency) -> Markup {
    let amount = |units: stripe402_protocol::Units| money(units.get(), currency);
    html! {
        (amount(auto.amount)) " below " (amount(auto.below))
        span.note {
            @if let Some(off) = auto.off { "off: " (spelt(&off)) }
            @else { (amount(auto.this_month)) " of " (amount(auto.monthly_most)) " this month" }
        }
    }
}
