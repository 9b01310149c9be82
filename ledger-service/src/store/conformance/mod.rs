//! What every store must do, as tests that any store can be put to.
//!
//! ```text
//! struct Mine;
//!
//! #[async_trait::async_trait]
//! impl StoreUnderTest for Mine {
//!     async fn open(&self, options: Options) -> Arc<dyn Store> { … }
//! }
//!
//! stripe402_ledger::conformance_tests!(Mine);
//! ```
//!
//! A store may be opened over data that other cases left: every case uses clients of its own.
//! A failed case panics, as tests do.
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    clippy::as_conversions,
    reason = "these are tests, exported"
)]

pub mod cases;
pub mod concurrent;
mod fixture;
pub mod random;
mod shown;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::Store;
use crate::accounting::UNCHARGED_KEPT;

/// How a case wants its store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// For how long deduction ids are remembered.
    pub charge_memory: Duration,
    /// For how long top-ups are kept that ended without a charge.
    pub uncharged_kept: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let charge_memory = Duration::from_secs(7 * 24 * 3600);
        Self { charge_memory, uncharged_kept: UNCHARGED_KEPT }
    }
}

/// A kind of store that can be opened.
#[async_trait]
pub trait StoreUnderTest: Send + Sync {
    /// A store over the data of this kind: two that are open at once share it, if [`Self::is_shared`].
    async fn open(&self, options: Options) -> Arc<dyn Store>;

    /// Whether several stores can be open over the same data, as replicas of the ledger are.
    fn is_shared(&self) -> bool {
        true
    }
}

/// A `#[tokio::test]` for every case, on a [`StoreUnderTest`](crate::store::conformance::StoreUnderTest)
/// given by an expression.
#[macro_export]
macro_rules! conformance_tests {
    ($under_test:expr) => {
        $crate::conformance_tests!($under_test;
            charges_are_taken_to_the_last_unit
            refusals_come_in_order
            a_charge_that_cannot_be_booked_fails_alone
            a_charge_that_is_repeated_has_one_effect_and_one_answer
            an_id_with_other_content_is_a_conflict
            a_void_gives_back_once
            a_void_that_comes_first_refuses_the_charge
            a_void_without_a_client_finds_its_charge
            a_void_without_a_client_races_its_charge
            a_void_in_another_clients_name_does_nothing
            voids_of_a_batch_come_before_its_charges
            a_hold_is_captured_in_part_and_the_rest_is_released
            a_hold_that_is_repeated_has_one_effect_and_one_answer
            holds_captures_and_voids_commute
            a_capture_that_comes_first_is_paid_when_its_hold_comes
            another_clients_capture_takes_nothing
            captures_of_a_batch_come_before_its_deductions
            at_its_end_a_hold_takes_what_its_terms_say
            what_a_hold_releases_settles_debt_first
            whoever_settles_a_hold_first_settles_it
            what_became_of_a_deduction_can_be_asked
            only_its_payer_is_told_what_became_of_a_deduction
            an_open_hold_is_known_beyond_the_memory
            a_lease_is_a_share_and_counted
            a_lease_pays_for_many_requests
            nothing_is_refused_while_a_lease_holds_enough
            leases_that_nobody_captures_come_back
            currencies_are_kept_apart
            amounts_up_to_the_largest
            a_batch_of_many_clients
            a_large_batch_of_one_client
            a_crowd_in_one_batch_pays_each_for_itself
            a_crowd_with_an_id_twice_pays_it_once
            voids_beyond_the_largest_amount
            one_open_top_up_at_a_time
            nothing_is_charged_where_the_balance_suffices_by_now
            a_top_up_is_credited_once
            a_refused_top_up_credits_nothing
            a_claim_is_held_by_one
            a_lapsed_top_up_frees_its_key
            an_idempotency_key_names_its_top_up
            a_key_names_the_top_up_that_was_opened_last
            unfinished_top_ups_are_listed
            a_top_up_is_opened_once_by_its_id
            the_first_customer_stays
            limits_let_so_many_through
            movements_change_the_account_as_they_should
            a_movement_is_posted_once
            holds_are_captured_or_released_once
            movements_are_posted_together_or_not_at_all
            the_books_know_whose_a_payment_intent_is
            a_client_is_known_by_the_first_id
            books_have_one_name
            a_debt_is_settled_first
            a_top_up_that_would_go_into_a_debt_is_not_opened
            a_debit_of_what_is_there_makes_no_debt
            a_frozen_account_neither_pays_nor_is_charged
            what_was_granted_is_spent_first_and_never_paid_out
            what_is_left_of_a_grant_expires_once
            what_a_hold_may_still_spend_does_not_expire
            a_present_is_spent_by_what_is_served
            disputes_and_debts_are_about_money
            an_account_has_so_many_grants
            what_a_key_spends_is_its_owners
            keys_say_nothing_of_their_owners
            a_key_is_changed_as_it_was_read_or_not_at_all
            what_comes_back_comes_back_to_the_key
            keys_are_listed_by_owner
            a_hold_of_a_key_is_settled_at_its_end
            a_budget_is_spent_to_the_last_unit
            an_id_that_was_rotated_spends_nothing
            a_hold_after_its_capture_is_taken_of_a_rotated_id
            a_grace_lets_earlier_ids_spend_for_a_while
            all_accounts_of_a_client_are_rotated_once
            no_new_account_escapes_a_rotation
            sums_and_single_charges_can_be_read
            accounts_are_listed_in_pages
            the_newest_of_all_clients_is_found
            lists_are_read_in_pages
            revenue_is_summed_over_all_clients
            the_audit_record_stays_as_it_was_written
            charges_are_forgotten_and_their_sums_stay
            what_a_card_leaves_that_was_never_charged_is_forgotten
            what_was_charged_or_is_open_stays
            hammering_ten_clients_loses_no_unit
            random_commands_do_what_the_books_do
            concurrent_commands_have_an_order
        );
    };
    ($under_test:expr; $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::store::conformance::cases::$case(&$under_test).await;
            }
        )+
    };
}
