"""What the API will see of a job, as bytes, and the key that is made of them.

The canonical form of a request is this JSON, without spaces, in ASCII, with the keys in this order:

    {"model":"…","picture":"sha256:HEX","prompt":"…","width":1328,"height":1328,
     "scale":0.5,"seed":7,"take":1}

`picture` is the URL itself where the input is one, and `sha256:HEX;fit=…` where `fit` makes another
picture of the file: the file's own hash and what is done to it, never the bytes that an encoder
makes of that, so that a key is the same with every version of the imaging library. `scale` is
written as `number_text` does; `take` is 1 for every seed that is not random. The key is the first
16 hex digits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import json

from spark_batch.errors import UsageError
from spark_batch.jobs import Input, Treatment

KEY_DIGITS = 16


def key(
    *,
    model: str,
    picture: str,
    prompt: str,
    width: int,
    height: int,
    scale: float,
    seed: int,
    take: int,
) -> str:
    """The key of a request; `picture` is as `picture_text` writes it, sides are pixels."""
    form = head(model=model, picture=picture, prompt=prompt, width=width, height=height)
    return hashlib.sha256(form + tail(number_text(scale), seed, take)).hexdigest()[:KEY_DIGITS]


def picture_text(picture: Input) -> str:
    """How the canonical form writes an input: the URL, or `sha256:` and the file's hash.

    What is done to the file is written behind it, `;fit=1,jpeg,pad,#ffffff`: version, format, and
    the way with the proportions and the background where they play a part.
    """
    if picture.url is not None:
        return picture.url
    if picture.picture is None:
        raise UsageError(f"the input {picture.id!r} has neither a URL nor a probed picture")
    return f"sha256:{picture.picture.sha256}{_treatment_text(picture.picture.treatment)}"


def _treatment_text(treatment: Treatment | None) -> str:
    if treatment is None:
        return ""
    parts = (treatment.format.lower(), treatment.ratio, treatment.background)
    return f";fit={','.join((str(treatment.version), *filter(None, parts)))}"


def number_text(value: float) -> str:
    """A scale as names, keys and the manifest write it: 0.5 → `0.5`, 1.0 → `1`, 0.00001 → `1e-05`.

    The shortest text that reads back as the same number.
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def head(*, model: str, picture: str, prompt: str, width: int, height: int) -> bytes:
    """The canonical form up to the scale, which is the same for many jobs."""
    fields = {
        "model": model,
        "picture": picture,
        "prompt": prompt,
        "width": width,
        "height": height,
    }
    return (json.dumps(fields, separators=(",", ":"))[:-1] + ',"scale":').encode("ascii")


def tail(scale: str, seed: int, take: int) -> bytes:
    """The canonical form from the scale's value on."""
    return f'{scale},"seed":{seed},"take":{take}}}'.encode("ascii")
