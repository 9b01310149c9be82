"""Carries out calls for the end-to-end tests: a line {payer, settings, calls} in, a line of answers out.

Each payer has an empty purse at first. The argument is httpx, httpx-async or requests.
"""

import asyncio
import dataclasses
import json
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor

import httpx
import requests
import stripe402
import stripe402.httpx
import stripe402.requests

OPTIONS = {
    "paymentMethodId": "card",
    "clientId": "client_id",
    "currency": "currency",
    "maxPrice": "max_price",
    "maxCharge": "max_charge",
    "topUp": "top_up",
    "budgetTotal": "budget",
    "budgetPerDay": "budget_per_day",
    "origins": "origins",
    "credentials": "credentials",
}


def wallet(settings):
    return stripe402.Wallet(**{OPTIONS[name]: value for name, value in settings.items()})


def chunks(body):
    for start in range(0, len(body), 7):
        yield body[start : start + 7].encode()


async def chunks_async(body):
    for chunk in chunks(body):
        yield chunk


def camel(record):
    """A record in the names that the other adapters use."""
    if not dataclasses.is_dataclass(record):
        return record
    told = {}
    for field in dataclasses.fields(record):
        first, *rest = field.name.split("_")
        value = camel(getattr(record, field.name))
        if value is not None:
            told[first + "".join(word.title() for word in rest)] = value
    return told


def error_of(error):
    return {**error.details, "type": type(error).__name__}


def answered(status, body, response, settlement):
    paid = camel(stripe402.receipt_of(response))
    return {"status": status, "body": body, "paid": paid and {**paid, **settlement}}


def settled(ways, response):
    try:
        return {"settlement": camel(ways.settle(response))}
    except stripe402.Error as error:
        return {"settlementError": error_of(error)}


async def settled_async(transport, response):
    try:
        return {"settlement": camel(await transport.settle(response))}
    except stripe402.Error as error:
        return {"settlementError": error_of(error)}


def failed(error):
    if isinstance(error, stripe402.Error):
        return {"error": error_of(error)}
    return {"failed": "".join(traceback.format_exception(type(error), error, error.__traceback__))}


def in_threads(carry_out):
    def carry_out_all(calls):
        def one(call):
            try:
                return carry_out(**call)
            except Exception as error:
                return failed(error)

        with ThreadPoolExecutor(max_workers=len(calls)) as pool:
            return list(pool.map(one, calls))

    return carry_out_all


def by_httpx(settings):
    transport = stripe402.httpx.Transport(wallet(settings))
    client = httpx.Client(transport=transport, follow_redirects=True, timeout=30)

    def carry_out(url, method="GET", headers=None, body=None, stream=False):
        content = chunks(body) if stream else body
        response = client.request(method, url, headers=headers, content=content)
        return answered(response.status_code, response.text, response, settled(transport, response))

    return in_threads(carry_out)


def by_httpx_async(settings):
    transport = stripe402.httpx.AsyncTransport(wallet(settings))
    client = httpx.AsyncClient(transport=transport, follow_redirects=True, timeout=30)

    async def carry_out(url, method="GET", headers=None, body=None, stream=False):
        content = chunks_async(body) if stream else body
        response = await client.request(method, url, headers=headers, content=content)
        settlement = await settled_async(transport, response)
        return answered(response.status_code, response.text, response, settlement)

    async def one(call):
        try:
            return await carry_out(**call)
        except Exception as error:
            return failed(error)

    async def carry_out_all(calls):
        return await asyncio.gather(*(one(call) for call in calls))

    return lambda calls: LOOP.run_until_complete(carry_out_all(calls))


def by_requests(settings):
    adapter = stripe402.requests.Adapter(wallet(settings))
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", adapter)

    def carry_out(url, method="GET", headers=None, body=None, stream=False):
        data = chunks(body) if stream else body
        response = session.request(method, url, headers=headers, data=data, timeout=30)
        return answered(response.status_code, response.text, response, settled(adapter, response))

    return in_threads(carry_out)


LOOP = asyncio.new_event_loop()
ADAPTERS = {"httpx": by_httpx, "httpx-async": by_httpx_async, "requests": by_requests}


def main():
    make, payers = ADAPTERS[sys.argv[1]], {}
    for line in sys.stdin:
        asked = json.loads(line)
        number = asked["payer"]
        if number not in payers:
            payers[number] = make(asked["settings"])
        print(json.dumps(payers[number](asked["calls"])), flush=True)


main()
