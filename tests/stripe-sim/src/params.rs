//! Takes the parameters of a call one by one, with Stripe's refusals; what is left over is unknown.

use crate::error::ApiError;
use crate::form::{Form, Node};
use crate::metadata::{self, Metadata};

/// The longest text that most parameters take, in characters.
const TEXT_LEN: usize = 5000;

/// The parameters that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Params {
    /// The name of the object these are below, such as `card`; empty at the top.
    within: String,
    left: Form,
}

impl Params {
    pub(crate) fn new(form: Form) -> Self {
        Self { within: String::new(), left: form }
    }

    /// A parameter's whole name, such as `card[number]`.
    pub(crate) fn name(&self, key: &str) -> String {
        if self.within.is_empty() { key.to_owned() } else { format!("{}[{key}]", self.within) }
    }

    /// Whether a parameter is there and not taken yet.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// A text that may be unset: `Some(None)` for the empty text.
    pub(crate) fn unsettable(&mut self, key: &str) -> Result<Option<Option<String>>, ApiError> {
        match self.left.remove(key) {
            None => Ok(None),
            Some(Node::Text(text)) if text.is_empty() => Ok(Some(None)),
            Some(Node::Text(text)) if text.chars().count() > TEXT_LEN => Err(ApiError::parameter(
                &self.name(key),
                None,
                format!("Invalid string: must be at most {TEXT_LEN} characters"),
            )),
            Some(Node::Text(text)) => Ok(Some(Some(text))),
            Some(Node::Map(_)) => {
                Err(ApiError::parameter(&self.name(key), None, "Invalid string: {}".to_owned()))
            }
        }
    }

    /// A text that may be absent, but not empty.
    pub(crate) fn text(&mut self, key: &str) -> Result<Option<String>, ApiError> {
        match self.unsettable(key)? {
            Some(None) => {
                let name = self.name(key);
                let message = format!(
                    "You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or supply a non-empty value."
                );
                Err(ApiError::parameter(&name, Some("parameter_invalid_empty"), message))
            }
            Some(text) => Ok(text),
            None => Ok(None),
        }
    }

    pub(crate) fn required(&mut self, key: &str) -> Result<String, ApiError> {
        self.text(key)?.ok_or_else(|| ApiError::missing(&self.name(key)))
    }

