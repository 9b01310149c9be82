//! Requests whose bytes are always the same.
//!
//! Stripe compares a request with the first one under its idempotency key. The library takes
//! metadata as a map without an order, so one and the same charge could differ between attempts.

use ::stripe::StripeRequest;
use stripe_client_core::RequestBuilder;

/// A request whose form is in one order.
#[derive(Debug)]
pub(super) struct Sorted<R>(pub(super) R);

impl<R: StripeRequest> StripeRequest for Sorted<R> {
    type Output = R::Output;

    fn build(&self) -> RequestBuilder {
        let mut request = self.0.build();
        request.body = request.body.map(|body| {
            let mut fields: Vec<_> = body.split('&').collect();
            fields.sort_unstable();
            fields.join("&")
        });
        request
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use stripe_core::refund::CreateRefund;

    use super::*;

    #[test]
    fn one_refund_has_the_same_bytes_each_time() {
        let body = || {
            let fields = (0..20).map(|n| (format!("field{n}"), "x".to_owned()));
            let request = CreateRefund::new().amount(5).metadata(fields.collect::<HashMap<_, _>>());
            Sorted(request).build().body
        };
        let first = body();
        assert!(first.as_deref().is_some_and(|body| body.contains("field19")));
        for _ in 0..20 {
            assert_eq!(body(), first);
        }
    }
}
