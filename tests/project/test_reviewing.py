"""`review` over HTTP: what it gives, what it stores, and what it refuses."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from spark_batch import project
from spark_batch.errors import UsageError
from spark_batch.jobs.picks import PICKS_SUFFIX
from tests.runs import run

RECIPE = """\
version: 1
name: tiny
inputs: [photo.jpg]
prompts: [Beach, Snow]
variants: {scale: [0.4, 0.7], size: 512x512, seed: 7}
price: 0.03
run: {submit_rate: 100}
"""


class Client:
    """Speaks to a review as a browser would, or not quite."""

    def __init__(self, url: str) -> None:
        self.host, self.base = urlsplit(url).netloc, urlsplit(url).path

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            connection.putrequest(method, path, skip_host="host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def page(self) -> str:
        return self.ask(self.base)[1].decode()

    def facts(self) -> Any:
        found = re.search(r'id="facts">(.*?)</script>', self.page(), re.DOTALL)
        assert found
        return json.loads(found[1])

    def post(self, *changes: object, **headers: str) -> tuple[int, Any]:
        sent = {"origin": f"http://{self.host}", "content_type": "application/json", **headers}
        body = json.dumps({"changes": changes}).encode()
        status, answer, _ = self.ask(f"{self.base}picks", "POST", body, **sent)
        return status, json.loads(answer) if answer else None


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of which two of four previews are made."""
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "photo.jpg", "JPEG")
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    run(project.load(path).recipe, project.RunOptions(sandbox=True, limit=2))
    return path


@pytest.fixture
def client(recipe: Path) -> Iterator[Client]:
    with reviewed(recipe) as client:
        yield client


def test_pruned_pictures_change_the_page(client: Client, recipe: Path) -> None:
    """As many jobs are pruned as were done: the version has to tell the two apart."""
    before = json.loads(client.ask(f"{client.base}state")[1])["version"]
    project.prune(project.load(recipe).recipe, [project.Kind.PREVIEW], sandbox=True, act=True)
    assert json.loads(client.ask(f"{client.base}state")[1])["version"] != before


@contextlib.contextmanager
def reviewed(recipe: Path) -> Iterator[Client]:
    with project.review(project.load(recipe).recipe, sandbox=True) as served:
        yield Client(served.url)


def previews(recipe: Path) -> Path:
    return recipe.parent / "out" / "tiny" / "sandbox"


def picks_of(recipe: Path) -> str:
    path = recipe.parent / f"tiny{PICKS_SUFFIX}"
    return path.read_text() if path.exists() else ""


def a_change(job: str, verdict: str, note: str = "", before: Any = None) -> dict[str, Any]:
    unmarked = {"output": "", "verdict": "", "note": ""}
    return {"job": job, "verdict": verdict, "note": note, "before": before or unmarked}


def test_the_page_has_its_full_pictures(client: Client, recipe: Path) -> None:
    """Results and the input, byte for byte."""
    done = [job for job in client.facts()["jobs"] if job["file"]]
    assert len(done) == 2
    for job in done:
        status, content, headers = client.ask(client.base + job["link"])
        assert (status, headers["content-type"]) == (200, "image/jpeg")
        assert content == (previews(recipe) / job["file"]).read_bytes()
        _, content, _ = client.ask(client.base + job["input"]["link"])
        assert content == (recipe.parent / "photo.jpg").read_bytes()
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"


def test_pictures_come_in_while_a_run_goes_on(client: Client, recipe: Path) -> None:
    """The version changes with what has come to its end, and not without."""
    before = client.facts()["server"]["version"]
    news = json.loads(client.ask(f"{client.base}state")[1])
    assert news["version"] == before
    run(project.load(recipe).recipe, project.RunOptions(sandbox=True))
    assert json.loads(client.ask(f"{client.base}state")[1])["version"] != before
    assert sum(bool(job["file"]) for job in client.facts()["jobs"]) == 4


