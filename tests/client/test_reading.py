"""Polls end in an outcome whatever the server does, and the tasks' fields are read with care."""

from __future__ import annotations

from decimal import Decimal

import pytest

from spark_batch.client.outcomes import (
    Completed,
    InProgress,
    PollAgain,
    StopRun,
    TaskFailed,
    TaskUnknown,
)
from spark_batch.jobs import Result, Usage
from tests.client.conftest import KEY, Connect, Serve
from tests.client.faults import FAULTS
from tests.client.server import answering, http
from tests.makers import MODEL

URL = "https://cdn.example.com/a.png?X-Signature=abc"
PICTURE = {"type": "image", "url": URL, "size": 1234, "jobId": "j-1"}
DONE = {"id": "task-1", "status": "completed", "output": [{"content": [PICTURE]}]}
STOPPING = {
    *("401", "402", "403", "401 with 003003006", "403 with 50411"),
    *("403 with 003003099 beside an id", "balance code", "balance code with 500"),
    *("balance code with 429", "balance code with 500 beside an id", "balance code beside an id"),
}


@pytest.mark.usefixtures("without_collections")
@pytest.mark.parametrize("name", FAULTS)
def test_wire_faults(name: str, serve: Serve, connect: Connect) -> None:
    """No fault of the wire makes of a poll anything that would end or repeat a task."""
    fault = FAULTS[name]
    server = serve(fault.behave, tls=fault.tls)
    outcome = connect(server.url, timeouts=fault.timeouts).poll("task-1", MODEL.name)
    if name in STOPPING:
        assert isinstance(outcome, StopRun), outcome
    elif name in ("404", "410"):
        assert isinstance(outcome, TaskUnknown)
    else:
        assert isinstance(outcome, PollAgain | InProgress), outcome
    assert KEY not in repr(outcome)


def _poll(serve: Serve, connect: Connect, content: object, **more: object) -> object:
    return connect(serve(answering(http(content, **more))).url).poll("task-1", MODEL.name)


def test_connections_are_kept(serve: Serve, connect: Connect) -> None:
    """Polls go over one connection, each with the key and the path of its task."""
    server = serve(answering(http({"id": "task-1", "status": "in_progress"})))
    client = connect(server.url)
    for _ in range(5):
        assert client.poll("task-1", MODEL.name) == InProgress(progress=None)
    assert server.connections == 1
    assert server.requests[0].startswith(b"GET /model/v1/generation/task/task-1 HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".encode() in server.requests[0]


def test_a_poll_after_the_deadline_of_another(serve: Serve, connect: Connect) -> None:
    """The deadline of a poll that is over does not cut the connection that it gave back."""
    from spark_batch.client import Timeouts

    server = serve(answering(http({"id": "task-1", "status": "in_progress"})))
    client = connect(server.url, timeouts=Timeouts(poll_total=0.05))
    assert client.poll("task-1", MODEL.name) == InProgress(progress=None)
    server.wait(0.1)
    assert client.poll("task-1", MODEL.name) == InProgress(progress=None)
    assert server.connections == 1


@pytest.mark.parametrize("task_id", ["", "../x", "a/b", "a?b", "a b", "a\n", ".a", "a" * 201])
def test_ids_that_could_leave_the_path(task_id: str, connect: Connect) -> None:
    """An id that is none is not asked for."""
    assert isinstance(connect("http://127.0.0.1:1").poll(task_id, MODEL.name), TaskUnknown)


@pytest.mark.parametrize(
    ("progress", "read"),
    [
        *((0, 0.0), (0.25, 0.25), (1, 1.0), ("0.5", 0.5), ("1", 1.0), ("half", None)),
        *((1.5, None), (42, None), (-1, None), (True, None), (None, None), ([], None)),
    ],
)
def test_progress(progress: object, read: float | None, serve: Serve, connect: Connect) -> None:
    """Progress is a number from 0 to 1, or not known."""
    content = {"id": "task-1", "status": "IN_PROGRESS", "progress": progress}
    assert _poll(serve, connect, content) == InProgress(progress=read)


def test_unknown_status(serve: Serve, connect: Connect) -> None:
    """A word that is not documented is in progress, and told without control characters."""
    content = {"id": "task-1", "status": "que\u001b[31mued"}
    outcome = _poll(serve, connect, content)
    assert outcome == InProgress(progress=None, unknown_status="que[31mued")


def test_another_task(serve: Serve, connect: Connect) -> None:
    """An answer about another task is not taken for this one."""
    assert isinstance(_poll(serve, connect, {**DONE, "id": "task-2"}), PollAgain)


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"cost": "0.03"}, Usage(cost=Decimal("0.03"))),
        ({"cost": ""}, Usage()),
        ({"cost": None}, Usage()),
        ({"cost": 0.03}, Usage(cost=Decimal("0.03"))),
        ({"cost": "-1"}, Usage(other="-1")),
        ({"cost": "NaN"}, Usage(other="NaN")),
        ({"cost": "1e999999"}, Usage(other="1e999999")),
        ({"cost": "free"}, Usage(other="free")),
        ({"cost": " 0,03 "}, Usage(other="0,03")),
        ({"cost": True}, Usage()),
        ({"cost": ["1"]}, Usage()),
        ({"discount": 0.1}, Usage(discount=Decimal("0.1"))),
        ({"discount": "0.1"}, Usage()),
        ({"total_tokens": 7, "input_tokens": "3"}, Usage(total_tokens=7, input_tokens=3)),
        ({"output_tokens": -1, "generated_images": 1.5}, Usage()),
        ({"output_tokens": 2**70}, Usage()),
        ("free", Usage()),
        (None, Usage()),
    ],
)
def test_usage(usage: object, read: Usage, serve: Serve, connect: Connect) -> None:
    """Cost is a Decimal or unknown, never guessed; counts are whole numbers that a table holds."""
    outcome = _poll(serve, connect, {**DONE, "usage": usage})
    assert isinstance(outcome, Completed)
    assert outcome.result.usage == read


