"""What the environment says of connections: the HTTP proxy, and the CA bundle to trust.

The proxy is the one that SPARK_PROXY names, and no other. Other proxy settings (HTTP_PROXY,
HTTPS_PROXY, ALL_PROXY, those of the system) are ignored, so that no request takes another route by
accident.
"""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import SplitResult, unquote

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from spark_batch import redact
from spark_batch.client.address import parts_of_url
from spark_batch.errors import UsageError

PROXY_VARIABLE = "SPARK_PROXY"
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")  # the first that is set counts
# The environment variables for connections, which a process that fetches pictures needs.
NETWORK_VARIABLES = (*_CA_VARIABLES, PROXY_VARIABLE)

_FORM = "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
_HTTP_PORT = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy. Its user and password are only in `headers`, which no repr shows."""

    url: str
    headers: Mapping[str, str] = field(repr=False)


def proxy_of(environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that `SPARK_PROXY` names in `environ`; None if that is unset or empty.

    All output is redacted of its password from now on. Raises UsageError, which shows nothing of
    the value, for anything but the address of an HTTP proxy.
    """
    text = environ.get(PROXY_VARIABLE, "").strip()
    if not text:
        return None
    parts = parts_of_url(text)
    if parts is None or parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(f"{PROXY_VARIABLE} is not the address of an HTTP proxy: {_FORM}")
    if parts.scheme != "http":
        raise UsageError(
            f"{PROXY_VARIABLE}: only proxies that speak plain HTTP are supported: {_FORM}"
            " (requests to https addresses are encrypted all the way to the server)"
        )
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return Proxy(f"http://{shown}:{parts.port or _HTTP_PORT}", _headers(parts))


def _headers(parts: SplitResult) -> dict[str, str]:
    """The header with the user and the password, if there are any."""
    if parts.username is None:
        return {}
    user, password = unquote(parts.username), unquote(parts.password or "")
    coded = base64.b64encode(f"{user}:{password}".encode()).decode()
    for secret in (password, parts.password or "", coded):
        redact.remember(secret)
    return {"Proxy-Authorization": f"Basic {coded}"}


def check_network(environ: Mapping[str, str] = os.environ) -> None:
    """Check `NETWORK_VARIABLES`.

    Raises UsageError for a CA bundle that cannot be read, and for an invalid proxy address.
    """
    tls(environ)
    proxy_of(environ)


def tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    """A verifying TLS context with the environment's CA bundle, or else the one of requests.

    Raises UsageError for a bundle that cannot be read.
    """
    for variable in _CA_VARIABLES:
        named = environ.get(variable, "").strip()
        if named:
            break
    else:
        return _trusting(DEFAULT_CA_BUNDLE_PATH)
    try:
        if Path(named).is_dir():
            return ssl.create_default_context(capath=named)
        return _trusting(named)
    except OSError as error:
        reason = error.strerror or "no certificates in it"
        raise UsageError(f"{variable}: {named}: no usable CA bundle: {reason}") from None


def _trusting(bundle: str) -> ssl.SSLContext:
    path = Path(bundle).resolve()
    return _loaded(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)  # loading a bundle takes 18 ms, and a run needs it three times
def _loaded(bundle: Path, _modified: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=bundle)
