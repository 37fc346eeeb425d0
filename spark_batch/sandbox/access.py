"""Access control: loopback hosts, the API key, and signed result URLs that expire."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

RESULTS = "/results"
RESULTS_TO_ESCAPE = f"{RESULTS}/tplv-obj~"
REDIRECT_LOOP = f"{RESULTS}/loop"

_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
# RESULTS_TO_ESCAPE, and a query, with escapes that RFC 3986 calls equivalent to their characters.
# A client that normalizes them breaks the signature.
_ESCAPED_FOLDER = f"{RESULTS}/tplv%2dobj%7E"
_ESCAPED_QUERY = "&x-process=%2dresize%2F%2f%41~%7E!'()*"


class LoopbackOnly:
    """ASGI middleware that answers `refusal` unless the request's Host is a loopback name.

    A page in a browser could otherwise read prompts and pictures: its own host name, resolved to
    127.0.0.1 (DNS rebinding), makes the sandbox part of its origin.
    """

    def __init__(self, app: ASGIApp, *, refusal: ASGIApp) -> None:
        self._app = app
        self._refusal = refusal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = Headers(scope=scope).get("host", "")
        app = self._app if _LOOPBACK.fullmatch(host) else self._refusal
        await app(scope, receive, send)


def authorized(header: str, *, expected: str | None) -> bool:
    """Whether an Authorization header has the expected key, or any key if `expected` is None."""
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return False
    return expected is None or hmac.compare_digest(key.strip().encode(), expected.encode())


def signed_url(
    *, base: str, secret: bytes, name: str, expires: float, escaped: bool = False
) -> str:
    """The URL of the result file `name`, valid until `expires`, in Unix seconds.

    The signature covers every byte before it. `escaped` adds percent-encoding that a client must
    not normalize.
    """
    folder, query = (_ESCAPED_FOLDER, _ESCAPED_QUERY) if escaped else (RESULTS, "")
    target = f"{folder}/{name}?expires={round(expires * 1000)}{query}"
    return f"{base}{target}&signature={_signature(secret, target)}"


def is_valid(target: str, *, secret: bytes, now: float) -> bool:
    """Whether a request's target has a valid signature and has not expired.

    `target` is the path and the query as received; `now` is in Unix seconds.
    """
    signed, _, signature = target.rpartition("&signature=")
    if not hmac.compare_digest(_signature(secret, signed).encode(), signature.encode()):
        return False
    return now * 1000 < int(parse_qs(urlsplit(signed).query)["expires"][0])


def _signature(secret: bytes, target: str) -> str:
    return hmac.new(secret, target.encode(), hashlib.sha256).hexdigest()
