//! The form that chooses rows of a table. The address is the question, so that it can be shared.

use maud::{Markup, html};
use serde::Deserialize;
use stripe402_protocol::{ClientId, Currency};

use super::text::units;
use crate::{
    accounting::{Kind, OrderKind},
    operator::{
        moment::{DAY_MS, midnight},
        work::{Filter, Period, Table, spelt, view::Stage},
    },
};

/// A client id spends, and addresses are kept in histories and logs.
const NO_ID: &str = "a client id spends, and must not be in an address: find the client in the field at the top, \
                     then use its subject (16 hex digits)";

/// What is asked for, as it was typed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    #[serde(default)]
    client: String,
    #[serde(default)]
    currency: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    least: String,
    #[serde(default)]
    most: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    card: String,
    #[serde(default)]
    actor: String,
    /// The place to go on from.
    pub(super) after: Option<String>,
}

impl Look {
    /// The rows that are meant; or what is wrong: nothing that is not understood may mean all rows.
    pub(super) fn filter(&self, table: Table) -> Result<Filter, String> {
        for (name, value) in self.given() {
            let name = match name {
                "from" => "from_ms",
                "until" => "until_ms",
                name => name,
            };
            if !value.is_empty() && !table.filters().contains(&name) {
                return Err(format!("{name}: this table is not chosen by it"));
            }
        }
        let known =
            |names: &[String], value: &str| value.is_empty() || names.iter().any(|of| of == value);
        if !known(&kind_names(table), &self.kind) {
            return Err("Kind: must be one of the list".to_owned());
        }
        if !known(&Stage::NAMES.map(str::to_owned), &self.state) {
            return Err("State: must be one of the list".to_owned());
        }
        let card = self.card.trim();
        if !card.is_empty() && (card.len() != 4 || !card.bytes().all(|of| of.is_ascii_digit())) {
            return Err("Card ends in: must be the last four digits of its number".to_owned());
        }
        let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        let day = |name: &str, value: &str| match text(value) {
            None => Ok(None),
            Some(day) => midnight(&day)
                .map(Some)
                .ok_or_else(|| format!("{name}: must be a day such as 2026-11-30")),
        };
        let amount = |name: &str, value: &str| match text(value) {
            None => Ok(None),
            Some(amount) => units(&amount)
                .map(|units| Some(units.unsigned_abs()))
                .ok_or_else(|| format!("{name}: must be an amount such as 12.50")),
        };
        let currency = match text(&self.currency) {
            None => None,
            Some(code) => Some(
                code.to_ascii_lowercase()
                    .parse::<Currency>()
                    .map_err(|_| "Currency: must be a code such as usd".to_owned())?,
            ),
        };
        let client = text(&self.client).map(|client| client.to_ascii_lowercase());
        for (name, value) in [("Client", &client), ("Id or reference", &text(&self.about))] {
            if value.as_ref().is_some_and(|value| value.parse::<ClientId>().is_ok()) {
                return Err(format!("{name}: {NO_ID}"));
            }
        }
        let until = day("Until", &self.until)?.map(|day| day.saturating_add(DAY_MS));
        let mut filter = Filter {
            period: Period {
                from_ms: day("From", &self.from)?.unwrap_or(0),
                until_ms: until.unwrap_or(u64::MAX),
            },
            client,
            currency,
            least: amount("At least", &self.least)?,
            most: amount("At most", &self.most)?,
            about: text(&self.about),
            kinds: Vec::new(),
            stage: self.stage(),
            card: text(&self.card),
            actor: text(&self.actor),
            action: None,
        };
        match table {
            Table::Audit => {
                filter.action = OrderKind::ALL.into_iter().find(|kind| spelt(kind) == self.kind);
            }
            Table::Movements => filter.kinds = kinds(&self.kind),
            _ => {}
        }
        Ok(filter)
    }

    fn stage(&self) -> Option<Stage> {
        serde_json::from_value(serde_json::Value::String(self.state.clone())).ok()
    }

    /// The form.
    pub(super) fn form(&self, table: Table, page: &str) -> Markup {
        let has = |name: &str| table.filters().contains(&name);
        html! {
            form.choose method="get" action=(page) role="search" aria-label="Choose rows" {
                (field("client", "Client", &self.client, ("subject", 16)))
                (field("about", "Id or reference", &self.about, ("pi_…, re_…, dp_…", 63)))
                @if has("state") { (choice("state", "State", &Stage::NAMES.map(str::to_owned), &self.state)) }
                @if has("kind") { (choice("kind", "Kind", &kind_names(table), &self.kind)) }
                @if has("card") { (field("card", "Card ends in", &self.card, ("4242", 4))) }
                @if has("actor") { (field("actor", "Who", &self.actor, ("", 64))) }
                (field("currency", "Currency", &self.currency, ("usd", 3)))
                (field("least", "At least", &self.least, ("0.00", 20)))
                (field("most", "At most", &self.most, ("0.00", 20)))
                (day("from", "From", &self.from))
                (day("until", "Until", &self.until))
                div.act { button type="submit" { "Show" } a href=(page) { "All" } }
            }
        }
    }

