"""Fetch a picture from the signed URL of a finished task (spark_batch/README.md, "Downloads")."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from http import HTTPStatus
from typing import IO
from urllib.parse import quote, urljoin, urlsplit

from spark_batch.client.address import is_public, split_url
from spark_batch.client.answers import retry_after
from spark_batch.client.network import proxy_of, tls
from spark_batch.client.outcomes import Fetched, FetchFailed, FetchOutcome
from spark_batch.client.wire import Fault, Incoming, Request, Wire, is_coded
from spark_batch.version import __version__

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Time limits in seconds: for connecting, for a silent server, and for whole operations.

    `create_total` is long, since giving up on an answer makes its attempt uncertain.
    """

    connect: float = 10.0
    read: float = 120.0
    create_total: float = 300.0
    poll_total: float = 30.0
    quote_total: float = 60.0
    fetch_total: float = 300.0


USUAL = Timeouts()


def utc_now() -> datetime:
    """The time now, in UTC."""
    return datetime.now(timezone.utc)


class Downloader:
    """Fetches pictures without a key. Safe to share between threads; `close` it afterwards.

    `private` returns whether a picture may be fetched from a private or loopback address, which is
    so when the API itself is on one. `environ` may have `NETWORK_VARIABLES`; others are ignored.
    Raises UsageError as `check_network` does.
    """

    def __init__(
        self,
        *,
        private: Callable[[], bool],
        timeouts: Timeouts = USUAL,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._private = private
        self._timeouts = timeouts
        self._agent = f"spark-batch/{__version__}"
        self._wait = partial(retry_after, now=now)
        self._wire = Wire(
            context=tls(environ),
            connect=timeouts.connect,
            read=timeouts.read,
            proxy=proxy_of(environ),
        )

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()

    def fetch(self, url: str, file: IO[bytes], *, expected_bytes: int | None) -> FetchOutcome:
        """Write the picture at the signed `url` into the open `file`.

        Sends no key to its host. The length must be the one that its server and the API
        (`expected_bytes`) announce; after a failure the file's content is of no use. Follows
        redirects itself, and every connection checks the address that it has reached: a name that
        resolves to another address a moment later gains nothing. Raises OSError if the file cannot
        be written.
        """
        deadline = time.monotonic() + self._timeouts.fetch_total
        where: str | None = url
        for _ in range(MAX_REDIRECTS + 1):
            target = _target(where)
            left = deadline - time.monotonic()
            if target is None:
                return _failed("the URL of the picture is not usable", fresh=True)
            if left <= 0:
                return _failed(f"not done within {self._timeouts.fetch_total:.3g} s")
            try:
                with self._wire.open(self._request(target, left)) as incoming:
                    if incoming.status not in _REDIRECTS:
                        return self._arrived(incoming, file, expected_bytes)
                    where = _next(target, incoming.headers.get("Location", ""))
            except Fault as fault:
                return _failed(fault.reason)
        return _failed(f"more than {MAX_REDIRECTS} redirects")

    def _request(self, url: str, total: float) -> Request:
        headers = {"User-Agent": self._agent, "Accept": "image/*", "Accept-Encoding": "identity"}
        return Request(
            method="GET",
            url=url,
            headers=headers,
            total=total,
            whole=self._timeouts.fetch_total,
            admit=lambda address: is_public(address) or self._private(),
            as_it_is=True,
        )

    def _arrived(
        self, incoming: Incoming, file: IO[bytes], expected_bytes: int | None
    ) -> FetchOutcome:
        status = incoming.status
        if status != HTTPStatus.OK:
            wait = self._wait(incoming.headers.get("Retry-After"))
            return _refused(f"HTTP {status}", fresh=status in _ENDED, wait=wait)
        announced = _announced(incoming)
        if max(announced or 0, expected_bytes or 0) > MAX_BYTES:
            return _refused(f"the picture is larger than {MAX_BYTES} bytes")
        try:
            size = _save(_picture(incoming), file, (announced, expected_bytes))
        except _NoPicture as fault:
            return _refused(str(fault), fresh=fault.fresh)
        return Fetched(bytes=size)


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


def _failed(reason: str, *, fresh: bool = False) -> FetchFailed:
    return FetchFailed(reason=f"download failed: {reason}", fresh_url=fresh)


def _refused(reason: str, *, fresh: bool = False, wait: float | None = None) -> FetchFailed:
    """The outcome of an answer that is not the picture."""
    return replace(_failed(reason, fresh=fresh), retry_after=wait, answered=True)


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


def _picture(incoming: Incoming) -> Iterator[bytes]:
    """The picture's bytes; raises _NoPicture for a page, and after too many bytes."""
    size = 0
    for chunk in incoming.chunks():
        if not size and chunk.lstrip(_SPACE).startswith(_PAGE):
            raise _NoPicture("a page came instead of a picture", fresh=True)
        size += len(chunk)
        if size > MAX_BYTES:
            raise _NoPicture(f"the picture is larger than {MAX_BYTES} bytes")
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
