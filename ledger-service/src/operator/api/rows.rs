//! Which rows of a table are asked for, and how.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::ask::{currency_named, limit};
use crate::{
    accounting::{Kind, OrderKind},
    net::error::ApiError,
    operator::{
        sheet::Format,
        work::{Filter, Period, Table, spelt, view},
    },
};

/// The largest number that a bound can be: what JSON's numbers hold exactly.
const LARGEST: u64 = (1 << 53) - 1;

/// Which rows.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Rows {
    /// Whose: a subject, or a client id
    #[param(pattern = "^([0-9a-f]{16}|[0-9a-f]{64})$")]
    client: Option<String>,
    /// In this currency
    #[param(pattern = "^[a-z]{3}$")]
    currency: Option<String>,
    /// Not before this moment
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    from_ms: Option<u64>,
    /// Only before this moment
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    until_ms: Option<u64>,
    /// At least so many units, whatever their sign
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    least: Option<u64>,
    /// At most so many
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    most: Option<u64>,
    /// What names it: a PaymentIntent, a refund or a dispute at Stripe, an operator's reference, or the id of a
    /// card charge or an action
    about: Option<String>,
    #[param(ignore)]
    kind: Option<String>,
    #[param(ignore)]
    state: Option<String>,
    #[param(ignore)]
    card: Option<String>,
    #[param(ignore)]
    actor: Option<String>,
    #[param(ignore)]
    cursor: Option<String>,
    #[param(ignore)]
    limit: Option<usize>,
    #[param(ignore)]
    format: Option<Format>,
}

/// Where a list goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "a description only")]
pub(super) struct Paged {
    /// After these: `next` of an answer
    #[param(pattern = "^[0-9]{15}\\.[0-9a-f]{32}$")]
    cursor: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// The kinds of movements, by their names.
pub(super) struct KindName;

/// The kinds of actions, by their names.
pub(super) struct ActionName;

/// The states of card charges, by their names.
pub(super) struct StageName;

fn one_of<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> RefOr<Schema> {
    let names = names.into_iter().map(|name| name.as_ref().to_owned());
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
}

impl utoipa::PartialSchema for KindName {
    fn schema() -> RefOr<Schema> {
        one_of(Kind::ALL.map(Kind::as_str))
    }
}

impl utoipa::PartialSchema for ActionName {
    fn schema() -> RefOr<Schema> {
        one_of(OrderKind::ALL.map(|kind| spelt(&kind)))
    }
}

impl utoipa::PartialSchema for StageName {
    fn schema() -> RefOr<Schema> {
        one_of(view::Stage::NAMES)
    }
}

impl ToSchema for KindName {}
impl ToSchema for ActionName {}
impl ToSchema for StageName {}

impl Rows {
    /// For a list: which, after which place, and how many.
    pub(super) fn listed(self, table: Table) -> Result<(Filter, Option<String>, usize), ApiError> {
        if self.format.is_some() {
            return Err(untaken("format", table));
        }
        let (cursor, limit) = (self.cursor.clone(), limit(self.limit)?);
        Ok((self.filter(table)?, cursor, limit))
    }

    /// For a whole table: which, and how it is to be written if that is said.
    pub(super) fn whole(self, table: Table) -> Result<(Filter, Option<Format>), ApiError> {
        let format = self.format;
        if self.cursor.is_some() || self.limit.is_some() {
            let text =
                "cursor, limit: an export has every row; choose them with from_ms and until_ms";
            return Err(ApiError::bad_request(text));
        }
        Ok((self.filter(table)?, format))
    }

    fn filter(self, table: Table) -> Result<Filter, ApiError> {
        let given = [
            ("client", self.client.is_some()),
            ("currency", self.currency.is_some()),
            ("from_ms", self.from_ms.is_some()),
            ("until_ms", self.until_ms.is_some()),
            ("least", self.least.is_some()),
            ("most", self.most.is_some()),
            ("about", self.about.is_some()),
            ("kind", self.kind.is_some()),
            ("state", self.state.is_some()),
            ("card", self.card.is_some()),
            ("actor", self.actor.is_some()),
        ];
        let untaken_one = given.iter().find(|(name, is)| *is && !table.filters().contains(name));
        if let Some((name, _)) = untaken_one {
            return Err(untaken(name, table));
        }
        let mut filter = Filter {
            period: Period {
                from_ms: bound("from_ms", self.from_ms)?.unwrap_or(0),
                until_ms: bound("until_ms", self.until_ms)?.unwrap_or(u64::MAX),
            },
            client: self.client,
            currency: self.currency.as_deref().map(currency_named).transpose()?,
            least: bound("least", self.least)?,
            most: bound("most", self.most)?,
            card: self.card.map(last4).transpose()?,
            about: self.about.filter(|about| !about.is_empty()),
            kinds: table.kinds().to_vec(),
            stage: named("state", self.state, &view::Stage::NAMES.map(str::to_owned))?,
            actor: self.actor,
            action: None,
        };
        if table == Table::Audit {
            filter.action = named("kind", self.kind, &OrderKind::ALL.map(|kind| spelt(&kind)))?;
        } else {
            let names = Kind::ALL.map(|kind| kind.as_str().to_owned());
            filter.kinds.extend(named::<Kind>("kind", self.kind, &names)?);
        }
        Ok(filter)
    }
}

fn bound(name: &str, value: Option<u64>) -> Result<Option<u64>, ApiError> {
    match value {
        Some(value) if value > LARGEST => {
            let text = format!("{name}: must be a number from 0 to {LARGEST}");
            Err(ApiError::bad_request(text))
        }
        value => Ok(value),
    }
}

fn named<T: DeserializeOwned>(
    field: &str,
    name: Option<String>,
    names: &[String],
) -> Result<Option<T>, ApiError> {
    let Some(name) = name else { return Ok(None) };
    serde_json::from_value(Value::String(name))
        .map(Some)
        .map_err(|_| ApiError::bad_request(format!("{field}: must be one of {}", names.join(", "))))
}

fn last4(card: String) -> Result<String, ApiError> {
    let is_last4 = card.len() == 4 && card.bytes().all(|byte| byte.is_ascii_digit());
    let wrong = || ApiError::bad_request("card: must be the last four digits of its number");
    if is_last4 { Ok(card) } else { Err(wrong()) }
}

fn untaken(name: &str, table: Table) -> ApiError {
    let takes = table.filters().join(", ");
    ApiError::bad_request(format!("{name}: this list is not chosen by it; it is by {takes}"))
}
