//! What a key does to its owner's account, and to itself, in one transaction.

use stripe402_protocol::{
    DeductionId, Units,
    message::{
        Batch, BatchAnswer, Capture, CaptureOutcome, Deduction, DeductionOutcome, Void, VoidOutcome,
    },
};

use super::{
    super::{Book, DeductionRecord, Window, apply_batch},
    Key, KeyHash,
};

/// One deduction, capture or void in the name of a key's owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyStep {
    /// A deduction or hold.
    Deduct(Deduction),
    /// Settles a hold, of which so much is taken.
    Capture(Capture, Units),
    /// Gives back.
    Void(Void),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStepOutcome {
    /// Of a deduction or hold.
    Deducted(DeductionOutcome),
    /// Of a capture.
    Captured(CaptureOutcome),
    /// Of a void.
    Voided(VoidOutcome),
}

impl KeyStep {
    /// The deduction that it is about.
    #[must_use]
    pub const fn id(&self) -> DeductionId {
        match self {
            Self::Deduct(deduction) => deduction.id,
            Self::Capture(capture, _) => capture.id,
            Self::Void(void) => void.id,
        }
    }

    /// It as a batch of its own.
    #[must_use]
    pub fn batch(&self) -> Batch {
        let mut batch = Batch::default();
        match self {
            Self::Deduct(deduction) => batch.deductions.push(deduction.clone()),
            Self::Capture(capture, _) => batch.captures.push(*capture),
            Self::Void(void) => batch.voids.push(void.clone()),
        }
        batch
    }

    /// What the answer to that batch says of it.
    #[must_use]
    pub fn outcome(&self, answer: &BatchAnswer) -> Option<KeyStepOutcome> {
        Some(match self {
            Self::Deduct(_) => KeyStepOutcome::Deducted(answer.deductions.first()?.1),
            Self::Capture(..) => KeyStepOutcome::Captured(answer.captures.first()?.1),
            Self::Void(_) => KeyStepOutcome::Voided(answer.voids.first()?.1),
        })
    }

    /// Whether it changed what the key has spent: a repetition does not. `known`: the deduction had taken
    /// effect before.
    #[must_use]
    pub fn took_effect(&self, outcome: KeyStepOutcome, known: bool) -> bool {
        match (self, outcome) {
            (_, KeyStepOutcome::Deducted(DeductionOutcome::Deducted(_))) => !known,
            (
                Self::Capture(_, expected),
                KeyStepOutcome::Captured(CaptureOutcome::Captured { captured, .. }),
            ) => captured == *expected,
            (_, KeyStepOutcome::Voided(VoidOutcome::Voided)) => true,
            _ => false,
        }
    }
}

/// Whether a deduction of this record has taken effect: a mark has not.
#[must_use]
pub const fn has_taken_effect(record: Option<&DeductionRecord>) -> bool {
    !matches!(record, None | Some(DeductionRecord::CapturedInAdvance { .. }))
}

/// Carries out a step, and makes `after` of the key if it took effect. `None`, and nothing is done, if the
/// key has changed since `after` was made of it.
///
/// # Errors
/// The store's.
pub fn apply_key_step<B: Book>(
    book: &mut B,
    hash: &KeyHash,
    after: &Key,
    step: &KeyStep,
    window: &Window,
) -> Result<Option<KeyStepOutcome>, B::Error> {
    if !after.follows(book.key(hash)?.as_ref()) {
        return Ok(None);
    }
    let known = has_taken_effect(book.deduction(&step.id())?.as_ref());
    let answer = apply_batch(book, &step.batch(), window)?;
    let outcome = step.outcome(&answer);
    if outcome.is_some_and(|outcome| step.took_effect(outcome, known)) {
        book.set_key(hash, after)?;
    }
    Ok(outcome)
}

/// Makes or changes a key; false, and nothing is done, if it has changed since `after` was made of it.
///
/// # Errors
/// The store's.
pub fn change_key<B: Book>(book: &mut B, hash: &KeyHash, after: &Key) -> Result<bool, B::Error> {
    let follows = after.follows(book.key(hash)?.as_ref());
    if follows {
        book.set_key(hash, after)?;
    }
    Ok(follows)
}
