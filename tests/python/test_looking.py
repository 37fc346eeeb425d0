"""`plan`, `status` and manifests: what a program learns before and after a run."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

import spark_batch
from spark_batch import Action, Status
from spark_batch.jobs.picks import Verdict
from tests.python.conftest import MAPPING, MakeApi


def test_a_plan_has_each_job_with_its_reason_and_cost(folder: Path) -> None:
    """It changes no file."""
    planned = spark_batch.plan(MAPPING, base=folder, sandbox=True)
    assert planned.counts == {Action.CREATE: 4}
    assert (planned.expected, planned.unpriced, planned.refusal) == (Decimal("0.12"), 0, None)
    first = planned.jobs[0]
    assert (first.reason, first.status, first.cost) == ("new", Status.PENDING, Decimal("0.03"))
    assert first.image == folder / "photo.jpg"
    assert not (folder / "out").exists()


def test_a_plan_after_a_run_costs_nothing(folder: Path) -> None:
    """And what changed says what."""
    spark_batch.run(MAPPING, base=folder, sandbox=True)
    planned = spark_batch.plan(MAPPING, base=folder, sandbox=True)
    assert planned.counts == {Action.KEEP: 4}
    assert {job.cost for job in planned.jobs} == {Decimal(0)}
    assert {job.status for job in planned.jobs} == {Status.DONE}
    edited = {**MAPPING, "prompts": ["Beach", {"id": "snow", "text": "Much snow"}]}
    changed = spark_batch.plan(edited, base=folder, sandbox=True, only="prompt=snow")
    assert changed.counts == {Action.LEAVE: 2, Action.CREATE: 2}
    assert "prompt" in changed.jobs[-1].reason


def test_an_unknown_price_is_none_and_no_zero(folder: Path) -> None:
    """Nobody takes it for free."""
    unpriced = {key: value for key, value in MAPPING.items() if key != "price"}
    planned = spark_batch.plan(unpriced, base=folder, sandbox=True)
    assert (planned.unpriced, planned.most) == (4, None)
    assert {job.cost for job in planned.jobs} == {None}


def test_a_plan_says_where_the_limit_stops_it(folder: Path) -> None:
    limited = {**MAPPING, "run": {**MAPPING.get("run", {}), "max_cost": 0.07}}
    planned = spark_batch.plan(limited, base=folder, sandbox=True)
    assert planned.stops_before == planned.jobs[2].name
    assert spark_batch.plan(MAPPING, base=folder, sandbox=True).stops_before is None


def test_quotes_come_from_the_api(folder: Path, api: MakeApi) -> None:
    """Without a task."""
    served = api()
    planned = spark_batch.plan(MAPPING, base=folder, quote=True)
    assert planned.quoted == Decimal("0.12")
    assert served.ledger.accepted() == []


def test_status_tells_by_job(recipe: Path) -> None:
    """As the command, and the same for a mapping."""
    spark_batch.run(recipe, sandbox=True, limit=3)
    now = spark_batch.status(MAPPING, base=recipe.parent, sandbox=True)
    assert now.counts == {Status.DONE: 3, Status.PENDING: 1}
    assert (now.spent, now.reserved) == (Decimal("0.09"), 0)
    chosen = spark_batch.status(recipe, sandbox=True, only="status=pending")
    assert [job.output for job in chosen.jobs] == [None]


def test_every_result_has_the_verdicts(recipe: Path) -> None:
    """As the manifest has them; a damaged picks file fails no run and no status."""
    first = spark_batch.run(recipe, sandbox=True).jobs[0]
    picks = recipe.parent / "tiny.picks.csv"
    picks.write_text(f"job,output,verdict\n{first.key},,reject\n")
    expected = [Verdict.REJECT, None, None, None]
    ended = spark_batch.run(recipe, sandbox=True)
    lists = [
        ended.jobs,
        spark_batch.read_manifest(ended.manifest),
        spark_batch.status(recipe, sandbox=True).jobs,
        spark_batch.rescue(recipe, sandbox=True).jobs,
    ]
    assert [[job.pick for job in jobs] for jobs in lists] == [expected] * 4
    chosen = spark_batch.status(recipe, sandbox=True, only="pick=reject")
    assert [job.pick for job in chosen.jobs] == [Verdict.REJECT]
    picks.write_text("job,output,verdict\n<<<<<<< HEAD\n")
    now, rescued = (
        spark_batch.status(recipe, sandbox=True),
        spark_batch.rescue(recipe, sandbox=True),
    )
    for result in (now, rescued):
        assert {job.pick for job in result.jobs} == {None}
        assert [note for note in result.notes if "a merge conflict of git" in note]


def test_a_manifest_has_the_jobs_of_its_run(recipe: Path) -> None:
    """With the same types; only the input's file is not in it."""
    result = spark_batch.run(recipe, sandbox=True)
    rows = spark_batch.read_manifest(result.manifest)
    for row, job in zip(rows, result.jobs, strict=True):
        assert row.image is None
        for name in (
            "key",
            "status",
            "output",
            "name",
            "cost",
            "submitted_at",
            "seconds",
            "values",
        ):
            assert getattr(row, name) == getattr(job, name), name


def test_a_file_that_is_no_manifest(folder: Path) -> None:
    """One line."""
    with pytest.raises(spark_batch.ManifestError, match=r"cannot read the manifest .*photo\.jpg"):
        spark_batch.read_manifest(folder / "photo.jpg")
