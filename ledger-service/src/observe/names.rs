//! What is counted, and the recorder that counts it.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// One recorder for the process, whichever service in it was first.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Buckets for what takes from half a millisecond (a batch on a near store) to half a minute (a
/// card payment's deadline), in seconds.
const SECONDS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Buckets for how many charges and voids travel together; a gateway sends 128 at the most unless
/// it is told otherwise.
const SIZES: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// What only grows.
const COUNTERS: [(&str, &str); 25] = [
    ("stripe402_http_requests_total", "Requests to the ledger, by route and class of status"),
    ("stripe402_store_transactions_total", "Transactions of the store, by operation and result"),
    ("stripe402_stripe_calls_total", "Calls to Stripe, by call and result"),
    ("stripe402_charges_total", "Charges, by outcome, as answered"),
    ("stripe402_auto_top_ups_total", "Top-ups by keys themselves that ended, by result"),
    ("stripe402_key_refusals_total", "Deductions that the limits of a key refused, by reason"),
    ("stripe402_captures_total", "Captures of holds, by outcome, as answered"),
    ("stripe402_holds_ended_total", "Holds that nobody captured, settled at their end"),
    ("stripe402_charged_units_total", "Units (1/10,000 of a currency) that were deducted"),
    ("stripe402_voids_total", "Voids, by outcome, as answered"),
    ("stripe402_top_ups_total", "Changes of top-ups, by their new state"),
    (
        "stripe402_charged_twice_total",
        "Charges that succeeded after they were given up and replaced",
    ),
    ("stripe402_top_ups_uncreditable_total", "Top-ups that Stripe took and the books refuse"),
    (
        "stripe402_redis_waits_failed_total",
        "Waits for a replica of Redis that were not fulfilled: Stripe was not asked",
    ),
    ("stripe402_credited_units_total", "Units that cards were charged and that were credited"),
    (
        "stripe402_movements_total",
        "Movements that were posted, by kind; top-ups are not among them",
    ),
    ("stripe402_movements_refused_total", "Movements that the books refused, by kind"),
    ("stripe402_card_attempts_total", "PaymentIntents and verifications that were begun"),
    ("stripe402_card_declines_total", "Declines, by the bank's code"),
    ("stripe402_card_quiet_total", "Card payments let through past a limit for all together"),
    ("stripe402_trials_total", "Cards that got trial credit"),
    ("stripe402_card_limited_total", "Card payments refused for their number, by limit"),
    (
        "stripe402_webhooks_total",
        "Events from Stripe, by what they are about and what became of them",
    ),
    (
        "stripe402_records_damaged_total",
        "Records of a file store that could not be used, by table, each time one was needed",
    ),
    ("stripe402_sweeps_total", "Looks for top-ups that were cut off, by result"),
];

/// What goes up and down.
const GAUGES: [(&str, &str); 7] = [
    (
        "stripe402_top_ups_open",
        "Top-ups in the store that are not finished, by state, at the last sweep",
    ),
    ("stripe402_top_up_oldest_seconds", "Age of the oldest of them, by state"),
    (
        "stripe402_holds_open",
        "Holds in the store that are not settled; no more than 1,000 are counted",
    ),
    ("stripe402_hold_oldest_seconds", "Age of the oldest of them"),
    ("stripe402_hold_overdue_seconds", "Time since the first end of them has come; 0 if none has"),
    (
        "stripe402_file_sync_failed",
        "1 if a sync of the file store failed: nothing is written until the ledger is restarted",
    ),
    ("stripe402_modes_differ", "1 if a gateway's key is for test and the ledger's is live, or so"),
];

/// What is spread.
const HISTOGRAMS: [(&str, &str); 4] = [
    ("stripe402_http_seconds", "Seconds until a request was answered, by route"),
    ("stripe402_store_seconds", "Seconds that transactions took, by store and operation"),
    ("stripe402_stripe_seconds", "Seconds that calls to Stripe took, by call"),
    ("stripe402_batch_size", "Charges and voids in one batch"),
];

/// Every name that the ledger may show; histograms without `_bucket`, `_sum` and `_count`.
pub fn names() -> impl Iterator<Item = &'static str> {
    COUNTERS.into_iter().chain(GAUGES).chain(HISTOGRAMS).map(|(name, _)| name)
}

/// Starts to count, and says what is counted.
pub fn start() {
    RECORDER.get_or_init(|| {
        let suffix = |end: &str| Matcher::Suffix(end.to_owned());
        let builder = PrometheusBuilder::new()
            .set_buckets_for_metric(suffix("_seconds"), &SECONDS)
            .and_then(|builder| builder.set_buckets_for_metric(suffix("_size"), &SIZES))
            .unwrap_or_else(|error| {
                tracing::error!(%error, "histograms are shown without buckets");
                PrometheusBuilder::new()
            });
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Somebody who embeds this library may have a recorder of their own, which then counts.
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::debug!("there is a recorder of metrics already");
        }
        for (name, text) in COUNTERS {
            metrics::describe_counter!(name, text);
        }
        for (name, text) in GAUGES {
            metrics::describe_gauge!(name, text);
        }
        for (name, text) in HISTOGRAMS {
            metrics::describe_histogram!(name, text);
        }
        from_zero();
        handle
    });
}

/// What alerts look at begins at 0: a series that appears with its first event shows no rise.
fn from_zero() {
    for limit in
        ["attempts", "trials", "declines", "all_attempts", "all_declines", "unknown", "reads"]
    {
        metrics::counter!("stripe402_card_limited_total", "limit" => limit).absolute(0);
    }
    metrics::counter!("stripe402_card_quiet_total").absolute(0);
    for state in ["requires_action", "credited", "refused"] {
        metrics::counter!("stripe402_top_ups_total", "state" => state).absolute(0);
    }
    for kind in ["freeze", "dispute_opened", "dispute_lost", "refund"] {
        metrics::counter!("stripe402_movements_total", "kind" => kind).absolute(0);
        metrics::counter!("stripe402_movements_refused_total", "kind" => kind).absolute(0);
    }
    for about in ["payment_intent", "refund", "dispute", "other"] {
        for result in ["done", "again"] {
            metrics::counter!("stripe402_webhooks_total", "about" => about, "result" => result)
                .absolute(0);
        }
    }
    metrics::counter!("stripe402_webhooks_total", "about" => "unknown", "result" => "refused")
        .absolute(0);
    for result in ["ok", "failed"] {
        metrics::counter!("stripe402_sweeps_total", "result" => result).absolute(0);
    }
    for table in ["accounts", "charges", "customers", "movements", "tallies", "top_ups"] {
        metrics::counter!("stripe402_records_damaged_total", "table" => table).absolute(0);
    }
    metrics::counter!("stripe402_card_attempts_total").absolute(0);
    metrics::counter!("stripe402_charged_twice_total").absolute(0);
    metrics::counter!("stripe402_top_ups_uncreditable_total").absolute(0);
    metrics::counter!("stripe402_redis_waits_failed_total").absolute(0);
    metrics::gauge!("stripe402_modes_differ").set(0);
    metrics::gauge!("stripe402_file_sync_failed").set(0);
}

/// Puts what was measured into buckets, for ever: else it would lie in memory until somebody asks.
pub async fn upkeep() {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        if let Some(recorder) = RECORDER.get() {
            recorder.run_upkeep();
        }
    }
}

/// All of it, in Prometheus' text form.
pub fn text() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}
