//! The query language of search. Source: docs.stripe.com/search#search-query-language.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::objects::payment_intent::PaymentIntent;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equals,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// One clause, such as `-metadata['k']:'v'`.
#[derive(Debug)]
struct Clause {
    negated: bool,
    field: String,
    /// Set for `metadata['key']`.
    key: Option<String>,
    operator: Operator,
    /// `None` for `null`.
    value: Option<String>,
}

/// Clauses joined by AND, or by OR.
#[derive(Debug)]
pub(crate) struct Query {
    clauses: Vec<Clause>,
    any: bool,
}

impl Query {
    /// Reads a query.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let refused = || {
            let message = "We were unable to parse your search query. Try using the format `metadata[\"key\"]:\"value\"` to query for metadata or key:\"value\" to query for other fields.";
            ApiError::parameter("query", None, message)
        };
        let mut clauses = Vec::new();
        let mut joins = Vec::new();
        let mut rest = text.trim_start();
        loop {
            let (clause, after) = clause(rest).ok_or_else(refused)?;
            check_field(&clause)?;
            clauses.push(clause);
            rest = after.trim_start();
            if rest.is_empty() {
                break;
            }
            let word = rest.split_whitespace().next().unwrap_or_default();
            let (any, len) = match word.to_ascii_uppercase().as_str() {
                "AND" => (false, 3),
                "OR" => (true, 2),
                _ => (false, 0),
            };
            joins.push(any);
            rest = rest.get(len..).unwrap_or_default().trim_start();
        }
        let any = joins.first().copied().unwrap_or_default();
        if joins.iter().any(|join| *join != any) {
            return Err(ApiError::parameter(
                "query",
                None,
                "You can't combine AND and OR in the same search query.",
            ));
        }
        Ok(Self { clauses, any })
    }

    /// Whether a PaymentIntent is what is looked for.
    pub(crate) fn matches(&self, intent: &PaymentIntent) -> bool {
        if self.any {
            self.clauses.iter().any(|clause| clause.matches(intent))
        } else {
            self.clauses.iter().all(|clause| clause.matches(intent))
        }
    }
}

impl Clause {
    fn matches(&self, intent: &PaymentIntent) -> bool {
        let actual = match (self.field.as_str(), &self.key) {
            ("metadata", Some(key)) => intent.metadata.get(key).map(|value| json!(value)),
            ("amount", _) => Some(json!(intent.amount)),
            ("created", _) => Some(json!(intent.created)),
            ("currency", _) => Some(json!(intent.currency)),
            ("customer", _) => intent.customer.as_ref().map(|id| json!(id)),
            ("status", _) => Some(json!(intent.status.as_str())),
            _ => None,
        };
        let holds = match (&actual, &self.value) {
            (None, None) => true,
            (Some(actual), Some(value)) => compare(actual, self.operator, value),
            _ => false,
        };
        holds != self.negated
    }
}

fn compare(actual: &Value, operator: Operator, value: &str) -> bool {
    match actual {
        Value::Number(number) => {
            let (Some(number), Ok(value)) = (number.as_i64(), value.parse::<i64>()) else {
                return false;
            };
            match operator {
                Operator::Equals => number == value,
                Operator::Less => number < value,
                Operator::LessOrEqual => number <= value,
                Operator::Greater => number > value,
                Operator::GreaterOrEqual => number >= value,
                Operator::Contains => false,
            }
        }
        Value::String(text) => match operator {
            Operator::Equals => text.eq_ignore_ascii_case(value),
            Operator::Contains => text.to_ascii_lowercase().contains(&value.to_ascii_lowercase()),
            _ => false,
        },
        _ => false,
    }
}

/// Refuses a field or an operator that search does not have for PaymentIntents.
fn check_field(clause: &Clause) -> Result<(), ApiError> {
    let numeric = matches!(clause.field.as_str(), "amount" | "created");
    let fits = match (clause.field.as_str(), &clause.key) {
        ("metadata", Some(_)) => !matches!(clause.operator, Operator::Less | Operator::Greater),
        ("amount" | "created", None) => {
            clause.operator != Operator::Contains && clause.value.is_some()
        }
        ("currency" | "customer" | "status", None) => clause.operator == Operator::Equals,
        _ => {
            let message = format!(
                "Field `{}` is an unsupported search field for resource `payment_intents`.",
                clause.field
            );
            return Err(ApiError::parameter("query", None, message));
        }
    };
    let short = clause.operator == Operator::Contains
        && clause.value.as_ref().is_some_and(|value| value.len() < 3);
    let number =
        !numeric || clause.value.as_ref().is_some_and(|value| value.parse::<i64>().is_ok());
    if fits && !short && number {
        return Ok(());
    }
    Err(ApiError::parameter(
        "query",
        None,
        format!("Invalid operator or value for field `{}`.", clause.field),
    ))
}

