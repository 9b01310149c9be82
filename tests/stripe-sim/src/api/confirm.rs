//! What confirming a PaymentIntent and confirming a SetupIntent have in common.

use serde_json::{Value, json};

use crate::api::payment_methods;
use crate::context::Context;
use crate::error::ApiError;
use crate::ids;
use crate::objects::payment_intent::Accepts;
use crate::objects::payment_method::PaymentMethod;
use crate::params::Params;

/// `payment_method_options[card][request_three_d_secure]`
const THREE_D_SECURE: &[&str] = &["any", "automatic", "challenge"];

/// How a confirmation goes about authentication.
#[derive(Debug, Default)]
pub(crate) struct Manner {
    pub(crate) return_url: Option<String>,
    pub(crate) use_stripe_sdk: bool,
    pub(crate) error_on_requires_action: bool,
    pub(crate) off_session: bool,
}

impl Manner {
    /// Takes the parameters that only a confirmation may have. Source: docs.stripe.com/api/payment_intents/confirm.
    pub(crate) fn take(
        params: &mut Params,
        confirming: bool,
        noun: &str,
    ) -> Result<Self, ApiError> {
        for name in ["return_url", "error_on_requires_action", "off_session"] {
            if params.has(name) && !confirming && (noun == "PaymentIntent" || name == "return_url")
            {
                let message = format!(
                    "The parameter `{name}` cannot be passed when creating a {noun} unless `confirm` is set to true."
                );
                return Err(ApiError::parameter(name, None, message));
            }
        }
        let return_url = params.text("return_url")?;
        if let Some(url) = return_url.as_ref().filter(|url| !url.contains("://")) {
            return Err(ApiError::parameter(
                "return_url",
                Some("url_invalid"),
                format!("Not a valid URL: {url}"),
            ));
        }
        Ok(Self {
            return_url,
            use_stripe_sdk: params.boolean("use_stripe_sdk")?.unwrap_or_default(),
            // SetupIntents do not have these two; there they stay unknown.
            error_on_requires_action: noun == "PaymentIntent"
                && params.boolean("error_on_requires_action")?.unwrap_or_default(),
            off_session: noun == "PaymentIntent"
                && params
                    .choice("off_session", &["true", "false", "one_off", "recurring"])?
                    .is_some_and(|word| word != "false"),
        })
    }

    /// Refuses to confirm with a secret key what might send the customer elsewhere, without a way back.
    /// Source: docs.stripe.com/payments/accept-a-payment (`return_url`).
    pub(crate) fn check_return(
        &self,
        cx: &Context<'_>,
        accepts: &Accepts,
        noun: &str,
    ) -> Result<(), ApiError> {
        if cx.is_public() || self.return_url.is_some() || !accepts.may_redirect() {
            return Ok(());
        }
        let message = format!(
            "This {noun} is configured to accept payment methods enabled in your Dashboard. Because some of these payment methods might redirect your customer off of your page, you must provide a `return_url`. If you don't want to accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and `automatic_payment_methods[allow_redirects]` to `never` when creating Setup Intents and Payment Intents."
        );
        Err(ApiError::refused(None, message).param("return_url"))
    }

