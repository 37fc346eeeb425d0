"""What is checked before anything leaves: the key, the base URL, and the addresses of downloads."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from spark_batch.errors import UsageError

KEY_VARIABLE = "SPARK_API_KEY"

_MAX_URL = 16 * 1024  # a signed URL is long; one past this is no URL
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def check_key(text: str) -> str:
    """The API key `text` without surrounding white space.

    Raises UsageError, which never shows the key, for one that is empty or could not stand in a
    header: a line end inside would be printed by the HTTP library's own error (reliability.md).
    """
    key = text.strip()
    if not key:
        raise UsageError(f"there is no API key: set {KEY_VARIABLE}")
    if any(not "!" <= character <= "~" for character in key):
        raise UsageError(
            f"the API key in {KEY_VARIABLE} is not usable: it must be printable ASCII "
            "without spaces; copy it again, without `Bearer`"
        )
    return key


def check_base_url(text: str) -> str:
    """The base URL `text` without a slash at its end.

    It is https; http is taken for this machine only, since the key would travel in clear. Raises
    UsageError for anything else; a password inside is not shown.
    """
    parts = split_url(text.strip())
    if parts is None:
        raise UsageError("the base URL is no http(s) URL without user name: check SPARK_BASE_URL")
    if parts.query or parts.fragment:
        raise UsageError("the base URL has a query or a fragment: check SPARK_BASE_URL")
    if parts.scheme == "http" and not _is_this_machine(parts.hostname or ""):
        raise UsageError(f"the base URL of {parts.hostname} must be https: http shows the key")
    return parts.geturl().rstrip("/")


def split_url(text: str) -> SplitResult | None:
    """The parts of an absolute http(s) URL; None for anything else, and for one with a user."""
    if len(text) > _MAX_URL or any(not "!" <= character <= "~" for character in text):
        return None
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and "\\" not in text
    except ValueError:
        return None
    named = parts.username is not None or parts.password is not None
    return parts if usable and not named and parts.scheme in ("http", "https") else None


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_public(address: str) -> bool:
    """Whether the IP address `address` is one of the open internet.

    An IPv6 address that carries an IPv4 one is judged by what it carries; what is no address is
    not public.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast
