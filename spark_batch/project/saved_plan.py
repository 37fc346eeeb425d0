"""Save a plan (`plan --out`), and run a saved one (`run --plan`)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, time_text
from spark_batch.engine.planner import COSTS, WORK, Action, Step
from spark_batch.errors import UsageError
from spark_batch.jobs import Job, Recipe
from spark_batch.project import access, planfile
from spark_batch.project.planfile import SavedPlan
from spark_batch.project.planning import Plan, PlanSnapshot
from spark_batch.recipe.outline import sources
from spark_batch.text import printable, shell_join

_NAMED = 3  # differences that a message lists


def save(plan: Plan, kept: PlanSnapshot, path: Path, *, env_file: Path | None = None) -> SavedPlan:
    """Save `plan`. Its snapshot `kept` was made before its steps, all of which have been taken.

    The ceiling is what is spent and reserved plus the cost of all attempts that the jobs may need,
    at most the plan's limit. Raises UsageError when nothing bounds the cost and as
    `check_target` does, and OutputError.
    """
    planfile.check_target(path)
    committed = kept.money.spent + kept.money.reserved
    saved = SavedPlan(
        id=uuid.uuid4().hex,
        created_at=time_text(datetime.now(timezone.utc)),
        recipe=plan.recipe.name,
        sandbox=plan.layout.is_preview,
        api=access.address(sandbox=plan.layout.is_preview, env_file=env_file),
        only=plan.only,
        files=sources(plan.recipe.path),
        pictures=pictures_of(plan.recipe),
        state=kept.fingerprint,
        quotes=plan.prices.quotes,
        committed=committed,
        expected=None if plan.forecast.unpriced else plan.forecast.expected,
        ceiling=_ceiling(plan, kept),
        jobs={step.job.output: (step.job.key, step.action) for step in kept.steps},
    )
    planfile.write(path, saved)
    return saved


def pictures_of(recipe: Recipe) -> Mapping[str, str]:
    """The SHA-256 of every input picture that is a file, by its path from the recipe's folder.

    Leaves out URLs, which may be signed and so secret; the jobs' keys contain them.
    """
    return {
        item.image: item.picture.sha256
        for block in recipe.blocks
        for item in block.inputs
        if item.picture is not None
    }


def _ceiling(plan: Plan, kept: PlanSnapshot) -> Decimal:
    limit = plan.recipe.run.max_cost
    bounds = [] if limit is None else [limit]
    forecast, money = plan.forecast, kept.money
    if not forecast.unbounded and not money.unpriced:
        bounds.append(money.spent + money.reserved + forecast.most - forecast.resumed)
    if not bounds:
        raise UsageError(
            "no price is known, so nothing limits the cost of the plan: give --max-cost, ask the"
            " API with --quote, or give the recipe a `price`"
        )
    return min(bounds)


# --- Run a saved plan (`run --plan`): nothing is sent unless everything is as it was planned.


@dataclass(slots=True)
class Binding:
    """A saved plan, its file and the recipe's; `look` compares the steps of a run with it."""

    path: Path
    plan: SavedPlan
    recipe: Path
    _open: dict[str, tuple[str, Action]] = field(init=False)
    _drift: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._open = dict(self.plan.jobs)

    def check_surroundings(self, recipe: Recipe, *, sandbox: bool, env_file: Path | None) -> None:
        """Raise UsageError when the recipe, its pictures or the API are not those of the plan."""
        plan = self.plan
        if plan.sandbox is not sandbox:
            what = "add --sandbox" if plan.sandbox else "leave --sandbox out"
            kind = "for the sandbox" if plan.sandbox else "not for the sandbox"
            raise UsageError(f"the plan {self.path} is {kind}: {what}")
        if plan.recipe != recipe.name:
            name = printable(plan.recipe)
            raise UsageError(
                f"the plan {self.path} is for the recipe {name}, not {recipe.name}: give its recipe"
            )
        api = access.address(sandbox=sandbox, env_file=env_file)
        if plan.api != api:
            self._refuse([f"it is for {printable(plan.api)}, and this is {api}"])
        self._refuse(_differences(plan.files, sources(recipe.path)))
        self._refuse(_differences(plan.pictures, pictures_of(recipe)))

    def check_unused(self, checkpoint: Checkpoint) -> None:
        """Raise UsageError when a run has used the plan, whether or not it finished."""
        at = checkpoint.plan_used(self.plan.id)
        if at is not None:
            raise UsageError(
                f"the plan {self.path} was used at {at}, and a plan runs only once: to go on with"
                f" what is missing, run `{self._command('run')}` without --plan, or save a new plan"
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
        """Raise UsageError when a step was not as planned, or the checkpoint has changed.

        Call it after `look` has had every step.
        """
        gone = (f"{printable(output)} is no longer in the recipe" for output in self._open)
        self._refuse([*self._drift, *gone])
        if checkpoint.fingerprint() != self.plan.state:
            self._refuse(["a run, retry, rescue or resolve has changed the checkpoint since"])

    def steps(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Those of `steps` that the plan has."""
        planned = self.plan.jobs
        for step in steps:
            job, action = step.job, step.action
            if action not in WORK or planned.get(job.output) == (job.key, action):
                yield step

    def open_jobs(self, jobs: Mapping[str, Job]) -> dict[str, Job]:
        """Those of `jobs` that the plan creates: other tasks are fetched, never created again."""
        created = {key for key, action in self.plan.jobs.values() if action in COSTS}
        return {key: job for key, job in jobs.items() if key in created}

    def _refuse(self, drift: list[str]) -> None:
        if drift:
            more = f" (and {len(drift) - _NAMED} more)" if len(drift) > _NAMED else ""
            raise UsageError(
                f"the plan {self.path} no longer holds: {'; '.join(drift[:_NAMED])}{more};"
                " nothing was sent: save a new one with"
                f" `{self._command('plan', '--out', str(self.path))}`"
            )

    def _command(self, name: str, *options: str) -> str:
        """A command line for the recipe with the plan's selection, ready to be copied."""
        flags = ["--sandbox"] if self.plan.sandbox else []
        flags += [word for expression in self.plan.only for word in ("--only", expression)]
        return shell_join(["spark-batch", name, str(self.recipe), *flags, *options])


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Messages about files that were changed, removed or added."""
    changed = [
        f"{printable(name)} {'was changed' if name in now else 'is missing'}"
        for name, sha256 in before.items()
        if now.get(name) != sha256
    ]
    return changed + [f"{printable(name)} is new" for name in now if name not in before]
