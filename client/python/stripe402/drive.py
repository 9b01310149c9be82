"""Runs the generators of ``pay`` and ``settle``."""

from __future__ import annotations

from typing import Any, Optional

from .pay import Steps


def run(steps: Steps) -> Any:
    """With a synchronous network."""
    result = None
    while True:
        try:
            result = steps.send(result)
        except StopIteration as end:
            return end.value


async def run_async(steps: Steps) -> Any:
    """With an asynchronous network."""
    result: Any = None
    failed: Optional[Exception] = None
    try:
        while True:
            try:
                wanted = steps.throw(failed) if failed else steps.send(result)
            except StopIteration as end:
                return end.value
            try:
                result, failed = await wanted, None
            except Exception as error:
                result, failed = None, error
    finally:
        # A call that is cancelled gives its turn back at once.
        steps.close()
