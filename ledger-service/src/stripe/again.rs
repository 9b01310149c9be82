//! Asking Stripe again: pauses, and reads that brought nothing.

use std::time::Duration;

use super::Failure;

/// Pauses before a read is repeated.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// Repeats a read that brought no answer, or a failure of Stripe's own: one lost packet is not the
/// client's to retry.
///
/// # Errors
/// What the last reading brought.
pub(crate) async fn patiently<T, F>(read: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for pause in PAUSES {
        match read().await {
            Err(Failure::Unknown(_) | Failure::Broken { .. }) => tokio::time::sleep(pause).await,
            other => return other,
        }
    }
    read().await
}

/// Three to five quarters of a pause, by chance: what an outage stopped at one moment does not come back
/// at one moment.
pub(crate) fn jittered(pause: Duration, chance: uuid::Uuid) -> Duration {
    let [.., last] = chance.into_bytes();
    let parts = 192_u32.saturating_add(u32::from(last) / 2);
    pause.saturating_mul(parts).checked_div(256).unwrap_or(pause)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn pauses_differ_by_a_quarter_either_way() {
        let pause = Duration::from_millis(256);
        let jittered = |last: u128| jittered(pause, Uuid::from_u128(last)).as_millis();
        assert_eq!((jittered(0), jittered(128), jittered(255)), (192, 256, 319));
    }
}
