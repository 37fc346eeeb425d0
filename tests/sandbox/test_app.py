"""Answers, keys, tasks that outlive the server, result URLs."""

from __future__ import annotations

import errno
import http.client
import io
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch import models
from spark_batch.errors import OutputError, UsageError
from spark_batch.models import schemas
from spark_batch.sandbox import Settings, pictures, serve


def valid(answer: Any, part: str) -> bool:
    return bool(schemas.validator(schemas.GATEWAY, part).is_valid(answer))


def test_answers_are_as_documented(start: Any, clock: Any) -> None:
    """Created, in progress, completed, failed and refused answers hold against the schemas."""
    api = start(clock=clock, task_seconds=(10, 10), price=Decimal("0.0450"))
    api.served.faults.plan("create", None, "task-code:003003095")
    created = api.create(seed=-1).json()
    assert valid(created, "created")
    failing = api.made()
    clock.now += 5
    running = api.read(created["id"])
    assert valid(running, "task")
    assert (running["status"], running["progress"]) == ("in_progress", 0.5)
    clock.now += 5
    completed = api.read(created["id"])
    assert valid(completed, "task")
    assert completed["status"] == "completed"
    assert completed["progress"] == 1.0
    assert completed["usage"]["cost"] == "0.0450"
    assert completed["usage"]["discount"] == 1
    assert completed["usage"]["generated_images"] == 1
    assert completed["metadata"]["seed"] > 0
    failed = api.read(failing)
    assert valid(failed, "task")
    assert failed["error"] == {"code": 3003095, "message": "Internal generation error"}
    assert failed["usage"] == {"cost": ""}
    assert "output" not in failed
    assert valid(api.create(scale=2).json(), "errorAnswer")
    assert api.ledger.billed() == Decimal("0.0450")


def test_result_is_the_picture(api: Any, photo: Any, encoded: Any) -> None:
    """A result is a whole JPEG of the given size, with the bytes that the task told."""
    content = api.content(
        api.made(binary_data_base64=encoded(photo()), width=1024, height=768, seed=5)
    )
    answer = api.fetch(content["url"])
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert int(answer.headers["Content-Length"]) == content["size"] == len(answer.content)
    with Image.open(io.BytesIO(answer.content)) as picture:
        picture.load()
        assert (picture.format, picture.size) == ("JPEG", (1024, 768))


def test_same_request_same_bytes(api: Any, photo: Any, encoded: Any) -> None:
    """The same request gives the same bytes; another prompt, scale or seed gives others."""
    image = encoded(photo((600, 600), "PNG"))
    size = {"width": 512, "height": 512, "binary_data_base64": image}
    first = api.picture(seed=7, **size)
    assert api.picture(seed=7, **size) == first
    others = [
        api.picture(seed=8, **size),
        api.picture(seed=7, scale=0.9, **size),
        api.picture(seed=7, prompt="Make it winter", **size),
        api.picture(seed=-1, **size),
        api.picture(seed=-1, **size),
    ]
    assert len({first, *others}) == len(others) + 1


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_key_is_needed(api: Any, header: str | None) -> None:
    """Without a bearer key every route of the API answers 401 with an error body."""
    before = len(api.ledger.accepted())
    headers = {} if header is None else {"Authorization": header}
    task = f"{api.url}/model/v1/generation/task/x"
    for answer in (
        api.post({}, headers=headers),
        api.post({}, path="/model/v1/generation/precharge", headers=headers),
        api.session.get(task, headers=headers, timeout=20),
    ):
        assert answer.status_code == 401
        assert valid(answer.json(), "errorAnswer")
    assert len(api.ledger.accepted()) == before


def test_demanded_key(start: Any) -> None:
    """With a key set no other one is taken."""
    api = start(key="right")
    assert api.create().status_code == 401
    api.headers["Authorization"] = "Bearer right"
    assert api.create().status_code == 200


def test_unknown_task(api: Any) -> None:
    """A task that was never made is 404, and so is any other path."""
    assert api.poll("sandbox-0").status_code == 404
    assert api.fetch(f"{api.url}/nowhere").status_code == 404
    assert valid(api.fetch(f"{api.url}/nowhere").json(), "errorAnswer")


