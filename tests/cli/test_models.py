"""A recipe over two models, one of which a file beside it describes, from the command line."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter

import pytest

from tests.cli.conftest import Call, Folder
from tests.recipe.test_models import OWN

BOTH = "model: [spark_i2i_3_0, mine.json]\n"


@pytest.fixture
def duo(folder: Folder) -> Folder:
    """Four jobs of the first model, and two of the second one, whose size is a text."""
    (folder.path / "mine.json").write_text(json.dumps(OWN))
    folder.edit("variants:", f"{BOTH}variants:")
    return folder


def rows(folder: Folder) -> list[dict[str, str]]:
    with (folder.previews / "tiny.manifest.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_model_of_ones_own_runs_without_a_line_of_code(duo: Folder, call: Call) -> None:
    """In the sandbox, with its own parameters in request, manifest, status and history."""
    ended = call("run", duo.recipe, "--sandbox")
    assert ended.code == 0, ended.err
    own = [row for row in rows(duo) if row["model"] == "mine_1"]
    assert len(own) == 2
    assert {row["parameters"] for row in own} == {'{"size":"512x512","strength":0.6}'}
    assert {(row["scale"], row["seed"], row["asked_width"]) for row in own} == {("", "", "512")}
    assert {row["status"] for row in own} == {"done"}
    assert "2 jobs in" in call("status", duo.recipe, "--sandbox", "--only", "model=mine_1").out
    by_model = call("plan", duo.recipe, "--sandbox", "--by", "model").out
    assert "mine_1" in by_model and "spark_i2i_3_0" in by_model
    history = call("why", duo.recipe, own[0]["job"], "--sandbox").out
    assert "512x512, take 1, size 512x512, strength 0.6, model mine_1" in history


def test_the_cases_of_junit_are_grouped_by_model(duo: Folder, call: Call) -> None:
    call("run", duo.recipe, "--sandbox")
    report = (duo.previews / "tiny.junit.xml").read_text(encoding="utf-8")
    groups = Counter(re.findall(r'classname="([^"]+)"', report))
    expected = {f"tiny.{prompt}.spark_i2i_3_0": 2 for prompt in ("beach", "snow")}
    assert groups == {**expected, "tiny.beach.mine_1": 1, "tiny.snow.mine_1": 1}


def test_a_plan_says_of_how_many_jobs_the_cost_is_not_known(duo: Folder, call: Call) -> None:
    """The price of one model says nothing about the other."""
    duo.edit("price: 0.03", "price: {spark_i2i_3_0: 0.03}")
    told = call("plan", duo.recipe, "--sandbox").out
    assert "cost not known for 2 of 6 (give the recipe a price for mine_1), 0.12 USD for" in told


def test_the_manifest_alone_knows_what_is_paid_for(duo: Folder, call: Call) -> None:
    """A fresh clone adopts requests without scale, seed and size, and pays for nothing twice."""
    call("run", duo.recipe, "--sandbox")
    before, paid = rows(duo), len(duo.ledger())
    for file in (duo.previews / ".spark-batch").glob("*.checkpoint*"):
        file.unlink()
    ended = call("run", duo.recipe, "--sandbox")
    assert (ended.code, len(duo.ledger())) == (0, paid)
    assert rows(duo) == before


def test_the_reports_show_both_models(duo: Folder, call: Call) -> None:
    call("run", duo.recipe, "--sandbox")
    document = json.loads((duo.previews / "tiny.json").read_text())
    found = {job["request"]["model"]: job["expected"] for job in document["jobs"]}
    assert found["mine_1"] is None
    assert found["spark_i2i_3_0"] == {"width": 512, "height": 512}
    plan = json.loads(call("plan", duo.recipe, "--sandbox", "--json").out)
    sizes = {job["model"]: (job["scale"], job["size"]) for job in plan["jobs"]}
    assert sizes["mine_1"] == (None, {"width": 512, "height": 512})
