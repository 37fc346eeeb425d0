"""Requests to the API, and the keys that are made of them.

The canonical form of a request is this JSON, without spaces, in ASCII, with the keys in this order:

    {"model":"…","picture":"sha256:HEX","prompt":"…","width":1328,"height":1328,
     "scale":0.5,"seed":7,"take":1}

A parameter that the model does not have, or that is not sent, is left out. A size that is sent as a
text takes the place of width and height. Further parameters of the model come before `take`, as
`"parameters":{…}`, with the keys of all mappings sorted.

`picture` is the URL itself where the input is one, and `sha256:HEX;fit=…` where `fit` makes another
picture of the file: the file's own hash and what is done to it, never the bytes that an encoder
makes of that, so that a key is the same with every version of the imaging library. `scale` is
written as `number_text` does; `take` is 1 for every seed that is not random. The key is the first
16 hex digits of its SHA-256.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from spark_batch.errors import UsageError
from spark_batch.jobs.recipe import Input, Parameters, Prompt, Size
from spark_batch.jobs.structure import Structure, plain_values

KEY_DIGITS = 16

# An encoder made once: `json.dumps` with separators makes one at each call.
_compact = json.JSONEncoder(separators=(",", ":")).encode

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a job that the API sees, as in the checkpoint's table `request`.

    `picture` is the SHA-256 of the input's file, or its URL; None where it is not known, as for a
    job that only a manifest has. `width` and `height` are as asked, in pixels; like seed and scale
    they are None where they are not sent. `fit` says in words what is done to the picture before it
    is sent. `parameters` are the further ones of the model, and a size that is sent as a text.
    """

    model: str
    prompt: str
    picture: str | None
    seed: int | None
    scale: float | None
    width: int | None
    height: int | None
    take: int
    fit: str | None = None
    parameters: Parameters = ()

    @property
    def plain_parameters(self) -> dict[str, Any]:
        """The further parameters as JSON has them, in their order."""
        return plain_values(self.parameters)

    @property
    def words(self) -> str:
        """What is asked for beside the prompt and the picture, in words."""
        sides = size_text(self.width, self.height)
        parts = [
            *([] if self.scale is None else [f"scale {number_text(self.scale)}"]),
            *([sides] if sides else []),
            *([] if self.seed is None else [f"seed {self.seed}"]),
            f"take {self.take}",
            *(f"{name} {value_text(value)}" for name, value in self.parameters),
        ]
        return ", ".join(parts)

    @property
    def kind(self) -> Kind:
        """What its price depends on."""
        text = dict(self.parameters).get("size")
        return Kind(self.model, size_text(self.width, self.height) if text is None else str(text))


class Kind(NamedTuple):
    """What the price of a picture depends on: the model, and the size as it is sent."""

    model: str
    size: str


@dataclass(frozen=True, slots=True)
class Difference:
    """A field of a request whose value has changed."""

    field: str
    before: Value
    after: Value

    def __str__(self) -> str:
        if self.field == "picture":
            return f"picture from {picture_words(self.before)} to {picture_words(self.after)}"
        return f"{self.field} from {self.before!r} to {self.after!r}"


def differences(before: Request, after: Request) -> tuple[Difference, ...]:
    """The fields in which two requests differ.

    If the earlier picture is not known, the picture counts as different only when nothing else
    differs: then nothing else can have changed the key.
    """
    found = tuple(_differences(before, after))
    if len(found) > 1 and before.picture is None:
        return tuple(difference for difference in found if difference.field != "picture")
    return found


def _differences(before: Request, after: Request) -> Iterator[Difference]:
    for name in ("model", "prompt", "scale", "seed", "take", "width", "height", "fit", "picture"):
        old, new = getattr(before, name), getattr(after, name)
        if name == "fit":
            old, new = old or "none", new or "none"
        if old != new:
            yield Difference(name, old, new)
    olds, news = dict(before.parameters), dict(after.parameters)
    for name in dict.fromkeys((*olds, *news)):
        if olds.get(name) != news.get(name):
            yield Difference(name, shown(olds.get(name)), shown(news.get(name)))