def test_precharge_quotes(api: Any) -> None:
    """A quote tells the price and makes no task; a wrong request gets its code."""
    before = len(api.ledger.accepted())
    params = {"prompt": "x", "image_urls": ["https://pictures.example/a.jpg"]}
    body = {"model": "spark_i2i_3_0", "input": [{"params": params}]}
    path = "/model/v1/generation/precharge"
    quote = api.post(body, path=path).json()
    assert (quote["status"], quote["data"]["cost"], quote["data"]["currency"]) == (
        "success",
        "0.03",
        "USD",
    )
    assert {"discount", "hash", "sample_count", "updated_at"} < set(quote["data"])
    params["prompt"] = ""
    assert api.post(body, path=path).json()["error"]["code"] == 3003001
    assert len(api.ledger.accepted()) == before


def test_restart_knows_every_task(start: Any, clock: Any) -> None:
    """A server started again on the folder finishes the tasks and honours the URLs told before."""
    first = start(clock=clock, task_seconds=(10, 10))
    done, running = first.made(seed=3), first.made(seed=4)
    clock.now += 10
    old = first.content(done)
    first.ledger.close()
    second = start(clock=clock, task_seconds=(500, 500))
    assert second.read(running)["status"] == "completed"
    moved = old["url"].replace(first.url, second.url)
    assert len(second.fetch(moved).content) == old["size"]
    assert [entry.id for entry in second.ledger.accepted()] == [done, running]


def test_a_ledger_of_an_earlier_version_is_read(start: Any, clock: Any) -> None:
    """Its failed tasks are told as failed, with their codes as texts or numbers."""
    first = start(clock=clock)
    made = [first.made(seed=seed) for seed in range(3)]
    first.ledger.close()
    lines = [json.loads(line) for line in first.ledger.path.read_text().splitlines()]
    endings = [("failed", "003003095"), ("failed", 3003006), ("completed-error", "003003095")]
    for line, (outcome, code) in zip(lines, endings, strict=True):
        line.update(outcome=outcome, code=code, cost="0")
    first.ledger.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    second = start(clock=clock)
    read = [second.read(task) for task in made]
    assert [answer["status"] for answer in read] == ["failed", "failed", "completed"]
    assert [answer["error"]["code"] for answer in read] == [3003095, 3003006, 3003095]
    assert second.ledger.billed() == 0


def test_url_ends_and_a_poll_gives_a_fresh_one(start: Any, clock: Any) -> None:
    """A signed URL is refused after its time and when it is changed; a poll gives another."""
    api = start(clock=clock, url_seconds=60)
    task = api.made()
    old = api.content(task)["url"]
    clock.now += 59
    assert api.fetch(old).status_code == 200
    clock.now += 1
    gone = api.fetch(old)
    assert (gone.status_code, b"AccessDenied" in gone.content) == (403, True)
    fresh = api.content(task)["url"]
    assert fresh != old
    assert api.fetch(fresh).status_code == 200
    assert api.fetch(fresh.replace(task, "sandbox-1")).status_code == 403
    assert api.fetch(fresh.replace("expires=1", "expires=2")).status_code == 403
    assert api.fetch(fresh.partition("?")[0]).status_code == 403


def test_key_sent_to_a_result(start: Any) -> None:
    """A result that is asked with an Authorization header is refused and noted, without the key."""
    api = start()
    url = api.content(api.made())["url"]
    assert api.fetch(url, headers=api.headers).status_code == 400
    assert len(api.ledger.misuses()) == 1
    assert api.fetch(url).status_code == 200


def asked_as(api: Any, host: str | None, path: str) -> tuple[int, str]:
    """Ask with a Host header of its own, or with none; gives the status, and headers and body."""
    connection = http.client.HTTPConnection(*api.url.removeprefix("http://").split(":"), timeout=20)
    connection.putrequest("GET", path, skip_host=True)
    for name, value in {**api.headers, **({"Host": host} if host is not None else {})}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = f"{answer.headers}{answer.read().decode()}"
    connection.close()
    return answer.status, text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost:1", "[::1]", "[::1]:65535"])
