//! Guards that are taken out, one at a time: the simulation has to notice each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{plan::Plan, run::run, world::Violation};

/// A guard, and what goes wrong without it.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// As the code asks for it.
    pub name: &'static str,
    /// For people.
    pub without: &'static str,
}

/// Every one that there is in the code.
pub const ALL: [Mutant; 42] = [
    mutant("no_claim", "two ledgers drive one top-up, and one closes it while the other sends"),
    mutant("give_up_unseen", "a charge is given up without a look at Stripe's list"),
    mutant("look_too_early", "Stripe's list is looked through while the charge may be on its way"),
    mutant("key_of_the_attempt", "each attempt to charge has a key of its own"),
    mutant("not_looked_again", "a card is charged though another's top-up has just been credited"),
    mutant("two_at_a_time", "an account has two top-ups under way"),
    mutant("late_money", "what Stripe took for a charge that was given up is not credited"),
    mutant("no_mark", "a void that comes before its charge leaves no mark"),
    mutant("void_leaves_charge", "a charge that was given back is given back again"),
    mutant("trust_metadata", "metadata says whose a PaymentIntent is"),
    mutant("only_metadata", "a PaymentIntent without metadata is nobody's"),
    mutant("no_agreement", "two secrets make two clients of one card"),
    mutant("thaw_with_the_first", "the end of one dispute ends the freeze for another"),
    mutant("refund_unseen", "a refund is asked for though Stripe lists it"),
    mutant("failed_refund", "a refund that failed does not bring its credits back"),
    mutant("gone_is_gone", "a charge for a stream that is gone is not voided"),
    mutant("no_answer_no_void", "a card payment without an answer is not voided"),
    mutant("no_heir", "what a dead VM left under way is not given back"),
    mutant("deduct_last", "a card is charged before the balance is looked at"),
    mutant("charged_in_debt", "a card is charged for what goes into a debt"),
    mutant("captured_twice", "a hold that was captured stays open, and ends once more"),
    mutant("captures_all", "a capture takes all that is held"),
    mutant("never_swept", "a hold that nobody captures is held for ever"),
    mutant("void_leaves_hold", "a hold that was voided stays open"),
    mutant("released_twice", "a hold that is voided brings back another's units, too"),
    mutant("lease_stays_out", "a lease that was captured is still counted as out"),
    mutant("short_while_leased", "a request is refused though a lease holds enough"),
    mutant("charged_while_leased", "a card is charged though a lease holds enough"),
    mutant("undecided_twice", "a request that becomes its own deduction stays in the lease, too"),
    mutant(
        "token_is_proof",
        "whoever has a token made of a card's number spends its owner's credit",
    ),
    mutant("dead_token_pays", "a token that was used spends its buyer's credit"),
    mutant("buyer_forgotten", "each token of a buyer's is charged, whatever credit there is"),
    mutant("credential_unnamed", "a credential that is sent again is another payment"),
    mutant("grant_paid_out", "credit that was given is refunded to a card"),
    mutant("grant_stays", "credit that was given stays when it has expired"),
    mutant("over_budget", "a key spends more than its budget"),
    mutant("revoked_spends", "a key that was revoked goes on spending"),
    mutant("key_keeps_voids", "what comes back of a key's deduction does not come back to the key"),
    mutant("auto_twice", "a key tops up again for what it has topped up, and counts nothing"),
    mutant("old_id_spends", "a client id that was rotated goes on spending"),
    mutant("trial_twice", "a card gets trial credit as often as it has none left"),
    mutant("credited_twice", "one PaymentIntent is credited as often as it is told of"),
];

const fn mutant(name: &'static str, without: &'static str) -> Mutant {
    Mutant { name, without }
}

/// How many worlds it took to notice, and what was seen; `None` if that many were not enough.
#[must_use]
pub fn hunt(mutant: Mutant, first_seed: u64, most: u64) -> Option<(u64, Violation)> {
    stripe402_mutant::choose(mutant.name);
    let found = (0..most).find_map(|at| {
        let plan = Plan::draw(first_seed.wrapping_add(at));
        // What overflows, or otherwise panics, is noticed too.
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&plan, false)));
        let seen = match outcome {
            Ok(outcome) => outcome.found.into_iter().next(),
            Err(_) => Some(Violation { rule: "does_not_panic", seen: String::new() }),
        };
        seen.map(|violation| (at + 1, violation))
    });
    stripe402_mutant::choose("");
    found
}
