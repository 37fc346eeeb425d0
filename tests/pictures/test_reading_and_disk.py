"""Pictures: whole ones are taken, anything else is one clear error, and files land whole."""

from __future__ import annotations

import errno
import io
import os
import random
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import atomic, pictures
from spark_batch.errors import FolderBlocked, NameBlocked, OutputError, PictureError
from spark_batch.pictures import reading
from tests.makers import MODEL, probe

Check = Callable[[Path], object]

BOTH = pytest.mark.parametrize("check", [probe, pictures.accept])


def _encoded(kind: str, size: tuple[int, int] = (120, 90), **options: object) -> bytes:
    out = io.BytesIO()
    noise = Image.effect_noise(size, 50).convert("RGB")
    noise.save(out, kind, **options)
    return out.getvalue()


def _file(folder: Path, data: bytes, name: str = "a.jpg") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _refused(check: Check, path: Path) -> str:
    """What is said about a refused file: one printable line that begins with its path."""
    with pytest.raises(PictureError) as caught:
        check(path)
    said = str(caught.value)
    assert said.startswith(f"{path}: ")
    assert said.isprintable()
    assert caught.value.__cause__ is None
    return said


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(chunks) + _chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a"])
def test_probe_takes_what_the_api_takes(tmp_path: Path, kind: str, name: str) -> None:
    """JPEG and PNG are told by their bytes, whatever the file is called."""
    data = _encoded(kind)
    path = _file(tmp_path, data, name)
    found = probe(path)
    assert (found.format, found.width, found.height, found.bytes) == (kind, 120, 90, len(data))
    assert found.sha256 == pictures.sha256(path)


@pytest.mark.parametrize(("kind", "end"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_accept_takes_three_formats(tmp_path: Path, kind: str, end: str) -> None:
    """A result may be WebP too, and each format has its extension."""
    assert pictures.extension(pictures.accept(_file(tmp_path, _encoded(kind)))) == end


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "I;16"])
def test_modes(tmp_path: Path, mode: str) -> None:
    """Grey, palette and transparent pictures are pictures."""
    path = tmp_path / "a.png"
    Image.new(mode, (60, 40)).save(path)
    assert probe(path).format == "PNG"


def test_further_frames_make_no_difference(tmp_path: Path) -> None:
    """A JPEG with frames behind the first (MPO, as phones write it) is a JPEG."""
    out = io.BytesIO()
    frames = [Image.new("RGB", (60, 40), color) for color in ("red", "blue")]
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:])
    assert probe(_file(tmp_path, out.getvalue())).format == "JPEG"


@BOTH
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncations(tmp_path: Path, check: Check, kind: str) -> None:
    """Of 200 truncations none passes, the last bytes included."""
    data = _encoded(kind, (60, 45))
    ends = {len(data) * n // 180 for n in range(180)} | {len(data) - n for n in range(1, 30)}
    assert len(ends) >= 200
    for end in ends:
        _refused(check, _file(tmp_path, data[:end]))


def test_truncated_webp(tmp_path: Path) -> None:
    """A WebP file that is cut is refused as well."""
    data = _encoded("WEBP", (60, 45))
    for end in range(0, len(data), 37):
        _refused(pictures.accept, _file(tmp_path, data[:end]))


def test_progressive_truncations(tmp_path: Path) -> None:
    """A progressive JPEG that lacks its last scans is refused, though it can be shown."""
    data = _encoded("JPEG", (90, 60), progressive=True)
    for end in range(len(data) - 200, len(data)):
        _refused(pictures.accept, _file(tmp_path, data[:end]))


@BOTH
def test_a_hole_in_the_middle(tmp_path: Path, check: Check) -> None:
    """A PNG that has its end, but not all before it, is refused: everything is decoded."""
    data = _encoded("PNG")
    _refused(check, _file(tmp_path, data[: len(data) // 2] + data[-20:]))


@BOTH
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_random_damage(tmp_path: Path, check: Check, kind: str) -> None:
    """Whatever Pillow stumbles over becomes a PictureError."""
    chance = random.Random(kind)
    data = _encoded(kind, (48, 32))
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(data))] = chance.randrange(256)
        path = _file(tmp_path, bytes(damaged))
        try:
            check(path)
        except PictureError as error:
            assert str(error).isprintable()


@BOTH
@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\0" * 3000, "not a picture of a known format"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "(`git lfs pull` fetches it)"),
        (b'{"error": "expired"}', "web page"),
        (b"\xff\xd8\xff", "broken"),
        (b"\x89PNG\r\n\x1a\n", "broken"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 50, "HEIC"),
        (b"\0\0\0\x18ftypavif" + b"\0" * 50, "AVIF"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42mp41", "this is a QuickTime, MP4 or CR3 file"),
        (b"%PDF-1.7", "PDF"),
        (_encoded("GIF"), "GIF"),
        (_encoded("BMP"), "BMP"),
        (_encoded("TIFF"), "TIFF"),
    ],
)
def test_no_pictures(tmp_path: Path, check: Check, data: bytes, said: str) -> None:
    """What is no picture of the API's formats is named for what it is."""
    assert said in _refused(check, _file(tmp_path, data))


def test_webp_is_no_input(tmp_path: Path) -> None:
    """The API takes no WebP."""
    assert "WEBP" in _refused(probe, _file(tmp_path, _encoded("WEBP")))


BOMBS = {
    "wide": _png(60_000, 60_000, _chunk(b"IDAT", zlib.compress(b"\0" * 1000))),
    "sides": _png(2**31 - 1, 2**31 - 1, _chunk(b"IDAT", b"")),
    "nothing": _png(0, 0, _chunk(b"IDAT", b"")),
    "text": _png(64, 64, _chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 80_000_000, 9))),
    "warned": _png(11_000, 9_000, _chunk(b"IDAT", zlib.compress(b"\0" * 1000))),
}


