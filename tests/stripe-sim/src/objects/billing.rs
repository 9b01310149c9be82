//! Addresses and billing details.

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::params::Params;

/// A postal address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Address {
    pub(crate) city: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) line1: Option<String>,
    pub(crate) line2: Option<String>,
    pub(crate) postal_code: Option<String>,
    pub(crate) state: Option<String>,
}

impl Address {
    /// Reads an address's fields over the ones that are there.
    pub(crate) fn update(&mut self, mut params: Params) -> Result<(), ApiError> {
        for (key, field) in [
            ("city", &mut self.city),
            ("country", &mut self.country),
            ("line1", &mut self.line1),
            ("line2", &mut self.line2),
            ("postal_code", &mut self.postal_code),
            ("state", &mut self.state),
        ] {
            if let Some(text) = params.unsettable(key)? {
                *field = text;
            }
        }
        params.finish()
    }
}

/// Who pays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BillingDetails {
    pub(crate) address: Address,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) tax_id: Option<String>,
}

impl BillingDetails {
    /// Reads `billing_details` over the ones that are there.
    pub(crate) fn update(&mut self, mut params: Params) -> Result<(), ApiError> {
        if let Some(address) = params.object("address")? {
            self.address.update(address)?;
        }
        for (key, field) in [
            ("email", &mut self.email),
            ("name", &mut self.name),
            ("phone", &mut self.phone),
            ("tax_id", &mut self.tax_id),
        ] {
            if let Some(text) = params.unsettable(key)? {
                *field = text;
            }
        }
        params.finish()
    }
}
