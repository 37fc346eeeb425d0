"""`validate`, `plan`, `status`, `resolve`, `merge` and manifests, for a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from spark_batch import project
from spark_batch.errors import PicksError, RecipeError, UsageError
from spark_batch.project import COSTS, JobResult, Step
from spark_batch.python import given
from spark_batch.python.given import RecipeLike, StrPath
from spark_batch.python.results import MergeResult, PlanResult, StatusResult, ValidationResult
from spark_batch.python.tables import JobList, PlannedJob, job_list, planned_job
from spark_batch.text import counted


def validate(
    recipe: RecipeLike,
    *,
    base: StrPath | None = None,
    strict: bool = False,
    allow_outside: bool = False,
) -> ValidationResult:
    """Check a recipe and its pictures, without the network or a key.

    `recipe` and `base` are as in `run`. Raises RecipeError, whose `diagnostics` have every error
    with its place; with `strict` warnings are errors.
    """
    with given.given(recipe, base, allow_outside=allow_outside) as found:
        loaded = found.load()
        if strict and loaded.warnings:
            raise RecipeError(
                f"{found.path}: {counted(len(loaded.warnings), 'warning')}, errors with strict",
                tuple(warning.as_error() for warning in loaded.warnings),
            )
    return ValidationResult(
        loaded.recipe.name, project.count_jobs(loaded.recipe), loaded.warnings, loaded.notes
    )


def plan(
    recipe: RecipeLike,
    *,
    base: StrPath | None = None,
    sandbox: bool = False,
    only: str | Iterable[str] = (),
    sample: int | str | None = None,
    shard: str | None = None,
    retry: bool = False,
    reroll: bool = False,
    quote: bool = False,
    env_file: StrPath | None = None,
    allow_outside: bool = False,
) -> PlanResult:
    """What `run` would do, why, and what it would cost. Creates no task and changes no file.

    The options are those of `run`. Only `quote` sends requests, which ask the API for prices and
    need the key. Raises what `run` raises before it starts.
    """
    size, part, keys = given.sample(sample), given.shard(shard), given.path("env_file", env_file)
    with (
        given.given(recipe, base, allow_outside=allow_outside) as found,
        project.plan(
            found.load().recipe,
            sandbox=sandbox,
            only=given.only(only),
            shard=part,
            sample=size,
            retry=retry,
            reroll=reroll,
        ) as planned,
    ):
        quotes = planned.quote(env_file=keys) if quote else None
        jobs = tuple(_planned(planned, step) for step in planned.steps())
        notes = filter(None, (planned.ownership.shared(), planned.verdicts.note()))
        stop = planned.forecast.stop
        return PlanResult(
            name=planned.layout.label,
            output_dir=planned.layout.output_dir,
            sandbox=sandbox,
            jobs=JobList(jobs, planned.layout.thumbnails),
            expected=planned.forecast.expected,
            unpriced=planned.forecast.unpriced,
            most=planned.most(),
            quoted=None if quotes is None else planned.forecast.quoted,
            spent=planned.checkpoint.money().spent,
            refusal=planned.ownership.problem(),
            stops_before=None if stop is None else stop.job.output,
            notes=(
                *(quotes.refused if quotes else ()),
                *planned.adopted.faults,
                *planned.adopted.unknown,
                *notes,
            ),
        )


def _planned(planned: project.Plan, step: Step) -> PlannedJob:
    cost = planned.cost(step) if step.action in COSTS else Decimal(0)
    return planned_job(step, cost, project.status_of(step.attempt))


def status(
    recipe: RecipeLike,
    *,
    base: StrPath | None = None,
    sandbox: bool = False,
    only: str | Iterable[str] = (),
    shard: str | None = None,
    allow_outside: bool = False,
) -> StatusResult:
    """The status of the jobs of a recipe, from its checkpoint alone, also during a run.

    The options are those of `run`. Input pictures may be missing. Raises UsageError when nothing
    has been run yet, and RecipeError and CheckpointError as `run` does.
    """
    part, expressions = given.shard(shard), given.only(only)
    with given.given(recipe, base, allow_outside=allow_outside) as found:
        layout = found.layout(sandbox=sandbox, shard=part)
        with project.open_readonly(layout) as checkpoint:
            records = project.chosen_records(checkpoint, expressions, layout)
            jobs = job_list(records, checkpoint, layout)
            money = checkpoint.money()
        notes = _damaged_picks(layout)
        shards = [] if part else project.shards_of(layout)
    unmerged = f"{counted(len(shards), 'shard')} not merged, not counted here: `merge` joins them"
    return StatusResult(
        name=layout.label,
        output_dir=layout.output_dir,
        sandbox=sandbox,
        jobs=jobs,
        spent=money.spent,
        reserved=money.reserved,
        notes=(*notes, *([unmerged] if shards else [])),
    )


def _damaged_picks(layout: project.RecipeLayout) -> tuple[str, ...]:
    """What is wrong with the picks file, if anything: then no job has a verdict."""
    try:
        layout.read_picks()
    except PicksError as error:
        return (str(error),)
    return ()


def resolve(
    recipe: RecipeLike,
    job: str | None = None,
    *,
    base: StrPath | None = None,
    sandbox: bool = False,
    only: str | Iterable[str] = (),
    shard: str | None = None,
    task_id: str | None = None,
    not_charged: bool = False,
    resubmit: bool = False,
    allow_outside: bool = False,
) -> StatusResult:
    """Settle an uncertain job, or many with `only`, after a look at the vendor's billing page.

    Sends nothing. `job` is its key, the beginning of the key, or its picture's name or path; `only`
    takes the uncertain ones of the jobs that match, as in `status=uncertain`. Give one of `task_id`
    (there is a task), `not_charged` (there is none) and `resubmit` (not known: make it again, and
    maybe pay twice). The next `run` or `rescue` goes on. Returns the status of all jobs. Raises
    UsageError unless `job` names one job that is uncertain, or `only` chooses some.
    """
    if sum((task_id is not None, not_charged, resubmit)) != 1:
        raise UsageError("give one of task_id, not_charged and resubmit")
    part, expressions = given.shard(shard), given.only(only)
    job = given.text("job", job)
    if (job is None) is not bool(expressions) or (expressions and task_id is not None):
        raise UsageError("give job; or only, with not_charged or resubmit")
    with given.given(recipe, base, allow_outside=allow_outside) as found:
        layout = found.layout(sandbox=sandbox, shard=part)
        with project.settling(layout, job, expressions, task_id=task_id) as settlement:
            attempts = [attempt for unsettled in settlement.jobs for attempt in unsettled.attempts]
            for attempt in attempts[-1:] if task_id is not None else attempts:
                settlement.settle(attempt, task_id=task_id, not_charged=not_charged)
            failures = settlement.write_reports().failures
    settled = status(recipe, base=base, sandbox=sandbox, shard=shard, allow_outside=allow_outside)
    return replace(settled, notes=(*failures, *settled.notes))


def merge(
    recipe: RecipeLike,
    sources: StrPath | Iterable[StrPath] = (),
    *,
    base: StrPath | None = None,
    sandbox: bool = False,
    renamed: bool = False,
    allow_outside: bool = False,
) -> MergeResult:
    """Join the recipe's shards, or `sources`: checkpoints, manifests and output folders.

    `sources` is a path, or several. With `renamed` they are of this recipe under an earlier name.
    Sends nothing and overwrites no picture. Raises UsageError for a path that is not a source,
    CheckpointError and OutputError.
    """
    paths = given.paths("sources", sources)
    with given.given(recipe, base, allow_outside=allow_outside) as found:
        merged = project.merge(found.load().recipe, paths, sandbox=sandbox, renamed=renamed)
    return MergeResult(
        sources=tuple(merged.sources),
        counts=Counter(merged.counts),
        brought=merged.brought,
        missing=merged.missing,
        double_payments=tuple(merged.double_payments),
        manifest=merged.layout.manifest,
        notes=merged.written.failures,
    )


def read_manifest(path: StrPath) -> JobList[JobResult]:
    """The rows of a manifest, typed, also after a spreadsheet program has saved it.

    Pictures are looked for below the manifest's folder. Raises ManifestError for a file that cannot
    be read, and for a row that spark-batch did not write.
    """
    return JobList(tuple(project.read_results(given.required_path("path", path))))
