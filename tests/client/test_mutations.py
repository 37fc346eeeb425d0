"""A thousand spoilt answers: no exception leaves the client, and no task is made up or denied."""

from __future__ import annotations

import json
import random
from io import BytesIO

import pytest

from spark_batch.client import outcomes
from tests.client.conftest import KEY, Connect, Serve
from tests.client.server import Line, http
from tests.makers import MODEL

ROUNDS = 1000
SEED = 20261122

MADE = {"id": "task-1", "created_at": 1763790000, "status": "in_progress", "error": None}
DONE = {
    "id": "task-1",
    "status": "completed",
    "progress": 1.0,
    "output": [{"content": [{"type": "image", "url": "https://e.com/a", "size": 9, "jobId": "j"}]}],
    "usage": {"cost": "0.03", "discount": 0.5, "total_tokens": 3},
}
FAILED = {"id": "task-1", "status": "failed", "error": {"code": 3003095, "message": KEY}}
ODD = [None, True, -1, 0, 1e300, 2**80, "", "\x00", KEY, "../..", [], {}, [[]], {"code": []}]


def _spoilt(rng: random.Random, content: object) -> bytes:
    """An answer with some values exchanged, some bytes changed, and perhaps a piece cut off."""
    if rng.random() < 0.6:
        content = _exchanged(rng, content)
    answer = bytearray(http(json.dumps(content).encode(), status=rng.choice([200, 200, 201, 500])))
    for _ in range(rng.choice([0, 0, 1, 3, 20])):
        answer[rng.randrange(len(answer))] = rng.randrange(256)
    if rng.random() < 0.2:
        del answer[rng.randrange(len(answer)) :]
    return bytes(answer)


def _exchanged(rng: random.Random, value: object) -> object:
    if rng.random() < 0.12:
        return rng.choice(ODD)
    if isinstance(value, dict):
        return {key: _exchanged(rng, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_exchanged(rng, inner) for inner in value]
    return value


@pytest.mark.parametrize("call", ["submit", "poll", "fetch"])
def test_spoilt_answers(call: str, serve: Serve, connect: Connect) -> None:
    """Every call ends in an outcome of its own kind, without the key, and a POST is one request."""
    rng = random.Random(SEED)
    answer = [b""]

    def behave(line: Line) -> None:
        line.request()
        line.send(answer[0])

    server = serve(behave)
    client = connect(server.url)
    calls = {
        "submit": lambda: client.submit(b"{}", MODEL.name),
        "poll": lambda: client.poll("task-1", MODEL.name),
        "fetch": lambda: client.fetch(server.url, BytesIO(), expected_bytes=None),
    }
    kinds = {
        "submit": outcomes.SubmitOutcome,
        "poll": outcomes.PollOutcome,
        "fetch": outcomes.FetchOutcome,
    }
    for number in range(ROUNDS // len(calls) + 1):
        answer[0] = _spoilt(rng, rng.choice([MADE, DONE, FAILED]))
        outcome = calls[call]()
        assert isinstance(outcome, kinds[call]), (SEED, number, answer[0])
        assert KEY not in repr(outcome), (SEED, number, answer[0])
        # A GET may meet a kept connection that the server is just closing; a POST never does.
        assert len(server.requests) == number + 1 or call != "submit"
