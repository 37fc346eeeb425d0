"""Pictures in every format and mode that `fit` reads, with four places whose colours are known."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pillow_heif
from PIL import Image, ImageCms

from spark_batch.jobs import Fit, Picture, Treatment
from spark_batch.pictures import reading
from tests.makers import MODEL, fitted, probe

Colour = tuple[int, int, int]
Size = tuple[int, int]

# Upper left, upper right, lower left, lower right.
COLOURS: tuple[Colour, ...] = ((220, 30, 40), (30, 170, 60), (40, 60, 200), (240, 220, 90))
GREYS = (10, 90, 170, 250)

KINDS: dict[str, tuple[str, ...]] = {
    "JPEG": ("RGB", "L", "CMYK"),
    "MPO": ("RGB",),
    "PNG": ("1", "L", "P", "P clear", "RGB", "RGBA", "RGBA clear", "LA clear", "I;16"),
    "WEBP": ("RGB", "RGBA clear"),
    "TIFF": ("1", "L", "P", "RGB", "RGBA", "RGBA clear", "CMYK", "LAB", "I;16"),
    "BMP": ("1", "L", "P", "RGB"),
    "GIF": ("L", "P", "P clear"),
    "HEIC": ("L", "RGB", "RGBA", "RGBA clear"),
}
# The lowest Pillow that we run with has no AVIF.
AVIF = reading.needs("AVIF") is None
if AVIF:
    KINDS["AVIF"] = ("L", "RGB", "RGBA", "RGBA clear")
DEFAULT = Fit(ratio="pad", background="#ffffff", format="auto")
CROP = Fit(ratio="crop", background="#ffffff", format="auto")
JPEG = Fit(ratio="pad", background="#336699", format="jpeg")
PNG = Fit(ratio="pad", background="#ffffff", format="png")
ALL = [(kind, mode) for kind, modes in KINDS.items() for mode in modes]
WITH_EXIF = ("JPEG", "PNG", "WEBP", "TIFF", *(kind for kind in ("HEIC", "AVIF") if kind in KINDS))
# What undoes each EXIF orientation: a picture is stored turned by it, and shown upright.
_UNDONE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def painted(mode: str, size: Size) -> tuple[Image.Image, tuple[Colour, ...]]:
    """A picture of a mode, and what its quarters look like as RGB; `clear` ones lack the last."""
    name, _, clear = mode.partition(" ")
    if name in ("1", "L", "LA", "I;16"):
        return _grey(name, size)
    image = _assembled("RGB", size, COLOURS)
    if name == "RGBA":
        image.putalpha(_hole(size) if clear else 255)
    elif name == "P":
        image = image.quantize(8)
        if clear:
            image.info["transparency"] = image.getpixel((size[0] - 1, size[1] - 1))
    elif name == "LAB":
        image = _lab(image)
    else:
        image = image.convert(name)
    return image, COLOURS


def _grey(name: str, size: Size) -> tuple[Image.Image, tuple[Colour, ...]]:
    levels = {"1": (0, 255, 255, 0)}.get(name, GREYS)
    expected: tuple[Colour, ...] = tuple((level, level, level) for level in levels)
    if name == "I;16":
        return _assembled(name, size, tuple(level * 257 for level in levels)), expected
    image = _assembled("L", size, levels)
    if name == "LA":
        return Image.merge("LA", (image, _hole(size))), expected
    return image.convert(name), expected


def _assembled(mode: str, size: Size, colours: tuple[object, ...]) -> Image.Image:
    image = Image.new(mode, size)
    across, down = size[0] // 2, size[1] // 2
    boxes = (
        (0, 0, across, down),
        (across, 0, size[0], down),
        (0, down, across, size[1]),
        (across, down, *size),
    )
    for box, colour in zip(boxes, colours, strict=True):
        image.paste(colour, box)  # type: ignore[arg-type]
    return image


def _hole(size: Size) -> Image.Image:
    return _assembled("L", size, (255, 255, 255, 0))


def _lab(image: Image.Image) -> Image.Image:
    ways = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(*ways, "RGB", "LAB").apply(image)


_OPTIONS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "MPO": {"save_all": True, "append_images": [Image.new("RGB", (40, 40))]},
}


def saved(
    path: Path, kind: str, image: Image.Image, *, orientation: int = 1, **options: object
) -> Path:
    """Write a picture that is shown as `image` when EXIF is heeded."""
    clear = image.info.get("transparency")
    if orientation != 1:
        image = image.transpose(_UNDONE[orientation])
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    if clear is not None:
        options["transparency"] = clear
    options = {**_OPTIONS.get(kind, {}), **options}
    if kind == "HEIC":
        path.write_bytes(heic_file(image, **options))
    else:
        image.save(path, kind, **options)
    return path


def heic_file(*images: Image.Image, **options: object) -> bytes:
    """A HEIC file of pictures, hardly changed; an orientation in `exif` turns them all."""
    if icc := options.pop("icc_profile", None):
        for image in images:
            image.info["icc_profile"] = icc
    if isinstance(exif := options.get("exif"), Image.Exif):
        options["exif"] = exif.tobytes()
    written, out = pillow_heif.HeifFile(), BytesIO()
    for image in images:
        written.add_from_pillow(image)
    written.save(out, **{"quality": -1, "chroma": 444, **options})
    return out.getvalue()


def looks(image: Image.Image) -> tuple[Colour, ...]:
    """The colours of the four quarters' middles."""
    plain, (width, height) = image.convert("RGB"), image.size
    places = [(x, y) for y in (height // 4, height * 3 // 4) for x in (width // 4, width * 3 // 4)]
    return tuple(plain.getpixel(place) for place in places)  # type: ignore[misc]


def decoded(data: bytes) -> Image.Image:
    """The picture in a file's bytes."""
    image = Image.open(BytesIO(data))
    image.load()
    return image


def distance(found: tuple[Colour, ...], expected: tuple[Colour, ...]) -> int:
    """The largest difference of a channel, of 255 levels."""
    return max(
        abs(one - other)
        for here, there in zip(found, expected, strict=True)
        for one, other in zip(here, there, strict=True)
    )


def made(path: Path, fit: Fit = DEFAULT) -> tuple[Picture, Treatment, bytes]:
    """A picture's facts, what is done to it, and the file that is sent; the API has to take it."""
    picture = probe(path, fit)
    assert picture.treatment is not None
    data = fitted(path, picture)
    sent = path.with_name("sent")
    sent.write_bytes(data)
    facts = probe(sent)
    assert facts.format == picture.treatment.format
    assert facts.bytes <= MODEL.picture.recommended_bytes
    assert facts.width * facts.height <= picture.treatment.width * picture.treatment.height
    return picture, picture.treatment, data


def wide_gamut() -> bytes:
    """A profile that says that it is sRGB, and is not: its red and green are swapped."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)
