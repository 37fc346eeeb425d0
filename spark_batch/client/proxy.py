"""The HTTP proxy that requests go through: the one that SPARK_PROXY names, and no other.

Other proxy settings (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, those of the system) are ignored, so that
no request takes another route by accident.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from spark_batch import redact
from spark_batch.errors import UsageError

PROXY_VARIABLE = "SPARK_PROXY"

_FORM = "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
_HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. Its user and password are only in `headers`, which no repr shows."""

    url: str
    headers: Mapping[str, str] = field(repr=False)

    @property
    def by_scheme(self) -> dict[str, str]:
        """The proxy in the form of requests: by the scheme of the target."""
        return {"http": self.url, "https": self.url}


def proxy_of(environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that `SPARK_PROXY` names in `environ`; None if that is unset or empty.

    All output is redacted of its password from now on. Raises UsageError, which shows nothing of
    the value, for anything but the address of an HTTP proxy.
    """
    text = environ.get(PROXY_VARIABLE, "").strip()
    if not text:
        return None
    parts = _parts(text)
    if parts is None:
        raise UsageError(f"{PROXY_VARIABLE} is not the address of an HTTP proxy: {_FORM}")
    if parts.scheme != "http":
        raise UsageError(
            f"{PROXY_VARIABLE}: only proxies that speak plain HTTP are supported: {_FORM}"
            " (requests to https addresses are encrypted all the way to the server)"
        )
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return Proxy(f"http://{shown}:{parts.port or _HTTP_PORT}", _headers(parts))


def _parts(text: str) -> SplitResult | None:
    """The parts of a proxy's address; None for anything else."""
    if any(not "!" <= character <= "~" for character in text):
        return None
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and "\\" not in text
    except ValueError:
        return None
    further = parts.path.strip("/") or parts.query or parts.fragment
    return parts if usable and not further else None


def _headers(parts: SplitResult) -> dict[str, str]:
    """The header with the user and the password, if there are any."""
    if parts.username is None:
        return {}
    user, password = unquote(parts.username), unquote(parts.password or "")
    coded = base64.b64encode(f"{user}:{password}".encode()).decode()
    for secret in (password, parts.password or "", coded):
        redact.remember(secret)
    return {"Proxy-Authorization": f"Basic {coded}"}
