//! What is asked before money or credit moves: how much, whose, and to which card charges.

use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use stripe402_protocol::{Currency, Units};

use super::{
    client::Filled,
    layout::{self, Place},
    text::money,
};
use crate::operator::work::{
    Actor,
    view::{RefundPlan, RefundedPart},
};

/// A correction or a grant that is asked about.
pub(super) struct Credit<'a> {
    pub(super) form: &'a str,
    /// What the button says: a verb.
    pub(super) verb: &'a str,
    pub(super) amount: Markup,
    /// A sentence with the amount in it.
    pub(super) says: Markup,
}

/// Asks whether a correction or a grant is meant.
pub(super) fn credit(actor: &Actor, client: &str, filled: &Filled, asked: &Credit<'_>) -> Response {
    let Credit { form, verb: button, amount, says } = asked;
    let sure = Filled { sure: "1".to_owned(), ..filled.clone() };
    let main = html! {
        div.head { h1 { (button) " " (amount) "?" } }
        section.card {
            p { (says) }
            @if !filled.reason.is_empty() { p.muted { "Reason: " (filled.reason) } }
            (answers(client, (form, button), &sure))
        }
    };
    layout::page(actor, Place::Clients, button, main).into_response()
}

/// Shows what a refund would give back, and asks. `changed`: it was another plan when it was last shown.
pub(super) fn refund(actor: &Actor, plan: &RefundPlan, filled: &Filled, changed: bool) -> Response {
    let currency = plan.account.currency;
    let sum = money(plan.total.get(), currency);
    let sure = Filled { plan: written(&plan.parts), ..filled.clone() };
    let button = "Refund to the card";
    let main = html! {
        div.head { h1 { "Refund " (sum) "?" } }
        @if changed {
            p.alert role="alert" {
                "Nothing was refunded: what would go back has changed since you saw it. This is the new plan."
            }
        }
        section.card {
            p { (sum) " of client " (layout::client(&plan.subject)) " goes back to " (charges(plan)) "." }
            table {
                thead { tr { th scope="col" { "Card charge" } th.number scope="col" { "Goes back" } } }
                tbody {
                    @for part in &plan.parts {
                        tr {
                            td.reference { (part.payment_intent) }
                            td.number { (money(part.amount.get(), currency)) }
                        }
                    }
                }
            }
            p.hint {
                "Available now: " (money(plan.account.available.get(), currency)) "."
                @if !plan.granted.is_zero() {
                    " " (money(plan.granted.get(), currency)) " of that was granted, and stays."
                }
            }
            (shortfall(filled, plan.total, currency))
            (answers(&plan.subject, ("refund", button), &sure))
        }
    };
    layout::page(actor, Place::Clients, button, main).into_response()
}

fn charges(plan: &RefundPlan) -> String {
    match plan.parts.len() {
        1 => "the card charge that paid for it".to_owned(),
        many => format!("the {many} card charges that paid for it"),
    }
}

/// That less goes back than was asked for.
fn shortfall(filled: &Filled, total: Units, currency: Currency) -> Markup {
    let asked = super::text::units(&filled.amount).filter(|asked| *asked > total.get());
    html! {
        @if let Some(asked) = asked {
            p.alert { "You asked for " (money(asked, currency)) ": no card charge can take the rest." }
        }
    }
}

/// The form that says yes, with all that was filled in, and the way back.
fn answers(client: &str, (form, button): (&str, &str), filled: &Filled) -> Markup {
    let fields = [
        ("amount", &filled.amount),
        ("currency", &filled.currency),
        ("all", &filled.all),
        ("days", &filled.days),
        ("reason", &filled.reason),
        ("reference", &filled.reference),
        ("sure", &filled.sure),
        ("plan", &filled.plan),
    ];
    html! {
        form method="post" action={ "/admin/clients/" (client) "/" (form) } {
            @for (name, value) in fields { input type="hidden" name=(name) value=(value); }
            p.answers {
                button type="submit" { (button) }
                " " a href={ "/admin/clients/" (client) } { "Cancel" }
            }
        }
    }
}

/// The parts of a plan as one field of a form.
fn written(parts: &[RefundedPart]) -> String {
    let parts = parts.iter().map(|part| format!("{}={}", part.payment_intent, part.amount));
    parts.collect::<Vec<_>>().join(" ")
}

/// The parts that such a field has. What cannot be read agrees with no plan.
pub(super) fn read(field: &str) -> Vec<RefundedPart> {
    let part = |text: &str| {
        let (payment_intent, amount) = text.split_once('=')?;
        let amount = amount.parse().ok().and_then(|units| Units::new(units).ok())?;
        Some(RefundedPart { payment_intent: payment_intent.to_owned(), amount })
    };
    field.split(' ').map(part).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_goes_there_and_back_in_a_field() {
        let part = |payment_intent: &str, amount| RefundedPart {
            payment_intent: payment_intent.to_owned(),
            amount: Units::from_u32(amount),
        };
        let parts = vec![part("pi_1", 250_000), part("pi_2", 500)];
        assert_eq!(written(&parts), "pi_1=250000 pi_2=500");
        assert_eq!(read(&written(&parts)), parts);
        for forged in ["", "pi_1", "pi_1=x", "pi_1=-5", "pi_1=1 pi_2", "pi_1=9999999999999999999"] {
            assert_eq!(read(forged), [], "{forged}");
        }
    }
}
