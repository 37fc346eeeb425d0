"""Metadata in a picture's file: no pixel is touched, others can read it, hostile files cannot."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageCms, PngImagePlugin

from spark_batch import pictures
from spark_batch.errors import PictureError
from spark_batch.jobs import Provenance, Request
from spark_batch.pictures import metadata, xmp
from spark_batch.pictures.metadata import embed, extract

REQUEST = Request(
    model="spark_i2i_3_0",
    prompt="Change background to beach",
    picture=None,
    seed=7,
    scale=0.4,
    width=512,
    height=768,
    take=2,
)
FACTS = Provenance(
    key="0123456789abcdef",
    request=REQUEST,
    recipe="summer",
    commit="a" * 40 + "-dirty",
    task_id="task-1",
)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
FOREIGN = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    b' rdf:about="" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" photoshop:Credit="ACME"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def asking(**changes: object) -> Provenance:
    """The facts of another request."""
    return replace(FACTS, request=replace(REQUEST, **changes))


def exif(text: str) -> bytes:
    """EXIF with a description."""
    found = Image.Exif()
    found[0x010E] = text
    return found.tobytes()


def text_chunk() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    return info


def encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (61, 43), **how: object) -> bytes:
    """A picture with something to see."""
    noise = Image.effect_noise(size, 90)
    image = Image.merge("RGB", (noise, noise.rotate(90).resize(size), noise.rotate(180)))
    if mode == "RGBA":
        image.putalpha(noise)
    elif mode == "I;16":
        image = noise.convert("I").point(lambda value: value * 257).convert("I;16")
    elif mode != "RGB":
        image = image.convert(mode)
    packet = how.pop("xmp", None) if kind == "JPEG" else None
    out = io.BytesIO()
    image.save(out, kind, **how)
    data = out.getvalue()
    if packet is None:
        return data
    # Older Pillows write none into a JPEG. Behind EXIF or JFIF, whichever is first.
    end = 4 + int.from_bytes(data[4:6], "big")
    return data[:end] + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + packet) + data[end:]


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + (len(body) + 2).to_bytes(2, "big") + body


FILES = {
    "jpeg": ("JPEG", encoded("JPEG")),
    "jpeg-progressive": ("JPEG", encoded("JPEG", progressive=True)),
    "jpeg-cmyk": ("JPEG", encoded("JPEG", "CMYK")),
    "jpeg-grey": ("JPEG", encoded("JPEG", "L")),
    "jpeg-icc-exif": ("JPEG", encoded("JPEG", icc_profile=ICC, exif=exif("a hat"), comment="c")),
    "jpeg-xmp": ("JPEG", encoded("JPEG", xmp=FOREIGN, exif=exif("a hat"))),
    "png": ("PNG", encoded("PNG")),
    "png-16": ("PNG", encoded("PNG", "I;16")),
    "png-palette": ("PNG", encoded("PNG", "P", transparency=3)),
    "png-alpha-text": ("PNG", encoded("PNG", "RGBA", icc_profile=ICC, pnginfo=text_chunk())),
    "webp-lossy": ("WEBP", encoded("WEBP")),
    "webp-lossy-alpha": ("WEBP", encoded("WEBP", "RGBA")),
    "webp-lossless": ("WEBP", encoded("WEBP", lossless=True)),
    "webp-lossless-alpha": ("WEBP", encoded("WEBP", "RGBA", lossless=True)),
    "webp-icc-exif": ("WEBP", encoded("WEBP", icc_profile=ICC, exif=exif("a hat"))),
    "webp-xmp": ("WEBP", encoded("WEBP", xmp=FOREIGN)),
    "webp-odd-side": ("WEBP", encoded("WEBP", size=(1, 1))),
}
each_file = pytest.mark.parametrize("name", FILES)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def spark_properties(image: Image.Image) -> dict[str, str]:
    """What Pillow's own reader finds in our namespace; it drops prefixes and namespaces."""
    described = image.getxmp()["xmpmeta"]["RDF"]["Description"]
    return next(each for each in described if "job" in each)


