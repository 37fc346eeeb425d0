"""The class that reads a format. Each is imported when the first file of its format is read.

Pillow's own `Image.open` would refuse what has very many pixels before it says how many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from types import MappingProxyType

# What formats need that not every installation reads. Wheels of pi-heif decode no AVIF.
NEEDS: Mapping[str, str] = MappingProxyType(
    {
        "HEIC": "the extra `heif` (pip install pi-heif)",
        "AVIF": "Pillow 11.3 or later with AVIF (pip install --upgrade Pillow)",
    }
)
_READERS = {
    "JPEG": ("PIL.JpegImagePlugin", "jpeg_factory"),
    "PNG": ("PIL.PngImagePlugin", "PngImageFile"),
    "WEBP": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "TIFF": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "BMP": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "GIF": ("PIL.GifImagePlugin", "GifImageFile"),
    "HEIC": ("spark_batch.pictures.heic", "HeicImage"),
    "AVIF": ("PIL.AvifImagePlugin", "AvifImageFile"),
}


class CannotDecode(Exception):
    """The file is not at fault; the text says what is."""


def reader(kind: str) -> Callable[[BytesIO], object]:
    """A function that opens a file as an image, not yet decoded. Raises ImportError without it."""
    if kind == "HEIC" and find_spec("pi_heif") is None:
        raise ImportError("pi-heif is not installed")
    module, name = _READERS[kind]
    plugin = import_module(module)
    if not getattr(plugin, "SUPPORTED", True):
        raise ImportError(f"{module} was built without its decoder")
    found: Callable[[BytesIO], object] = getattr(plugin, name)
    return found
