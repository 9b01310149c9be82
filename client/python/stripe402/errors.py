"""Why a request was not paid for: a class for each code."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Mapping, Optional


class Error(Exception):
    """A request that was not paid for."""

    #: A stable name for programs.
    code: str
    #: The protocol's finer cause, such as ``authentication_required``.
    reason: Optional[str]
    #: What belongs to the code: amounts in units, terms, ids.
    details: Mapping[str, Any]

    def __init__(self, failure: Mapping[str, Any]) -> None:
        # The message alone: the details may hold a secret, and are not to be logged.
        super().__init__(failure["message"])
        self.code = failure["code"]
        self.reason = failure.get("reason")
        self.details = MappingProxyType(dict(failure))

    def __reduce__(self) -> Any:
        return type(self), (dict(self.details),)


class PaymentRequired(Error):
    """There is nothing to pay with."""


class InsufficientCredits(Error):
    """The balance does not suffice, and there is no card."""


class Declined(Error):
    """The bank declined the card."""


class PaymentFailed(Error):
    """Anything else went wrong at Stripe; see ``reason``."""


class AuthenticationRequired(PaymentFailed):
    """3D Secure: the cardholder confirms with Stripe.js, then the program makes the call again."""

    @property
    def client_secret(self) -> Optional[str]:
        return self.details.get("clientSecret")

    @property
    def payment_intent_id(self) -> Optional[str]:
        return self.details.get("paymentIntentId")

    @property
    def publishable_key(self) -> Optional[str]:
        return self.details.get("publishableKey")


class TryLater(Error):
    """The same call may succeed later."""

    @property
    def retry_after(self) -> Optional[int]:
        """Seconds, if the server says so."""
        return self.details.get("retryAfter")


class RateLimited(PaymentFailed, TryLater):
    """Too many attempts to pay."""


class Unavailable(TryLater):
    """The server cannot take payments now."""


class InvalidPayment(Error):
    """The server did not understand the payment, or it contradicts an earlier one; see ``reason``."""


class TopUpBelowMinimum(Error):
    """The caller's ``top_up`` is below what the server charges at least."""


class LimitReached(Error):
    """A limit or a budget of the caller's would be passed."""


class PriceTooHigh(LimitReached):
    """The request costs more than ``max_price``."""


class ChargeTooHigh(LimitReached):
    """The card would be charged more than ``max_charge`` at once."""


class BudgetExceeded(LimitReached):
    """The card would be charged more than is left of ``budget`` or ``budget_per_day``."""


class CurrencyNotAllowed(Error):
    """The server asks for another currency than the caller pays in."""


class OriginNotAllowed(Error):
    """The origin may not be paid, or this card was first used at another one."""


class NotEncrypted(Error):
    """Others could read the credentials on their way."""


class ChallengeMissing(Error):
    """The server answered 402 and did not say what it costs."""


class ChallengeMalformed(Error):
    """The server's challenge cannot be read, or contradicts itself."""


class UnsupportedVersion(Error):
    """The server's version of the protocol is not known here."""


class UnsupportedScheme(Error):
    """The server takes no payment by Stripe."""


class PaymentLoop(Error):
    """The server got a payment and asks for another one. A card that was charged has its credit."""


class PaidAndRedirected(Error):
    """The request was paid for, and redirected to what asks for payment again."""


class BodyConsumed(Error):
    """The body cannot be sent a second time. The same call again pays at once."""


class OutcomeUnknown(Error):
    """A card may have been charged. The same call again does not charge it twice."""


class Unsettled(Error):
    """The server does not say what a request cost. The whole hold counts as spent."""


class OutOfOrder(Error):
    """A bug in this package."""


# Two codes of the rules are missing: ``transport`` is raised as the HTTP library's own exception, and
# ``redirect_unseen`` happens in browsers only.
_CLASSES: dict[str, type[Error]] = {
    "payment_required": PaymentRequired,
    "insufficient_credits": InsufficientCredits,
    "card_declined": Declined,
    "payment_failed": PaymentFailed,
    "invalid_payment": InvalidPayment,
    "top_up_below_minimum": TopUpBelowMinimum,
    "price_too_high": PriceTooHigh,
    "charge_too_high": ChargeTooHigh,
    "budget_exceeded": BudgetExceeded,
    "currency_not_allowed": CurrencyNotAllowed,
    "origin_not_allowed": OriginNotAllowed,
    "not_encrypted": NotEncrypted,
    "challenge_missing": ChallengeMissing,
    "challenge_malformed": ChallengeMalformed,
    "unsupported_version": UnsupportedVersion,
    "unsupported_scheme": UnsupportedScheme,
    "payment_loop": PaymentLoop,
    "paid_and_redirected": PaidAndRedirected,
    "body_consumed": BodyConsumed,
    "outcome_unknown": OutcomeUnknown,
    "unavailable": Unavailable,
    "unsettled": Unsettled,
    "out_of_order": OutOfOrder,
}
_BY_REASON: dict[str, type[Error]] = {
    "authentication_required": AuthenticationRequired,
    "rate_limited": RateLimited,
}


def to_error(failure: Mapping[str, Any]) -> Error:
    """The exception for what the rules say of a failure."""
    by_code = _CLASSES.get(failure["code"], Error)
    return _BY_REASON.get(failure.get("reason") or "", by_code)(failure)