@each_file
def test_pixels_are_the_same_and_the_facts_are_there(name: str, tmp_path: Path) -> None:
    """Every format, mode and neighbour: the same pixels, profile and EXIF; ours reads it back."""
    kind, data = FILES[name]
    marked = embed(data, kind, FACTS)
    before, after = opened(data), opened(marked)
    assert (before.mode, before.size) == (after.mode, after.size)
    assert before.tobytes() == after.tobytes()
    assert before.info.get("icc_profile") == after.info.get("icc_profile")
    assert before.info.get("transparency") == after.info.get("transparency")
    assert before.getexif().get(0x010E) == after.getexif().get(0x010E)
    assert extract(marked, kind) == FACTS
    (tmp_path / "a").write_bytes(marked)
    assert pictures.accept(tmp_path / "a").format == kind


@each_file
def test_nothing_of_the_file_is_lost(name: str) -> None:
    """All bytes from the picture's data on are those that were there."""
    kind, data = FILES[name]
    marked = embed(data, kind, FACTS)
    begin = {
        "JPEG": b"\xff\xda",
        "PNG": b"IDAT",
        "WEBP": b"VP8" if b"VP8L" not in data else b"VP8L",
    }
    tail = data[data.rindex(begin[kind]) : -2]
    if b"XMP " not in data:
        assert tail in marked


@each_file
def test_an_outside_judge_reads_it(name: str) -> None:
    """Pillow, through an XML reader that is not ours."""
    kind, data = FILES[name]
    found = spark_properties(opened(embed(data, kind, FACTS)))
    assert found["prompt"] == "Change background to beach"
    assert (found["seed"], found["scale"], found["take"]) == ("7", "0.4", "2")
    assert found["commit"] == "a" * 40 + "-dirty"


def test_others_find_prompt_and_model_where_they_look() -> None:
    """Dublin Core's description, IPTC's fields for prompt and system, and PNG text."""
    image = opened(embed(FILES["png"][1], "PNG", FACTS))
    described = image.getxmp()["xmpmeta"]["RDF"]["Description"][0]
    assert described["description"]["Alt"]["li"]["text"] == REQUEST.prompt
    assert described["AIPromptInformation"] == REQUEST.prompt
    assert described["AISystemUsed"] == "spark_i2i_3_0"
    assert json.loads(image.text["spark-batch"])["job"] == FACTS.key
    assert opened(embed(FILES["png-alpha-text"][1], "PNG", FACTS)).text["Author"] == "somebody"


@pytest.mark.parametrize("name", ["jpeg", "png", "webp-lossy"])
def test_the_same_facts_give_the_same_bytes(name: str) -> None:
    """Fetched again, a picture is the same file."""
    kind, data = FILES[name]
    assert embed(data, kind, FACTS) == embed(data, kind, replace(FACTS))
    assert embed(data, kind, FACTS) != embed(data, kind, asking(seed=8))


@each_file
def test_what_is_there_of_ours_is_replaced(name: str) -> None:
    """A picture that was made of one of ours: no fact of the older one is left in it."""
    kind, data = FILES[name]
    other = replace(asking(prompt="Snow"), key="f" * 16, task_id=None, commit=None)
    twice = embed(embed(data, kind, FACTS), kind, other)
    assert twice == embed(data, kind, other)
    assert b"beach" not in twice


