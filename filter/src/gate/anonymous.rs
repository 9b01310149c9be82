//! Requests without a payment that an operator lets through, so many of an address.

use super::{Passed, Phase, PricedRequest, Step, Stream};

impl Stream {
    /// A request of something that is for sale, without a payment.
    pub(super) fn without_payment(&mut self, priced: PricedRequest) -> Step {
        match priced.offer.anonymous {
            0 => self.challenge(&priced, false),
            most => {
                self.phase = Phase::Counting(priced);
                Step::Count(most)
            }
        }
    }

    /// Whether its address had one left.
    pub fn on_counted(&mut self, passes: bool) -> Option<Step> {
        let phase = core::mem::replace(&mut self.phase, Phase::Unpaid);
        match phase {
            Phase::Counting(_) if passes => Some(Step::Pass(Passed::Anonymous)),
            Phase::Counting(priced) => Some(self.challenge(&priced, false)),
            other => {
                self.phase = other;
                None
            }
        }
    }
}
