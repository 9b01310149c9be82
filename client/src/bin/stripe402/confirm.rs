//! `stripe402 confirm`.

use serde_json::Value;
use stripe402_client::{money, storage::Storage as _};

use crate::{
    arguments::{ConfirmArgs, CurlArgs},
    curl,
    exit::{AUTHENTICATION_REQUIRED, Exit},
    page,
};

/// Sends the request that waits for its cardholder, shows the page on which the charge is confirmed, and sends
/// the request again. A card that waits for nobody is not charged.
pub(crate) async fn confirm(arguments: ConfirmArgs) -> Result<u8, Exit> {
    let ConfirmArgs { stripe_api_base, curl: request } = arguments;
    if reads_standard_input(&request) {
        let text = "the request is sent twice: name a file instead of -, or the data itself";
        return Err(Exit::usage(text.to_owned()));
    }
    let origin = request.url.origin().ascii_serialization();
    let amount = waiting(&request, &origin)?;
    let exit = match curl::curl(request.clone()).await {
        Err(exit) if exit.code == AUTHENTICATION_REQUIRED => exit,
        // It was confirmed elsewhere, or has ended.
        other => return other,
    };
    let field = |name: &str| exit.error.get(name).and_then(Value::as_str);
    let (Some(secret), Some(key)) = (field("clientSecret"), field("publishableKey")) else {
        return Err(exit);
    };
    let as_json = request.common.json;
    page::confirm(&stripe_api_base, &origin, &amount, secret, key, as_json).await?;
    curl::curl(request).await
}

/// What is to be charged: an attempt that is written down must wait for its cardholder, so that no other is
/// made here.
fn waiting(request: &CurlArgs, origin: &str) -> Result<String, Exit> {
    let mut amount = None;
    let read = request.common.file()?.change(&mut |purse| {
        let open = purse.known(origin).and_then(|known| known.pending.as_ref());
        let open = open.filter(|open| open.payment_intent.is_some());
        amount = open.map(|open| money(open.amount, open.currency));
    });
    read.map_err(|error| Exit::local(error.to_string()))?;
    amount.ok_or_else(|| Exit::usage(format!("no charge at {origin} waits to be confirmed")))
}

fn reads_standard_input(request: &CurlArgs) -> bool {
    request.upload_file.as_deref() == Some("-")
        || request.data_binary.as_deref() == Some("@-")
        || request.data.iter().any(|data| data == "@-")
}
