//! How often cards may be tried: against those who test stolen ones.
//!
//! Counted are new PaymentIntents and verifications (attempts), and what the bank declined.
//! Reads of ids that Stripe does not know are counted beside them: see [`super::reads`].
//! Requests that a balance pays, and those that wait for another's top-up, do not count. What is
//! counted is in the store, so that all ledgers count together.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use stripe402_protocol::{ClientId, Code, Reason, Refusal};

use super::{CardPayments, PaymentAttempt, limit_name::LimitName};
use crate::{accounting::Limit, store::StoreError, topups::PaymentAbort};

/// Where a request came from: an IPv4 address, or the network of 64 bits that one subscriber has
/// of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source(IpAddr);

/// What one subscriber may have of IPv6 beside a /64 (RFC 6177), and how many times a single
/// network's limit holds for it: a site of many must not be one.
const WIDER: [(u8, u64); 2] = [(56, 2), (48, 4)];

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a source is counted in: its own network, or a wider one of so many bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// Its own.
    Own(Source),
    /// One of IPv6 that has it.
    Wider(Ipv6Addr, u8),
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(source) => source.fmt(f),
            Self::Wider(network, bits) => write!(f, "{network}/{bits}"),
        }
    }
}

impl Source {
    /// The networks that it is counted in, the narrowest first, and how many times the limit for one
    /// holds for each.
    pub(super) fn networks(self) -> Vec<(Network, u64)> {
        let mut networks = vec![(Network::Own(self), 1)];
        if let IpAddr::V6(address) = self.0 {
            for (bits, times) in WIDER {
                let mask = u128::MAX.checked_shl(u32::from(128_u8.saturating_sub(bits)));
                let network = Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or(u128::MAX));
                networks.push((Network::Wider(network, bits), times));
            }
        }
        networks
    }

    /// From what the gateway says: an address, with or without a port.
    pub(super) fn read(text: &str) -> Option<Self> {
        // Without a port an address of IPv6 may still have the brackets.
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let socket = text.parse::<SocketAddr>().map(|socket| socket.ip());
        let address = socket.or_else(|_| bare.parse::<IpAddr>()).ok()?.to_canonical();
        Some(Self(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }))
    }
}

/// A limit of this ledger's options.
#[derive(Clone, Debug)]
pub(super) struct NamedLimit {
    /// What is counted.
    pub(super) name: LimitName,
    /// How many.
    pub(super) most: u64,
}

/// Whose attempt it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    source: Option<Source>,
    client: ClientId,
    /// Whether this card has paid for this client before.
    proven: bool,
    /// Whether it is verified for trial credit.
    trial: bool,
}

impl Attempt {
    pub(super) fn of(attempt: &PaymentAttempt<'_>) -> Self {
        let source = attempt.request.source.as_deref().and_then(Source::read);
        Self { source, client: attempt.account.client, proven: attempt.proven, trial: false }
    }

    /// The same, for trial credit: that tells who has stolen a card's number whether it is good, and nobody is
    /// charged who would notice.
    pub(super) fn for_trial(self) -> Self {
        Self { trial: true, ..self }
    }

    /// A limit for each network that it comes from.
    fn networks(self, name: impl Fn(Network) -> LimitName, most: u64) -> Vec<NamedLimit> {
        let networks = self.source.map(Source::networks).unwrap_or_default().into_iter();
        let limit = |(network, times): (Network, u64)| {
            let most = most.saturating_mul(times);
            NamedLimit { name: name(network), most }
        };
        networks.map(limit).collect()
    }
}

impl CardPayments {
    /// How long there is no room under this limit, if there is none; if there is and `count`, one more
    /// is counted.
    pub(super) async fn check_and_count(
        &self,
        limit: &NamedLimit,
        count: bool,
    ) -> Result<Option<Duration>, StoreError> {
        let (name, most) = (limit.name.to_string(), limit.most);
        let limit = Limit { name, most, window: self.options.limits.window };
        self.store.check_and_count(&limit, count).await
    }

    /// What this attempt is counted under; the last are the widest.
    fn attempts(&self, of: Attempt) -> Vec<NamedLimit> {
        let options = &self.options.limits;
        let mut limits = of.networks(LimitName::Attempts, options.source_attempts);
        if of.trial {
            limits.extend(of.networks(LimitName::Trials, options.source_trials));
        }
        if !of.proven {
            limits.push(NamedLimit { name: LimitName::AllAttempts, most: options.all_attempts });
        }
        limits
    }

