"""The mark of a trained model: read by others, no pixel touched, never against a signature."""

from __future__ import annotations

import json
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from PIL import Image

from spark_batch import pictures
from spark_batch.pictures import containers, xmp
from spark_batch.pictures.metadata import embed, marks
from tests.pictures.test_metadata import FACTS, FILES, FOREIGN, encoded, opened, segment

TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
EXTENSIONS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
needs_exiftool = pytest.mark.skipif(
    shutil.which("exiftool") is None, reason="exiftool reads the pictures of this test"
)


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")


def before_pixels(data: bytes, added: bytes) -> bytes:
    """A PNG with a chunk before its first IDAT."""
    at = data.index(b"IDAT") - 4
    return data[:at] + added + data[at:]


def riff(data: bytes, added: bytes) -> bytes:
    """A WebP file with a chunk at its end."""
    content = data[8:] + added
    return b"RIFF" + len(content).to_bytes(4, "little") + content


REMOTE = FOREIGN.replace(
    b"photoshop:Credit",
    b'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="https://c2pa.example/1"'
    b" photoshop:Credit",
)
C2PA = b"JP\0\x01" + b"\0" * 12 + b"jumbjumdc2pa" + b"\0" * 30
SIGNED = {
    "jpeg": ("JPEG", FILES["jpeg"][1][:20] + segment(0xEB, C2PA) + FILES["jpeg"][1][20:]),
    "jpeg-remote": ("JPEG", encoded("JPEG", xmp=REMOTE)),
    "png": ("PNG", before_pixels(FILES["png"][1], chunk(b"caBX", C2PA))),
    "webp": (
        "WEBP",
        riff(FILES["webp-icc-exif"][1], b"C2PA" + len(C2PA).to_bytes(4, "little") + C2PA),
    ),
    "webp-remote": ("WEBP", encoded("WEBP", xmp=REMOTE)),
}


def read_by_exiftool(path: Path) -> dict[str, object]:
    command = ["exiftool", "-json", "-XMP:all", "-warning", "-error", "-n", str(path)]
    ended = subprocess.run(command, capture_output=True, check=False, timeout=60)
    (found,) = json.loads(ended.stdout)
    return dict(found)


@needs_exiftool
@pytest.mark.parametrize("name", FILES)
def test_an_outside_reader_finds_the_mark(name: str, tmp_path: Path) -> None:
    """In each format, beside what others wrote, and in a file with all facts as well."""
    kind, data = FILES[name]
    for facts in (None, FACTS):
        path = tmp_path / f"a{EXTENSIONS[kind]}"
        path.write_bytes(embed(data, kind, facts))
        found = read_by_exiftool(path)
        assert found["DigitalSourceType"] == TYPE
        assert "Error" not in found
        assert found.get("Credit") == ("ACME" if "xmp" in name else None)
        assert ("AIPromptInformation" in found) is (facts is not None and "xmp" not in name)


@pytest.mark.parametrize("name", FILES)
def test_no_pixel_and_no_other_part_is_touched(name: str) -> None:
    kind, data = FILES[name]
    marked = embed(data, kind)
    assert marks(marked, kind) == pictures.Marks(TYPE, signed=False)
    assert containers.without_metadata(marked, kind) == containers.without_metadata(data, kind)
    before, after = opened(data), opened(marked)
    assert (before.mode, before.size) == (after.mode, after.size)
    assert before.tobytes() == after.tobytes()
    for word in (b"spark", b"beach", b"task"):  # the mark tells nothing else
        assert marked.count(word) == data.count(word)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_says_what_it_is_stays_as_it_is(name: str) -> None:
    """Ours, and that of a vendor who marks its pictures itself."""
    kind, data = FILES[name]
    marked = embed(data, kind)
    assert embed(marked, kind) == marked
    own = marked.replace(
        b"compositeWithTrainedAlgorithmicMedia", b"trainedAlgorithmicMedia" + b" " * 13
    )
    if kind != "PNG":  # a checksum would be wrong
        assert embed(own, kind) == own
        assert embed(own, kind, FACTS).count(b"DigitalSourceType") == 1


@pytest.mark.parametrize("name", SIGNED)
def test_signed_content_credentials_stay_byte_for_byte(name: str, tmp_path: Path) -> None:
    """A change of the file would break the signature; the marks are seen all the same."""
    kind, data = SIGNED[name]
    path = tmp_path / f"a{EXTENSIONS[kind]}"
    path.write_bytes(data)
    picture = pictures.accept(path)
    for facts in (None, FACTS):
        left = pictures.mark(data, picture, facts)
        assert isinstance(left, pictures.Unmarked)
        assert "Content Credentials" in left.reason
    assert pictures.marks_in(path).signed


def test_a_picture_without_marks(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.new("RGB", (9, 9)).save(path)
    assert pictures.marks_in(path) == pictures.Marks(None, signed=False)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<",
        b'<!DOCTYPE a [<!ENTITY b "c">]><rdf xmlns:i="%b" i:DigitalSourceType="&b;"/>'
        % xmp.IPTC.encode(),
        b'<rdf xmlns:i="%b" i:DigitalSourceType=""/>' % xmp.IPTC.encode(),
        b'<rdf xmlns:i="urn:other" i:DigitalSourceType="x"/><!-- %b -->' % xmp.IPTC.encode(),
    ],
)
def test_hostile_and_empty_packets_say_nothing(packet: bytes) -> None:
    assert xmp.source_type(packet) is None


def test_the_mark_is_found_however_its_xml_is_written() -> None:
    """Picture tools turn attributes into elements, and choose other prefixes."""
    packet = f'<r xmlns:x="{xmp.IPTC}"><x:DigitalSourceType>{TYPE}</x:DigitalSourceType></r>'
    assert xmp.source_type(packet.encode()) == TYPE
