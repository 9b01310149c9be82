//! Whose card is it? One read at Stripe, which strangers with made-up ids must not use up.
//!
//! An id that Stripe does not know is remembered as such, and such reads are limited by source.
//! A PaymentMethod that Stripe knew a moment ago costs nothing of either limit: clients that send
//! their card with every request are not held up by a stranger at their address.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use stripe402_protocol::{Instrument, PaymentIntentId, message::CardPayment};

use super::{
    CardPayments,
    limit_name::LimitName,
    limits::{NamedLimit, Source, limited},
};
use crate::{
    stripe::{Card, Failure, Intent, patiently},
    topups::abort::{PaymentAbort, unusable},
};

/// Ids that are remembered at the most, of either kind; the oldest go first.
const MOST_REMEMBERED: usize = 10_000;
/// How long whoever reads too much at once is told to wait.
const A_MOMENT: Duration = Duration::from_secs(1);

/// What this replica knows of ids, and who is reading.
#[derive(Debug, Default)]
pub(super) struct Reads {
    known: Mutex<Remembered>,
    unknown: Mutex<Remembered>,
    by_source: Mutex<BTreeMap<Source, u64>>,
    ids: Mutex<BTreeSet<Instrument>>,
}

/// Ids, each until a time (Unix milliseconds).
#[derive(Debug, Default)]
struct Remembered {
    until_ms: BTreeMap<Instrument, u64>,
    oldest_first: VecDeque<Instrument>,
}

impl Remembered {
    fn holds(&self, id: &Instrument, now_ms: u64) -> bool {
        self.until_ms.get(id).is_some_and(|until| now_ms < *until)
    }

    fn remember(&mut self, id: &Instrument, until_ms: u64) {
        if self.until_ms.insert(id.clone(), until_ms).is_some() {
            return;
        }
        self.oldest_first.push_back(id.clone());
        if self.oldest_first.len() > MOST_REMEMBERED
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.until_ms.remove(&oldest);
        }
    }
}

/// A request that reads, or waits for another's read of the same id, for as long as it lives.
struct Reading<'r> {
    reads: &'r Reads,
    source: Source,
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut all = locked(&self.reads.by_source);
        if let Some(own) = all.get_mut(&self.source) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                all.remove(&self.source);
            }
        }
    }
}

/// An id that is being read, for as long as it lives.
struct Turn<'r> {
    reads: &'r Reads,
    id: Instrument,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        locked(&self.reads.ids).remove(&self.id);
    }
}

/// No thread panics while it holds one of these; if one did, what it left is still of use.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reads {
    /// `None` if this source has so many requests under way already.
    fn begin(&self, source: Source, most: u64) -> Option<Reading<'_>> {
        let mut all = locked(&self.by_source);
        let own = all.get(&source).copied().unwrap_or(0);
        if own >= most {
            return None;
        }
        all.insert(source, own.saturating_add(1));
        Some(Reading { reads: self, source })
    }

    /// `None` if somebody else reads this id.
    fn turn(&self, id: &Instrument) -> Option<Turn<'_>> {
        let new = locked(&self.ids).insert(id.clone());
        new.then(|| Turn { reads: self, id: id.clone() })
    }
}

impl CardPayments {
    /// The card that a request offers.
    pub(super) async fn look_up(&self, request: &CardPayment) -> Result<Card, PaymentAbort> {
        if let Some(seen) = self.seen(&request.instrument).await {
            return seen;
        }
        let source = source(request);
        let _reading = match source {
            None => None,
            Some(of) => {
                self.may_read(of).await?;
                let reading = self.reads.begin(of, self.options.limits.source_reads);
                Some(reading.ok_or_else(|| limited(&LimitName::Reads(of), A_MOMENT))?)
            }
        };
        // Of many requests at once with one new id, one reads it first.
        let _turn = loop {
            if let Some(turn) = self.reads.turn(&request.instrument) {
                break turn;
            }
            tokio::time::sleep(self.options.poll).await;
        };
        if let Some(seen) = self.seen(&request.instrument).await {
            return seen;
        }
        self.read_new(&request.instrument, source).await
    }

    /// What is known of an id without a limit: that there is none, or the card anew.
    async fn seen(&self, id: &Instrument) -> Option<Result<Card, PaymentAbort>> {
        let now_ms = self.clock.now_ms();
        if locked(&self.reads.unknown).holds(id, now_ms) {
            return Some(Err(unusable(Failure::Invalid("resource_missing".to_owned()))));
        }
        let known = locked(&self.reads.known).holds(id, now_ms);
        if !known {
            return None;
        }
        Some(patiently(|| self.read(id)).await.map_err(unusable))
    }