def shown(value: str | float | Structure | None) -> Value:
    """The value of a parameter; a mapping or a list is written as JSON."""
    return value.text if isinstance(value, Structure) else value


def picture_words(picture: Value) -> str:
    """An input as messages show it: its URL, or the beginning of its SHA-256 and its fit."""
    if picture is None:
        return "an unknown one"
    text = str(picture)
    if "://" in text:
        return text
    digits, _, fit = text.removeprefix("sha256:").partition(";")
    return f"sha256 {digits[:8]} {fit}".rstrip()


class Job(NamedTuple):
    """One request to the API and the name of its picture below the output folder.

    A tuple and not a dataclass, because a plan makes a million of them in a quarter of the time.
    `key` is the first 16 hex digits of a SHA-256 over what the API will see (spark_batch/README.md,
    "The job id"). `output` has no extension, since the picture's own is not known yet.
    """

    key: str
    recipe: str
    model: str
    input: Input
    prompt: Prompt
    size: Size
    scale: float | None
    seed: int | None
    take: int
    output: str
    parameters: Parameters = ()

    @property
    def kind(self) -> Kind:
        """What its price depends on."""
        size = self.size
        return Kind(self.model, size.text or size_text(size.width, size.height))

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
            parameters=(*(self.size.parameters if self.size.text else ()), *self.parameters),
        )


def picture_text(picture: Input) -> str:
    """An input in the canonical form: the URL, or `sha256:` and the file's hash.

    What is done to the file follows, `;fit=1,jpeg,pad,#ffffff`: version, format, and the ratio mode
    and the background where they have an effect.
    """
    if picture.url is not None:
        return picture.url
    if picture.picture is None:
        raise UsageError(f"the input {picture.id!r} has neither a URL nor a probed picture")
    found, fit = picture.picture.treatment, ""
    if found is not None:
        parts = (str(found.version), found.format.lower(), found.ratio, found.background)
        fit = f";fit={','.join(filter(None, parts))}"
    return f"sha256:{picture.picture.sha256}{fit}"


def number_text(value: float) -> str:
    """A scale as names, keys and the manifest write it: 0.5 → `0.5`, 1.0 → `1`, 0.00001 → `1e-05`.

    The shortest text that reads back as the same number.
    """
    return str(int(value)) if value == int(value) else repr(float(value))


def value_text(value: str | float | Structure) -> str:
    """The value of a parameter as text; JSON for a mapping or a list."""
    if isinstance(value, Structure):
        return value.text
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else number_text(value)


def size_text(width: int | None, height: int | None) -> str:
    """Width and height in a text: `1024x768`; empty where they are not known."""
    return "" if width is None or height is None else f"{width}x{height}"


def head(*, model: str, picture: str, prompt: str, size: Size) -> bytes:
    """The canonical form up to the size, which is the same for many jobs.

    `picture` is as `picture_text` writes it.
    """
    # Each text by itself: the encoder has a quick way for texts, and none for mappings.
    texts = f'"model":{_compact(model)},"picture":{_compact(picture)},"prompt":{_compact(prompt)}'
    sizes = [
        f',"{name}":{_compact(value) if isinstance(value, str) else value}'
        for name, value in size.parameters
    ]
    return f"{{{texts}{''.join(sizes)}".encode("ascii")


def tail(scale: float | None, seed: int | None, take: int, parameters: Parameters = ()) -> bytes:
    """The canonical form from the scale on."""
    parts = [f',"scale":{number_text(scale)}'] if scale is not None else []
    if seed is not None:
        parts.append(f',"seed":{seed}')
    if parameters:
        further = json.dumps(plain_values(parameters), sort_keys=True, separators=(",", ":"))
        parts.append(f',"parameters":{further}')
    return f'{"".join(parts)},"take":{take}}}'.encode("ascii")
