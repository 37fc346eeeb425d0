"""`plan`: its reasons, sums and figures, and that its JSON is what its schema says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

from spark_batch.checkpoint import Checkpoint
from spark_batch.errors import ExitCode
from spark_batch.jobs import Size
from spark_batch.jobs import request as requests
from spark_batch.models import schemas
from spark_batch.sandbox import Served
from tests.cli.conftest import Call, Folder, MakeServer
from tests.makers import MODEL


def _document(call: Call, folder: Folder, *more: object) -> dict[str, object]:
    document: dict[str, object] = json.loads(
        call("plan", folder.recipe, "--sandbox", "--json", *more).out
    )
    schemas.validator("plan").validate(document)
    return document


def test_what_a_run_is_sending_is_not_to_be_settled_meanwhile(folder: Folder, call: Call) -> None:
    """A plan cannot tell whether that run goes on, and `resolve` is refused as long as it does."""
    call("run", folder.recipe, "--sandbox", "--limit", "0")
    with Checkpoint.open(folder.previews / ".spark-batch" / "tiny.checkpoint") as run:
        key = next(run.records()).key
        run.begin_attempt(key, number=1, reserved=Decimal("0.03"), api="sandbox")
        planned = call("plan", folder.recipe, "--sandbox")
        refused = call("resolve", folder.recipe, key, "--sandbox", "--not-charged", "--yes")
    settle = f"`spark-batch resolve {folder.recipe} {key} --sandbox --task-id ID`"
    advice = (
        f"a run is sending it, or ended while it did; if no run is at work, settle it: {settle}"
    )
    assert advice in planned.out
    assert "another run holds" in refused.err
    call("run", folder.recipe, "--sandbox", "--limit", "0")
    assert f"; settle it: {settle}" in call("plan", folder.recipe, "--sandbox").out


def test_json_is_what_the_schema_says_in_every_state(folder: Folder, call: Call) -> None:
    """New, half done, changed, without a price, with a selection."""
    assert _document(call, folder)["counts"]["create"] == 4
    call("run", folder.recipe, "--sandbox", "--limit", "2")
    assert _document(call, folder)["counts"]["keep"] == 2
    folder.edit("Beach", "{id: beach, text: A beach}")
    document = _document(call, folder)
    assert document["left_over"] == {"jobs": 2, "cost_usd": "0.06"}
    first = document["jobs"][0]
    assert "prompt from 'Beach' to 'A beach'" in first["reason"]
    assert first["changes"] == [{"field": "prompt", "from": "Beach", "to": "A beach"}]
    folder.edit("price: 0.03\n", "")
    folder.edit("size: 512x512", "size: 1024x1024")
    assert _document(call, folder)["cost_usd"]["expected"] is None
    assert _document(call, folder, "--only", "scale=0.4")["counts"]["leave"] == 2


AXES = """\
version: 1
name: axes
inputs: [photo.jpg, {id: web, url: "https://example.com/a.jpg?b=1"}]
prompts:
  - {id: sky, text: "Make the sky ${color}, café", vars: {color: [pink, navy blue]}}
