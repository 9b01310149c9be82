//! `/v1/events`. Source: docs.stripe.com/api/events.

use crate::context::{Answer, Context};
use crate::list::Page;
use crate::objects::event::Event;
use crate::params::Params;

/// `GET /v1/events`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let kinds = params.list("types")?;
    let since = params.created_since()?;
    let page = Page::take(&mut params)?;
    params.finish(&["delivery_success", "type"])?;
    page.of(
        &cx.world.events,
        ("/v1/events", "event"),
        |event| {
            event.created >= since
                && kinds.as_ref().is_none_or(|wanted| wanted.contains(&event.kind))
        },
        Event::view,
    )
}