@BOTH
@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path: Path, check: Check, name: str) -> None:
    """A small file that would unpack into very much is refused before it does."""
    _refused(check, _file(tmp_path, BOMBS[name]))


def test_pixel_cap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap on pixels is judged from the header, exactly."""
    path = _file(tmp_path, _encoded("JPEG", (100, 50)))
    monkeypatch.setattr(reading, "MAX_PIXELS", 5000)
    assert pictures.accept(path).width == 100
    monkeypatch.setattr(reading, "MAX_PIXELS", 4999)
    with pytest.raises(PictureError, match="100x50 pixels are too many; at most 4999"):
        pictures.accept(path)


def test_rules_on_sides(tmp_path: Path) -> None:
    """The API's largest side and ratio are allowed, one pixel more is not."""
    rules = MODEL.picture
    side = rules.max_side

    def said(size: tuple[int, int]) -> str:
        Image.new("1", size).save(tmp_path / "a.png")
        return _refused(probe, tmp_path / "a.png")

    short = int(300 / rules.max_ratio)
    Image.new("1", (300, short)).save(tmp_path / "ok.png")
    assert probe(tmp_path / "ok.png").width == 300
    assert f"at most {rules.max_ratio} is allowed; crop it" in said((301, short))
    assert "long side" in said((short, 301))
    assert f"the width is {side + 1} pixels, at most {side}" in said((side + 1, side))
    assert f"the height is {side + 1} pixels, at most {side}" in said((side, side + 1))


def test_rules_on_bytes(tmp_path: Path) -> None:
    """A file of the most bytes is allowed, one byte more is refused unread."""
    most = MODEL.picture.max_bytes
    data = _encoded("JPEG")
    path = _file(tmp_path, data + b"\0" * (most - len(data)))
    assert probe(path).bytes == most
    with path.open("ab") as file:
        file.write(b"\0")
    assert f"the file has {most + 1} bytes, at most {most}" in _refused(probe, path)


@BOTH
def test_a_huge_file_is_not_read(tmp_path: Path, check: Check) -> None:
    """A file larger than any memory is refused by its size."""
    path = _file(tmp_path, b"\xff\xd8\xff")
    try:
        os.truncate(path, 1 << 41)
    except OSError:
        pytest.skip("this disk has no files of 2 TiB")
    assert f"{1 << 41} bytes" in _refused(check, path)


@BOTH
def test_what_is_no_file(tmp_path: Path, check: Check) -> None:
    """A folder, a missing file and a path through a file are told, and nothing hangs."""
    file = _file(tmp_path, b"x")
    assert "is a folder" in _refused(check, tmp_path)
    assert "no such file" in _refused(check, tmp_path / "missing.jpg")
    assert "not a folder" in _refused(check, file / "below.jpg")
    assert "too long" in _refused(check, tmp_path / ("x" * 300))


