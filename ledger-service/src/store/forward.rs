//! Stores around another store: measuring, failing, telling.

/// Implements [`super::Store`] and its parts for a store around another one. Each method becomes
/// `$call!(self method(arguments))`, a macro of the caller's that says how it is forwarded, and
/// which methods are not. What refuses in `batch` must refuse in `batch_by_key` and `deduct_for_card`, too;
/// the rules for the answers are at the end of `docs/ledger.md`.
///
/// ```text
/// macro_rules! counted {
///     ($self:ident account($key:ident)) => { $self.count_and_read($key).await }; // in its own way
///     ($self:ident $method:ident($($a:ident),*)) => { $self.books.$method($($a),*).await }; // as it is
/// }
/// stripe402_ledger::forward_store!(Counted, counted);
/// ```
#[macro_export]
macro_rules! forward_store {
    ($store:ident, $call:ident) => {
        $crate::forward_store! { @ $store, $call,
            Accounts {
                batch(batch: Batch) -> BatchAnswer;
                deduct_for_card(deduction: Deduction) -> DeductionOutcome;
                settle_ended_holds(most: usize) -> Vec<Settled>;
                deduction(client: ClientId, id: DeductionId) -> Option<DeductionRecord>;
                account(key: AccountKey) -> Account;
                post(key: AccountKey, posting: Posting) -> Posted;
                grant(key: AccountKey, posting: Posting, expires_ms: Option<u64>) -> Posted;
                balance(key: AccountKey) -> Balance;
                expire_grants(most: usize) -> Vec<Expired>;
                post_up_to(key: AccountKey, posting: Posting) -> Posted;
                post_together(key: AccountKey, postings: Vec<Posting>) -> Posted;
                recall_leases(key: AccountKey) -> Account;
                outlives_failover(key: AccountKey, kind: Kind, reference: &str) -> ();
                movement(key: AccountKey, kind: Kind, reference: &str) -> Option<Movement>;
            }
            Keys {
                key(hash: KeyHash) -> Option<Key>;
                keys_of(owner: ClientId) -> Vec<(KeyHash, Key)>;
                change_key(hash: KeyHash, after: Key) -> bool;
                rotate(client: ClientId, before: Rotation, after: Rotation) -> bool;
                batch_by_key(hash: KeyHash, batch: Batch) -> BatchAnswer;
            }
            TopUps {
                open_top_up(wanted: NewTopUp) -> Opened;
                advance_top_up(id: TopUpId, from: Option<State>, to: State) -> Advance;
                top_up(id: TopUpId) -> Option<TopUp>;
                unfinished_top_ups() -> Vec<TopUp>;
            }
            Customers {
                customer(client: ClientId) -> Option<String>;
                remember_customer(client: ClientId, customer: String) -> String;
                replace_customer(client: ClientId, gone: &str, customer: String) -> String;
                payer(payment_intent: &str) -> Option<AccountKey>;
                agreed(anchor: ClientId, wanted: Option<ClientId>) -> Option<ClientId>;
            }
            Counters {
                check_and_count(limit: &Limit, count: bool) -> Option<Duration>;
            }
            Audit {
                record_action(entry: AuditEntry) -> ();
                audit(page: AuditPage) -> Vec<AuditEntry>;
            }
            Reports {
                movements(key: AccountKey) -> Vec<Movement>;
                accounts(client: Option<ClientId>, after: Option<AccountKey>, most: usize)
                    -> Vec<AccountKey>;
                open_holds(client: Option<ClientId>, most: usize) -> Vec<(DeductionId, OpenHold)>;
                tallies(key: AccountKey) -> Vec<Tally>;
                deductions(key: AccountKey, most: usize) -> Vec<StoredDeduction>;
                recent_top_ups(page: TopUpPage) -> Vec<TopUp>;
                latest_movements(kinds: &[Kind], page: MovementPage) -> Vec<(AccountKey, Movement)>;
                revenue(since_hour: u64) -> Vec<(Currency, Tally)>;
            }
            Store {
                identity(fresh: Uuid) -> Uuid;
                upkeep(now_ms: u64) -> ();
                ping() -> ();
                back_up(to: &Path) -> ();
            }
        }
    };
    (@ $store:ident, $call:ident, $($part:ident {
        $($method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
    })*) => {
        const _: () = {
            use std::{path::Path, time::Duration};

            use $crate::{
                accounting::{
                    Account, AccountKey, Advance, AuditEntry, Balance, DeductionRecord,
                    Expired, Key, KeyHash, Kind, Limit, Movement, NewTopUp, OpenHold, Opened, Posted, Posting, Rotation, Settled, State,
                    TopUp, TopUpId,
                },
                store::{
                    Accounts, Audit, AuditPage, Counters, Customers, Keys, MovementPage, Reports,
                    Store, StoreError, StoredDeduction, Tally, TopUpPage, TopUps,
                    forwarded::{
                        Batch, BatchAnswer, ClientId, Currency, Deduction, DeductionId,
                        DeductionOutcome, Uuid,
                    },
                },
            };

            $(#[async_trait::async_trait]
            impl $part for $store {
                $(async fn $method(
                    &self,
                    $($argument: $type),*
                ) -> Result<$answer, StoreError> {
                    $call!(self $method($($argument),*))
                })*
            })*
        };
    };
}
