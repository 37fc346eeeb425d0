"""Servers and clients of the client's tests; all of them are closed when a test ends."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from spark_batch.client import TaskClient, Timeouts
from tests.client.server import CERTIFICATE, Behaviour, Server
from tests.makers import MODELS

KEY = "sk-canary-7f3a9b2c51d84e60"
# For what comes to an end by itself; then nothing depends on the speed of the machine.
PATIENT = Timeouts(
    connect=5, read=5, create_total=10, poll_total=10, quote_total=10, fetch_total=10
)
# For servers that never come to an end.
QUICK = Timeouts(
    connect=0.3, read=0.15, create_total=0.25, poll_total=0.25, quote_total=0.25, fetch_total=0.25
)
TRUSTED = {"REQUESTS_CA_BUNDLE": str(CERTIFICATE)}

Serve = Callable[..., Server]
Connect = Callable[..., TaskClient]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a behaviour for each of its connections."""
    with ExitStack() as stack:

        def start(behave: Behaviour, *, tls: bool | ssl.SSLContext = False) -> Server:
            return stack.enter_context(closing(Server(behave, tls=tls)))

        yield start


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make a client of a base URL, that trusts the tests' certificate."""
    with ExitStack() as stack:

        def make(url: str, **seams: object) -> TaskClient:
            chosen = {"timeouts": PATIENT, "environ": TRUSTED, **seams}
            return stack.enter_context(TaskClient(url, KEY, **chosen, models=MODELS))

        yield make
