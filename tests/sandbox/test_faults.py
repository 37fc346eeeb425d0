"""Each fault does on the wire and in the ledger what its name says."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from spark_batch.errors import UsageError
from spark_batch.sandbox import Dice, Faults, read_script
from spark_batch.sandbox.faults import KNOWN, parse_rate


def accepted_by(api: Any, fault: str) -> tuple[Any, int]:
    """The answer to a create that meets the fault, and how many tasks it made."""
    before = len(api.ledger.accepted())
    api.served.faults.plan("create", fault)
    try:
        answer = api.create()
    except requests.ConnectionError:
        answer = None
    return answer, len(api.ledger.accepted()) - before


@pytest.mark.parametrize(
    ("fault", "status", "made"),
    [
        ("401", 401, 0),
        ("403", 403, 0),
        ("429", 429, 0),
        ("500", 500, 0),
        ("502", 502, 0),
        ("503", 503, 0),
        ("no-id", 200, 0),
        ("not-json", 200, 1),
        ("completed-error", 200, 1),
        ("create-code:003003099", 500, 0),
        ("create-code:003003009", 400, 0),
        ("task-code:003003095", 200, 1),
        ("cut-before", None, 0),
        ("cut-after", None, 1),
    ],
)
def test_create(api: Any, fault: str, status: int | None, made: int) -> None:
    """A fault of create gives its status, or none, and makes a task or none."""
    answer, tasks = accepted_by(api, fault)
    assert (answer.status_code if answer is not None else None, tasks) == (status, made)
    assert api.ledger.faults()[-1].message == fault
    assert api.create().status_code == 200


def test_create_bodies(api: Any) -> None:
    """Retry-After, a gateway's page, a balance code, a code without a task, no id, no JSON."""
    assert accepted_by(api, "429")[0].headers["Retry-After"] == "1"
    assert accepted_by(api, "502")[0].text.startswith("<!DOCTYPE html>")
    assert accepted_by(api, "403")[0].json()["status"]["error_code"] == 40201
    assert accepted_by(api, "create-code:003003099")[0].json()["error"]["code"] == "003003099"
    assert "id" not in accepted_by(api, "no-id")[0].json()
    assert accepted_by(api, "not-json")[0].text == "OK"


def test_failing_tasks(api: Any) -> None:
    """A task fails with its code, as a text or as a number; it costs nothing."""
    before = api.ledger.billed()
    api.served.faults.plan(
        "create", "task-code:003003097", "task-code-int:003003006", "completed-error"
    )
    failed, number, contrary = (api.read(api.made()) for _ in range(3))
    assert (failed["status"], failed["error"]["code"]) == ("failed", "003003097")
    assert number["error"]["code"] == 3003006
    assert (contrary["status"], "output" in contrary) == ("completed", False)
    assert contrary["error"]["code"] == "003003095"
    assert api.ledger.billed() == before


def test_slow_answer(start: Any) -> None:
    """A slow answer comes late and is whole; its task stands in the ledger before."""
    api = start(faults=Faults(script={"create": ["slow-answer"]}, slow_seconds=0.05))
    answer = api.create()
    assert answer.elapsed.total_seconds() >= 0.05
    assert api.ledger.find(answer.json()["id"])


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("401", 401),
        ("404", 404),
        ("429", 429),
        ("500", 500),
        ("502", 502),
        ("503", 503),
        ("poll-code:003003098", 500),
        ("not-json", 200),
    ],
)
def test_poll(api: Any, fault: str, status: int) -> None:
    """A fault of a poll gives its status; the next poll tells the task as it is."""
    task = api.made()
    api.served.faults.plan("poll", fault)
    assert api.poll(task).status_code == status
    assert api.read(task)["status"] == "completed"


def test_poll_cut_and_unknown_status(api: Any) -> None:
    """A poll may be cut, or tell a status that nobody knows."""
    task = api.made()
    api.served.faults.plan("poll", "cut", "unknown-status")
    with pytest.raises(requests.ConnectionError):
        api.poll(task)
    assert api.read(task)["status"] not in {"in_progress", "completed", "failed"}