def test_loopback_names_are_answered(api: Any, host: str) -> None:
    """Whatever the port. A result's URL has the sandbox's own address, not the Host header's."""
    status, text = asked_as(api, host, f"/model/v1/generation/task/{api.made()}")
    content = json.loads(text[text.index("{") :])["output"][0]["content"][0]
    assert (status, content["url"].startswith(f"{api.url}/")) == (200, True)


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "rebound.example:80",
        "localhost.rebound.example",
        "127.0.0.1.rebound.example",
        "127.0.0.1@rebound.example",
        "rebound.example#localhost",
        "localhost:1:2",
        "127.0.0.2",
        "[::2]",
        "",
        None,
    ],
)
@pytest.mark.parametrize("path", ["/sandbox/ledger", "/model/v1/generation/task/{}", "/results/a"])
def test_another_host_is_told_nothing(api: Any, host: str | None, path: str) -> None:
    """A page in a browser whose name resolves to 127.0.0.1 reads no prompt, nor its own name."""
    status, text = asked_as(api, host, path.format(api.made(prompt="Add a hidden word")))
    assert 400 <= status < 500
    assert "rebound" not in text
    assert "hidden" not in text


def test_fifty_clients(start: Any) -> None:
    """Fifty clients at once: every accepted request stands in the ledger, once."""
    api = start(task_seconds=(50, 50))
    with ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda seed: api.made(seed=seed), range(200)))
        polled = list(pool.map(api.read, made))
    assert sorted(entry.id for entry in api.ledger.accepted()) == sorted(made)
    assert {answer["status"] for answer in polled} == {"in_progress"}
    assert api.ledger.billed() == Decimal("0.03") * 200


def test_without_file_descriptors_nothing_is_logged(
    start: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection that cannot be taken yet waits: no traceback of asyncio in a run's output."""
    refused: list[int] = []
    accept = socket.socket.accept

    def first_refused(listener: socket.socket) -> Any:
        if not refused:
            refused.append(errno.EMFILE)
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", first_refused)
    assert start().made()
    assert refused
    assert not caplog.records


def test_ledger_route(start: Any) -> None:
    """The ledger can be read over HTTP, with the key: it has every prompt."""
    api = start()
    task = api.made(prompt="Add a rainbow")
    api.create(scale=3)
    refused = api.fetch(f"{api.url}/sandbox/ledger")
    assert (refused.status_code, "rainbow" in refused.text) == (401, False)
    told = api.fetch(f"{api.url}/sandbox/ledger", headers=api.headers).json()
    assert [entry["id"] for entry in told["accepted"]] == [task]
    assert told["accepted"][0]["user_agent"] == "tests/1"
    assert (len(told["refused"]), told["billed"]) == (1, "0.03")


def test_taken_port(api: Any, tmp_path: Any) -> None:
    """A port in use is a usage error that names it."""
    port = int(api.url.rpartition(":")[2])
    with (
        pytest.raises(UsageError, match=str(port)),
        serve(Settings(folder=tmp_path), port=port),
    ):
        pass


def test_previews_that_cannot_be_written_are_served_all_the_same(
    start: Any, photo: Any, encoded: Any
) -> None:
    """A full disk: a preview is drawn anew each time; an answer of 500 would be polled on."""
    api = start()
    folder = api.ledger.path.parent / "previews"
    folder.rmdir()
    folder.write_bytes(b"a file stands in the folder's place, and takes no previews")
    task = api.made(binary_data_base64=encoded(photo()))
    content = api.content(task)
    assert len(api.fetch(content["url"]).content) == content["size"]


def test_folder_that_cannot_be(tmp_path: Any) -> None:
    """A folder that cannot be made is an output error that names it."""
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OutputError, match="file"),
        serve(Settings(folder=tmp_path / "file" / "state")),
    ):
        pass


def test_previews_name_the_model_where_it_is_not_the_default_one_alone(
    start: Any, tmp_path: Path
) -> None:
    """The previews of both are kept in one folder: neither is taken for the other."""
    default, other = models.default(), models.load("vtrix_image_4_0")

    def named(*chosen: models.Model) -> bool:
        """Whether the preview of the first model has its name on it."""
        model = chosen[0].name
        api = start(folder=tmp_path / "state", models=models.of_recipe(*chosen))
        text = "https://a.example/a.jpg"
        image = {"image": text} if model == other.name else {"image_urls": [text], "seed": 7}
        params = {"prompt": "Red", **image}
        task = api.ledger.find(
            api.post({"model": model, "input": [{"params": params}]}).json()["id"]
        )
        assert task is not None
        facts = {"prompt": "Red", "scale": task.scale, "seed": task.seed}
        size = (task.width, task.height)
        shown = api.fetch(api.content(task.id)["url"]).content
        made = [
            pictures.render(source=None, url=text, size=size, model=name, **facts)
            for name in ("", model)
        ]
        return bool(made.index(shown))

    assert [named(default), named(default, other), named(default)] == [False, True, False]
    assert named(other)
