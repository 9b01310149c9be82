//! MPP at the gate: a challenge beside each 402, credentials, and how they are refused.
//!
//! The gate keeps nothing of a challenge. That a credential is spent once is the ledger's to know.

use std::rc::Rc;

use stripe402_protocol::{
    ClientId, Code, DeductionId, GrantedTokenId, Reason, Refusal, Units,
    mpp::{self, Bound, Challenge, Credential, instant},
};

use super::{Audience, CardOffer, Head, Mint, PricedRequest, Reply, Step, Stream, reply::Content};
use crate::pricing::Offer;

/// What a request says of MPP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Offered<'h> {
    /// Nothing.
    #[default]
    Nothing,
    /// One credential.
    Credential(&'h [u8]),
    /// Several credentials, or one beside another scheme's: nobody can tell who is to pay.
    Mixed,
}

impl<'h> Offered<'h> {
    /// With what one more header of the request holds. `ours`: the header is for credentials alone.
    pub(super) fn and(self, value: &'h [u8], ours: bool) -> Self {
        match (self, mpp::scheme(value)) {
            (Self::Nothing, mpp::Scheme::Other) if !ours => Self::Nothing,
            (Self::Nothing, mpp::Scheme::Payment(credential)) => Self::Credential(credential),
            _ => Self::Mixed,
        }
    }
}

/// What a stream knows of MPP, where the gate speaks it.
#[derive(Debug, Default)]
pub(super) struct Negotiation {
    /// Whether the client says that it speaks MPP.
    accepts: bool,
    /// Whether it pays with a credential.
    by_credential: bool,
    /// Makes a challenge unlike any other. It tells when the request came, too.
    nonce: Option<DeductionId>,
    /// For the answer, once the request is paid.
    pub(super) receipt: Option<String>,
}

/// A challenge of this moment's.
struct Fresh {
    challenge: Challenge,
    /// As JSON-RPC has it, to who speaks that.
    native: Option<String>,
}

/// A kind of refusal, as MPP names it. Paying again helps exactly where the status is 402.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) status: u16,
}

impl Problem {
    const BAD_REQUEST: Self = Self::new("bad-request", "Bad Request", 400);
    const MALFORMED: Self = Self::new("malformed-credential", "Malformed Credential", 402);
    const INVALID: Self = Self::new("invalid-challenge", "Invalid Challenge", 402);
    const EXPIRED: Self = Self::new("payment-expired", "Payment Expired", 402);
    const PAYLOAD: Self = Self::new("invalid-payload", "Invalid Payload", 402);
    // A fresh challenge would be paid with another token, beside the one that waits.
    const ACTION: Self = Self::new("payment-action-required", "Payment Action Required", 403);
    const FAILED: Self = Self::new("verification-failed", "Verification Failed", 402);

    const fn new(name: &'static str, title: &'static str, status: u16) -> Self {
        Self { name, title, status }
    }

    /// What a refusal of the ledger's is.
    const fn of(refusal: &Refusal) -> Self {
        match (refusal.error_code, refusal.reason) {
            (_, Some(Reason::AuthenticationRequired)) => Self::ACTION,
            (_, Some(Reason::RateLimited)) => Self { status: 503, ..Self::FAILED },
            (Code::CardDeclined, _) | (Code::PaymentFailed, None) => Self::FAILED,
            _ => Self { status: 403, ..Self::FAILED },
        }
    }
}

impl Stream {
    /// A priced request: what it says of MPP, and what makes its challenge unlike any other.
    pub(super) fn negotiate(&mut self, head: &Head<'_>, mint: Mint<'_>) {
        if self.config.mpp.is_some() {
            let (accepts, nonce) = (head.accepts_payment, mint());
            self.mpp = Some(Box::new(Negotiation { accepts, nonce, ..Negotiation::default() }));
        }
    }

    /// A request that pays with what it says of MPP.
    pub(super) fn on_credential(
        &mut self,
        priced: PricedRequest,
        head: &Head<'_>,
        mint: Mint<'_>,
    ) -> Step {
        if let Some(mpp) = &mut self.mpp {
            mpp.by_credential = true;
        }
        let refuse = |stream: &mut Self, problem, text: &str| {
            let refusal = Refusal::new(Code::InvalidPayment, text);
            stream.refuse_credential(&priced, problem, refusal, None)
        };
        let Offered::Credential(credential) = head.offered else {
            let text = "there is more than one credential; send one Payment credential alone";
            return refuse(self, Problem::BAD_REQUEST, text);
        };
        if head.payment.is_some() {
            let text = "there are a payment header and a Payment credential; send one of them";
            return refuse(self, Problem::BAD_REQUEST, text);
        }
        let (id, token) = match self.check(&priced.offer, credential) {
            Ok(sound) => sound,
            Err((problem, text)) => return refuse(self, problem, &text),
        };
        if self.has_no_unit_price() {
            return self.refuse(Reply::no_unit_price());
        }
        let card = CardOffer {
            instrument: token.into(),
            payment_intent: None,
            top_up_amount: None,
            idempotency_key: Some(id).filter(|_| !stripe402_mutant::mutant!("credential_unnamed")),
        };
        self.pay(priced, card, mint)
    }

