//! Lists, newest first, by cursor. Source: docs.stripe.com/api/pagination.

use serde_json::{Value, json};

use crate::context::Answer;
use crate::error::ApiError;
use crate::params::Params;
use crate::table::{Row, Table};

const DEFAULT_LIMIT: i64 = 10;
const MAX_LIMIT: i64 = 100;

/// Which part of a list is asked for.
#[derive(Debug)]
pub(crate) struct Page {
    limit: usize,
    starting_after: Option<String>,
}

impl Page {
    /// Takes the parameters that every list has.
    pub(crate) fn take(params: &mut Params) -> Result<Self, ApiError> {
        if params.has("ending_before") {
            return Err(ApiError::not_done("take ending_before: give starting_after"));
        }
        let limit = params.positive("limit")?.unwrap_or(DEFAULT_LIMIT);
        if limit > MAX_LIMIT {
            let message = format!(
                "This value must be less than or equal to {MAX_LIMIT} (it currently is '{limit}')."
            );
            return Err(ApiError::parameter("limit", Some("parameter_invalid_integer"), message));
        }
        Ok(Self {
            limit: usize::try_from(limit).unwrap_or_default(),
            starting_after: params.text("starting_after")?,
        })
    }

    /// The page of the objects that `keep` is true of.
    pub(crate) fn of<T: Row>(
        &self,
        table: &Table<T>,
        (url, noun): (&str, &str),
        keep: impl Fn(&T) -> bool,
        view: impl Fn(&T) -> Value,
    ) -> Answer {
        let mut rows = table.newest_first();
        if let Some(cursor) = &self.starting_after
            && !rows.any(|row| row.id() == cursor)
        {
            return Err(ApiError::no_such_param(noun, cursor, "starting_after"));
        }
        let mut rows = rows.filter(|row| keep(row));
        let data: Vec<Value> = rows.by_ref().take(self.limit).map(view).collect();
        let has_more = rows.next().is_some();
        Ok(json!({"object": "list", "data": data, "has_more": has_more, "url": url}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form;

    #[derive(Clone)]
    struct Numbered(String, u32);

    impl Row for Numbered {
        fn id(&self) -> &str {
            &self.0
        }
    }

    fn table() -> Table<Numbered> {
        let mut table = Table::default();
        for number in 1..=7 {
            table.put(Numbered(format!("x_{number}"), number));
        }
        table
    }

    /// The numbers on a page of the odd ones, and whether there are more.
    fn page(query: &str) -> Result<(Vec<u64>, bool), ApiError> {
        let mut params = Params::new(form::parse(query).unwrap());
        let page = Page::take(&mut params)?;
        let list = page.of(&table(), ("/v1/x", "x"), |row| row.1 % 2 == 1, |row| json!(row.1))?;
        let numbers = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|number| number.as_u64().unwrap())
            .collect();
        Ok((numbers, list["has_more"].as_bool().unwrap()))
    }

    #[test]
    fn pages_are_newest_first() {
        for (query, numbers, has_more) in [
            ("", vec![7, 5, 3, 1], false),
            ("limit=2", vec![7, 5], true),
            ("limit=2&starting_after=x_5", vec![3, 1], false),
            ("starting_after=x_4", vec![3, 1], false),
            ("limit=1&starting_after=x_7", vec![5], true),
            ("starting_after=x_1", vec![], false),
        ] {
            assert_eq!(page(query).unwrap(), (numbers, has_more), "{query}");
        }
    }

    #[test]
    fn wrong_cursors_and_limits_are_refused() {
        for (query, param) in [
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("limit=x", "limit"),
            ("starting_after=x_9", "starting_after"),
        ] {
            let error = page(query).unwrap_err();
            assert_eq!((error.status, error.body.param.as_deref()), (400, Some(param)), "{query}");
        }
    }
}
