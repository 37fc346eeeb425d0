"""`fit` as a user meets it: planned, sent, told, kept through a lost checkpoint, changed."""

from __future__ import annotations

import csv
import json
import sys
from io import BytesIO

import pytest
from PIL import Image

from spark_batch.errors import ExitCode
from spark_batch.models import schemas
from spark_batch.reports import manifest
from tests.cli.conftest import Call, Folder, start
from tests.pictures.painting import AVIF, distance, looks, painted, saved

RECIPE = """\
version: 1
name: tiny
inputs:
  - {path: scans/*.tif, fit: true}
  - {id: phone, path: phone.jpg, fit: true}
  - {id: deep, path: deep.png, fit: true}
  - {id: print, path: print.jpg, fit: true}
  - {id: wide, path: wide.jpg, fit: {ratio: crop}}
  - {id: photo, path: photo.jpg, fit: true}
prompts: [Beach]
variants: {size: 512x512, seed: 7}
price: 0.03
run: {submit_rate: 100}
silence: [input-small]
"""
WORDS = {
    "scan": "saved as JPEG",
    "phone": "turned upright, saved as JPEG",
    "deep": "16-bit → 8-bit, saved as JPEG",
    "print": "CMYK → RGB, saved as JPEG",
    "wide": "cropped to 3:1, 500x100 → 300x100, saved as JPEG",
    "photo": "",
}


@pytest.fixture
def fits(folder: Folder) -> Folder:
    """A recipe of pictures of which the API would take one as it is."""
    colours = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
    (folder.path / "scans").mkdir()
    colours.save(folder.path / "scans" / "scan.tif")
    exif = Image.Exif()
    exif[0x0112] = 6
    colours.save(folder.path / "phone.jpg", exif=exif)
    deep = Image.new("I;16", (96, 64), 30_000)
    deep.paste(60_000, (0, 0, 40, 64))
    deep.save(folder.path / "deep.png")
    colours.convert("CMYK").save(folder.path / "print.jpg")
    colours.resize((500, 100)).save(folder.path / "wide.jpg")
    folder.recipe.write_text(RECIPE, encoding="utf-8")
    return folder


def _rows(folder: Folder) -> list[dict[str, str]]:
    path = folder.previews / "tiny.manifest.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _sent(folder: Folder) -> list[Image.Image]:
    """The pictures that the sandbox was sent, in order of their size."""
    stored = folder.previews / ".spark-batch" / "sandbox" / "images"
    images = [Image.open(BytesIO(path.read_bytes())) for path in stored.iterdir()]
    return sorted(images, key=lambda each: each.size)


def test_plan_tells_what_is_done(fits: Folder, call: Call) -> None:
    """An input a line, and in JSON at each job; nothing is written."""
    told = call("plan", fits.recipe, "--sandbox")
    assert told.code == ExitCode.DONE
    for name, words in WORDS.items():
        assert (f"  fit {name}: {words}\n" in told.out) == bool(words)
    document = json.loads(call("plan", fits.recipe, "--sandbox", "--json").out)
    schemas.validator("plan").validate(document)
    assert [job["fit"] for job in document["jobs"]] == [words or None for words in WORDS.values()]
    assert not fits.out.exists()


def test_a_plan_lists_no_more_than_twenty_of_them(fits: Folder, call: Call) -> None:
    """A thousand scans are counted; JSON has them all."""
    data = (fits.path / "scans" / "scan.tif").read_bytes()
    for number in range(20):
        (fits.path / "scans" / f"s{number}.tif").write_bytes(data)
    told = call("plan", fits.recipe, "--sandbox").out.splitlines()
    assert sum(line.startswith("  fit ") for line in told) == 20
    assert "  fit: and 5 more inputs (--json lists every job)" in told