rows: table.csv
variants: {scale: [0.4, 1], size: [1:1, 1000x1001], seed: [7, -1], takes: 2}
"""
TABLE = "image,prompt,seed\nphoto.jpg,Add a hat,3\n"


def test_json_names_the_axes_and_the_request_of_each_job(folder: Folder, call: Call) -> None:
    """Files and URLs, variables, random seeds, a table: the job's id follows from what it says."""
    folder.recipe.write_text(AXES, encoding="utf-8")
    (folder.path / "table.csv").write_text(TABLE, encoding="utf-8")
    jobs: Any = _document(call, folder)["jobs"]
    digest = hashlib.sha256((folder.path / "photo.jpg").read_bytes()).hexdigest()
    photo = {"id": "photo", "path": "photo.jpg", "url": None, "sha256": digest}
    web = {"id": "web", "path": None, "url": "https://example.com/a.jpg?b=1", "sha256": None}
    for job in jobs:
        assert job["input"] == (photo if job["input"]["id"] == "photo" else web)
        sha256, size = job["input"]["sha256"], job["size"]
        form = requests.head(
            model=job["model"],
            picture=f"sha256:{sha256}" if sha256 else job["input"]["url"],
            prompt=job["prompt"]["text"],
            size=Size("any", size["width"], size["height"]),
        )
        form += requests.tail(job["scale"], job["seed"], job["take"])
        assert job["job"] == hashlib.sha256(form).hexdigest()[:16]
        expected = MODEL.expected_size(size["width"], size["height"])
        assert tuple(job["expected"].values()) == expected
    assert len({job["job"] for job in jobs}) == len(jobs)
    assert {(job["seed"], job["take"]) for job in jobs[:-1]} >= {(7, 1), (-1, 1), (-1, 2)}
    odd = next(job for job in jobs if job["size"] == {"width": 1000, "height": 1001})
    assert odd["expected"] == {"width": 1008, "height": 1008}
    assert odd["variables"] == {"color": "pink"}
    assert odd["prompt"] == {
        "id": "sky",
        "text": "Make the sky pink, café",
        "source": {"file": "recipe.yaml", "line": 5, "column": 21},
    }
    row = next(job for job in jobs if job["prompt"]["text"] == "Add a hat")
    assert row["prompt"]["source"] == {"file": "table.csv", "line": 2, "column": 1}
    assert row["variables"] == {}


def test_a_changed_picture_is_told_by_its_hashes(folder: Folder, call: Call) -> None:
    """From what to what, also when only the input's bytes differ."""
    call("run", folder.recipe, "--sandbox")
    Image.new("RGB", (96, 64), (10, 20, 30)).save(folder.path / "photo.jpg", "JPEG")
    told = call("plan", folder.recipe, "--sandbox").out
    assert "changed: picture from sha256 " in told


def test_include_is_counted(folder: Folder, call: Call) -> None:
    """What each entry adds, beside what each exclude drops."""
    folder.edit("price:", "include: [{scale: 0.9, size: 512x512}]\nexclude: [{scale: 0.7}]\nprice:")
    told = call("plan", folder.recipe, "--sandbox").out
    assert "2 of the jobs come from include[0]" in told
    assert "2 dropped by exclude[0]" in told
    assert _document(call, folder)["origins"] == {"variants": 2, "include[0]": 2}


def test_the_most_that_it_may_cost(folder: Folder, call: Call) -> None:
    """Every attempt that is allowed, bounded by the limit."""
    assert "at most 0.36 USD in all" in call("plan", folder.recipe, "--sandbox").out
    folder.edit("run: {", "run: {max_cost: 0.20, ")
    assert "at most 0.20 USD in all" in call("plan", folder.recipe, "--sandbox").out
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    assert _document(call, folder)["cost_usd"]["most"] == "0.20"


@pytest.mark.parametrize(
    ("limit", "made"),
    [("0.05", 1), ("0.06", 2), ("0.02", 0), ("0", 0), ("0.1199", 3), ("0.12", None)],
)
def test_a_plan_that_the_limit_will_stop_says_where(
    folder: Folder, call: Call, limit: str, made: int | None
) -> None:
    """In words and as JSON; the run stops there."""
    folder.edit("run: {", f"run: {{max_cost: {limit}, concurrency: 1, ")
    document: Any = _document(call, folder)
    told = call("plan", folder.recipe, "--sandbox").out
    if made is None:
        assert document["stop"] is None
        assert "the limit is expected" not in told
        return
    first = document["jobs"][made]
    assert document["stop"] == {"made": made, "job": first["job"], "output": first["output"]}
    where = f"the limit is expected to stop it after {made} of 4 new pictures"
    assert f"{where}, before {first['output']}\n" in told
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.OVER_BUDGET
    assert len(folder.ledger()) == made
    assert _document(call, folder)["stop"] == {**document["stop"], "made": 0}


