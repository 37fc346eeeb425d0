"""`plan --out` and `run --plan`: exactly what was planned, once, within its ceiling, or nothing."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from spark_batch.checkpoint import Checkpoint
from spark_batch.errors import ExitCode
from spark_batch.models import schemas
from spark_batch.sandbox import Served
from tests.cli.conftest import Call, Ended, Folder, MakeServer


@pytest.fixture
def saved(folder: Folder) -> Path:
    """Where plans are saved."""
    return folder.path / "tiny.plan"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, server: MakeServer) -> MakeServer:
    """Makes a server that is the API from then on."""

    def make(**script: list[str | None]) -> Served:
        served = server(**script)
        monkeypatch.setenv("SPARK_API_KEY", "sk-canary")
        monkeypatch.setenv("SPARK_BASE_URL", served.url)
        return served

    return make


def save(call: Call, folder: Folder, path: Path, *more: object) -> dict[str, Any]:
    """Save a plan; gives its document, which is what its schema says."""
    ended = call("plan", folder.recipe, "--sandbox", "--out", path, *more)
    assert ended.code == ExitCode.DONE, ended.err
    document: dict[str, Any] = json.loads(path.read_text())
    schemas.validator("planfile").validate(document)
    return document


def sealed(document: dict[str, Any]) -> str:
    """The text of a plan whose SHA-256 is right, whatever it says."""
    said = {name: value for name, value in document.items() if name != "sha256"}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return json.dumps({**said, "sha256": hashlib.sha256(text.encode()).hexdigest()})


def refused(ended: Ended, *words: str) -> None:
    """One line that says why, exit 2."""
    assert ended.code == ExitCode.WRONG, ended
    told = [line for line in ended.err.splitlines() if line.startswith("spark-batch: ")]
    assert len(told) == 1
    for word in words:
        assert word in told[0]
    assert "Traceback" not in ended.err


def test_a_saved_plan_is_done_as_it_is(folder: Folder, call: Call, saved: Path) -> None:
    """The jobs of its selection, and no others."""
    document = save(call, folder, saved, "--only", "scale=0.4")
    assert [job["action"] for job in document["jobs"]] == ["create", "create"]
    assert document["cost_usd"] == {"committed": "0", "expected": "0.06", "ceiling": "0.18"}
    ended = call("run", folder.recipe, "--sandbox", "--plan", saved)
    assert ended.code == ExitCode.DONE
    assert "2 jobs done" in ended.out
    assert {path.name for path in folder.pictures()} == {
        f"{job['output'].partition('/')[2]}.jpg" for job in document["jobs"]
    }
    assert len(folder.ledger()) == 2


def test_saving_says_what_to_type_and_leaves_stdout_to_the_plan(
    folder: Folder, call: Call, saved: Path
) -> None:
    """With --json too, which stays a document."""
    ended = call("plan", folder.recipe, "--sandbox", "--json", "--out", saved)
    schemas.validator("plan").validate(json.loads(ended.out))
    command = f"spark-batch run {folder.recipe} --sandbox --plan {saved}"
    assert f"4 jobs to create, at most 0.36 USD together with the 0 USD so far; `{command}`" in (
        ended.err
    )


def test_a_plan_is_used_once(folder: Folder, call: Call, saved: Path) -> None:
    """Also by another name, and when there was nothing to do."""
    save(call, folder, saved)
    copy = shutil.copy(saved, folder.path / "copy.plan")
    call("run", folder.recipe, "--sandbox", "--plan", saved)
    for path in (saved, copy):
        refused(call("run", folder.recipe, "--sandbox", "--plan", path), "was used at 20", "once")
    assert save(call, folder, saved)["jobs"] == []
    first = call("run", folder.recipe, "--sandbox", "--plan", saved)
    assert (first.code, "nothing to do: 4 jobs done" in first.out) == (ExitCode.DONE, True)
    refused(call("run", folder.recipe, "--sandbox", "--plan", saved), "was used at")
    assert len(folder.ledger()) == 4


def test_a_plan_that_was_broken_off_is_used(
    folder: Folder, call: Call, saved: Path, api: MakeServer
) -> None:
    """Its use is on disk before the first request; plain `run` goes on."""
    served = api(create=["403"])
    call("plan", folder.recipe, "--out", saved)
    ended = call("run", folder.recipe, "--plan", saved, "--concurrency", "1")
    assert ended.code == ExitCode.REFUSED
    assert served.ledger.accepted() == []
    again = f"run `spark-batch run {folder.recipe}` without --plan"
    refused(call("run", folder.recipe, "--plan", saved), "was used at", again)
    assert call("run", folder.recipe).code == ExitCode.DONE


def test_without_a_key_a_plan_is_not_used_up(
    folder: Folder, call: Call, saved: Path, api: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing could be sent: it can still be done. Saving one needs no key."""
    served = api()
    monkeypatch.delenv("SPARK_API_KEY")
    assert call("plan", folder.recipe, "--out", saved).code == ExitCode.DONE
    refused(call("run", folder.recipe, "--plan", saved), "there is no API key")
    monkeypatch.setenv("SPARK_API_KEY", "sk-canary")
    assert call("run", folder.recipe, "--plan", saved).code == ExitCode.DONE
    assert len(served.ledger.accepted()) == 4


