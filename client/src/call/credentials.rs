//! Which credentials a request may carry, and where.

use stripe402_protocol::{ClientId, PaymentMethodId};

use super::{Call, Pays};
use crate::{Error, Purse, Secret, origin};

impl Call {
    /// Whether credentials may be sent to where this request goes.
    pub(super) fn may_pay(&self) -> Result<(), Error> {
        let origin = || self.request.origin.clone();
        match self.request.pays {
            Pays::Yes => {}
            Pays::NotThere => return Err(Error::OriginNotAllowed { origin: origin() }),
            Pays::NotAgain => return Err(Error::PaidAndRedirected),
        }
        if self.policy.origins.is_some() && !self.is_named() {
            return Err(Error::OriginNotAllowed { origin: origin() });
        }
        if !self.policy.allow_http && !origin::is_private(&self.request.origin) {
            return Err(Error::NotEncrypted { origin: origin() });
        }
        Ok(())
    }

    fn is_named(&self) -> bool {
        let named = self.policy.origins.as_deref().unwrap_or_default();
        named.iter().any(|name| name.trim_end_matches('/') == self.request.origin)
    }

    /// Where a credential of the caller's was used first, if that was elsewhere.
    fn bound_elsewhere<'a>(&self, purse: &'a Purse, credential: &str) -> Option<&'a String> {
        let bound = purse.bound.get(credential);
        bound.filter(|bound| **bound != self.request.origin && !self.is_named())
    }

    pub(super) fn bind(&self, purse: &mut Purse, credential: &str) {
        let origin = self.request.origin.clone();
        purse.bound.entry(Secret::new(credential)).or_insert(origin);
    }

    /// Who we are there: as the caller says, unless that is known to be stale.
    pub(super) fn client(&self, purse: &Purse) -> Option<ClientId> {
        let known = self.known(purse);
        let stale = known.and_then(|known| known.stale);
        let given = self.policy.client_id.filter(|id| Some(*id) != stale);
        let given = given.filter(|id| self.bound_elsewhere(purse, &id.to_hex()).is_none());
        given.or(known.and_then(|known| known.client_id))
    }

    /// The card to offer there.
    pub(super) fn card(&self, purse: &Purse) -> Result<Option<PaymentMethodId>, Error> {
        if let Some(chosen) = &self.chosen {
            return Ok(Some(chosen.clone()));
        }
        let stored = self.known(purse).and_then(|known| known.card.clone());
        match &self.policy.payment_method {
            Some(given) => match self.bound_elsewhere(purse, given.as_str()) {
                Some(bound) if stored.is_none() => Err(Error::OtherOrigin {
                    origin: self.request.origin.clone(),
                    bound: bound.clone(),
                }),
                Some(_) => Ok(stored),
                None => Ok(Some(given.clone())),
            },
            None => Ok(stored),
        }
    }
}
