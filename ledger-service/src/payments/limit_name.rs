//! What is counted under which name: in the stores' records, in metrics and in logs.

use std::fmt;

use super::limits::{Network, Source};

/// What a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LimitName {
    /// Attempts from one network.
    Attempts(Network),
    /// Attempts with new cards from one network that are for trial credit.
    Trials(Network),
    /// Attempts with cards that never paid, from everywhere.
    AllAttempts,
    /// Declines from one network.
    Declines(Network),
    /// Declines of one client's cards, by its subject.
    CardDeclines(String),
    /// Declines of cards that never paid, from everywhere.
    AllDeclines,
    /// Reads of ids that Stripe does not know.
    Unknown(Source),
    /// Reads that are under way.
    Reads(Source),
}

impl LimitName {
    /// The value of the label `limit` in metrics.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Attempts(_) => "attempts",
            Self::Trials(_) => "trials",
            Self::AllAttempts => "all_attempts",
            Self::Declines(_) | Self::CardDeclines(_) => "declines",
            Self::AllDeclines => "all_declines",
            Self::Unknown(_) => "unknown",
            Self::Reads(_) => "reads",
        }
    }

    /// Whether all callers share it.
    pub(crate) const fn is_for_all(&self) -> bool {
        matches!(self, Self::AllAttempts | Self::AllDeclines)
    }
}

/// As the stores keep it.
impl fmt::Display for LimitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attempts(network) => write!(f, "attempts:{network}"),
            Self::Trials(network) => write!(f, "trials:{network}"),
            Self::AllAttempts => f.write_str("all-attempts"),
            Self::Declines(network) => write!(f, "declines:{network}"),
            Self::CardDeclines(subject) => write!(f, "declines:card-{subject}"),
            Self::AllDeclines => f.write_str("all-declines"),
            Self::Unknown(source) => write!(f, "unknown:{source}"),
            Self::Reads(source) => write!(f, "reads:{source}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_as_the_stores_keep_them() {
        let source = Source::read("2001:db8:1:2::9").unwrap();
        let networks: Vec<_> = source.networks().into_iter().map(|(network, _)| network).collect();
        let [narrow, wide, widest] = networks.as_slice() else { panic!("{networks:?}") };
        for (name, spelt, label) in [
            (LimitName::Attempts(*narrow), "attempts:2001:db8:1:2::", "attempts"),
            (LimitName::Attempts(*wide), "attempts:2001:db8:1::/56", "attempts"),
            (LimitName::Declines(*widest), "declines:2001:db8:1::/48", "declines"),
            (LimitName::Trials(*wide), "trials:2001:db8:1::/56", "trials"),
            (LimitName::CardDeclines("0123".to_owned()), "declines:card-0123", "declines"),
            (LimitName::AllAttempts, "all-attempts", "all_attempts"),
            (LimitName::AllDeclines, "all-declines", "all_declines"),
            (LimitName::Unknown(source), "unknown:2001:db8:1:2::", "unknown"),
            (LimitName::Reads(source), "reads:2001:db8:1:2::", "reads"),
        ] {
            assert_eq!((name.to_string().as_str(), name.label()), (spelt, label));
            assert_eq!(name.is_for_all(), spelt.starts_with("all-"), "{spelt}");
        }
    }
}
