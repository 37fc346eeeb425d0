"""The sandbox's folder: input pictures by SHA-256, previews, and the secret that signs URLs."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from spark_batch import atomic
from spark_batch.errors import OutputError
from spark_batch.paths import SandboxLayout

_SECRET_BYTES = 32


class Store:
    """The files in a folder, which is created if missing. Raises OutputError if it cannot be.

    Files are written atomically and never change; an existing picture is not written again.
    """

    def __init__(self, folder: Path) -> None:
        self.layout = layout = SandboxLayout(folder)
        atomic.refuse_links(folder, layout.ledger, layout.images, layout.previews)
        atomic.refuse_hard_links(layout.ledger)
        try:
            layout.images.mkdir(parents=True, exist_ok=True)
            layout.previews.mkdir(exist_ok=True)
            self.secret = _secret(layout.secret)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from None

    def image(self, sha256: str) -> Path:
        """The path of the input picture with that SHA-256, which need not exist."""
        return self.layout.images / sha256

    def keep(self, data: bytes) -> str:
        """Store an input picture and return its SHA-256 in hex."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self.image(sha256)
        if not path.exists():
            write(path, data)
        return sha256


def write(path: Path, data: bytes) -> None:
    with atomic.replacing(path, durable=False) as file:
        file.write(data)


def _secret(path: Path) -> bytes:
    """The folder's secret, created at first use and readable by its owner only."""
    if not path.exists():
        with atomic.replacing(path, durable=False) as file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o600)
            file.write(secrets.token_bytes(_SECRET_BYTES))
    return path.read_bytes()
