"""Each fault does on the wire and in the ledger what its name says."""

from __future__ import annotations

import http.client
import io
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from spark_batch.errors import UsageError
from spark_batch.sandbox import Dice, Faults, read_script
from spark_batch.sandbox.faults import KNOWN, listing, parse
from tests.sandbox.conftest import Clock, starter


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
        ("402", 402, 0),
        ("404", 404, 0),
        ("429-bare", 429, 0),
        ("503-html", 503, 0),
        ("504", 504, 0),
        ("balance:40208", 402, 0),
        ("200-error:1002", 200, 0),
        ("200-text:50429", 200, 0),
        ("200-status:40201", 200, 0),
        ("id-name:request_id", 200, 1),
        ("integer-id", 200, 1),
        ("never", 200, 1),
        ("task-status:canceled", 200, 1),
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
    assert "Retry-After" not in accepted_by(api, "429-bare")[0].headers
    assert accepted_by(api, "402")[0].json()["status"]["error_code"] == 40201
    assert accepted_by(api, "balance:40208")[0].json()["status"]["error_code"] == 40208
    assert "spark_i2i_3_0" in accepted_by(api, "404")[0].json()["error"]["message"]
    for fault in ("503-html", "504"):
        assert accepted_by(api, fault)[0].headers["Content-Type"].startswith("text/html")
    assert accepted_by(api, "create-code:003003099")[0].json()["error"]["code"] == 3003099
    assert "id" not in accepted_by(api, "no-id")[0].json()
    assert accepted_by(api, "not-json")[0].text == "OK"


def test_success_without_an_id_carries_an_error(api: Any) -> None:
    """HTTP 200 without an id, with the error as an object, a text or a status object."""
    answers = {
        name: accepted_by(api, f"{name}:003003099")[0].json()
        for name in ("200-error", "200-text", "200-status")
    }
    assert answers == {
        "200-error": {"error": {"code": 3003099, "message": "Task creation error"}},
        "200-text": {"error": "003003099: Task creation error"},
        "200-status": {
            "status": {"code": 200, "message": "Task creation error", "error_code": 3003099}
        },
    }


def test_ids_of_other_names_and_types_are_good_for_polls(api: Any) -> None:
    """An id may stand under another name or be an integer; each task has one of its own."""
    api.served.faults.plan("create", "id-name:task_id", "integer-id", "integer-id")
    named, number, other = (api.create().json() for _ in range(3))
    assert "id" not in named
    assert api.read(named["task_id"])["status"] == "completed"
    assert isinstance(number["id"], int)
    assert number["id"] != other["id"]
    assert api.read(str(number["id"]))["id"] == number["id"]


def test_a_silent_create_has_made_a_task(api: Any) -> None:
    """`hang-after` never answers, and its task stands in the ledger."""
    before = len(api.ledger.accepted())
    api.served.faults.plan("create", "hang-after")
    url = f"{api.url}/model/v1/generation"
    params = {"prompt": "x", "image_urls": ["https://pictures.example/a.jpg"]}
    body = {"model": "spark_i2i_3_0", "input": [{"params": params}]}
    with pytest.raises(requests.ReadTimeout):
        api.session.post(url, json=body, headers=api.headers, timeout=1)
    assert len(api.ledger.accepted()) == before + 1


ERROR = "Internal generation error"


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        ("task-code:003003095", "failed", {"code": 3003095, "message": ERROR}),
        ("task-code:Blocked", "failed", {"code": "Blocked", "message": "Unknown error"}),
        ("task-code-text:003003095", "failed", {"code": "003003095", "message": ERROR}),
        ("task-error-message:003003095", "failed", {"code": 3003095, "error_message": ERROR}),
        ("task-text:003003095", "failed", f"003003095: {ERROR}"),
        ("task-cost:003003095", "failed", {"code": 3003095, "message": ERROR}),
        ("completed-error", "completed", {"code": 3003095, "message": ERROR}),
        ("task-status:canceled", "canceled", None),
    ],
)
def test_tasks_without_a_picture(api: Any, fault: str, status: str, error: Any) -> None:
    """A task ends with its status and error, without a picture, and costs only if it says so."""
    before = api.ledger.billed()
    api.served.faults.plan("create", fault)
    answer = api.read(api.made())
    assert (answer["status"], answer.get("error")) == (status, error)
    assert "output" not in answer
    costs = fault.startswith("task-cost")
    assert answer["usage"]["cost"] == ("0.03" if costs else "")
    assert answer["usage"].get("generated_images", 0) == 0
    assert api.ledger.billed() - before == Decimal("0.03" if costs else 0)


