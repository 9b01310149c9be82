//! Deductions and their reversal, each at most once.

use stripe402_protocol::{
    DeductionId, Units,
    message::{
        Batch, BatchAnswer, CaptureOutcome, Deduction, DeductionOutcome, KeyRefusal, Void,
        VoidOutcome,
    },
};

use super::{Account, AccountKey, Book, DeductionRecord, Spender, TallyKey, Window, hold};

/// Carries out a batch: voids and captures first, so that what they give back can be spent by its
/// deductions. A deduction that meets a damaged record is refused as one of a frozen account, a void or
/// capture as one in another client's name: nothing was done, and the rest of the batch is carried out.
///
/// # Errors
/// The store's; then nothing of the batch has happened.
pub fn apply_batch<B: Book>(
    book: &mut B,
    batch: &Batch,
    window: &Window,
) -> Result<BatchAnswer, B::Error> {
    apply_batch_by(book, batch, Spender::FIRST, window)
}

/// [`apply_batch`], of which the deductions are made on this one's word.
///
/// # Errors
/// The store's; then nothing of the batch has happened.
pub fn apply_batch_by<B: Book>(
    book: &mut B,
    batch: &Batch,
    spender: Spender,
    window: &Window,
) -> Result<BatchAnswer, B::Error> {
    let mut answer = BatchAnswer {
        deductions: Vec::with_capacity(batch.deductions.len()),
        voids: Vec::with_capacity(batch.voids.len()),
        captures: Vec::with_capacity(batch.captures.len()),
    };
    for void in &batch.voids {
        let outcome = apply_void(book, void, window);
        answer.voids.push((void.id, or_if_damaged::<B, _>(outcome, VoidOutcome::Conflict)?));
    }
    for capture in &batch.captures {
        let outcome = hold::apply_capture(book, capture, window);
        let outcome = or_if_damaged::<B, _>(outcome, CaptureOutcome::Conflict)?;
        answer.captures.push((capture.id, outcome));
    }
    for deduction in &batch.deductions {
        let outcome = apply_deduction(book, deduction, spender, window);
        answer
            .deductions
            .push((deduction.id, or_if_damaged::<B, _>(outcome, DeductionOutcome::Frozen)?));
    }
    Ok(answer)
}

/// Each step reads before it writes, so that one that met a damaged record has changed nothing.
pub(super) fn or_if_damaged<B: Book, T>(
    outcome: Result<T, B::Error>,
    instead: T,
) -> Result<T, B::Error> {
    match outcome {
        Err(error) if B::is_damaged(&error) => Ok(instead),
        outcome => outcome,
    }
}

/// Takes one deduction from its account, or holds its amount there, or says why not. Refusals in order
/// of precedence: stale, conflict, voided, rotated, frozen, leased, in debt, insufficient.
///
/// # Errors
/// The store's.
pub fn apply_deduction<B: Book>(
    book: &mut B,
    deduction: &Deduction,
    spender: Spender,
    window: &Window,
) -> Result<DeductionOutcome, B::Error> {
    let ended = deduction.hold.is_some_and(|terms| terms.ends_ms <= window.now_ms());
    if !window.takes(&deduction.id) {
        return Ok(DeductionOutcome::Stale);
    }
    let account = AccountKey { client: deduction.client_id, currency: deduction.currency };
    let known = book.deduction(&deduction.id)?;
    if let Some(answer) = known.as_ref().and_then(|known| known.repeated(deduction)) {
        return Ok(answer);
    }
    let before = book.account(&account)?;
    match (deduction.hold, known) {
        (_, Some(DeductionRecord::CapturedInAdvance { client, .. }))
            if client != account.client || deduction.hold.is_none() =>
        {
            return Ok(DeductionOutcome::Conflict);
        }
        // What was served is paid for, whenever its hold comes.
        (Some(_), Some(DeductionRecord::CapturedInAdvance { amount, count, .. })) => {
            return hold::open_captured(book, deduction, (amount, count), before);
        }
        (Some(_), _) if ended => return Ok(DeductionOutcome::Stale),
        _ if before.rotation.is_over(spender, window.now_ms()) => {
            return Ok(DeductionOutcome::KeyRefused(KeyRefusal::Rotated));
        }
        _ if before.frozen => return Ok(DeductionOutcome::Frozen),
        (Some(terms), _) => return hold::open(book, deduction, terms, before),
        (None, _) => {}
    }
    let Some(after) = before.debited(deduction.amount) else {
        return short(book, &account, before, deduction.amount);
    };
    // The sum first: it is read, too, and may be damaged.
    let key = TallyKey::of(&deduction.id, account, &deduction.route);
    book.tally(&key, 1, deduction.amount.get())?;
    book.set_account(&account, &after)?;
    let balance_after = after.available;
    let route = deduction.route.clone();
    let record =
        DeductionRecord::Deducted { account, amount: deduction.amount, route, balance_after };
    book.set_charge(&deduction.id, &record)?;
    Ok(DeductionOutcome::Deducted(balance_after))
}

