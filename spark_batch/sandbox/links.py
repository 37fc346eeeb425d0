"""Signed result URLs that end, as an object store gives them."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

PATH = "/results"
LOOP = f"{PATH}/loop"

FOLDER = f"{PATH}/tplv-obj~"

# Escapes that are equal to what they stand for by RFC 3986, in both cases of letters: whoever
# writes them anew breaks the signature. The folder is FOLDER.
_ESCAPED_FOLDER = f"{PATH}/tplv%2dobj%7E"
_ESCAPED_QUERY = "&x-process=%2dresize%2F%2f%41~%7E!'()*"


def link(*, base: str, secret: bytes, name: str, expires: float, escaped: bool = False) -> str:
    """A URL of the result file `name` that holds until `expires`, in Unix seconds.

    The signature covers each byte before it. `escaped` adds percent-encoding that a client may not
    normalize.
    """
    folder, query = (_ESCAPED_FOLDER, _ESCAPED_QUERY) if escaped else (PATH, "")
    target = f"{folder}/{name}?expires={round(expires * 1000)}{query}"
    return f"{base}{target}&signature={_signature(secret, target)}"


def holds(target: str, *, secret: bytes, now: float) -> bool:
    """Whether a request's target was signed here and its time has not come.

    `target` is path and query as they came; `now` is Unix seconds.
    """
    signed, _, signature = target.rpartition("&signature=")
    if not hmac.compare_digest(_signature(secret, signed).encode(), signature.encode()):
        return False
    return now * 1000 < int(parse_qs(urlsplit(signed).query)["expires"][0])


def _signature(secret: bytes, target: str) -> str:
    return hmac.new(secret, target.encode(), hashlib.sha256).hexdigest()