def test_what_is_spent_counts_and_a_shard_has_its_share(folder: Folder, call: Call) -> None:
    """The room of a plan is what its own limit leaves."""
    folder.edit("run: {", "run: {max_cost: 0.08, ")
    shares: Any = [_document(call, folder, "--shard", f"{part}/2") for part in (1, 2)]
    assert [share["cost_usd"]["limit"] for share in shares] == ["0.04", "0.04"]
    stops = [share["stop"] for share in shares if share["counts"]["create"] > 1]
    assert [stop["made"] for stop in stops] == [1] * len(stops) != []
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    told = call("plan", folder.recipe, "--sandbox").out
    assert "the limit is expected to stop it after 1 of 3 new pictures" in told


def test_where_it_stops_is_not_known_without_a_price(folder: Folder, call: Call) -> None:
    """A quote is one; without a price a run makes one picture to learn it."""
    folder.edit("price: 0.03\n", "")
    folder.edit("run: {", "run: {max_cost: 0.05, ")
    stop: Any = _document(call, folder)["stop"]
    assert stop is None
    stop = _document(call, folder, "--quote")["stop"]
    assert stop["made"] == 1


def test_attempts_of_unknown_cost_are_named_beside_the_sum(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """They may cost anything, so nothing is said of the most; a price of later ones bounds none."""
    folder.edit("price: 0.03\n", "")
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(poll=["cost-credit"]).url)
    assert call("run", folder.recipe, "--limit", "1").code == 0
    folder.edit("run: {", "price: 0.03\nrun: {")
    for command in ("plan", "status"):
        told = call(command, folder.recipe).out
        assert "and 1 attempt of unknown cost" in told
        assert "None" not in told


def test_sums_by_axis_have_what_was_spent(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: MakeServer
) -> None:
    """Beside what is expected; a request that two lines share counts once, and old jobs do not."""
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server().url)
    assert call("run", folder.recipe, "--only", "prompt=beach").code == 0
    folder.edit("[Beach, Snow]", "[Beach, {id: sand, text: Beach}, Snow]")
    folder.edit("scale: [0.4, 0.7]", "scale: [0.4, 0.5]")
    lines = call("plan", folder.recipe, "--by", "prompt").out.splitlines()
    assert [line.split() for line in lines[:4]] == [
        ["prompt", "jobs", "to", "create", "spent", "USD", "expected", "USD"],
        ["beach", "2", "1", "0.03", "0.03"],
        ["sand", "2", "0", "0", "0"],
        ["snow", "2", "2", "0", "0.06"],
    ]
    assert any("0.06 USD spent so far" in line for line in lines)  # 0.03 of them are left over


def test_sums_by_axis(folder: Folder, call: Call) -> None:
    """A line for each combination of values, and the sums below."""
    told = call("plan", folder.recipe, "--sandbox", "--by", "prompt, action").out.splitlines()
    assert [line.split() for line in told[:3]] == [
        ["prompt", "action", "jobs", "to", "create", "play", "USD", "expected", "USD"],
        ["beach", "create", "2", "2", "0", "0.06"],
        ["snow", "create", "2", "2", "0", "0.06"],
    ]
    assert told[3].startswith("tiny: 4 jobs")
    wrong = call("plan", folder.recipe, "--sandbox", "--by", "prompt,colour")
    assert (wrong.code, "--by colour: no such axis" in wrong.err) == (2, True)
    assert call("plan", folder.recipe, "--by", "prompt", "--json").code == 2


