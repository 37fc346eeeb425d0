"""`rescue`: poll and download what is paid for, without a way to create a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from spark_batch import client
from spark_batch.checkpoint import Checkpoint
from spark_batch.engine import Driver, WorkerProcesses, threads
from spark_batch.engine.budget import Budget, Prices
from spark_batch.engine.events import Tally
from spark_batch.engine.judging import Programs
from spark_batch.engine.planner import Cause, Restore, Scope, paid_pictures
from spark_batch.errors import ExitCode
from spark_batch.jobs import RunSettings, State, Status
from spark_batch.paths import Layout
from spark_batch.project import access, adopting, sharding
from spark_batch.project.checking import programs_of
from spark_batch.project.layout import RecipeLayout
from spark_batch.project.reporting import manifest_of_deleted, write_reports
from spark_batch.project.running import Watch
from spark_batch.recipe.outline import header
from spark_batch.reports.formats import FORMATS, Written

_PAID = (State.RUNNING, State.FETCHING)


@dataclass(frozen=True, slots=True)
class Rescued:
    """The result of a rescue. `wanted` is the number of pictures that were paid for and missing.

    `causes` counts the jobs by the planner's cause before the rescue. `adopted` is what was adopted
    from the manifest. A manifest that may list more than could be read is kept, so that no later
    run pays for that again.
    """

    tally: Tally
    wanted: int
    written: Written
    causes: Counter[Cause]
    adopted: adopting.Adoption

    @property
    def exit_code(self) -> ExitCode:
        """The command line's exit code; a report that could not be written is a failure."""
        unread = ExitCode.WRONG if self.adopted.unknown else ExitCode.DONE
        return self.tally.exit_code() or self.written.exit_code or unread


def rescue(
    layout: RecipeLayout,
    values: Mapping[str, object] | None = None,
    *,
    env_file: Path | None,
    allow_commands: bool = False,
    watch: Watch,
) -> Rescued | None:
    """Poll and download what the recipe paid for, and write the reports.

    `values` are as in `recipe.load`. Returns None when nothing has been run yet. First adopts the
    readable manifest rows that the checkpoint does not have. The recipe's `run` mapping applies as
    in a run. Without `allow_commands`, the checks that start programs fail. Raises UsageError when
    a key is needed and there is none.
    """
    if not adopting.has_records(layout):
        return None
    settings = header(layout.recipe_path, values).run
    # A shard is locked as its run does it; unmerged shards do not block a rescue of the whole.
    is_shard = layout.shard is not None
    opened = sharding.opened(layout) if is_shard else Checkpoint.open(layout.checkpoint)
    with opened as checkpoint:
        checkpoint.mark_interrupted()
        checkpoint.poll_unknown_again()
        adopted = adopting.take_over_readable(checkpoint, layout)
        causes: Counter[Cause] = Counter()
        missing = _missing(checkpoint, layout, settings, causes)
        wanted = len(missing) + sum(
            attempt.state in _PAID for attempt in checkpoint.open_attempts()
        )
        tally = Tally(
            stuck=sum(record.status is Status.FAILED for record in checkpoint.records()),
            uncertain_before=checkpoint.uncertain_count(),
            spent=checkpoint.money().spent,
        )
        if wanted:
            programs = programs_of(layout, allowed=allow_commands)
            with _driver(
                *(layout, settings, checkpoint, missing, tally),
                programs=programs,
                env_file=env_file,
            ) as driver:
                watch(driver, wanted)
        # A manifest without those jobs would let a fresh clone pay for them again.
        kept = adopted.unknown or checkpoint.has_unnamed()
        formats = [name for name in FORMATS if name != "csv" or not kept]
        written = write_reports(layout, checkpoint, formats)
    return Rescued(tally, wanted, written, causes, adopted)


@contextmanager
def _driver(
    layout: RecipeLayout,
    settings: RunSettings,
    checkpoint: Checkpoint,
    missing: list[Restore],
    tally: Tally,
    *,
    programs: Programs,
    env_file: Path | None,
) -> Iterator[Driver]:
    """A run that sends nothing: it fetches what is paid for, and restores what is missing."""
    models = layout.models
    with access.endpoint(layout, env_file=env_file) as endpoint:
        access.check_api(checkpoint, layout, endpoint.api)
        with (
            client.TaskReader(endpoint.base_url, endpoint.key, models=models) as reader,
            manifest_of_deleted(layout, checkpoint),
        ):
            yield Driver(
                settings,
                models=models,
                checkpoint=checkpoint,
                client=reader,
                send=None,
                api=endpoint.api,
                layout=Layout(layout.label, layout.output_dir),
                budget=Budget(limit=Decimal(0), money=checkpoint.money(), prices=Prices()),
                tally=tally,
                steps=missing,
                open_jobs={},
                executors=threads(settings.concurrency),
                elsewhere=WorkerProcesses(settings.workers),
                metadata=layout.metadata,
                checks=layout.checks,
                programs=programs,
            )


def _missing(
    checkpoint: Checkpoint, layout: RecipeLayout, settings: RunSettings, causes: Counter[Cause]
) -> list[Restore]:
    """The pictures that are paid for and missing; counts the causes of all jobs."""
    scope = Scope(layout.output_dir, layout.models, settings.attempts, rescue=True)
    missing = []
    for found, picture in paid_pictures(checkpoint.records(), reader=checkpoint, scope=scope):
        causes[found.cause] += 1
        if picture is not None:
            missing.append(picture)
    return missing
