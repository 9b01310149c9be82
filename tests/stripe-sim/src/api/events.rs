//! `/v1/events`. Source: docs.stripe.com/api/events.

use crate::context::{Answer, Context};
use crate::error::ApiError;
use crate::list::Page;
use crate::objects::event::Event;
use crate::params::Params;

/// `GET /v1/events/:id`
pub(crate) fn retrieve(cx: &mut Context<'_>, id: &str, params: Params) -> Answer {
    params.finish()?;
    cx.world.events.get(id).map(Event::view).ok_or_else(|| ApiError::no_such("event", id, "id"))
}

/// `GET /v1/events`
pub(crate) fn list(cx: &mut Context<'_>, _id: &str, mut params: Params) -> Answer {
    let kind = params.text("type")?;
    let kinds = params.list("types")?;
    let delivered = params.boolean("delivery_success")?;
    let created = params.created()?;
    let page = Page::take(&mut params)?;
    params.finish()?;
    if kind.is_some() && kinds.is_some() {
        let message = "You may only specify one of these parameters: type, types.";
        return Err(ApiError::parameter("type", Some("parameters_exclusive"), message));
    }
    page.of(
        &cx.world.events,
        ("/v1/events", "event"),
        |event| {
            created.contains(event.created)
                && delivered.is_none_or(|wanted| wanted != event.pending)
                && kind.as_ref().is_none_or(|wanted| kind_matches(wanted, &event.kind))
                && kinds.as_ref().is_none_or(|wanted| wanted.contains(&event.kind))
        },
        Event::view,
    )
}

/// A type, or with `*` at its end a group of them.
fn kind_matches(wanted: &str, kind: &str) -> bool {
    wanted.strip_suffix('*').map_or(wanted == kind, |prefix| kind.starts_with(prefix))
}
