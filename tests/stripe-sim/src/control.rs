//! The test controls under `/_sim`: what happens outside Stripe's API, played by a test. JSON in and out.
//!
//! | call | does |
//! |---|---|
//! | `POST /_sim/faults` | adds a rule: `{method?, path?, times?, action, when?, ms?, status?, code?}` |
//! | `DELETE /_sim/faults` | removes the rules |
//! | `GET /_sim/calls?path=` | the log of calls to `/v1` |
//! | `POST /_sim/authenticate` | `{payment_intent or setup_intent, outcome: "succeed" or "fail"}`: the holder goes through 3D Secure |
//! | `POST /_sim/webhook` | `{}`: events go nowhere from now on |
//! | `POST /_sim/events/:id/redeliver` | sends an event again |
//! | `POST /_sim/granted_tokens/:id/conceal` | Stripe shows no card of a Shared Payment Token |
//! | `POST /_sim/refunds/:id/fail` | the bank sends a refund back |
//! | `POST /_sim/disputes` | `{payment_intent, inquiry?}`: the holder disputes |
//! | `POST /_sim/disputes/:id/close` | `{status: "won" or "lost"}` |
//! | `POST /_sim/date` | `{ahead}`: seconds by which the `Date` of answers is ahead |
//! | `GET /_sim/totals` | per currency, in minor units: `{charged, refunded, disputed}` |

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::api::{disputes, granted_tokens, refunds};
use crate::app::{App, lock};
use crate::context::{Answer, Caller, Context};
use crate::error::ApiError;
use crate::faults::Rule;
use crate::payment;
use crate::setup;
use crate::totals;
use crate::world::Record;

pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/_sim/faults", post(add_fault).delete(clear_faults))
        .route("/_sim/calls", get(show_calls))
        .route("/_sim/authenticate", post(authenticate))
        .route("/_sim/webhook", post(mute))
        .route("/_sim/events/{id}/redeliver", post(redeliver))
        .route("/_sim/granted_tokens/{id}/conceal", post(conceal))
        .route("/_sim/refunds/{id}/fail", post(fail_refund))
        .route("/_sim/disputes", post(open_dispute))
        .route("/_sim/disputes/{id}/close", post(close_dispute))
        .route("/_sim/date", post(set_date))
        .route("/_sim/totals", get(show_totals))
        .with_state(app)
}

type Shared = State<Arc<App>>;

pub(crate) fn refused(message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": {"message": message}}))).into_response()
}

/// Does something to the state that no call to `/v1` has caused.
fn play(app: &App, work: impl FnOnce(&mut Context<'_>) -> Answer) -> Response {
    let caller = Caller::control();
    match app.run(&caller, work) {
        Ok(answer) => Json(answer).into_response(),
        Err(ApiError { status, body, .. }) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Json(json!({"error": *body}))).into_response()
        }
    }
}

async fn add_fault(State(app): Shared, Json(rule): Json<Rule>) -> Response {
    if let Some(problem) = rule.problem() {
        return refused(problem);
    }
    lock(&app.faults).add(rule);
    Json(json!({})).into_response()
}

async fn clear_faults(State(app): Shared) -> Response {
    lock(&app.faults).clear();
    Json(json!({})).into_response()
}

#[derive(Debug, Deserialize)]
struct CallFilter {
    #[serde(default)]
    path: String,
}

async fn show_calls(State(app): Shared, Query(filter): Query<CallFilter>) -> Response {
    Json(json!({"calls": lock(&app.calls).under(&filter.path)})).into_response()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HolderOutcome {
    Succeed,
    Fail,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Authenticate {
    payment_intent: Option<String>,
    setup_intent: Option<String>,
    outcome: HolderOutcome,
}

pub(crate) async fn authenticate(State(app): Shared, Json(asked): Json<Authenticate>) -> Response {
    let succeeds = asked.outcome == HolderOutcome::Succeed;
    match (asked.payment_intent, asked.setup_intent) {
        (Some(id), None) => {
            play(&app, |cx| payment::authenticate(cx, &id, succeeds).map(|intent| intent.view()))
        }
        (None, Some(id)) => {
            play(&app, |cx| setup::authenticate(cx, &id, succeeds).map(|intent| intent.view()))
        }
        _ => refused("give payment_intent or setup_intent"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DateAhead {
    ahead: i64,
}

async fn set_date(State(app): Shared, Json(date): Json<DateAhead>) -> Response {
    app.date_ahead.store(date.ahead, Ordering::Relaxed);
    Json(json!({})).into_response()
}

async fn mute(State(app): Shared, Json(Nothing {}): Json<Nothing>) -> Response {
    let mut state = lock(&app.state);
    state.world.webhook = None;
    app.commit(&mut state, vec![Record::Webhook(None)]);
    Json(json!({})).into_response()
}

async fn redeliver(State(app): Shared, Path(id): Path<String>) -> Response {
    if lock(&app.state).world.events.get(&id).is_none() {
        return (StatusCode::NOT_FOUND, Json(json!({"error": {"message": "no such event"}})))
            .into_response();
    }
    // Fails only while the server stops.
    let _ = app.deliveries.send(id.clone());
    Json(json!({"id": id})).into_response()
}

async fn conceal(State(app): Shared, Path(id): Path<String>) -> Response {
    play(&app, |cx| granted_tokens::conceal(cx, &id))
}

async fn fail_refund(State(app): Shared, Path(id): Path<String>) -> Response {
    play(&app, |cx| refunds::fail(cx, &id))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenDispute {
    payment_intent: String,
    #[serde(default)]
    inquiry: bool,
}

async fn open_dispute(State(app): Shared, Json(asked): Json<OpenDispute>) -> Response {
    play(&app, |cx| disputes::play_open(cx, &asked.payment_intent, asked.inquiry))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DisputeEnd {
    Won,
    Lost,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseDispute {
    status: DisputeEnd,
}

async fn close_dispute(
    State(app): Shared,
    Path(id): Path<String>,
    Json(asked): Json<CloseDispute>,
) -> Response {
    play(&app, |cx| disputes::play_close(cx, &id, asked.status == DisputeEnd::Won))
}

async fn show_totals(State(app): Shared) -> Response {
    Json(totals::of(&lock(&app.state).world)).into_response()
}
