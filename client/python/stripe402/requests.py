"""An adapter of requests that pays."""

from __future__ import annotations

import io
import time
from itertools import chain
from typing import Any, Callable, Iterator, Mapping, Optional, Union, cast
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter

from .bodies import text_of
from .drive import run
from .pay import MOST_BODY, OF_BODIES, Journey, answer_of, may_be_about_payment, pay
from .records import Balance, Hold, Settlement, Terms
from .settle import PATIENCE, balance, hold_of, settle
from .wallet import Wallet, origin_of

_CHUNK = 8192


class _Outgoing:
    def __init__(self, request: requests.PreparedRequest) -> None:
        self._request = request
        self.url = request.url or ""
        self.origin = origin_of(self.url)
        self.method = (request.method or "GET").upper()
        self.path = urlsplit(self.url).path or "/"
        # Files and generators are gone once they are sent.
        self.replayable = request.body is None or isinstance(request.body, (bytes, str))

    def paying(self, payment: Optional[str]) -> requests.PreparedRequest:
        sent = self._request.copy()
        # Payments are made here alone.
        sent.headers.pop("payment", None)
        if payment is not None:
            sent.headers["payment"] = payment
        return sent

    def asking(self) -> requests.PreparedRequest:
        sent = self.paying(None)
        for name in OF_BODIES:
            sent.headers.pop(name, None)
        sent.body = None
        return sent


class _Network:
    """For one request: ``options`` are the session's, such as its certificates and proxies."""

    def __init__(self, wallet: Wallet, inner: BaseAdapter, options: Mapping[str, Any]) -> None:
        self._wallet = wallet
        self._inner = inner
        self._options = options

    def send(self, request: requests.PreparedRequest) -> requests.Response:
        # Whether to read the body at once is decided by the session, above this.
        try:
            return self._inner.send(request, **{**self._options, "stream": True})
        except requests.RequestException as error:
            _hide_payment(error)
            raise

    def look(self, response: requests.Response) -> tuple[dict[str, Any], requests.Response]:
        answer = answer_of(response.status_code, response.headers)
        if may_be_about_payment(response.status_code, response.headers):
            text = _beginning(response)
            if text is not None:
                answer["body"] = text
            if response.status_code == 402:
                # Never the caller's, and its connection is needed to pay.
                response.close()
        return answer, response

    def close(self, response: requests.Response) -> None:
        response.close()

    def get(self, url: str, payment: str) -> Optional[tuple[int, str]]:
        request = requests.Request("GET", url, headers={"payment": payment}).prepare()
        try:
            response = self._inner.send(request, **{**self._options, "stream": True, "timeout": PATIENCE})
            try:
                return response.status_code, _beginning(response) or ""
            finally:
                response.close()
        except Exception:
            return None

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def keep(self, change: Callable[[], Any]) -> Any:
        return change()

    def choose(self, terms: Terms) -> Any:
        ask = self._wallet.on_payment_required
        return ask(terms) if ask else None


def _hide_payment(error: requests.RequestException) -> None:
    """What was sent has a payment in it, which is a credential; exceptions are logged."""
    for holder in (error, error.response):
        sent = getattr(holder, "request", None)
        if isinstance(sent, requests.PreparedRequest):
            holder.request = _Outgoing(sent).paying(None)  # type: ignore[union-attr]


class _Undecoded:
    """A body of urllib3's, as it was sent."""

    def __init__(self, raw: urllib3.HTTPResponse) -> None:
        self._raw = raw
        self.close = raw.close
        self.release_conn = raw.release_conn

    def stream(self, size: int, decode_content: bool) -> Iterator[bytes]:
        return self._raw.stream(size, decode_content=False)


class _Rest(io.RawIOBase):
    """A body whose beginning was read."""

    def __init__(self, chunks: Iterator[bytes], sent: requests.Response) -> None:
        self._chunks = chunks
        self._sent = sent
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._chunks, b"")
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._sent.close()
        super().close()


def _beginning(response: requests.Response) -> Optional[str]:
    """The text of a body that may be about payment. The response can still be read, and is decoded then."""
    raw = response.raw
    if raw is None or response._content_consumed:
        # What carried out the request has read it.
        return text_of(response.content or b"", {})
    # Only to get the exceptions of requests.
    sent = requests.Response()
    sent.raw = _Undecoded(raw) if isinstance(raw, urllib3.HTTPResponse) else raw
    chunks: Iterator[bytes] = sent.iter_content(_CHUNK)
    beginning = bytearray()
    body: Any = None
    try:
        for chunk in chunks:
            beginning += chunk
            if len(beginning) > MOST_BODY:
                body = io.BufferedReader(_Rest(chain([bytes(beginning)], chunks), sent))
                break
    except BaseException:
        response.close()
        raise
    _put_back(response, body or io.BytesIO(beginning))
    return text_of(bytes(beginning), response.headers)


def _put_back(response: requests.Response, body: Any) -> None:
    raw = response.raw
    response.raw = body
    if isinstance(raw, urllib3.HTTPResponse):
        response.raw = urllib3.HTTPResponse(
            body=body,
            headers=raw.headers,
            status=raw.status,
            version=raw.version,
            reason=raw.reason,
            preload_content=False,
            decode_content=raw.decode_content,
            # Its cookies are read by the session.
            original_response=raw._original_response,
            retries=raw.retries,
            # The length was compared when this was read.
            enforce_content_length=False,
            request_url=raw.geturl(),
        )


class Adapter(BaseAdapter):
    """For ``session.mount("https://", Adapter(wallet))``. ``inner`` carries out the requests: an ``HTTPAdapter``
    unless given."""

    def __init__(self, wallet: Wallet, inner: Optional[BaseAdapter] = None) -> None:
        super().__init__()
        self._wallet = wallet
        self._inner = inner or HTTPAdapter()
        # What a session says with each request; settling asks in the same way.
        self._options: Mapping[str, Any] = {}

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        outgoing = _Outgoing(request)
        # A redirected request shares its dictionary of hooks with the one before, and nothing else that
        # could hold a mark and is not sent.
        journey = Journey.of(cast(Any, request.hooks), request, outgoing.origin)
        self._options = {name: value for name, value in options.items() if name not in ("stream", "timeout")}
        network = _Network(self._wallet, self._inner, options)
        response: requests.Response = run(pay(self._wallet, network, outgoing, journey))
        journey.is_redirected = response.is_redirect
        # What was sent has a payment in it, which is a credential.
        response.request = request
        response.connection = self  # type: ignore[assignment]
        return response

    def settle(self, of: Union[Hold, requests.Response]) -> Optional[Settlement]:
        """What a metered request cost: of its answer, once that was read to its end, or of the ``hold`` of its
        receipt, which can be kept. Asks for a few seconds while it is not known; ``held`` after that means to ask
        again later. ``None`` if nothing was held. Raises ``Unsettled`` where the origin does not say: the whole hold
        then stays missing from the remembered balance."""
        hold = hold_of(of)
        settlement: Optional[Settlement] = run(settle(self._wallet, self._asking(), hold)) if hold else None
        return settlement

    def balance(self, url: str) -> Optional[Balance]:
        """What is left at the origin of a URL: its gateway says, or else its last receipt did."""
        left: Optional[Balance] = run(balance(self._wallet, self._asking(), url))
        return left

    def _asking(self) -> _Network:
        return _Network(self._wallet, self._inner, self._options)

    def close(self) -> None:
        self._inner.close()
