"""Deadlines, threads, and what the connections leave behind."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from requests.adapters import HTTPAdapter

from spark_batch.client import TaskClient, Timeouts
from spark_batch.client.outcomes import InProgress, Made
from spark_batch.client.transport import Trace
from spark_batch.client.watchdog import Watchdog
from spark_batch.client.wire import Request, Wire
from tests.client.conftest import KEY, QUICK, TRUSTED, Connect, Serve
from tests.client.faults import WHOLE
from tests.client.server import CERTIFICATE, Line, answering, http, then_close, within
from tests.makers import MODEL, MODELS

HASTY = Timeouts(read=0.6, create_total=0.6, poll_total=0.8)


def test_watchdog_calls_what_is_overdue() -> None:
    """The block that is late is told, the one that ended is not, in whatever order they began."""
    told: list[str] = []
    late = threading.Event()
    watchdog = Watchdog()
    try:
        with watchdog.limit(60, lambda: told.append("in time")):
            with watchdog.limit(0.03, late.set):
                assert late.wait(5)
            with watchdog.limit(0.01, lambda: told.append("ended")):
                pass
        with watchdog.limit(0.03, late.set):
            late.clear()
            assert late.wait(5)
    finally:
        watchdog.close()
    assert told == []


def test_watchdog_forgets_what_ended() -> None:
    """Operations that ended leave nothing behind once a later one is due."""
    watchdog = Watchdog()
    try:
        for _ in range(1000):
            with watchdog.limit(0.001, lambda: None):
                pass
        done = threading.Event()
        with watchdog.limit(0.02, done.set):
            assert done.wait(5)
        assert within(5, lambda: not watchdog._queue)
        assert not watchdog._watched
    finally:
        watchdog.close()


def test_no_thread_stays(serve: Serve) -> None:
    """A closed client has no thread; one that was never used has none either."""
    before = threading.active_count()
    with TaskClient("http://127.0.0.1:1", KEY, environ=TRUSTED, timeouts=QUICK, models=MODELS):
        assert threading.active_count() == before
    server = serve(then_close(WHOLE))
    before = threading.active_count()
    with TaskClient(server.url, KEY, environ=TRUSTED, timeouts=QUICK, models=MODELS) as client:
        client.submit(b"{}", MODEL.name)
    assert within(5, lambda: threading.active_count() <= before)


def test_many_threads(serve: Serve, connect: Connect) -> None:
    """Threads share a client: each POST is one connection, and no answer goes astray."""

    def behave(line: Line) -> None:
        while (request := line.request()) is not None:
            first = request.partition(b" HTTP")[0].decode()
            if first.startswith("GET"):
                line.send(http({"id": first.rsplit("/", 1)[1], "status": "in_progress"}))
            else:
                body = request.partition(b"\r\n\r\n")[2].decode()
                line.send(http({"id": f"task-{body}"}))

    server = serve(behave)
    client = connect(server.url)

    def work(number: int) -> None:
        made = client.submit(str(number).encode(), MODEL.name)
        assert made == Made(task_id=f"task-{number}")
        assert client.poll(made.task_id, MODEL.name) == InProgress(progress=None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(64)))
    posts = [request for request in server.requests if request.startswith(b"POST")]
    assert len(posts) == 64
    assert server.connections <= 64 + 8


def test_late_connection_sends_nothing() -> None:
    """A connection that stands only after the deadline is not used."""
    import socket

    trace = Trace(total=1)
    trace.expire()
    left, right = socket.socketpair()
    with left, right, pytest.raises(OSError):
        trace.attach(left)


def test_connection_given_back_is_not_cut(serve: Serve) -> None:
    """A deadline that passes after the whole answer was read leaves the connection to others."""
    server = serve(answering(http(b"hello")))
    context = ssl.create_default_context(cafile=CERTIFICATE)
    wire = Wire(context=context, connect=5, read=5)
    for total in (0.1, 5):
        request = Request(method="GET", url=server.url, headers={}, total=total)
        with wire.open(request) as incoming:
            assert incoming.read(100) == (b"hello", None)
            if total < 1:
                assert within(5, lambda trace=incoming.trace: trace.overdue)
    assert server.connections == 1
    wire.close()


def test_the_stock_adapter_could_not_tell(serve: Serve) -> None:
    """Why the connections are our own: the stock adapter gives one exception for both cases."""
    import requests

    server = serve(then_close(b""))
    taken = requests.Request("POST", server.url, data=b"{}").prepare()
    refused = requests.Request("POST", "http://127.0.0.1:1", data=b"{}").prepare()
    kinds = set()
    adapter = HTTPAdapter()
    for request in (taken, refused):
        with pytest.raises(requests.ConnectionError) as caught:
            adapter.send(request, proxies={})
        kinds.add(type(caught.value))
    adapter.close()
    assert len(kinds) == 1
    assert len(server.requests) == 1


def test_idle_connection_that_was_closed(serve: Serve, connect: Connect) -> None:
    """A kept connection that the server has closed meanwhile costs a poll nothing."""
    server = serve(then_close(http({"id": "task-1", "status": "in_progress"})))
    client = connect(server.url)
    for number in range(1, 4):
        assert client.poll("task-1", MODEL.name) == InProgress(progress=None)
        assert within(2, lambda n=number: server.connections == n)
        server.wait(0.02)


def test_deadline_of_a_stream_of_posts(serve: Serve, connect: Connect) -> None:
    """A client whose last POST was cut by the deadline goes on as before."""
    turns = iter(range(100))

    def behave(line: Line) -> None:
        line.request()
        if next(turns) % 2 == 0:
            line.drip(WHOLE)
        else:
            line.send(WHOLE)

    client = connect(serve(behave).url, timeouts=HASTY)
    names = [type(client.submit(b"{}", MODEL.name)).__name__ for _ in range(4)]
    assert names == ["Uncertain", "Made", "Uncertain", "Made"]


def test_answers_are_not_mixed_up_by_a_deadline(serve: Serve, connect: Connect) -> None:
    """While one call is cut, another one is answered."""

    def behave(line: Line) -> None:
        while (request := line.request()) is not None:
            if b"slow" in request:
                line.server.wait(3)
                return
            line.send(http({"id": "task-1", "status": "in_progress"}))

    client = connect(serve(behave).url, timeouts=HASTY)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(client.poll, "slow", MODEL.name)
        while not slow.done():
            assert client.poll("task-1", MODEL.name) == InProgress(progress=None)
    assert "silent" in repr(slow.result()) or "not done" in repr(slow.result())


def test_key_is_in_no_text_of_the_client(connect: Connect) -> None:
    """Neither the client's own text nor that of an error about its address shows the key."""
    client = connect("http://127.0.0.1:1")
    assert (
        KEY not in f"{client!r}{client.poll('a', MODEL.name)!r}{client.submit(b'', MODEL.name)!r}"
    )


