//! What the forms of a client's page do.

use std::sync::Arc;

use axum::{
    Extension, Form,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::html;
use stripe402_protocol::Currency;

use super::{
    super::keyring::{OperatorContext, Operators},
    client::{self, Failed, Filled, Look},
    confirm::{self, Credit},
    layout::{self, Place},
    text::{self, money},
};
use crate::operator::work::{Actor, Adjustment, GrantOrder, KeyEnd, OperatorError, RefundOrder};

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 3_600_000;

pub(super) async fn freeze(
    state: State<Operators>,
    actor: Extension<Actor>,
    path: Path<String>,
    form: Form<Filled>,
) -> Response {
    set_frozen(state, actor, path, form, true).await
}

pub(super) async fn unfreeze(
    state: State<Operators>,
    actor: Extension<Actor>,
    path: Path<String>,
    form: Form<Filled>,
) -> Response {
    set_frozen(state, actor, path, form, false).await
}

async fn set_frozen(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Form(filled): Form<Filled>,
    frozen: bool,
) -> Response {
    let (who, whom, why) = (actor.clone(), client.clone(), filled.reason.clone());
    let done = operators
        .carry_out(async move |context| context.operations.freeze(&who, &whom, frozen, &why).await)
        .await;
    let form = if frozen { "freeze" } else { "unfreeze" };
    answer(&operators, &actor, &client, (form, &filled), done.map(|_| form)).await
}

pub(super) async fn adjust(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Form(filled): Form<Filled>,
) -> Response {
    let done = match adjustment(&filled) {
        Err(problem) => Err(problem),
        Ok(wanted) if filled.sure.is_empty() => {
            let amount = money(wanted.units.saturating_abs(), wanted.currency);
            let (verb, way) = match wanted.units < 0 {
                true => ("Take", "from"),
                false => ("Add", "to"),
            };
            let says = html! { (verb) " " (amount) " " (way) " the balance of client " code { (client) } "." };
            let asked = Credit { form: "adjust", verb, amount, says };
            return confirm::credit(&actor, &client, &filled, &asked);
        }
        Ok(wanted) => {
            let (who, whom) = (actor.clone(), client.clone());
            let work = async move |context: Arc<OperatorContext>| {
                context.operations.adjust(&who, &whom, wanted).await
            };
            operators.carry_out(work).await
        }
    };
    let done = done.map(|done| if done.repeated { "repeated" } else { "adjust" });
    answer(&operators, &actor, &client, ("adjust", &filled), done).await
}

pub(super) async fn grant(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Form(filled): Form<Filled>,
) -> Response {
    let done = match wanted_grant(&filled) {
        Err(problem) => Err(problem),
        Ok((order, _)) if filled.sure.is_empty() => {
            let (days, amount) = (filled.days.trim(), money(order.units, order.currency));
            let says = html! {
                "Give client " code { (client) } " " (amount) " of credit, which "
                @if days.is_empty() { "never expires" } @else { "expires in " (days) " days" }
                " and is never refunded."
            };
            let asked = Credit { form: "grant", verb: "Give", amount, says };
            return confirm::credit(&actor, &client, &filled, &asked);
        }
        Ok((order, lasts_ms)) => {
            let (who, whom) = (actor.clone(), client.clone());
            let work = async move |context: Arc<OperatorContext>| {
                let expires_ms = lasts_ms.map(|lasts| context.clock.now_ms().saturating_add(lasts));
                context.operations.grant(&who, &whom, GrantOrder { expires_ms, ..order }).await
            };
            operators.carry_out(work).await
        }
    };
    let done = done.map(|done| if done.repeated { "repeated" } else { "grant" });
    answer(&operators, &actor, &client, ("grant", &filled), done).await
}

/// Shows what would go back, and does it once the operator has agreed to just that.
pub(super) async fn refund(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Form(filled): Form<Filled>,
) -> Response {
    let done = async {
        let wanted = wanted_refund(&filled)?;
        let has_agreed = wanted.agreed.is_some();
        if has_agreed {
            let (who, whom, wanted) = (actor.clone(), client.clone(), wanted.clone());
            let work = async move |context: Arc<OperatorContext>| {
                context.operations.refund(&who, &whom, wanted).await
            };
            match operators.carry_out(work).await {
                Err(OperatorError::Refused { code: "plan_changed", .. }) => {}
                done => return done.map(|given| Err(if given.short { "short" } else { "refund" })),
            }
        }
        let plan = operators.0.operations.refund_plan(&client, &wanted).await?;
        Ok(Ok(confirm::refund(&actor, &plan, &filled, has_agreed)))
    };
    let done = match done.await {
        Ok(Ok(question)) => return question,
        Ok(Err(done)) => Ok(done),
        Err(problem) => Err(problem),
    };
    answer(&operators, &actor, &client, ("refund", &filled), done).await
}

pub(super) async fn revoke(
    operators: State<Operators>,
    actor: Extension<Actor>,
    client: Path<String>,
    filled: Form<Filled>,
) -> Response {
    end_key(KeyEnd::Revoke, (operators, actor, client, filled)).await
}

pub(super) async fn stop_auto_top_up(
    operators: State<Operators>,
    actor: Extension<Actor>,
    client: Path<String>,
    filled: Form<Filled>,
) -> Response {
    end_key(KeyEnd::StopAutoTopUp, (operators, actor, client, filled)).await
}

/// What a form was sent with.
type Sent = (State<Operators>, Extension<Actor>, Path<String>, Form<Filled>);

async fn end_key(end: KeyEnd, sent: Sent) -> Response {
    let (State(operators), Extension(actor), Path(client), Form(filled)) = sent;
    let (who, whom, of) = (actor.clone(), client.clone(), filled.clone());
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.end_key(&who, &whom, &of.key, (end, &of.reason)).await
    };
    let done = operators.carry_out(work).await.map(|_| end.as_str());
    answer(&operators, &actor, &client, (end.as_str(), &filled), done).await
}

