//! What a key does to its owner's account, and to itself, in one transaction.

use stripe402_protocol::{
    DeductionId,
    message::{
        Batch, BatchAnswer, Capture, CaptureOutcome, Deduction, DeductionOutcome, Void, VoidOutcome,
    },
};

use super::{
    super::{
        Book, DeductionRecord, Spender, Window, apply_batch_by, apply_capture, apply_deduction,
        apply_void, deduction::or_if_damaged,
    },
    Key, KeyHash, standing,
};

/// How many ended holds of a key are looked at in one batch.
const HEARD_OF: usize = 32;

/// Carries out a batch in the name of a key's owner, whose client id all of it has, within the key's limits,
/// and counts on the key what took effect. Without such a key nothing is done.
///
/// # Errors
/// The store's; then nothing of the batch has happened.
pub fn apply_by_key<B: Book>(
    book: &mut B,
    hash: &KeyHash,
    batch: &Batch,
    window: &Window,
) -> Result<BatchAnswer, B::Error> {
    let Some(before) = book.key(hash)? else { return Ok(refused(batch)) };
    if let Some(generation) = before.generation {
        return apply_batch_by(book, batch, Spender::Generation(generation), window);
    }
    let mut key = before.clone();
    for ended in before.ended(window.now_ms()) {
        key = key.heard_of(&ended, book.deduction(&ended)?.as_ref());
    }
    let mut answer = BatchAnswer::default();
    for void in &batch.voids {
        let outcome = void_by_key(book, &mut key, void, window);
        answer.voids.push((void.id, or_if_damaged::<B, _>(outcome, VoidOutcome::Conflict)?));
    }
    for capture in &batch.captures {
        let outcome = capture_by_key(book, &mut key, capture, window);
        let outcome = or_if_damaged::<B, _>(outcome, CaptureOutcome::Conflict)?;
        answer.captures.push((capture.id, outcome));
    }
    for deduction in &batch.deductions {
        let outcome = deduct_by_key(book, &mut key, deduction, window);
        let outcome = or_if_damaged::<B, _>(outcome, DeductionOutcome::Frozen)?;
        answer.deductions.push((deduction.id, outcome));
    }
    if key != before {
        book.set_key(hash, &key.changed())?;
    }
    Ok(answer)
}

fn deduct_by_key<B: Book>(
    book: &mut B,
    key: &mut Key,
    deduction: &Deduction,
    window: &Window,
) -> Result<DeductionOutcome, B::Error> {
    if is_lease(deduction) {
        return Ok(DeductionOutcome::LeaseRefused);
    }
    // What has taken effect is answered as it was, whatever became of the key.
    let is_new = !has_taken_effect(book.deduction(&deduction.id)?.as_ref());
    if let Err(refusal) = key.allow(deduction, window.now_ms())
        && is_new
    {
        return Ok(DeductionOutcome::KeyRefused(refusal));
    }
    let outcome = apply_deduction(book, deduction, Spender::Other, window)?;
    if is_new && matches!(outcome, DeductionOutcome::Deducted(_)) {
        *key = key.clone().with(deduction);
    }
    Ok(key.told(outcome, &deduction.id))
}

fn capture_by_key<B: Book>(
    book: &mut B,
    key: &mut Key,
    capture: &Capture,
    window: &Window,
) -> Result<CaptureOutcome, B::Error> {
    let outcome = apply_capture(book, capture, window)?;
    *key = key.clone().captured(&capture.id, outcome);
    Ok(key.told_captured(outcome, &capture.id))
}

fn void_by_key<B: Book>(
    book: &mut B,
    key: &mut Key,
    void: &Void,
    window: &Window,
) -> Result<VoidOutcome, B::Error> {
    let known = book.deduction(&void.id)?;
    let outcome = apply_void(book, void, window)?;
    if outcome == VoidOutcome::Voided {
        *key = key.clone().voided(&void.id, known.as_ref());
    }
    Ok(outcome)
}

