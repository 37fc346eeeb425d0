"""Convert pixels of any mode to 8-bit RGB, with transparency kept.

This is for cases in which Pillow's plain `convert` is wrong: 16-bit grey is scaled, where `convert`
clips it; CMYK and RGB are converted by their embedded profile (LittleCMS), if it can be used;
transparency in a palette or of one colour becomes a channel.
"""

from __future__ import annotations

from io import BytesIO
from itertools import product

from PIL import Image, ImageChops, ImageCms, ImageStat

_OPAQUE = 255
_LEVELS_OF_8 = 256
# How far rounding may change a level, of 255.
_UNSEEN = 2
# The values of a pixel of 16 bits or fewer.
_LEVELS = 1 << 16
# Pillow's modes of one number of 16 bits.
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_ALPHA = ("RGBA", "LA", "PA", "La", "RGBa")
_SPACES = {"RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}


def even(image: Image.Image, *, bits: int, inverted: bool = False) -> Image.Image:
    """The picture in mode L, RGB, RGBA, CMYK or LAB, with 8 bits a channel.

    `bits` are those of a sample in the file, `inverted` says that its 0 is white. The mode is RGBA
    only where some pixel is transparent.
    """
    if image.mode in _SIXTEEN:
        return _scaled(image, bits=bits, inverted=inverted)
    if image.mode in _ALPHA or "transparency" in image.info:
        whole = image.convert("RGBA")
        return whole if see_through(whole) else whole.convert("RGB")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def see_through(image: Image.Image) -> bool:
    """Whether any pixel is not fully opaque."""
    if image.mode != "RGBA":
        return False
    lowest, _ = image.getchannel("A").getextrema()
    return isinstance(lowest, int | float) and lowest < _OPAQUE


def _scaled(image: Image.Image, *, bits: int, inverted: bool) -> Image.Image:
    """16-bit grey in 8 bits: the brightest value of `bits` bits is white."""
    brightest = (1 << bits) - 1
    table = [min(255, (level * 255 + brightest // 2) // brightest) for level in range(_LEVELS)]
    if inverted:
        table = [255 - level for level in table]
    clear = image.info.get("transparency")
    wide = image.convert("I")
    grey = wide.point(table, "L")
    if not isinstance(clear, int):
        return grey
    alpha = wide.point([0 if level == clear else 255 for level in range(_LEVELS)], "L")
    whole = Image.merge("RGBA", (grey, grey, grey, alpha))
    return whole if see_through(whole) else grey


def transform(icc: object, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The transform from an embedded profile to sRGB; None without a usable profile.

    A profile that changes no colour, such as that of sRGB itself, has none either. `mode` is the
    picture's.
    """
    try:
        if mode == "LAB":
            profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        elif isinstance(icc, bytes) and icc and mode in _SPACES:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            if profile.profile.xcolor_space.strip() != _SPACES[mode]:
                return None
        else:
            return None
        inside = _SPACES.get(mode, mode)
        found = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), inside, "RGB")
        return None if inside == "RGB" and _is_idle(found) else found
    except Exception:  # noqa: BLE001 - a profile is a foreign file, and LittleCMS may be missing
        return None


def _is_idle(found: ImageCms.ImageCmsTransform) -> bool:
    """Whether a transform of RGB changes nothing visible, whatever its profile is called."""
    steps = range(0, _LEVELS_OF_8, _LEVELS_OF_8 // 8)
    cube = bytes(value for colour in product(steps, repeat=3) for value in colour)
    before = Image.frombytes("RGB", (64, 8), cube)
    difference = ImageChops.difference(before, found.apply(before))
    return all(high <= _UNSEEN for _, high in ImageStat.Stat(difference).extrema)


def to_rgb(image: Image.Image, icc: object) -> Image.Image:
    """A picture that `even` gave in RGB, or in RGBA where it is transparent, as sRGB."""
    found = transform(icc, image.mode)
    if found is None:
        return image if image.mode in ("RGB", "RGBA") else image.convert("RGB")
    if image.mode != "RGBA":
        return found.apply(image)
    alpha = image.getchannel("A")
    colours = found.apply(image.convert("RGB"))
    colours.putalpha(alpha)
    return colours


def onto(image: Image.Image, canvas: tuple[int, int], background: str | None) -> Image.Image:
    """The picture centred on a canvas: of a colour (`#rrggbb`), or transparent without one."""
    if background is None and image.size == canvas:
        return image
    if background is None:
        ground = Image.new(image.mode, canvas, (255, 255, 255, 0)[: len(image.getbands())])
    else:
        ground = Image.new("RGB", canvas, background)
    place = (canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2
    mask = image if image.mode == "RGBA" and background is not None else None
    ground.paste(image, place, mask)
    return ground
