//! How many holds are open, and for how long.

use std::time::Duration;

use metrics::gauge;
use stripe402_protocol::DeductionId;

use crate::accounting::OpenHold;

/// Shows the holds that are open, the earliest end first, at this moment (Unix milliseconds).
pub(crate) fn show_holds(open: &[(DeductionId, OpenHold)], now_ms: u64) {
    let since = |at_ms: u64| Duration::from_millis(now_ms.saturating_sub(at_ms));
    let oldest = open.iter().map(|(id, _)| id.minted_ms()).min().map(since).unwrap_or_default();
    let overdue = open.first().map(|(_, hold)| since(hold.terms.ends_ms)).unwrap_or_default();
    gauge!("stripe402_holds_open").set(u32::try_from(open.len()).unwrap_or(u32::MAX));
    gauge!("stripe402_hold_oldest_seconds").set(oldest);
    gauge!("stripe402_hold_overdue_seconds").set(overdue);
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;
    use stripe402_protocol::{ClientId, Currency, Units, message::HoldTerms};

    use super::*;
    use crate::accounting::AccountKey;

    fn hold(minted_ms: u64, ends_ms: u64) -> (DeductionId, OpenHold) {
        let client = ClientId::derive(b"secret", "a");
        let hold = OpenHold {
            account: AccountKey { client, currency: Currency::USD },
            amount: Units::from_u32(1),
            route: "chat".to_owned(),
            terms: HoldTerms { ends_ms, at_end: Units::ZERO, lease: None },
            balance_after: Units::ZERO,
        };
        (DeductionId::mint(minted_ms, [0; 10]), hold)
    }

    #[test]
    fn the_oldest_and_the_first_end_are_shown() {
        let now_ms = 1_000_000;
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        for (open, expected) in [
            (
                vec![],
                [("holds_open", "0"), ("hold_oldest_seconds", "0"), ("hold_overdue_seconds", "0")],
            ),
            (
                vec![hold(950_000, 1_010_000), hold(900_000, 1_020_000)],
                [
                    ("holds_open", "2"),
                    ("hold_oldest_seconds", "100"),
                    ("hold_overdue_seconds", "0"),
                ],
            ),
            (
                vec![hold(950_000, 990_500)],
                [
                    ("holds_open", "1"),
                    ("hold_oldest_seconds", "50"),
                    ("hold_overdue_seconds", "9.5"),
                ],
            ),
        ] {
            metrics::with_local_recorder(&recorder, || show_holds(&open, now_ms));
            let shown = handle.render();
            for (name, value) in expected {
                let line = format!("stripe402_{name} {value}\n");
                assert!(shown.contains(&line), "{line} is not in {shown}");
            }
        }
    }
}
