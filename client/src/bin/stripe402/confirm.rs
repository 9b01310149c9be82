//! `stripe402 confirm`.

use serde_json::Value;
use stripe402_client::{Amount, Pending, money, storage::Storage as _};

use crate::{
    arguments::{ConfirmArgs, CurlArgs},
    budget, curl,
    exit::{AUTHENTICATION_REQUIRED, Exit},
    page,
};

/// After so many seconds, an attempt is not the same one any more: servers forget its key.
const SAME_WITHIN: u64 = 23 * 3600;

/// Sends the request that waits for its cardholder, shows the page on which the charge is confirmed, and sends
/// the request again. Nothing but the attempt that waits can be charged here: its card, its amount, and its
/// PaymentIntent.
pub(crate) async fn confirm(arguments: ConfirmArgs) -> Result<u8, Exit> {
    let ConfirmArgs { stripe_api_base, curl: mut request } = arguments;
    if reads_standard_input(&request) {
        let text = "the request is sent twice: name a file instead of -, or the data itself";
        return Err(Exit::usage(text.to_owned()));
    }
    let origin = request.url.origin().ascii_serialization();
    let open = waiting(&request, &origin)?;
    let amount = Amount { units: open.amount, currency: Some(open.currency) };
    let given = request.paying.payment_method.replace(open.payment_method.clone());
    if given.is_some_and(|given| given != open.payment_method) {
        let text = "the charge that waits is of another card: leave out --payment-method";
        return Err(Exit::usage(text.to_owned()));
    }
    // A server that asks for more, or for another currency, is refused before a card is sent.
    let lower = request.paying.max_charge.filter(|most| most.units < amount.units);
    request.paying.max_charge = lower.or(Some(amount));
    request.paying.top_up = Some(amount);
    request.paying.currency = Some(open.currency);
    let exit = match curl::curl(request.clone()).await {
        Err(exit) if exit.code == AUTHENTICATION_REQUIRED => exit,
        // It was confirmed elsewhere, or has ended.
        other => return other,
    };
    let field = |name: &str| exit.error.get(name).and_then(Value::as_str);
    let (Some(secret), Some(key)) = (field("clientSecret"), field("publishableKey")) else {
        return Err(exit);
    };
    let intent = open.payment_intent.as_ref().map(|intent| format!("{}_secret_", intent.as_str()));
    if !intent.is_some_and(|intent| secret.starts_with(&intent)) {
        let text = format!("{origin} wants another charge confirmed than the one that waits");
        return Err(Exit::local(text));
    }
    let amount = money(open.amount, open.currency);
    let as_json = request.common.json;
    page::confirm(&stripe_api_base, &origin, &amount, secret, key, as_json).await?;
    curl::curl(request).await
}

/// The attempt that is written down.
fn waiting(request: &CurlArgs, origin: &str) -> Result<Pending, Exit> {
    let mut waiting = None;
    let read = request.common.kept.file()?.change(&mut |purse| {
        let open = purse.known(origin).and_then(|known| known.pending.clone());
        waiting = open.filter(|open| open.payment_intent.is_some());
    });
    read.map_err(|error| Exit::local(error.to_string()))?;
    let same = |open: &Pending| budget::now().saturating_sub(open.at) < SAME_WITHIN;
    waiting
        .filter(same)
        .ok_or_else(|| Exit::usage(format!("no charge at {origin} waits to be confirmed")))
}

fn reads_standard_input(request: &CurlArgs) -> bool {
    request.upload_file.as_deref() == Some("-")
        || request.data_binary.as_deref() == Some("@-")
        || request.data.iter().any(|data| data == "@-")
}
