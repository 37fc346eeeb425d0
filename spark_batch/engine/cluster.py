"""Process pictures on a Dask cluster.

Dask runs a task again when its worker dies, even a finished one whose result that worker held
(measured with distributed 2026.8). So nothing that costs money is ever a Dask task, and a result is
taken from the cluster, and its task released, as soon as it is there.
"""

from __future__ import annotations

import concurrent.futures
import logging
import os
import platform
import warnings
from asyncio import CancelledError
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from spark_batch.engine.workers import DaemonThreads
from spark_batch.errors import UsageError
from spark_batch.redact import KEY_NAME
from spark_batch.text import pip_install
from spark_batch.version import __version__

if TYPE_CHECKING:
    import distributed

_SCHEDULER_SECONDS = 10.0
_WORKER_SECONDS = 60.0
_NODES_SECONDS = 30.0  # to ask all nodes for their versions
# For a result, since a cluster may have lost all its workers. The same call in this process takes
# at most as long, and both end within `waits.LONGEST_CALL`.
RESULT_SECONDS = 300.0
_MOST_FAILURES = 3  # in a row, after which the cluster gets no more calls
_MOST_AT_ONCE = 512
_PROTOCOLS = ("tcp", "tls", "ws", "wss")
_TLS_SETTINGS = (
    " and the certificates (DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …__CLIENT__CERT, …__CLIENT__KEY)"
)

T = TypeVar("T")


class Cluster:
    """Calls functions of plain values on the workers of a Dask cluster; an `Elsewhere`.

    `address` is its scheduler's, such as `tcp://10.0.0.5:8786`. A call that fails, such as in a
    worker that cannot reach the picture's host, is repeated in this process. After `_MOST_FAILURES`
    in a row all calls are made here, and `take_note` returns a note about that. Safe to use from
    several threads.

    Raises UsageError when distributed is not installed, no scheduler answers, no worker joins
    within `worker_seconds`, or another version of Python, distributed or spark-batch runs there.
    """

    is_remote = True

    def __init__(self, address: str, *, worker_seconds: float = _WORKER_SECONDS) -> None:
        self._address = _address(address)
        self._client = _connected(self._address)
        self._numbers = count()
        self._waiting: dict[str, distributed.Future[Any]] = {}
        self._failures = 0
        self._note: str | None = None
        self._at_once = 0
        try:
            _within(worker_seconds + _NODES_SECONDS, lambda: self._look_at_nodes(worker_seconds))
        except TimeoutError as error:
            self.close()
            raise UsageError(f"the Dask cluster at {self._address} is silent: {error}") from None
        except BaseException:
            self.close()
            raise

    @property
    def at_once(self) -> int:
        """The number of calls that keep the workers busy, with some in reserve."""
        return self._at_once

    @property
    def _is_given_up(self) -> bool:
        """Whether all calls are made in this process from now on."""
        return self._failures >= _MOST_FAILURES

    def do(
        self, name: str, function: Callable[..., T], *arguments: Any, instead: Callable[[], T]
    ) -> T:
        """Call `function` on a worker; when that fails, `instead` in this process."""
        if self._is_given_up:
            return instead()
        key = f"spark-batch-{name}-{next(self._numbers)}"
        try:
            future = self._client.submit(function, *arguments, key=key, pure=False, retries=0)
            self._waiting[key] = future
            try:
                if self._is_given_up:  # since the look above: nobody would cancel this call
                    raise TimeoutError
                result: T = future.result(timeout=RESULT_SECONDS)
            except BaseException:
                _cancel(future)
                raise
            finally:
                self._waiting.pop(key, None)
            future.release()
        except (Exception, CancelledError) as error:  # noqa: BLE001 (any error on the cluster)
            self._failed(error)
            return instead()
        if not self._is_given_up:  # a late result changes nothing
            self._failures = 0
        return result

    def take_note(self) -> str | None:
        """A note about the cluster for the user, returned only once."""
        note, self._note = self._note, None
        return note

    def close(self) -> None:
        """Leave the cluster, which drops this run's calls that it has not begun."""
        _abandon(self._client)

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        if self._failures == _MOST_FAILURES:
            self._note = (
                f"the Dask cluster at {self._address} failed {_MOST_FAILURES} times in a row"
                f" ({_first_line(error)}): pictures are now processed in this process"
            )
            for future in list(self._waiting.values()):  # none has to wait any longer
                _cancel(future)

    def _look_at_nodes(self, worker_seconds: float) -> None:
        self._wait_for_worker(worker_seconds)
        self._note = self._check_nodes()
        workers: dict[str, int] = self._client.nthreads()
        self._at_once = min(2 * sum(workers.values()), _MOST_AT_ONCE)

    def _wait_for_worker(self, seconds: float) -> None:
        try:
            self._client.wait_for_workers(1, timeout=seconds)
        except Exception:  # noqa: BLE001 (also when the scheduler ends meanwhile)
            text = f"no worker joined the Dask cluster at {self._address} within {seconds:g} s"
            raise UsageError(f"{text}: start some workers and run again") from None

    def _check_nodes(self) -> str | None:
        """A note if a worker has the key in its environment, else None.

        Raises UsageError for a node with other versions. Skips a node that ends meanwhile.
        """
        ours, with_key = _facts(), []
        for node, facts in self._facts_of_nodes():
            if isinstance(facts, OSError):
                continue
            theirs = facts.versions if isinstance(facts, _Facts) else _first_line(facts)
            if theirs != ours.versions:
                raise UsageError(
                    f"{node} cannot be used: it has {theirs}, this process has {ours.versions};"
                    " install the same versions there"
                )
            if isinstance(facts, _Facts) and facts.has_key:
                with_key.append(node)
        if not with_key:
            return None
        text = f"has {KEY_NAME} in its environment, which it does not need"
        return f"{with_key[0]} {text}: start it without that variable"

    def _facts_of_nodes(self) -> Iterator[tuple[str, _Facts | Exception]]:
        try:
            yield f"the scheduler {self._address}", self._client.run_on_scheduler(_facts)
        except Exception as error:  # noqa: BLE001 (the network, or spark_batch is not installed)
            yield f"the scheduler {self._address}", error
        answers = self._client.run(_facts, on_error="return")
        for address, answer in answers.items():
            yield f"the worker {address}", answer