def test_what_is_sent_is_upright_in_rgb_and_within_the_limits(fits: Folder, call: Call) -> None:
    """The manifest tells of each, and so does `why`; the originals are as they were."""
    before = {path: path.read_bytes() for path in fits.path.rglob("*.*") if path.is_file()}
    ended = call("run", fits.recipe, "--sandbox")
    assert (ended.code, len(fits.pictures())) == (ExitCode.DONE, 6)
    assert {path: path.read_bytes() for path in before} == before
    rows = _rows(fits)
    schemas.validator(schemas.MANIFEST).validate(rows)
    assert {row["input"]: row["fit"] for row in rows} == WORDS
    assert tuple(rows[0])[-8:-6] == ("api", "fit")
    assert [(each.format, each.mode, each.size) for each in _sent(fits)] == [
        ("JPEG", "RGB", (64, 96)),
        *[("JPEG", "RGB", (96, 64))] * 4,
        ("JPEG", "RGB", (300, 100)),
    ]
    (job,) = (row["job"] for row in rows if row["input"] == "wide")
    assert f"  fit: {WORDS['wide']}\n" in call("why", fits.recipe, job, "--sandbox").out


def test_a_second_run_does_nothing_also_in_another_folder(fits: Folder, call: Call) -> None:
    """Names and folders are no part of what was asked for."""
    call("run", fits.recipe, "--sandbox")
    (fits.path / "moved").mkdir()
    (fits.path / "deep.png").rename(fits.path / "moved" / "other.png")
    fits.edit("path: deep.png", "path: moved/other.png")
    ended = call("run", fits.recipe, "--sandbox")
    assert "nothing to do: 6 jobs done" in ended.out


def test_another_fit_is_another_job_and_the_plan_says_why(fits: Folder, call: Call) -> None:
    """Only where it plays a part: the background of a picture that needs none is nothing."""
    call("run", fits.recipe, "--sandbox")
    fits.edit("{ratio: crop}", "{ratio: pad}")
    fits.edit("print.jpg, fit: true", "print.jpg, fit: {background: '#123456'}")
    told = call("plan", fits.recipe, "--sandbox").out
    assert f"changed: fit from '{WORDS['wide']}' to 'padded to 3:1 with #ffffff, 500x100" in told
    assert "1 to create" in told


