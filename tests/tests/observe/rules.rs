//! Every alert fires for what it is about, and clears when that is over: promtool runs the rules that
//! are shipped on series that are made up.

use std::{collections::BTreeSet, fmt::Write as _, process::Command};

use stripe402_tests::binary;

/// What one alert is put to. One sample a minute; `0x10` is ten more of the same, `0+5x10` ten that
/// grow by 5.
struct Case {
    alert: &'static str,
    series: &'static [(&'static str, &'static str)],
    /// Minutes at which it fires, and at which it is quiet.
    fires: u32,
    quiet: &'static [u32],
}

/// A counter that stands, rises for ten minutes from the tenth on, and stands again.
const RISES: &str = "0x10 1+1x9 10x120";
/// One that always grows.
const GROWS: &str = "0+60x140";

const CASES: [Case; 31] = [
    Case {
        alert: "Stripe402FileSyncFailed",
        series: &[("stripe402_file_sync_failed", "0x10 1x10 0x120")],
        fires: 15,
        quiet: &[9, 40],
    },
    // A charge of a batch that meets a damaged record fails alone: its transaction goes well.
    Case {
        alert: "Stripe402StoreDamaged",
        series: &[(r#"stripe402_records_damaged_total{table="accounts"}"#, RISES)],
        fires: 15,
        quiet: &[9, 40],
    },
    Case {
        alert: "Stripe402StripeRefusesUs",
        series: &[(r#"stripe402_stripe_calls_total{call="charge",result="account"}"#, RISES)],
        fires: 15,
        quiet: &[9, 40],
    },
    Case {
        alert: "Stripe402ChargedTwice",
        series: &[("stripe402_charged_twice_total", "0x10 1x120")],
        fires: 15,
        quiet: &[9, 100],
    },
    Case {
        alert: "Stripe402FilterDied",
        series: &[(r#"envoy_wasm_stripe402_vm_reload_success{instance="a"}"#, RISES)],
        fires: 15,
        quiet: &[9, 40],
    },
    Case {
        alert: "Stripe402LedgerDown",
        series: &[(r#"up{job="stripe402-ledger",instance="a"}"#, "1x10 0x10 1x120")],
        fires: 15,
        quiet: &[9, 40],
    },
    Case {
        alert: "Stripe402LedgerReplicaDown",
        series: &[
            (r#"up{job="stripe402-ledger",instance="a"}"#, "1x10 0x10 1x120"),
            (r#"up{job="stripe402-ledger",instance="b"}"#, "1x140"),
        ],
        fires: 18,
        quiet: &[9, 14, 40],
    },
    Case {
        alert: "Stripe402StoreFailing",
        series: &[
            (
                r#"stripe402_store_transactions_total{store="redis",operation="ping",result="ok"}"#,
                GROWS,
            ),
            (
                r#"stripe402_store_transactions_total{store="redis",operation="ping",result="unavailable"}"#,
                RISES,
            ),
        ],
        fires: 15,
        quiet: &[9, 40],
    },
    Case {
        alert: "Stripe402StoreDamaged",
        series: &[(
            r#"stripe402_store_transactions_total{store="embedded",operation="account",result="damaged"}"#,
            RISES,
        )],
        fires: 15,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402StoreSlow",
        series: &[
            (
                r#"stripe402_store_seconds_bucket{store="postgres",operation="batch",le="0.25"}"#,
                "0+60x10 600x10 600+60x100",
            ),
            (
                r#"stripe402_store_seconds_bucket{store="postgres",operation="batch",le="0.5"}"#,
                GROWS,
            ),
            (
                r#"stripe402_store_seconds_bucket{store="postgres",operation="batch",le="+Inf"}"#,
                GROWS,
            ),
        ],
        fires: 20,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402StripeFailing",
        series: &[
            (r#"stripe402_stripe_calls_total{call="card",result="ok"}"#, "0+10x140"),
            (r#"stripe402_stripe_calls_total{call="charge",result="unknown"}"#, RISES),
        ],
        fires: 16,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402StripeSlow",
        series: &[
            (
                r#"stripe402_stripe_seconds_bucket{call="charge",le="2.5"}"#,
                "0+60x10 600x20 600+60x100",
            ),
            (r#"stripe402_stripe_seconds_bucket{call="charge",le="10"}"#, GROWS),
            (r#"stripe402_stripe_seconds_bucket{call="charge",le="+Inf"}"#, GROWS),
        ],
        fires: 28,
        quiet: &[9, 90],
    },
    Case {
        alert: "Stripe402TopUpsStuck",
        series: &[(r#"stripe402_top_up_oldest_seconds{state="charging"}"#, "0x5 60+60x30 0x60")],
        fires: 30,
        quiet: &[9, 20, 60],
    },
    Case {
        alert: "Stripe402SweepsFailing",
        series: &[(r#"stripe402_sweeps_total{result="failed"}"#, RISES)],
        fires: 15,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402TopUpUncreditable",
        series: &[("stripe402_top_ups_uncreditable_total", "0x10 1x120")],
        fires: 15,
        quiet: &[9, 100],
    },
    Case {
        alert: "Stripe402MovementRefused",
        series: &[(r#"stripe402_movements_refused_total{kind="refund"}"#, "0x10 1x120")],
        fires: 15,
        quiet: &[9, 100],
    },
    Case {
        alert: "Stripe402HoldsOverdue",
        series: &[("stripe402_hold_overdue_seconds", "0x10 60+60x9 0x60")],
        fires: 18,
        quiet: &[9, 14, 40],
    },
    // That a capture comes before its hold, or after a void, is no fault.
    Case {
        alert: "Stripe402CapturesRefused",
        series: &[
            (r#"stripe402_captures_total{outcome="stale"}"#, "0x10 1x120"),
            (r#"stripe402_captures_total{outcome="marked"}"#, GROWS),
            (r#"stripe402_captures_total{outcome="voided"}"#, GROWS),
        ],
        fires: 15,
        quiet: &[9, 100],
    },
    Case {
        alert: "Stripe402KeysDiffer",
        series: &[("stripe402_modes_differ", "0x10 1x10 0x60")],
        fires: 15,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402DeclinesSpike",
        series: &[
            (r#"stripe402_card_declines_total{code="generic_decline"}"#, "0x10 3+3x9 30x100"),
            ("stripe402_card_attempts_total", "0+3x140"),
        ],
        fires: 25,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402CardTesting",
        series: &[(r#"stripe402_card_limited_total{limit="declines"}"#, "0x10 5+5x9 50x100")],
        fires: 18,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402NewCardsLimited",
        series: &[
            (r#"stripe402_card_limited_total{limit="all_declines"}"#, "0x10 1x120"),
            ("stripe402_card_quiet_total", "0x130"),
        ],
        fires: 12,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402DisputeOpened",
        series: &[(r#"stripe402_movements_total{kind="dispute_opened"}"#, "0x10 1x120")],
        fires: 15,
        quiet: &[9, 100],
    },
    Case {
        alert: "Stripe402WebhooksRefused",
        series: &[(r#"stripe402_webhooks_total{about="unknown",result="refused"}"#, RISES)],
        fires: 18,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402WebhooksPutOff",
        series: &[(r#"stripe402_webhooks_total{about="refund",result="again"}"#, RISES)],
        fires: 18,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402WebhooksMissing",
        series: &[
            (r#"stripe402_top_ups_total{state="credited"}"#, "0+1x140"),
            (r#"stripe402_webhooks_total{about="payment_intent",result="done"}"#, "0x60 1+1x80"),
        ],
        fires: 50,
        quiet: &[5, 80],
    },
    Case {
        alert: "Stripe402GatewaySeesNoLedger",
        series: &[(
            r#"envoy_cluster_membership_healthy{envoy_cluster_name="stripe402_ledger"}"#,
            "2x10 0x10 1x60",
        )],
        fires: 15,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402Unavailable",
        series: &[("stripe402_paid", GROWS), ("stripe402_unavailable", "0x10 9+9x9 90x100")],
        fires: 16,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402ServedUnpaid",
        series: &[("stripe402_unpaid", RISES)],
        fires: 15,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402VoidsLost",
        series: &[("stripe402_voids_lost", "0x10 1x100")],
        fires: 15,
        quiet: &[9, 60],
    },
    Case {
        alert: "Stripe402PricesMisconfigured",
        series: &[("stripe402_misconfigured", RISES)],
        fires: 15,
        quiet: &[9, 60],
    },
];

/// The shipped rules: each alert's name, and where it is explained.
pub(crate) fn shipped() -> serde_json::Value {
    let path = binary::workspace().join("envoy/monitoring/alerts.yaml");
    serde_norway::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(crate) fn alerts(rules: &serde_json::Value) -> Vec<&serde_json::Value> {
    let groups = rules["groups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect()
}

fn firing(alert: &str, minute: u32, expected: bool) -> String {
    let query = format!("count(ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}})");
    let samples = if expected { "[{labels: '{}', value: 1}]" } else { "[]" };
    format!("      - {{expr: '{query}', eval_time: {minute}m, exp_samples: {samples}}}\n")
}

#[test]
fn each_alert_fires_and_clears() {
    let rules = binary::workspace().join("envoy/monitoring/alerts.yaml");
    let mut tests =
        format!("rule_files: ['{}']\nevaluation_interval: 1m\ntests:\n", rules.display());
    for case in &CASES {
        tests.push_str("  - interval: 1m\n    input_series:\n");
        for (series, values) in case.series {
            writeln!(tests, "      - {{series: '{series}', values: '{values}'}}").unwrap();
        }
        tests.push_str("    promql_expr_test:\n");
        tests.push_str(&firing(case.alert, case.fires, true));
        for minute in case.quiet {
            tests.push_str(&firing(case.alert, *minute, false));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alerts_test.yaml");
    std::fs::write(&file, tests).unwrap();
    let output = Command::new("promtool").args(["test", "rules"]).arg(&file).output();
    let output = output.expect("promtool is missing: run scripts/setup-prometheus.sh");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn every_alert_is_tested_and_explained() {
    let rules = shipped();
    let names: BTreeSet<_> = alerts(&rules).iter().map(|a| a["alert"].as_str().unwrap()).collect();
    let tested: BTreeSet<_> = CASES.iter().map(|case| case.alert).collect();
    assert_eq!(names, tested);
    let document = std::fs::read_to_string(binary::workspace().join("docs/alerts.md")).unwrap();
    for alert in alerts(&rules) {
        let name = alert["alert"].as_str().unwrap();
        let anchor = format!("docs/alerts.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], anchor.as_str());
        assert!(
            document.contains(&format!("\n### {name}\n")),
            "docs/alerts.md does not explain {name}"
        );
        let severity = alert["labels"]["severity"].as_str();
        assert!(matches!(severity, Some("critical" | "warning")), "{name}");
        assert!(alert["annotations"]["summary"].as_str().unwrap().ends_with('.'), "{name}");
    }
    let explained = document.lines().filter(|line| line.starts_with("### ")).count();
    assert_eq!(explained, names.len(), "docs/alerts.md explains what is not there");
}