    async fn read_new(
        &self,
        id: &Instrument,
        source: Option<Source>,
    ) -> Result<Card, PaymentAbort> {
        let until = |span: Duration| self.clock.now_ms().saturating_add(millis(span));
        match patiently(|| self.read(id)).await {
            Ok(card) => {
                // A token is for one payment: nobody has to send it again and again.
                if !id.is_token() {
                    locked(&self.reads.known).remember(id, until(self.options.limits.window));
                }
                Ok(card)
            }
            Err(Failure::Invalid(code)) if is_about_the_id(&code) => {
                locked(&self.reads.unknown).remember(id, until(self.options.unknown_memory));
                self.count_unknown(source).await;
                Err(unusable(Failure::Invalid(code)))
            }
            Err(other) => Err(unusable(other)),
        }
    }

    /// The PaymentIntent that a request names. Only one that Stripe does not know counts.
    ///
    /// # Errors
    /// `Err` where it is too much or Stripe gives no answer, `Ok(Err)` where there is none.
    pub(super) async fn look_up_intent(
        &self,
        request: &CardPayment,
        id: &PaymentIntentId,
    ) -> Result<Result<Intent, Failure>, PaymentAbort> {
        let source = source(request);
        if let Some(of) = source {
            self.may_read(of).await?;
        }
        let found = patiently(|| self.provider.intent(id)).await;
        if matches!(&found, Err(Failure::Invalid(code)) if is_about_the_id(code)) {
            self.count_unknown(source).await;
        }
        Ok(found)
    }

    async fn may_read(&self, source: Source) -> Result<(), PaymentAbort> {
        let limit = self.unknown_limit(source);
        match self.check_and_count(&limit, false).await? {
            Some(wait) => Err(limited(&limit.name, wait)),
            None => Ok(()),
        }
    }

    pub(super) async fn count_unknown(&self, source: Option<Source>) {
        let Some(source) = source else { return };
        let unlimited = NamedLimit { most: u64::MAX, ..self.unknown_limit(source) };
        if let Err(error) = self.check_and_count(&unlimited, true).await {
            tracing::warn!(%error, "a read of an unknown id is not counted");
        }
    }

    fn unknown_limit(&self, source: Source) -> NamedLimit {
        NamedLimit { name: LimitName::Unknown(source), most: self.options.limits.source_unknown }
    }
}

pub(super) fn source(request: &CardPayment) -> Option<Source> {
    request.source.as_deref().and_then(Source::read)
}

/// Whether Stripe says so of the id itself: what it says of our key passes when the key is mended.
fn is_about_the_id(code: &str) -> bool {
    matches!(code, "resource_missing" | "not_a_card")
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Instrument {
        format!("pm_{number}").parse().unwrap()
    }

    #[test]
    fn so_many_are_remembered_and_for_so_long() {
        let mut remembered = Remembered::default();
        remembered.remember(&id(0), 10);
        assert!(remembered.holds(&id(0), 9) && !remembered.holds(&id(0), 10));
        assert!(!remembered.holds(&id(1), 9));
        remembered.remember(&id(0), 20);
        assert!(remembered.holds(&id(0), 19));
        for number in 0..MOST_REMEMBERED * 2 {
            remembered.remember(&id(number), 100);
        }
        assert_eq!(remembered.until_ms.len(), MOST_REMEMBERED);
        assert_eq!(remembered.oldest_first.len(), MOST_REMEMBERED);
        assert!(!remembered.holds(&id(0), 1) && remembered.holds(&id(MOST_REMEMBERED * 2 - 1), 1));
    }

    #[test]
    fn a_source_has_so_many_requests_under_way_and_an_id_is_read_once() {
        let (reads, source) = (Reads::default(), Source::read("192.0.2.1").unwrap());
        let first = reads.begin(source, 2).unwrap();
        let second = reads.begin(source, 2).unwrap();
        assert!(reads.begin(source, 2).is_none());
        assert!(reads.begin(Source::read("192.0.2.2").unwrap(), 2).is_some());
        drop(first);
        let third = reads.begin(source, 2).unwrap();
        assert!(reads.begin(source, 2).is_none());
        drop((second, third));
        assert!(reads.begin(source, 0).is_none());
        assert!(locked(&reads.by_source).is_empty(), "nothing is left behind");
        let turn = reads.turn(&id(1)).unwrap();
        assert!(reads.turn(&id(1)).is_none() && reads.turn(&id(2)).is_some());
        drop(turn);
        assert!(reads.turn(&id(1)).is_some());
    }
}
