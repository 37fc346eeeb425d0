"""Check the key, the base URL and the addresses of downloads before anything is sent."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from spark_batch.errors import UsageError
from spark_batch.redact import KEY_NAME

LONGEST_URL = 16 * 1024  # characters; signed URLs are long, but shorter than this
# Networks that are not public by IANA's special-purpose registries, iana-ipv4-special-registry and
# iana-ipv6-special-registry on iana.org. Networks with exceptions, such as the anycast addresses in
# 192.0.0.0/24, are listed whole. Python's own `is_global` differs between versions ("Changed in
# version 3.13" in its documentation of `ipaddress`).
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this network, RFC 791
        "10.0.0.0/8",  # private use, RFC 1918
        "100.64.0.0/10",  # shared address space, RFC 6598
        "127.0.0.0/8",  # loopback, RFC 1122
        "169.254.0.0/16",  # link local, RFC 3927
        "172.16.0.0/12",  # private use, RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.0.2.0/24",  # documentation, RFC 5737
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "192.168.0.0/16",  # private use, RFC 1918
        "198.18.0.0/15",  # benchmarking, RFC 2544
        "198.51.100.0/24",  # documentation, RFC 5737
        "203.0.113.0/24",  # documentation, RFC 5737
        "224.0.0.0/4",  # multicast, RFC 5771
        "240.0.0.0/4",  # reserved, and limited broadcast, RFC 1112 and RFC 919
        "2001::/23",  # IETF protocol assignments with Teredo and ORCHID, RFC 2928
        "2001:db8::/32",  # documentation, RFC 3849
        "3fff::/20",  # documentation, RFC 9637
    )
)
# Top-level domains that no public host has: RFC 6761, RFC 6762, and ICANN's for private use.
_LOCAL_DOMAINS = ("localhost", "local", "internal")
_UNICAST = ipaddress.ip_network("2000::/3")  # all global unicast that IANA assigns, RFC 4291
# IPv6 addresses that carry an IPv4 one: the network, and the bits behind the carried address.
_CARRIERS = (
    (ipaddress.ip_network("::ffff:0:0/96"), 0),  # mapped, RFC 4291
    (ipaddress.ip_network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (ipaddress.ip_network("2002::/16"), 80),  # 6to4, RFC 3056
)


def check_key(text: str) -> str:
    """The API key `text` without surrounding white space.

    Raises UsageError, which never shows the key, for a key that is empty or not allowed in a
    header: the HTTP library's own error would print a key with a line end inside.
    """
    key = text.strip()
    if not key:
        raise UsageError(f"there is no API key: set {KEY_NAME}")
    if any(not "!" <= character <= "~" for character in key):
        raise UsageError(
            f"the API key in {KEY_NAME} is not usable: it must be printable ASCII without spaces;"
            " copy it again, without `Bearer`"
        )
    return key


def check_base_url(text: str) -> str:
    """The base URL `text` without a slash at its end.

    It must be https; http is allowed only for this machine, since it sends the key unencrypted.
    Raises UsageError for anything else, without showing a password.
    """
    parts = split_url(text.strip())
    if parts is None:
        raise UsageError(
            "the base URL is not an http(s) URL without a user name: check SPARK_BASE_URL"
        )
    if parts.query or parts.fragment:
        raise UsageError("the base URL has a query or a fragment: check SPARK_BASE_URL")
    if parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        raise UsageError(
            f"the base URL of {parts.hostname} must be https, since http would send the key"
            " unencrypted: check SPARK_BASE_URL"
        )
    return parts.geturl().rstrip("/")


def split_url(text: str) -> SplitResult | None:
    """The parts of an absolute http(s) URL; None for anything else, and for one with a user."""
    parts = parts_of_url(text)
    if parts is None or parts.scheme not in ("http", "https"):
        return None
    return parts if parts.username is None and parts.password is None else None


def parts_of_url(text: str) -> SplitResult | None:
    """The parts of a URL of printable ASCII with a host; None for anything else."""
    if len(text) > LONGEST_URL or any(not "!" <= character <= "~" for character in text):
        return None
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0 and "\\" not in text
    except ValueError:
        return None
    return parts if usable else None


def is_this_machine(host: str) -> bool:
    """Whether `host` is `localhost` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def stated_address(host: str) -> str | None:
    """The IP address that `host` is without a name server; None for a name to be resolved.

    IPv4 addresses count in all forms that resolvers accept, such as `127.1`. A name that no public
    host can have gives the empty text, which is not a public address.
    """
    plain = host.rstrip(".").casefold()
    try:
        return str(ipaddress.ip_address(plain.partition("%")[0]))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(plain))
    except (OSError, UnicodeError):
        pass
    local = "." not in plain or plain.rpartition(".")[2] in _LOCAL_DOMAINS
    return "" if local or plain.endswith(".home.arpa") else None


def is_public(address: str) -> bool:
    """Whether the IP address `address` is public.

    An IPv6 address that carries an IPv4 address is judged by that. Other IPv6 addresses are public
    if IANA assigns them without a special purpose. Any other text is not a public address.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    for network, bits in _CARRIERS:
        if parsed in network:
            return is_public(str(ipaddress.IPv4Address(int(parsed) >> bits & 0xFFFFFFFF)))
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _UNICAST:
        return False
    return not any(parsed in network for network in _NOT_PUBLIC)
