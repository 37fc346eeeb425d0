"""`run`, `retry` and `rescue` for a program."""

from __future__ import annotations

from collections.abc import Iterable, Set
from decimal import Decimal

from spark_batch import project
from spark_batch.errors import ExitCode
from spark_batch.project import (
    FORMATS,
    Action,
    Adoption,
    CheckpointReader,
    PreparedRun,
    RecipeLayout,
    RunOptions,
    Tally,
)
from spark_batch.python import given
from spark_batch.python.given import Amount, GivenRecipe, RecipeLike, StrPath
from spark_batch.python.results import RunInterrupted, RunResult
from spark_batch.python.tables import JobList, job_list
from spark_batch.python.watching import OnEvent, Watcher
from spark_batch.text import counted


def run(
    recipe: RecipeLike,
    *,
    base: StrPath | None = None,
    sandbox: bool = False,
    only: str | Iterable[str] = (),
    sample: int | str | None = None,
    shard: str | None = None,
    limit: int | None = None,
    max_cost: Amount | None = None,
    concurrency: int | None = None,
    workers: int | str | None = None,
    dask: str | None = None,
    pay_again: bool = False,
    reroll: bool = False,
    allow_commands: bool = False,
    strict: bool = False,
    env_file: StrPath | None = None,
    allow_outside: bool = False,
    on_event: OnEvent | None = None,
    progress: bool = False,
) -> RunResult:
    """Make the missing pictures of a recipe. Started again, it goes on and pays for nothing twice.

    `recipe` is the path of a file, or a mapping with the same keys, whose paths count from the
    folder `base`, by default the current one. With `sandbox` no key is needed and nothing is
    charged; otherwise the key comes from SPARK_API_KEY, or from `env_file`. Nobody is asked before
    money is spent: `max_cost` (USD) and `limit` (tasks) are the guards.

    `only` are expressions such as `input=hero,status=failed`, of which a job has to match one;
    `sample` is a number of jobs or `5%`, `shard` `I/N`. These and all other options are those of
    the command `run`.

    `on_event` is called in this thread with every event and the run's `Progress`; `progress` shows
    a bar on stderr. If `on_event` raises, the run stops as with Ctrl-C, and that error is raised at
    its end.

    Ctrl-C stops the run as it stops the command: nothing more is sent, and pictures that are paid
    for are fetched for as long as `run.stop_timeout` says; a second one stops at once. Then
    `RunInterrupted`, a KeyboardInterrupt, is raised, which has the result. That holds in the main
    thread, where Python delivers signals, unless the program handles SIGINT itself.

    Jobs that fail raise no error: see `RunResult.ok` and each job's status. Raises RecipeError with
    its diagnostics, UsageError without a key or for an option that is wrong, CheckpointError when
    another process runs the recipe or the checkpoint is damaged, and OutputError when a file cannot
    be written.
    """
    options = RunOptions(
        sandbox=sandbox,
        limit=given.whole("limit", limit, least=0),
        env_file=given.path("env_file", env_file),
        concurrency=given.whole("concurrency", concurrency, least=1),
        workers=given.workers(workers),
        dask=given.text("dask", dask),
        max_cost=given.amount("max_cost", max_cost),
        only=given.only(only),
        sample=given.sample(sample),
        shard=given.shard(shard),
        pay_again=pay_again,
        reroll=reroll,
        allow_commands=allow_commands,
        strict=strict,
    )
    watcher = Watcher(given.on_event(on_event), bar=progress, sandbox=sandbox)
    with given.given(recipe, base, allow_outside=allow_outside) as found:
        return _run(found, options, watcher)


def retry(
    recipe: RecipeLike,
    *,
    base: StrPath | None = None,
    sandbox: bool = False,
    only: str | Iterable[str] = (),
    sample: int | str | None = None,
    shard: str | None = None,
    limit: int | None = None,
    max_cost: Amount | None = None,
    concurrency: int | None = None,
    workers: int | str | None = None,
    dask: str | None = None,
    pay_again: bool = False,
    allow_commands: bool = False,
    strict: bool = False,
    env_file: StrPath | None = None,
    allow_outside: bool = False,
    on_event: OnEvent | None = None,
    progress: bool = False,
) -> RunResult:
    """Make failed and expired jobs again, for money; jobs that were never made are left.

    The options, and what it raises, are those of `run`.
    """
    options = RunOptions(
        sandbox=sandbox,
        retry=True,
        limit=given.whole("limit", limit, least=0),
        env_file=given.path("env_file", env_file),
        concurrency=given.whole("concurrency", concurrency, least=1),
        workers=given.workers(workers),
        dask=given.text("dask", dask),
        max_cost=given.amount("max_cost", max_cost),
        only=given.only(only),
        sample=given.sample(sample),
        shard=given.shard(shard),
        pay_again=pay_again,
        allow_commands=allow_commands,
        strict=strict,
    )
    watcher = Watcher(given.on_event(on_event), bar=progress, sandbox=sandbox)
    with given.given(recipe, base, allow_outside=allow_outside) as found:
        return _run(found, options, watcher)