    /// `next_action` of an intent whose holder has to authenticate (docs.stripe.com/payments/3d-secure).
    pub(crate) fn next_action(&self, intent: &str) -> Value {
        let url = format!(
            "https://hooks.stripe.com/3d_secure_2/hosted?merchant=acct_stripesim0000000&intent={intent}"
        );
        match &self.return_url {
            Some(return_url) if !self.use_stripe_sdk => {
                json!({"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}})
            }
            _ => json!({
                "type": "use_stripe_sdk",
                "use_stripe_sdk": {
                    "type": "three_d_secure_redirect",
                    "stripe_js": url,
                    "source": ids::new("src"),
                },
            }),
        }
    }
}

/// The first version without the parameter `payment_method_types` (docs.stripe.com/changelog/endive/2026-09-30).
const WITHOUT_TYPES: &str = "2026-09-30";

/// Takes the types that a call names itself: `allowed_payment_method_types[]`, or in older versions
/// `payment_method_types[]`.
pub(crate) fn take_types(
    cx: &Context<'_>,
    params: &mut Params,
) -> Result<Option<Accepts>, ApiError> {
    if params.has("payment_method_types") && cx.speaks(WITHOUT_TYPES) {
        let message = "The `payment_method_types` parameter is no longer supported. Use `allowed_payment_method_types`, or let Stripe choose from the payment methods that you enable in your Dashboard.";
        let code = "payment_method_types_no_longer_supported";
        return Err(ApiError::parameter("payment_method_types", Some(code), message));
    }
    let types = params.list("payment_method_types")?;
    let allowed = params.list("allowed_payment_method_types")?;
    if types.is_some() && allowed.is_some() {
        return Err(exclusive("allowed_payment_method_types", "payment_method_types"));
    }
    for (name, given) in
        [("payment_method_types", &types), ("allowed_payment_method_types", &allowed)]
    {
        let Some(given) = given else { continue };
        if given.is_empty() || given.iter().any(|kind| kind != "card") {
            let message = format!(
                "The payment method type provided: {} is invalid. Please ensure the provided type is activated in your dashboard (https://dashboard.stripe.com/account/payments/settings) and your account is enabled for any preview features that you are trying to use.",
                given.join(", ")
            );
            return Err(ApiError::parameter(
                name,
                Some("payment_intent_invalid_parameter"),
                message,
            ));
        }
    }
    Ok(types.map(Accepts::Types).or(allowed.map(Accepts::Allowed)))
}

fn exclusive(one: &str, other: &str) -> ApiError {
    let message = format!("You may only specify one of these parameters: {one}, {other}.");
    ApiError::parameter(one, Some("parameters_exclusive"), message)
}

/// Takes what a new intent accepts; where the call does not say, `automatic_payment_methods` is on.
pub(crate) fn take_accepts(cx: &Context<'_>, params: &mut Params) -> Result<Accepts, ApiError> {
    let types = take_types(cx, params)?;
    let mut automatic = None;
    if let Some(mut fields) = params.object("automatic_payment_methods")? {
        let enabled = fields.boolean("enabled")?;
        let redirects = fields.choice("allow_redirects", &["always", "never"])?;
        fields.finish()?;
        let enabled =
            enabled.ok_or_else(|| ApiError::missing("automatic_payment_methods[enabled]"))?;
        automatic = enabled.then(|| redirects.unwrap_or_else(|| "always".to_owned()));
    }
    match (types, automatic) {
        (Some(Accepts::Allowed(_)), Some(_)) => {
            Err(exclusive("automatic_payment_methods", "allowed_payment_method_types"))
        }
        (Some(_), Some(_)) => Err(exclusive("automatic_payment_methods", "payment_method_types")),
        (Some(types), None) => Ok(types),
        (None, allow_redirects) => {
            let allow_redirects = allow_redirects.unwrap_or_else(|| "always".to_owned());
            Ok(Accepts::Automatic { allow_redirects })
        }
    }
}

/// Takes `payment_method_options[card][request_three_d_secure]`.
pub(crate) fn take_options(params: &mut Params) -> Result<Option<String>, ApiError> {
    let Some(mut options) = params.object("payment_method_options")? else { return Ok(None) };
    let mut requested = None;
    if let Some(mut card) = options.object("card")? {
        requested = card.choice("request_three_d_secure", THREE_D_SECURE)?;
        card.finish()?;
    }
    options.finish()?;
    Ok(requested)
}

/// Which PaymentMethod a call names.
#[derive(Debug)]
pub(crate) enum Named {
    Id(String),
    /// `payment_method_data`: one to be made.
    Data(Params),
}

impl Named {
    /// Takes `payment_method` or `payment_method_data`.
    pub(crate) fn take(params: &mut Params) -> Result<Option<Self>, ApiError> {
        let id = params.text("payment_method")?;
        let data = params.object("payment_method_data")?;
        match (id, data) {
            (Some(_), Some(_)) => Err(ApiError::parameter(
                "payment_method",
                Some("parameters_exclusive"),
                "You may only specify one of these parameters: payment_method, payment_method_data.",
            )),
            (Some(id), None) => Ok(Some(Self::Id(id))),
            (None, Some(data)) => Ok(Some(Self::Data(data))),
            (None, None) => Ok(None),
        }
    }

    /// Finds or makes the PaymentMethod.
    pub(crate) fn resolve(self, cx: &mut Context<'_>) -> Result<PaymentMethod, ApiError> {
        match self {
            Self::Id(id) => payment_methods::named(cx, &id),
            Self::Data(data) => payment_methods::create_from(cx, data),
        }
    }
}

/// Takes `client_secret`, which a publishable key needs, and compares it.
pub(crate) fn check_secret(
    cx: &Context<'_>,
    params: &mut Params,
    secret: &str,
    noun: &str,
) -> Result<(), ApiError> {
    match params.text("client_secret")? {
        None if cx.is_public() => Err(ApiError::missing("client_secret")),
        Some(given) if given != secret => {
            let message = format!(
                "The client_secret provided does not match the client_secret associated with the {noun}."
            );
            Err(ApiError::refused(None, message).param("client_secret"))
        }
        _ => Ok(()),
    }
}
