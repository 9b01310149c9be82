"""What a metered request cost, and what is left: asked for, since these libraries show no trailers."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import asdict
from functools import partial
from typing import Any, Optional, Union

from .errors import to_error
from .pay import Network, Steps
from .records import Balance, Hold, Settlement, read, receipt_of
from .wallet import Wallet, origin_of

#: For one answer, in seconds; an address that is silent for so long is asked again, or given up.
PATIENCE = 2.0


def _showing(client_id: str) -> str:
    """A ``payment`` header that names who we are, and pays nothing."""
    payment = json.dumps({"stripe402Version": 1, "clientId": client_id})
    return base64.b64encode(payment.encode()).decode()


def hold_of(of: Union[Hold, object]) -> Optional[Hold]:
    if isinstance(of, Hold):
        return of
    paid = receipt_of(of)
    return paid.hold if paid else None


def settle(wallet: Wallet, network: Network, hold: Hold) -> Steps:
    """Asks the hold's origin, for a few seconds while the hold is open."""
    known = yield network.keep(partial(wallet.known, hold.origin))
    client_id = known.get("clientId")
    if client_id is None:
        message = f"nothing is known of {hold.origin} any more; the whole hold counts as spent"
        raise to_error({"code": "unsettled", "message": message})
    if not wallet.is_shown(hold.origin):
        message = f"{hold.origin} is asked over https only"
        raise to_error({"code": "not_encrypted", "message": message, "origin": hold.origin})
    url = f"{hold.origin}/.well-known/stripe402/receipts/{hold.id}"
    began = time.monotonic()
    while True:
        told = yield network.get(url, _showing(client_id))
        waited = int((time.monotonic() - began) * 1000)
        answer = json.dumps(told and {"status": told[0], "body": told[1]})
        heard = json.loads((yield network.keep(partial(wallet.core.settle, json.dumps(asdict(hold)), answer, waited))))
        if "settlement" in heard:
            return read(Settlement, heard["settlement"])
        if "error" in heard:
            raise to_error(heard["error"])
        yield network.sleep(heard["after"] / 1000)


def balance(wallet: Wallet, network: Network, url: str) -> Steps:
    """Asks the gateway at the URL's origin; where it does not tell, its last receipt does."""
    origin = origin_of(url)
    purse = json.loads((yield network.keep(wallet.purse)))
    known: dict[str, Any] = purse["origins"].get(origin, {})
    client_id = known.get("clientId")
    given = wallet.client_id_given
    # An id of the caller's is shown to origins that are named, or where it has paid.
    if client_id is None and given is not None:
        is_named = any(name.rstrip("/") == origin for name in wallet.origins or ())
        if is_named or purse["bound"].get(given) == origin:
            client_id = given
    if client_id is not None and wallet.is_shown(origin):
        told = _read_balance((yield network.get(f"{origin}/.well-known/stripe402/balance", _showing(client_id))))
        if told:
            return told
    left = known.get("balances", {}).get(wallet.currency)
    return None if left is None else Balance(left, wallet.currency, now=False)


def _read_balance(told: Optional[tuple[int, str]]) -> Optional[Balance]:
    """``None`` if the gateway does not tell, for whatever reason."""
    if told is None or told[0] != 200:
        return None
    try:
        said = json.loads(told[1])
        left, currency = said["creditsRemaining"], said["currency"]
    except (ValueError, KeyError, TypeError):
        return None
    is_right = type(left) is int and isinstance(currency, str)
    return Balance(left, currency, now=True) if is_right else None
