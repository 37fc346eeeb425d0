"""Create and poll tasks, and fetch their pictures."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from spark_batch.client import reading, submission
from spark_batch.client.address import check_base_url, check_key, is_public
from spark_batch.client.answers import Answer, AnswerContext, parse, usable_id
from spark_batch.client.download import USUAL, Downloader, Timeouts, utc_now
from spark_batch.client.outcomes import (
    PollOutcome,
    QuoteOutcome,
    QuoteRefused,
    SubmitOutcome,
    TaskUnknown,
)
from spark_batch.client.text import cleaner, excerpt
from spark_batch.client.wire import Fault, Request
from spark_batch.models import Models

_CREATE = "/model/v1/generation"
_TASK = "/model/v1/generation/task/"
_PRECHARGE = "/model/v1/generation/precharge"

_Self = TypeVar("_Self", bound="TaskReader")
_MAX_ANSWER = 4 * 1024 * 1024  # bytes; an answer of the API has some hundreds


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
        timeouts: Timeouts = USUAL,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = utc_now,
        resolve: Callable[..., list[Any]] = socket.getaddrinfo,
    ) -> None:
        self._base = check_base_url(base_url)
        self._key = check_key(key)
        self._resolve = resolve
        self._near: bool | None = None
        self._models = models
        self._wash = cleaner(self._key)
        super().__init__(
            private=self.is_private,
            timeouts=timeouts,
            environ=environ,
            now=now,
        )

    def __enter__(self: _Self) -> _Self:
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
