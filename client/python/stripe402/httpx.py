"""Transports of httpx that pay."""

from __future__ import annotations

import inspect
import time
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Iterator, Optional, Union

import anyio
import anyio.to_thread
import httpx

from .bodies import text_of
from .drive import run, run_async
from .pay import MOST_BODY, OF_BODIES, Journey, answer_of, may_be_about_payment, pay, without_mark
from .records import Balance, Hold, Settlement, Terms
from .settle import PATIENCE, balance, hold_of, settle
from .wallet import Wallet

_PATIENCE = httpx.Timeout(PATIENCE).as_dict()


class _Outgoing:
    def __init__(self, request: httpx.Request) -> None:
        self._request = request
        url = request.url
        self.url = str(url)
        self.origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        self.method = request.method
        self.path = url.raw_path.split(b"?")[0].decode("ascii")
        # Other bodies are gone once they are sent.
        self.replayable = isinstance(request.stream, httpx.ByteStream)

    def paying(self, payment: Optional[str]) -> httpx.Request:
        headers = self._request.headers.copy()
        # Payments are made here alone.
        headers.pop("payment", None)
        if payment is not None:
            headers["payment"] = payment
        return self._made(headers, self._request.stream)

    def asking(self) -> httpx.Request:
        headers = self._request.headers.copy()
        for name in ("payment", *OF_BODIES):
            headers.pop(name, None)
        return self._made(headers, httpx.ByteStream(b""))

    def _made(self, headers: httpx.Headers, stream: Any) -> httpx.Request:
        of = self._request
        return httpx.Request(of.method, of.url, headers=headers, stream=stream, extensions=without_mark(of.extensions))


def _asked(url: str, payment: str) -> httpx.Request:
    return httpx.Request("GET", url, headers={"payment": payment}, extensions={"timeout": _PATIENCE})


class _Rest(httpx.SyncByteStream):
    """A body whose beginning was read."""

    def __init__(self, beginning: bytes, rest: Iterator[bytes], response: httpx.Response) -> None:
        self._beginning = beginning
        self._rest = rest
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        yield self._beginning
        yield from self._rest

    def close(self) -> None:
        self._response.close()


class _AsyncRest(httpx.AsyncByteStream):
    def __init__(self, beginning: bytes, rest: AsyncIterator[bytes], response: httpx.Response) -> None:
        self._beginning = beginning
        self._rest = rest
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._beginning
        async for chunk in self._rest:
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _looked(response: httpx.Response, raw: bytes, stream: Any) -> tuple[dict[str, Any], httpx.Response]:
    """An answer whose body was read, and a response with the same body, not decoded yet."""
    answer = answer_of(response.status_code, response.headers)
    text = text_of(raw, response.headers)
    if text is not None:
        answer["body"] = text
    whole = httpx.Response(
        response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
    )
    return answer, whole


def _is_redirected(response: httpx.Response) -> bool:
    return response.has_redirect_location


class _Network:
    def __init__(self, wallet: Wallet, inner: httpx.BaseTransport) -> None:
        self._wallet = wallet
        self._inner = inner

    def send(self, request: httpx.Request) -> httpx.Response:
        return self._inner.handle_request(request)

    def look(self, response: httpx.Response) -> tuple[dict[str, Any], httpx.Response]:
        if not may_be_about_payment(response.status_code, response.headers):
            return answer_of(response.status_code, response.headers), response
        raw, stream = self._beginning(response)
        if response.status_code == 402:
            # Never the caller's, and its connection is needed to pay.
            response.close()
        return _looked(response, raw, stream)

    def close(self, response: httpx.Response) -> None:
        response.close()

    def get(self, url: str, payment: str) -> Optional[tuple[int, str]]:
        try:
            response = self._inner.handle_request(_asked(url, payment))
            try:
                raw, _ = self._beginning(response)
            finally:
                response.close()
            return response.status_code, text_of(raw, response.headers) or ""
        except Exception:
            return None

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def keep(self, change: Callable[[], Any]) -> Any:
        return change()

    def choose(self, terms: Terms) -> Any:
        ask = self._wallet.on_payment_required
        return ask(terms) if ask else None

    def _beginning(self, response: httpx.Response) -> tuple[bytes, httpx.SyncByteStream]:
        """What was read of the body, as it was sent, and all of it for the caller."""
        raw = bytearray()
        chunks = iter(response.stream)  # type: ignore[arg-type]
        try:
            for chunk in chunks:
                raw += chunk
                if len(raw) > MOST_BODY:
                    return bytes(raw), _Rest(bytes(raw), chunks, response)
        except BaseException:
            response.close()
            raise
        response.close()
        return bytes(raw), httpx.ByteStream(bytes(raw))