    /// The same question, with something else at its end.
    pub(super) fn address(&self, page: &str, more: &[(&str, &str)]) -> String {
        let own = self.given().into_iter().filter(|(_, value)| !value.is_empty());
        let own = own.chain(more.iter().copied());
        let query = serde_urlencoded::to_string(own.collect::<Vec<_>>()).unwrap_or_default();
        format!("{page}?{query}")
    }

    /// Each field, and what is in it.
    fn given(&self) -> [(&'static str, &str); 11] {
        [
            ("client", &self.client),
            ("currency", &self.currency),
            ("from", &self.from),
            ("until", &self.until),
            ("least", &self.least),
            ("most", &self.most),
            ("about", &self.about),
            ("kind", &self.kind),
            ("state", &self.state),
            ("card", &self.card),
            ("actor", &self.actor),
        ]
    }
}

/// The kinds that a word of the form means: one, or those of refunds or disputes.
fn kinds(word: &str) -> Vec<Kind> {
    match word {
        "refunds" => Table::Refunds.kinds().to_vec(),
        "disputes" => Table::Disputes.kinds().to_vec(),
        word => Kind::named(word).into_iter().collect(),
    }
}

fn kind_names(table: Table) -> Vec<String> {
    if table == Table::Audit {
        return OrderKind::ALL.map(|kind| spelt(&kind)).to_vec();
    }
    let groups = ["refunds", "disputes"].into_iter();
    groups.chain(Kind::ALL.map(Kind::as_str)).map(str::to_owned).collect()
}

/// `longest` is what a browser takes: a client id does not fit.
fn field(name: &str, label: &str, value: &str, (example, longest): (&str, usize)) -> Markup {
    html! {
        div {
            label for={ "choose-" (name) } { (label) }
            input id={ "choose-" (name) } name=(name) value=(value) placeholder=(example)
                maxlength=(longest) autocomplete="off" spellcheck="false";
        }
    }
}

fn day(name: &str, label: &str, value: &str) -> Markup {
    html! {
        div {
            label for={ "choose-" (name) } { (label) }
            input id={ "choose-" (name) } name=(name) value=(value) type="date";
        }
    }
}

fn choice(name: &str, label: &str, names: &[String], chosen: &str) -> Markup {
    html! {
        div {
            label for={ "choose-" (name) } { (label) }
            select id={ "choose-" (name) } name=(name) {
                option value="" { "any" }
                @for of in names {
                    option value=(of) selected[of == chosen] { (super::text::plain(of)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_what_is_meant() {
        let look = Look {
            client: " 0123456789ABCDEF ".to_owned(),
            currency: "USD".to_owned(),
            from: "2026-11-30".to_owned(),
            until: "2026-11-30".to_owned(),
            least: "0.5".to_owned(),
            kind: "refunds".to_owned(),
            ..Look::default()
        };
        let filter = look.filter(Table::Movements).unwrap();
        assert_eq!(filter.client.as_deref(), Some("0123456789abcdef"));
        assert_eq!(filter.currency, Some(Currency::USD));
        let (from_ms, until_ms) = (1_795_996_800_000, 1_796_083_200_000);
        assert_eq!(filter.period, Period { from_ms, until_ms }, "the whole of its last day");
        assert_eq!((filter.least, filter.most), (Some(5_000), None));
        assert_eq!(filter.kinds, Table::Refunds.kinds());
        let again = look.address("/admin/movements", &[("after", "1.2&3")]);
        assert_eq!(
            again,
            "/admin/movements?client=+0123456789ABCDEF+&currency=USD&from=2026-11-30&until=2026-11-30\
             &least=0.5&kind=refunds&after=1.2%263"
        );
        for (look, said) in [
            (Look { from: "30.11.".to_owned(), ..Look::default() }, "From: must be a day"),
            (Look { until: "2026-02-30".to_owned(), ..Look::default() }, "Until: must be a day"),
            (Look { most: "1,5".to_owned(), ..Look::default() }, "At most: must be an amount"),
            (Look { client: "Ab".repeat(32), ..Look::default() }, "Client: a client id spends"),
            (Look { about: "ab".repeat(32), ..Look::default() }, "Id or reference: a client id"),
            (Look { kind: "Refunds".to_owned(), ..Look::default() }, "Kind: must be one"),
            (Look { state: "credited".to_owned(), ..Look::default() }, "state: this table is not"),
            (Look { currency: "$".to_owned(), ..Look::default() }, "Currency: must be a code"),
        ] {
            let wrong = look.filter(Table::Audit).unwrap_err();
            assert!(wrong.starts_with(said), "{wrong}");
        }
    }
}
