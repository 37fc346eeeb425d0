"""Find the address of the API and its key."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from spark_batch import client, redact
from spark_batch.checkpoint import Checkpoint
from spark_batch.client.address import check_base_url
from spark_batch.errors import UsageError
from spark_batch.jobs import SANDBOX_API
from spark_batch.project.layout import RecipeLayout
from spark_batch.redact import KEY_NAME

DEFAULT_URL = "https://cloud.vtrix.ai"
# How long a preview takes: long enough to see the progress, shorter than a model.
_PREVIEW_SECONDS = (0.1, 0.5)
_PREVIEW_KEY = "sandbox"
_URL = "SPARK_BASE_URL"
_ENV_FILE = "SPARK_ENV_FILE"
_MAX_ENV_FILE = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """The API's address and key; checkpoints record it as `api`. Its repr does not show the key."""

    base_url: str
    key: str
    api: str


def access(env_file: Path | None) -> Endpoint:
    """The endpoint and the key from the environment, or else from `env_file`.

    Without `env_file`, SPARK_ENV_FILE may name one. Raises UsageError when there is no key, when
    the file would send the environment's key to another address, and for a CA bundle or a proxy
    that cannot be used.
    """
    client.check_network()
    found = _environment(env_file)
    proxy = client.PROXY_VARIABLE
    if found.get(proxy) and not _is_set(proxy):
        raise UsageError(
            f"{proxy} is set in {_described(env_file or _named_file())}, which may set"
            f" only {KEY_NAME} and {_URL}: set {proxy} in the environment"
        )
    key = found.get(KEY_NAME, "")
    if not key:
        named = env_file or _named_file()
        also = "" if named is None else f" in the environment or in {named}"
        raise UsageError(
            f"there is no API key{also}: set SPARK_API_KEY, name a file with --env-file,"
            " or try the recipe with --sandbox, which needs none"
        )
    redact.remember(key)
    base_url = found.get(_URL, DEFAULT_URL)
    if _is_set(KEY_NAME) and not _is_set(_URL) and base_url != DEFAULT_URL:
        # The file may be part of a branch that somebody else wrote.
        raise UsageError(
            f"{_URL} is set in {_described(env_file or _named_file())}, and {KEY_NAME} in the"
            " environment: anyone who can change the file could have the key sent elsewhere; set"
            " both in the environment, or both in the file"
        )
    return Endpoint(base_url=base_url, key=key, api=base_url.rstrip("/"))


def address(*, sandbox: bool, env_file: Path | None) -> str:
    """The address of the API that would be used, as checkpoints record it; needs no key.

    Raises UsageError for an address that cannot be used, such as one with a password in it.
    """
    if sandbox:
        return SANDBOX_API
    return check_base_url(_environment(env_file).get(_URL, DEFAULT_URL))


def _environment(env_file: Path | None) -> Mapping[str, str]:
    """Variables of the environment and of the file, stripped, without those that are empty.

    CI systems set a variable to the empty string for a secret that they do not have.
    """
    path = env_file or _named_file()
    from_file = {} if path is None else _read_env(path)
    merged = {}
    for variables in (from_file, os.environ):
        for name, value in variables.items():
            if value is not None and value.strip():
                merged[name] = value.strip()
    return merged


def _named_file() -> Path | None:
    name = os.environ.get(_ENV_FILE, "").strip()
    return Path(name) if name else None


def _is_set(name: str) -> bool:
    """Whether a variable of the environment has a value."""
    return bool(os.environ.get(name, "").strip())


@contextlib.contextmanager
def endpoint(layout: RecipeLayout, *, env_file: Path | None) -> Iterator[Endpoint]:
    """The API to use; for previews a sandbox, served until the block ends. Raises UsageError."""
    if not layout.is_preview:
        yield access(env_file)
        return
    from spark_batch import sandbox as room

    settings = room.Settings(
        folder=layout.sandbox, models=layout.models, task_seconds=_PREVIEW_SECONDS
    )
    with room.serve(settings) as served:
        yield Endpoint(served.url, key=_PREVIEW_KEY, api=SANDBOX_API)


def check_api(checkpoint: Checkpoint, layout: RecipeLayout, api: str) -> None:
    """Raise UsageError when tasks are still open at another API, which alone knows them."""
    others = {attempt.api for attempt in checkpoint.open_attempts() if attempt.task_id} - {api}
    if others:
        raise UsageError(
            f"paid tasks are still open at {', '.join(sorted(others))}, but SPARK_BASE_URL is now"
            f" {api}: set it back, run `{layout.command('rescue')}`, then change it"
        )


def _read_env(path: Path) -> dict[str, str | None]:
    """The variables of a `.env` file, as python-dotenv reads them; no `${…}` is replaced.

    Raises UsageError, which shows nothing of the content.
    """
    try:
        # A pipe could block the command, and can be read only once.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"cannot read {_described(path)}: it is not a regular file")
        with path.open("rb") as file:
            data = file.read(_MAX_ENV_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UsageError(f"cannot read {_described(path)}: {reason}") from None
    if len(data) > _MAX_ENV_FILE:
        raise UsageError(f"cannot read {_described(path)}: more than {_MAX_ENV_FILE // 1024} KiB")
    # PowerShell's `>` writes UTF-16 with a byte order mark.
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {_described(path)}: it is not UTF-8 text") from None
    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def _described(path: Path | None) -> str:
    by = _ENV_FILE if path == _named_file() else "--env-file"
    return f"the file {path} that {by} names"
