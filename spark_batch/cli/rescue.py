"""`spark-batch rescue RECIPE`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import click

from spark_batch.checkpoint import Checkpoint
from spark_batch.cli import crew, session
from spark_batch.client import TaskReader
from spark_batch.errors import ExitCode
from spark_batch.jobs import Input, Job, Prompt, RunSettings, Size, Standing, State, Status
from spark_batch.recipe.variants import run as run_settings
from spark_batch.reports import manifest
from spark_batch.runner import Run
from spark_batch.runner.budget import Budget, Prices
from spark_batch.runner.events import Tally
from spark_batch.runner.survey import Action, Scope, survey

_PAID = (State.RUNNING, State.FETCHING)


@click.command()
@session.recipe_argument
@session.sandbox_option
@click.option("--env-file", type=click.Path(path_type=Path), help="A file with SPARK_API_KEY=….")
def command(recipe_path: Path, *, sandbox: bool, env_file: Path | None) -> int:
    """Poll and download what has been paid for. Has no way to create a task.

    Needs the recipe's name and output folder alone: its pictures may be gone.
    """
    place = session.find_place(recipe_path, sandbox=sandbox)
    session.peek(place).close()
    with Checkpoint.open(place.checkpoint) as checkpoint:
        checkpoint.interrupted()
        rescue = _Rescue(checkpoint, place, run_settings(None))
        tally = Tally(
            stuck=sum(each.status is Status.FAILED for each in checkpoint.standings()),
            uncertain_before=checkpoint.uncertain_count(),
            spent=checkpoint.money().spent,
        )
        if rescue.wanted:
            with crew.endpoint(place, sandbox=sandbox, env_file=env_file) as endpoint:
                crew.check_api(checkpoint, endpoint.api)
                rescue.fetch(endpoint, tally)
        path = manifest.manifest_path(place.output_dir, place.name)
        manifest.write(path, checkpoint.standings())
    _conclude(tally, rescue.wanted)
    return tally.exit_code()


class _Rescue:
    """What is paid for and not here."""

    def __init__(self, checkpoint: Checkpoint, place: session.Place, settings: RunSettings) -> None:
        self._checkpoint = checkpoint
        self._place = place
        self._settings = settings
        jobs = (_job(standing) for standing in checkpoint.standings())
        scope = Scope(place.output_dir, settings.attempts, rescue=True)
        steps = survey(jobs, reader=checkpoint, scope=scope)
        self._missing = [step for step in steps if step.action is Action.RESTORE]
        paid = sum(each.state in _PAID for each in checkpoint.open_attempts())
        self.wanted = paid + len(self._missing)

    def fetch(self, endpoint: crew.Endpoint, tally: Tally) -> None:
        """Poll and download. What is handed to the run cannot create a task."""
        prices = Prices(price=None)
        budget = Budget(limit=Decimal(0), money=self._checkpoint.money(), prices=prices)
        with TaskReader(endpoint.base_url, endpoint.key) as client:
            desk = crew.desk(
                self._checkpoint,
                client,
                send=None,
                settings=crew.settings(self._settings, endpoint),
                place=self._place,
                budget=budget,
                submit_rate=self._settings.submit_rate,
                tally=tally,
            )
            crew.watch(Run(desk, steps=self._missing, open_jobs={}), total=self.wanted)


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


def _conclude(tally: Tally, wanted: int) -> None:
    if not wanted:
        click.echo("nothing to rescue: every picture that is paid for is here")
        return
    rest = {"lost": tally.lost, "unfinished": tally.unfinished, "failed": tally.failed}
    told = "".join(f", {count} {what}" for what, count in rest.items() if count)
    click.echo(f"{session.counted(tally.done, 'job')} rescued{told}")
    if tally.uncertain_before:
        count = session.counted(tally.uncertain_before, "attempt")
        click.echo(f"{count} uncertain: `spark-batch status` lists, `resolve` settles", err=True)
    if tally.exit_code() is ExitCode.INTERRUPTED:
        click.echo("interrupted: run it again for the rest", err=True)
