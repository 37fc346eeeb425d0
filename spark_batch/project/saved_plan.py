"""A saved plan as a file: JSON that carries its own SHA-256, written whole and read with suspicion.

The SHA-256 reveals damage and careless edits; it is no signature.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

from spark_batch import atomic, lfs
from spark_batch.checkpoint import Checkpoint, time_text
from spark_batch.engine.planner import COSTS, WORK, Action, Step
from spark_batch.errors import OutputError, UsageError
from spark_batch.jobs import Job, Recipe
from spark_batch.models.schemas import PLANFILE, validator
from spark_batch.project import access
from spark_batch.project.planning import Plan, PlanSnapshot
from spark_batch.recipe import boundary
from spark_batch.recipe.outline import sources
from spark_batch.text import printable

_NAMED = 3  # differences that a message names

FORMAT = "spark-batch plan"
VERSION = 1
MAX_BYTES = 512 << 20  # a job is about 150 bytes, and a recipe has at most a million

_BEGINNING = re.compile(rb'\s*\{\s*"format"\s*:\s*"spark-batch plan"')
_KEY = re.compile("[0-9a-f]{16}")
_WORK = frozenset(action.value for action in WORK)


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What was planned, and what has to be as it was then. Money in USD.

    `files` are the SHA-256 of the recipe's files and `pictures` those of its input pictures, by
    path from its folder; `state` is the checkpoint's fingerprint. `committed` is what was spent and
    reserved then, `ceiling` what that and the plan may come to together; `quotes` are by width and
    height; `jobs` are the keys, and what a run is to do, by output name.
    """

    id: str
    created_at: str
    recipe: str
    sandbox: bool
    api: str
    only: tuple[str, ...]
    files: Mapping[str, str]
    pictures: Mapping[str, str]
    state: str
    quotes: Mapping[tuple[int, int], Decimal]
    committed: Decimal
    expected: Decimal | None
    ceiling: Decimal
    jobs: Mapping[str, tuple[str, Action]]


def check_target(path: Path) -> None:
    """Raise UsageError where a plan cannot be saved, or where something else would be lost."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to save a plan in: make it first")
    if fault := boundary.target_fault(path):
        raise UsageError(fault)
    if not path.exists():
        return
    if not path.is_file() or not _BEGINNING.match(_read(path)[:1000]):
        raise UsageError(
            f"{path} is there already and is no saved plan: it is left as it is; name another file"
        )


def write(path: Path, plan: SavedPlan) -> None:
    """Write a plan whole and atomically. Raises OutputError."""
    document = _document(plan)
    document["sha256"] = _digest(document)
    try:
        with atomic.replacing(path, text=True) as file:
            file.writelines(_lines(document))
    except OSError as error:
        raise OutputError(f"cannot write the plan {path}: {error.strerror}") from None


def read(path: Path) -> SavedPlan:
    """A plan that `write` wrote. Raises UsageError for anything else."""
    try:
        document: Any = json.loads(_read(path))
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise UsageError(
            f"{path} is no saved plan: `spark-batch plan RECIPE --out {path}` makes one"
        )
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UsageError(
            f"the plan {path} was saved by a newer spark-batch (format {version}, this one knows"
            f" {VERSION}): update spark-batch"
        )
    if document.get("sha256") != _digest(document) or not _is_valid(document):
        raise UsageError(
            f"the plan {path} is damaged, or was changed after it was saved: save a new one with"
            " `spark-batch plan --out`"
        )
    return _plan(document)


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is no file, so it is no saved plan")
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} has more than {MAX_BYTES} bytes: it is no saved plan")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from None
    if lfs.is_pointer(data):
        raise UsageError(f"{path}: {lfs.NOTICE}")
    return data


def _digest(document: Mapping[str, Any]) -> str:
    """The SHA-256 of what a plan says, however it is laid out."""
    said = {name: value for name, value in document.items() if name != "sha256"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _is_valid(document: Mapping[str, Any]) -> bool:
    """Judged by the schema, but for the jobs: a large plan would take minutes."""
    jobs = document.get("jobs")
    if not isinstance(jobs, list) or not all(map(_is_job, jobs)):
        return False
    return validator(PLANFILE).is_valid({**document, "jobs": []})


def _is_job(job: object) -> bool:
    return (
        isinstance(job, dict)
        and job.keys() == {"job", "output", "action"}
        and all(isinstance(value, str) for value in job.values())
        and _KEY.fullmatch(job["job"]) is not None
        and job["action"] in _WORK
    )


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    """The file's text: one line a job."""
    head = {name: value for name, value in document.items() if name != "jobs"}
    yield json.dumps(head, indent=2, ensure_ascii=False).removesuffix("\n}") + ',\n  "jobs": ['
    for position, job in enumerate(document["jobs"]):
        yield f"{',' if position else ''}\n    {json.dumps(job, ensure_ascii=False)}"
    yield "\n  ]\n}\n"