def test_a_verdict_is_in_the_file_at_once(client: Client, recipe: Path) -> None:
    """Others that stand there stay, and the page learns of them."""
    first, second, *_ = [job["key"] for job in client.facts()["jobs"]]
    (recipe.parent / f"tiny{PICKS_SUFFIX}").write_text(
        f"job,output,verdict,note\n{second},y,reject,by hand\n"
    )
    status, answer = client.post(a_change(first, "pick", "warm\nlight"))
    assert (status, answer["conflicts"]) == (200, [])
    assert answer["jobs"][first]["note"] == "warm light"
    output = next(job["output"] for job in client.facts()["jobs"] if job["key"] == first)
    assert picks_of(recipe).splitlines()[1:] == [
        f"{first},{output},pick,warm light",
        f"{second},y,reject,by hand",
    ]
    news = json.loads(client.ask(f"{client.base}state")[1])
    assert news["jobs"][second] == {"output": "y", "verdict": "reject", "note": "by hand"}
    before = {"verdict": "pick", "note": "warm light"}
    assert client.post(a_change(first, "", "", before))[0] == 200
    assert first not in picks_of(recipe)


def test_a_verdict_that_somebody_else_has_changed_stays(client: Client, recipe: Path) -> None:
    """Both the page's other verdicts and theirs are kept."""
    first, second, *_ = [job["key"] for job in client.facts()["jobs"]]
    client.post(a_change(first, "pick"))
    path = recipe.parent / f"tiny{PICKS_SUFFIX}"
    path.write_text(path.read_text().replace("pick", "reject"))
    before = {"verdict": "pick", "note": ""}
    status, answer = client.post(a_change(first, "", "", before), a_change(second, "pick"))
    assert (status, answer["conflicts"]) == (200, [first])
    assert answer["jobs"][first]["verdict"] == "reject"
    assert re.findall(r"(pick|reject),$", picks_of(recipe), re.MULTILINE) == ["reject", "pick"]


def test_a_verdict_on_a_job_that_is_gone_does_not_stop_the_others(
    client: Client, recipe: Path
) -> None:
    """The page may show a job of a line that somebody has removed since."""
    first = client.facts()["jobs"][0]["key"]
    status, answer = client.post(a_change("0" * 16, "pick"), a_change(first, "pick"))
    assert (status, answer["unknown"]) == (200, ["0" * 16])
    assert answer["jobs"]["0" * 16]["verdict"] == ""
    assert answer["jobs"][first]["verdict"] == "pick"
    assert f"{first}," in picks_of(recipe)
    assert "0" * 16 not in picks_of(recipe)


@pytest.mark.parametrize(
    ("note", "stored"),
    [
        ("x" * 2001, "x" * 1999 + "…"),
        ("a\r\nb\t c", "a b c"),
        ("bell \x07", "bell \N{REPLACEMENT CHARACTER}"),
        ("half \ud83d", "half \N{REPLACEMENT CHARACTER}"),
        ("\u0645\u06cc\u200c\u062e \U0001f468\u200d\U0001f469\u200d\U0001f467", None),
    ],
)
def test_a_note_is_one_line_of_whatever_script(
    client: Client, note: str, stored: str | None
) -> None:
    """Characters that join others belong to it: Persian and emoji need them."""
    first = client.facts()["jobs"][0]["key"]
    status, answer = client.post(a_change(first, "pick", note))
    assert (status, answer["jobs"][first]["note"]) == (200, stored or note)


@pytest.mark.parametrize(
    "change",
    [
        None,
        {},
        {"job": ["x"], "verdict": "pick", "note": ""},
        a_change("JOB", "maybe"),
        {**a_change("JOB", "pick"), "note": 7},
        {**a_change("JOB", "pick"), "before": "pick"},
        {**a_change("JOB", "pick"), "verdict": ["pick"]},
    ],
)
def test_what_is_no_verdict_changes_nothing(client: Client, recipe: Path, change: Any) -> None:
    """It is one line of JSON, and no traceback."""
    first = client.facts()["jobs"][0]["key"]
    if isinstance(change, dict) and change.get("job") == "JOB":
        change["job"] = first
    status, answer = client.post(a_change(first, "pick"), change)
    assert (status, set(answer)) == (400, {"error"})
    assert picks_of(recipe) == ""


def test_a_damaged_picks_file_is_named_and_left_alone(client: Client, recipe: Path) -> None:
    path = recipe.parent / f"tiny{PICKS_SUFFIX}"
    path.write_text("<<<<<<< ours\n")
    first = client.facts()["jobs"][0]["key"]
    status, answer = client.post(a_change(first, "pick"))
    assert (status, "a merge conflict of git" in answer["error"]) == (400, True)
    assert "merge conflict" in json.loads(client.ask(f"{client.base}state")[1])["error"]
    assert picks_of(recipe) == "<<<<<<< ours\n"