def test_a_manifest_of_before_is_read_and_adopted(fits: Folder, call: Call) -> None:
    """Without the column `fit`, and without a checkpoint: nothing is paid for again."""
    call("run", fits.recipe, "--sandbox")
    path = fits.previews / "tiny.manifest.csv"
    rows, names = _rows(fits), manifest.manifest_columns()[:-1]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (fits.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    ended = call("run", fits.recipe, "--sandbox")
    assert "6 jobs adopted" in ended.err
    assert "nothing to do: 6 jobs done" in ended.out
    assert {row["input"]: row["fit"] for row in _rows(fits)} == WORDS


def test_adoption_keeps_what_was_done_to_a_line_that_is_gone(fits: Folder, call: Call) -> None:
    """The manifest's words come into the new checkpoint, and back when the line does."""
    call("run", fits.recipe, "--sandbox")
    (job,) = (row["job"] for row in _rows(fits) if row["input"] == "wide")
    line = "  - {id: wide, path: wide.jpg, fit: {ratio: crop}}\n"
    fits.edit(line, "")
    (fits.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    call("run", fits.recipe, "--sandbox")
    fits.edit("  - {id: photo", f"{line}  - {{id: photo")
    call("run", fits.recipe, "--sandbox")
    (row,) = (row for row in _rows(fits) if row["input"] == "wide")
    assert (row["job"], row["fit"], row["attempts"]) == (job, WORDS["wide"], "1")


def test_a_picture_that_changes_between_plan_and_run_is_fitted_anew(
    fits: Folder, call: Call
) -> None:
    """The run plans again by itself: what is sent is what is there."""
    call("run", fits.recipe, "--sandbox", "--limit", "1")
    Image.new("RGB", (90, 60), "navy").save(fits.path / "scans" / "scan.tif")
    ended = call("run", fits.recipe, "--sandbox")
    assert ended.code == ExitCode.DONE
    assert {row["status"] for row in _rows(fits)} == {"done"}
    assert (90, 60) in [each.size for each in _sent(fits)]


def test_without_fit_the_error_names_it(fits: Folder, call: Call) -> None:
    """What it would do is said where the API would refuse the file."""
    fits.edit("{path: scans/*.tif, fit: true}", "scans/*.tif")
    fits.edit("fit: {ratio: crop}", "fit: false")
    told = call("validate", fits.recipe)
    assert told.code == ExitCode.WRONG
    assert "this is a TIFF file; the API takes JPEG and PNG; `fit: true` converts it" in told.err
    assert "at most 3 is allowed; crop it, or let `fit: true` pad it" in told.err


def test_nothing_but_the_error_is_said_of_hostile_files(fits: Folder) -> None:
    """Pillow warns of odd metadata and logs of broken tags; neither reaches the user."""
    scan = fits.path / "scans" / "scan.tif"
    samples = b"\x15\x01\x03\x00\x01\x00\x00\x00"  # SamplesPerPixel, one short number
    data = scan.read_bytes()
    assert data.count(samples) == 1
    scan.write_bytes(data.replace(samples + b"\x03\x00", samples + b"\x00\x06"))
    exif = Image.Exif()
    exif[0x0112] = 6
    odd = fits.path / "scans" / "odd.tif"
    Image.new("RGB", (96, 64)).save(odd, exif=exif)
    one = b"\x12\x01\x03\x00\x01\x00\x00\x00"  # Orientation, one short number: now two
    assert odd.read_bytes().count(one) == 1
    odd.write_bytes(odd.read_bytes().replace(one, b"\x12\x01\x03\x00\x02\x00\x00\x00"))
    process = start("validate", fits.recipe)
    out, err = process.communicate(timeout=60)
    assert process.returncode == ExitCode.WRONG
    assert out == f"{fits.recipe}: 1 error\n"
    first, *rest = err.splitlines()
    assert first.endswith("scan.tif: this TIFF file is broken or cut short; get a whole copy")
    assert [line.strip() for line in rest] == ["- {path: scans/*.tif, fit: true}", "^"]


def test_a_folder_of_a_phone(folder: Folder, call: Call) -> None:
    """A glob finds HEIC and AVIF as it finds others; they are sent upright, and paid for once."""
    photos = folder.path / "photos"
    photos.mkdir()
    image = painted("RGB", (96, 64))[0]
    kinds = {"jpg": "JPEG", "heic": "HEIC", **({"avif": "AVIF"} if AVIF else {})}
    for extension, kind in kinds.items():
        saved(photos / f"{kind}.{extension}", kind, image, orientation=6)
    text = RECIPE[: RECIPE.index("inputs")] + RECIPE[RECIPE.index("prompts") :]
    folder.recipe.write_text(f"{text}inputs: [{{path: photos/*, fit: true}}]\n", encoding="utf-8")
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, len(folder.pictures())) == (ExitCode.DONE, len(kinds))
    rows = {row["input"]: row["fit"] for row in _rows(folder)}
    assert rows == dict.fromkeys(kinds.values(), "turned upright, saved as JPEG")
    for sent in _sent(folder):
        assert (sent.format, sent.size) == ("JPEG", (96, 64))
        assert distance(looks(sent), looks(image)) <= 8
    assert "nothing to do" in call("run", folder.recipe, "--sandbox").out


def test_a_damaged_heic_file_is_an_error_at_its_line(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that nothing here can read."""
    path = saved(folder.path / "a.heic", "HEIC", painted("RGB", (96, 64))[0])
    text = RECIPE[: RECIPE.index("inputs")] + RECIPE[RECIPE.index("prompts") :]
    folder.recipe.write_text(f"{text}inputs: [{{path: a.heic, fit: true}}]\n", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "pi_heif", None)
        told = call("validate", folder.recipe)
        assert told.code == ExitCode.WRONG
        assert "this is a HEIC file, which needs the extra `heif` (pip install pi-heif)" in told.err
    path.write_bytes(path.read_bytes()[:-100])
    told = call("validate", folder.recipe)
    assert told.code == ExitCode.WRONG
    assert "a.heic: this HEIC file is broken or cut short; get a whole copy" in told.err
    assert "- {path: a.heic" in told.err or "[{path: a.heic" in told.err
