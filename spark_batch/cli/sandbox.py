"""`spark-batch sandbox`: serve the Spark API on this machine."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import click

from spark_batch.cli import options
from spark_batch.cli.stopping import until_stopped, wait
from spark_batch.errors import UsageError


def _list_faults(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from spark_batch.project import sandbox

        click.echo(sandbox.faults.listing())
        context.exit()


@click.command()
@options.port_option
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".spark-sandbox"),
    show_default=True,
    help="Where the ledger and the pictures are kept.",
)
@click.option(
    "--model",
    "models",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    multiple=True,
    help="Serve the model that this file describes, too, as a recipe's `model` names it; may be "
    "repeated.",
)
@click.option("--key-env", metavar="NAME", help="Take only the key in this environment variable.")
@click.option(
    "--price",
    metavar="USD",
    type=options.AMOUNT,
    default="0.03",
    show_default=True,
    help="What a picture costs.",
)
@click.option(
    "--task-seconds",
    metavar="A:B",
    default="0.4:1.6",
    show_default=True,
    help="How long a task takes: between A and B seconds.",
)
@click.option(
    "--fault",
    "faults",
    metavar="NAME=RATE",
    multiple=True,
    help="Inject a fault at a rate, such as 429=0.1 or poll:cut=0.05, or at the first requests "
    "about each task, such as result:404=first:3; may be repeated.",
)
@click.option(
    "--list-faults",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list_faults,
    help="List the faults with what they do, and exit.",
)
@click.option(
    "--script",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A YAML or JSON file: the faults of the next creates, polls, results and precharges.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the random choice of faults."
)
def command(
    *,
    port: int,
    folder: Path,
    models: tuple[Path, ...],
    key_env: str | None,
    price: Decimal,
    task_seconds: str,
    faults: tuple[str, ...],
    script: Path | None,
    seed: int,
) -> None:
    """Serve the Spark API on this machine, for free.

    It runs until Ctrl-C. Pictures are previews; the ledger shows what the API would have billed.
    """
    from spark_batch.project import load_models, sandbox

    settings = sandbox.Settings(
        folder=folder,
        models=load_models(models),
        key=_key(key_env),
        price=price,
        task_seconds=_seconds(task_seconds),
        faults=sandbox.faults.parse(faults, script=sandbox.read_script(script) if script else {}),
        seed=seed,
    )
    with until_stopped() as stopped, sandbox.serve(settings, port=port) as served:
        click.echo(f"sandbox at {served.url} (ledger {served.ledger.path})")
        click.echo(f"export SPARK_BASE_URL={served.url}")
        click.echo(f"export SPARK_API_KEY={f'${key_env}' if key_env else 'sandbox'}")
        wait(stopped)


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise UsageError(f"--key-env {name}: this environment variable is not set")
    return key


def _seconds(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        seconds = (float(low), float(high or low))
    except ValueError:
        seconds = (-1.0, -1.0)
    if not 0 <= seconds[0] <= seconds[1] < float("inf"):
        raise UsageError(f"--task-seconds {text!r} is not A:B in seconds, such as 0.4:1.6")
    return seconds