@dataclass(frozen=True, slots=True)
class _Facts:
    """A node's versions in words, and whether its environment has the API key."""

    versions: str
    has_key: bool


def _address(text: str) -> str:
    """The address of a scheduler, with its protocol. Raises UsageError for anything else."""
    address = text if "://" in text else f"tcp://{text}"
    try:
        parts = urlsplit(address)
        usable = parts.scheme in _PROTOCOLS and parts.hostname and parts.port and not parts.path
    except ValueError:
        usable = False
    if any(mark in address for mark in "@?#"):  # may be a secret, which is not repeated
        raise UsageError(
            "the address of a Dask scheduler has no user and no password, and nothing after the"
            " port: leave it out"
        )
    if not usable:
        raise UsageError(
            f"{text!r} is not the address of a Dask scheduler, such as tcp://10.0.0.5:8786"
        )
    return address


def _connected(address: str) -> distributed.Client:
    try:
        import distributed
    except ImportError:
        raise UsageError(f"--dask needs {pip_install(['distributed'])}") from None
    for name in ("distributed", "distributed.client"):  # we report its failures ourselves
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Made in two steps, since one that is made in part has to be abandoned as well.
    client = distributed.Client.__new__(distributed.Client)

    def connect() -> None:
        client.__init__(  # type: ignore[misc]
            address, timeout=_SCHEDULER_SECONDS, set_as_default=False, name="spark-batch"
        )

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about versions, which are checked later
            _within(_SCHEDULER_SECONDS + 1, connect)
    except Exception as error:  # noqa: BLE001 (any error of the network)
        _abandon(client)
        settings = _TLS_SETTINGS if address.startswith(("tls:", "wss:")) else ""
        raise UsageError(
            f"no Dask scheduler answers at {address} ({_first_line(error)}):"
            f" check the address{settings}, or start it"
        ) from None
    except BaseException:
        _abandon(client)
        raise
    # Results that were given up may fail later, which nobody asks for; asyncio would print that.
    loop: Any = client.loop
    loop.asyncio_loop.set_exception_handler(lambda loop, context: None)
    return client


def _within(seconds: float, function: Callable[[], T]) -> T:
    """Call a function of distributed; raises TimeoutError when it has not ended after `seconds`.

    Its own limits do not hold for a peer that accepts a connection and falls silent, such as a web
    server, or a scheduler that was stopped (measured with 2026.8).
    """
    threads = DaemonThreads(1, "dask")
    try:
        return threads.submit(function).result(seconds)
    except concurrent.futures.TimeoutError as error:
        raise TimeoutError(str(error) or f"no answer within {seconds:g} s") from None
    finally:
        threads.shutdown(wait=False)


def _cancel(future: distributed.Future[Any]) -> None:
    """Drop a call. A client that has lost its scheduler closes itself, and raises for that."""
    with suppress(Exception):
        future.cancel()


def _abandon(client: distributed.Client) -> None:
    """Close a client, also one that is made in part."""
    with suppress(Exception):  # the cluster is gone
        client.close(timeout=1)
    client.status = "closed"  # its `__del__` would wait for 20 s and print a traceback


def _facts() -> _Facts:
    python = ".".join(platform.python_version_tuple()[:2])
    dask = metadata.version("distributed")
    versions = f"Python {python}, distributed {dask}, spark-batch {__version__}"
    return _Facts(versions, KEY_NAME in os.environ)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