def a_photo_changed(folder: Folder, call: Call) -> None:
    Image.new("RGB", (96, 64), (1, 2, 3)).save(folder.path / "photo.jpg", "JPEG")


def a_recipe_changed(folder: Folder, call: Call) -> None:
    folder.recipe.write_text(folder.recipe.read_text() + "# a comment\n")


def a_table_changed(folder: Folder, call: Call) -> None:
    with (folder.path / "shots.csv").open("a") as file:
        file.write("photo.jpg,Rain\n")


def a_run_went_on(folder: Folder, call: Call) -> None:
    call("run", folder.recipe, "--sandbox", "--limit", "1")


def another_line_was_run(folder: Folder, call: Call) -> None:
    call("run", folder.recipe, "--sandbox", "--only", "scale=0.7")


def a_picture_went(folder: Folder, call: Call) -> None:
    folder.pictures()[0].unlink()


DRIFT: dict[str, tuple[Callable[[Folder, Call], None], str]] = {
    "photo": (a_photo_changed, "photo.jpg was changed"),
    "recipe": (a_recipe_changed, "recipe.yaml was changed"),
    "table": (a_table_changed, "shots.csv was changed"),
    "job": (a_run_went_on, "seed7: create was planned, now keep (done 20"),
    "checkpoint": (another_line_was_run, "a run, retry, rescue or resolve has changed"),
    "file": (a_picture_went, "seed7: nothing was planned, now restore (photo/"),
}


@pytest.mark.parametrize("case", DRIFT)
def test_drift_is_named_and_nothing_is_sent(
    folder: Folder, call: Call, saved: Path, case: str
) -> None:
    """The recipe, its table, its pictures, the jobs, the checkpoint and the files."""
    drift, words = DRIFT[case]
    if case == "table":
        (folder.path / "shots.csv").write_text("image,prompt\nphoto.jpg,Fog\n")
        folder.edit("price:", "rows: shots.csv\nprice:")
    if case == "file":
        call("run", folder.recipe, "--sandbox", "--only", "scale=0.7")
    only = [] if case == "file" else ["--only", "scale=0.4"]
    save(call, folder, saved, *only)
    drift(folder, call)
    before = len(folder.ledger())
    ended = call("run", folder.recipe, "--sandbox", "--plan", saved)
    command = shlex.join(["plan", str(folder.recipe), "--sandbox", *only, "--out", str(saved)])
    cure = f"nothing was sent: save a new one with `spark-batch {command}`"
    refused(ended, f"the plan {saved} no longer holds: ", words, cure)
    assert len(folder.ledger()) == before


def test_a_new_picture_of_a_glob_is_drift(folder: Folder, call: Call, saved: Path) -> None:
    """And one that has gone."""
    folder.edit("[photo.jpg]", "['*.jpg']")
    save(call, folder, saved)
    shutil.copy(folder.path / "photo.jpg", folder.path / "other.jpg")
    refused(call("run", folder.recipe, "--sandbox", "--plan", saved), "other.jpg is new")
    (folder.path / "photo.jpg").unlink()
    refused(call("run", folder.recipe, "--sandbox", "--plan", saved), "photo.jpg is missing")


