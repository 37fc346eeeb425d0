"""Boxes of HEIC and AVIF files: what kind it is, and bytes that are no boxes."""

from __future__ import annotations

import random
import struct
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark_batch.pictures import boxes
from tests.pictures.painting import heic_file, painted


def box(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def file_of(*brands: bytes) -> bytes:
    return box(b"ftyp", brands[0] + bytes(4) + b"".join(brands[1:]))


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        ((b"heic", b"mif1", b"avif"), "HEIC"),
        ((b"avif", b"mif1", b"heic"), "AVIF"),
        ((b"mif1", b"avif", b"miaf"), "AVIF"),
        ((b"mif1", b"heic"), "HEIC"),
        ((b"mif1",), "HEIC"),
        ((b"msf1", b"hevc"), "HEIC"),
        ((b"isom", b"mp42"), ""),
        ((b"qt  ",), ""),
        ((b"crx ", b"isom"), ""),
    ],
)
def test_the_kind_by_the_brands(brands: tuple[bytes, ...], kind: str) -> None:
    """The first that names a codec decides."""
    assert boxes.kind_of(file_of(*brands)) == kind


def test_brands_behind_the_box_do_not_count() -> None:
    assert boxes.kind_of(file_of(b"isom") + b"heic") == ""


PHOTO = heic_file(painted("RGBA clear", (48, 32))[0])


def test_the_properties_are_those_of_the_main_picture() -> None:
    """And not those of its transparency, which has properties in the same box."""
    assert boxes.still(PHOTO) == boxes.Still(stored=(64, 64), shown=(48, 32))


@given(st.binary(max_size=300))
def test_bytes_that_are_no_boxes(data: bytes) -> None:
    """Whatever they are, they have the usual properties, or none."""
    for name in (b"", file_of(b"heic"), box(b"meta", bytes(4) + box(b"pitm", bytes(6)))):
        boxes.still(name + data)
        boxes.unsupported(name + data)
        boxes.kind_of(name + data)


def test_spoilt_boxes_raise_nothing() -> None:
    chance = random.Random(7)
    for _ in range(3000):
        data = bytearray(PHOTO)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(700)] = chance.randrange(256)
        boxes.still(bytes(data))
        boxes.unsupported(bytes(data))


@pytest.mark.parametrize("filling", [box(b"free"), bytes(8), b"\0\0\0\1free" + bytes(8)])
def test_very_many_boxes_take_no_time(filling: bytes) -> None:
    """The work is bounded: 40 MB of them take less processor time than a picture."""
    properties = box(b"iprp", box(b"ipco", filling * 1_000_000) + box(b"ipma", b"\0" * 7 + b"\xff"))
    began = time.process_time()
    boxes.still(file_of(b"heic") + box(b"meta", bytes(4) + properties))
    boxes.still(file_of(b"heic") + filling * 1_000_000)
    assert time.process_time() - began < 5
