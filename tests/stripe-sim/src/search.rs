//! Search over PaymentIntents, which lags behind writes.
//!
//! Source: docs.stripe.com/search ("data is searchable in less than a minute").

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::list;
use crate::objects::payment_intent::PaymentIntent;
use crate::params::Params;
use crate::query::Query;
use crate::table::Row;

/// Each PaymentIntent's versions that search may still have to show.
#[derive(Debug, Default)]
pub(crate) struct SearchIndex {
    /// By id: when written, in milliseconds, and what; oldest first.
    versions: HashMap<String, Vec<(i64, PaymentIntent)>>,
}

impl SearchIndex {
    /// Queues a version.
    pub(crate) fn write(&mut self, at_ms: i64, intent: PaymentIntent) {
        self.versions.entry(intent.id.clone()).or_default().push((at_ms, intent));
    }

    /// The version that search knows of what was written up to `until_ms`.
    fn known(&self, id: &str, until_ms: i64) -> Option<&PaymentIntent> {
        let versions = self.versions.get(id)?;
        versions.iter().rev().find(|(at_ms, _)| *at_ms <= until_ms).map(|(_, intent)| intent)
    }
}

/// `GET /v1/payment_intents/search`
pub(crate) fn payment_intents(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let query = Query::parse(&params.required("query")?)?;
    let limit = list::take_limit(&mut params)?;
    let after = params.text("page")?.map(|page| decode_page(&page)).transpose()?;
    params.finish()?;

    let until_ms = cx.now_ms.saturating_sub(cx.search_lag_ms);
    let mut found = cx
        .world
        .payment_intents
        .newest_first()
        .skip_while(|intent| after.as_deref().is_some_and(|cursor| intent.id() != cursor))
        .skip(usize::from(after.is_some()))
        .filter_map(|intent| cx.world.search.known(&intent.id, until_ms))
        .filter(|intent| query.matches(intent));
    let page: Vec<&PaymentIntent> = found.by_ref().take(limit).collect();
    let has_more = found.next().is_some();
    let next_page = page.last().filter(|_| has_more).map(|last| URL_SAFE_NO_PAD.encode(&last.id));
    Ok(json!({
        "object": "search_result",
        "data": page.iter().map(|intent| intent.view()).collect::<Vec<_>>(),
        "has_more": has_more,
        "next_page": next_page,
        "url": "/v1/payment_intents/search",
    }))
}

fn decode_page(page: &str) -> Result<String, ApiError> {
    URL_SAFE_NO_PAD
        .decode(page)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| ApiError::parameter("page", None, format!("Invalid page: {page}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::tests::intent;

    #[test]
    fn old_versions_are_found_until_the_new_one_is_due() {
        let mut index = SearchIndex::default();
        index.write(1000, intent("pi_1", 1));
        index.write(2000, intent("pi_1", 2));
        for (until, amount) in [(999, None), (1000, Some(1)), (1999, Some(1)), (2000, Some(2))] {
            assert_eq!(index.known("pi_1", until).map(|intent| intent.amount), amount, "{until}");
        }
    }
}
