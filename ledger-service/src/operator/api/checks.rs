//! Comparing the books with themselves, and with Stripe. One at a time: each looks through all there is.

use std::{sync::Arc, time::Duration};

use axum::{Extension, Json, extract::State};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    super::keyring::{OperatorContext, Operators},
    ask::{Sent, Usual, whole},
};
use crate::{
    net::error::ApiError,
    operator::work::{Actor, OperatorError, view},
};

/// What the next one is told.
const BUSY: OperatorError = OperatorError::Busy(
    "the ledger runs verify or reconcile already: run this again when that has ended",
);

/// A hundred years, in seconds.
const LONGEST: u64 = 3_153_600_000;

/// Recompute every account from its records
///
/// Changes nothing. Only one verify or reconcile runs at a time; another one is answered with 503 `busy`.
#[utoipa::path(post, path = "/admin/v1/verify", tag = "checks", operation_id = "verify",
    responses((status = 200, body = view::Verified), Usual))]
pub(super) async fn verify(
    State(operators): State<Operators>,
) -> Result<Json<view::Verified>, ApiError> {
    let work = async move |context: Arc<OperatorContext>| {
        let _alone = context.checking.try_lock().map_err(|_| BUSY)?;
        context.operations.verify().await
    };
    Ok(Json(operators.carry_out(work).await?))
}

/// What to compare with Stripe
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedReconcile {
    /// From so many seconds ago until now
    #[serde(deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 3_153_600_000_i64)]
    since_seconds: i64,
    /// Whether to post what Stripe has and the books lack, on record
    #[serde(default)]
    repair: bool,
}

/// Compare the books with Stripe
///
/// Only one verify or reconcile runs at a time; another one is answered with 503 `busy`.
#[utoipa::path(post, path = "/admin/v1/reconcile", tag = "checks", operation_id = "reconcile",
    request_body = WantedReconcile, responses((status = 200, body = view::Reconciled), Usual))]
pub(super) async fn reconcile(
    State(operators): State<Operators>,
    Extension(actor): Extension<Actor>,
    Sent(wanted): Sent<WantedReconcile>,
) -> Result<Json<view::Reconciled>, ApiError> {
    let WantedReconcile { since_seconds, repair } = wanted;
    let since = u64::try_from(since_seconds).ok().filter(|since| (1..=LONGEST).contains(since));
    let since = since.ok_or_else(|| {
        ApiError::bad_request(format!("since_seconds: must be a number from 1 to {LONGEST}"))
    })?;
    let work = async move |context: Arc<OperatorContext>| {
        let _alone = context.checking.try_lock().map_err(|_| BUSY)?;
        context.operations.reconcile(&actor, Duration::from_secs(since), repair).await
    };
    Ok(Json(operators.carry_out(work).await?))
}
