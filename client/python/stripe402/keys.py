"""Keys: client ids for others, which spend your balance within limits of their own.

``session`` is a ``requests.Session`` or an ``httpx.Client``; ``proof`` is ``{"paymentMethodId": "pm_…"}``, a card of yours, or
``{"clientId": "…"}``, a key of yours that may manage keys. Amounts are in units, times are Unix milliseconds.
"""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Dict, List, Mapping, Optional
from urllib.parse import quote

from .errors import to_error
from .wallet import origin_of

_HERE = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?")


class KeyRefused(Exception):
    """A gateway did not do what was asked of keys."""

    def __init__(self, status: int, body: Any) -> None:
        error = body.get("error") if isinstance(body, dict) else None
        text = error.get("message") if isinstance(error, dict) else error
        super().__init__(text or f"the gateway answered {status}")
        #: The status of its answer.
        self.status = status
        #: What it said.
        self.body = body


def create_key(
    session: Any,
    url: str,
    proof: Mapping[str, str],
    key: Mapping[str, Any],
    *,
    idempotency_key: Optional[str] = None,
    allow_http: bool = False,
) -> Dict[str, Any]:
    """Makes a key at the server of a URL: ``label``, ``currency``, ``budget``, ``expires``, ``routes``, ``rights``.

    Its ``key`` is shown this once.
    """
    payment = {**proof, "key": dict(key)}
    if idempotency_key is not None:
        payment["idempotencyKey"] = idempotency_key
    return _ask(session, "POST", url, "", payment, allow_http)


def list_keys(session: Any, url: str, proof: Mapping[str, str], *, allow_http: bool = False) -> List[Dict[str, Any]]:
    """All keys, without the keys themselves."""
    keys: List[Dict[str, Any]] = _ask(session, "GET", url, "", proof, allow_http)["keys"]
    return keys


def change_key(
    session: Any, url: str, proof: Mapping[str, str], key_id: str, key: Mapping[str, Any], *, allow_http: bool = False
) -> Dict[str, Any]:
    """Changes a key, by its id: ``label``, ``budget`` and ``routes`` as a whole, ``expires``."""
    return _ask(session, "PATCH", url, f"/{quote(key_id, safe='')}", {**proof, "key": dict(key)}, allow_http)


def revoke_key(
    session: Any, url: str, proof: Mapping[str, str], key_id: str, *, allow_http: bool = False
) -> Dict[str, Any]:
    """Revokes a key, by its id, for good."""
    return _ask(session, "DELETE", url, f"/{quote(key_id, safe='')}", proof, allow_http)


def rotate_id(
    session: Any,
    url: str,
    proof: Mapping[str, str],
    *,
    grace_seconds: int = 0,
    idempotency_key: Optional[str] = None,
    allow_http: bool = False,
) -> Dict[str, Any]:
    """Rotates a card's client id: those so far spend for ``grace_seconds`` more.

    Answers ``clientId``, ``generation`` and ``oldUntil``. Only a card can ask.
    """
    payment: Dict[str, Any] = {**proof, "graceSeconds": grace_seconds}
    if idempotency_key is not None:
        payment["idempotencyKey"] = idempotency_key
    return _ask(session, "POST", url, "/rotate", payment, allow_http)


def _ask(session: Any, method: str, url: str, below: str, payment: Mapping[str, Any], allow_http: bool) -> Dict[str, Any]:
    origin = origin_of(url)
    if not (origin.startswith("https://") or _HERE.fullmatch(origin) or allow_http):
        raise to_error({"code": "not_encrypted", "message": f"{origin} is asked over https only", "origin": origin})
    text = json.dumps({"stripe402Version": 1, **payment})
    headers = {"payment": base64.b64encode(text.encode()).decode()}
    answer = session.request(method, f"{origin}/.well-known/stripe402/keys{below}", headers=headers)
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code >= 300 or not isinstance(body, dict):
        raise KeyRefused(answer.status_code, body)
    return body
