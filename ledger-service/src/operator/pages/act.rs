//! What the forms of a client's page do.

use std::sync::Arc;

use axum::{
    Extension, Form,
    extract::{Path, State},
    response::{IntoResponse as _, Redirect, Response},
};
use stripe402_protocol::Currency;

use super::{
    super::keyring::{OperatorContext, Operators},
    client::{self, Failed, Filled, Look},
    layout::{self, Place},
    text,
};
use crate::operator::work::{Actor, Adjustment, OperatorError, RefundOrder};

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

pub(super) async fn refund(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Path(client): Path<String>,
    Form(filled): Form<Filled>,
) -> Response {
    let done = match wanted_refund(&filled) {
        Err(problem) => Err(problem),
        Ok(wanted) => {
            let (who, whom) = (actor.clone(), client.clone());
            let work = async move |context: Arc<OperatorContext>| {
                context.operations.refund(&who, &whom, wanted).await
            };
            operators.carry_out(work).await
        }
    };
    let done = done.map(|given| if given.short { "short" } else { "refund" });
    answer(&operators, &actor, &client, ("refund", &filled), done).await
}

fn adjustment(filled: &Filled) -> Result<Adjustment, OperatorError> {
    Ok(Adjustment {
        currency: currency(filled)?,
        units: units(&filled.amount)?,
        reference: filled.reference.clone(),
        reason: filled.reason.clone(),
    })
}

fn wanted_refund(filled: &Filled) -> Result<RefundOrder, OperatorError> {
    let amount = filled.amount.trim();
    let units = if amount.is_empty() { None } else { Some(units(amount)?) };
    let reason = Some(filled.reason.clone()).filter(|reason| !reason.trim().is_empty());
    let reference = filled.reference.clone();
    Ok(RefundOrder { currency: currency(filled)?, units, reference, reason })
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
    let operations = &operators.0.operations;
    let failed = Failed { form, filled, problem: &problem };
    match client::page(operations, actor, client, &Look::default(), Some(failed)).await {
        Ok(page) => (layout::status(&problem), page).into_response(),
        Err(_) => layout::wrong(actor, Place::Clients, &problem),
    }
}
