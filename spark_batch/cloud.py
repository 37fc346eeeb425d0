"""Files at addresses such as `s3://bucket/key`. The only module that uses fsspec.

The user installs fsspec (the extra `cloud`) and the driver for an address. The driver finds its
credentials itself; none of our texts contains them.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from spark_batch.errors import StoreError, UsageError
from spark_batch.redact import redacted, without_queries
from spark_batch.text import one_line, pip_install, printable, quoted

# Object stores, in which an object appears only when it is whole, and their drivers.
OBJECT_STORES = {
    **dict.fromkeys(("s3", "s3a"), "s3fs"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), "adlfs"),
}
_PASSWORD = re.compile(r"(?<=://)[^\s/@]*:[^\s/@]*@")
_SHOWN = 300  # characters of a driver's error


def protocol_of(text: str) -> str | None:
    """The protocol of an address, in lower case; None for the path of a file or folder."""
    protocol, mark, _ = text.partition("://")
    return protocol.lower() if mark else None


def shown(address: str) -> str:
    """An address as messages show it: without a password, and without the query that signs it."""
    return printable(_PASSWORD.sub("[secret]@", without_queries(address)))


@dataclass(frozen=True, slots=True)
class Seen:
    """A store's description of a file: its size in bytes, and a text that changes with it."""

    bytes: int
    version: str


class Store:
    """The files below an address, or the one at it, whose name is empty.

    Opening it reads nothing. Raises UsageError for an invalid address, or when fsspec or the driver
    is not installed; all methods raise StoreError when the store refuses or cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.shown = shown(address)
        self._protocol = protocol_of(address) or ""
        logging.getLogger("asyncio").addFilter(_is_no_echo)
        self._files, self._root = _opened(address, self._protocol, self.shown)

    @property
    def at_once(self) -> int:
        """How many files may be written at the same time."""
        return 8 if getattr(self._files, "async_impl", False) else 1

    def sizes(self) -> dict[str, int]:
        """The sizes in bytes of all files below the address, by name."""
        with self._errors("list"):
            self._files.invalidate_cache()
            try:
                found = self._files.find(self._root, detail=True)
            except FileNotFoundError:
                return {}
        start = len(self._root.strip("/")) + 1
        return {path.lstrip("/")[start:]: int(facts["size"] or 0) for path, facts in found.items()}

    def seen(self, name: str = "") -> Seen | None:
        """The store's description of a file; None when there is none."""
        with self._errors("read", name):
            self._files.invalidate_cache()
            try:
                facts = self._files.info(self._path(name))
            except FileNotFoundError:
                return None
        if facts.get("type") != "file":
            return None
        marks = ("ETag", "etag", "md5Hash", "content_md5", "generation", "mtime", "LastModified")
        known = [f"{mark}={facts[mark]}" for mark in marks if facts.get(mark)]
        return Seen(int(facts["size"] or 0), ", ".join(known))

    def read(self, name: str = "", *, most: int | None = None) -> bytes | None:
        """The content of a file, or its first `most` bytes; None when there is none."""
        part = {} if most is None else {"start": 0, "end": most}
        with self._errors("read", name):
            try:
                content: bytes = self._files.cat_file(self._path(name), **part)
            except FileNotFoundError:
                return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a file; in an object store, all of it or nothing."""
        path = self._path(name)
        with self._errors("write", name):
            try:
                self._files.pipe_file(path, content)
            except FileNotFoundError:
                if self._protocol in OBJECT_STORES:  # do not create a bucket for a misspelt name
                    raise
                self._files.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
                self._files.pipe_file(path, content)

    def delete(self, name: str) -> None:
        """Delete a file, if it exists."""
        with self._errors("delete", name):
            try:
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}" if name else self._root

    @contextmanager
    def _errors(self, verb: str, name: str = "") -> Iterator[None]:
        """Turn any exception of a driver into a StoreError of one line."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - drivers raise errors of their own
            place = f"{self.shown.rstrip('/')}/{name}" if name else self.shown
            raise StoreError(f"cannot {verb} {place}: {_reason(error)}") from None


def _opened(address: str, protocol: str, shown_address: str) -> tuple[Any, str]:
    """The driver's file system, and the address as a path in it."""
    try:
        core = import_module("fsspec.core")
    except ModuleNotFoundError as error:
        if error.name not in ("fsspec", "fsspec.core"):
            raise
        packages = ("fsspec", *filter(None, [OBJECT_STORES.get(protocol)]))
        raise UsageError(f"{shown_address} needs {pip_install(packages)}") from None
    try:
        # Not a cached instance, whose credentials and lists of files may be out of date.
        files, root = core.url_to_fs(address, skip_instance_cache=True)
    except ImportError as error:
        if driver := OBJECT_STORES.get(protocol):
            raise UsageError(f"{shown_address} needs {pip_install([driver])}") from None
        raise UsageError(f"{shown_address} needs a driver of fsspec: {_reason(error)}") from None
    except Exception as error:  # noqa: BLE001 - drivers raise errors of their own
        raise UsageError(f"{shown_address} cannot be used: {_reason(error)}") from None
    if not root.strip("/") and protocol in OBJECT_STORES:
        raise UsageError(f"{quoted(shown_address)} names no bucket: write {protocol}://BUCKET/NAME")
    return files, root


def _is_no_echo(record: logging.LogRecord) -> bool:
    """Whether a record is not one that asyncio logs about a driver's connections.

    The driver raises these errors as well, and we report them in one line.
    """
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not kind.__module__.startswith("aiohttp")


def _reason(error: Exception) -> str:
    """A driver's error message, on one line, without credentials."""
    words = str(error) or type(error).__name__
    return one_line(_PASSWORD.sub("[secret]@", redacted(words)), _SHOWN)
