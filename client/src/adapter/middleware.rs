//! Between reqwest and its callers.

use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

use super::{Wallet, WalletError, hop, redirect::Sent};
use crate::{Outcome, Pays as MayPay};

/// Pays for what asks for payment, and follows redirects, unpaid where they lead elsewhere.
pub(super) struct Pays(pub(super) Wallet);

#[async_trait::async_trait]
impl Middleware for Pays {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let first = request.url().origin();
        let (mut request, mut pays, mut receipt) = (request, MayPay::Yes, None);
        let mut left = self.0.redirects;
        loop {
            let sent = Sent::new(&request);
            let (mut response, outcome) =
                hop::carry_out(&self.0, request, pays, extensions, &next).await?;
            if let Outcome::Paid(_) = outcome {
                receipt = Some(outcome.clone());
                pays = MayPay::NotAgain;
            }
            let to = if self.0.redirects == 0 { None } else { sent.follow(&response)? };
            let Some(to) = to else {
                response.extensions_mut().insert(receipt.unwrap_or(outcome));
                return Ok(response);
            };
            left = left.checked_sub(1).ok_or_else(|| {
                WalletError::Redirect(format!("redirected once too often, to {}", to.url()))
            })?;
            // Once somebody else chooses the address, nothing is paid for any more.
            if to.url().origin() != first && pays == MayPay::Yes {
                pays = MayPay::NotThere;
            }
            request = to;
        }
    }
}
