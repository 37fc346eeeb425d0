"""A machine: a folder with the recipe, and what `run`, `resolve` and `merge` do in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from spark_batch.checkpoint import Checkpoint, CheckpointReader
from spark_batch.errors import UsageError
from spark_batch.jobs import Attempt, Recipe, Result, State, Usage
from spark_batch.jobs.shard import Shard
from spark_batch.paths import CHECKPOINT_SUFFIX
from spark_batch.project import adopting, load, merging, sharding
from spark_batch.project.layout import RecipeLayout, layout_of
from spark_batch.project.reporting import write_reports
from spark_batch.project.resolving import Settlement, settling
from spark_batch.reports.formats import FORMATS
from tests.machines.ledger import Fate, Ledger
from tests.makers import a_picture

API = "https://api.example.com"
JOBS = 3  # of the recipe
RESERVED = Decimal("0.05")
RECIPE = """\
version: 1
name: shared
inputs: ['https://cdn.example.com/a.jpg']
prompts: [{id: beach, text: Beach}, {id: snow, text: Snow}, {id: city, text: City}]
variants: {size: 512x512, seed: 7}
"""


class Violation(AssertionError):
    """A promise about money was broken."""


class Machine:
    """A folder in which spark-batch is run; `ledger` is the API that all machines share."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.folder = folder
        self.ledger = ledger
        folder.mkdir(exist_ok=True)
        (folder / "recipe.yaml").write_text(RECIPE)
        self.recipe: Recipe = load(folder / "recipe.yaml").recipe
        self.layout: RecipeLayout = layout_of(self.recipe, sandbox=False)

    def checkpoints(self) -> list[Path]:
        """Those of the recipe and of its shards that are not merged."""
        return sorted(self.layout.output_dir.rglob(f"*{CHECKPOINT_SUFFIX}"))

    def run(self, steps: Sequence[tuple[int, str]], shard: Shard | None, *, dies: bool) -> None:
        """Do `steps` of jobs as a run does them; one that `dies` writes no reports."""
        layout = layout_of(self.recipe, sandbox=False, shard=shard)
        try:
            with sharding.opened(layout) as checkpoint:
                checkpoint.mark_interrupted()
                checkpoint.poll_unknown_again()
                adopting.take_over(checkpoint, layout)
                checkpoint.sync_jobs(layout.jobs(self.recipe))
                keys = [job.key for job in layout.jobs(self.recipe)]
                for number, choice in steps if keys else ():
                    self._step(checkpoint, keys[number % len(keys)], choice)
                if not dies:
                    write_reports(layout, checkpoint, ["csv"])
        except UsageError:
            pass  # shards that are not merged

    def keys(self) -> list[str]:
        """The keys of the recipe's jobs, in its order."""
        return [job.key for job in self.layout.jobs(self.recipe)]

    def resolve(self, number: int, choice: str) -> None:
        """Settle the uncertain attempts of a job, by what the user sees in the API's console."""
        key = self.keys()[number]
        try:
            with settling(self.layout, key, (), task_id=None) as settlement:
                for attempt in settlement.jobs[0].attempts:
                    self._settle(settlement, attempt, choice)
                settlement.write_reports()
        except UsageError:
            pass  # nothing is uncertain here

    def merge(self, given: Sequence[Path]) -> merging.Merged | None:
        """Merge; None when there is nothing to merge."""
        try:
            return merging.merge(self.recipe, given)
        except UsageError:
            return None

    def _settle(self, settlement: Settlement, attempt: Attempt, choice: str) -> None:
        task = self.ledger.sent[moment_of(attempt)]
        if choice == "resubmit":
            settlement.settle(attempt, task_id=None, not_charged=False)
        elif task is None:
            settlement.settle(attempt, task_id=None, not_charged=True)
        elif attempt.task_id in (None, task.id):
            settlement.settle(attempt, task_id=task.id, not_charged=False)
            task.answered = True

    def _step(self, checkpoint: Checkpoint, key: str, choice: str) -> None:
        last = checkpoint.last_attempt(key)
        if last is None or not last.blocks_another:
            if last is not None and last.state is State.SUBMITTING:
                checkpoint.resend(last.id, reserved=RESERVED)
                self._post(checkpoint, last.id, key, choice)
                return
            for attempt in checkpoint.attempts_of(key):
                if attempt.blocks_another:
                    raise Violation(f"{key}: sent again beside attempt {attempt}")
            number = last.number + 1 if last else 1
            made = checkpoint.begin_attempt(key, number=number, reserved=RESERVED, api=API)
            self._post(checkpoint, made, key, choice)
        elif last.state in (State.RUNNING, State.FETCHING):
            self._poll(checkpoint, last, choice)
        elif last.state is State.DONE and choice == "expired":
            checkpoint.expire(last.id, "the API no longer has it")
            self.ledger.tasks[str(last.task_id)].lost = True

    def _post(self, checkpoint: Checkpoint, attempt: int, key: str, choice: str) -> None:
        (sent,) = (row for row in checkpoint.attempts_of(key) if row.id == attempt)
        fates = {"failed": Fate.FAILED_FREE, "failed-paid": Fate.FAILED_PAID}
        made = choice not in ("cut-before", "unsent", "refused")
        fate = fates.get(choice, Fate.DONE) if made else None
        task = self.ledger.send(moment_of(sent), key, fate)
        if choice == "unsent":
            checkpoint.not_accepted(attempt, "no connection")
        elif choice == "refused":
            checkpoint.fail(attempt, code=None, message="refused", again="new-task")
        elif task is not None and choice != "cut-after":
            checkpoint.submitted(attempt, task.id)
            task.answered = True
        # What was cut stays as it is: the next opening marks it interrupted.

    def _poll(self, checkpoint: Checkpoint, attempt: Attempt, choice: str) -> None:
        task = self.ledger.tasks[str(attempt.task_id)]
        usage = Usage(cost=task.cost)
        if choice == "unknown" and attempt.state is State.RUNNING:
            checkpoint.uncertain(attempt.id, "the API does not know the task")
        elif attempt.state is State.FETCHING and choice == "expired":
            checkpoint.expire(attempt.id, "the API no longer has it")
            task.lost = True
        elif attempt.state is State.FETCHING:
            checkpoint.done(attempt.id, a_picture(task.id), {})
        elif task.fate is Fate.DONE:
            checkpoint.fetching(attempt.id, Result("https://a.example/a.jpg", usage=usage))
            task.told = True
        else:
            paid = usage if task.fate is Fate.FAILED_PAID else Usage()
            checkpoint.fail(attempt.id, code=None, message="failed", again="new-task", usage=paid)
            task.told = task.fate is Fate.FAILED_PAID


def moment_of(attempt: Attempt) -> str:
    """When an attempt was sent last, as the ledger has it."""
    return str(attempt.submitted_at)


@contextmanager
def read(path: Path) -> Iterator[CheckpointReader]:
    """A checkpoint, to look at."""
    with CheckpointReader.open_readonly(path) as reader:
        yield reader


def manifest_of(machine: Machine) -> Path:
    """The manifest of its whole recipe, which may be missing."""
    return FORMATS["csv"].path(machine.layout)
