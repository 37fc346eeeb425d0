"""The nouns: recipe, job, attempt, result, and the states that an attempt goes through.

All of them are frozen values without behaviour beyond what follows from their own fields.
Money is `decimal.Decimal` in USD, sizes are pixels, times are aware UTC datetimes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text file; line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Fit:
    """How an author wants a picture brought within the API's limits: the recipe's `fit`.

    `ratio` is `pad` or `crop`, `background` as `#rrggbb`, `format` is `auto`, `jpeg` or `png`.
    """

    ratio: str
    background: str
    format: str


@dataclass(frozen=True, slots=True)
class Treatment:
    """What is done to a picture file before it is sent; `words` tell it.

    `format`, `width` and `height` are those of what is sent. `ratio` and `background` are None
    where they play no part. `version` is that of the way it is done.
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

    `treatment` is what is done to it before it is sent; None sends the file as it is.
    """

    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    treatment: Treatment | None = None


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

    `source` is where it is written, as `file:line:column` from the recipe's folder.
    """

    id: str
    text: str
    variables: tuple[tuple[str, str], ...] = ()
    source: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Size:
    """A size to ask for; `label` is how file names write it: `16x9`, `1024x768`."""

    label: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Drops the jobs that match on every axis that it names; None is any value.

    Inputs and prompts go by id, sizes by width and height. A prompt without one of the variables
    is not matched, nor is a job that one of `unless` matches.
    """

    inputs: frozenset[str] | None = None
    prompts: frozenset[str] | None = None
    sizes: frozenset[tuple[int, int]] | None = None
    scales: frozenset[float] | None = None
    seeds: frozenset[int] | None = None
    takes: frozenset[int] | None = None
    variables: tuple[tuple[str, frozenset[str]], ...] = ()
    unless: tuple[Exclusion, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A matrix: every combination of its axes is a job, but for what is dropped.

    `excludes` is what the author does not want, `repeats` what an earlier block makes already.
    `takes` counts for random seeds only. `origin` is the recipe's key that made it: `variants`,
    `include[0]`, `rows`.
    """

    inputs: tuple[Input, ...]
    prompts: tuple[Prompt, ...]
    sizes: tuple[Size, ...]
    scales: tuple[float, ...]
    seeds: tuple[int, ...]
    takes: int = 1
    excludes: tuple[Exclusion, ...] = ()
    repeats: tuple[Exclusion, ...] = ()
    origin: str = "variants"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The recipe's `run` mapping, with the schema's defaults filled in. Times are seconds."""

    concurrency: int
    submit_rate: float
    attempts: int
    task_timeout: float
    max_uncertain: int
    max_cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A checked recipe. `output_dir` is absolute; `price` is USD a picture.

    `metadata` says that each picture shall carry what it was made of.
    """

    path: Path
    name: str
    model: str
    blocks: tuple[Block, ...]
    output_dir: Path
    output_name: str
    run: RunSettings
    price: Decimal | None = None
    metadata: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One request to the API and the name of its picture below the output folder.

    `key` is the first 16 hex digits of a SHA-256 over what the API will see (product.md, "A job and
    its key"); `output` has no extension, since the picture's own is not known yet.
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


class State(str, Enum):
    """Where an attempt stands (reliability.md, "States of an attempt"); never moves backwards."""

    SUBMITTING = "submitting"
    RUNNING = "running"
    FETCHING = "fetching"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"


class Status(str, Enum):
    """Where a job stands: its last attempt's state, `pending` without one.

    `lost` is a job whose picture was paid for, is not on disk, and is no longer to be had.
    """

    PENDING = "pending"
    SUBMITTING = "submitting"
    RUNNING = "running"
    FETCHING = "fetching"
    DONE = "done"
    FAILED = "failed"
    UNCERTAIN = "uncertain"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a task cost, as the API told it; None where it told nothing."""

    cost: Decimal | None = None
    discount: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    generated_images: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """A finished task: the signed URL of its picture, bytes as the API tells them, its cost."""

    url: str
    bytes: int | None = None
    remote_job_id: str | None = None
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to have a job made: a row of the checkpoint. Money is counted by attempt.

    `unsent` says of a submitting attempt that nothing of it can have reached the API; `again` is
    what a failed one allows (`ErrorCode.again`); `lost` says of a done one that its picture is not
    on disk and no longer to be had; `api` is the base URL, or `sandbox`. `settled` is what the user
    said of an uncertain one: `not-charged`, or `resubmit`; `suspect` is what is odd about the
    picture that came. `commit` is the recipe's in git when the attempt was made; `received` the
    SHA-256 of the picture as it came, before metadata were written into it.
    """

    id: int
    key: str
    number: int
    state: State
    unsent: bool = False
    reserved: Decimal | None = None
    api: str = ""
    task_id: str | None = None
    result: Result | None = None
    picture: Picture | None = None
    error_code: str | None = None
    error_message: str | None = None
    again: str | None = None
    lost: bool = False
    submitted_at: datetime | None = None
    completed_at: datetime | None = None
    settled: str | None = None
    suspect: str | None = None
    commit: str | None = None
    received: str | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a picture was made of: what it may carry with it (`output.metadata`), and no secrets.

    `job` is the key; `width` and `height` are as asked; `recipe` is its name, `commit` the git
    commit that it stood in when the attempt was made, `-dirty` behind it when it differed.
    """

    job: str
    model: str
    prompt: str
    seed: int
    scale: float
    width: int
    height: int
    take: int
    recipe: str = ""
    commit: str | None = None
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """One line of a recipe as the checkpoint knows it: what is wanted, and where it stands.

    `output` is the name without extension, `file` the picture's path below the output folder once
    it has been written, `cost` what all attempts of the job cost as far as the API told, `current`
    whether the recipe still had the line when it was last run. `image`, `fit` and `source` are
    those of `Input` and `Prompt`, None where an older version did not write them down.
    """

    key: str
    recipe: str
    input: str
    prompt_id: str
    prompt: str
    scale: float
    seed: int
    take: int
    width: int
    height: int
    output: str
    file: str | None
    current: bool
    attempt: Attempt | None
    attempts: int
    cost: Decimal | None
    variables: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    fit: str | None = None
    source: str | None = None

    @property
    def status(self) -> Status:
        """Where the job stands."""
        return status_of(self.attempt)


def status_of(attempt: Attempt | None) -> Status:
    """The status of a job whose last attempt is `attempt`."""
    if attempt is None or attempt.settled:
        return Status.PENDING
    if attempt.state is State.SUBMITTING and attempt.unsent:
        return Status.PENDING
    if attempt.lost:
        return Status.LOST
    return Status(attempt.state.value)
