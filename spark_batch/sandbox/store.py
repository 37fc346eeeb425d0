"""The sandbox's folder: input pictures by their SHA-256, previews, and the secret of the URLs."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from spark_batch import atomic
from spark_batch.errors import OutputError

LEDGER = "ledger.jsonl"
_SECRET_BYTES = 32


class Store:
    """The files below a folder, which is created when missing. Raises OutputError if it cannot be.

    Files are written atomically and never changed; a picture that is there is not written again.
    """

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / LEDGER
        self._images = folder / "images"
        self._previews = folder / "previews"
        atomic.refuse_links(folder, self.ledger, self._images, self._previews)
        atomic.refuse_hard_links(self.ledger)
        try:
            self._images.mkdir(parents=True, exist_ok=True)
            self._previews.mkdir(exist_ok=True)
            self.secret = _secret(folder / "secret")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from None

    def image(self, sha256: str) -> Path:
        """Where the input picture of that SHA-256 stands, or would."""
        return self._images / sha256

    def preview(self, name: str) -> Path:
        """Where the preview of that name stands, or would."""
        return self._previews / f"{name}.jpg"

    def keep(self, data: bytes) -> str:
        """Keeps an input picture; gives its SHA-256 in hex."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.image(sha256)
        if not path.exists():
            write(path, data)
        return sha256


def write(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole or not at all."""
    with atomic.replacing(path, durable=False) as file:
        file.write(data)


def _secret(path: Path) -> bytes:
    """The folder's secret, made at first; only its owner can read it."""
    if not path.exists():
        with atomic.replacing(path, durable=False) as file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o600)
            file.write(secrets.token_bytes(_SECRET_BYTES))
    return path.read_bytes()