    /// The id of the challenge that a credential pays, and with what, if that is all in order. Refusals in
    /// order of precedence: draft-stripe-charge-00, section 8.
    fn check(
        &self,
        offer: &Offer,
        credential: &[u8],
    ) -> Result<(String, GrantedTokenId), (Problem, String)> {
        let malformed = |error: mpp::Malformed| (Problem::MALFORMED, error.to_string());
        let credential = Credential::decode(credential).map_err(malformed)?;
        let invalid = |text: &str| (Problem::INVALID, text.to_owned());
        let config = self.config.mpp.as_ref();
        let nonce = self.mpp.as_ref().and_then(|mpp| mpp.nonce);
        let (Some(mpp), Some(now)) = (config, nonce) else {
            return Err(invalid("there are no challenges here"));
        };
        if !credential.is_answer_to_ours(&mpp.realm, mpp.header.as_deref(), mpp.secrets()) {
            return Err(invalid("the challenge was not made here, or was changed"));
        }
        if credential.request() != mpp::request(offer.min_top_up, offer.currency, &mpp.network_id) {
            return Err(invalid("the challenge asks for another amount than this route does now"));
        }
        // Both are to the second, and of one form.
        let now = instant(now.minted_ms());
        if credential.expires().is_none_or(|expires| expires <= now.as_str()) {
            return Err((
                Problem::EXPIRED,
                "the challenge has expired; pay the new one".to_owned(),
            ));
        }
        let token = credential.token().and_then(|token| token.parse().ok());
        let token = token.ok_or_else(|| {
            let text = "payload.spt must be a Shared Payment Token: spt_…";
            (Problem::PAYLOAD, text.to_owned())
        })?;
        Ok((credential.id().to_owned(), token))
    }

    /// Whether the request pays with a credential of MPP's.
    pub(super) fn pays_by_credential(&self) -> bool {
        self.mpp.as_ref().is_some_and(|mpp| mpp.by_credential)
    }

    /// A refusal of the ledger's, to whoever pays with a credential.
    pub(super) fn refused_credential(
        &mut self,
        priced: &PricedRequest,
        refusal: Refusal,
        retry_after: Option<u32>,
    ) -> Step {
        let problem = Problem::of(&refusal);
        self.refuse_credential(priced, problem, refusal, retry_after)
    }

    fn refuse_credential(
        &mut self,
        priced: &PricedRequest,
        problem: Problem,
        refusal: Refusal,
        retry_after: Option<u32>,
    ) -> Step {
        let again = problem.status == 402;
        let fresh = self.mpp_challenge(&priced.offer).filter(|_| again);
        let typed = self.mpp.as_ref().is_some_and(|mpp| mpp.accepts);
        let challenge = again.then(|| self.config.challenge(&priced.offer, &priced.path, false));
        let id = fresh.as_ref().map(|fresh| fresh.challenge.id.clone());
        let content = Content::Problem { refusal, problem, id, typed };
        let reply = Reply::problem(problem.status, content, challenge, retry_after);
        let reply = self.tell_mpp(reply, fresh);
        self.refuse(reply)
    }

    /// A 402 also says what it costs in MPP's way.
    pub(super) fn ask_by_mpp(&self, reply: Reply, offer: &Offer) -> Reply {
        let fresh = self.mpp_challenge(offer);
        self.tell_mpp(reply, fresh)
    }

    /// Some MPP clients fail on a `payment-required` header that is not x402's: those that name themselves
    /// get none.
    fn tell_mpp(&self, mut reply: Reply, fresh: Option<Fresh>) -> Reply {
        let Some(fresh) = fresh else { return reply };
        let accepts = self.mpp.as_ref().is_some_and(|mpp| mpp.accepts);
        if accepts && self.audience != Audience::Grpc {
            reply.headers.retain(|(name, _)| *name != stripe402_protocol::PAYMENT_REQUIRED);
        }
        reply.headers.push((mpp::WWW_AUTHENTICATE, Rc::from(fresh.challenge.header)));
        reply.of_mpp = fresh.native;
        reply
    }

    fn mpp_challenge(&self, offer: &Offer) -> Option<Fresh> {
        let mpp = self.config.mpp.as_ref()?;
        let nonce = self.mpp.as_ref()?.nonce?;
        let secret = mpp.secrets().next()?;
        let bound = Bound {
            realm: &mpp.realm,
            request: &mpp::request(offer.min_top_up, offer.currency, &mpp.network_id),
            expires: Some(&instant(nonce.minted_ms().saturating_add(mpp.expires_ms))),
            opaque: Some(&mpp::opaque(&nonce)),
            header: mpp.header.as_deref(),
        };
        let challenge = Challenge::new(&bound, secret);
        let native = self.call_id.as_ref().map(|_| mpp::native::challenge(&bound, &challenge.id));
        Some(Fresh { challenge, native })
    }

    /// Keeps a receipt for the answer to a request that was paid with a credential.
    pub(super) fn receipt_by_mpp(
        &mut self,
        deduction: DeductionId,
        client: &ClientId,
        left: Units,
        charged_by: Option<&str>,
    ) {
        if let Some(mpp) = self.mpp.as_mut().filter(|mpp| mpp.by_credential) {
            let (id, client_id) = (deduction.to_string(), client.to_hex());
            let reference = charged_by.unwrap_or(&id);
            let at = instant(deduction.minted_ms());
            mpp.receipt = Some(mpp::Receipt::new(reference, &at, left, &client_id).encode());
        }
    }

    /// The receipt for an answer of this status: only of what succeeded.
    pub(super) fn take_mpp_receipt(&mut self, status: u16) -> Option<String> {
        let receipt = self.mpp.as_mut()?.receipt.take();
        receipt.filter(|_| (200..300).contains(&status))
    }

    /// Whether `payment-receipt` is the gate's to set.
    pub(super) fn speaks_mpp(&self) -> bool {
        self.config.mpp.is_some()
    }
}
