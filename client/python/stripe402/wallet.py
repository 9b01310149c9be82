"""How much may be paid, with what, where; and what is remembered."""

from __future__ import annotations

import json
import os
from typing import Any, Awaitable, Callable, Iterable, Optional, Union
from urllib.parse import urlsplit

from . import _native
from .errors import to_error
from .records import Paid, Terms, read_terms

#: Units (10,000 are one dollar), or money with its currency, such as ``"0.05usd"``.
Amount = Union[int, str]
#: A card (``pm_…``), or nothing.
Card = Optional[str]

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Wallet:
    """A policy, and a place where credentials and budgets are kept. Threads and transports can share it.

    ``card`` is the PaymentMethod to pay with (``pm_…``), ``client_id`` one that is known already.
    Limits: ``max_price`` of a request ($1.00 unless given), ``max_charge`` of a card at once ($10.00),
    ``budget`` for all card charges and ``budget_per_day`` for those of 24 hours, ``currency``, and
    ``origins`` that may be paid (any unless given, but a card or client id that was used at one is not offered at
    another unless both are named). ``top_up`` is what to charge a card, if the server's least is not wanted.
    ``allow_http`` lets credentials go to other machines unencrypted. ``retries``: how often a request is sent
    again when the server says that it was not served.

    ``credentials`` is a file to remember in; programs can share it, the command line ``stripe402`` too. Without
    it, the wallet remembers as long as the program runs.

    ``on_payment_required`` is asked for a card where none is known, one call at a time per origin; with
    ``AsyncTransport`` it may be a coroutine function. ``on_receipt`` is told of every receipt, with the URL.

    Raises ``ValueError`` where a limit is missing or cannot be read.
    """

    def __init__(
        self,
        *,
        card: Card = None,
        client_id: Optional[str] = None,
        currency: str = "usd",
        max_price: Optional[Amount] = None,
        max_charge: Optional[Amount] = None,
        top_up: Optional[Amount] = None,
        budget: Optional[Amount] = None,
        budget_per_day: Optional[Amount] = None,
        origins: Optional[Iterable[str]] = None,
        allow_http: bool = False,
        retries: int = 3,
        credentials: Optional[Union[str, os.PathLike[str]]] = None,
        on_payment_required: Optional[Callable[[Terms], Union[Card, Awaitable[Card]]]] = None,
        on_receipt: Optional[Callable[[Paid, str], None]] = None,
    ) -> None:
        self.client_id_given = client_id
        self.currency = currency
        self.origins = None if origins is None else tuple(origins)
        self.allow_http = allow_http
        self.on_payment_required = on_payment_required
        self.on_receipt = on_receipt
        #: Whether remembering takes a disk, and so may take a while.
        self.is_kept = credentials is not None
        policy = {
            "paymentMethodId": card,
            "clientId": client_id,
            "canAskForCard": on_payment_required is not None,
            "currency": currency,
            "maxPrice": max_price,
            "maxCharge": max_charge,
            "topUp": top_up,
            "budgetTotal": budget,
            "budgetPerDay": budget_per_day,
            "origins": self.origins,
            "allowHttp": allow_http,
            "retries": retries,
        }
        path = None if credentials is None else os.path.expanduser(credentials)
        self.core = _native.Core(json.dumps(policy), path)

    def spent(self) -> int:
        """What cards were charged, and may have been, in units."""
        return self.core.spent()

    def purse(self) -> str:
        """Everything that is remembered, as JSON. It holds bearer credentials."""
        return self.core.purse()

    def client_id(self, url: str) -> Optional[str]:
        """Who we are at the origin of a URL: a bearer credential."""
        client_id: Optional[str] = self.known(origin_of(url)).get("clientId")
        return client_id

    def known(self, origin: str) -> dict[str, Any]:
        """What is remembered of an origin."""
        known: dict[str, Any] = json.loads(self.core.purse())["origins"].get(origin, {})
        return known

    def is_shown(self, origin: str) -> bool:
        """Whether credentials may go there: encrypted, within this machine, or as the caller wants."""
        return self.allow_http or _native.is_private(origin)


def origin_of(url: str) -> str:
    """Scheme, host and port as browsers write them."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = parts.port
    return f"{parts.scheme}://{host}" + ("" if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{port}")


def explain(header: str) -> Terms:
    """Reads the value of a ``payment-required`` header, without paying."""
    said = json.loads(_native.explain(header))
    if "error" in said:
        raise to_error(said["error"])
    return read_terms(said["terms"])
