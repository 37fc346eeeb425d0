"""`spark-batch init [DIR]`."""

from __future__ import annotations

from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli.colours import print_wrapped
from spark_batch.paths import shown
from spark_batch.text import shell_quote


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Make a folder to start from: recipe, photo, CI workflow.

    The recipe runs at once in the sandbox. Existing files are not changed.
    """
    starter = project.write_starter(folder)
    workflow = folder / project.WORKFLOW
    for path in starter.paths:
        click.echo(shown(path))
    if not starter.has_origin:
        print_wrapped(
            f"before CI can run: in {shown(workflow)}, set SPARK_BATCH to the git address and"
            " commit of spark-batch"
        )
    if starter.repository is not None:
        inside = folder.resolve().relative_to(starter.repository).as_posix()
        print_wrapped(
            f"GitHub reads workflows only at the top of a repository: move {shown(workflow)} to"
            f" {shown(starter.repository / project.WORKFLOW)}, and write {inside}/ before"
            " recipe.yaml and out in it"
        )
    # `cd -art` would be an option.
    target = f"./{shown(folder)}" if shown(folder).startswith("-") else shown(folder)
    enter = "" if folder == Path() else f"cd {shell_quote(target)} && "
    print_wrapped(f"now: {enter}spark-batch run recipe.yaml --sandbox")
