//! How a challenge tells a price that is known only afterwards.

use stripe402_protocol::{Pricing, UnitPrice};

use super::{MeteredPrice, Rates, UsageSource};

/// Unit prices that a challenge names at the most: it travels in a header.
const MOST_TOLD: usize = 32;
/// Unit prices that it has in words.
const MOST_WORDS: usize = 8;

impl MeteredPrice {
    /// The challenge's `pricing`: the same in words and in numbers.
    #[must_use]
    pub fn told(&self) -> Pricing {
        let unit_prices = self.unit_prices();
        let mut words: Vec<String> = Vec::new();
        let says_itself = |source: &UsageSource| {
            matches!(source, UsageSource::Header(_) | UsageSource::GrpcTrailer(_))
        };
        if self.usage.iter().any(says_itself) {
            words.push("what the API says that a request cost".to_owned());
        }
        if !unit_prices.is_empty() {
            let prices: Vec<String> = unit_prices.iter().take(MOST_WORDS).map(in_words).collect();
            let more = if unit_prices.len() > MOST_WORDS { ", and more" } else { "" };
            words.push(format!("{}{more}", prices.join(", ")));
        }
        let (most, least) = (self.most, self.least);
        Pricing {
            kind: Pricing::UP_TO.to_owned(),
            most,
            least,
            extend_by: self.extend.map(|extend| extend.by),
            description: format!("{}; at most {most} units", words.join(", or else ")),
            unit_prices,
        }
    }

    /// What each source counts, in the order of the sources; what two of them count alike stands once.
    fn unit_prices(&self) -> Vec<UnitPrice> {
        let mut prices: Vec<UnitPrice> = Vec::new();
        for source in &self.usage {
            for price in self.of_source(source) {
                if prices.len() < MOST_TOLD && !prices.contains(&price) {
                    prices.push(price);
                }
            }
        }
        prices
    }

    fn of_source(&self, source: &UsageSource) -> Vec<UnitPrice> {
        let one =
            |of: &str, units, per| vec![UnitPrice { of: of.to_owned(), when: None, units, per }];
        match source {
            UsageSource::Header(_) | UsageSource::GrpcTrailer(_) => Vec::new(),
            UsageSource::Bytes { per_mib } => one("bytes", *per_mib, 1 << 20),
            UsageSource::Seconds { each } => one("seconds", *each, 1),
            UsageSource::Json(counted) | UsageSource::Sse(counted) => {
                self.of_rates(counted.per_1000.as_ref())
            }
            UsageSource::Metadata(written) => self.of_rates(written.per_1000.as_ref()),
        }
    }

    /// A source's own unit prices, or those of the table.
    fn of_rates(&self, own: Option<&Rates>) -> Vec<UnitPrice> {
        let rows = self.by.iter().filter(|_| own.is_none()).flat_map(|by| &by.table);
        let rows = rows.map(|(name, rates)| (Some(&**name), rates));
        let own = own.into_iter().map(|rates| (None, rates));
        own.chain(rows)
            .flat_map(|(when, Rates(rates))| {
                rates.iter().map(move |(of, units)| UnitPrice {
                    of: of.to_string(),
                    when: when.map(ToOwned::to_owned),
                    units: *units,
                    per: 1_000,
                })
            })
            .collect()
    }
}

fn in_words(price: &UnitPrice) -> String {
    let UnitPrice { of, when, units, per } = price;
    let what = match (per, of.as_str()) {
        (1, "seconds") => "a second".to_owned(),
        (1_048_576, "bytes") => "per MiB".to_owned(),
        (per, of) => format!("per {per} {of}"),
    };
    let when = when.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{units} units {what}{when}")
}
