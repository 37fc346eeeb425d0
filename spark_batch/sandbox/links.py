"""Signed result URLs that end, as an object store gives them."""

from __future__ import annotations

import hashlib
import hmac

PATH = "/results"


def link(*, base: str, secret: bytes, task_id: str, expires: float) -> str:
    """A URL of a task's result that holds until `expires`, in Unix seconds."""
    moment = str(round(expires * 1000))
    signature = _signature(secret, task_id, moment)
    return f"{base}{PATH}/{task_id}.jpg?expires={moment}&signature={signature}"


def holds(*, secret: bytes, task_id: str, expires: str, signature: str, now: float) -> bool:
    """Whether the URL's parts were signed here and its time has not come; `now` in Unix seconds."""
    expected = _signature(secret, task_id, expires)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        return False
    return now * 1000 < int(expires)


def _signature(secret: bytes, task_id: str, expires: str) -> str:
    return hmac.new(secret, f"{task_id}\n{expires}".encode(), hashlib.sha256).hexdigest()