def test_an_error_of_the_provider_stands_beside_the_code(api: Any) -> None:
    """`provider_error` repeats the code in the words of the one behind the gateway."""
    api.served.faults.plan("create", "task-provider:003003097")
    error = api.read(api.made())["error"]
    assert error["code"] == 3003097
    assert error["provider_error"]["code"] == "003003097"


def test_a_task_that_is_never_finished_goes_on(start: Any, clock: Any) -> None:
    """`never` is in progress after years, also for a server started again, and costs nothing."""
    api = start(clock=clock)
    api.served.faults.plan("create", "never")
    task = api.made()
    api.ledger.close()
    again = start(clock=clock)
    clock.now += 10**8
    assert again.read(task)["status"] == "in_progress"
    assert again.read(task)["progress"] < 1
    assert again.ledger.billed() == 0


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
        ("402", 402),
        ("503-html", 503),
        ("504", 504),
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


def described(answer: dict[str, Any]) -> Any:
    """The picture in an answer of the usual shape."""
    return answer["output"][0]["content"][0]


@pytest.mark.parametrize(
    ("fault", "facts"),
    [
        ("status:succeeded", lambda it: (it["status"], "url" in described(it))),
        ("status:failed", lambda it: (it["status"], "url" in described(it))),
        ("waiting:pending", lambda it: (it["status"], "output" in it)),
        ("unknown-status", lambda it: (it["status"], "output" in it)),
        ("cost-empty", lambda it: it["usage"]["cost"]),
        ("cost-null", lambda it: it["usage"]["cost"]),
        ("cost-number", lambda it: it["usage"]["cost"]),
        ("cost-credit", lambda it: (it["usage"]["cost"], it["usage"]["currency"])),
        ("discount", lambda it: it["usage"]["discount"]),
        ("no-usage", lambda it: "usage" in it),
        ("type:image/jpeg", lambda it: described(it)["type"]),
        ("flat-output", lambda it: it["output"][0]["type"]),
        ("outputs", lambda it: ("output" in it, it["outputs"][0]["type"])),
        ("url-list", lambda it: it["outputs"][0].startswith("http")),
        ("nested-url", lambda it: "url" in described(it)["image_url"]),
        ("two-pictures", lambda it: len(it["output"][0]["content"])),
        ("no-size", lambda it: "size" in described(it)),
    ],
)
def test_answers_in_other_shapes(api: Any, fault: str, facts: Any) -> None:
    """A poll tells a finished task in another shape, and in the usual one the next time."""
    expected = {
        "status:succeeded": ("succeeded", True),
        "status:failed": ("failed", True),
        "waiting:pending": ("pending", False),
        "unknown-status": ("reviewing", False),
        "cost-empty": "",
        "cost-null": None,
        "cost-number": 0.03,
        "cost-credit": ("0.03", "credit"),
        "discount": 0.7,
        "no-usage": False,
        "type:image/jpeg": "image/jpeg",
        "flat-output": "image",
        "outputs": (False, "image"),
        "url-list": True,
        "nested-url": True,
        "two-pictures": 2,
        "no-size": False,
    }
    task = api.made()
    api.served.faults.plan("poll", fault)
    assert facts(api.read(task)) == expected[fault]
    assert described(api.read(task))["size"] > 0


def test_a_shape_needs_the_part_that_it_changes(start: Any) -> None:
    """A task at work and one that failed are told as they are when there is no picture to bend."""
    api = start(task_seconds=(900, 900))
    api.served.faults.plan("poll", "two-pictures", "size-off", "outputs", "cost-null", "no-size")
    task = api.made()
    assert {api.read(task)["status"] for _ in range(5)} == {"in_progress"}