/// Reads one clause off the front.
fn clause(text: &str) -> Option<(Clause, &str)> {
    let (negated, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))?;
    let (field, mut rest) = text.split_at(end);
    let mut key = None;
    if let Some(after) = rest.strip_prefix('[') {
        let (quoted, after) = quoted(after)?;
        key = Some(quoted);
        rest = after.strip_prefix(']')?;
    }
    let (operator, rest) = operator(rest)?;
    let (value, rest) = match quoted(rest) {
        Some((value, rest)) => (Some(value), rest),
        None => {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (word, rest) = rest.split_at(end);
            match word {
                "" => return None,
                word if word.starts_with(['\'', '"']) => return None,
                "null" => (None, rest),
                word => (Some(word.to_owned()), rest),
            }
        }
    };
    Some((Clause { negated, field: field.to_owned(), key, operator, value }, rest))
}

fn operator(text: &str) -> Option<(Operator, &str)> {
    [
        (":", Operator::Equals),
        ("~", Operator::Contains),
        (">=", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        (">", Operator::Greater),
        ("<", Operator::Less),
    ]
    .into_iter()
    .find_map(|(sign, operator)| Some((operator, text.strip_prefix(sign)?)))
}

/// Reads a text in single or double quotes, with `\` before a quote inside.
fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|letter| matches!(letter, '\'' | '"'))?;
    let mut value = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => value.push(letters.next()?.1),
            letter if letter == quote => return Some((value, text.get(at.saturating_add(1)..)?)),
            letter => value.push(letter),
        }
    }
    None
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::objects::payment_intent::{Accepts, Status};

    /// A PaymentIntent of one dollar amount, with everything else plain.
    pub(crate) fn intent(id: &str, amount: i64) -> PaymentIntent {
        PaymentIntent {
            id: id.to_owned(),
            amount,
            amount_capturable: 0,
            amount_received: 0,
            accepts: Accepts::Types(vec![]),
            authenticated: false,
            canceled_at: None,
            cancellation_reason: None,
            capture_method: String::new(),
            client_secret: String::new(),
            confirmation_method: String::new(),
            created: 100,
            currency: "usd".to_owned(),
            customer: Some("cus_1".to_owned()),
            description: None,
            last_payment_error: None,
            latest_charge: None,
            metadata: [("order".to_owned(), "it's 7".to_owned())].into(),
            next_action: None,
            payment_method: None,
            receipt_email: None,
            request_three_d_secure: String::new(),
            setup_future_usage: None,
            statement_descriptor: None,
            statement_descriptor_suffix: None,
            status: Status::Succeeded,
        }
    }

    #[test]
    fn clauses_match() {
        for (query, expected) in [
            (r"metadata['order']:'it\'s 7'", true),
            (r#"metadata["order"]:"it's 7""#, true),
            ("metadata['order']:'other'", false),
            ("metadata['none']:null", true),
            ("metadata['order']:null", false),
            ("-metadata['order']:'other'", true),
            ("metadata['order']~'IT\\'S'", true),
            ("customer:'cus_1' AND status:'succeeded'", true),
            ("customer:'cus_1' status:'canceled'", false),
            ("customer:'cus_2' OR status:'succeeded'", true),
            ("amount>=500 AND created<101", true),
            ("amount>500", false),
        ] {
            assert_eq!(
                Query::parse(query).unwrap().matches(&intent("pi_1", 500)),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn what_is_not_a_query_is_refused() {
        for query in [
            "",
            "customer",
            "customer:",
            "customer:'x",
            "shoe:'x'",
            "metadata:'x'",
            "amount>'x'",
            "status>'x'",
            "metadata['k']~'ab'",
            "status:'a' AND status:'b' OR status:'c'",
        ] {
            assert!(Query::parse(query).is_err(), "{query}");
        }
    }
}
