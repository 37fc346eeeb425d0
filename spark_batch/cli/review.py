"""`spark-batch review RECIPE`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from spark_batch import project
from spark_batch.cli import options, session
from spark_batch.cli.colours import print_err
from spark_batch.cli.stopping import until_stopped, wait
from spark_batch.paths import shown
from spark_batch.text import printable


@click.command()
@options.recipe_argument
@options.sandbox_option
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
@options.port_option
def command(recipe_path: Path, *, sandbox: bool, open_it: bool, port: int) -> None:
    """Serve the page on this machine, and save verdicts at once.

    Verdicts are saved in the picks file beside the recipe. New pictures appear while a run goes on.
    The command runs until Ctrl-C. The address has a random token: whoever has it can see the
    pictures and set verdicts, from this machine alone.
    """
    recipe = session.load(recipe_path)
    with until_stopped() as stopped, project.review(recipe, sandbox=sandbox, port=port) as served:
        click.echo(f"review at {served.url}")
        if served.picks is not None:
            where = printable(shown(served.picks))
            print_err(f"verdicts are saved in {where}; Ctrl-C ends the review")
        with _redirect(served.url) as page:
            if open_it:
                session.open_page(page.as_uri(), served.url)
            wait(stopped)


@contextmanager
def _redirect(url: str) -> Iterator[Path]:
    """A page that leads to an address, readable for this user alone.

    An address on a browser's command line could be read by every user of the machine.
    """
    with tempfile.TemporaryDirectory(prefix="spark-batch-") as folder:
        page = Path(folder) / "review.html"
        page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0; url={url}">')
        yield page
