"""Read and write saved plans: JSON with its own SHA-256.

The SHA-256 reveals damage and careless edits; it is not a signature.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from spark_batch import atomic, lfs, models
from spark_batch.engine.planner import WORK, Action
from spark_batch.errors import OutputError, UsageError
from spark_batch.jobs import Kind
from spark_batch.jobs.request import size_text
from spark_batch.models.schemas import PLANFILE, validator
from spark_batch.recipe import boundary
from spark_batch.text import shell_join

FORMAT = "spark-batch plan"
VERSION = 1
MAX_BYTES = 512 << 20  # a job is about 150 bytes, and a recipe has at most a million

_BEGINNING = re.compile(rb'\s*\{\s*"format"\s*:\s*"spark-batch plan"')
_KEY = re.compile("[0-9a-f]{16}")
_WORK = frozenset(action.value for action in WORK)


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """The planned actions, and the state that they depend on. Money in USD.

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
    quotes: Mapping[Kind, Decimal]
    committed: Decimal
    expected: Decimal | None
    ceiling: Decimal
    jobs: Mapping[str, tuple[str, Action]]


def check_target(path: Path) -> None:
    """Raise UsageError when a plan cannot be saved there, or would replace another file."""
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent} to save a plan in: make it first")
    if fault := boundary.target_fault(path):
        raise UsageError(fault)
    if not path.exists():
        return
    if not path.is_file() or not _BEGINNING.match(_read(path)[:1000]):
        raise UsageError(
            f"{path} is there already, is not a saved plan, and is left as it is: name another file"
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
        raise UsageError(f"{path} is not a saved plan: `{_saving(path)}` makes one")
    version = document.get("version")
    if isinstance(version, int) and version > VERSION:
        raise UsageError(
            f"the plan {path} was saved by a newer spark-batch (format {version}, this one knows"
            f" {VERSION}): update spark-batch"
        )
    if document.get("sha256") != _digest(document) or not _is_valid(document):
        raise UsageError(
            f"the plan {path} is damaged, or was changed after it was saved: save a new one with"
            f" `{_saving(path)}`"
        )
    return _plan(document)


def _saving(path: Path) -> str:
    return shell_join(["spark-batch", "plan", "RECIPE", "--out", str(path)])


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a file, so it is not a saved plan")
        if path.stat().st_size > MAX_BYTES:
            most = MAX_BYTES >> 20
            raise UsageError(f"{path} is larger than {most} MiB, so it is not a saved plan")
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from None
    if lfs.is_pointer(data):
        raise UsageError(f"{path}: {lfs.NOTICE}")
    return data


def _digest(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a plan's content, which does not depend on its layout."""
    content = {name: value for name, value in document.items() if name != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _is_valid(document: Mapping[str, Any]) -> bool:
    """Validate by the schema, except for the jobs, which would take minutes in a large plan."""
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
    """The file's text, with a line for every job."""
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
            {"model": kind.model, "size": kind.size, "cost_usd": format(cost, "f")}
            for kind, cost in plan.quotes.items()
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
        quotes={_kind(quote): Decimal(quote["cost_usd"]) for quote in document["quotes"]},
        committed=Decimal(cost["committed"]),
        expected=None if cost["expected"] is None else Decimal(cost["expected"]),
        ceiling=Decimal(cost["ceiling"]),
        jobs={job["output"]: (job["job"], Action(job["action"])) for job in document["jobs"]},
    )


def _kind(quote: Mapping[str, Any]) -> Kind:
    """The model and size of a quote; older plans have width and height, and one model."""
    if "model" in quote:
        return Kind(quote["model"], quote["size"])
    return Kind(models.default().name, size_text(quote["width"], quote["height"]))