def _document(plan: SavedPlan) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "version": VERSION,
        "id": plan.id,
        "created_at": plan.created_at,
        "recipe": plan.recipe,
        "sandbox": plan.sandbox,
        "api": plan.api,
        "only": list(plan.only),
        "files": dict(plan.files),
        "pictures": dict(plan.pictures),
        "state": plan.state,
        "quotes": [
            {"width": width, "height": height, "cost_usd": format(cost, "f")}
            for (width, height), cost in plan.quotes.items()
        ],
        "cost_usd": {
            "committed": format(plan.committed, "f"),
            "expected": None if plan.expected is None else format(plan.expected, "f"),
            "ceiling": format(plan.ceiling, "f"),
        },
        "jobs": [
            {"job": key, "output": output, "action": action.value}
            for output, (key, action) in plan.jobs.items()
        ],
    }


def _plan(document: Mapping[str, Any]) -> SavedPlan:
    cost = document["cost_usd"]
    same = ("id", "created_at", "recipe", "sandbox", "api", "files", "pictures", "state")
    return SavedPlan(
        **{name: document[name] for name in same},
        only=tuple(document["only"]),
        quotes={
            (quote["width"], quote["height"]): Decimal(quote["cost_usd"])
            for quote in document["quotes"]
        },
        committed=Decimal(cost["committed"]),
        expected=None if cost["expected"] is None else Decimal(cost["expected"]),
        ceiling=Decimal(cost["ceiling"]),
        jobs={job["output"]: (job["job"], Action(job["action"])) for job in document["jobs"]},
    )


# --- Save a plan (`plan --out`).


def save(
    plan: Plan,
    kept: PlanSnapshot,
    path: Path,
    *,
    max_cost: Decimal | None = None,
    env_file: Path | None = None,
) -> SavedPlan:
    """Save `plan`, all of whose steps have been taken since `kept`, its snapshot, was made.

    The ceiling is what is spent and reserved plus the cost of all attempts that the jobs may need,
    at most `max_cost` and the recipe's own. Raises UsageError when nothing bounds the cost and
    where `check_target` does, and OutputError.
    """
    check_target(path)
    committed = kept.money.spent + kept.money.reserved
    saved = SavedPlan(
        id=uuid.uuid4().hex,
        created_at=time_text(datetime.now(timezone.utc)),
        recipe=plan.recipe.name,
        sandbox=plan.sandbox,
        api=access.address(sandbox=plan.sandbox, env_file=env_file),
        only=plan.only,
        files=sources(plan.recipe.path),
        pictures=pictures_of(plan.recipe),
        state=kept.fingerprint,
        quotes=plan.prices.quotes,
        committed=committed,
        expected=None if plan.forecast.unpriced else plan.forecast.expected,
        ceiling=_ceiling(plan, kept, max_cost),
        jobs={step.job.output: (step.job.key, step.action) for step in kept.steps},
    )
    write(path, saved)
    return saved


def pictures_of(recipe: Recipe) -> Mapping[str, str]:
    """The SHA-256 of every input picture that is a file, by its path from the recipe's folder.

    A URL may be signed, so that it is a secret; the jobs' keys bind it.
    """
    return {
        item.image: item.picture.sha256
        for block in recipe.blocks
        for item in block.inputs
        if item.picture is not None
    }