@pytest.mark.parametrize("quote", ['"', "'"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_what_others_wrote_stays(kind: str, quote: str) -> None:
    """The vendor's own label is still there beside ours, however its XML is written."""
    data = encoded(kind, xmp=FOREIGN.replace(b'"', quote.encode()))
    described = opened(embed(data, kind, FACTS)).getxmp()["xmpmeta"]["RDF"]["Description"]
    assert [each.get("Credit") for each in described] == ["ACME", None, None]
    assert sum("DigitalSourceType" in each for each in described) == 1


PROMPTS = {
    "xml": "Add <b attr=\"x\" other='y'>&amp; ]]> <!-- --> &#0; </rdf:RDF> <?xpacket end?>",
    "emoji": "Make it 🏖️ 👩‍👩‍👧",
    "right-to-left": "שנה את הרקע \u202eabc",
    "spaces": " a\tb\nc\r\nd  ",
    "longest": "漢" * 800,
    "quotes": "'\"",
    "entity": "&lol;",
}


@pytest.mark.parametrize("name", ["jpeg", "png", "webp-lossy", "jpeg-xmp"])
@pytest.mark.parametrize("prompt", PROMPTS)
def test_any_prompt_comes_back_as_it_was(name: str, prompt: str) -> None:
    """What XML gives a meaning to, what is long, and what is not Latin."""
    kind, data = FILES[name]
    facts = asking(prompt=PROMPTS[prompt])
    marked = embed(data, kind, facts)
    assert extract(marked, kind) == facts
    assert spark_properties(opened(marked))["prompt"] == PROMPTS[prompt]


def test_line_ends_stay_in_the_description() -> None:
    """XML would make one of two; there it is an element, and not an attribute."""
    marked = embed(FILES["jpeg"][1], "JPEG", asking(prompt="a\r\nb"))
    described = opened(marked).getxmp()["xmpmeta"]["RDF"]["Description"][0]
    assert described["description"]["Alt"]["li"]["text"] == "a\r\nb"


def test_the_places_are_those_of_the_formats() -> None:
    """Behind JFIF and EXIF, before the first IDAT, at the end of a WebP whose header says so."""
    jpeg = embed(FILES["jpeg-icc-exif"][1], "JPEG", FACTS)
    order = [jpeg.index(mark) for mark in (b"JFIF", b"Exif\0\0", xmp.NAMESPACE.encode(), b"ICC_P")]
    assert order == sorted(order)
    png = embed(FILES["png-alpha-text"][1], "PNG", FACTS)
    assert png.index(b"IHDR") < png.index(b"XML:com.adobe.xmp") < png.index(b"IDAT")
    for name, flags in (("webp-lossy", 0x04), ("webp-lossless", 0x04), ("webp-icc-exif", 0x2C)):
        webp = embed(FILES[name][1], "WEBP", FACTS)
        assert (webp[12:16], webp[20]) == (b"VP8X", flags)
        assert webp.rindex(b"XMP ") > webp.index(b"VP8", 16)
        assert len(webp) == int.from_bytes(webp[4:8], "little") + 8
    for name in ("webp-lossy-alpha", "webp-lossless-alpha"):
        assert embed(FILES[name][1], "WEBP", FACTS)[20] == 0x14


def test_characters_that_xml_cannot_write_are_marked() -> None:
    """Controls and half a surrogate pair."""
    for kind in ("JPEG", "PNG", "WEBP"):
        marked = embed(encoded(kind), kind, asking(prompt="a\x00\x1b[2J\ud800\uffffz"))
        assert extract(marked, kind).request.prompt == "a\ufffd\ufffd[2J\ufffd\ufffdz"


def chunk(name: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(name + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + name + body + crc


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


JPEG, PNG, WEBP = encoded("JPEG"), encoded("PNG"), encoded("WEBP")
REFUSED = {
    "jpeg-signed": ("JPEG", JPEG[:2] + segment(0xEB, b"JP\0\1jumbc2pa") + JPEG[2:], "C2PA"),
    "jpeg-several": ("JPEG", JPEG[:2] + segment(0xE2, b"MPF\0II*\0") + JPEG[2:], "several"),
    "jpeg-full": ("JPEG", encoded("JPEG", xmp=FOREIGN + b" " * 65000), "65502"),
    "jpeg-odd-xmp": ("JPEG", encoded("JPEG", xmp=b"<xmp>none</xmp>"), "XMP"),
    "jpeg-odd-rdf": ("JPEG", encoded("JPEG", xmp=b"<rdf:RDF xmlns:rdf='x'></rdf:RDF>"), "XMP"),
    "png-signed": ("PNG", PNG[:33] + chunk(b"caBX", b"c2pa") + PNG[33:], "C2PA"),
    "png-without-data": ("PNG", PNG[:33], "laid out"),
    "webp-signed": ("WEBP", riff(WEBP[12:], b"C2PA\4\0\0\0c2pa"), "C2PA"),
    "webp-odd": ("WEBP", riff(b"ABCD\4\0\0\0abcd"), "laid out"),
    "webp-empty": ("WEBP", riff(), "laid out"),
    "webp-cut-behind": ("WEBP", riff(WEBP[12:], b"EXIF\xff\xff\0\0abc"), "laid out"),
    "webp-cut": ("WEBP", riff(WEBP[12:-9]), "laid out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_carry_them_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    """It is told why."""
    kind, data, said = REFUSED[name]
    with pytest.raises(ValueError, match=said):
        embed(data, kind, FACTS)
    fact = replace(pictures.accept(picture_file(tmp_path, encoded(kind))), format=kind)
    told = pictures.mark(data, fact, FACTS)
    assert isinstance(told, pictures.Unmarked)
    assert said in told.reason


def picture_file(folder: Path, data: bytes) -> Path:
    path = folder / "picture"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", FILES)
def test_mark_gives_the_facts_of_the_marked_file(name: str, tmp_path: Path) -> None:
    """Its size in pixels is the same, its bytes and hash are the new ones."""
    before = pictures.accept(picture_file(tmp_path, FILES[name][1]))
    marked = pictures.mark(FILES[name][1], before, FACTS)
    assert isinstance(marked, tuple)
    after, data = marked
    path = picture_file(tmp_path, data)
    assert after == pictures.accept(path)
    assert (after.width, after.height) == (before.width, before.height)
    assert after.sha256 != before.sha256
    assert pictures.facts_in(path) == (after, FACTS)


def test_what_would_be_no_whole_picture_is_not_written(tmp_path: Path) -> None:
    """The marked file is looked at before it takes the place of the one that came."""
    before = pictures.accept(picture_file(tmp_path, JPEG))
    told = pictures.mark(JPEG[:-2], before, FACTS)
    assert told == pictures.Unmarked("it would no longer be a whole picture")


@pytest.mark.parametrize("name", ["jpeg-xmp", "png", "webp-lossy", "webp-icc-exif"])
def test_a_fault_of_the_writer_never_reaches_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte of the picture itself that differs is enough, though the file would be whole."""
    path = picture_file(tmp_path, FILES[name][1])
    before, data = pictures.accept(path), path.read_bytes()

    def faulty(data: bytes, kind: str, facts: Provenance) -> bytes:
        marked = bytearray(embed(data, kind, facts))
        marked[marked.index(data[-100:-80]) + 3] ^= 1
        return bytes(marked)

    monkeypatch.setattr(metadata, "embed", faulty)
    assert pictures.mark(data, before, FACTS) == pictures.Unmarked(
        "it would no longer be the same picture"
    )


def test_another_size_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A WebP gets a header with the size of its canvas, which has to be the picture's."""
    picture = pictures.accept(picture_file(tmp_path, WEBP))

    def faulty(data: bytes, kind: str, facts: Provenance) -> bytes:
        marked = bytearray(embed(data, kind, facts))
        marked[marked.index(b"VP8X") + 12] ^= 1  # of the width (WebP container, "Extended File")
        return bytes(marked)

    monkeypatch.setattr(metadata, "embed", faulty)
    told = pictures.mark(WEBP, picture, FACTS)
    assert told == pictures.Unmarked("it would have another size")


@pytest.mark.parametrize("odd", [b"\0\0", b"\xff\xe5\0\2"])
def test_a_jpeg_that_only_the_decoder_understands_is_marked(odd: bytes, tmp_path: Path) -> None:
    """Stray bytes and an empty segment before its header: the picture is whole."""
    at = JPEG.index(b"\xff\xdb")
    data = JPEG[:at] + odd + JPEG[at:]
    picture = pictures.accept(picture_file(tmp_path, data))
    marked = pictures.mark(data, picture, FACTS)
    assert isinstance(marked, tuple)
    assert pictures.accept(picture_file(tmp_path, marked[1])) == marked[0]


@pytest.mark.parametrize("name", ["jpeg", "jpeg-xmp", "png", "webp-lossy", "webp-icc-exif"])
def test_a_cut_file_tells_all_or_nothing(name: str) -> None:
    """Cut anywhere, and damaged anywhere: never an error, and never half of the facts."""
    kind, data = FILES[name]
    marked = embed(data, kind, FACTS)
    ends = {*range(0, min(len(marked), 2600)), *range(0, len(marked), 61)}
    assert {extract(marked[:end], kind) for end in ends} <= {None, FACTS}
    chance = random.Random(name)
    for _ in range(300):
        damaged = bytearray(marked)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        found = extract(bytes(damaged), kind)
        assert found is None or len(found.request.prompt) <= 4000


def carrying(packet: bytes) -> bytes:
    return encoded("JPEG", xmp=packet)


def ours(**changed: str) -> bytes:
    """A packet as another program might write it: elements, another prefix."""
    facts = {"job": "0" * 16, "prompt": "p", "seed": "7", "scale": "0.4", "width": "512"}
    facts |= {"height": "512", "take": "1", **changed}
    inner = "".join(f"<z:{name}>{text}</z:{name}>" for name, text in facts.items())
    return (
        f'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description'
        f' xmlns:z="{xmp.NAMESPACE}">{inner}</r:Description></r:RDF>'
    ).encode()


def test_a_packet_that_another_program_rewrote_is_read() -> None:
    """As elements, with another prefix, padded, and in a compressed PNG text."""
    assert extract(carrying(ours()), "JPEG").key == "0" * 16
    assert extract(carrying(ours() + b" \n" * 500), "JPEG").request.seed == 7
    body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(ours())
    assert extract(PNG[:33] + chunk(b"iTXt", body) + PNG[33:], "PNG").request.take == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"job": "0" * 15},
        {"job": "../../etc/passwd"},
        {"seed": "7.5"},
        {"seed": "9" * 5000},
        {"scale": "nan"},
        {"scale": "inf"},
        {"width": ""},
        {"prompt": "x" * 5000},
        {"task_id": "x" * 5000},
    ],
)
def test_facts_that_make_no_sense_are_none(changed: dict[str, str]) -> None:
    """They were written by anybody."""
    assert extract(carrying(ours(**changed)), "JPEG") is None


def test_a_commit_of_another_form_is_dropped() -> None:
    """It would be shown as one."""
    assert extract(carrying(ours(commit="rm -rf")), "JPEG").commit is None


def test_hostile_xml_is_not_read() -> None:
    """Entities that grow or read files, an unknown encoding, depth, and a bomb of zeros."""
    lol = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 20))
    bodies = [
        b'<!DOCTYPE x [<!ENTITY l0 "lol">' + lol + b"]>" + ours(prompt="&l19;"),
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>' + ours(prompt="&f;"),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">' + ours(),
        b'<?xml version="1.0" encoding="none-such"?>' + ours(),
        ours(prompt="&undefined;"),
        b"<a>" * 10000 + ours(),
        ours()[:-1],
    ]
    for body in bodies:
        assert xmp.read(body) == {}
    assert extract(carrying(ours()), "JPEG") is not None


def test_a_bomb_in_a_compressed_text_is_not_unpacked() -> None:
    """50 MB of spaces in 50 kB, and a stream that breaks."""
    bomb = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(ours() + b" " * 50_000_000)
    data = PNG[:33] + chunk(b"iTXt", bomb) + PNG[33:]
    tracemalloc.start()
    assert extract(data, "PNG") is None
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
    broken = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(ours())[:-20] + b"?" * 30
    assert extract(PNG[:33] + chunk(b"iTXt", broken) + PNG[33:], "PNG") is None


def test_no_picture_is_told(tmp_path: Path) -> None:
    """A folder, nothing, a text, a GIF."""
    gif = picture_file(tmp_path, encoded("GIF", "P"))
    text = tmp_path / "a.txt"
    text.write_text("hello")
    for path in (tmp_path, tmp_path / "none", text, gif):
        with pytest.raises(PictureError, match=str(path)):
            pictures.facts_in(path)


def test_a_picture_without_metadata_tells_none(tmp_path: Path) -> None:
    """Also one with somebody else's XMP."""
    for data in (JPEG, PNG, WEBP, carrying(FOREIGN)):
        assert pictures.facts_in(picture_file(tmp_path, data))[1] is None