/// Whether it is a lease: keys are charged one by one.
#[must_use]
pub const fn is_lease(deduction: &Deduction) -> bool {
    matches!(deduction.hold, Some(terms) if terms.lease.is_some())
}

/// Whether a deduction of this record has taken effect: a mark has not.
#[must_use]
pub fn has_taken_effect(record: Option<&DeductionRecord>) -> bool {
    record.is_some_and(|record| record.payer().is_some())
}

/// Nothing was done: the only answers to single entries that say so.
#[must_use]
pub fn refused(batch: &Batch) -> BatchAnswer {
    BatchAnswer {
        deductions: batch.deductions.iter().map(|of| (of.id, DeductionOutcome::Frozen)).collect(),
        voids: batch.voids.iter().map(|of| (of.id, VoidOutcome::Conflict)).collect(),
        captures: batch.captures.iter().map(|of| (of.id, CaptureOutcome::Conflict)).collect(),
    }
}

impl Key {
    /// Some of its holds that have ended by then, of which nobody has told it: as many as are looked at in one
    /// batch, since others wait for that.
    #[must_use]
    pub fn ended(&self, now_ms: u64) -> Vec<DeductionId> {
        let ended = self.open.iter().filter(|open| open.ends_ms <= now_ms);
        ended.map(|open| open.id).take(HEARD_OF).collect()
    }

    /// After a look at what became of a hold that has ended. One that nobody remembers counts as taken.
    #[must_use]
    pub fn heard_of(self, id: &DeductionId, record: Option<&DeductionRecord>) -> Self {
        match record {
            Some(DeductionRecord::Held { .. }) => self,
            Some(record) => self.settled(id, standing(record)),
            None => {
                let held = self.held(id).unwrap_or_default();
                self.settled(id, held)
            }
        }
    }

    /// After a capture.
    #[must_use]
    pub fn captured(self, id: &DeductionId, outcome: CaptureOutcome) -> Self {
        match outcome {
            CaptureOutcome::Captured { captured, .. } => self.settled(id, captured),
            _ => self,
        }
    }

    /// After a void that gave back what was known of it before.
    #[must_use]
    pub fn voided(self, id: &DeductionId, known: Option<&DeductionRecord>) -> Self {
        match (self.held(id), known) {
            (Some(_), _) => self.settled(id, stripe402_protocol::Units::ZERO),
            (None, Some(record)) => self.without(id, standing(record)),
            (None, None) => self,
        }
    }

    /// The outcome of a deduction as whoever has the key is told it: what is left is the key's, and what its
    /// owner owes is its owner's business.
    #[must_use]
    pub fn told(&self, outcome: DeductionOutcome, id: &DeductionId) -> DeductionOutcome {
        match (outcome, self.left(id.minted_ms())) {
            (DeductionOutcome::Deducted(balance), Some(left)) => {
                DeductionOutcome::Deducted(balance.min(left))
            }
            (DeductionOutcome::InDebt(_), _) => DeductionOutcome::Insufficient,
            (outcome, _) => outcome,
        }
    }

    /// The same of a capture.
    #[must_use]
    pub fn told_captured(&self, outcome: CaptureOutcome, id: &DeductionId) -> CaptureOutcome {
        match (outcome, self.left(id.minted_ms())) {
            (CaptureOutcome::Captured { captured, left: balance }, Some(left)) => {
                CaptureOutcome::Captured { captured, left: balance.min(left) }
            }
            (outcome, _) => outcome,
        }
    }
}

/// Makes or changes a key; false, and nothing is done, if it has changed since `after` was made of it.
///
/// # Errors
/// The store's.
pub fn change_key<B: Book>(book: &mut B, hash: &KeyHash, after: &Key) -> Result<bool, B::Error> {
    let before = book.key(hash)?.map_or(0, |kept| kept.revision);
    let follows = before.checked_add(1) == Some(after.revision);
    if follows {
        book.set_key(hash, after)?;
    }
    Ok(follows)
}
