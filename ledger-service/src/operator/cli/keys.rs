//! `client keys | make-key | revoke-key | stop-auto-top-up | rotate`.

use stripe402_protocol::{Currency, Units};

use super::{Books, CliError, Report, report};
use crate::{
    accounting::Budget,
    clock::{Clock as _, SystemClock},
    config::{ClientArgs, FreezeArgs, MakeKeyArgs, RevokeKeyArgs, Span},
    keys::Terms,
    operator::{
        moment::moment,
        work::{KeyEnd, KeyOrder, view},
    },
};

pub(super) async fn list(arguments: ClientArgs) -> Result<Report, CliError> {
    let ClientArgs { client, books } = arguments;
    let found = Books::open(&books)?.keys_of(&client).await?;
    let rows = found.keys.iter().map(row).collect();
    let columns =
        ["key", "label", "state", "spent", "left", "routes", "expires", "last paid", "tops up"];
    let table = report::table(&columns, &[3, 4], rows);
    Report::new(vec![format!("keys of client {}", found.subject), table], &found, books.json)
}

pub(super) async fn make(arguments: MakeKeyArgs) -> Result<Report, CliError> {
    let MakeKeyArgs { client: ClientArgs { client, books }, label, currency, .. } = arguments;
    let MakeKeyArgs { total, per_day, per_month, expires_in, route, manage, reason, .. } =
        arguments;
    let lasts = |span: Span| u64::try_from(span.0.as_millis()).unwrap_or(u64::MAX);
    let expires_ms = expires_in.map(|span| SystemClock.now_ms().saturating_add(lasts(span)));
    let budget = Budget {
        total: units("--total", total)?,
        per_day: units("--per-day", per_day)?,
        per_month: units("--per-month", per_month)?,
    };
    let terms =
        Terms { label, currency, budget, expires_ms, routes: route, manage, auto_top_up: None };
    let made = Books::open(&books)?.make_key(&client, KeyOrder { terms, reason }).await?;
    let lines = vec![
        made.key.clone(),
        format!("key {} is shown this once, and kept nowhere", made.details.id),
    ];
    Report::new(lines, &made, books.json)
}

pub(super) async fn revoke(arguments: RevokeKeyArgs) -> Result<Report, CliError> {
    let RevokeKeyArgs { client: ClientArgs { client, books }, key, reason } = arguments;
    let revoked = Books::open(&books)?.end_key(&client, &key, (KeyEnd::Revoke, &reason)).await?;
    let line = format!("key {} ({}) is revoked", revoked.id, revoked.label);
    Report::new(vec![line], &revoked, books.json)
}

pub(super) async fn stop_auto_top_up(arguments: RevokeKeyArgs) -> Result<Report, CliError> {
    let RevokeKeyArgs { client: ClientArgs { client, books }, key, reason } = arguments;
    let stopped =
        Books::open(&books)?.end_key(&client, &key, (KeyEnd::StopAutoTopUp, &reason)).await?;
    let line = format!("key {} ({}) tops up no more", stopped.id, stopped.label);
    Report::new(vec![line], &stopped, books.json)
}

pub(super) async fn rotate(arguments: FreezeArgs) -> Result<Report, CliError> {
    let FreezeArgs { client: ClientArgs { client, books }, reason } = arguments;
    let rotated = Books::open(&books)?.rotate(&client, &reason).await?;
    let line = format!(
        "client {}: the ids so far spend nothing more (generation {})",
        rotated.subject, rotated.generation
    );
    Report::new(vec![line], &rotated, books.json)
}

fn units(name: &str, units: Option<i64>) -> Result<Option<Units>, CliError> {
    let wrong = |_| CliError::Setting(format!("{name}: must be from 1 to 2^53 - 1 units"));
    units.map(|units| Units::new(units).map_err(wrong)).transpose()
}

fn row(key: &view::Key) -> Vec<String> {
    let amount = |units| report::amount(units, key.currency);
    let at = |at_ms: Option<u64>, without: &str| at_ms.map_or(without.to_owned(), moment);
    let routes = if key.routes.is_empty() { "all".to_owned() } else { key.routes.join(", ") };
    vec![
        key.id.clone(),
        key.label.clone(),
        crate::operator::work::spelt(&key.state),
        amount(key.spent),
        key.left.map_or("no limit".to_owned(), amount),
        routes,
        at(key.expires_ms, "never"),
        at(key.used_ms, "never"),
        key.auto_top_up.map_or("never".to_owned(), |auto| tops_up(&auto, key.currency)),
    ]
}

/// How a key tops up, in a few words.
fn tops_up(auto: &view::AutoTopUp, currency: Currency) -> String {
    let amount = |units| report::amount(units, currency);
    match auto.off {
        Some(off) => format!("off: {}", crate::operator::work::spelt(&off)),
        None => format!(
            "{} below {}, {} of {} this month",
            amount(auto.amount),
            amount(auto.below),
            amount(auto.this_month),
            amount(auto.monthly_most)
        ),
    }
}
