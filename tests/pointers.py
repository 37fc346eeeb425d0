"""Git LFS pointers for tests, as git-lfs writes them: no test needs git-lfs itself."""

from __future__ import annotations

import hashlib
from pathlib import Path


def pointer_text(content: bytes, *, version: str = "https://git-lfs.github.com/spec/v1") -> str:
    """The pointer to a file of this content."""
    digest = hashlib.sha256(content).hexdigest()
    return f"version {version}\noid sha256:{digest}\nsize {len(content)}\n"


def replace_with_pointer(path: Path) -> bytes:
    """Put the pointer in the place of a file, as a clone without it has; gives its content."""
    content = path.read_bytes()
    path.write_bytes(pointer_text(content).encode())
    return content