def _ceiling(plan: Plan, kept: PlanSnapshot, max_cost: Decimal | None) -> Decimal:
    bounds = [bound for bound in (max_cost, plan.recipe.run.max_cost) if bound is not None]
    forecast, money = plan.forecast, kept.money
    if not forecast.unbounded and not money.unpriced:
        bounds.append(money.spent + money.reserved + forecast.most - forecast.resumed)
    if not bounds:
        raise UsageError(
            "the price is not known, so that nothing bounds what the plan may cost:"
            " give --max-cost, ask with --quote, or give the recipe a price"
        )
    return min(bounds)


# --- Run a saved plan (`run --plan`): nothing is sent unless everything is as it was planned.


@dataclass(slots=True)
class Binding:
    """A saved plan and the file that it came from; `look` compares the steps of a run with it."""

    path: Path
    plan: SavedPlan
    _open: dict[str, tuple[str, Action]] = field(init=False)
    _drift: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._open = dict(self.plan.jobs)

    def check_surroundings(self, recipe: Recipe, *, sandbox: bool, env_file: Path | None) -> None:
        """Raise UsageError when the recipe, its pictures or the API are others than planned."""
        plan = self.plan
        if plan.sandbox is not sandbox:
            what = "for the sandbox: give --sandbox too" if plan.sandbox else "not for the sandbox"
            raise UsageError(f"the plan {self.path} is {what}")
        if plan.recipe != recipe.name:
            name = printable(plan.recipe)
            raise UsageError(f"the plan {self.path} is for the recipe {name}, not {recipe.name}")
        api = access.address(sandbox=sandbox, env_file=env_file)
        if plan.api != api:
            self._refuse([f"it is for {printable(plan.api)}, and this is {api}"])
        self._refuse(_differences(plan.files, sources(recipe.path)))
        self._refuse(_differences(plan.pictures, pictures_of(recipe)))

    def check_unused(self, checkpoint: Checkpoint) -> None:
        """Raise UsageError when the plan has been used, by a finished or an unfinished run."""
        at = checkpoint.plan_used(self.plan.id)
        if at is not None:
            raise UsageError(
                f"the plan {self.path} was used at {at}, and a plan is used once: `spark-batch run`"
                " without --plan goes on with what is missing, or save a new plan"
            )

    def look(self, step: Step) -> None:
        """Note whether `step` is what was planned."""
        planned = self._open.pop(step.job.output, None)
        found = (step.job.key, step.action) if step.action in WORK else None
        if planned != found and len(self._drift) <= _NAMED:
            before = "nothing" if planned is None else planned[1].value
            what = f"{step.job.output}: {before} was planned, now {step.action.value}"
            self._drift.append(f"{what} ({step.reason})")

    def check_state(self, checkpoint: Checkpoint) -> None:
        """Raise UsageError when a step was not as planned, or the checkpoint has gone on.

        Call it after `look` has had every step.
        """
        gone = (f"{printable(output)} is no longer in the recipe" for output in self._open)
        self._refuse([*self._drift, *gone])
        if checkpoint.fingerprint() != self.plan.state:
            self._refuse(["a run, rescue, retry or resolve has gone on since then"])

    def steps(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Those of `steps` that the plan has."""
        planned = self.plan.jobs
        for step in steps:
            job, action = step.job, step.action
            if action not in WORK or planned.get(job.output) == (job.key, action):
                yield step

    def open_jobs(self, jobs: Mapping[str, Job]) -> dict[str, Job]:
        """Those of `jobs` that the plan creates: others are fetched, and not made again."""
        created = {key for key, action in self.plan.jobs.values() if action in COSTS}
        return {key: job for key, job in jobs.items() if key in created}

    def _refuse(self, drift: list[str]) -> None:
        if drift:
            more = f" (and {len(drift) - _NAMED} more)" if len(drift) > _NAMED else ""
            raise UsageError(
                f"the plan {self.path} no longer holds: {'; '.join(drift[:_NAMED])}{more};"
                " nothing was sent: save a new one with `spark-batch plan --out`"
            )


def bind(path: Path) -> Binding:
    """The saved plan in `path`. Raises UsageError when there is none."""
    return Binding(path, read(path))


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Messages about the files that were changed, removed or added."""
    words = {True: "changed", False: "is gone"}
    changed = [
        f"{printable(name)} {words[name in now]}"
        for name, sha256 in before.items()
        if now.get(name) != sha256
    ]
    return changed + [f"{printable(name)} is new" for name in now if name not in before]