def test_without_the_token_there_is_nothing(client: Client, recipe: Path) -> None:
    """Neither at the top, nor beside it, nor with another token or method."""
    paths = ["/", "/favicon.ico", "//", client.base[:-1], f"/{'x' * 43}/", f"/{'x' * 43}/state"]
    paths += [f"{client.base}files/", f"{client.base}files/x.jpg", f"{client.base}../recipe.yaml"]
    paths += [f"{client.base}files/..%2F..%2Frecipe.yaml", f"{client.base}tiny.manifest.csv"]
    for path in paths:
        status, content, _ = client.ask(path)
        assert (path, status in (404, 307), content) in (
            (path, True, b""),
            (path, True, b"Not Found"),
        )
    for method in ("PUT", "DELETE", "OPTIONS"):
        assert client.ask(f"{client.base}picks", method)[0] in (404, 405)


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1"},
        {"host": "evil.example:80"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
def test_another_host_or_origin_gets_nothing(
    client: Client, recipe: Path, headers: dict[str, str]
) -> None:
    """As a page gets it whose own name leads to this machine."""
    assert client.ask(client.base, **headers)[:2] == (404, b"")
    first = client.facts()["jobs"][0]["key"]
    assert client.post(a_change(first, "pick"), **headers) == (404, None)
    assert picks_of(recipe) == ""


def test_a_post_without_an_origin_or_of_another_type_is_refused(
    client: Client, recipe: Path
) -> None:
    """A form of another page can send neither JSON's type nor our origin."""
    body = json.dumps({"changes": [a_change(client.facts()["jobs"][0]["key"], "pick")]}).encode()
    path, origin = f"{client.base}picks", f"http://{client.host}"
    assert client.ask(path, "POST", body, content_type="application/json")[0] == 404
    assert client.ask(path, "POST", body, origin=origin, content_type="text/plain")[0] == 415
    for odd in (b"{", b"[" * 100_000, b"\xff"):
        sent = client.ask(path, "POST", odd, origin=origin, content_type="application/json")
        assert sent[0] == 400
    big = b" " * (5 << 20)
    try:
        status = client.ask(path, "POST", big, origin=origin, content_type="application/json")[0]
    except OSError:  # it hung up before all of it was sent
        status = 413
    assert status == 413
    assert picks_of(recipe) == ""


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_no_link_leads_out_of_the_output_folder(recipe: Path) -> None:
    """A picture that is a link, and one in a folder that is a link, are not served."""
    secret = recipe.parent / "secret.jpg"
    shutil.copy(recipe.parent / "photo.jpg", secret)
    first, second = sorted(previews(recipe).rglob("photo/*.jpg"))
    first.unlink()
    first.symlink_to(secret)
    with reviewed(recipe) as client:
        links = [job["link"] for job in client.facts()["jobs"] if job["link"]]
        found = [client.ask(client.base + link)[0] for link in links]
        assert sorted(found) == [200, 404]
        shutil.move(second.parent, recipe.parent / "elsewhere")
        (previews(recipe) / "photo").symlink_to(recipe.parent / "elsewhere")
        assert [client.ask(client.base + link)[0] for link in links] == [404, 404]


def test_a_checkpoint_names_no_other_file_of_the_machine(recipe: Path) -> None:
    """Inputs are those of the recipe, whatever a checkpoint from elsewhere says."""
    shutil.copy(recipe.parent / "photo.jpg", recipe.parent / "secret.jpg")
    path = previews(recipe) / ".spark-batch" / "tiny.checkpoint"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE placement SET image = 'secret.jpg'")
    with reviewed(recipe) as client:
        link = client.facts()["jobs"][0]["input"]["link"]
        assert client.ask(client.base + link)[:2] == (404, b"")


def test_before_a_run_there_is_nothing_to_review(tmp_path: Path, recipe: Path) -> None:
    shutil.rmtree(recipe.parent / "out")
    with pytest.raises(UsageError, match="nothing has been run yet"), reviewed(recipe):
        pass


def test_a_port_that_is_taken_is_named(recipe: Path, client: Client) -> None:
    port = int(client.host.rpartition(":")[2])
    with (
        pytest.raises(UsageError, match="choose another port"),
        project.review(project.load(recipe).recipe, sandbox=True, port=port),
    ):
        pass
