//! The first page: what is earned, what is going on, what is wrong.
//!
//! Its sums are to look at: one that is no 64-bit integer is shown as the largest.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Extension,
    extract::{Query, State},
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};
use serde::Deserialize;
use stripe402_protocol::{Code, Currency};

use super::{
    super::keyring::Operators,
    chart::{self, Bar},
    layout::{self, Place},
    text::{moment, money, number, plain},
};
use crate::{
    accounting::{HOUR_MS, State as TopUpState, TopUp},
    operator::{
        moment::{clock, day},
        work::{
            Actor, DAYS, Overview, spelt,
            view::{Health, Part},
        },
    },
};

/// How many hours, routes and lines are shown; no further back than the overview reads
/// (`operator::work::overview`).
const HOURS: u64 = 48;
const ROUTES: usize = 8;
const LINES: usize = 10;

/// What is looked at.
#[derive(Deserialize)]
pub(super) struct Look {
    by: Option<String>,
    currency: Option<String>,
}

/// The stretch of time that is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Span {
    Hours,
    Days,
}

impl Span {
    /// Its bars: how many, and how many hours each.
    const fn bars(self) -> (u64, u64) {
        match self {
            Self::Hours => (HOURS, 1),
            Self::Days => (DAYS, 24),
        }
    }
}

pub(super) async fn show(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Query(look): Query<Look>,
) -> Response {
    let operations = &operators.0.operations;
    let (overview, health) = tokio::join!(operations.overview(), operations.health());
    let span = if look.by.as_deref() == Some("day") { Span::Days } else { Span::Hours };
    let main = match overview {
        Ok(overview) => html! {
            (state(&health))
            (all(&overview, span, look.currency.as_deref()))
        },
        Err(problem) => html! {
            (state(&health))
            p.alert role="alert" { "The books cannot be read now: " (problem) }
        },
    };
    layout::page(&actor, Place::Overview, "Overview", main).into_response()
}

fn state(health: &Health) -> Markup {
    let part = |name: &str, part: &Part| {
        html! {
            @match &part.problem {
                None => span.state.good { (name) " answers" },
                Some(problem) => span.state.bad role="alert" { (name) ": " (problem) },
            }
        }
    };
    html! { p.states { (part("Store", &health.store)) (part("Stripe", &health.stripe)) } }
}

fn all(overview: &Overview, span: Span, wanted: Option<&str>) -> Markup {
    let currencies: BTreeSet<Currency> = overview
        .revenue
        .iter()
        .map(|(currency, _)| *currency)
        .chain(overview.top_ups.iter().map(|of| of.account.currency))
        .collect();
    let named = wanted.and_then(|code| code.parse().ok());
    // Whoever asks for none gets the one that is used most.
    let usual = currencies
        .iter()
        .max_by_key(|of| overview.revenue.iter().filter(|(currency, _)| currency == *of).count());
    let currency = named.or(usual.copied()).unwrap_or(Currency::USD);
    html! {
        div.head {
            h1 { "Overview" }
            (choices(span, currency, &currencies))
        }
        (tiles(overview, span, currency))
        div.two {
            (chart(overview, span, currency, "Revenue", |tally| tally.1, |of| money(of, currency)))
            (chart(overview, span, currency, "Paid requests", |tally| tally.0, |of| html! { (number(of)) }))
        }
        div.two {
            (routes(overview, span, currency))
            (in_flight(overview))
        }
        div.two {
            (card_charges(overview))
            (disputes(overview))
        }
        p.hint { "As of " (moment(overview.at_ms)) " UTC." }
    }
}

