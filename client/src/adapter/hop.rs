//! One request, carried out to its answer.

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use http::Extensions;
use reqwest::{Request, Response, header};
use reqwest_middleware::{Next, Result};
use stripe402_protocol::hex;

use super::{MaxPrice, Part, Wallet, WalletError, body, trailer, turn::Held};
use crate::{Call, Event, Outcome, Pays, Secret, Step};

/// What leads to an answer: the request again if it can be sent again, else the one there is.
struct Sendable {
    /// Of a body that can be sent again, or of none.
    copy: Option<Request>,
    only: Option<Request>,
}

/// Carries out what the rules say, for a request to one address.
pub(super) async fn carry_out(
    wallet: &Wallet,
    mut request: Request,
    pays: Pays,
    extensions: &mut Extensions,
    next: &Next<'_>,
) -> Result<(Response, Outcome)> {
    // Payments are made here alone.
    request.headers_mut().remove(stripe402_protocol::PAYMENT);
    let copy = request.try_clone();
    let origin = request.url().origin().ascii_serialization();
    let facts = crate::Request {
        origin: origin.clone(),
        method: request.method().as_str().to_owned(),
        path: match extensions.get::<Part>() {
            Some(part) => part.of(request.url().path()),
            None => request.url().path().to_owned(),
        },
        replayable: copy.is_some(),
        key: key()?,
        pays,
        asks_price: wallet.asks_price,
    };
    let mut question = Request::new(request.method().clone(), request.url().clone());
    *question.headers_mut() = without_body(request.headers().clone());
    *question.timeout_mut() = request.timeout().copied();
    let mut sendable = Sendable { copy, only: Some(request) };

    let most = extensions.get::<MaxPrice>();
    let policy = most.map_or_else(|| Arc::clone(&wallet.policy), |most| most.lower(&wallet.policy));
    let mut call = Call::new(policy, facts);
    let mut turn: Option<Held> = None;
    let mut event = Event::Start;
    let mut last = None;
    let mut lost = None;
    loop {
        let step = decide(wallet, &mut call, event).map_err(WalletError::from)?;
        if !step.keeps_turn() {
            turn = None;
        }
        let sent = match step {
            Step::Send { payment, .. } => Some(sendable.with(payment.as_ref())?),
            Step::Ask => question.try_clone(),
            Step::TakeTurn => {
                let taken = wallet.turns.take(&origin, wallet.storage.as_ref()).await;
                turn = Some(taken.map_err(WalletError::from)?);
                event = Event::Turn;
                continue;
            }
            Step::AskForCard { terms } => {
                let card = match &wallet.chooser {
                    Some(choose) => choose(*terms).await,
                    None => None,
                };
                event = Event::Card(card);
                continue;
            }
            Step::Pause { seconds } => {
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                event = Event::Resumed;
                continue;
            }
            Step::Done { outcome } => {
                drop(turn);
                let response = last.ok_or(WalletError::Payment(crate::Error::OutOfOrder))?;
                return Ok((trailer::watched(wallet, &outcome, response), outcome));
            }
            Step::Fail { error } => return Err(failure(*error, lost)),
        };
        let sent = sent.ok_or(WalletError::Payment(crate::Error::OutOfOrder))?;
        let answered = next.clone().run(sent, extensions).await;
        let looked = match answered {
            Ok(response) => body::look(response).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        event = match looked {
            Ok((answer, response)) => {
                last = Some(response);
                Event::Answer(answer)
            }
            Err(error) => {
                lost = Some(error);
                Event::Lost
            }
        };
    }
}

/// One step of the rules; what they remember is kept before it is carried out.
fn decide(
    wallet: &Wallet,
    call: &mut Call,
    event: Event,
) -> std::result::Result<Step, crate::storage::StorageError> {
    let now = now();
    let mut event = Some(event);
    let mut step = None;
    wallet.storage.change(&mut |purse| {
        if let Some(event) = event.take() {
            step = Some(call.step(purse, event, now));
        }
    })?;
    step.ok_or_else(|| crate::storage::StorageError {
        what: "the storage".to_owned(),
        cause: "it made no change that was asked for".into(),
    })
}

/// What the caller hears: the network's own words where nothing but the network failed.
fn failure(
    error: crate::Error,
    lost: Option<reqwest_middleware::Error>,
) -> reqwest_middleware::Error {
    match (error, lost) {
        (crate::Error::Transport, Some(lost)) => lost,
        (error, Some(lost)) => reqwest_middleware::Error::Middleware(
            anyhow::Error::from(lost).context(WalletError::Payment(error)),
        ),
        (error, None) => WalletError::Payment(error).into(),
    }
}

impl Sendable {
    fn with(&mut self, payment: Option<&Secret>) -> Result<Request> {
        let again = self.copy.as_ref().and_then(Request::try_clone);
        let mut request = again
            .or_else(|| self.only.take())
            .ok_or(WalletError::Payment(crate::Error::OutOfOrder))?;
        if let Some(payment) = payment {
            let mut value = header::HeaderValue::from_str(payment.expose())
                .map_err(|_| WalletError::Payment(crate::Error::OutOfOrder))?;
            // Not shown by Debug.
            value.set_sensitive(true);
            request.headers_mut().insert(stripe402_protocol::PAYMENT, value);
            // What a metered request cost comes as a trailer, to those who say that they take them.
            let takes = header::HeaderValue::from_static("trailers");
            request.headers_mut().entry(header::TE).or_insert(takes);
        }
        Ok(request)
    }
}

/// Headers for a request that has no body.
pub(super) fn without_body(mut headers: header::HeaderMap) -> header::HeaderMap {
    for name in [
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
        header::EXPECT,
    ] {
        headers.remove(name);
    }
    headers
}

fn key() -> std::result::Result<String, WalletError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| WalletError::Random)?;
    Ok(hex::to_string(&random))
}

fn now() -> u64 {
    UNIX_EPOCH.elapsed().map(|age| age.as_secs()).unwrap_or_default()
}
