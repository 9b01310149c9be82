//! The test controls under `/_sim`: what happens outside Stripe's API, played by a test. JSON in and out.
//!
//! | call | does |
//! |---|---|
//! | `POST /_sim/faults` | adds a rule, or a list of them: `{method?, path?, times?, action, when?, ms?, status?, code?}` |
//! | `GET`, `DELETE /_sim/faults` | shows or removes the rules |
//! | `GET /_sim/calls?path=`, `DELETE /_sim/calls` | the log of calls to `/v1` |
//! | `POST /_sim/authenticate` | `{payment_intent or setup_intent, outcome: "succeed" or "fail"}`: the holder goes through 3D Secure |
//! | `POST /_sim/webhook` | `{url, secret}`: where events go from now on; `{}` for nowhere |
//! | `POST /_sim/events/:id/redeliver` | sends an event again |
//! | `POST /_sim/refunds/:id/fail` | the bank sends a refund back |
//! | `POST /_sim/disputes` | `{charge or payment_intent, reason?, amount?, inquiry?}`: the holder disputes |
//! | `POST /_sim/disputes/:id/close` | `{status: "won", "lost" or "warning_closed"}` |
//! | `POST /_sim/clock/advance` | `{seconds}` |
//! | `GET /_sim/totals` | per currency, in minor units: `{charged, refunded, disputed}` |

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{account, disputes, refunds};
use crate::app::{App, lock};
use crate::clock;
use crate::context::{Answer, Caller, Context};
use crate::error::ApiError;
use crate::faults::Rule;
use crate::objects::dispute::DisputeStatus;
use crate::payment;
use crate::setup;
use crate::world::{Record, WebhookEndpoint};

/// The most that one call puts the clock forward, in seconds: a hundred years.
const MAX_ADVANCE: i64 = 100 * 366 * 86_400;

/// The routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/_sim/faults", get(show_faults).post(add_faults).delete(clear_faults))
        .route("/_sim/calls", get(show_calls).delete(clear_calls))
        .route("/_sim/authenticate", post(authenticate))
        .route("/_sim/webhook", post(set_webhook))
        .route("/_sim/events/{id}/redeliver", post(redeliver))
        .route("/_sim/refunds/{id}/fail", post(fail_refund))
        .route("/_sim/disputes", post(open_dispute))
        .route("/_sim/disputes/{id}/close", post(close_dispute))
        .route("/_sim/clock/advance", post(advance))
        .route("/_sim/totals", get(totals))
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

async fn show_faults(State(app): Shared) -> Response {
    Json(json!({"rules": lock(&app.faults).rules()})).into_response()
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Rules {
    Many(Vec<Rule>),
    One(Rule),
}

async fn add_faults(State(app): Shared, Json(rules): Json<Rules>) -> Response {
    let rules = match rules {
        Rules::Many(rules) => rules,
        Rules::One(rule) => vec![rule],
    };
    if let Some(problem) = rules.iter().find_map(Rule::problem) {
        return refused(problem);
    }
    let mut faults = lock(&app.faults);
    rules.into_iter().for_each(|rule| faults.add(rule));
    Json(json!({"rules": faults.rules()})).into_response()
}

async fn clear_faults(State(app): Shared) -> Response {
    lock(&app.faults).clear();
    Json(json!({"rules": []})).into_response()
}

#[derive(Debug, Deserialize)]
struct CallFilter {
    #[serde(default)]
    path: String,
}

async fn show_calls(State(app): Shared, Query(filter): Query<CallFilter>) -> Response {
    Json(json!({"calls": lock(&app.calls).under(&filter.path)})).into_response()
}

async fn clear_calls(State(app): Shared) -> Response {
    lock(&app.calls).clear();
    Json(json!({"calls": []})).into_response()
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
#[serde(untagged)]
enum SetWebhook {
    Endpoint(WebhookEndpoint),
    Nowhere {},
}

async fn set_webhook(State(app): Shared, Json(asked): Json<Value>) -> Response {
    let endpoint = match serde_json::from_value(asked.clone()) {
        Ok(SetWebhook::Endpoint(endpoint)) => Some(endpoint),
        Ok(SetWebhook::Nowhere {}) if asked.as_object().is_some_and(serde_json::Map::is_empty) => {
            None
        }
        _ => return refused("give url and secret, or {}"),
    };
    let mut state = lock(&app.state);
    state.world.webhook.clone_from(&endpoint);
    app.commit(&mut state, app.clock.now_ms(), vec![Record::Webhook(endpoint.clone())]);
    Json(json!({"url": endpoint.map(|endpoint| endpoint.url)})).into_response()
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

async fn fail_refund(State(app): Shared, Path(id): Path<String>) -> Response {
    play(&app, |cx| refunds::fail(cx, &id))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenDispute {
    charge: Option<String>,
    payment_intent: Option<String>,
    reason: Option<String>,
    amount: Option<i64>,
    #[serde(default)]
    inquiry: bool,
}

async fn open_dispute(State(app): Shared, Json(asked): Json<OpenDispute>) -> Response {
    let Some(id) = asked.charge.or(asked.payment_intent) else {
        return refused("give charge or payment_intent");
    };
    let reason = asked.reason.unwrap_or_else(|| "fraudulent".to_owned());
    play(&app, |cx| disputes::play_open(cx, &id, &reason, asked.amount, asked.inquiry))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseDispute {
    status: DisputeStatus,
}

async fn close_dispute(
    State(app): Shared,
    Path(id): Path<String>,
    Json(asked): Json<CloseDispute>,
) -> Response {
    play(&app, |cx| disputes::play_close(cx, &id, asked.status))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: i64,
}

async fn advance(State(app): Shared, Json(asked): Json<Advance>) -> Response {
    if !(0..=MAX_ADVANCE).contains(&asked.seconds) {
        return refused("the clock goes forward only, and by at most a hundred years");
    }
    let mut state = lock(&app.state);
    let skew_ms = app.clock.advance(asked.seconds.saturating_mul(1000));
    app.commit(&mut state, app.clock.now_ms(), vec![Record::ClockSkew(skew_ms)]);
    Json(json!({"now": clock::seconds(app.clock.now_ms()), "ahead_seconds": clock::seconds(skew_ms)})).into_response()
}

async fn totals(State(app): Shared) -> Response {
    play(&app, |cx| Ok(Value::Object(account::totals(cx))))
}
