"""`spark-batch rescue RECIPE`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import github, options, session
from spark_batch.cli.progress import watch
from spark_batch.errors import ExitCode
from spark_batch.project import Shard
from spark_batch.text import counted


@click.command()
@options.recipe_argument
@options.sandbox_option
@options.shard_option
@click.option("--env-file", type=click.Path(path_type=Path), help="A file with SPARK_API_KEY=….")
def command(recipe_path: Path, *, sandbox: bool, shard: Shard | None, env_file: Path | None) -> int:
    """Poll and download what has been paid for. This cannot create a task.

    Needs the recipe's name and output folder alone: its pictures may be gone. Can always be run:
    with nothing to rescue it does nothing, and needs no key.
    """
    layout = project.find_layout(recipe_path, sandbox=sandbox, shard=shard)
    rescued = project.rescue(
        recipe_path, sandbox=sandbox, shard=shard, env_file=env_file, watch=watch
    )
    if rescued is None:
        click.echo("nothing to rescue: nothing has been run yet")
        _tell_earlier(recipe_path, layout, sandbox=sandbox)
        return ExitCode.DONE
    session.tell_adopted(rescued.adopted, layout)
    _conclude(rescued)
    if not rescued.wanted:
        _tell_earlier(recipe_path, layout, sandbox=sandbox)
    session.tell_pointers(rescued.causes)
    session.tell_unwritten(rescued.written)
    told = github.tell(recipe_path, layout, news=bool(rescued.wanted))
    return rescued.exit_code or told


def _tell_earlier(recipe_path: Path, layout: project.RecipeLayout, *, sandbox: bool) -> None:
    """Say on stderr where paid work may stand that the recipe did under an earlier name."""
    if hint := project.earlier_hint(recipe_path, layout, sandbox=sandbox):
        click.echo(f"note: {hint}", err=True)


def _conclude(rescued: project.Rescued) -> None:
    tally = rescued.tally
    if not rescued.wanted:
        click.echo("nothing to rescue: every picture that is paid for is here")
        return
    rest = {"expired": tally.expired, "unfinished": tally.unfinished, "failed": tally.failed}
    told = "".join(f", {count} {what}" for what, count in rest.items() if count)
    click.echo(f"{counted(tally.done, 'job')} rescued{told}")
    if tally.uncertain_before:
        count = counted(tally.uncertain_before, "attempt")
        click.echo(f"{count} uncertain: `spark-batch status` lists, `resolve` settles", err=True)
    if tally.exit_code() is ExitCode.INTERRUPTED:
        click.echo("interrupted: run it again for the rest", err=True)
