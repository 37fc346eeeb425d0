"""Create and poll tasks, and fetch their pictures."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache, partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from spark_batch.client import download, reading, submission
from spark_batch.client.address import check_base_url, check_key, is_public
from spark_batch.client.answers import Answer, AnswerContext, parse, retry_after, usable_id
from spark_batch.client.outcomes import (
    FetchOutcome,
    PollOutcome,
    QuoteOutcome,
    QuoteRefused,
    SubmitOutcome,
    TaskUnknown,
)
from spark_batch.client.proxy import PROXY_VARIABLE, proxy_of
from spark_batch.client.text import cleaner, excerpt
from spark_batch.client.wire import Fault, Request, Wire
from spark_batch.errors import UsageError
from spark_batch.models import Models
from spark_batch.version import __version__

_CREATE = "/model/v1/generation"
_TASK = "/model/v1/generation/task/"
_PRECHARGE = "/model/v1/generation/precharge"

_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")  # the first that is set counts
# The environment variables for connections, which a process that fetches pictures needs.
NETWORK_VARIABLES = (*_CA_VARIABLES, PROXY_VARIABLE)

_MAX_ANSWER = 4 * 1024 * 1024  # bytes; an answer of the API has some hundreds


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


def _now() -> datetime:
    return datetime.now(timezone.utc)


class Downloader:
    """Fetches pictures without a key. Safe to share between threads; `close` it afterwards.

    `private` returns whether a picture may be fetched from a private or loopback address, which is
    so when the API itself is on one. `environ` may have `NETWORK_VARIABLES`; others are ignored.
    `clock` counts seconds, `now` gives the time. Raises UsageError as `check_network` does.
    """

    def __init__(
        self,
        *,
        private: Callable[[], bool],
        timeouts: Timeouts = Timeouts(),
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
        max_picture_bytes: int = download.MAX_BYTES,
    ) -> None:
        self._private = private
        self._agent = f"spark-batch/{__version__}"
        self._wait = partial(retry_after, now=now)
        self._wire = Wire(
            context=_tls(environ),
            connect=timeouts.connect,
            read=timeouts.read,
            proxy=proxy_of(environ),
        )
        self._terms = download.Terms(
            agent=self._agent,
            total=timeouts.fetch_total,
            admit=self._admits,
            clock=clock,
            wait=self._wait,
            max_bytes=max_picture_bytes,
        )

    def close(self) -> None:
        """Close all connections."""
        self._wire.close()

    def fetch(self, url: str, file: IO[bytes], *, expected_bytes: int | None) -> FetchOutcome:
        """Write the picture at the signed `url` into the open `file`.

        Sends no key to its host. The length must be the one that its server and the API
        (`expected_bytes`) announce; after a failure the file's content is of no use. Raises
        OSError if the file cannot be written.
        """
        return download.fetch(
            self._wire, url, file, expected_bytes=expected_bytes, terms=self._terms
        )

    def _admits(self, address: str) -> bool:
        return is_public(address) or self._private()


class TaskReader(Downloader):
    """Reads tasks and fetches their pictures.

    The error codes of a task are those of its model in `models`. `resolve` is called once, to find
    out whether the API itself is on a private address. The rest is as in `Downloader`. Raises
    UsageError for an invalid `base_url` or `key`.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        models: Models,
        timeouts: Timeouts = Timeouts(),
        environ: Mapping[str, str] = os.environ,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _now,
        resolve: Callable[..., list[Any]] = socket.getaddrinfo,
        max_picture_bytes: int = download.MAX_BYTES,
    ) -> None:
        self._base = check_base_url(base_url)
        self._key = check_key(key)
        self._timeouts = timeouts
        self._resolve = resolve
        self._near: bool | None = None
        self._models = models
        self._wash = cleaner(self._key)
        super().__init__(
            private=self.is_private,
            timeouts=timeouts,
            environ=environ,
            clock=clock,
            now=now,
            max_picture_bytes=max_picture_bytes,
        )

    def __enter__(self) -> TaskReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def poll(self, task_id: str, model: str) -> PollOutcome:
        """Poll a task; `model` is the name of its model."""
        context = self._context(model)
        if usable_id(task_id, context.answers) is None:
            return TaskUnknown(reason="the recorded task id is not valid")
        try:
            answer = self._ask("GET", _TASK + task_id, total=self._timeouts.poll_total)
        except Fault as fault:
            return reading.judge_fault(fault)
        return reading.judge(answer, context, task_id=task_id, key=self._key)

    def _context(self, model: str) -> AnswerContext:
        return AnswerContext(self._models.of(model), self._wash)

    def _ask(self, method: str, path: str, *, total: float, body: bytes | None = None) -> Answer:
        """Send one request to the API; raises Fault without an answer."""
        headers = {
            "Authorization": f"Bearer {self._key}",
            "User-Agent": self._agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if body is not None:
            headers |= {"Content-Type": "application/json", "Connection": "close"}
        request = Request(
            method=method,
            url=self._base + path,
            headers=headers,
            body=body,
            total=total,
            once=body is not None,
        )
        with self._wire.open(request) as incoming:
            data, cut = incoming.read(_MAX_ANSWER)
            return Answer(
                status=incoming.status,
                content=parse(data),
                excerpt=excerpt(data, self._wash),
                retry_after=self._wait(incoming.headers.get("Retry-After")),
                cut=cut,
            )

    def is_private(self) -> bool:
        """Whether the API itself is on a loopback or private address; looked up once."""
        if self._near is None:
            host = urlsplit(self._base).hostname
            try:
                found = self._resolve(host, None, type=socket.SOCK_STREAM)
            except (OSError, UnicodeError):
                return False
            self._near = any(not is_public(str(entry[4][0])) for entry in found)
        return self._near


class TaskClient(TaskReader):
    """A reader that can also create tasks, which cost money."""

    def __enter__(self) -> TaskClient:
        return self

    def submit(self, body: bytes, model: str) -> SubmitOutcome:
        """Create a task of the model with this name, by one POST that is never repeated.

        `body` comes from `bodies.Bodies`. The intent must be on disk before this is called.
        """
        try:
            answer = self._ask("POST", _CREATE, total=self._timeouts.create_total, body=body)
        except Fault as fault:
            return submission.judge_fault(fault)
        return submission.judge(answer, self._context(model))

    def quote(self, body: bytes, model: str) -> QuoteOutcome:
        """Ask the API what a request would cost. Creates no task; the API may refuse."""
        try:
            answer = self._ask("POST", _PRECHARGE, total=self._timeouts.quote_total, body=body)
        except Fault as fault:
            return QuoteRefused(reason=fault.reason)
        return submission.quote_of(answer, self._context(model))


def check_network(environ: Mapping[str, str] = os.environ) -> None:
    """Check `NETWORK_VARIABLES`.

    Raises UsageError for a CA bundle that cannot be read, and for an invalid proxy address.
    """
    _tls(environ)
    proxy_of(environ)


def _tls(environ: Mapping[str, str]) -> ssl.SSLContext:
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