/// The answer where the balance does not suffice for `amount`. Leases that may bring it back are called
/// back.
pub(super) fn short<B: Book>(
    book: &mut B,
    account: &AccountKey,
    before: Account,
    amount: Units,
) -> Result<DeductionOutcome, B::Error> {
    if before.is_leased(amount) && !stripe402_mutant::mutant!("short_while_leased") {
        recall(book, account, before)?;
        return Ok(DeductionOutcome::Leased);
    }
    Ok(if before.debt.is_zero() {
        DeductionOutcome::Insufficient
    } else {
        DeductionOutcome::InDebt(before.debt)
    })
}

/// Calls an account's leases back, if any are out. Answers the account.
///
/// # Errors
/// The store's.
pub fn recall_leases<B: Book>(book: &mut B, account: &AccountKey) -> Result<Account, B::Error> {
    let before = book.account(account)?;
    if before.leases > 0 {
        recall(book, account, before)?;
    }
    book.account(account)
}

pub(super) fn recall<B: Book>(
    book: &mut B,
    account: &AccountKey,
    before: Account,
) -> Result<(), B::Error> {
    if before.recalled {
        return Ok(());
    }
    book.set_account(account, &Account { recalled: true, ..before })
}

impl DeductionRecord {
    /// The answer to a deduction or hold of an id that was used, if it is decided by that: the first
    /// one again if the content is the same.
    fn repeated(&self, deduction: &Deduction) -> Option<DeductionOutcome> {
        let account = AccountKey { client: deduction.client_id, currency: deduction.currency };
        let (of, amount, route, balance_after, held) = match self {
            Self::Deducted { account, amount, route, balance_after } => {
                (account, amount, route, balance_after, false)
            }
            Self::Held { account, amount, route, balance_after }
            | Self::Captured { account, held: amount, route, balance_after, .. } => {
                (account, amount, route, balance_after, true)
            }
            Self::Voided { .. } | Self::RefusedInAdvance => return Some(DeductionOutcome::Voided),
            Self::CapturedInAdvance { .. } => return None,
        };
        let same = *of == account
            && *amount == deduction.amount
            && *route == deduction.route
            && held == deduction.hold.is_some();
        Some(if same {
            DeductionOutcome::Deducted(*balance_after)
        } else {
            DeductionOutcome::Conflict
        })
    }
}

/// Gives one deduction back, releases a hold, or makes sure that it will never be taken.
///
/// # Errors
/// The store's.
pub fn apply_void<B: Book>(
    book: &mut B,
    void: &Void,
    window: &Window,
) -> Result<VoidOutcome, B::Error> {
    if let Some(hold) = book.hold(&void.id)? {
        if void.client_id.is_some_and(|client| client != hold.account.client) {
            return Ok(VoidOutcome::Conflict);
        }
        let released = hold::release(book, &void.id, &hold, window)?;
        return Ok(if released { VoidOutcome::Voided } else { VoidOutcome::Conflict });
    }
    match book.deduction(&void.id)? {
        Some(
            ref known @ (DeductionRecord::Deducted { account, amount, ref route, .. }
            | DeductionRecord::Captured { account, captured: amount, ref route, .. }),
        ) => {
            if void.client_id.is_some_and(|client| client != account.client) {
                return Ok(VoidOutcome::Conflict);
            }
            let count = match known {
                DeductionRecord::Captured { count, .. } => *count,
                _ => 1,
            };
            give_back(book, &void.id, account, (amount, count), route)?;
            Ok(VoidOutcome::Voided)
        }
        Some(DeductionRecord::Voided { .. } | DeductionRecord::RefusedInAdvance) => {
            Ok(VoidOutcome::Repeated)
        }
        Some(DeductionRecord::CapturedInAdvance { client, .. })
            if void.client_id.is_some_and(|of| of != client) =>
        {
            Ok(VoidOutcome::Conflict)
        }
        // What is held is an open hold, and was found.
        Some(DeductionRecord::Held { .. }) => Ok(VoidOutcome::Conflict),
        Some(DeductionRecord::CapturedInAdvance { .. }) => {
            book.set_charge(&void.id, &DeductionRecord::RefusedInAdvance)?;
            Ok(VoidOutcome::Marked)
        }
        None if window.remembers(&void.id) => {
            if !stripe402_mutant::mutant!("no_mark") {
                book.set_charge(&void.id, &DeductionRecord::RefusedInAdvance)?;
            }
            Ok(VoidOutcome::Marked)
        }
        None => Ok(VoidOutcome::Stale),
    }
}

fn give_back<B: Book>(
    book: &mut B,
    id: &DeductionId,
    account: AccountKey,
    (amount, count): (Units, u32),
    route: &str,
) -> Result<(), B::Error> {
    // What a dispute took meanwhile is settled first, as by any credit. Only an account at the
    // largest amount there is could not take its own units back; it keeps what it has.
    let before = book.account(&account)?;
    let key = TallyKey::of(id, account, route);
    let grants = book.grants(&account)?.with_void(id.minted_ms(), amount);
    book.tally(&key, i64::from(count).saturating_neg(), amount.get().saturating_neg())?;
    book.set_account(&account, &before.credited(amount).unwrap_or(before))?;
    if let Some(grants) = grants {
        book.set_grants(&account, &grants)?;
    }
    if stripe402_mutant::mutant!("void_leaves_charge") {
        return Ok(());
    }
    book.set_charge(id, &DeductionRecord::Voided { account })
}

#[cfg(test)]
mod tests;
