"""A checked recipe: its pictures, prompts, sizes, and the matrix of their combinations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from spark_batch.jobs.checks import Check
from spark_batch.jobs.structure import Structure
from spark_batch.models import Model, Models


@dataclass(frozen=True, slots=True)
class SourceLocation:
    """A position in a text file; line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Metadata(str, Enum):
    """What spark-batch writes into a recipe's pictures (`output.metadata`)."""

    NONE = "false"
    MARK = "mark"  # that it was made with a trained model
    FULL = "full"  # also its request and task


@dataclass(frozen=True, slots=True)
class Fit:
    """The recipe's `fit`: how to bring a picture within the API's limits.

    `ratio` is `pad` or `crop`, `background` as `#rrggbb`, `format` is `auto`, `jpeg` or `png`.
    """

    ratio: str
    background: str
    format: str


@dataclass(frozen=True, slots=True)
class Treatment:
    """Changes to a picture file before it is sent; `words` describes them.

    `format`, `width` and `height` are those of the picture that is sent. `ratio` and `background`
    are None where they have no effect. `version` is the version of the conversion.
    """

    version: int
    format: str
    width: int
    height: int
    ratio: str | None
    background: str | None
    words: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture file: format as Pillow names it, pixels, bytes and SHA-256 (hex).

    The format is empty where only a manifest without its file knows of the picture.
    `treatment` is what is done to it before it is sent; None sends the file as it is. `turned` says
    that the file is sent as it is and its EXIF orientation turns or mirrors it, `sideways` that the
    orientation swaps its width and height, `cmyk` that its colours are those of printing inks.
    """

    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    treatment: Treatment | None = None
    turned: bool = field(default=False, compare=False)
    sideways: bool = field(default=False, compare=False)
    cmyk: bool = field(default=False, compare=False)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height of what is sent, in pixels, after its EXIF orientation is applied."""
        sent = self.treatment or self
        return (sent.height, sent.width) if self.sideways else (sent.width, sent.height)


@dataclass(frozen=True, slots=True)
class Input:
    """One input picture: a probed file (`path` and `picture`), or a URL.

    `image` is the file as seen from the recipe's folder, in POSIX form, or the URL; `fit` says in
    words what is done to the picture before it is sent.
    """

    id: str
    path: Path | None = None
    picture: Picture | None = None
    url: str | None = None
    image: str = field(default="", compare=False)
    fit: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """One instruction; `variables` are the values that were put in, by name.

    `source` is where it is written, as `file:line:column` from the recipe's folder. `slugs` are the
    values as file names write them, by variable; those that no name has may be missing. `suffix` is
    what file names put behind the id: the slugs of the variables in the text.
    """

    id: str
    text: str
    variables: tuple[tuple[str, str], ...] = ()
    source: str = field(default="", compare=False)
    slugs: Mapping[str, str] = field(default_factory=dict, compare=False)
    suffix: str = ""

    @property
    def name(self) -> str:
        """The prompt in file names."""
        return self.id + self.suffix


# A parameter of a model by its name, with its value.
Parameters = tuple[tuple[str, "str | int | float | bool | Structure"], ...]


class Size(NamedTuple):
    """A size to ask for; `label` is how file names write it: `16x9`, `1024x768`, `2K`.

    `text` is what is sent to a model that takes the size as a text; its pixels are None where the
    text does not name them. `NO_SIZE` asks for none.
    """

    label: str
    width: int | None
    height: int | None
    text: str | None = None

    @property
    def parameters(self) -> Parameters:
        """The parameters of a request that state the size."""
        if self.text is not None:
            return (("size", self.text),)
        if self.width is None or self.height is None:
            return ()
        return (("width", self.width), ("height", self.height))

    @property
    def identity(self) -> SizeIdentity:
        """What distinguishes the size from others of the same model."""
        return (self.text,) if self.text is not None else (self.width, self.height)


SizeIdentity = tuple["str | int | None", ...]
NO_SIZE = Size("none", None, None)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Drops the jobs that match on every axis that it names; None is any value.

    Models go by name, inputs and prompts by id, sizes by `Size.identity`. A job without one of the
    variables or parameters is not matched, nor is one that one of `unless` matches.
    """

    inputs: frozenset[str] | None = None
    prompts: frozenset[str] | None = None
    models: frozenset[str] | None = None
    sizes: frozenset[SizeIdentity] | None = None
    scales: frozenset[float | None] | None = None
    seeds: frozenset[int | None] | None = None
    takes: frozenset[int] | None = None
    variables: tuple[tuple[str, frozenset[str]], ...] = ()
    parameters: frozenset[Parameters] | None = None
    unless: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A matrix for one model: every combination of its axes is a job, but for what is dropped.

    An axis that the model does not have holds None alone. `parameters` are the combinations of its
    further parameters.

    `excludes` are the recipe's exclusions, `apart` drops prompts with the inputs that they are not
    for, `repeats` drops jobs of earlier blocks. `takes` applies to the model's random seed, or
    where no seed is sent. `origin` is the recipe's key that made the block: `variants`,
    `include[0]`, `rows`.
    """

    model: Model
    inputs: tuple[Input, ...]
    prompts: tuple[Prompt, ...]
    sizes: tuple[Size, ...]
    scales: tuple[float | None, ...]
    seeds: tuple[int | None, ...]
    takes: int = 1
    parameters: tuple[Parameters, ...] = ((),)
    excludes: tuple[Exclusion, ...] = ()
    apart: tuple[Exclusion, ...] = ()
    repeats: tuple[Exclusion, ...] = ()
    origin: str = "variants"

    @property
    def rules(self) -> tuple[Exclusion, ...]:
        """All rules that drop jobs; the `excludes` come first."""
        return (*self.excludes, *self.apart, *self.repeats)

    @property
    def draws(self) -> tuple[tuple[int | None, int], ...]:
        """Each seed with each of its takes: a seed that is not random has one."""
        if self.takes == 1:
            return tuple([(seed, 1) for seed in self.seeds])
        return tuple(
            (seed, take)
            for seed in self.seeds
            for take in range(1, self.takes + 1 if self.model.draws(seed) else 2)
        )

    @property
    def draw_count(self) -> int:
        """The number of `draws`."""
        return len(self.seeds) if self.takes == 1 else len(self.draws)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The axes that the model requires, and for which some requests have no value."""
        required = self.model.required
        if not required:
            return ()
        without = {
            "size": NO_SIZE in self.sizes,
            "scale": None in self.scales,
            "seed": None in self.seeds,
        }
        for name in self.model.further:
            without[name] = any(name not in dict(chosen) for chosen in self.parameters)
        needed = required | {"size"} if required & {"width", "height"} else required
        return tuple(axis for axis, is_without in without.items() if is_without and axis in needed)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The recipe's `run` mapping, with the schema's defaults filled in. Times are seconds.

    `workers` is the number of processes that inspect pictures, None for `auto`.
    """

    concurrency: int
    submit_rate: float
    attempts: int
    task_timeout: float
    fetch_tries: int
    unreachable_timeout: float
    rate_limit_timeout: float
    stop_timeout: float
    max_uncertain: int
    workers: int | None = None
    max_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe. `output_dir` is absolute; `prices` are USD a picture by model.

    `metadata` says what is written into each new picture, `checks` how it is checked.
    """

    path: Path
    name: str
    models: Models
    blocks: tuple[Block, ...]
    output_dir: Path
    output_name: str
    run: RunSettings
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    metadata: Metadata = Metadata.MARK
    checks: tuple[Check, ...] = ()
