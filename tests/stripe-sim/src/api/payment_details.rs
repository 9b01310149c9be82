//! The parameters that creating, updating and confirming a PaymentIntent share.

use crate::api::confirm;
use crate::error::ApiError;
use crate::objects::payment_intent::PaymentIntent;
use crate::params::Params;

/// The longest statement descriptor, in characters (docs.stripe.com/get-started/account/statement-descriptors).
const DESCRIPTOR_LEN: usize = 22;

/// The fields that creating, updating and confirming share.
#[derive(Debug, Default)]
pub(crate) struct Details {
    description: Option<Option<String>>,
    receipt_email: Option<Option<String>>,
    pub(crate) setup_future_usage: Option<String>,
    statement_descriptor: Option<Option<String>>,
    statement_descriptor_suffix: Option<Option<String>>,
    request_three_d_secure: Option<String>,
}

impl Details {
    /// Takes them; a confirmation has fewer.
    pub(crate) fn take(params: &mut Params, confirming_only: bool) -> Result<Self, ApiError> {
        let mut details = Self {
            receipt_email: params.unsettable("receipt_email")?,
            setup_future_usage: params
                .choice("setup_future_usage", &["off_session", "on_session"])?,
            request_three_d_secure: confirm::take_options(params)?,
            ..Self::default()
        };
        if let Some(Some(email)) = &details.receipt_email
            && !email.contains('@')
        {
            let message = format!("Invalid email address: {email}");
            return Err(ApiError::parameter("receipt_email", Some("email_invalid"), message));
        }
        if !confirming_only {
            details.description = params.unsettable("description")?;
            details.statement_descriptor = take_descriptor(params, "statement_descriptor")?;
            details.statement_descriptor_suffix =
                take_descriptor(params, "statement_descriptor_suffix")?;
        }
        Ok(details)
    }

    /// Sets what was given.
    pub(crate) fn apply(self, intent: &mut PaymentIntent) {
        for (given, field) in [
            (self.description, &mut intent.description),
            (self.receipt_email, &mut intent.receipt_email),
            (self.statement_descriptor, &mut intent.statement_descriptor),
            (self.statement_descriptor_suffix, &mut intent.statement_descriptor_suffix),
        ] {
            if let Some(text) = given {
                *field = text;
            }
        }
        if self.setup_future_usage.is_some() {
            intent.setup_future_usage = self.setup_future_usage;
        }
        if let Some(requested) = self.request_three_d_secure {
            intent.request_three_d_secure = requested;
        }
    }
}

fn take_descriptor(params: &mut Params, key: &str) -> Result<Option<Option<String>>, ApiError> {
    let text = params.unsettable(key)?;
    if let Some(Some(text)) = &text
        && (text.chars().count() > DESCRIPTOR_LEN
            || text.contains(['<', '>', '\\', '\'', '"', '*']))
    {
        let message = format!(
            "The statement descriptor must be at most {DESCRIPTOR_LEN} characters, without any of < > \\ ' \" *."
        );
        return Err(ApiError::parameter(key, None, message));
    }
    Ok(text)
}
