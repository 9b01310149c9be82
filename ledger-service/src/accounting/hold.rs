//! Holds: what a request may cost at most is set aside, and settled once when it is known.
//!
//! A hold and its capture, release and end commute: whatever comes first, the account ends up the same.

use stripe402_protocol::{
    DeductionId, Units,
    message::{Capture, CaptureOutcome, Deduction, DeductionOutcome, HoldTerms},
};

use super::{
    Account, AccountKey, Book, DeductionRecord, OpenHold, TallyKey, Window, deduction::short,
};

/// Sets a hold's amount aside, for an id that is new.
pub(super) fn open<B: Book>(
    book: &mut B,
    deduction: &Deduction,
    terms: HoldTerms,
    before: Account,
) -> Result<DeductionOutcome, B::Error> {
    let account = AccountKey { client: deduction.client_id, currency: deduction.currency };
    let after = match terms.lease {
        Some(percent) => match before.lent(deduction.amount, percent) {
            Some(after) => after,
            None => return Ok(DeductionOutcome::LeaseRefused),
        },
        None => match before.held(deduction.amount) {
            Some(after) => after,
            None => return short(book, &account, before, deduction.amount),
        },
    };
    let (amount, balance_after) = (deduction.amount, after.available);
    let route = deduction.route.clone();
    let hold = OpenHold { account, amount, route, terms, balance_after };
    book.set_hold(&deduction.id, Some(&hold))?;
    book.set_account(&account, &after)?;
    book.set_charge(&deduction.id, &hold.into_record())?;
    Ok(DeductionOutcome::Deducted(balance_after))
}

/// Takes what the capture said that came before its hold.
pub(super) fn open_captured<B: Book>(
    book: &mut B,
    deduction: &Deduction,
    (asked, count): (Units, u32),
    before: Account,
) -> Result<DeductionOutcome, B::Error> {
    let account = AccountKey { client: deduction.client_id, currency: deduction.currency };
    let captured = asked.min(deduction.amount);
    let Some(after) = before.debited(captured) else {
        return short(book, &account, before, captured);
    };
    let key = TallyKey::of(&deduction.id, account, &deduction.route);
    book.tally(&key, i64::from(count), captured.get())?;
    book.set_account(&account, &after)?;
    let record = DeductionRecord::Captured {
        account,
        held: deduction.amount,
        captured,
        route: deduction.route.clone(),
        balance_after: after.available,
        left: after.available,
        count,
    };
    book.set_charge(&deduction.id, &record)?;
    Ok(DeductionOutcome::Deducted(after.available))
}

/// Settles a hold, or makes sure that no more than this will be taken.
///
/// # Errors
/// The store's.
pub fn apply_capture<B: Book>(
    book: &mut B,
    capture: &Capture,
    window: &Window,
) -> Result<CaptureOutcome, B::Error> {
    if let Some(hold) = book.hold(&capture.id)? {
        if hold.account.client != capture.client_id {
            return Ok(CaptureOutcome::Conflict);
        }
        return settle(book, &capture.id, hold, (capture.amount, capture.count), window);
    }
    Ok(match book.deduction(&capture.id)? {
        Some(DeductionRecord::Captured { account, captured, left, .. })
            if account.client == capture.client_id =>
        {
            CaptureOutcome::Captured { captured, left }
        }
        Some(DeductionRecord::Voided { .. } | DeductionRecord::RefusedInAdvance) => {
            CaptureOutcome::Voided
        }
        Some(DeductionRecord::CapturedInAdvance { client, .. }) if client == capture.client_id => {
            CaptureOutcome::Marked
        }
        Some(_) => CaptureOutcome::Conflict,
        None if window.remembers(&capture.id) => {
            let Capture { client_id: client, amount, count, .. } = *capture;
            let mark = DeductionRecord::CapturedInAdvance { client, amount, count };
            book.set_charge(&capture.id, &mark)?;
            CaptureOutcome::Marked
        }
        None => CaptureOutcome::Stale,
    })
}

/// A hold that nobody captured until its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The hold.
    pub id: DeductionId,
    /// What it was.
    pub hold: OpenHold,
}

/// Settles holds that have ended: what their terms say is taken. At most `most`, the earliest first.
/// One whose records are damaged stays as it is.
///
/// # Errors
/// The store's.
pub fn settle_ended<B: Book>(
    book: &mut B,
    window: &Window,
    most: usize,
) -> Result<Vec<Settled>, B::Error> {
    let mut settled = Vec::new();
    if stripe402_mutant::mutant!("never_swept") {
        return Ok(settled);
    }
    for id in book.ended_holds(window.now_ms(), most)? {
        let ended = book.hold(&id).and_then(|hold| {
            let Some(hold) = hold else { return Ok(None) };
            // What a lease has paid for is not known: it is given to the client.
            let at_end = (hold.terms.at_end, u32::from(hold.terms.lease.is_none()));
            let outcome = settle(book, &id, hold.clone(), at_end, window)?;
            let captured = matches!(outcome, CaptureOutcome::Captured { .. });
            Ok(captured.then_some(Settled { id, hold }))
        });
        match ended {
            Err(error) if B::is_damaged(&error) => {}
            ended => settled.extend(ended?),
        }
    }
    Ok(settled)
}

fn settle<B: Book>(
    book: &mut B,
    id: &DeductionId,
    hold: OpenHold,
    (asked, count): (Units, u32),
    window: &Window,
) -> Result<CaptureOutcome, B::Error> {
    let OpenHold { account, amount, route, balance_after, terms } = hold;
    let captured =
        if stripe402_mutant::mutant!("captures_all") { amount } else { asked.min(amount) };
    let before = book.account(&account)?;
    let Some(after) = settled(before, amount, captured, terms) else {
        // Less is pending than is held: nothing is done to books like these.
        return Ok(CaptureOutcome::Conflict);
    };
    if count > 0 || !captured.is_zero() {
        book.tally(&TallyKey::of(id, account, &route), i64::from(count), captured.get())?;
    }
    book.set_account(&account, &after)?;
    if !stripe402_mutant::mutant!("captured_twice") {
        book.set_hold(id, None)?;
    }
    let left = after.available;
    if window.remembers(id) {
        let held = amount;
        let record = DeductionRecord::Captured {
            account,
            held,
            captured,
            route,
            balance_after,
            left,
            count,
        };
        book.set_charge(id, &record)?;
    }
    Ok(CaptureOutcome::Captured { captured, left })
}

/// The account with a hold settled that has these terms.
fn settled(before: Account, held: Units, captured: Units, terms: HoldTerms) -> Option<Account> {
    let after = before.settled(held, captured)?;
    if terms.lease.is_none() || stripe402_mutant::mutant!("lease_stays_out") {
        return Some(after);
    }
    after.returned(held)
}

/// Releases a hold whole.
pub(super) fn release<B: Book>(
    book: &mut B,
    id: &DeductionId,
    hold: &OpenHold,
    window: &Window,
) -> Result<bool, B::Error> {
    let before = book.account(&hold.account)?;
    let Some(mut after) = settled(before, hold.amount, Units::ZERO, hold.terms) else {
        return Ok(false);
    };
    if stripe402_mutant::mutant!("released_twice") {
        after = after.settled(hold.amount, Units::ZERO).unwrap_or(after);
    }
    book.set_account(&hold.account, &after)?;
    if !stripe402_mutant::mutant!("void_leaves_hold") {
        book.set_hold(id, None)?;
    }
    if window.remembers(id) {
        book.set_charge(id, &DeductionRecord::Voided { account: hold.account })?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