def test_results(api: Any) -> None:
    """Results come as an error, a page, cut off in the middle, broken, or of another size."""
    content = api.content(api.made(seed=11))
    url, size = content["url"], content["size"]
    plan = api.served.faults.plan
    plan("result", "500", "expired", "html", "short", "wrong-size")
    assert api.fetch(url).status_code == 500
    assert api.fetch(url).status_code == 403
    page = api.fetch(url)
    assert (page.status_code, page.headers["Content-Type"][:9]) == (200, "text/html")
    short = api.fetch(url)
    assert int(short.headers["Content-Length"]) == len(short.content) == size // 2
    other = api.fetch(url).content
    with Image.open(io.BytesIO(other)) as picture:
        assert picture.size == (664, 664)
    plan("result", "cut", "truncated")
    with pytest.raises(requests.ConnectionError):
        api.fetch(url)
    with (
        pytest.raises(requests.exceptions.ChunkedEncodingError),
        api.fetch(url, stream=True) as half,
    ):
        assert int(half.headers["Content-Length"]) == size
        assert half.content
    assert len(api.fetch(url).content) == size


def test_slow_result(start: Any) -> None:
    """A slow result drips and is whole in the end."""
    api = start(faults=Faults(script={"result": ["slow"]}, slow_seconds=0.05))
    content = api.content(api.made())
    assert len(api.fetch(content["url"]).content) == content["size"]


def test_every_name_is_scripted_somewhere() -> None:
    """Each place knows its own faults; a name without its code, or of another place, is refused."""
    for place, names in KNOWN.items():
        Faults(script={place: [f"{name}003003095" if ":" in name else name for name in names]})
    for place, name in (("poll", "cut-after"), ("create", "task-code:"), ("create", "429:1")):
        with pytest.raises(UsageError, match=place):
            Faults(script={place: [name]})


def test_rates() -> None:
    """A rate is met on the long run, by every place that knows the name unless it says which."""
    dice = Dice(Faults(rates={"429": 0.2, "poll:cut": 0.3, "task-code:003003095": 0.1}), seed=5)
    for place, expected in (
        ("create", {"429": 0.2, "task-code:003003095": 0.1}),
        ("poll", {"429": 0.2, "cut": 0.3}),
        ("result", {}),
    ):
        drawn = Counter(str(dice.draw(place)) for _ in range(4000))
        del drawn["None"]
        assert set(drawn) == set(expected)
        for name, rate in expected.items():
            assert abs(drawn[name] / 4000 - rate) < 0.03


def test_seed_repeats() -> None:
    """One seed gives one sequence; a script comes before it and in order."""
    faults = Faults(rates={"429": 0.5}, script={"create": ["500", None]})
    draws = []
    for _ in range(2):
        dice = Dice(faults, seed=9)
        draws.append([str(dice.draw("create")) for _ in range(50)])
    assert draws[0] == draws[1]
    assert draws[0][:2] == ["500", "None"]


@pytest.mark.parametrize("rates", [{"nonsense": 0.1}, {"429": 1.1}, {"429": 0.6, "500": 0.6}])
def test_wrong_rates(rates: dict[str, float]) -> None:
    """Unknown names, rates that are no probabilities and sums above 1 are usage errors."""
    with pytest.raises(UsageError):
        Faults(rates=rates)


def test_unknown_name_lists_the_known() -> None:
    """The message about an unknown fault names those that there are."""
    with pytest.raises(UsageError, match=r"cut-after.*task-code:CODE"):
        Faults(script={"create": ["boom"]})


def test_parse_rate() -> None:
    """NAME=RATE is read from the right; anything else is a usage error."""
    assert parse_rate("poll:429=0.25") == ("poll:429", 0.25)
    for text in ("429", "=0.1", "429=x", "429=nan"):
        with pytest.raises(UsageError):
            parse_rate(text)


def test_script_files(tmp_path: Path) -> None:
    """A script is YAML or JSON; a status number counts as its name; anything else is told."""
    path = tmp_path / "script"
    path.write_text("create: [429, null, cut-after]\n")
    assert read_script(path) == {"create": ["429", None, "cut-after"]}
    path.write_text('{"poll": ["500"]}')
    assert read_script(path) == {"poll": ["500"]}
    for wrong in ("- a\n", "create: 429\n", "{", "a: !!int ''"):
        path.write_text(wrong)
        with pytest.raises(UsageError, match="script"):
            read_script(path)
    with pytest.raises(UsageError):
        read_script(tmp_path / "missing")