def rescue(
    recipe: RecipeLike,
    *,
    base: StrPath | None = None,
    sandbox: bool = False,
    shard: str | None = None,
    env_file: StrPath | None = None,
    allow_outside: bool = False,
    allow_commands: bool = False,
    on_event: OnEvent | None = None,
    progress: bool = False,
) -> RunResult:
    """Fetch what is paid for, without a way to create a task. Input pictures may be missing.

    The options, and what it raises, are those of `run`; where nothing has been run yet, the result
    has no jobs.
    """
    watcher = Watcher(given.on_event(on_event), bar=progress, sandbox=sandbox)
    part, keys = given.shard(shard), given.path("env_file", env_file)
    with given.given(recipe, base, allow_outside=allow_outside) as found:
        layout = found.layout(sandbox=sandbox, shard=part)
        before = _spent(layout)
        rescued = project.rescue(
            layout, found.values, env_file=keys, allow_commands=allow_commands, watch=watcher
        )
        if rescued is None:
            return _nothing(layout)
        with project.open_readonly(layout) as checkpoint:
            result = _result(
                layout,
                checkpoint,
                watcher,
                rescued.tally,
                before=before,
                exit_code=rescued.exit_code,
                notes=(*_adopted(rescued.adopted), *rescued.written.failures),
            )
    return _concluded(result, watcher)


def _run(found: GivenRecipe, options: RunOptions, watcher: Watcher) -> RunResult:
    with project.prepare(found.load().recipe, options) as prepared:
        chosen = _chosen(prepared)
        before = prepared.checkpoint.money().spent
        ended = prepared.execute(watcher)
        result = _result(
            prepared.plan.layout,
            prepared.checkpoint,
            watcher,
            ended.tally,
            before=before,
            exit_code=ended.exit_code,
            notes=(
                *_adopted(prepared.plan.adopted),
                *filter(None, (prepared.plan.verdicts.note(),)),
                *ended.written.failures,
            ),
            chosen=chosen,
        )
    return _concluded(result, watcher)


def _chosen(prepared: PreparedRun) -> Set[str] | None:
    """The keys of the jobs that the options choose, None for all.

    Asked before the run: `status=failed` may choose none after it.
    """
    if not (prepared.options.only or prepared.options.sample):
        return None
    return {
        step.job.key
        for step in prepared.plan.uncounted(brief=True)
        if step.action is not Action.LEAVE
    }


def _result(
    layout: RecipeLayout,
    checkpoint: CheckpointReader,
    watcher: Watcher,
    tally: Tally,
    *,
    before: Decimal,
    exit_code: ExitCode,
    notes: tuple[str, ...],
    chosen: Set[str] | None = None,
) -> RunResult:
    records = checkpoint.records()
    if chosen is not None:
        records = (record for record in records if record.key in chosen)
    money = checkpoint.money()
    return RunResult(
        name=layout.label,
        output_dir=layout.output_dir,
        sandbox=layout.is_preview,
        jobs=job_list(records, checkpoint, layout),
        spent=money.spent,
        reserved=money.reserved,
        notes=(*notes, *watcher.notes),
        exit_code=exit_code,
        created=tally.created,
        made=tally.done,
        cost=money.spent - before,
        manifest=layout.manifest,
        page=FORMATS["html"].path(layout),
        reason=tally.halted.reason if tally.halted else None,
    )


def _nothing(layout: RecipeLayout) -> RunResult:
    """The result of a rescue where nothing has been run yet."""
    return RunResult(
        name=layout.label,
        output_dir=layout.output_dir,
        sandbox=layout.is_preview,
        jobs=JobList(),
        spent=Decimal(0),
        reserved=Decimal(0),
        notes=("nothing has been run yet",),
        manifest=layout.manifest,
        page=FORMATS["html"].path(layout),
    )


def _spent(layout: RecipeLayout) -> Decimal:
    """What the recipe's attempts cost so far in USD; 0 without a checkpoint."""
    if not layout.checkpoint.exists():
        return Decimal(0)
    with project.open_readonly(layout) as checkpoint:
        return checkpoint.money().spent


def _adopted(adoption: Adoption) -> tuple[str, ...]:
    number = counted(adoption.jobs, "job")
    taken = [f"{number} adopted from the manifest"] if adoption.jobs else []
    return (*taken, *adoption.faults, *adoption.unknown)


def _concluded(result: RunResult, watcher: Watcher) -> RunResult:
    """The result, or what the caller's function raised, or RunInterrupted."""
    if watcher.error is not None:
        raise watcher.error
    if watcher.interrupted:
        raise RunInterrupted(result)
    return result