def test_a_second_picture_is_another_one(api: Any) -> None:
    """Both URLs of `two-pictures` give a whole picture, with the bytes that were told."""
    task = api.made()
    api.served.faults.plan("poll", "two-pictures")
    first, second = api.read(task)["output"][0]["content"]
    files = [api.fetch(picture["url"]).content for picture in (first, second)]
    assert [len(data) for data in files] == [first["size"], second["size"]]
    assert files[0] != files[1]


def test_a_wrong_size_is_told_and_the_file_is_whole(api: Any) -> None:
    """`size-off` tells other bytes than those that come."""
    task = api.made()
    api.served.faults.plan("poll", "size-off")
    content = api.content(task)
    data = api.fetch(content["url"]).content
    assert 0 < abs(content["size"] - len(data)) < 1000
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()


def test_percent_encoding_counts_byte_for_byte(api: Any) -> None:
    """A URL of `url-percent` is good as it stands; decoded or normalized it is refused."""
    task = api.made()
    api.served.faults.plan("poll", "url-percent")
    target = api.content(task)["url"].removeprefix(api.url)

    def status(changed: str) -> int:
        connection = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=20)
        connection.request("GET", changed)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    assert status(target) == 200
    path, query = target.split("?")
    for old, new in (("%2d", "-"), ("%2d", "%2D"), ("%7E", "~"), ("~", "%7E")):
        for changed in (f"{path.replace(old, new)}?{query}", f"{path}?{query.replace(old, new)}"):
            assert changed == target or status(changed) == 403
    for old, new in (("%41", "A"), ("%2F", "%2f"), ("'", "%27"), ("*", "%2A")):
        assert status(target.replace(old, new)) == 403


def test_hosts_that_are_not_there(api: Any) -> None:
    """`url-refused` and `url-unknown-host` give URLs that nobody answers."""
    task = api.made()
    api.served.faults.plan("poll", "url-refused", "url-unknown-host")
    with pytest.raises(requests.ConnectionError):
        api.fetch(api.content(task)["url"])
    assert urlsplit(api.content(task)["url"]).hostname == "results.invalid"


@pytest.mark.parametrize(
    ("fault", "status"),
    [("403", 403), ("404", 404), ("410", 410), ("503", 503), ("504", 504)],
)
def test_stores_that_refuse(start: Any, fault: str, status: int) -> None:
    """A result may be refused always, or for the first requests of each task."""
    always = start(faults=Faults(rates={f"result:{fault}": 1}))
    url = always.content(always.made())["url"]
    assert [always.fetch(url).status_code for _ in range(5)] == [status] * 5
    at_first = start(faults=Faults(firsts={f"result:{fault}": 2}))
    urls = [at_first.content(at_first.made())["url"] for _ in range(2)]
    for url in urls:
        assert [at_first.fetch(url).status_code for _ in range(3)] == [status, status, 200]


@pytest.mark.parametrize("coding", ["none", "binary", "utf-8", "aws-chunked"])
def test_a_content_coding_that_is_none(api: Any, coding: str) -> None:
    """`encoding:WORD` names a coding, and the bytes are the file's own."""
    content = api.content(api.made())
    api.served.faults.plan("result", f"encoding:{coding}")
    answer = api.fetch(content["url"])
    assert answer.headers["Content-Encoding"] == coding
    assert len(answer.content) == content["size"]
    assert answer.content[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("fault", "beginning"),
    [
        ("png", b"\x89PNG"),
        ("webp", b"RIFF"),
        ("gif", b"GIF8"),
        ("bmp", b"BM"),
        ("tiff", b"II*\0"),
        ("avif", b"\0\0\0\x1cftypavif"),
    ],
)
def test_formats_that_nobody_asked_for(api: Any, fault: str, beginning: bytes) -> None:
    """A result is a file of another format, with the bytes that were told, and says so."""
    task = api.made()
    api.served.faults.plan("poll", fault)
    content = api.content(task)
    answer = api.fetch(content["url"])
    assert len(answer.content) == content["size"]
    assert answer.headers["Content-Type"] == f"image/{fault}"
    assert answer.content.startswith(beginning)


