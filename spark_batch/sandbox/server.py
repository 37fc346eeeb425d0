"""Run a sandbox inside this process."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from spark_batch import models
from spark_batch.errors import UsageError
from spark_batch.models import Model, Models
from spark_batch.sandbox.faults import Dice, Faults
from spark_batch.sandbox.ledger import Ledger
from spark_batch.sandbox.store import Store
from spark_batch.text import pip_install

HOST = "127.0.0.1"
# What the extra `sandbox` of pyproject.toml installs. The message names these well-known packages,
# and not the extra: the index does not have this project, and the name could be anybody's there.
_EXTRA = ("starlette", "uvicorn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a sandbox.

    `folder` holds its state (ledger, input pictures, previews, secret) and is created if missing.
    `models` are served beside those that are shipped; requests name theirs. `key` is the
    only bearer key that it accepts; None accepts any. `price` is in USD per picture. A task takes
    between the two `task_seconds`; its id decides how long. A result URL expires `url_seconds`
    after the poll that returned it. `seed` seeds the random choice of faults.
    """

    folder: Path
    models: Models = field(default_factory=lambda: models.of_recipe(models.default()), repr=False)
    key: str | None = field(default=None, repr=False)
    price: Decimal = Decimal("0.03")
    task_seconds: tuple[float, float] = (0.4, 1.6)
    url_seconds: float = 86400
    faults: Faults = field(default_factory=Faults)
    seed: int = 0

    def shown_model(self, name: str) -> str:
        """A model's name on previews: where it is not the default one, or one of several."""
        several = len(self.models.chosen) > 1
        return name if several or name != models.default().name else ""

    def serving(self, name: object) -> Model | None:
        """The model for a request that names it; None for an unknown name."""
        if not isinstance(name, str):
            return None
        found = self.models.of(name)
        return found if found.name == name else None


@dataclass(frozen=True, slots=True)
class Served:
    """A running sandbox at `url`; `faults.plan(...)` adds faults to its script."""

    url: str
    ledger: Ledger
    faults: Dice


@contextmanager
def serve(
    settings: Settings, *, port: int = 0, clock: Callable[[], float] = time.time
) -> Iterator[Served]:
    """Serve a sandbox from a daemon thread until the block ends; with port 0 the system picks one.

    Installs no signal handler and logs nothing. `clock` returns Unix seconds. Raises UsageError if
    the extra is not installed, the port is in use or the folder's ledger is not one of a sandbox,
    and OutputError if the folder cannot be written.
    """
    with needing_extra("the sandbox"):
        from spark_batch.sandbox.app import Sandbox
        from spark_batch.sandbox.wire import running
    store = Store(settings.folder)
    ledger = Ledger(store.layout.ledger)
    dice = Dice(settings.faults, seed=settings.seed)
    listener = listen(port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    sandbox = Sandbox(settings=settings, store=store, ledger=ledger, dice=dice, clock=clock)
    try:
        with running(sandbox.app, listener):
            yield Served(url=url, ledger=ledger, faults=dice)
    finally:
        listener.close()
        sandbox.close()
        ledger.close()


@contextmanager
def needing_extra(what: str) -> Iterator[None]:
    """Imports in the block are of the extra `sandbox`; raises UsageError when it is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        raise UsageError(f"{what} needs {pip_install(_EXTRA)}") from None


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; with port 0 the system picks one.

    Raises UsageError when the port cannot be used. It has an explicit protocol, for which alone
    asyncio sets TCP_NODELAY: with `socket.create_server` a poll on a kept-alive connection took 40
    ms longer (measured).
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot listen on {HOST}:{port}: {why}; choose another port") from None
    return listener
