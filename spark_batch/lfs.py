"""Git LFS pointers: small text files in the working tree in place of files not fetched yet.

The format is that of https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md, with the version
URLs of pre-releases, which Git LFS still reads, and the lines of extensions.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from pathlib import Path

# No larger file is a pointer for Git LFS (`blobSizeCutoff` in its lfs/pointer.go).
MAX_BYTES = 1024
NOTICE = "this is a Git LFS pointer, not the file itself (`git lfs pull` fetches it)"

_VERSIONS = (
    b"https://git-lfs.github.com/spec/v1",
    b"https://hawser.github.com/spec/v1",  # before the first release
    b"http://git-media.io/v/2",  # before that
)
_BEGINNINGS = tuple(b"version " + url for url in _VERSIONS)
_SHA256 = re.compile(rb"sha256:([0-9a-fA-F]{64})")
_SIZE = re.compile(rb"[0-9]{1,18}")
_EXTENSION = re.compile(rb"ext-[0-9]-\w+")
_KEY = re.compile(rb"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Pointer:
    """The SHA-256 (hex) and the size of the file that `git lfs pull` puts in the pointer's place.

    `bytes` is None if an extension stores the file in another form: the pointer then has only the
    size of the stored form.
    """

    sha256: str
    bytes: int | None


def is_pointer(data: bytes) -> bool:
    """Whether a file that begins with `data` is a pointer, whole or damaged."""
    return data.startswith(_BEGINNINGS)


def parse(data: bytes) -> Pointer | None:
    """Parse the content of a file; None when it is not a whole pointer."""
    if len(data) > MAX_BYTES:
        return None
    version, *lines = data.strip().splitlines() or [b""]
    if version not in _BEGINNINGS:
        return None
    pairs = [line.partition(b" ") for line in lines if line]
    values = {key: value for key, _, value in pairs if _KEY.fullmatch(key)}
    size = _SIZE.fullmatch(values.get(b"size", b""))
    oid = _SHA256.fullmatch(values.get(b"oid", b""))
    if len(values) < len(pairs) or size is None or oid is None:
        return None
    # The first extension processed the file of the working tree, and has that file's hash.
    extensions = sorted(key for key in values if _EXTENSION.fullmatch(key))
    if not extensions:
        return Pointer(oid[1].decode().lower(), int(size[0]))
    original = _SHA256.fullmatch(values[extensions[0]])
    return None if original is None else Pointer(original[1].decode().lower(), None)


def read(path: Path) -> Pointer | None:
    """Read the pointer in a file; None when there is no such file, or no whole pointer in it.

    Opens only regular files, and reads at most `MAX_BYTES` and one more byte.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            return None
        with path.open("rb") as file:
            return parse(file.read(MAX_BYTES + 1))
    except (OSError, ValueError):
        return None
