"""Git LFS pointers are read as git-lfs reads them, and nothing else is taken for one."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch import lfs
from spark_batch.lfs import Pointer
from tests.pointers import pointer_text

CONTENT = b"a picture"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
STORED = "5" * 64
TEXT = pointer_text(CONTENT)


@given(st.binary(max_size=2000))
def test_the_pointer_to_any_file_names_that_file(content: bytes) -> None:
    """Its SHA-256 and its size; the content itself is not taken for a pointer."""
    expected = Pointer(hashlib.sha256(content).hexdigest(), len(content))
    assert lfs.parse(pointer_text(content).encode()) == expected
    assert lfs.parse(content) is None


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_damage_makes_another_pointer(junk: bytes, at: int) -> None:
    """Bytes that are put into a pointer leave its meaning, or make it none."""
    text = TEXT.encode()
    damaged = lfs.parse(text[:at] + junk + text[at:])
    assert damaged is None or len(damaged.sha256) == 64


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT.rstrip("\n"),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace(DIGEST, DIGEST.upper()),
        TEXT.replace("git-lfs.github.com", "hawser.github.com"),
        pointer_text(CONTENT, version="http://git-media.io/v/2"),
        TEXT + "x-unknown of a later version\n",
    ],
)
def test_what_git_lfs_takes_is_taken(text: str) -> None:
    """Other line ends, older versions, further keys."""
    assert lfs.parse(text.encode()) == Pointer(DIGEST, len(CONTENT))


def test_of_an_extension_the_first_has_the_file_of_the_working_tree() -> None:
    """`oid` and `size` are then those of the stored form, such as an encrypted one."""
    extensions = f"ext-0-crypt sha256:{DIGEST}\next-1-zip sha256:{'7' * 64}\n"
    text = TEXT.replace(DIGEST, STORED).replace("oid ", f"{extensions}oid ")
    assert lfs.parse(text.encode()) == Pointer(DIGEST, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version https://git-lfs.github.com/spec/v1\n",
        TEXT.replace("spec/v1", "spec/v2"),
        TEXT.replace("sha256:", "sha512:"),
        TEXT.replace(DIGEST, DIGEST[:-1]),
        TEXT.replace("size 9", "size -1"),
        TEXT.replace("size 9", "size"),
        TEXT.replace("oid ", "oid  "),
        TEXT.replace("size 9", f"oid sha256:{STORED}\nsize 9"),
        TEXT.replace("oid ", "<<<<<<< HEAD\noid ") + ">>>>>>> other\n",
        TEXT.replace("oid ", f"ext-0-crypt sha1:{DIGEST}\noid "),
        f"a line before\n{TEXT}",
        TEXT + "x" * lfs.MAX_BYTES,
    ],
)
def test_what_is_no_whole_pointer_is_none(text: str) -> None:
    """Cut, changed, in conflict, of an unknown version, or too long."""
    assert lfs.parse(text.encode()) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_file_is_read_only_where_it_can_be_a_pointer(tmp_path: Path) -> None:
    """No folder, no missing or large file; a pipe, which would wait for a writer, is not opened."""
    file, large, pipe = (tmp_path / name for name in ("file", "large", "pipe"))
    file.write_text(TEXT)
    large.write_text(TEXT + "\n" * lfs.MAX_BYTES)
    os.mkfifo(pipe)
    found = [lfs.read(path) for path in (file, large, pipe, tmp_path, tmp_path / "missing")]
    assert found == [Pointer(DIGEST, len(CONTENT)), None, None, None, None]
    assert lfs.read(Path("\0")) is None
