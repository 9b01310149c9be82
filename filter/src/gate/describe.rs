//! What access logs are told of a request: one line of `name=value`, without a credential.

use stripe402_protocol::{ClientId, DeductionId, Units};

use super::{Passed, Phase, PricedRequest, Step, Stream};

impl Stream {
    /// What became of the request with this step; `None` if that is not decided, or not asked for.
    #[must_use]
    pub fn describe(&self, step: &Step) -> Option<String> {
        if !self.config.access_log {
            return None;
        }
        match (step, &self.phase) {
            (Step::Pass(Passed::Paid(paid)), Phase::Served { priced, .. }) => {
                let sale = of_sale("paid", priced, paid.deduction, paid.client);
                Some(format!("{sale} left={}", paid.left))
            }
            (Step::Pass(Passed::Unpaid), _) => Some("outcome=unpaid".to_owned()),
            (Step::Pass(Passed::Anonymous), _) => Some("outcome=anonymous".to_owned()),
            (Step::Reply(reply), _) => {
                let outcome = reply.details.strip_prefix("stripe402_").unwrap_or(reply.details);
                Some(format!("outcome={outcome}"))
            }
            _ => None,
        }
    }
}

/// A priced as the books know it, and as people may see it.
pub(super) fn of_sale(
    outcome: &str,
    priced: &PricedRequest,
    deduction: DeductionId,
    client: ClientId,
) -> String {
    let (route, price): (_, Units) = (&priced.offer, priced.offer.price());
    let name: String = route.name.chars().map(|c| if c <= ' ' { '_' } else { c }).collect();
    format!(
        "outcome={outcome} route={name} price={price} currency={} subject={} charge={deduction}",
        route.currency.as_str(),
        client.subject()
    )
}
