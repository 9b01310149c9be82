//! `doctor`: whether a ledger with these settings is fit to charge real cards. It only looks: nothing at Stripe and
//! nothing in the books is changed.

mod ask;
mod books;
mod check;
mod clock;
mod durability;
mod file_system;
mod key;
mod listeners;
mod secrets;
mod webhook;

use serde_json::json;

use super::{CliError, Finding, Report, report};
use crate::{
    clock::{Clock as _, SystemClock},
    config::DoctorArgs,
};
use ask::Ask;
use check::Status;

/// Looks at the settings, at Stripe and at the store. It finds something wrong if one check fails; what could only be
/// better is told and is not wrong.
///
/// # Errors
/// [`CliError::Setting`] if the ledger would not start with these settings.
pub async fn doctor(arguments: DoctorArgs) -> Result<Report, CliError> {
    let DoctorArgs { serve, json } = arguments;
    let config = serve.resolve()?;
    let ask = Ask::new(&config).map_err(CliError::Setting)?;
    let now_ms = SystemClock.now_ms();
    let (of_stripe, (of_store, latest)) = tokio::join!(key::checks(&ask, &config, now_ms), async {
        tokio::join!(durability::checks(&config), books::latest(&config))
    });
    let mut checks = of_stripe.checks;
    if of_stripe.answers {
        checks.push(webhook::check(&ask, &config).await);
    }
    checks.extend(of_store);
    checks.push(books::check(latest, of_stripe.answers.then_some(&ask)).await);
    checks.extend(secrets::checks(&config));
    checks.extend(listeners::checks(&config, now_ms));

    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (failed, warned) = (count(Status::Fail), count(Status::Warn));
    let good = failed == 0;
    let rows = checks.iter().map(|check| {
        vec![check.check.to_owned(), check.status.as_str().to_owned(), check.finding.clone()]
    });
    let mut lines = vec![report::table(&["check", "", "found"], &[], rows.collect())];
    for check in &checks {
        if let Some(mend) = &check.mend {
            lines.push(format!("{}: {mend}", check.check));
        }
    }
    lines.push(format!("{} checks, {failed} failed, {warned} to look at", checks.len()));
    let value = json!({"good": good, "checks": checks});
    let found = Report::new(lines, &value, json)?;
    Ok(if good { found } else { found.found(Finding::Wrong) })
}