    fn declines(&self, of: Attempt) -> Vec<NamedLimit> {
        let options = &self.options.limits;
        let mut limits = of.networks(LimitName::Declines, options.source_declines);
        // Else whoever knows its number could keep a card's owner from topping up.
        if !of.proven {
            let card = LimitName::CardDeclines(of.client.subject());
            limits.push(NamedLimit { name: card, most: options.card_declines });
            limits.push(NamedLimit { name: LimitName::AllDeclines, most: options.all_declines });
        }
        limits
    }

    /// Whether where this comes from has hardly tried a card, and had none declined: past a limit for
    /// all together, such a one goes on. `counted`: whether this attempt is counted there already.
    async fn is_quiet(&self, of: Attempt, counted: bool) -> Result<bool, PaymentAbort> {
        if of.source.is_none() {
            return Ok(false);
        }
        let most = self.options.limits.quiet_attempts.saturating_add(u64::from(counted));
        let attempts = of.networks(LimitName::Attempts, most);
        let declines = of.networks(LimitName::Declines, 1);
        for limit in attempts.into_iter().chain(declines) {
            if self.check_and_count(&limit, false).await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a limit that is full stops this attempt.
    async fn stops(
        &self,
        limit: &NamedLimit,
        of: Attempt,
        counted: bool,
    ) -> Result<bool, PaymentAbort> {
        if !limit.name.is_for_all() || !self.is_quiet(of, counted).await? {
            return Ok(true);
        }
        metrics::counter!("stripe402_card_quiet_total").increment(1);
        Ok(false)
    }

    /// Refuses a card that may not be tried now. Nothing is counted.
    pub(super) async fn may_try(&self, of: Attempt) -> Result<(), PaymentAbort> {
        for limit in self.declines(of).into_iter().chain(self.attempts(of)) {
            if let Some(wait) = self.check_and_count(&limit, false).await?
                && self.stops(&limit, of, false).await?
            {
                return Err(limited(&limit.name, wait));
            }
        }
        Ok(())
    }

    /// Counts an attempt, just before Stripe hears of it; refuses it if there is no room.
    pub(super) async fn count_attempt(&self, of: Attempt) -> Result<(), PaymentAbort> {
        for limit in self.attempts(of) {
            if let Some(wait) = self.check_and_count(&limit, true).await?
                && self.stops(&limit, of, true).await?
            {
                return Err(limited(&limit.name, wait));
            }
        }
        metrics::counter!("stripe402_card_attempts_total").increment(1);
        Ok(())
    }

    /// Counts what the bank declined.
    pub(super) async fn count_decline(&self, of: Attempt) {
        for limit in self.declines(of) {
            let unlimited = NamedLimit { most: u64::MAX, ..limit };
            if let Err(error) = self.check_and_count(&unlimited, true).await {
                tracing::warn!(%error, "a decline is not counted");
            }
        }
    }
}

/// Says when to come back, not what was too much: that would help to stay just below.
pub(super) fn limited(limit: &LimitName, wait: Duration) -> PaymentAbort {
    metrics::counter!("stripe402_card_limited_total", "limit" => limit.label()).increment(1);
    tracing::info!(%limit, ?wait, "a card attempt is refused by a limit");
    let refusal = Refusal::new(
        Code::PaymentFailed,
        "too many card attempts; nothing was charged: retry after the time in retry-after",
    );
    let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0));
    PaymentAbort::Refuse {
        refusal: Box::new(refusal.because(Reason::RateLimited)),
        retry_after: Some(u32::try_from(seconds).unwrap_or(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ipv6_is_counted_in_three_networks() {
        let networks = |text: &str| {
            let networks = Source::read(text).unwrap().networks().into_iter();
            networks.map(|(network, times)| (network.to_string(), times)).collect::<Vec<_>>()
        };
        assert_eq!(networks("192.0.2.1"), [("192.0.2.1".to_owned(), 1)]);
        let expected =
            [("2001:db8:1:2ff::", 1), ("2001:db8:1:200::/56", 2), ("2001:db8:1::/48", 4)];
        let expected = expected.map(|(network, times)| (network.to_owned(), times));
        assert_eq!(networks("[2001:db8:1:2ff::9]:80"), expected);
    }

    #[test]
    fn sources_are_addresses_or_networks() {
        let cases = [
            ("192.0.2.1:1234", Some("192.0.2.1")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:80", Some("192.0.2.1")),
            ("[2001:db8:1:2:3:4:5:6]:80", Some("2001:db8:1:2::")),
            ("2001:db8:1:2::9", Some("2001:db8:1:2::")),
            ("[2001:db8:1:2::9]", Some("2001:db8:1:2::")),
            ("pipe", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let read = Source::read(text).map(|Source(address)| address.to_string());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }
}
