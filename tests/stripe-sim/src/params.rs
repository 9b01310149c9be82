//! Takes the parameters of a call one by one, with Stripe's refusals; what is left over is unknown.

use crate::error::ApiError;
use crate::form::{Form, Node};
use crate::metadata::MetadataPatch;

/// The longest text that most parameters take, in characters.
const TEXT_LEN: usize = 5000;

/// Bounds on `created`, in Unix seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TimeRange {
    pub(crate) at_least: Option<i64>,
    pub(crate) at_most: Option<i64>,
}

impl TimeRange {
    /// Whether the range has the instant.
    pub(crate) fn contains(self, at: i64) -> bool {
        self.at_least.is_none_or(|least| at >= least) && self.at_most.is_none_or(|most| at <= most)
    }
}

/// The parameters that nobody has taken yet.
#[derive(Debug, Default)]
pub(crate) struct Params {
    /// The name of the object these are below, such as `card`; empty at the top.
    within: String,
    left: Form,
}

impl Params {
    /// The parameters of a call.
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

    /// Drops a parameter that changes nothing.
    pub(crate) fn discard(&mut self, key: &str) {
        self.left.remove(key);
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

    /// A text that must be there.
    pub(crate) fn required(&mut self, key: &str) -> Result<String, ApiError> {
        self.text(key)?.ok_or_else(|| ApiError::missing(&self.name(key)))
    }

    /// An integer.
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

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.text(key)?.as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
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

    /// `metadata`, within Stripe's limits.
    pub(crate) fn metadata(&mut self) -> Result<Option<MetadataPatch>, ApiError> {
        let map = match self.left.remove("metadata") {
            None => return Ok(None),
            Some(Node::Text(text)) if text.is_empty() => return Ok(Some(MetadataPatch::Clear)),
            Some(Node::Text(_)) => {
                return Err(ApiError::parameter("metadata", None, "Invalid object"));
            }
            Some(Node::Map(map)) => map,
        };
        MetadataPatch::read(map).map(Some)
    }

    /// `created`: an instant, or bounds (`gt`, `gte`, `lt`, `lte`), in Unix seconds.
    pub(crate) fn created(&mut self) -> Result<TimeRange, ApiError> {
        if matches!(self.left.get("created"), Some(Node::Text(_))) {
            let at = self.integer("created")?;
            return Ok(TimeRange { at_least: at, at_most: at });
        }
        let Some(mut bounds) = self.object("created")? else { return Ok(TimeRange::default()) };
        let above = bounds.integer("gt")?.map(|at| at.saturating_add(1));
        let below = bounds.integer("lt")?.map(|at| at.saturating_sub(1));
        let at_least = bounds.integer("gte")?.max(above);
        let at_most = match (bounds.integer("lte")?, below) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        bounds.finish()?;
        Ok(TimeRange { at_least, at_most })
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let Some(key) = self.left.keys().next() else { return Ok(()) };
        let name = self.name(key);
        let message = match self.left.len() {
            1 => format!("Received unknown parameter: {name}"),
            _ => {
                let names: Vec<_> = self.left.keys().map(|key| self.name(key)).collect();
                format!("Received unknown parameters: {}", names.join(", "))
            }
        };
        Err(ApiError::parameter(&name, Some("parameter_unknown"), message))
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
        assert_eq!(refusal(card.finish()), (some("parameter_unknown"), some("card[foo]")));
        nested.finish().unwrap();
    }

    #[test]
    fn bounds_on_created() {
        for (text, inside, outside) in [
            ("created=5", 5, 4),
            ("created[gt]=5", 6, 5),
            ("created[gte]=5", 5, 4),
            ("created[lt]=5", 4, 5),
            ("created[gte]=3&created[lte]=5", 5, 6),
        ] {
            let range = params(text).created().unwrap();
            assert!(range.contains(inside) && !range.contains(outside), "{text}");
        }
    }
}
