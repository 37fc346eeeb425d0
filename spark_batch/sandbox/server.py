"""Run a sandbox inside this process."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from spark_batch.errors import UsageError
from spark_batch.sandbox.faults import Dice
from spark_batch.sandbox.ledger import Ledger
from spark_batch.sandbox.settings import Settings
from spark_batch.sandbox.store import Store
from spark_batch.text import pip_install

HOST = "127.0.0.1"
# What the extra `sandbox` of pyproject.toml installs. The message names these well-known packages,
# and not the extra: the index does not have this project, and the name could be anybody's there.
_EXTRA = ("starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Served:
    """A running sandbox at `url`; `faults.plan(...)` adds faults to its script."""

    url: str
    ledger: Ledger
    faults: Dice


@contextmanager
def serve(
    settings: Settings,
    *,
    port: int = 0,
    clock: Callable[[], float] = time.time,
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
    ledger = Ledger(store.ledger)
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