def test_a_plan_is_for_one_recipe_one_api_and_the_sandbox_or_not(
    folder: Folder, call: Call, saved: Path, api: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is told, before anything is made on disk."""
    save(call, folder, saved)
    refused(call("run", folder.recipe, "--plan", saved), "is for the sandbox: add --sandbox")
    served = api()
    call("plan", folder.recipe, "--out", saved)
    refused(call("run", folder.recipe, "--sandbox", "--plan", saved), "is not for the sandbox")
    monkeypatch.setenv("SPARK_BASE_URL", "https://other.example")
    refused(call("run", folder.recipe, "--plan", saved), served.url, "https://other.example")
    folder.edit("name: tiny", "name: small")
    refused(call("run", folder.recipe, "--plan", saved), "is for the recipe tiny, not small")
    assert not folder.out.exists()


@pytest.mark.parametrize(
    "options", [["--only", "scale=0.4"], ["--limit", "0"], ["--max-cost", "0"]], ids=str
)
def test_options_that_would_change_the_plan_are_refused(
    folder: Folder, call: Call, saved: Path, options: list[str]
) -> None:
    """Also where they ask for nothing."""
    save(call, folder, saved)
    ended = call("run", folder.recipe, "--sandbox", "--plan", saved, *options)
    refused(ended, f"a saved plan is run as it is: leave {options[0]} out")
    assert folder.ledger() == []


def test_a_run_stops_at_the_ceiling(folder: Folder, call: Call, saved: Path) -> None:
    """Like max_cost: exit 3; the plan said before that it would."""
    folder.edit("run: {", "run: {max_cost: 5, concurrency: 1, ")
    ended = call("plan", folder.recipe, "--sandbox", "--out", saved, "--max-cost", "0.07")
    assert "it will stop before its end: it is expected to cost 0.12 USD" in ended.err
    assert "to stop it after 2 of 4 new pictures, before photo/snow-" in ended.err
    assert "limit 0.07 USD" in ended.out
    ended = call("run", folder.recipe, "--sandbox", "--plan", saved)
    assert ended.code == ExitCode.OVER_BUDGET
    assert "0.06 of 0.07 USD are spent or reserved; save a new plan to go on" in ended.err
    assert len(folder.ledger()) == 2
    plan = f"spark-batch plan {folder.recipe} --sandbox --out {saved}"
    assert f"Continue, with a new plan: {plan}\n" in ended.out
    assert call(*plan.split()[1:]).code == ExitCode.DONE
    assert call("run", folder.recipe, "--sandbox", "--plan", saved).out.startswith("2 jobs done;")


def test_the_recipes_own_limit_is_the_lower_bound(folder: Folder, call: Call, saved: Path) -> None:
    """--max-cost does not lift it."""
    folder.edit("run: {", "run: {max_cost: 0.20, ")
    assert save(call, folder, saved)["cost_usd"]["ceiling"] == "0.20"
    ended = call("plan", folder.recipe, "--sandbox", "--out", saved, "--max-cost", "9")
    assert "--max-cost 9 does not lift the recipe's max_cost, 0.20 USD" in ended.err
    assert save(call, folder, saved, "--max-cost", "9")["cost_usd"]["ceiling"] == "0.20"
    assert save(call, folder, saved, "--max-cost", "0.10")["cost_usd"]["ceiling"] == "0.10"


def test_a_plan_without_a_price_needs_a_ceiling(folder: Folder, call: Call, saved: Path) -> None:
    """A quote is one, a limit is one; nothing is none."""
    folder.edit("price: 0.03\n", "")
    ended = call("plan", folder.recipe, "--sandbox", "--out", saved)
    refused(ended, "nothing limits the cost of the plan", "--max-cost", "--quote")
    assert not saved.exists()
    assert save(call, folder, saved, "--quote")["cost_usd"]["ceiling"] == "0.36"
    document = save(call, folder, saved, "--max-cost", "0.10")
    assert document["cost_usd"] == {"committed": "0", "expected": None, "ceiling": "0.10"}
    assert call("run", folder.recipe, "--sandbox", "--plan", saved).code == ExitCode.OVER_BUDGET
    assert len(folder.ledger()) == 3


def test_a_quote_above_the_estimate_is_reserved(folder: Folder, call: Call, saved: Path) -> None:
    """A recipe's price that is too low does not lead a run beyond the ceiling."""
    folder.edit("price: 0.03", "price: 0.01")
    save(call, folder, saved, "--quote", "--max-cost", "0.10")
    assert call("run", folder.recipe, "--sandbox", "--plan", saved).code == ExitCode.OVER_BUDGET
    assert len(folder.ledger()) == 3


def test_a_resumed_task_that_fails_is_not_made_again(
    folder: Folder, call: Call, saved: Path, api: MakeServer
) -> None:
    """It was not the plan's to create: the plan's own job is made, and nothing else."""
    folder.edit("run: {", "run: {task_timeout: 0.1, ")
    served = api(poll=["unknown-status"] * 10, create=["task-code:003003095"])
    call("run", folder.recipe, "--limit", "1")
    folder.edit("task_timeout: 0.1", "task_timeout: 60")
    call("plan", folder.recipe, "--out", saved, "--only", "scale=0.4")
    document = json.loads(saved.read_text())
    assert [job["action"] for job in document["jobs"]] == ["resume", "create"]
    assert document["cost_usd"]["ceiling"] == "0.12"  # 0.03 reserved, three attempts of one job
    assert call("run", folder.recipe, "--plan", saved).code == ExitCode.FAILED
    assert len(served.ledger.accepted()) == 2


def test_the_command_that_runs_a_plan_has_the_options_that_it_needs(
    folder: Folder, call: Call, saved: Path, api: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    api()
    monkeypatch.delenv("SPARK_API_KEY")
    keys = folder.path / "keys.env"
    keys.write_text("SPARK_API_KEY=k\n")
    planned = call("plan", folder.recipe, "--out", saved, "--env-file", keys, "--allow-outside")
    words = shlex.split(planned.err.partition("so far; `")[2].partition("`")[0])
    assert {"--allow-outside", "--env-file", str(keys)} < set(words)
    assert call(*words[1:]).out.startswith("4 jobs done; 4 tasks created")


def test_a_plan_of_what_a_manifest_tells(folder: Folder, call: Call, saved: Path) -> None:
    """What a run first adopts is part of the state that was planned with."""
    call("run", folder.recipe, "--sandbox")
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    folder.edit("[Beach, Snow]", "[Beach, Rain]")
    document = save(call, folder, saved)
    assert (len(document["jobs"]), document["cost_usd"]["committed"]) == (2, "0.12")
    ended = call("run", folder.recipe, "--sandbox", "--plan", saved)
    assert (ended.code, "2 tasks created" in ended.out) == (ExitCode.DONE, True)


def test_a_plan_after_a_killed_run_holds(folder: Folder, call: Call, saved: Path) -> None:
    """What was being sent is uncertain to the plan, and to the run that makes it so."""
    call("run", folder.recipe, "--sandbox", "--limit", "0")
    with Checkpoint.open(folder.previews / ".spark-batch" / "tiny.checkpoint") as checkpoint:
        first = next(checkpoint.records())
        checkpoint.begin_attempt(first.key, number=1, reserved=Decimal("0.03"), api="sandbox")
    assert len(save(call, folder, saved)["jobs"]) == 3
    ended = call("run", folder.recipe, "--sandbox", "--plan", saved)
    assert ended.code == ExitCode.UNCERTAIN
    assert "3 jobs done" in ended.out


def test_no_secret_is_in_a_plan(
    folder: Folder, call: Call, saved: Path, api: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the key, nor a signed URL of an input, nor a password in the endpoint."""
    api()
    folder.edit("[photo.jpg]", "[photo.jpg, 'https://cdn.example.com/a.jpg?sig=hush']")
    assert call("plan", folder.recipe, "--out", saved).code == ExitCode.DONE
    text = saved.read_text()
    assert "sk-canary" not in text
    assert "hush" not in text
    monkeypatch.setenv("SPARK_BASE_URL", "https://user:hush@api.example")
    ended = call("plan", folder.recipe, "--out", folder.path / "other.plan")
    refused(ended, "SPARK_BASE_URL")
    assert "hush" not in ended.err


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], str | bytes], str]] = {
    "empty": (lambda plan: "", "is not a saved plan"),
    "binary": (lambda plan: b"\xff\xfe\0", "is not a saved plan"),
    "list": (lambda plan: "[1]", "is not a saved plan"),
    "nested": (lambda plan: "[" * 200_000, "is not a saved plan"),
    "huge number": (lambda plan: '{"version": ' + "9" * 5000 + "}", "is not a saved plan"),
    "foreign": (lambda plan: '{"format": "terraform", "version": 1}', "is not a saved plan"),
    "cut": (lambda plan: json.dumps(plan)[:-40], "is not a saved plan"),
    "newer": (lambda plan: json.dumps({**plan, "version": 2}), "by a newer spark-batch"),
    "ceiling by hand": (
        lambda plan: json.dumps(plan).replace('"0.36"', '"9.99"'),
        "is damaged, or was changed",
    ),
    "a job less": (
        lambda plan: json.dumps({**plan, "jobs": plan["jobs"][1:]}),
        "is damaged, or was changed",
    ),
    "no seal": (
        lambda plan: json.dumps({k: v for k, v in plan.items() if k != "sha256"}),
        "is damaged, or was changed",
    ),
    "sealed, not a number": (
        lambda plan: sealed({**plan, "cost_usd": {**plan["cost_usd"], "ceiling": "NaN"}}),
        "is damaged, or was changed",
    ),
    "sealed, a quote of 600 digits": (
        lambda plan: sealed(
            {**plan, "quotes": [{"width": 1, "height": 1, "cost_usd": f"0.{'1' * 600}"}]}
        ),
        "is damaged, or was changed",
    ),
    "sealed, strange job": (
        lambda plan: sealed({**plan, "jobs": [{**plan["jobs"][0], "action": "delete"}]}),
        "is damaged, or was changed",
    ),
    "sealed, jobs of nothing": (
        lambda plan: sealed({**plan, "jobs": [None]}),
        "is damaged, or was changed",
    ),
    "sealed, version 0": (lambda plan: sealed({**plan, "version": 0}), "is damaged"),
    "sealed, a job less": (
        lambda plan: sealed({**plan, "jobs": plan["jobs"][1:]}),
        "seed7: nothing was planned, now create (new)",
    ),
    "sealed, a job more": (
        lambda plan: sealed(
            {**plan, "jobs": [*plan["jobs"], {**plan["jobs"][0], "output": "x\u001b[2J"}]}
        ),
        "is no longer in the recipe",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_plan_is_refused_in_one_line(
    folder: Folder, call: Call, saved: Path, case: str
) -> None:
    """Damaged, foreign, newer, edited: exit 2, and nothing is sent."""
    spoil, words = SPOILT[case]
    text = spoil(save(call, folder, saved))
    saved.write_bytes(text if isinstance(text, bytes) else text.encode())
    ended = call("run", folder.recipe, "--sandbox", "--plan", saved)
    refused(ended, words)
    assert "\x1b" not in ended.err
    assert folder.ledger() == []


def test_another_layout_is_the_same_plan(folder: Folder, call: Call, saved: Path) -> None:
    """An editor that formats the file changes nothing of what it says."""
    document = save(call, folder, saved)
    saved.write_text(json.dumps(document, indent=8, sort_keys=True))
    assert call("run", folder.recipe, "--sandbox", "--plan", saved).code == ExitCode.DONE


def test_where_a_plan_cannot_be_read_or_saved(folder: Folder, call: Call, saved: Path) -> None:
    """A missing file, a folder; a recipe is never replaced by a plan."""
    run = ("run", folder.recipe, "--sandbox", "--plan")
    refused(call(*run, saved), f"cannot read the plan {saved}: No such file")
    refused(call(*run, folder.path), "is not a file")
    refused(call(*run, folder.recipe), "is not a saved plan")
    plan = ("plan", folder.recipe, "--sandbox", "--out")
    refused(call(*plan, folder.recipe), "is there already, is not a saved plan")
    refused(call(*plan, folder.path), "is there already, is not a saved plan")
    refused(call(*plan, folder.path / "nowhere" / "p"), "there is no folder")
    refused(call("plan", folder.recipe, "--max-cost", "1"), "give --out too")
    save(call, folder, saved)
    first = json.loads(saved.read_text())["id"]
    assert save(call, folder, saved)["id"] != first
    assert not list(folder.path.glob("*.part"))
