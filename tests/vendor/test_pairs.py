"""The documented pairs judge the schemas, and the client reads each as it must."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from spark_batch.models import schemas
from tests.client.conftest import Connect, Serve
from tests.client.server import answering, http
from tests.makers import MODEL

HERE = Path(__file__).parent
PAIRS = {path.stem: path for path in sorted((HERE / "pairs").glob("*.json"))}
WRONG = json.loads((HERE / "wrong.json").read_text(encoding="utf-8"))
PARTS = ("request", "created", "task", "errorAnswer", "quote")


def _pair(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(PAIRS[name].read_text(encoding="utf-8"))
    return loaded


def _errors(part: str, value: object) -> list[str]:
    home = MODEL.name if part == "request" else schemas.GATEWAY
    return [error.message for error in schemas.validator(home, part).iter_errors(value)]


@pytest.mark.parametrize("name", PAIRS)
def test_schema_takes_the_documented(name: str) -> None:
    """What the document shows is valid."""
    pair = _pair(name)
    if "request" in pair:
        assert _errors("request", pair["request"]) == []
    if pair["schema"] is not None:
        assert _errors(pair["schema"], pair["answer"]) == []


@pytest.mark.parametrize("wrong", WRONG, ids=[f"{w['schema']}: {w['why']}" for w in WRONG])
def test_schema_refuses_the_wrong(wrong: dict[str, Any]) -> None:
    """What the document rules out is not valid."""
    assert _errors(wrong["schema"], wrong["value"])


def test_every_part_is_judged() -> None:
    """Each part of the schema has something to take and something to refuse."""
    taken = {_pair(name)["schema"] for name in PAIRS} | {"request"}
    assert taken >= set(PARTS)
    assert {wrong["schema"] for wrong in WRONG} == set(PARTS)


def test_every_code_is_shown() -> None:
    """Each error code of the vendor's page stands in a pair."""
    shown = "".join(path.read_text(encoding="utf-8") for path in PAIRS.values())
    assert [code for code in MODEL.errors.by_code if code not in shown] == []


@pytest.mark.parametrize("name", PAIRS)
def test_client_reads(name: str, serve: Serve, connect: Connect) -> None:
    """The client makes of the answer what the pair says."""
    pair = _pair(name)
    answer = pair["answer"]
    body = answer.encode() if isinstance(answer, str) else answer
    client = connect(serve(answering(http(body, status=pair["status"]))).url)
    sent = json.dumps(pair.get("request")).encode()
    task = answer.get("id", "task-1") if body is answer else "task-1"
    calls: dict[str, Callable[[], Any]] = {
        "create": lambda: client.submit(sent, MODEL.name),
        "read": lambda: client.poll(task, MODEL.name),
        "precharge": lambda: client.quote(sent, MODEL.name),
    }
    outcome = calls[pair["call"]]()
    read = {type(outcome).__name__: asdict(outcome)}
    assert json.loads(json.dumps(read, default=_plain)) == pair["outcome"]


def _plain(value: object) -> str:
    assert isinstance(value, Decimal)
    return str(value)
