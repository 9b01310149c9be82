"""Pays with the unmodified pympp: pay.py URL TOKENS PAYMENT_METHOD TIMES [AT_ONCE]. One line of JSON a call."""

import asyncio
import base64
import json
import sys

import httpx
from mpp.client import Mpp
from mpp.methods.stripe import client as stripe

URL, TOKENS, PAYMENT_METHOD, TIMES, AT_ONCE = (*sys.argv[1:], "1")[:5]
made = 0


async def create_token(wanted):
    global made
    made += 1
    form = {
        "payment_method": PAYMENT_METHOD,
        "usage_limits[currency]": wanted.currency,
        "usage_limits[max_amount]": wanted.amount,
        "usage_limits[expires_at]": str(wanted.expires_at),
        "seller_details[network_id]": wanted.network_id,
    }
    headers = {"authorization": "Bearer sk_test_python", "stripe-version": "2026-04-22.preview"}
    async with httpx.AsyncClient() as client:
        answer = await client.post(TOKENS, data=form, headers=headers)
    return answer.json()["id"]


async def call(client):
    answer = await client.fetch(URL)
    receipt = answer.headers.get("payment-receipt")
    if receipt:
        receipt = json.loads(base64.urlsafe_b64decode(receipt + "=" * (-len(receipt) % 4)))
    told = {"status": answer.status_code, "made": made, "receipt": receipt, "body": answer.json()}
    print(json.dumps(told), flush=True)


async def main():
    methods = [stripe.charge(create_token=create_token, payment_method=PAYMENT_METHOD)]
    async with Mpp(methods=methods) as client:
        for _ in range(int(TIMES)):
            await asyncio.gather(*(call(client) for _ in range(int(AT_ONCE))))


asyncio.run(main())
