//! Faults that tests ask for: slow answers, error statuses, connections that close without an answer.

use serde::Deserialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// The call takes `ms` longer; meanwhile its idempotency key is in use.
    Latency,
    /// The answer is an error with `status`.
    Status,
    /// The connection is closed; nothing was done.
    DropBefore,
    /// The connection is closed; the work was done.
    DropAfter,
}

/// Whether a fault strikes before or after the work is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum When {
    #[default]
    Before,
    After,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Any method where absent.
    #[serde(default)]
    pub(crate) method: Option<String>,
    /// A prefix of the path; every path where absent.
    #[serde(default)]
    pub(crate) path: Option<String>,
    /// How often it strikes; 0 for always.
    #[serde(default = "once")]
    pub(crate) times: u32,
    pub(crate) action: Action,
    #[serde(default)]
    pub(crate) when: When,
    /// Of `latency`, in milliseconds.
    #[serde(default)]
    pub(crate) ms: u64,
    /// Of `status`.
    #[serde(default)]
    pub(crate) status: Option<u16>,
    /// Of `status`: `error.code`, such as `lock_timeout`.
    #[serde(default)]
    pub(crate) code: Option<String>,
}

fn once() -> u32 {
    1
}

impl Rule {
    /// Why the rule makes no sense, if it does not.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match (self.action, self.status) {
            (Action::Status, Some(400..=599))
            | (Action::Latency | Action::DropBefore | Action::DropAfter, None) => None,
            (Action::Status, _) => Some("a status rule needs a status from 400 to 599"),
            (_, Some(_)) => Some("only a status rule has a status"),
        }
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_ref().is_none_or(|prefix| path.starts_with(prefix))
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) latency_before_ms: u64,
    pub(crate) latency_after_ms: u64,
    /// At most one other fault.
    pub(crate) other: Option<Rule>,
}

impl Strike {
    /// The status to answer instead, with its code, if the rule strikes then.
    pub(crate) fn status(&self, when: When) -> Option<(u16, Option<&str>)> {
        let rule = self
            .other
            .as_ref()
            .filter(|rule| rule.action == Action::Status && rule.when == when)?;
        Some((rule.status?, rule.code.as_deref()))
    }

    /// Whether the connection closes without an answer.
    pub(crate) fn drops(&self, action: Action) -> bool {
        self.other.as_ref().is_some_and(|rule| rule.action == action)
    }
}

/// The rules in force, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<Rule>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Takes what strikes this call: every latency that matches, and the oldest other rule.
    pub(crate) fn strike(&mut self, method: &str, path: &str) -> Strike {
        let mut strike = Strike::default();
        self.rules.retain_mut(|rule| {
            let latency = rule.action == Action::Latency;
            if !rule.matches(method, path) || (!latency && strike.other.is_some()) {
                return true;
            }
            match (latency, rule.when) {
                (true, When::Before) => {
                    strike.latency_before_ms = strike.latency_before_ms.saturating_add(rule.ms)
                }
                (true, When::After) => {
                    strike.latency_after_ms = strike.latency_after_ms.saturating_add(rule.ms)
                }
                (false, _) => strike.other = Some(rule.clone()),
            }
            match rule.times {
                0 => true,
                1 => false,
                times => {
                    rule.times = times.saturating_sub(1);
                    true
                }
            }
        });
        strike
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn rules_strike_as_often_as_they_say() {
        let mut faults = Faults::default();
        faults.add(rule(r#"{"action":"drop_after","path":"/v1/refunds","times":2}"#));
        faults.add(rule(r#"{"action":"latency","ms":5,"times":0}"#));
        faults.add(rule(r#"{"action":"status","status":503,"method":"post"}"#));
        assert_eq!(
            faults.strike("GET", "/v1/x"),
            Strike { latency_before_ms: 5, ..Strike::default() }
        );
        assert!(faults.strike("POST", "/v1/refunds").drops(Action::DropAfter));
        assert!(faults.strike("POST", "/v1/refunds").drops(Action::DropAfter));
        assert_eq!(faults.strike("POST", "/v1/refunds").status(When::Before), Some((503, None)));
        assert_eq!(faults.rules.len(), 1);
    }

    #[test]
    fn senseless_rules_have_a_problem() {
        for (json, fine) in [
            (r#"{"action":"status","status":500}"#, true),
            (r#"{"action":"status"}"#, false),
            (r#"{"action":"status","status":200}"#, false),
            (r#"{"action":"latency","ms":1}"#, true),
            (r#"{"action":"drop_before","status":500}"#, false),
        ] {
            assert_eq!(rule(json).problem().is_none(), fine, "{json}");
        }
        assert!(serde_json::from_str::<Rule>(r#"{"action":"latency","msec":1}"#).is_err());
    }
}