def test_a_redirect_loop_never_ends(api: Any) -> None:
    """`redirect-loop` leads to a URL that leads to itself."""
    url = api.content(api.made())["url"]
    api.served.faults.plan("result", "redirect-loop")
    with pytest.raises(requests.TooManyRedirects):
        api.fetch(url)


@pytest.mark.parametrize("place", ["poll", "result"])
def test_silence(api: Any, place: str) -> None:
    """`hang` answers nothing, on an open connection, and serves others meanwhile."""
    task = api.made()
    url = api.content(task)["url"]
    api.served.faults.plan(place, "hang")
    asked = url if place == "result" else f"{api.url}/model/v1/generation/task/{task}"
    with pytest.raises(requests.ReadTimeout):
        requests.get(asked, headers={} if place == "result" else api.headers, timeout=1)
    assert api.fetch(api.content(task)["url"]).status_code == 200


def test_a_dripping_result_comes_byte_by_byte(start: Any) -> None:
    """`drip` keeps sending, and would need hours for the file; a client that leaves ends it."""
    api = start(faults=Faults(script={"result": ["drip"]}, slow_seconds=0.02))
    content = api.content(api.made())
    started = time.monotonic()
    with api.fetch(content["url"], stream=True) as answer:
        assert int(answer.headers["Content-Length"]) == content["size"]
        assert b"".join(islice(answer.iter_content(1), 3)) == b"\xff\xd8\xff"
    assert time.monotonic() - started >= 2 * 0.02
    assert len(api.fetch(content["url"]).content) == content["size"]


def test_quotes_that_are_none(api: Any) -> None:
    """Precharge may know no price, give it in credit, or be refused; none makes a task."""
    before = len(api.ledger.accepted())
    params = {"prompt": "x", "image_urls": ["https://pictures.example/a.jpg"]}
    body = {"model": "spark_i2i_3_0", "input": [{"params": params}]}
    api.served.faults.plan("precharge", "cache-miss", "credit", "403", "404")
    answers = [api.post(body, path="/model/v1/generation/precharge") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 403, 404, 200]
    missing, credit = (answer.json() for answer in answers[:2])
    assert (missing["status"], missing["data"]["cost"]) == ("failed", None)
    assert missing["data"]["reason"] == "COST_CACHE_MISS"
    assert (credit["status"], credit["data"]["currency"]) == ("success", "credit")
    assert answers[4].json()["data"]["currency"] == "USD"
    assert len(api.ledger.accepted()) == before


