//! One request that offers a card: who is it, what is left, must the card be charged?
//!
//! Protocol, "What the server does", steps 3 and 4. In short: the card's fingerprint names the
//! client; the balance pays if it suffices; else the card is charged, once, and then the balance
//! pays. No step lets a card that was merely typed in touch the balance: see [`prove`].

mod amount;
mod confirmed;
mod identity;
mod limit_name;
mod limits;
mod own;
mod prove;
mod reads;
mod token;
mod top_up;
mod trial;
mod verifying;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;
use stripe402_protocol::{
    Code, PaymentMethodId, Reason, Refusal, Units,
    message::{CardAnswer, CardPayment, Deduction, DeductionOutcome, HoldTerms},
};
use tracing::Instrument as _;

use self::reads::Reads;
use crate::{
    accounting::{AccountKey, Opened, State},
    clock::{Clock, Ids},
    observe::trace::TARGET,
    options::PaymentOptions,
    postings::{LEASES_COME_BACK, Postings, Unavailable},
    store::Store,
    stripe::{Card, Failure, Provider},
    topups::{
        PaymentAbort, TopUps,
        abort::{self, refuse},
    },
};

/// Carries out requests that offer a card.
pub struct CardPayments {
    store: Arc<dyn Store>,
    provider: Arc<dyn Provider>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    /// The first one names new clients.
    secrets: Arc<[SecretString]>,
    options: Arc<PaymentOptions>,
    postings: Arc<Postings>,
    topups: Arc<TopUps>,
    /// PaymentMethods that this process is verifying.
    verifying: Mutex<BTreeSet<PaymentMethodId>>,
    /// What was read at Stripe, and is being read.
    reads: Reads,
    /// Whether a gateway's publishable key was of the other mode when one last paid.
    modes_differ: AtomicBool,
}

impl std::fmt::Debug for CardPayments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CardPayments").field("options", &self.options).finish_non_exhaustive()
    }
}

const MODES_DIFFER: &str = "a gateway's publishable_key and this ledger's STRIPE_SECRET_KEY are of \
                            different modes: both must be test keys or both live keys";

/// Who pays, with what, for what.
struct PaymentAttempt<'r> {
    request: &'r CardPayment,
    account: AccountKey,
    card: Card,
    /// Whether this very PaymentMethod has paid for this client, or was verified for it.
    proven: bool,
}

impl CardPayments {
    /// On top of these top-ups. The first of `secrets` derives new ids; cards are known by any.
    #[must_use]
    pub fn new(
        topups: Arc<TopUps>,
        secrets: Arc<[SecretString]>,
        options: Arc<PaymentOptions>,
    ) -> Self {
        Self {
            store: Arc::clone(&topups.store),
            provider: Arc::clone(&topups.provider),
            clock: Arc::clone(&topups.clock),
            ids: Arc::clone(&topups.ids),
            postings: Arc::clone(&topups.postings),
            secrets,
            options,
            topups,
            verifying: Mutex::default(),
            reads: Reads::default(),
            modes_differ: AtomicBool::new(false),
        }
    }

