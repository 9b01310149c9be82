"""What is said of prices and payments. Amounts are in units: 10,000 are one dollar."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal, Mapping, Optional, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class UnitPrice:
    """What something costs that is counted: ``units`` of money for ``per`` of it."""

    #: What is counted: a name of the seller's, such as ``prompt``, or ``bytes`` or ``seconds``.
    of: str
    units: int
    per: int
    #: For which choice (a model's name), where the price depends on one.
    when: Optional[str] = None


@dataclass(frozen=True)
class Pricing:
    """A price that is known only after the request was served."""

    #: The most that one request can cost; held before it is served.
    most: int
    #: The least that a request costs which reached the API.
    least: int
    #: What is paid for, in words.
    description: str
    kind: str = "upto"
    #: What a longer answer costs at a time beyond ``most``, up to the ``max_price`` that was sent.
    extend_by: Optional[int] = None
    #: ``None`` where the API says itself what a request costs.
    unit_prices: Optional[tuple[UnitPrice, ...]] = None


@dataclass(frozen=True)
class Terms:
    """What a resource costs."""

    #: Where there is a ``pricing``, the most that it can cost.
    price: int
    min_top_up: int
    currency: str
    publishable_key: str
    knows_max_price: bool
    knows_idempotency_key: bool
    knows_currency: bool = False
    description: Optional[str] = None
    pricing: Optional[Pricing] = None


@dataclass(frozen=True)
class Hold:
    """What is held for a request whose price is known only after its answer. It can be kept, and settled later."""

    #: Its id. The API gets the same one.
    id: str
    #: The most that the request can cost.
    amount: int
    currency: str
    #: Who holds it, such as ``https://api.example``.
    origin: str


@dataclass(frozen=True)
class Settlement:
    """What became of a hold."""

    id: str
    #: ``released`` means that nothing was taken.
    state: Literal["held", "captured", "released"]
    currency: str
    #: What can be spent now.
    credits_remaining: int
    held: Optional[int] = None
    #: What the request cost; ``None`` while that is not known.
    captured: Optional[int] = None


@dataclass(frozen=True)
class Paid:
    """How an answer was paid for."""

    #: What is left, without what is held.
    credits_remaining: int
    #: The id that pays from now on. It is a bearer credential, and not shown.
    client_id: str = field(repr=False)
    #: The PaymentIntent, where a card was charged.
    charge_id: Optional[str] = None
    #: What the card was charged.
    charged: Optional[int] = None
    #: What is held, where the price is known only after the answer: ``settle`` tells what it cost.
    hold: Optional[Hold] = None


@dataclass(frozen=True)
class Balance:
    """What is left at an origin."""

    credits_remaining: int
    currency: str
    #: Whether the gateway said so now; else its last receipt did.
    now: bool


def read(record: type[T], json: Mapping[str, Any]) -> T:
    """A record from the rules' JSON, whose names are in camel case."""
    known: dict[str, Any] = {}
    for of in fields(record):  # type: ignore[arg-type]
        first, *rest = of.name.split("_")
        value = json.get(first + "".join(word.title() for word in rest))
        if value is not None:
            known[of.name] = value
    return record(**known)


def read_paid(json: Mapping[str, Any]) -> Paid:
    hold = json.get("hold")
    return read(Paid, {**json, "hold": hold and read(Hold, hold)})


def read_terms(json: Mapping[str, Any]) -> Terms:
    pricing = json.get("pricing")
    if pricing:
        prices = pricing.get("unitPrices")
        prices = tuple(read(UnitPrice, price) for price in prices) if prices else None
        pricing = read(Pricing, {**pricing, "unitPrices": prices})
    return read(Terms, {**json, "pricing": pricing})


_RECEIPT = "_stripe402_paid"


def receipt_of(response: object) -> Optional[Paid]:
    """How an answer of httpx or requests was paid for; ``None`` if it was not."""
    return getattr(response, _RECEIPT, None)


def keep_receipt(response: object, paid: Paid) -> None:
    setattr(response, _RECEIPT, paid)
