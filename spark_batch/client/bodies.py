"""Make request bodies. A picture is read, checked and encoded once, however many jobs use it."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path

from spark_batch.errors import PictureError
from spark_batch.jobs import Input, Job, Picture, Treatment
from spark_batch.jobs.structure import plain_values
from spark_batch.models import Models, PictureField

_MEMORY = 256 * 1024 * 1024  # bytes of encoded pictures in memory
_Key = tuple[str, Treatment | None]
_CHANGED = "the picture has changed since it was planned; plan and run again"


class Bodies:
    """Makes the bodies of jobs for `models`; safe to share between threads.

    Keeps at most `max_bytes` of encoded pictures, those that were used last. `fitted` returns the
    file to send for a picture with a treatment, or raises PictureError; `executor` calls it ahead
    of time.
    """

    def __init__(
        self,
        models: Models,
        *,
        fitted: Callable[[Path, Picture], bytes] | None = None,
        executor: Executor | None = None,
        max_bytes: int = _MEMORY,
    ) -> None:
        self._models = models
        self._fitted = fitted
        self._executor = executor
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes = 0
        self._coming: dict[_Key, Future[bytes]] = {}
        self._fitting: set[_Key] = set()
        self._given_up: set[_Key] = set()

    def body(self, job: Job) -> bytes:
        """The body of the POST for `job`: JSON with every parameter, the API's defaults too.

        The picture is inserted between two small pieces of JSON, since a JSON encoder would check
        megabytes of it character by character (11 ms against 2 ms: tests/benchmarks/bodies.py).

        Raises PictureError if the file cannot be read, or if its SHA-256 is no longer that of the
        job: sending it would pay for another picture than was planned.
        """
        own = {"prompt": job.prompt.text, "seed": job.seed, "scale": job.scale}
        own.update(plain_values((*job.size.parameters, *job.parameters)))
        given = {name: value for name, value in own.items() if value is not None}
        params = json.dumps(given, allow_nan=False)
        field, picture = self._source(job)
        head = f'{{"model": {json.dumps(job.model)}, "input": [{{"params": {params[:-1]}'
        begin, end = ("[", "]") if field.is_list else ("", "")
        opening = f'{head}, {json.dumps(field.name)}: {begin}"'
        return b"".join((opening.encode(), picture, f'"{end}}}}}]}}'.encode()))

    def ready(self, source: Input) -> bool:
        """Whether a picture can be sent at once; if not, the executor is fitting it: ask again.

        A picture that cannot be fitted is ready: `body` reports the error.
        """
        path, picture = source.path, source.picture
        if path is None or picture is None or picture.treatment is None or self._executor is None:
            return True
        key = picture.sha256, picture.treatment
        with self._lock:
            if key in self._kept or key in self._given_up:
                return True
            if key in self._fitting:
                return False
            self._fitting.add(key)
        self._executor.submit(self._prepare, path, picture, key)
        return False

    def _prepare(self, path: Path, picture: Picture, key: _Key) -> None:
        try:
            with suppress(PictureError):
                self._encoded(path, picture)
        finally:
            with self._lock:
                self._fitting.discard(key)
                if key not in self._kept:
                    self._given_up.add(key)

    def _source(self, job: Job) -> tuple[PictureField, bytes]:
        fields, source = self._models.of(job.model).fields, job.input
        if source.path is not None and source.picture is not None:
            if fields.base64 is None:
                raise PictureError(f"{source.path}: the model {job.model} takes only URLs")
            return fields.base64, self._encoded(source.path, source.picture)
        if source.url is None:
            raise PictureError(f"input {source.id}: there is neither a file nor a URL")
        if fields.url is None:
            raise PictureError(f"{source.url}: the model {job.model} takes only files")
        return fields.url, json.dumps(source.url)[1:-1].encode()

    def _encoded(self, path: Path, picture: Picture) -> bytes:
        """The file in Base64. The first thread that asks reads it, others wait for the result."""
        key = picture.sha256, picture.treatment
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
            coming = self._coming.get(key)
            if coming is None:
                mine = self._coming[key] = Future()
        if coming is not None:
            return coming.result()
        try:
            encoded = self._made(path, picture)
        except BaseException as error:
            with self._lock:
                del self._coming[key]
            mine.set_exception(error)
            raise
        self._keep(key, encoded)
        mine.set_result(encoded)
        return encoded

    def _made(self, path: Path, picture: Picture) -> bytes:
        if picture.treatment is None:
            return _read(path, picture)
        if self._fitted is None:
            raise PictureError(f"{path}: the picture needs fitting, and `fitted` is not given")
        return base64.b64encode(self._fitted(path, picture))

    def _keep(self, key: _Key, encoded: bytes) -> None:
        with self._lock:
            del self._coming[key]
            self._kept[key] = encoded
            self._bytes += len(encoded)
            while self._bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)


def _read(path: Path, picture: Picture) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(picture.bytes + 1)
    except OSError as error:
        reason = error.strerror or "no reason given"
        raise PictureError(f"{path}: the picture cannot be read: {reason}") from None
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        raise PictureError(f"{path}: {_CHANGED}")
    return base64.b64encode(data)
