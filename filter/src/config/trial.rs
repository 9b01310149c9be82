//! Trial credit: what a card that never paid here gets without a charge, and on which routes.

use std::time::Duration;

use serde_json::Value;
use stripe402_protocol::{Currency, Units, message::CardTrial};

use super::fields::{Checked, Fields, Read, wrong};
use crate::pricing::Table;

const TRIAL: [&str; 4] = ["units", "per", "routes", "expires"];

/// Trial credit, before it is known of which route.
#[derive(Clone, Debug)]
pub(super) struct TrialSettings {
    trial: CardTrial,
    /// Its currency: that of the configuration. A route in another one has no trial.
    currency: Currency,
    /// The names of the routes that offer it; all without.
    routes: Option<Vec<String>>,
}

/// Whom it is for, once.
struct Per;

impl Read for Per {
    const EXPECTED: &'static str = "card";

    fn read(value: &Value) -> Option<Self> {
        (value == "card").then_some(Self)
    }
}

/// A span such as `12h` or `30d`.
struct Lifetime(Duration);

impl Read for Lifetime {
    const EXPECTED: &'static str = "a span from 1h to 366d, such as 12h or 30d";

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str()?;
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let hours = match unit {
            "h" => 1,
            "d" => 24,
            _ => return None,
        };
        let hours = number.parse::<u64>().ok()?.checked_mul(hours)?;
        let within = (1..=366 * 24).contains(&hours);
        within.then(|| Self(Duration::from_secs(hours.saturating_mul(3_600))))
    }
}

/// In this currency; `None` if there are no trials.
pub(super) fn trial(root: &mut Fields, currency: Currency) -> Checked<Option<TrialSettings>> {
    let Some((path, value)) = root.value("trial") else { return Ok(None) };
    let mut fields = Fields::of(path, value, &TRIAL)?;
    let units: usize = fields.required("units")?;
    let units = i64::try_from(units).ok().and_then(|units| Units::new(units).ok());
    let Some(units) = units else { return wrong(fields.path("units"), "must be below 2^53") };
    let _: Option<Per> = fields.optional("per")?;
    let routes = fields.values("routes")?;
    let lasts = fields.optional::<Lifetime>("expires")?;
    let lasts_ms = lasts.and_then(|span| u64::try_from(span.0.as_millis()).ok());
    Ok(Some(TrialSettings { trial: CardTrial { units, lasts_ms }, currency, routes }))
}

impl TrialSettings {
    /// What a route of this name, price and currency offers: nothing, if a request costs more than that.
    pub(super) fn of(&self, name: &str, price: Units, currency: Currency) -> Option<CardTrial> {
        let covers = currency == self.currency && price <= self.trial.units;
        (covers && self.names(name)).then_some(self.trial)
    }

    /// The same for whatever is sold under this route's name.
    pub(super) fn within(&self, name: &str) -> Option<Self> {
        self.names(name).then(|| Self { routes: None, ..self.clone() })
    }

    fn names(&self, name: &str) -> bool {
        self.routes.as_ref().is_none_or(|routes| routes.iter().any(|of| of == name))
    }

    /// Refuses names that no configured route has.
    pub(super) fn check_names(&self, routes: &Table) -> Checked<()> {
        let has = |name: &str| {
            let mut offers = routes.rules().iter().filter_map(|rule| rule.offer.as_ref());
            offers.any(|offer| offer.name == name)
        };
        for (at, name) in self.routes.iter().flatten().enumerate() {
            if !has(name) {
                let problem = "must be the name of a route that has a price";
                return wrong(format!("trial.routes[{at}]"), problem);
            }
        }
        Ok(())
    }
}
