//! Requests without a payment: how many of them an address has in a day.

use serde_json::Value;

use super::fields::{Checked, Fields, Read, wrong};

const ANONYMOUS: [&str; 2] = ["requests", "per"];

/// Whose requests are counted together.
struct Per;

impl Read for Per {
    const EXPECTED: &'static str = "address";

    fn read(value: &Value) -> Option<Self> {
        (value == "address").then_some(Self)
    }
}

/// A number of requests; 0 switches them off.
struct Requests(u32);

impl Read for Requests {
    const EXPECTED: &'static str = "a whole number from 0 to 1000000";

    fn read(value: &Value) -> Option<Self> {
        let number = i64::read(value).filter(|number| (0..=1_000_000).contains(number))?;
        u32::try_from(number).ok().map(Self)
    }
}

/// What is said here of them, and where; `None` if nothing is.
pub(super) fn anonymous(fields: &mut Fields) -> Checked<Option<(u32, String)>> {
    let Some((path, value)) = fields.value("anonymous") else { return Ok(None) };
    let mut fields = Fields::of(path, value, &ANONYMOUS)?;
    let Requests(requests) = fields.required("requests")?;
    let _: Option<Per> = fields.optional("per")?;
    Ok(Some((requests, fields.here())))
}

/// How many a route has: what it says itself, or else the `usual` number. One whose price is known only afterwards
/// has none, since nothing would bound what a stranger has done for free.
pub(super) fn of_route(own: Option<(u32, String)>, usual: u32, is_flat: bool) -> Checked<u32> {
    match own {
        Some((1.., path)) if !is_flat => wrong(
            path,
            "must be absent: a request of a metered price is a hold, which somebody has to pay",
        ),
        Some((requests, _)) => Ok(requests),
        None => Ok(if is_flat { usual } else { 0 }),
    }
}
