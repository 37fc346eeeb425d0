"""`init`: write the starter: recipe, photo, schema and CI workflow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from spark_batch.atomic import refuse_links
from spark_batch.errors import OutputError, UsageError
from spark_batch.models import schemas
from spark_batch.paths import shown
from spark_batch.recipe import boundary

WORKFLOW = ".github/workflows/pictures.yml"
# The files of the package's folder `starter`, and where `init` writes them.
_FILES = {
    "recipe.yaml": "recipe.yaml",
    "gitignore": ".gitignore",
    "pictures.yml": WORKFLOW,
    "photos/dandelion.jpg": "photos/dandelion.jpg",
    "photos/LICENSE.md": "photos/LICENSE.md",
}
_SCHEMA = "recipe.schema.json"
# What the starter's workflow installs while the origin is unknown. Nobody can own this host
# (RFC 2606), so the step fails instead of installing a stranger's program.
_NO_ORIGIN = "git+https://git.example.com/spark-batch@COMMIT"


@dataclass(frozen=True, slots=True)
class Starter:
    """The files that were written.

    `has_origin` is whether the workflow installs this program from its own origin. `repository` is
    the top of the git repository when the folder is below it: GitHub runs workflows only there.
    """

    paths: Sequence[Path]
    has_origin: bool
    repository: Path | None


def write_starter(folder: Path) -> Starter:
    """Write the starter into a folder; never changes a file that exists.

    Raises UsageError when a file exists already or a link is in its place, and OutputError.
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
    top = boundary.repository_of(folder.resolve())
    deeper = None if top == folder.resolve() else top
    return Starter([folder / name for name in content], origin is not None, deeper)


def _content(origin: str) -> dict[str, bytes]:
    """The content of every file, by its path; the workflow installs from `origin`."""
    starter = files("spark_batch") / "starter"
    found = {path: (starter / name).read_bytes() for name, path in _FILES.items()}
    found[WORKFLOW] = found[WORKFLOW].replace(_NO_ORIGIN.encode(), origin.encode())
    whole = json.dumps(schemas.bundled(schemas.RECIPE), indent=2, ensure_ascii=False)
    return {**found, _SCHEMA: f"{whole}\n".encode()}


def _origin() -> str | None:
    """The git address and commit that this program was installed from, in pip's form.

    None for any other origin, such as a checkout, and for an address that a CI machine cannot use:
    one that is not https, or that contains a user name. Source: PEP 610, direct_url.json.
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