def test_logs_show_nothing(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """urllib3 logs URLs and pieces of answers; of our exchanges nothing reaches a handler."""
    caplog.set_level(logging.DEBUG)
    echo = f"HTTP/1.1 200 OK\r\nX-Echo {KEY}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    client = connect(serve(then_close(echo)).url)
    client.submit(b"{}", MODEL.name)
    client.poll("task-1", MODEL.name)
    client.fetch(f"{client._base}/a?X-Signature=secret", BytesIO(), expected_bytes=None)
    assert caplog.text == ""


def test_logs_of_others_are_left_alone(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """What somebody else does with urllib3 is logged as before."""
    import urllib3

    caplog.set_level(logging.DEBUG)
    with urllib3.PoolManager() as manager:
        manager.request("GET", serve(answering(http(b"hello"))).url)
    assert "GET / HTTP" in caplog.text


def test_one_answer_for_one_poll(serve: Serve, connect: Connect) -> None:
    """Polls in a row are one request each, over one connection."""
    server = serve(answering(http({"id": "task-1", "status": "in_progress"})))
    client = connect(server.url)
    for _ in range(200):
        client.poll("task-1", MODEL.name)
    assert (server.connections, len(server.requests)) == (1, 200)


def test_another_connection_that_is_closed_meanwhile_changes_nothing() -> None:
    """The garbage collector may close one in any thread; what was taken over is still closed."""
    trace = Trace(total=1.0)
    mine, other = socket.socket(), socket.socket()
    with other:
        trace.attach(mine)
        assert trace.adopt(mine)
        assert not trace.adopt(other)
        trace.release()
    assert mine.fileno() == -1