fn choices(span: Span, currency: Currency, currencies: &BTreeSet<Currency>) -> Markup {
    let address = |by: &str, currency: Currency| format!("/admin/?by={by}&currency={currency}");
    let by = if span == Span::Days { "day" } else { "hour" };
    html! {
        div.choices {
            @if currencies.len() > 1 {
                nav aria-label="Currency" {
                    @for other in currencies {
                        a href=(address(by, *other)) aria-current=[(*other == currency).then_some("true")] {
                            (other)
                        }
                    }
                }
            }
            nav aria-label="Time" {
                a href=(address("hour", currency)) aria-current=[(span == Span::Hours).then_some("true")] {
                    (HOURS) " hours"
                }
                a href=(address("day", currency)) aria-current=[(span == Span::Days).then_some("true")] {
                    (DAYS) " days"
                }
            }
        }
    }
}

/// The first hour of a span's first bar, and the number of the last one.
fn first_hour(overview: &Overview, span: Span) -> u64 {
    let (count, hours) = span.bars();
    let hour = overview.at_ms / HOUR_MS;
    let last = hour.saturating_sub(hour.checked_rem(hours).unwrap_or(0));
    last.saturating_sub(count.saturating_sub(1).saturating_mul(hours))
}

fn tiles(overview: &Overview, span: Span, currency: Currency) -> Markup {
    let since = first_hour(overview, span);
    let own = overview.revenue.iter().filter(|(of, tally)| *of == currency && tally.hour >= since);
    let (requests, units) = own.fold((0_i64, 0_i64), |(count, sum), (_, tally)| {
        (count.saturating_add(tally.count), sum.saturating_add(tally.amount))
    });
    let since_ms = since.saturating_mul(HOUR_MS);
    let charges = overview
        .top_ups
        .iter()
        .filter(|of| of.account.currency == currency && of.created_ms >= since_ms);
    let (mut credited, mut charged, mut refused) = (0_i64, 0_i64, 0_i64);
    for of in charges {
        match &of.state {
            TopUpState::Credited { amount, .. } => {
                credited = credited.saturating_add(1);
                charged = charged.saturating_add(amount.get());
            }
            TopUpState::Refused { refusal } if refusal.error_code == Code::CardDeclined => {
                refused = refused.saturating_add(1);
            }
            _ => {}
        }
    }
    let tile = |name: &str, value: Markup, more: String| {
        html! { div.tile { dt { (name) } dd { (value) } dd.more { (more) } } }
    };
    html! {
        dl.tiles {
            (tile("Revenue", money(units, currency), "deductions, less voids".to_owned()))
            (tile("Paid requests", html! { (number(requests)) }, "that stood".to_owned()))
            (tile("Topped up", money(charged, currency), format!("{} card charges", number(credited))))
            (tile("Declined", html! { (number(refused)) }, format!("of {} card charges", number(credited.saturating_add(refused)))))
        }
    }
}

fn chart(
    overview: &Overview,
    span: Span,
    currency: Currency,
    title: &str,
    of: impl Fn((i64, i64)) -> i64,
    shown: impl Fn(i64) -> Markup,
) -> Markup {
    let (count, hours) = span.bars();
    let first = first_hour(overview, span);
    let mut sums: BTreeMap<u64, i64> = BTreeMap::new();
    for (_, tally) in overview.revenue.iter().filter(|(of, _)| *of == currency) {
        let bar = tally.hour.checked_sub(first).and_then(|since| since.checked_div(hours));
        if let Some(bar) = bar {
            let sum = sums.entry(bar).or_default();
            *sum = sum.saturating_add(of((tally.count, tally.amount)));
        }
    }
    let bars: Vec<Bar> = (0..count)
        .map(|at| {
            let from_ms = first.saturating_add(at.saturating_mul(hours)).saturating_mul(HOUR_MS);
            let label = match span {
                Span::Hours => format!("{}, {}", day(from_ms), clock(from_ms)),
                Span::Days => day(from_ms),
            };
            Bar { label, value: sums.get(&at).copied().unwrap_or(0) }
        })
        .collect();
    html! { section.card { (chart::bars(title, &bars, shown)) } }
}