    pub(crate) fn integer(&mut self, key: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            ApiError::parameter(
                &self.name(key),
                Some("parameter_invalid_integer"),
                format!("Invalid integer: {text}"),
            )
        })
    }

    /// An amount in minor units: an integer of at least 1.
    pub(crate) fn positive(&mut self, key: &str) -> Result<Option<i64>, ApiError> {
        match self.integer(key)? {
            Some(amount) if amount < 1 => Err(ApiError::parameter(
                &self.name(key),
                Some("parameter_invalid_integer"),
                "This value must be greater than or equal to 1.",
            )),
            other => Ok(other),
        }
    }

    /// `true`, or `false` as where it is absent.
    pub(crate) fn boolean(&mut self, key: &str) -> Result<bool, ApiError> {
        match self.text(key)?.as_deref() {
            Some("true") => Ok(true),
            None | Some("false") => Ok(false),
            Some(other) => {
                Err(ApiError::parameter(&self.name(key), None, format!("Invalid boolean: {other}")))
            }
        }
    }

    /// One of a closed set of words.
    pub(crate) fn choice(
        &mut self,
        key: &str,
        allowed: &[&str],
    ) -> Result<Option<String>, ApiError> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        if allowed.contains(&text.as_str()) {
            return Ok(Some(text));
        }
        let name = self.name(key);
        let words = match allowed.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, rest)) => format!("one of {}, or {last}", rest.join(", ")),
            None => String::new(),
        };
        Err(ApiError::parameter(&name, None, format!("Invalid {name}: must be {words}")))
    }

    /// The parameters below a key.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<Self>, ApiError> {
        match self.left.remove(key) {
            None => Ok(None),
            Some(Node::Text(text)) if text.is_empty() => Ok(None),
            Some(Node::Text(_)) => {
                Err(ApiError::parameter(&self.name(key), None, "Invalid object"))
            }
            Some(Node::Map(left)) => Ok(Some(Self { within: self.name(key), left })),
        }
    }

    /// A list of texts, in the order of their indices.
    pub(crate) fn list(&mut self, key: &str) -> Result<Option<Vec<String>>, ApiError> {
        let refused = || ApiError::parameter(key, None, "Invalid array");
        let map = match self.left.remove(key) {
            None => return Ok(None),
            Some(Node::Text(text)) if text.is_empty() => return Ok(Some(Vec::new())),
            Some(Node::Text(_)) => return Err(refused()),
            Some(Node::Map(map)) => map,
        };
        let mut items = Vec::with_capacity(map.len());
        for (index, node) in map {
            let index: usize = index.parse().map_err(|_| refused())?;
            let Node::Text(text) = node else { return Err(refused()) };
            items.push((index, text));
        }
        items.sort();
        Ok(Some(items.into_iter().map(|(_, text)| text).collect()))
    }

    /// `metadata` of a new object, within Stripe's limits.
    pub(crate) fn metadata(&mut self) -> Result<Metadata, ApiError> {
        self.metadata_at("metadata")
    }

    /// As [`Params::metadata`], of another name.
    pub(crate) fn metadata_at(&mut self, key: &str) -> Result<Metadata, ApiError> {
        match self.left.remove(key) {
            None => Ok(Metadata::new()),
            Some(Node::Text(text)) if text.is_empty() => Ok(Metadata::new()),
            Some(Node::Text(_)) => Err(ApiError::parameter(key, None, "Invalid object")),
            Some(Node::Map(map)) => metadata::read(map),
        }
    }

    /// `created[gte]` of a list, in Unix seconds; the beginning of time where absent.
    pub(crate) fn created_since(&mut self) -> Result<i64, ApiError> {
        if matches!(self.left.get("created"), Some(Node::Text(_))) {
            return Err(ApiError::not_done("take an instant for created: give created[gte]"));
        }
        let Some(mut bounds) = self.object("created")? else { return Ok(i64::MIN) };
        let least = bounds.integer("gte")?;
        bounds.finish(&["created[gt]", "created[lt]", "created[lte]"])?;
        Ok(least.unwrap_or(i64::MIN))
    }

    /// Whether `allowed_payment_method_types[]` is there; it can be cards only.
    pub(crate) fn only_cards(&mut self) -> Result<bool, ApiError> {
        const NAME: &str = "allowed_payment_method_types";
        let Some(types) = self.list(NAME)? else { return Ok(false) };
        if !types.is_empty() && types.iter().all(|kind| kind == "card") {
            return Ok(true);
        }
        let message = format!(
            "The payment method type provided: {} is invalid. Please ensure the provided type is activated in your dashboard (https://dashboard.stripe.com/account/payments/settings) and your account is enabled for any preview features that you are trying to use.",
            types.join(", ")
        );
        Err(ApiError::parameter(NAME, Some("payment_intent_invalid_parameter"), message))
    }

    /// Refuses what nobody took: as unknown, or if it is one of `besides`, which Stripe takes, as not done here.
    pub(crate) fn finish(self, besides: &[&str]) -> Result<(), ApiError> {
        let names: Vec<_> = self.left.keys().map(|key| self.name(key)).collect();
        let (known, unknown): (Vec<&str>, Vec<&str>) = names
            .iter()
            .map(String::as_str)
            .partition(|name| *name == "expand" || besides.contains(name));
        let message = match (known.as_slice(), unknown.as_slice()) {
            ([], []) => return Ok(()),
            (known, []) => {
                return Err(ApiError::not_done(&format!("take {}", known.join(", "))));
            }
            (_, [name]) => format!("Received unknown parameter: {name}"),
            (_, names) => format!("Received unknown parameters: {}", names.join(", ")),
        };
        let first = unknown.first().copied().unwrap_or_default();
        Err(ApiError::parameter(first, Some("parameter_unknown"), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;

    fn params(text: &str) -> Params {
        Params::new(form::parse(text).unwrap())
    }

    /// The code and the parameter of a refusal.
    fn refusal<T: std::fmt::Debug>(
        result: Result<T, ApiError>,
    ) -> (Option<String>, Option<String>) {
        let body = result.unwrap_err().body;
        (body.code, body.param)
    }

    #[test]
    fn each_kind_of_parameter_has_its_refusal() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            refusal(params("a=1.5").integer("a")),
            (some("parameter_invalid_integer"), some("a"))
        );
        assert_eq!(
            refusal(params("a=0").positive("a")),
            (some("parameter_invalid_integer"), some("a"))
        );
        assert_eq!(refusal(params("a=").text("a")), (some("parameter_invalid_empty"), some("a")));
        assert_eq!(refusal(params("").required("a")), (some("parameter_missing"), some("a")));
        assert_eq!(refusal(params("a=yes").boolean("a")), (None, some("a")));
        assert_eq!(refusal(params("a=z").choice("a", &["x", "y"])), (None, some("a")));
        assert_eq!(refusal(params("a=1").object("a")), (None, some("a")));
        assert_eq!(refusal(params("a[b]=1").list("a")), (None, some("a")));
        let mut nested = params("card[foo]=1");
        let card = nested.object("card").unwrap().unwrap();
        assert_eq!(refusal(card.finish(&[])), (some("parameter_unknown"), some("card[foo]")));
        nested.finish(&[]).unwrap();
    }

    #[test]
    fn what_nobody_took_is_unknown_or_not_done() {
        for (text, status, said) in [
            ("", 0, ""),
            ("shipping=x", 501, "does not take shipping."),
            ("expand[]=customer", 501, "does not take expand."),
            ("shoe=x", 400, "Received unknown parameter: shoe"),
            ("shoe=x&shipping=y", 400, "Received unknown parameter: shoe"),
            ("hat=x&shoe=x", 400, "Received unknown parameters: hat, shoe"),
        ] {
            let refused = params(text).finish(&["shipping"]).err();
            assert_eq!(refused.as_ref().map_or(0, |error| error.status), status, "{text}");
            let message = refused.map(|error| error.body.message).unwrap_or_default();
            assert!(message.ends_with(said), "{text}: {message}");
        }
    }

    #[test]
    fn lists_begin_where_they_are_told_to() {
        assert_eq!(params("").created_since().unwrap(), i64::MIN);
        assert_eq!(params("created[gte]=5").created_since().unwrap(), 5);
        for text in ["created=5", "created[gt]=5", "created[gte]=3&created[lte]=5"] {
            assert_eq!(params(text).created_since().unwrap_err().status, 501, "{text}");
        }
        assert_eq!(params("created[eq]=5").created_since().unwrap_err().status, 400);
    }
}
