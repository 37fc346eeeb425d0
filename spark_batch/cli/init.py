"""`spark-batch init [DIR]`."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import click

from spark_batch import contract
from spark_batch.cli.session import shown
from spark_batch.errors import OutputError, UsageError

# Where each file of the package's folder `starter` goes.
_FILES = {
    "recipe.yaml": "recipe.yaml",
    "gitignore": ".gitignore",
    "pictures.yml": ".github/workflows/pictures.yml",
    "photos/dandelion.jpg": "photos/dandelion.jpg",
    "photos/LICENSE.md": "photos/LICENSE.md",
}
_SCHEMA = "recipe.schema.json"


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Make a folder to start from: recipe, photo, .gitignore and a CI workflow.

    The recipe runs at once in the sandbox. Nothing that is there already is changed.
    """
    content = _content()
    there = [name for name in content if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise UsageError(
            f"{shown(folder / there[0])} is there already, and is left as it is: name another"
            " folder, or move it away"
        )
    for name, data in content.items():
        _write(folder / name, data)
    for name in content:
        click.echo(shown(folder / name))
    inside = "" if folder == Path() else f"cd {shown(folder)} && "
    click.echo(f"now: {inside}spark-batch run recipe.yaml --sandbox")


def _content() -> dict[str, bytes]:
    """What is written, by its path in the folder."""
    starter = files("spark_batch") / "starter"
    found = {path: (starter / name).read_bytes() for name, path in _FILES.items()}
    whole = json.dumps(contract.bundled(contract.RECIPE), indent=2, ensure_ascii=False)
    return {**found, _SCHEMA: f"{whole}\n".encode()}


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"cannot write {path}: {reason}") from None