class _AsyncNetwork:
    def __init__(self, wallet: Wallet, inner: httpx.AsyncBaseTransport) -> None:
        self._wallet = wallet
        self._inner = inner

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await self._inner.handle_async_request(request)

    async def look(self, response: httpx.Response) -> tuple[dict[str, Any], httpx.Response]:
        if not may_be_about_payment(response.status_code, response.headers):
            return answer_of(response.status_code, response.headers), response
        raw, stream = await self._beginning(response)
        if response.status_code == 402:
            # Never the caller's, and its connection is needed to pay.
            await response.aclose()
        return _looked(response, raw, stream)

    async def close(self, response: httpx.Response) -> None:
        await response.aclose()

    async def get(self, url: str, payment: str) -> Optional[tuple[int, str]]:
        try:
            response = await self._inner.handle_async_request(_asked(url, payment))
            try:
                raw, _ = await self._beginning(response)
            finally:
                await response.aclose()
            return response.status_code, text_of(raw, response.headers) or ""
        except Exception:
            return None

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def keep(self, change: Callable[[], Any]) -> Any:
        # A file is locked and synced: other tasks go on meanwhile.
        return await anyio.to_thread.run_sync(change) if self._wallet.is_kept else change()

    async def choose(self, terms: Terms) -> Any:
        ask = self._wallet.on_payment_required
        card = ask(terms) if ask else None
        return await card if inspect.isawaitable(card) else card

    async def _beginning(self, response: httpx.Response) -> tuple[bytes, httpx.AsyncByteStream]:
        """What was read of the body, as it was sent, and all of it for the caller."""
        raw = bytearray()
        chunks = aiter(response.stream)  # type: ignore[arg-type]
        try:
            async for chunk in chunks:
                raw += chunk
                if len(raw) > MOST_BODY:
                    return bytes(raw), _AsyncRest(bytes(raw), chunks, response)
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        return bytes(raw), httpx.ByteStream(bytes(raw))


class Transport(httpx.BaseTransport):
    """For ``httpx.Client(transport=Transport(wallet))``. ``inner`` carries out the requests: an
    ``httpx.HTTPTransport`` unless given. httpx hands ``verify``, ``cert``, ``http2`` and proxies to no transport of
    the caller's, so those are options of ``inner``."""

    def __init__(self, wallet: Wallet, inner: Optional[httpx.BaseTransport] = None) -> None:
        self._wallet = wallet
        self._inner = inner or httpx.HTTPTransport()
        self._network = _Network(wallet, self._inner)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        outgoing = _Outgoing(request)
        journey = Journey.of(request.extensions, request, outgoing.origin)
        response: httpx.Response = run(pay(self._wallet, self._network, outgoing, journey))
        journey.is_redirected = _is_redirected(response)
        return response

    def settle(self, of: Union[Hold, httpx.Response]) -> Optional[Settlement]:
        """What a metered request cost: of its answer, once that was read to its end, or of the ``hold`` of its
        receipt, which can be kept. Asks for a few seconds while it is not known; ``held`` after that means to ask
        again later. ``None`` if nothing was held. Raises ``Unsettled`` where the origin does not say: the whole hold
        then stays missing from the remembered balance."""
        hold = hold_of(of)
        settlement: Optional[Settlement] = run(settle(self._wallet, self._network, hold)) if hold else None
        return settlement

    def balance(self, url: str) -> Optional[Balance]:
        """What is left at the origin of a URL: its gateway says, or else its last receipt did."""
        left: Optional[Balance] = run(balance(self._wallet, self._network, url))
        return left

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Transport:
        self._inner.__enter__()
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]] = None,
        error: Optional[BaseException] = None,
        trace: Optional[TracebackType] = None,
    ) -> None:
        self._inner.__exit__(kind, error, trace)


class AsyncTransport(httpx.AsyncBaseTransport):
    """The same for ``httpx.AsyncClient``; ``inner`` is an ``httpx.AsyncHTTPTransport`` unless given."""

    def __init__(self, wallet: Wallet, inner: Optional[httpx.AsyncBaseTransport] = None) -> None:
        self._wallet = wallet
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._network = _AsyncNetwork(wallet, self._inner)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        outgoing = _Outgoing(request)
        journey = Journey.of(request.extensions, request, outgoing.origin)
        response: httpx.Response = await run_async(pay(self._wallet, self._network, outgoing, journey))
        journey.is_redirected = _is_redirected(response)
        return response

    async def settle(self, of: Union[Hold, httpx.Response]) -> Optional[Settlement]:
        """As ``Transport.settle``."""
        hold = hold_of(of)
        steps = settle(self._wallet, self._network, hold) if hold else None
        settlement: Optional[Settlement] = await run_async(steps) if steps else None
        return settlement

    async def balance(self, url: str) -> Optional[Balance]:
        """As ``Transport.balance``."""
        left: Optional[Balance] = await run_async(balance(self._wallet, self._network, url))
        return left

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> AsyncTransport:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: Optional[type[BaseException]] = None,
        error: Optional[BaseException] = None,
        trace: Optional[TracebackType] = None,
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)
