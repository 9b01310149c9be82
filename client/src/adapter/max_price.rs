//! A limit of one request.

use std::sync::Arc;

use stripe402_protocol::Units;

use crate::Policy;

/// The most that one request may cost, in units of the policy's currency, as an extension of the request. It
/// lowers [`Policy::max_price`], and never raises it.
///
/// ```no_run
/// # async fn example(client: reqwest_middleware::ClientWithMiddleware) -> anyhow::Result<()> {
/// use stripe402_client::MaxPrice;
/// use stripe402_protocol::Units;
///
/// let request = client.get("https://api.example/api/weather");
/// request.with_extension(MaxPrice(Units::from_u32(500))).send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPrice(pub Units);

impl MaxPrice {
    /// The policy for this request.
    pub(super) fn lower(self, policy: &Policy) -> Arc<Policy> {
        let max_price = Some(self.0.min(policy.most_price()));
        Arc::new(Policy { max_price, ..policy.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_one_request_lowers_and_never_raises() {
        let most = Units::from_u32;
        let limited = Policy { max_price: Some(most(500)), ..Policy::default() };
        for (policy, asked, expected) in [
            (&limited, 499, 499),
            (&limited, 501, 500),
            (&Policy::default(), 20_000, 10_000),
            (&Policy::default(), 1, 1),
        ] {
            let lowered = MaxPrice(most(asked)).lower(policy);
            assert_eq!(lowered.max_price, Some(most(expected)));
            let others = Policy { max_price: policy.max_price, ..(*lowered).clone() };
            assert_eq!(others, *policy, "nothing else changes");
        }
    }
}
