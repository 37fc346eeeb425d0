"""Fetch input pictures from object stores, and keep them below the output folder.

`OUTPUT/.spark-batch/inputs/` has pictures under their SHA-256, and for every address a file with
the picture's SHA-256 and the store's description of it: its size and version. A picture is read
again only when that description has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from spark_batch import atomic, cloud
from spark_batch.errors import PictureError, StoreError, UsageError
from spark_batch.pictures.disk import sha256
from spark_batch.recipe.inputs import Fetched

_MOST_INDEX = 1 << 16  # bytes
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Known:
    """A picture that was read at an address, and the store's description of it."""

    bytes: int
    version: str
    sha256: str


def fetch(address: str, folder: Path, *, most: int) -> Fetched:
    """Fetch the picture at an address, of at most `most` bytes, into `folder`.

    When the store cannot be reached, returns the picture that was read before, with a warning.
    Raises PictureError.
    """
    shown = cloud.shown(address)
    name = hashlib.sha256(address.encode(errors="surrogatepass")).hexdigest()
    index = folder / f"{name}.json"
    try:
        atomic.refuse_links(folder.parent, folder, index)
        known = _read(index, folder)
        store = cloud.Store(address)
        try:
            seen = store.seen()
        except StoreError as error:
            if known is None:
                raise
            return Fetched(folder / known.sha256, f"{error}; taken as it was read before")
        if seen is None:
            raise PictureError(f"there is no object {shown}: check the address")
        if known and seen.version and (known.bytes, known.version) == (seen.bytes, seen.version):
            return Fetched(folder / known.sha256)
        return Fetched(_kept(_content(store, seen, most), seen, index))
    except (StoreError, UsageError) as error:
        raise PictureError(str(error)) from None
    except OSError as error:
        raise PictureError(f"{shown} cannot be kept in {folder}: {error.strerror}") from None


def _content(store: cloud.Store, seen: cloud.Seen, most: int) -> bytes:
    """The content of an object of at most `most` bytes. Raises PictureError and StoreError."""
    if seen.bytes > most:
        raise PictureError(
            f"{store.shown} has {seen.bytes} bytes, at most {most} are allowed; save it smaller, or"
            " let `fit: true` do it"
        )
    content = store.read(most=seen.bytes + 1) if seen.bytes else b""
    if content is None or len(content) != seen.bytes:
        raise PictureError(f"{store.shown} changed while it was being read: try again")
    return content


def _kept(content: bytes, seen: cloud.Seen, index: Path) -> Path:
    """Write a picture and the file about its address. Raises OSError and UsageError."""
    known = _Known(seen.bytes, seen.version, hashlib.sha256(content).hexdigest())
    path = index.with_name(known.sha256)
    atomic.refuse_links(path)
    atomic.make_folder(index.parent)
    with atomic.replacing(path, durable=False, keep_same=True) as file:
        file.write(content)
    with atomic.replacing(index, text=True, durable=False) as file:
        file.write(json.dumps(asdict(known)))
    return path


def _read(index: Path, folder: Path) -> _Known | None:
    """The picture that was read at an address, if it is still kept whole; None otherwise."""
    if not os.path.lexists(index) or not atomic.is_regular(index):
        return None
    try:
        if index.stat().st_size > _MOST_INDEX:
            return None
        known = _Known(**json.loads(index.read_text(encoding="utf-8")))
        texts = isinstance(known.version, str) and isinstance(known.sha256, str)
        if not texts or not _SHA256.fullmatch(known.sha256):
            return None
        path = folder / known.sha256
        whole = atomic.is_regular(path) and sha256(path) == known.sha256
    except (OSError, PictureError, TypeError, ValueError, RecursionError):
        return None
    return known if whole else None