@BOTH
@pytest.mark.skipif(sys.platform == "win32", reason="pipes in the file system are POSIX")
def test_a_pipe_is_not_opened(tmp_path: Path, check: Check) -> None:
    """A named pipe, which would block for ever, is refused."""
    os.mkfifo(tmp_path / "pipe.jpg")
    assert "not a regular file" in _refused(check, tmp_path / "pipe.jpg")


@BOTH
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_unreadable(tmp_path: Path, check: Check) -> None:
    """A file without permission is told as such."""
    path = _file(tmp_path, _encoded("PNG"))
    path.chmod(0)
    assert "permission denied" in _refused(check, path)


def test_place(tmp_path: Path) -> None:
    """A part gets its final name, folders are made, and what stood there is replaced."""
    target = tmp_path / "a" / "b" / "c.jpg"
    for content in (b"one", b"two"):
        part = _file(tmp_path, content, "x.part")
        pictures.place(part, target)
        assert target.read_bytes() == content
        assert not part.exists()


def test_copy(tmp_path: Path) -> None:
    """A copy leaves the source and no part behind."""
    source = _file(tmp_path, b"data")
    pictures.copy(source, tmp_path / "n" / "b.jpg")
    assert (tmp_path / "n" / "b.jpg").read_bytes() == b"data"
    assert sorted(each.name for each in tmp_path.rglob("*") if each.is_file()) == ["a.jpg", "b.jpg"]


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    """A folder where the file should go is an OutputError, and the part is kept."""
    part, target = _file(tmp_path, b"paid", "x.part"), tmp_path / "t.jpg"
    target.mkdir()
    with pytest.raises(OutputError, match="a folder has that name") as caught:
        pictures.place(part, target)
    assert str(caught.value).startswith(f"{target}: cannot be written")
    assert part.read_bytes() == b"paid"


@pytest.mark.parametrize("action", [pictures.place, pictures.copy])
def test_what_the_disk_refuses(tmp_path: Path, action: Callable[[Path, Path], None]) -> None:
    """Whatever the disk refuses is an OutputError in one line."""
    source = _file(tmp_path, b"x")
    for target in (source / "below" / "a.jpg", tmp_path / ("n" * 300)):
        with pytest.raises(OutputError) as caught:
            action(source, target)
        assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="no such file"):
        action(tmp_path / "missing", tmp_path / "b.jpg")
    assert source.read_bytes() == b"x"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space left, which may first show when the file is synced, is told with what to do."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space is left on the disk; make room"):
        pictures.copy(_file(tmp_path, b"x"), tmp_path / "b.jpg")
    assert not (tmp_path / "b.jpg").exists()


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """A link that stands where the part or the picture goes is replaced, not followed."""
    outside = _file(tmp_path, b"mine", "outside.txt")
    (tmp_path / "b.jpg.part").symlink_to(outside)
    (tmp_path / "b.jpg").symlink_to(outside)
    pictures.copy(_file(tmp_path, b"new"), tmp_path / "b.jpg")
    assert outside.read_bytes() == b"mine"
    assert (tmp_path / "b.jpg").read_bytes() == b"new"
    assert not (tmp_path / "b.jpg").is_symlink()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file in the place of a folder is told."""
    with pytest.raises(OutputError, match="cannot be made"):
        pictures.make_folder(_file(tmp_path, b"x") / "a" / "b")


def test_hash_of_a_missing_file(tmp_path: Path) -> None:
    """A hash that cannot be taken is a PictureError."""
    assert "no such file" in _refused(pictures.sha256, tmp_path / "missing")


def test_a_part_that_cannot_be_written_is_no_matter_of_its_name(tmp_path: Path) -> None:
    """The name is ours, and another one would be refused as well."""
    in_the_way = _file(tmp_path, b"", "no-folder")
    with pytest.raises(OutputError, match="cannot be written: a part of the path") as caught:
        pictures.write(in_the_way / "1.part", b"")
    assert type(caught.value) is OutputError


@pytest.mark.parametrize(("there", "kind"), [(True, NameBlocked), (False, FolderBlocked)])
def test_a_refusal_is_about_the_file_that_is_there_or_else_about_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, kind: type[OutputError]
) -> None:
    """One file of somebody else's keeps one picture back; a folder keeps all of them back."""
    part, target = _file(tmp_path, b"paid", "x.part"), tmp_path / "t.jpg"
    if there:
        target.write_bytes(b"")

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(atomic, "move", refuse)
    with pytest.raises(OutputError, match="permission denied") as caught:
        pictures.place(part, target)
    assert type(caught.value) is kind