    /// Pays, or says why not.
    ///
    /// # Errors
    /// [`Unavailable`] if the outcome is not known within the deadline. The gateway then voids
    /// the charge; a card that was charged meanwhile is credited, and the client's retry finds
    /// the credits.
    pub async fn pay(self: &Arc<Self>, request: &CardPayment) -> Result<CardAnswer, Unavailable> {
        let span =
            tracing::info_span!(target: TARGET, "card_payment", charge = %request.deduction_id);
        let negotiation = self.negotiate(request).instrument(span);
        match tokio::time::timeout(self.options.deadline, negotiation).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(PaymentAbort::Refuse { refusal, retry_after })) => {
                let deduction_id = request.deduction_id;
                Ok(CardAnswer::Refused { deduction_id, refusal: *refusal, retry_after })
            }
            Ok(Err(PaymentAbort::Unavailable(cause))) => Err(cause),
            Err(_elapsed) => Err(Unavailable::Other("the deadline passed".to_owned())),
        }
    }

    /// What an operator must mend before cards can be charged.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        self.modes_differ.load(Ordering::Relaxed).then_some(MODES_DIFFER)
    }

    /// Asks Stripe for something that is not there: the definite answer shows that Stripe is reached
    /// and takes our key.
    ///
    /// # Errors
    /// [`Unavailable`] if Stripe gives no answer, or refuses the key.
    pub async fn reach(&self) -> Result<(), Unavailable> {
        match self.provider.dispute("dp_stripe402_health").await {
            Ok(_) | Err(Failure::Invalid(_) | Failure::Card(_)) => Ok(()),
            // Whoever asks sees it: nothing for the log each time.
            Err(failure) => Err(Unavailable::Stripe(failure)),
        }
    }

    /// A PaymentMethod made with a test key cannot be charged with a live one, nor the other way
    /// round.
    fn check_mode(&self, request: &CardPayment) -> Result<(), PaymentAbort> {
        let differ = request.live.is_some_and(|live| live != self.options.live);
        if self.modes_differ.swap(differ, Ordering::Relaxed) != differ && differ {
            tracing::error!("{MODES_DIFFER}");
        }
        metrics::gauge!("stripe402_modes_differ").set(u32::from(differ));
        if differ { Err(PaymentAbort::unavailable(MODES_DIFFER)) } else { Ok(()) }
    }

    /// Each turn of the loop looks at the balance; the store looks again before it lets a card
    /// be charged.
    async fn negotiate(
        self: &Arc<Self>,
        request: &CardPayment,
    ) -> Result<CardAnswer, PaymentAbort> {
        self.check_mode(request)?;
        let mut attempt = self.receive(request).await?;
        if self.is_dead(request, &attempt.card) {
            return self.pay_by_own_top_up(&mut attempt).await;
        }
        if let Some(intent) = &request.payment_intent_id {
            attempt.proven |= self.settle_confirmed(&attempt, intent).await?;
        }
        let mut trial = self.trial_for(&attempt).await?;
        // The PaymentIntent by which this request charged the card.
        let mut charged_by: Option<String> = None;
        // Stripe failed, and took nothing: one more is opened in this request, no third.
        let mut lapsed = false;
        let mut patience = LEASES_COME_BACK;
        loop {
            self.prove_by_buyer(&mut attempt).await?;
            self.verify_card_if_balance_suffices(&mut attempt).await?;
            if attempt.proven
                && (charged_by.is_some() || !stripe402_mutant::mutant!("deduct_last"))
                && let Some(answer) = self.deduct(&attempt, charged_by.as_ref()).await?
            {
                return Ok(answer);
            }
            if charged_by.is_some() {
                // Others were quicker to spend it. The credit stays.
                return Ok(CardAnswer::Insufficient { deduction_id: request.deduction_id });
            }
            if let Some(trial) = trial.take()
                && self.give_trial(&mut attempt, trial).await?
            {
                continue;
            }
            let (opened, end) = self.open_top_up(&attempt).await?;
            match opened {
                Opened::New(_) => match end.wait().await? {
                    State::Credited { payment_intent, .. } => {
                        attempt.proven = true;
                        charged_by = Some(payment_intent);
                    }
                    State::Refused { refusal } => return Err(refuse(*refusal)),
                    State::RequiresAction { payment_intent } => {
                        return Err(self.ask_cardholder(&payment_intent).await?);
                    }
                    State::Lapsed if !lapsed => lapsed = true,
                    State::Lapsed => return Err(PaymentAbort::unavailable("Stripe fails")),
                    State::Charging(_) => {
                        return Err(PaymentAbort::unavailable("the charge is open"));
                    }
                },
                // Credited since we looked: the next turn deducts.
                Opened::Enough => {}
                Opened::Leased => self.wait_for_leases(&mut patience).await?,
                Opened::Busy(other) => self.wait_for_other(&mut attempt, other).await?,
                Opened::Repeated(named) => {
                    self.repeat(&mut attempt, named).await?;
                    let answer = self.deduct(&attempt, None).await?;
                    let deduction_id = request.deduction_id;
                    return Ok(answer.unwrap_or(CardAnswer::Insufficient { deduction_id }));
                }
                Opened::Frozen => return Err(refuse(abort::frozen())),
                Opened::InDebt(owed) => {
                    return Err(self.refuse_in_debt(&mut attempt, owed).await?);
                }
                Opened::Mismatch => return Err(refuse(token::mismatch(&attempt.card))),
            }
        }
    }

    /// What an account owes is its owner's business.
    async fn refuse_in_debt(
        self: &Arc<Self>,
        attempt: &mut PaymentAttempt<'_>,
        owed: Units,
    ) -> Result<PaymentAbort, PaymentAbort> {
        self.prove(attempt).await?;
        Ok(refuse(match attempt.proven {
            true => abort::in_debt(owed, attempt.request.price),
            false => token::in_debt(),
        }))
    }

    /// Leases of the client's hold enough: they are called back, and the card is not charged meanwhile.
    async fn wait_for_leases(&self, patience: &mut Duration) -> Result<(), PaymentAbort> {
        let Some(left) = patience.checked_sub(self.options.poll) else {
            return Err(PaymentAbort::unavailable("leases did not come back"));
        };
        *patience = left;
        tokio::time::sleep(self.options.poll).await;
        Ok(())
    }

    /// Looks the card up, and refuses one that is somebody else's before anything is touched.
    async fn receive<'r>(
        &self,
        request: &'r CardPayment,
    ) -> Result<PaymentAttempt<'r>, PaymentAbort> {
        let card = self.look_up(request).await?;
        self.check_identity(&card)?;
        let (mut client, mut customer) = self.identify(&card).await?;
        if card.customer.is_some()
            && card.customer != customer
            && let Some(owner) = self.owner_by_customer(&card).await?
        {
            (client, customer) = (owner, card.customer.clone());
        }
        if card.customer.is_some() && card.customer != customer {
            let text = "this PaymentMethod belongs to another customer";
            let refusal = Refusal::new(Code::PaymentFailed, text);
            return Err(refuse(refusal.because(Reason::PaymentMethodNotYours)));
        }
        let proven = card.customer.is_some();
        if !proven {
            // Before the balance is looked at: else the refusal would tell whoever merely knows
            // the card's number whether its owner has credits.
            amount::top_up_amount(request, Units::ZERO).map_err(refuse)?;
        }
        let account = AccountKey { client, currency: request.currency };
        Ok(PaymentAttempt { request, account, card, proven })
    }

    async fn deduct(
        &self,
        attempt: &PaymentAttempt<'_>,
        charged_by: Option<&String>,
    ) -> Result<Option<CardAnswer>, PaymentAbort> {
        let request = attempt.request;
        let deduction = Deduction {
            id: request.deduction_id,
            client_id: attempt.account.client,
            currency: request.currency,
            amount: request.price,
            route: request.route.clone(),
            hold: request.hold.map(HoldTerms::from),
        };
        crate::failpoint!("before_deduction");
        let outcome = self.store.deduct_for_card(deduction).await?;
        crate::failpoint!("deducted");
        match outcome {
            DeductionOutcome::Deducted(credits_remaining) => Ok(Some(CardAnswer::Paid {
                deduction_id: request.deduction_id,
                client_id: self.own_id(attempt).await?,
                credits_remaining,
                payment_intent_id: charged_by.cloned(),
            })),
            DeductionOutcome::Insufficient
            | DeductionOutcome::InDebt(_)
            | DeductionOutcome::Leased => Ok(None),
            DeductionOutcome::Frozen => Err(refuse(abort::frozen())),
            // The gateway gave this request up, or its clock is off: not the client's fault.
            DeductionOutcome::Voided
            | DeductionOutcome::Conflict
            | DeductionOutcome::Stale
            | DeductionOutcome::LeaseRefused
            | DeductionOutcome::KeyRefused(_)
            | DeductionOutcome::DeductedUntopped(..) => {
                Err(PaymentAbort::unavailable("the charge id is not usable any more"))
            }
        }
    }
}
