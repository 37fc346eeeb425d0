"""Fetch a picture from the signed URL of a finished task (spark_batch/README.md, "Downloads")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import IO, TypeAlias
from urllib.parse import quote, urljoin, urlsplit

from spark_batch.client.address import split_url
from spark_batch.client.outcomes import Fetched, FetchFailed, FetchOutcome
from spark_batch.client.wire import Fault, Incoming, Request, Wire, is_coded

MAX_BYTES = 64 * 1024 * 1024  # no picture of the API's sizes comes near it
MAX_REDIRECTS = 5

_REDIRECTS = (
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
)
# What object stores answer for an expired signature, or for a deleted object.
_ENDED = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
)
_PRINTABLE = "".join(map(chr, range(ord("!"), ord("~") + 1)))
_PAGE = (b"<", b"{")  # HTML, XML and JSON begin so, and no picture does
_SPACE = b" \t\r\n\xef\xbb\xbf"

Wait: TypeAlias = Callable[[str | None], float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Settings for every hop of a download: headers without the key, and allowed addresses.

    `total` is in seconds, for all hops together; `clock` counts them; `wait` parses a
    `Retry-After`.
    """

    agent: str
    total: float
    admit: Callable[[str], bool]
    clock: Callable[[], float]
    wait: Wait
    max_bytes: int = MAX_BYTES


def fetch(
    wire: Wire, url: str, file: IO[bytes], *, expected_bytes: int | None, terms: Terms
) -> FetchOutcome:
    """Write the picture at `url` into `file`, whose content is of no use after a failure.

    Follows redirects itself, and every connection checks the address that it has reached: a name
    that resolves to another address a moment later gains nothing.

    Raises OSError if the file cannot be written.
    """
    deadline = terms.clock() + terms.total
    where: str | None = url
    for _ in range(MAX_REDIRECTS + 1):
        target = _target(where)
        left = deadline - terms.clock()
        if target is None:
            return _failed("the URL of the picture is not usable", fresh=True)
        if left <= 0:
            return _failed(f"not done within {terms.total:.3g} s")
        try:
            with wire.open(_request(target, left, terms)) as incoming:
                if incoming.status not in _REDIRECTS:
                    return _arrived(incoming, file, expected_bytes=expected_bytes, terms=terms)
                where = _next(target, incoming.headers.get("Location", ""))
        except Fault as fault:
            return _failed(fault.reason)
    return _failed(f"more than {MAX_REDIRECTS} redirects")


def _target(url: str | None) -> str | None:
    """`url` in the form to send; None unless it is an http(s) URL without a user.

    A signature covers its bytes: only those that a request line cannot contain are escaped.
    """
    try:
        escaped = quote(url or "", safe=_PRINTABLE)
    except UnicodeEncodeError:  # half of a surrogate pair
        return None
    return escaped if split_url(escaped) is not None else None


def _next(url: str, location: str) -> str | None:
    try:
        absolute = bool(urlsplit(location).scheme)
        return location if absolute else urljoin(url, location) if location else None
    except ValueError:
        return None


def _request(url: str, total: float, terms: Terms) -> Request:
    headers = {"User-Agent": terms.agent, "Accept": "image/*", "Accept-Encoding": "identity"}
    return Request(
        method="GET",
        url=url,
        headers=headers,
        total=total,
        whole=terms.total,
        admit=terms.admit,
        as_it_is=True,
    )


def _failed(reason: str, *, fresh: bool = False) -> FetchFailed:
    return FetchFailed(reason=f"download failed: {reason}", fresh_url=fresh)


def _refused(reason: str, *, fresh: bool = False, wait: float | None = None) -> FetchFailed:
    """The outcome of an answer that is not the picture."""
    return replace(_failed(reason, fresh=fresh), retry_after=wait, answered=True)


def _arrived(
    incoming: Incoming, file: IO[bytes], *, expected_bytes: int | None, terms: Terms
) -> FetchOutcome:
    status = incoming.status
    if status != HTTPStatus.OK:
        wait = terms.wait(incoming.headers.get("Retry-After"))
        return _refused(f"HTTP {status}", fresh=status in _ENDED, wait=wait)
    announced = _announced(incoming)
    if max(announced or 0, expected_bytes or 0) > terms.max_bytes:
        return _refused(f"the picture is larger than {terms.max_bytes} bytes")
    try:
        size = _save(_picture(incoming, cap=terms.max_bytes), file, (announced, expected_bytes))
    except _NoPicture as fault:
        return _refused(str(fault), fresh=fault.fresh)
    return Fetched(bytes=size)


class _NoPicture(Exception):
    """The response is not the picture; `fresh`: a new URL may help."""

    def __init__(self, reason: str, *, fresh: bool = False) -> None:
        super().__init__(reason)
        self.fresh = fresh


def _announced(incoming: Incoming) -> int | None:
    """The `Content-Length`, where it is the length of the picture itself."""
    length = incoming.headers.get("Content-Length", "")
    coded = is_coded(incoming.headers.get("Content-Encoding", ""))
    chunked = "Transfer-Encoding" in incoming.headers
    usable = length.isascii() and length.isdecimal() and not coded and not chunked
    return int(length[:20]) if usable else None


def _picture(incoming: Incoming, *, cap: int) -> Iterator[bytes]:
    """The picture's bytes; raises _NoPicture for a page, and after more than `cap` bytes."""
    size = 0
    for chunk in incoming.chunks():
        if not size and chunk.lstrip(_SPACE).startswith(_PAGE):
            raise _NoPicture("a page came instead of a picture", fresh=True)
        size += len(chunk)
        if size > cap:
            raise _NoPicture(f"the picture is larger than {cap} bytes")
        yield chunk


def _save(chunks: Iterator[bytes], file: IO[bytes], announced: tuple[int | None, ...]) -> int:
    """Write `chunks` into `file`; returns their length, which must equal every announced one."""
    size = 0
    for chunk in chunks:
        file.write(chunk)
        size += len(chunk)
    file.flush()
    for length in announced:
        if length is not None and length != size:
            raise _NoPicture(f"received {size} bytes, expected {length}")
    if not size:
        raise _NoPicture("the file is empty")
    return size