def test_a_task_under_way_may_still_need_all_its_attempts(
    folder: Folder,
    call: Call,
    server: Callable[..., Served],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What it costs is reserved; two further attempts for each of the four are counted beside."""
    folder.edit("run: {", "run: {task_timeout: 0.1, ")
    monkeypatch.setenv("SPARK_API_KEY", "sk-1")
    monkeypatch.setenv("SPARK_BASE_URL", server(poll=["unknown-status"] * 500).url)
    call("run", folder.recipe)
    document = json.loads(call("plan", folder.recipe, "--json").out)
    assert document["counts"]["resume"] == 4
    assert document["cost_usd"]["most"] == "0.36"


def test_quote_asks_the_api_and_makes_no_task(
    folder: Folder,
    call: Call,
    server: Callable[..., Served],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One question a size; its answer stands beside the recipe's price, and nothing is billed."""
    folder.edit("price: 0.03", "price: 9")
    served = server()
    monkeypatch.setenv("SPARK_API_KEY", "sk-1")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    told = call("plan", folder.recipe, "--quote")
    assert (told.code, "no quote" in told.err) == (0, False)
    assert "new  about 9 USD, quoted 0.03 USD" in told.out
    assert "expected 36 USD (by the recipe's price), quoted 0.12 USD by the API;" in told.out
    assert "at most 108 USD in all" in told.out  # the higher one of the two
    document = json.loads(call("plan", folder.recipe, "--quote", "--json").out)
    schemas.validator("plan").validate(document)
    assert document["jobs"][0]["quoted_usd"] == "0.03"
    assert (document["cost_usd"]["expected"], document["cost_usd"]["quoted"]) == ("36", "0.12")
    assert served.ledger.billed() == 0
    assert served.ledger.accepted() == []
    assert not folder.out.exists()


def test_quote_in_the_sandbox_touches_nothing(folder: Folder, call: Call) -> None:
    """It needs no key, and leaves no ledger behind."""
    assert "quoted 0.12 USD by the API" in call("plan", folder.recipe, "--sandbox", "--quote").out
    assert not folder.out.exists()


def test_a_refused_quote_is_told_and_the_estimate_holds(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API that does not answer keeps nobody from planning; without a key it is exit 2."""
    assert call("plan", folder.recipe, "--quote").code == 2
    monkeypatch.setenv("SPARK_API_KEY", "sk-1")
    monkeypatch.setenv("SPARK_BASE_URL", "http://127.0.0.1:9")
    told = call("plan", folder.recipe, "--quote")
    assert told.code == 0
    assert "no quote: the connection was refused" in told.err
    assert "expected 0.12 USD (by the recipe's price)" in told.out


def test_the_quote_alone_bounds_what_it_may_cost(folder: Folder, call: Call) -> None:
    """Without any price the quote is told beside the estimate that is missing."""
    folder.edit("price: 0.03\n", "")
    told = call("plan", folder.recipe, "--sandbox", "--quote").out
    assert "cost not known (give the recipe a price), quoted 0.12 USD by the API;" in told
    assert "at most 0.36 USD in all" in told
    by = call("plan", folder.recipe, "--sandbox", "--quote", "--by", "prompt").out.splitlines()
    assert by[0].split()[-2:] == ["quoted", "USD"]
    assert by[1].split() == ["beach", "2", "2", "0", "?", "0.06"]


def test_every_job_says_why(
    folder: Folder,
    call: Call,
    server: Callable[..., Served],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Done with day and cost, failed with the code's advice, uncertain with what to type."""
    served = server(create=["cut-after", "create-code:003003005"])
    monkeypatch.setenv("SPARK_API_KEY", "sk-1")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    call("run", folder.recipe, "--concurrency", "1")
    lines = call("plan", folder.recipe, "--all").out.splitlines()
    document = json.loads(call("plan", folder.recipe, "--json").out)
    schemas.validator("plan").validate(document)
    jobs = {job["cause"]: job for job in document["jobs"]}
    uncertain, failed, done = jobs["uncertain"], jobs["failed"], jobs["done"]
    settle = f"spark-batch resolve {folder.recipe} {uncertain['job']} --task-id ID"
    assert uncertain["next"] == settle
    assert any(f"`{settle}` (or --not-charged, or --resubmit)" in line for line in lines)
    known = MODEL.errors.find("003003005")
    assert known is not None
    assert failed["error"]["code"] == "003003005"
    assert failed["error"]["advice"] == known.advice
    assert any("003003005: " in line and known.advice in line for line in lines)
    assert failed["next"] is None  # a retry would fail again
    assert any(line.endswith(f"done {done['done_at'][:10]}, 0.03 USD") for line in lines)
    assert (done["charged_usd"], done["next"], done["error"]) == ("0.03", None, None)


def test_advice_stands_once_and_what_the_api_refuses_is_no_case_for_retry(
    folder: Folder,
    call: Call,
    server: Callable[..., Served],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = ["003003005", "003003005", "50501", "50501"]
    served = server(create=[f"create-code:{code}" for code in codes])
    monkeypatch.setenv("SPARK_API_KEY", "sk-1")
    monkeypatch.setenv("SPARK_BASE_URL", served.url)
    call("run", folder.recipe, "--concurrency", "1")
    lines = call("plan", folder.recipe).out.splitlines()
    for code in ("003003005", "50501"):
        known = MODEL.errors.find(code)
        assert known is not None
        said = [line for line in lines if f"{code}: " in line]
        assert [known.advice in line for line in said] == [True, False]
    assert f"        2 failed: `spark-batch retry {folder.recipe}` makes them again" in lines
    refused = "the same request fails again, change it in the recipe"
    assert f"        2 failed, refused by the API: {refused}" in lines
    document = json.loads(call("plan", folder.recipe, "--json").out)
    commands = {job["error"]["code"]: job["next"] for job in document["jobs"]}
    assert commands["003003005"] is None
    assert commands["50501"].startswith(f"spark-batch retry {folder.recipe} --only job=")


def test_sums_that_are_wider_than_the_terminal_are_lines_in_words(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.edit("[Beach, Snow]", f"[{{id: {'b' * 60}, text: Beach}}, Snow]")
    monkeypatch.setenv("COLUMNS", "80")
    table = call("plan", folder.recipe, "--by", "prompt").out.splitlines()
    assert table[0].split() == ["prompt", "jobs", "to", "create", "spent", "USD", "expected", "USD"]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    lines = call("plan", folder.recipe, "--by", "prompt").out.splitlines()
    assert lines[:2] == [
        f"{'b' * 60}:",
        "    2 jobs, 2 to create, 0 spent USD, 0.06 expected USD",
    ]


def test_an_expired_job_says_what_to_type(folder: Folder, call: Call) -> None:
    """With --sandbox where the plan is the sandbox's."""
    call("run", folder.recipe, "--sandbox")
    folder.pictures()[0].unlink()
    for path in (folder.previews / ".spark-batch" / "sandbox").rglob("*"):
        if path.is_file():
            path.unlink()
    call("run", folder.recipe, "--sandbox")
    told = call("plan", folder.recipe, "--sandbox").out
    assert f"`spark-batch rescue {folder.recipe} --sandbox` looks once more for free" in told


def test_many_new_pictures_are_shown_by_axis_and_the_rest_by_itself(
    folder: Folder, call: Call
) -> None:
    """Above thirty steps; with --all each is listed."""
    folder.edit("seed: 7", "seed: [7, 8, 9, 10, 11, 12, 13, 14]")
    lines = call("plan", folder.recipe, "--sandbox").out.splitlines()
    assert lines[0] == "+ 32 new pictures (--all lists each), by axis:"
    assert lines[2].split(maxsplit=2) == ["prompt", "2", "beach, snow, 16 each"]
    assert lines[5].split(maxsplit=2) == ["seed", "8", "7, 8, 9, 10, 11, 12 and 2 more, 4 each"]
    assert call("plan", folder.recipe, "--sandbox", "--all").out.count("\n+ ") == 31
    call("run", folder.recipe, "--sandbox", "--limit", "1")
    next((folder.previews / "photo").glob("*.jpg")).unlink()
    lines = call("plan", folder.recipe, "--sandbox").out.splitlines()
    assert lines[0].startswith("+ 31 new pictures")
    assert sum(line.startswith("< ") for line in lines) == 1


def test_all_takes_are_among_the_axes(folder: Folder, call: Call) -> None:
    """Those of the first take too."""
    folder.edit("seed: 7", "seed: -1, takes: 9")
    lines = call("plan", folder.recipe, "--sandbox").out.splitlines()
    takes = [line.split(maxsplit=2) for line in lines if line.strip().startswith("take")]
    assert takes == [["take", "9", "1, 2, 3, 4, 5, 6 and 3 more, 4 each"]]
