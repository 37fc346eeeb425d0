"""Requests to the API, and the keys that are made of them.

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
from collections.abc import Iterator
from dataclasses import dataclass

from spark_batch.errors import UsageError
from spark_batch.jobs.recipe import Input, Prompt, Size, Treatment

KEY_DIGITS = 16

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a job that the API sees, as in the checkpoint's table `request`.

    `picture` is the SHA-256 of the input's file, or its URL; None where nobody knows it, as of a
    job that only a manifest has. `width` and `height` are as asked, in pixels. `fit` says in words
    what is done to the picture before it is sent.
    """

    model: str
    prompt: str
    picture: str | None
    seed: int
    scale: float
    width: int
    height: int
    take: int
    fit: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a request whose value is another one than before."""

    field: str
    before: Value
    after: Value

    def __str__(self) -> str:
        if self.field == "picture":
            return f"picture from {picture_words(self.before)} to {picture_words(self.after)}"
        return f"{self.field} from {self.before!r} to {self.after!r}"


def differences(before: Request, after: Request) -> tuple[Difference, ...]:
    """The fields in which two requests of the same model differ.

    A picture that is not known before is named only when nothing else differs: then nothing else
    can have changed the key.
    """
    found = tuple(_differences(before, after))
    if len(found) > 1 and before.picture is None:
        return tuple(difference for difference in found if difference.field != "picture")
    return found


def _differences(before: Request, after: Request) -> Iterator[Difference]:
    for name in ("prompt", "scale", "seed", "take", "width", "height", "fit", "picture"):
        old, new = getattr(before, name), getattr(after, name)
        if name == "fit":
            old, new = old or "none", new or "none"
        if old != new:
            yield Difference(name, old, new)


def picture_words(picture: Value) -> str:
    """An input as messages show it: its URL, or the beginning of its SHA-256 and its fit."""
    if picture is None:
        return "one that is not known"
    text = str(picture)
    if "://" in text:
        return text
    digits, _, fit = text.removeprefix("sha256:").partition(";")
    return f"sha256 {digits[:8]} {fit}".rstrip()


@dataclass(frozen=True, slots=True)
class Job:
    """One request to the API and the name of its picture below the output folder.

    `key` is the first 16 hex digits of a SHA-256 over what the API will see (spark_batch/README.md,
    "The job id"). `output` has no extension, since the picture's own is not known yet.
    """

    key: str
    recipe: str
    model: str
    input: Input
    prompt: Prompt
    size: Size
    scale: float
    seed: int
    take: int
    output: str

    @property
    def request(self) -> Request:
        """The part of the job that the API sees."""
        picture = self.input.picture
        return Request(
            model=self.model,
            prompt=self.prompt.text,
            picture=self.input.url or (picture.sha256 if picture else None),
            seed=self.seed,
            scale=self.scale,
            width=self.size.width,
            height=self.size.height,
            take=self.take,
            fit=self.input.fit,
        )


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
    """An input in the canonical form: the URL, or `sha256:` and the file's hash.

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
