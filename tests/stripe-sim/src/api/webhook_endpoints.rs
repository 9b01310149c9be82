//! `/v1/webhook_endpoints`. Source: docs.stripe.com/api/webhook_endpoints.

use serde_json::{Value, json};

use crate::context::{Answer, Context};
use crate::list::Page;
use crate::params::Params;

/// `GET /v1/webhook_endpoints`: the one to which events go, if there is one. It gets every event. Stripe shows an
/// endpoint's secret only when it is made, and so does not show it here.
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let _page = Page::take(&mut params)?;
    params.finish(&["created"])?;
    let endpoint = |url: &str| -> Value {
        json!({
            "id": "we_standin", "object": "webhook_endpoint", "api_version": null,
            "application": null, "created": 1_700_000_000, "description": null,
            "enabled_events": ["*"], "livemode": false, "metadata": {}, "status": "enabled",
            "url": url,
        })
    };
    let data: Vec<Value> = cx.world.webhook.iter().map(|to| endpoint(&to.url)).collect();
    let url = "/v1/webhook_endpoints";
    Ok(json!({"object": "list", "data": data, "has_more": false, "url": url}))
}