pub(super) async fn rotate(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Form(filled): Form<Filled>,
) -> Response {
    let (who, whom, why) = (actor.clone(), client.clone(), filled.reason.clone());
    let work = async move |context: Arc<OperatorContext>| {
        context.operations.rotate(&who, &whom, &why).await
    };
    let done = operators.carry_out(work).await.map(|_| "rotate");
    answer(&operators, &actor, &client, ("rotate", &filled), done).await
}

fn adjustment(filled: &Filled) -> Result<Adjustment, OperatorError> {
    Ok(Adjustment {
        currency: currency(filled)?,
        units: units(&filled.amount)?,
        reference: filled.reference.clone(),
        reason: filled.reason.clone(),
    })
}

/// What to give, and for how many milliseconds.
fn wanted_grant(filled: &Filled) -> Result<(GrantOrder, Option<u64>), OperatorError> {
    let days = filled.days.trim();
    let lasts_ms = (!days.is_empty()).then(|| {
        let days: Option<u64> = days.parse().ok().filter(|days| (1..=36_500).contains(days));
        days.and_then(|days| days.checked_mul(DAY_MS)).ok_or_else(|| {
            OperatorError::Invalid("days must be a whole number from 1 to 36500".to_owned())
        })
    });
    let order = GrantOrder {
        currency: currency(filled)?,
        units: units(&filled.amount)?,
        expires_ms: None,
        reference: filled.reference.clone(),
        reason: filled.reason.clone(),
    };
    Ok((order, lasts_ms.transpose()?))
}

fn wanted_refund(filled: &Filled) -> Result<RefundOrder, OperatorError> {
    let (amount, all) = (filled.amount.trim(), filled.all == "1");
    if amount.is_empty() != all {
        let text = "a refund needs an amount, or a mark at all that was paid for; not both";
        return Err(OperatorError::Invalid(text.to_owned()));
    }
    let units = if all { None } else { Some(units(amount)?) };
    let reason = Some(filled.reason.clone()).filter(|reason| !reason.trim().is_empty());
    let reference = filled.reference.clone();
    let agreed = (!filled.plan.is_empty()).then(|| confirm::read(&filled.plan));
    Ok(RefundOrder { currency: currency(filled)?, units, reference, reason, agreed })
}

fn units(amount: &str) -> Result<i64, OperatorError> {
    text::units(amount).ok_or_else(|| {
        let text = "an amount is written 12.50, with at most four digits after the point";
        OperatorError::Invalid(text.to_owned())
    })
}

fn currency(filled: &Filled) -> Result<Currency, OperatorError> {
    filled.currency.parse().map_err(|_| {
        OperatorError::Invalid("unknown currency: use a lowercase code such as usd".to_owned())
    })
}

/// Back to the client's page, by its subject; what did not work is shown above what was sent.
async fn answer(
    operators: &Operators,
    actor: &Actor,
    client: &str,
    (form, filled): (&str, &Filled),
    done: Result<&'static str, OperatorError>,
) -> Response {
    let problem = match done {
        Ok(done) => {
            let address = format!("/admin/clients/{}?done={done}", client);
            return Redirect::to(&address).into_response();
        }
        Err(problem) => problem,
    };
    let failed = Failed { form, filled, problem: &problem };
    match client::page(&operators.0, actor, client, &Look::default(), Some(failed)).await {
        Ok(page) => (layout::status(&problem), page).into_response(),
        Err(_) => layout::wrong(actor, Place::Clients, &problem),
    }
}
