"""Reads the bodies of answers, which may be hostile: a few bytes on the wire can decode to gigabytes."""

from __future__ import annotations

import zlib
from typing import Mapping, Optional

from .pay import MOST_BODY

#: How zlib reads each encoding. Some servers send ``deflate`` without the header of zlib.
_WINDOWS = {
    "gzip": (16 + zlib.MAX_WBITS,),
    "x-gzip": (16 + zlib.MAX_WBITS,),
    "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS),
}


def text_of(raw: bytes, headers: Mapping[str, str]) -> Optional[str]:
    """The text of a body as it was sent. ``None`` if the body is longer than ``MOST_BODY`` bytes, sent or decoded, or
    encoded in another way than once by gzip or deflate, or no UTF-8."""
    if len(raw) > MOST_BODY:
        return None
    names = (name.strip().lower() for name in headers.get("content-encoding", "").split(","))
    encodings = [name for name in names if name not in ("", "identity")]
    # Each encoding multiplies what a body can grow to, and no gateway applies two.
    if len(encodings) > 1:
        return None
    plain = _decoded(raw, encodings[0]) if encodings else raw
    try:
        return None if plain is None else plain.decode()
    except UnicodeDecodeError:
        return None


def _decoded(raw: bytes, encoding: str) -> Optional[bytes]:
    for window in _WINDOWS.get(encoding, ()):
        decoder = zlib.decompressobj(window)
        try:
            plain = decoder.decompress(raw, MOST_BODY + 1)
        except zlib.error:
            continue
        return plain if decoder.eof and len(plain) <= MOST_BODY else None
    return None