@pytest.mark.parametrize(
    "picture",
    [
        {},
        "a.png",
        {"type": "image"},
        {"type": "image", "url": ""},
        {"type": "image", "url": 3},
        {"type": "image", "url": "file:///etc/passwd"},
        {"type": "video", "url": URL},
        {"type": "image", "url": f"https://cdn.example.com/{KEY}"},
    ],
)
def test_completed_without_a_usable_picture(
    picture: object, serve: Serve, connect: Connect
) -> None:
    """What it cost counts, and it is asked for again until it has a URL; an error is a failure."""
    content = {**DONE, "output": [{"content": [picture]}]}
    cost = Usage(cost=Decimal("0.03"))
    charged = {**content, "usage": {"cost": "0.03"}}
    assert _poll(serve, connect, charged) == Completed(result=Result(url="", usage=cost))
    failed = _poll(serve, connect, {**content, "error": {"code": "3003095"}})
    assert failed == TaskFailed(
        code="003003095", message="Internal generation error", again="new-task"
    )


def test_a_message_is_no_error(serve: Serve, connect: Connect) -> None:
    """Only `error` says that a completed task failed."""
    content = {"id": "task-1", "status": "completed", "message": "ok", "output": []}
    assert _poll(serve, connect, content) == Completed(result=Result(url=""))


def test_a_picture_beside_an_error(serve: Serve, connect: Connect) -> None:
    """A picture that is there is taken, whatever else is said."""
    assert isinstance(_poll(serve, connect, {**DONE, "error": "odd"}), Completed)


@pytest.mark.parametrize("size", [0, -5, "big", None, True, 1.5])
def test_size_that_tells_nothing(size: object, serve: Serve, connect: Connect) -> None:
    """A size that cannot be is no size."""
    content = {**DONE, "output": [{"content": [{**PICTURE, "size": size}]}]}
    outcome = _poll(serve, connect, content)
    assert isinstance(outcome, Completed)
    assert outcome.result.bytes is None


def test_status_check_error_asks_again(serve: Serve, connect: Connect) -> None:
    """003003098 says nothing about the task, wherever it stands."""
    error = {"code": 3003098, "message": "?"}
    for status in (200, 404, 500):
        outcome = _poll(serve, connect, {"error": error}, status=status)
        assert isinstance(outcome, PollAgain)
    outcome = _poll(serve, connect, {"id": "task-1", "status": "failed", "error": error})
    assert isinstance(outcome, PollAgain)


def test_rate_limit(serve: Serve, connect: Connect) -> None:
    """429 is told as such, with the wait that the server asked for; 503 may ask for one too."""
    wait = ("Retry-After: 3",)
    outcome = _poll(serve, connect, {}, status=429, headers=wait)
    assert outcome == PollAgain(reason="HTTP 429: {}", retry_after=3.0, rate_limited=True)
    outcome = _poll(serve, connect, {}, status=503, headers=wait)
    assert outcome == PollAgain(reason="HTTP 503: {}", retry_after=3.0)


def test_texts_are_washed(serve: Serve, connect: Connect) -> None:
    """No signed URL, no key, no control character and no flood of text reaches a message."""
    said = f"see {URL} of\x1b[0m {KEY[:9]}\u200b{KEY[9:]}\r\n" + "a" * 9000
    content = {"id": "task-1", "status": "failed", "error": {"code": "x\n1", "message": said}}
    outcome = _poll(serve, connect, content)
    assert isinstance(outcome, TaskFailed)
    assert outcome.message.startswith("see https://cdn.example.com/a.png?… of[0m [key] aaa")
    assert len(outcome.message) <= 300
    assert outcome.code == "x 1"


def test_not_trusted_certificate(serve: Serve, connect: Connect) -> None:
    """A certificate that is not valid stops the run here as well."""
    server = serve(answering(http(DONE)), tls=True)
    assert isinstance(connect(server.url, environ={}).poll("task-1", MODEL.name), StopRun)
