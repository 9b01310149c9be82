//! What a metered request cost, where its answer says so itself, after the body.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use reqwest::{Response, ResponseBuilderExt as _};

use super::Wallet;
use crate::{Hold, Outcome, Paid};

/// A body that is looked at as its reader takes it.
struct Watched {
    body: reqwest::Body,
    hold: Hold,
    wallet: Wallet,
}

/// The same response; where it was paid for by a hold, the wallet learns from its trailer what it
/// cost.
pub(super) fn watched(wallet: &Wallet, outcome: &Outcome, response: Response) -> Response {
    let Outcome::Paid(Paid { hold: Some(hold), .. }) = outcome else { return response };
    let url = response.url().clone();
    let (mut parts, body) = http::Response::<reqwest::Body>::from(response).into_parts();
    // Its address is lost on the way, and comes back by an extension.
    if let Ok(addressed) = http::Response::builder().url(url).body(()) {
        parts.extensions.extend(addressed.into_parts().0.extensions);
    }
    let body = reqwest::Body::wrap(Watched { body, hold: hold.clone(), wallet: wallet.clone() });
    Response::from(http::Response::from_parts(parts, body))
}

impl Body for Watched {
    type Data = <reqwest::Body as Body>::Data;
    type Error = reqwest::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
        {
            let mut told = trailers.get_all(stripe402_protocol::PAYMENT_RESPONSE).iter();
            // Two of them are none.
            if let (Some(told), None) = (told.next(), told.next())
                && let Ok(told) = told.to_str()
            {
                self.wallet.trailed(&self.hold, told);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
