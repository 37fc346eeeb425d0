"""Where the API is, and the key for it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from spark_batch.checkpoint import Checkpoint
from spark_batch.client.address import check_base_url
from spark_batch.errors import UsageError
from spark_batch.project.place import Place
from spark_batch.recipe.inputs import SANDBOX
from spark_batch.runner.files import STATE_FOLDER

DEFAULT_URL = "https://cloud.vtrix.ai"
# Of a preview: long enough to see the progress, and not as long as a model would take.
_PREVIEW_SECONDS = (0.1, 0.5)


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """Where to send; `api` is what the checkpoint calls it. Has no repr that could show the key."""

    base_url: str
    key: str
    api: str


def access(env_file: Path | None) -> Endpoint:
    """The endpoint and the key from the environment, or else from `env_file`.

    Raises UsageError when there is no key.
    """
    found = _environment(env_file)
    key = found.get("SPARK_API_KEY", "").strip()
    if not key:
        raise UsageError(
            "there is no API key: set SPARK_API_KEY, name a file with --env-file,"
            " or try the recipe with --sandbox, which needs none"
        )
    base_url = _base_url(found)
    return Endpoint(base_url=base_url, key=key, api=base_url.rstrip("/"))


def address(*, sandbox: bool, env_file: Path | None) -> str:
    """What the checkpoint calls the API that would be used; needs no key.

    Raises UsageError for an address that cannot be used: it could hold a password.
    """
    if sandbox:
        return SANDBOX
    return check_base_url(_base_url(_environment(env_file)))


def _environment(env_file: Path | None) -> Mapping[str, str]:
    return os.environ if env_file is None else {**_read_env(env_file), **os.environ}


def _base_url(found: Mapping[str, str]) -> str:
    return found.get("SPARK_BASE_URL", "").strip() or DEFAULT_URL


@contextlib.contextmanager
def endpoint(place: Place, *, sandbox: bool, env_file: Path | None) -> Iterator[Endpoint]:
    """The API that is to be used; the sandbox lives as long as it is. Raises UsageError."""
    if not sandbox:
        yield access(env_file)
        return
    from spark_batch import sandbox as room

    folder = place.output_dir / STATE_FOLDER / SANDBOX
    with room.serve(room.Settings(folder=folder, task_seconds=_PREVIEW_SECONDS)) as served:
        yield Endpoint(served.url, SANDBOX, SANDBOX)


def check_api(checkpoint: Checkpoint, api: str) -> None:
    """A task is known only where it was made: asked elsewhere it would seem lost.

    Raises UsageError.
    """
    others = {each.api for each in checkpoint.open_attempts() if each.task_id} - {api}
    if others:
        raise UsageError(
            f"tasks that are paid for are still open at {', '.join(sorted(others))}, and this is"
            f" {api}: set SPARK_BASE_URL back and run again before you change it"
        )


def _read_env(path: Path) -> dict[str, str]:
    """NAME=VALUE lines; `export`, quotes, blank lines and # comments are understood."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"cannot read the file {path} that --env-file names") from None
    found = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            text = value.strip()
            quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
            found[name.strip()] = text[1:-1] if quoted else text
    return found
