"""What `rescue` does: poll and download what is paid for, without a way to create a task."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import Checkpoint
from spark_batch.client import TaskReader
from spark_batch.errors import ExitCode
from spark_batch.jobs import Input, Job, Prompt, RunSettings, Size, Standing, State, Status
from spark_batch.jobs.shard import Shard
from spark_batch.project import access, adopting, crew, sharding
from spark_batch.project.crew import Watch
from spark_batch.project.place import Place, find_place
from spark_batch.project.reporting import write_reports
from spark_batch.recipe.outline import header
from spark_batch.reports.formats import FORMATS, Written
from spark_batch.runner import Run
from spark_batch.runner.budget import Budget, Prices
from spark_batch.runner.events import Tally
from spark_batch.runner.reasons import Cause
from spark_batch.runner.survey import Action, Scope, Step, survey

_PAID = (State.RUNNING, State.FETCHING)


@dataclass(frozen=True, slots=True)
class Rescued:
    """What a rescue came to; `wanted` is how many pictures were paid for and not here.

    `causes` counts the steps of the survey before it. `adopted` is what was taken over from the
    manifest. One that may tell of more than could be read is left as it is, so that no later run
    pays for that again.
    """

    tally: Tally
    wanted: int
    written: Written
    causes: Counter[Cause]
    adopted: adopting.Adoption

    @property
    def exit_code(self) -> ExitCode:
        """What the command line would end with; a report that is not there is no success."""
        unread = ExitCode.WRONG if self.adopted.unknown else ExitCode.DONE
        return self.tally.exit_code() or self.written.exit_code or unread


def rescue(
    path: Path,
    *,
    sandbox: bool,
    shard: Shard | None = None,
    env_file: Path | None,
    watch: Watch,
) -> Rescued | None:
    """Poll and download what the recipe at `path` paid for, and write the reports.

    None when nothing has been run yet. The recipe's `run` mapping holds, as it does in a run. What
    can be read of the manifest and the checkpoint does not have is taken over first. Raises
    UsageError without a key, where one is needed.
    """
    place = find_place(path, sandbox=sandbox, shard=shard)
    if not adopting.has_books(place):
        return None
    settings = header(path).run
    with _opened(place) as checkpoint:
        checkpoint.interrupted()
        checkpoint.look_again()
        adopted = adopting.take_over_readable(checkpoint, place)
        causes: Counter[Cause] = Counter()
        missing = _missing(checkpoint, place, settings, causes)
        wanted = len(missing) + sum(each.state in _PAID for each in checkpoint.open_attempts())
        tally = Tally(
            stuck=sum(each.status is Status.FAILED for each in checkpoint.standings()),
            uncertain_before=checkpoint.uncertain_count(),
            spent=checkpoint.money().spent,
        )
        if wanted:
            with access.endpoint(place, sandbox=sandbox, env_file=env_file) as endpoint:
                access.check_api(checkpoint, endpoint.api)
                with TaskReader(endpoint.base_url, endpoint.key) as client:
                    desk = crew.desk(
                        checkpoint,
                        client,
                        send=None,
                        settings=crew.settings(settings, endpoint, metadata=place.metadata),
                        place=place,
                        budget=_nothing(checkpoint),
                        submit_rate=settings.submit_rate,
                        tally=tally,
                    )
                    watch(Run(desk, steps=missing, open_jobs={}), wanted)
        # A manifest without those jobs would let a fresh clone pay for them again.
        kept = adopted.unknown or checkpoint.has_unnamed()
        formats = [name for name in FORMATS if name != "csv" or not kept]
        written = write_reports(place, checkpoint, formats)
    return Rescued(tally, wanted, written, causes, adopted)


def _opened(place: Place) -> AbstractContextManager[Checkpoint]:
    """A shard is held as its run holds it; of the whole, other shards keep nobody from fetching."""
    return sharding.opened(place) if place.shard else Checkpoint.open(place.checkpoint)


def _missing(
    checkpoint: Checkpoint, place: Place, settings: RunSettings, causes: Counter[Cause]
) -> list[Step]:
    """The steps of pictures that are paid for and not here; counts the causes of all steps."""
    jobs = (_job(standing) for standing in checkpoint.standings())
    scope = Scope(place.output_dir, settings.attempts, rescue=True)
    missing = []
    for step in survey(jobs, reader=checkpoint, scope=scope):
        causes[step.cause] += 1
        if step.action is Action.RESTORE:
            missing.append(step)
    return missing


def _nothing(checkpoint: Checkpoint) -> Budget:
    """A budget of which nothing can be spent."""
    return Budget(limit=Decimal(0), money=checkpoint.money(), prices=Prices(price=None))


def _job(standing: Standing) -> Job:
    """What there is of a job in the checkpoint: enough to fetch its picture, not to send it."""
    return Job(
        key=standing.key,
        recipe=standing.recipe,
        model="",
        input=Input(id=standing.input),
        prompt=Prompt(id=standing.prompt_id, text=standing.prompt),
        size=Size(label="", width=standing.width, height=standing.height),
        scale=standing.scale,
        seed=standing.seed,
        take=standing.take,
        output=standing.output,
    )
