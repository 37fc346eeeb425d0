"""`spark-batch init [DIR]`."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path, PurePath
from urllib.parse import urlsplit

import click

from spark_batch.atomic import refuse_links
from spark_batch.errors import OutputError, UsageError
from spark_batch.models import schemas
from spark_batch.paths import shown
from spark_batch.recipe import boundary

_WORKFLOW = ".github/workflows/pictures.yml"
# Where each file of the package's folder `starter` goes.
_FILES = {
    "recipe.yaml": "recipe.yaml",
    "gitignore": ".gitignore",
    "pictures.yml": _WORKFLOW,
    "photos/dandelion.jpg": "photos/dandelion.jpg",
    "photos/LICENSE.md": "photos/LICENSE.md",
}
_SCHEMA = "recipe.schema.json"
# What the starter's workflow installs until an address is known. Nobody can own this host
# (RFC 2606), so that the step fails rather than installs somebody else's program.
_NO_ORIGIN = "git+https://git.example.com/spark-batch@COMMIT"


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Make a folder to start from: recipe, photo, CI workflow.

    The recipe runs at once in the sandbox. Nothing that is there already is changed.
    """
    origin = _origin()
    content = _content(origin or _NO_ORIGIN)
    there = [name for name in content if (folder / name).exists() or (folder / name).is_symlink()]
    if there:
        raise UsageError(
            f"{shown(folder / there[0])} is there already, and is left as it is: name another"
            " folder, or move it away"
        )
    if fault := boundary.target_fault(folder / "recipe.yaml"):
        raise UsageError(fault)
    for name in content:
        refuse_links(*(folder / part for part in PurePath(name).parents if part != PurePath()))
    for name, data in content.items():
        _write(folder / name, data)
    for name in content:
        click.echo(shown(folder / name))
    if origin is None:
        click.echo(
            f"before CI can run: in {_WORKFLOW}, set SPARK_BATCH to the git address and commit of"
            " spark-batch"
        )
    inside = "" if folder == Path() else f"cd {shown(folder)} && "
    click.echo(f"now: {inside}spark-batch run recipe.yaml --sandbox")


def _content(origin: str) -> dict[str, bytes]:
    """What is written, by its path in the folder; the workflow installs from `origin`."""
    starter = files("spark_batch") / "starter"
    found = {path: (starter / name).read_bytes() for name, path in _FILES.items()}
    found[_WORKFLOW] = found[_WORKFLOW].replace(_NO_ORIGIN.encode(), origin.encode())
    whole = json.dumps(schemas.bundled(schemas.RECIPE), indent=2, ensure_ascii=False)
    return {**found, _SCHEMA: f"{whole}\n".encode()}


def _origin() -> str | None:
    """The git address and commit that this program was installed from, as pip takes it.

    None for any other origin, such as a checkout, and for an address that a CI machine could not
    use: one that is not https, or that has a user's name in it. Source: PEP 610, direct_url.json.
    """
    try:
        record = distribution("spark-i2i-batch").read_text("direct_url.json")
    except PackageNotFoundError:
        return None
    found = json.loads(record or "{}")
    commit, url = found.get("vcs_info", {}).get("commit_id"), found.get("url", "")
    address = urlsplit(url)
    if commit is None or address.scheme != "https" or "@" in address.netloc:
        return None
    return f"git+{url}@{commit}"


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OutputError(f"cannot write {path}: {reason}") from None
