"""The model of a disk keeps what was flushed, and of the rest any part."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.power.disk import Disk, Fate
from tests.power.trace import MakeFolder, Open, Operation, Rename, Sync, Unlink, Write, read

ROOT = Path("/disk")
A, B, FOLDER = ROOT / "a", ROOT / "b", ROOT / "folder"
NOTHING = Fate(0, 0, Random(1))
WRITTEN: list[Operation] = [Open(A, empty=False), Write(A, b"new", None)]
_ALL = 1 << 30  # a flush that began after everything


def names(operations: Sequence[Operation], fate: Fate = NOTHING) -> dict[str, bytes | None]:
    """What is on the disk after a power cut."""
    disk = Disk(ROOT)
    for operation in operations:
        disk.apply(operation)
    return {str(path): data for path, data in disk.after_cut(fate).items()}


def any_of(operations: Sequence[Operation]) -> list[dict[str, bytes | None]]:
    """All that there may be, as far as a thousand tries show."""
    random = Random(1)
    found: list[dict[str, bytes | None]] = []
    for _ in range(1000):
        image = names(operations, Fate(0.5, 0.5, random))
        if image not in found:
            found.append(image)
    return found


def test_bytes_and_names_need_a_flush_of_their_own() -> None:
    assert names(WRITTEN) == {}
    assert names([*WRITTEN, Sync(A, _ALL)]) == {}
    assert names([*WRITTEN, Sync(ROOT, _ALL)]) == {"a": b""}
    assert names([*WRITTEN, Sync(A, _ALL), Sync(ROOT, _ALL)]) == {"a": b"new"}


def test_a_flush_keeps_what_had_ended_when_it_began() -> None:
    written = [*WRITTEN, Write(A, b"er", None), Sync(A, 2), Sync(ROOT, _ALL)]
    assert names(written) == {"a": b"new"}


def test_a_rename_is_all_or_nothing() -> None:
    whole = [*WRITTEN, Sync(A, _ALL), Sync(ROOT, _ALL)]
    renamed = any_of([*whole, Rename(A, B)])
    assert sorted(map(str, renamed)) == ["{'a': b'new'}", "{'b': b'new'}"]
    moved = [*whole, MakeFolder(FOLDER), Sync(ROOT, _ALL), Rename(A, FOLDER / "a")]
    assert names([*moved, Sync(ROOT, _ALL)]) == {"a": b"new", "folder": None}
    assert names([*moved, Sync(FOLDER, _ALL)]) == {"folder": None, "folder/a": b"new"}


def test_a_removed_file_may_come_back() -> None:
    whole = [*WRITTEN, Sync(A, _ALL), Sync(ROOT, _ALL), Unlink(A)]
    assert sorted(map(str, any_of(whole))) == ["{'a': b'new'}", "{}"]
    assert names([*whole, Sync(ROOT, _ALL)]) == {}


def test_a_write_is_torn_at_sectors() -> None:
    """Those of the file: bytes 500 to 1100 lie in three of them."""
    written: list[Operation] = [Open(A, empty=False), Sync(ROOT, _ALL)]
    written += [Write(A, b"x" * 600, 500)]
    images = [image["a"] or b"" for image in any_of(written)]
    edges = {0, 500, 512, 1024, 1100}
    assert {len(image) for image in images} <= edges and len(images) == 8
    for image in images:
        changes = {at for at in range(1, len(image)) if image[at] != image[at - 1]}
        assert changes <= edges


def test_a_call_that_two_lines_tell_ends_with_the_second(tmp_path: Path) -> None:
    """A flush counts what had ended when it began."""
    trace = tmp_path / "trace"
    a = "".join(f"\\x{byte:02x}" for byte in b"/disk/a")
    trace.write_text(
        f'1 openat(AT_FDCWD<\\x2f>, "{a}", O_WRONLY|O_CREAT, 0666) = 3<{a}>\n'
        f"1 fsync(3<{a}> <unfinished ...>\n"
        f'2 write(3<{a}>, "\\x6e\\x65\\x77", 3) = 3\n'
        "1 <... fsync resumed>) = 0\n"
        f'2 openat(AT_FDCWD<\\x2f>, "{a}", O_CREAT|O_EXCL, 0666) = -1 EEXIST (Exists)\n'
        f'2 unlink("\\x2f\\x65\\x6c\\x73\\x65") = 0\n',
        encoding="ascii",
    )
    assert read(trace, ROOT) == [Open(A, empty=False), Write(A, b"new", None), Sync(A, 1)]