ARGUMENTS = {"CODE": "003003095", "WORD": "canceled", "NAME": "task_id"}
LATE = {"slow-answer", "slow", "drip"}  # their bytes are the usual ones
EVERY = [
    (place, name.replace(word, ARGUMENTS[word]) if word else name)
    for place, names in KNOWN.items()
    for name in names
    for word in [name.partition(":")[2]]
    if name not in LATE
]


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A sandbox whose clock stands, so that equal requests get equal answers."""
    with ExitStack() as stack:
        yield starter(stack, tmp_path_factory.mktemp("still"))(clock=Clock())


def observed(api: Any, place: str, task: str) -> Any:
    """What a client sees of one request at a place, but for the id of a new task."""
    params = {"prompt": "x", "seed": 1, "image_urls": ["https://pictures.example/a.jpg"]}
    body = {"model": "spark_i2i_3_0", "input": [{"params": params}]}
    api.session.headers = {} if place == "result" else api.headers
    url = {
        "create": f"{api.url}/model/v1/generation",
        "precharge": f"{api.url}/model/v1/generation/precharge",
        "poll": f"{api.url}/model/v1/generation/task/{task}",
        "result": api.result,
    }[place]
    method = "POST" if place in ("create", "precharge") else "GET"
    known = len(api.ledger.accepted())
    try:
        answer = api.session.request(
            method, url, json=body if method == "POST" else None, timeout=2, allow_redirects=False
        )
    except requests.RequestException as error:
        return type(error)
    seen = [answer.status_code, answer.headers.get("Content-Encoding"), answer.content]
    for entry in api.ledger.accepted()[known:]:
        seen[2] = answer.content.replace(entry.id.encode(), b"ID")
        seen.append(re.sub("signature=[0-9a-f]+", "", api.poll(entry.id).text))
        seen[3] = seen[3].replace(entry.id, "ID")
    return seen


@pytest.mark.parametrize(("place", "fault"), EVERY)
def test_every_fault_shows(still: Any, place: str, fault: str) -> None:
    """Whatever is listed as a fault changes what a client sees, once."""
    task = still.made(seed=1)
    still.result = still.content(task)["url"]
    usual = observed(still, place, task)
    still.served.faults.plan(place, fault)
    assert observed(still, place, task) != usual
    assert observed(still, place, task) == usual
    assert still.ledger.faults()[-1].message == fault


def test_every_fault_is_listed() -> None:
    """The list names each fault below its place, with what it does."""
    lines = listing().splitlines()
    assert [line.removesuffix(":") for line in lines if line[0] != " "] == list(KNOWN)
    assert len(lines) == len(KNOWN) + sum(map(len, KNOWN.values()))
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("poll", "cut-after"),
        ("create", "task-code"),
        ("create", "task-code:"),
        ("create", "429:1"),
        ("poll", "status:a\r\nb"),
        ("result", "encoding:é"),
    ],
)
def test_no_such_fault(place: str, name: str) -> None:
    """A name of another place, one without its argument or with a wrong one is refused."""
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


def test_firsts_count_for_each_task() -> None:
    """The first requests about each task meet the faults, in the order of their names."""
    dice = Dice(Faults(firsts={"result:404": 2, "result:503": 1, "create:429": 1}))
    for task in ("a", "b"):
        drawn = [dice.draw("result", task) for _ in range(4)]
        assert list(map(str, drawn)) == ["404", "404", "503", "None"]
    assert [str(dice.draw("create")) for _ in range(2)] == ["429", "None"]
    assert dice.draw("poll", "a") is None


def test_firsts_come_after_the_script_and_before_the_rates() -> None:
    """A scripted request is not counted; when the first ones are over, the rates rule."""
    dice = Dice(
        Faults(rates={"result:410": 1}, firsts={"result:404": 1}, script={"result": [None]})
    )
    assert [str(dice.draw("result", "a")) for _ in range(4)] == ["None", "404", "410", "410"]


@pytest.mark.parametrize("rates", [{"nonsense": 0.1}, {"429": 1.1}, {"429": 0.6, "500": 0.6}])
def test_wrong_rates(rates: dict[str, float]) -> None:
    """Unknown names, rates that are no probabilities and sums above 1 are usage errors."""
    with pytest.raises(UsageError):
        Faults(rates=rates)


def test_an_unknown_name_is_an_error_of_one_short_line() -> None:
    """The message has the name that is close, and the command that lists all."""
    with pytest.raises(UsageError, match=r"'cut-aftr' of create: .*; did you mean 'cut-after'\?"):
        Faults(script={"create": ["cut-aftr"]})


def test_parse() -> None:
    """NAME=RATE and NAME=first:N are read from the right; anything else is a usage error."""
    faults = parse(["poll:429=0.25", "result:404=first:3", "task-code:a=b=1"])
    assert faults.rates == {"poll:429": 0.25, "task-code:a=b": 1}
    assert faults.firsts == {"result:404": 3}
    wrong = ["429", "=0.1", "429=x", "429=nan", "429=first:", "429=first:x", "429=first:0", "x=1"]
    for text in wrong:
        with pytest.raises(UsageError):
            parse([text])


def test_a_script_that_is_not_there_is_told(tmp_path: Path) -> None:
    """It is not taken for a file of another format."""
    with pytest.raises(UsageError, match="there is no such file"):
        read_script(tmp_path / "script")


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