fn routes(overview: &Overview, span: Span, currency: Currency) -> Markup {
    let since = first_hour(overview, span);
    let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for (_, tally) in
        overview.revenue.iter().filter(|(of, tally)| *of == currency && tally.hour >= since)
    {
        let sum = sums.entry(tally.route.as_str()).or_default();
        *sum = (sum.0.saturating_add(tally.count), sum.1.saturating_add(tally.amount));
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, (_, units))| std::cmp::Reverse(*units));
    let most = sums.first().map_or(0, |(_, (_, units))| *units);
    html! {
        section.card {
            h2 { "Top routes" }
            @if sums.is_empty() {
                p.empty { "Nothing has been paid for in this time." }
            } @else {
                table {
                    thead { tr { th scope="col" { "Route" } th.number scope="col" { "Requests" } th.number scope="col" { "Revenue" } } }
                    tbody {
                        @for (route, (count, units)) in sums.iter().take(ROUTES) {
                            tr {
                                th scope="row" {
                                    (route)
                                    meter.share min="0" max=(most.max(1)) value=((*units).max(0)) aria-hidden="true" {}
                                }
                                td.number { (number(*count)) }
                                td.number { (money(*units, currency)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn in_flight(overview: &Overview) -> Markup {
    html! {
        section.card {
            h2 { "Card charges in flight" }
            @if overview.in_flight.is_empty() {
                p.empty { "None: every card charge has an end." }
            } @else {
                (top_ups(&overview.in_flight))
            }
        }
    }
}

fn card_charges(overview: &Overview) -> Markup {
    html! {
        section.card {
            h2 { "Latest card charges" }
            @if overview.top_ups.is_empty() {
                p.empty { "No card has been charged yet. The first paid request will." }
            } @else {
                (top_ups(&overview.top_ups))
            }
        }
    }
}

fn top_ups(all: &[TopUp]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "When" } th scope="col" { "Client" }
                th.number scope="col" { "Amount" } th scope="col" { "State" }
            } }
            tbody {
                @for of in all.iter().take(LINES) {
                    tr {
                        td { (moment(of.created_ms)) }
                        td { (layout::client(&of.account.client.subject())) }
                        td.number { (money(of.amount.get(), of.account.currency)) }
                        td { (stage(&of.state)) }
                    }
                }
            }
        }
        @if all.len() > LINES {
            p.hint { a href="/admin/card-charges" { "All card charges" } }
        }
    }
}

fn stage(state: &TopUpState) -> Markup {
    html! {
        @match state {
            TopUpState::Charging(_) => span.badge.waiting { "charging" },
            TopUpState::RequiresAction { .. } => span.badge.waiting { "waiting for 3D Secure" },
            TopUpState::Credited { .. } => span.badge.good { "credited" },
            TopUpState::Lapsed => span.badge.bad title=("Stripe failed; nothing was taken") { "lapsed" },
            TopUpState::Refused { refusal } => span.badge.bad title=(refusal.error) {
                (plain(&refusal.reason.map_or_else(|| spelt(&refusal.error_code), |reason| spelt(&reason))))
            },
        }
    }
}

fn disputes(overview: &Overview) -> Markup {
    html! {
        section.card {
            h2 { "Disputes" }
            @if overview.disputes.is_empty() {
                p.empty { "None." }
            } @else {
                table {
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "Client" }
                        th.number scope="col" { "Amount" } th scope="col" { "What" }
                    } }
                    tbody {
                        @for (key, movement) in overview.disputes.iter().take(LINES) {
                            tr {
                                td { (moment(movement.at_ms)) }
                                td { (layout::client(&key.client.subject())) }
                                td.number { (money(movement.posting.amount.get(), key.currency)) }
                                td { span.badge.bad title=(movement.posting.reference) {
                                    (plain(movement.posting.kind.as_str()).trim_start_matches("dispute "))
                                } }
                            }
                        }
                    }
                }
            }
        }
    }
}
