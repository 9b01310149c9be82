"""Callers by each adapter. Each has one connection: what is not closed blocks the next request."""

import asyncio

import httpx
import requests
import stripe402
from stripe402.httpx import AsyncTransport, Transport
from stripe402.requests import Adapter

ONE = httpx.Limits(max_connections=1)


def wallet(card="pm_card", **options):
    return stripe402.Wallet(card=card, **options)


def parts(body):
    yield body[:3]
    yield body[3:]


async def parts_async(body):
    for part in parts(body):
        yield part


class ByHttpx:
    lost = httpx.ConnectError

    def __init__(self, **options):
        self.wallet = wallet(**options)
        inner = httpx.HTTPTransport(limits=ONE)
        self.client = httpx.Client(transport=Transport(self.wallet, inner), follow_redirects=True)

    def call(self, url, once=None, timeout=5):
        content = parts(once) if once else None
        return self.client.request("POST" if once else "GET", url, content=content, timeout=timeout)

    def stream(self, url, was_read):
        body = b""
        with self.client.stream("GET", url) as response:
            for chunk in response.iter_bytes():
                body += chunk
                was_read()
        return body, response

    def sent(self, url):
        with self.client.stream("GET", url) as response:
            return response.status_code, b"".join(response.iter_raw())

    def close(self):
        self.client.close()


class ByHttpxAsync:
    lost = httpx.ConnectError

    def __init__(self, **options):
        self.loop = asyncio.new_event_loop()
        self.wallet = wallet(**options)
        inner = httpx.AsyncHTTPTransport(limits=ONE)
        self.client = httpx.AsyncClient(transport=AsyncTransport(self.wallet, inner), follow_redirects=True)

    def call(self, url, once=None, timeout=5):
        content = parts_async(once) if once else None
        call = self.client.request("POST" if once else "GET", url, content=content, timeout=timeout)
        return self.loop.run_until_complete(call)

    def stream(self, url, was_read):
        async def read():
            body = b""
            async with self.client.stream("GET", url) as response:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    was_read()
            return body, response

        return self.loop.run_until_complete(read())

    def sent(self, url):
        async def read():
            async with self.client.stream("GET", url) as response:
                return response.status_code, b"".join([chunk async for chunk in response.aiter_raw()])

        return self.loop.run_until_complete(read())

    def close(self):
        self.loop.run_until_complete(self.client.aclose())
        self.loop.close()


class ByRequests:
    lost = requests.ConnectionError

    def __init__(self, **options):
        self.wallet = wallet(**options)
        self.session = requests.Session()
        self.session.trust_env = False
        inner = requests.adapters.HTTPAdapter(pool_maxsize=1, pool_block=True)
        self.session.mount("http://", Adapter(self.wallet, inner))

    def call(self, url, once=None, timeout=5):
        data = parts(once) if once else None
        return self.session.request("POST" if once else "GET", url, data=data, timeout=timeout)

    def stream(self, url, was_read):
        body = b""
        with self.session.get(url, stream=True, timeout=5) as response:
            for chunk in response.iter_content(6):
                body += chunk
                was_read()
        return body, response

    def sent(self, url):
        with self.session.get(url, stream=True, timeout=5) as response:
            return response.status_code, response.raw.read(decode_content=False)

    def close(self):
        self.session.close()
