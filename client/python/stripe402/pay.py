"""Carries out what the rules say, for one request.

These are generators: they yield what an HTTP library has to do, and are sent the result. What a synchronous
network returns is a result already; an asynchronous one returns what has to be awaited.
"""

from __future__ import annotations

import json
import re
import secrets
import weakref
from functools import partial
from typing import Any, Generator, Mapping, MutableMapping, Optional, Protocol

from . import _native
from .errors import to_error
from .records import Paid, keep_receipt, read_paid, read_terms
from .wallet import Wallet

Steps = Generator[Any, Any, Any]

#: A challenge or refusal is far shorter.
MOST_BODY = 65_536
#: What describes a body, and does not go along without it.
OF_BODIES = ("content-type", "content-length", "content-encoding", "transfer-encoding", "expect")
#: How often it is looked whether another call has finished paying, in seconds.
POLL = 0.02

_MARK = "stripe402"


class Network(Protocol):
    """An HTTP library. Each method returns its result, or something to be awaited for it."""

    def send(self, request: Any) -> Any: ...
    #: The answer as the rules read it, and a response that can still be read.
    def look(self, response: Any) -> Any: ...
    def close(self, response: Any) -> Any: ...
    #: Status and body; ``None`` if there is no answer.
    def get(self, url: str, payment: str) -> Any: ...
    def sleep(self, seconds: float) -> Any: ...
    #: Calls a function that may wait for a disk.
    def keep(self, change: Any) -> Any: ...
    def choose(self, terms: Any) -> Any: ...


class Outgoing(Protocol):
    """A request of the caller's."""

    url: str
    origin: str
    method: str
    path: str
    #: Whether the body, if there is one, can be sent a second time.
    replayable: bool

    def paying(self, payment: Optional[str]) -> Any: ...
    #: Without payment and body, to learn the price.
    def asking(self) -> Any: ...


class Journey:
    """A request across the redirects that its library follows: the library makes a new request for each, and hands
    on the mark that the first one got."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.paid: Optional[Paid] = None
        self.is_redirected = False
        self.is_away = False
        self.request: Optional[weakref.ref[object]] = None

    @classmethod
    def of(cls, marks: MutableMapping[str, Any], request: object, origin: str) -> Journey:
        """The journey that ``request`` is a part of; a new one, if no redirect has led to it."""
        journey = marks.get(_MARK)
        again = isinstance(journey, Journey) and journey.request is not None and journey.request() is request
        if not isinstance(journey, Journey) or again or not journey.is_redirected:
            journey = marks[_MARK] = Journey(origin)
        # Once somebody else chooses the address, nothing is paid for any more.
        journey.is_away = journey.is_away or origin != journey.origin
        journey.request = weakref.ref(request)
        return journey

    @property
    def pays(self) -> str:
        if self.paid:
            return "notAgain"
        return "notThere" if self.is_away else "yes"


def without_mark(marks: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in marks.items() if name != _MARK}


def pay(wallet: Wallet, network: Network, outgoing: Outgoing, journey: Journey) -> Steps:
    """Leads to a response, which may be a redirect; its ``keep_receipt`` is done."""
    response, paid = yield from _hop(wallet, network, outgoing, journey.pays)
    journey.paid = journey.paid or paid
    if paid and wallet.on_receipt:
        wallet.on_receipt(paid, outgoing.url)
    if journey.paid:
        keep_receipt(response, journey.paid)
    return response


def _hop(wallet: Wallet, network: Network, outgoing: Outgoing, pays: str) -> Steps:
    core, origin = wallet.core, outgoing.origin
    facts = {
        "origin": origin,
        "method": outgoing.method,
        "path": outgoing.path,
        "replayable": outgoing.replayable,
        # The name of a top-up: only this call uses it.
        "key": secrets.token_hex(16),
        "pays": pays,
    }
    call = core.call(json.dumps(facts))
    turn: Optional[_native.Turn] = None
    exchange = _Exchange(network)
    event: dict[str, Any] = {"event": "start"}
    try:
        while True:
            step = json.loads((yield network.keep(partial(core.step, call, json.dumps(event)))))
            if turn is not None and not step["keepsTurn"]:
                turn.release()
                turn = None
            kind = step["step"]
            if kind == "send":
                event = yield from exchange.run(outgoing.paying(step["payment"]))
            elif kind == "ask":
                event = yield from exchange.run(outgoing.asking())
            elif kind == "takeTurn":
                while turn is None:
                    turn = yield network.keep(partial(core.try_turn, origin))
                    if turn is None:
                        yield network.sleep(POLL)
                event = {"event": "turn"}
            elif kind == "askForCard":
                card = yield network.choose(read_terms(step["terms"]))
                event = {"event": "card", "card": card}
            elif kind == "pause":
                yield network.sleep(step["seconds"])
                event = {"event": "resumed"}
            elif kind == "done":
                paid = step["paid"]
                return exchange.last, read_paid(paid) if paid else None
            else:
                yield from exchange.drop()
                exchange.fail(step["error"])
    finally:
        if turn is not None:
            turn.release()


class _Exchange:
    """What was sent last, and what came of it."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.last: Any = None
        self.lost: Optional[Exception] = None

    def run(self, request: Any) -> Steps:
        yield from self.drop()
        try:
            response = yield self.network.send(request)
            answer, self.last = yield self.network.look(response)
        except Exception as error:
            self.lost = error
            return {"event": "lost"}
        return {"event": "answer", "answer": answer}

    def drop(self) -> Steps:
        if self.last is not None:
            response, self.last = self.last, None
            yield self.network.close(response)

    def fail(self, failure: Mapping[str, Any]) -> None:
        # The library's own exception where nothing but the network failed.
        if failure["code"] == "transport" and self.lost is not None:
            raise self.lost
        raise to_error(failure) from self.lost


def answer_of(status: int, headers: Mapping[str, str]) -> dict[str, Any]:
    """What the rules have to know of an answer, but for its body."""
    answer: dict[str, Any] = {"status": status}
    for name, header in (("paymentRequired", "payment-required"), ("paymentResponse", "payment-response")):
        if header in headers:
            answer[name] = headers[header]
    retry_after = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,6}", retry_after):
        answer["retryAfter"] = int(retry_after)
    return answer


def may_be_about_payment(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the rules want the body. A 503 may be the API's own, and long: it is left alone unless it is known to be
    short."""
    length = headers.get("content-length", "")
    return status == 402 or (status == 503 and length.isdecimal() and int(length) <= MOST_BODY)
