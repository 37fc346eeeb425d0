"""Precision and recall of the checks on pictures, on a labelled set made of recipes/photos.

Twelve inputs (each photo, its mirrored left part and its right part), each with twenty results that
are known to be good or wrong in one way. `--measures` also prints what is measured of each kind of
result, of which the defaults in schemas/recipe.schema.json follow.
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from spark_batch import pictures
from spark_batch.jobs.checks import Check, CheckResult, Kind
from spark_batch.models.schemas import RECIPE, schema
from tests.makers import MODEL

PHOTOS = Path(__file__).parents[2] / "recipes" / "photos"
NAMES = ("coffee.png", "tulips.png", "cat.png", "dandelion.jpg")
SIDE = 1024  # pixels of a result's long side

Edit = Callable[[Image.Image, Image.Image], Image.Image]


@dataclass(frozen=True)
class Treatment:
    """A kind of result: what is done to the input, and the checks that should fail.

    `either` may fail or not: nobody could say.
    """

    name: str
    edit: Edit
    wrong: frozenset[str] = frozenset()
    either: frozenset[str] = frozenset()
    quality: int = 88


def set_of(*names: str) -> frozenset[str]:
    return frozenset(names)


def noise(size: tuple[int, int], spread: int) -> Image.Image:
    """Grey noise that is the same each time, in coarse grains as JPEG leaves them."""
    coarse = (size[0] // 4 + 1, size[1] // 4 + 1)
    data = Random(1).choices(range(128 - spread, 129 + spread), k=coarse[0] * coarse[1])
    return Image.frombytes("L", coarse, bytes(data)).resize(size).convert("RGB")


def shifted(image: Image.Image, spread: int) -> Image.Image:
    return ImageChops.add(image, noise(image.size, spread), offset=-128)


def mask(size: tuple[int, int], part: float, *, soft: float = 0) -> Image.Image:
    """An ellipse in the middle, with `part` of each side."""
    width, height = size
    drawn = Image.new("L", size)
    edge = (1 - part) / 2
    box = (width * edge, height * edge, width * (1 - edge), height * (1 - edge))
    ImageDraw.Draw(drawn).ellipse(box, fill=255)
    return drawn.filter(ImageFilter.GaussianBlur(soft)) if soft else drawn


def duotone(image: Image.Image) -> Image.Image:
    return ImageOps.colorize(image.convert("L"), (10, 0, 40), (80, 255, 240), (255, 0, 150))


def sketch(image: Image.Image) -> Image.Image:
    grey = image.convert("L")
    soft = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(6))
    return ImageChops.add(grey, soft).convert("RGB")


def posterized(image: Image.Image) -> Image.Image:
    return ImageOps.posterize(ImageEnhance.Color(image).enhance(2), 2)


def recoloured(image: Image.Image) -> Image.Image:
    tint = ImageOps.colorize(image.convert("L"), (60, 0, 0), (255, 170, 170))
    return Image.composite(tint, image, mask(image.size, 0.2))


def faint(image: Image.Image) -> Image.Image:
    shade = Image.linear_gradient("L").resize(image.size)
    return shade.point(lambda value: 118 + value // 20).convert("RGB")


def middle(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 6, 0, width - width // 6, height))


def plain(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", image.size, colour)


def on_other(image: Image.Image, other: Image.Image) -> Image.Image:
    return Image.composite(image, other.resize(image.size), mask(image.size, 0.7, soft=8))


def blurred(radius: float) -> Edit:
    return lambda image, _: image.filter(ImageFilter.GaussianBlur(radius))


SAME = set_of("differs")
BLANK = set_of("not_blank", "similar")
TREATMENTS = (
    Treatment("untouched", lambda image, _: image, SAME),
    Treatment("recompressed", lambda image, _: image, SAME, quality=40),
    Treatment("cropped", lambda image, _: middle(image), SAME),
    Treatment("tinted", lambda i, _: Image.blend(i, plain(i, (255, 140, 0)), 0.25)),
    Treatment("grey", lambda image, _: ImageOps.grayscale(image).convert("RGB")),
    Treatment("night", lambda i, _: ImageChops.multiply(i, plain(i, (60, 70, 130)))),
    Treatment("posterized", lambda image, _: posterized(image)),
    Treatment("oil", lambda image, _: image.filter(ImageFilter.ModeFilter(9))),
    Treatment("duotone", lambda image, _: duotone(image)),
    Treatment("solarized", lambda image, _: ImageOps.solarize(image, 128)),
    Treatment("sketch", lambda image, _: sketch(image)),
    Treatment("part recoloured", lambda image, _: recoloured(image)),
    Treatment("new background", on_other),
    Treatment("another picture", lambda i, other: other.resize(i.size), set_of("similar")),
    Treatment("blurred a little", blurred(SIDE / 330), set_of("sharp"), set_of("differs")),
    Treatment("blurred", blurred(SIDE / 130), set_of("sharp"), set_of("differs")),
    Treatment("black", lambda image, _: plain(image, (0, 0, 0)), BLANK, set_of("sharp")),
    Treatment(
        "one colour", lambda i, _: shifted(plain(i, (90, 130, 60)), 3), BLANK, set_of("sharp")
    ),
    Treatment("faint shade", lambda image, _: faint(image), BLANK, set_of("sharp")),
    Treatment("wrong size", lambda i, _: ImageOps.grayscale(i.resize((960, 640))), set_of("size")),
)


def checks() -> list[Check]:
    """Each check that is measured, with its default."""
    known = schema(RECIPE)["$defs"]["check"]["properties"]
    kinds = [kind for kind in Kind if kind not in (Kind.TEXT, Kind.RUN)]
    return [Check(kind, kind.value, limit=known[kind.value].get("default", 0.0)) for kind in kinds]


def inputs() -> list[Image.Image]:
    found = []
    for name in NAMES:
        photo = Image.open(PHOTOS / name).convert("RGB")
        width, height = photo.size
        found.append(photo)
        found.append(ImageOps.mirror(photo.crop((0, 0, width * 2 // 3, height))))
        found.append(photo.crop((width // 3, 0, width, height)))
    return found


def enlarged(image: Image.Image) -> Image.Image:
    """At the size of a result."""
    factor = SIDE / max(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BICUBIC)


def judged(folder: Path) -> Iterator[tuple[Treatment, tuple[CheckResult, ...]]]:
    """Every pair of the set, with the results of the checks on it as a run makes them."""
    made, looks = inputs(), checks()
    large = [enlarged(image) for image in made]
    for at, image in enumerate(made):
        source = folder / f"{at}.png"
        image.save(source)
        before = pictures.before_of(source, None, MODEL.picture)
        for treatment in TREATMENTS:
            # Four on is another photo in another cut.
            result = treatment.edit(large[at], large[(at + 4) % len(large)])
            path = folder / "result.jpg"
            result.save(path, "JPEG", quality=treatment.quality)
            expected = (SIDE, 1) if treatment.name == "wrong size" else result.size
            found = pictures.inspect(path, expected=expected, before=before, checks=looks)
            yield treatment, found.checks


def share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def by_kind(names: list[str]) -> str:
    return ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(names)) or "0"


def main() -> None:
    """Print the table, and with --measures what is measured of each kind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--measures", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pairs = list(judged(Path(folder)))
    print(f"{len(pairs)} pairs\n")
    print("| check | wrong | found | missed | falsely flagged | precision | recall |")
    print("|---|---|---|---|---|---|---|")
    for at, check in enumerate(checks()):
        counted = [(t, r[at].passed) for t, r in pairs if check.label not in t.either]
        wrong = [(t.name, passed) for t, passed in counted if check.label in t.wrong]
        missed = [name for name, passed in wrong if passed]
        found = len(wrong) - len(missed)
        false = [t.name for t, passed in counted if check.label not in t.wrong and not passed]
        limit = f": {check.limit:g}" if check.limit else ": expected"
        print(
            f"| `{check.label}{limit}` | {len(wrong)} | {found} | {by_kind(missed)} |"
            f" {by_kind(false)} |"
            f" {share(found, found + len(false))} | {share(found, len(wrong))} |"
        )
    if options.measures:
        _print_measures(pairs)


def _print_measures(pairs: list[tuple[Treatment, tuple[CheckResult, ...]]]) -> None:
    print("\nlowest, median and highest of each kind")
    for treatment in TREATMENTS:
        results = [found for t, found in pairs if t is treatment]
        cells = []
        for at, check in enumerate(checks()):
            texts = [
                re.search(r"(?:by|input|again|sharpness):? ?([0-9.e-]+)", r[at].reason)
                for r in results
            ]
            values = sorted(float(text[1]) for text in texts if text)
            if values:
                cells.append(f"{check.label} {values[0]:.3f} {median(values):.3f} {values[-1]:.3f}")
        print(f"{treatment.name:18} {'  '.join(cells)}")


if __name__ == "__main__":
    main()
