"""Which artifacts the workflows believe to be what is paid for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.cloud import REPOSITORY_ID, Cloud
from tests.ci.conftest import ROOT
from tests.ci.runner import Ran, run_workflow

pytestmark = pytest.mark.proof

WORKFLOWS = {
    "reusable": ROOT / ".github" / "workflows" / "pictures.yml",
    "starter": ROOT / "spark_batch" / "starter" / "pictures.yml",
}
FORK_ID = 666
PUSH = {"event": "push", "head_branch": "main", "head_repository_id": REPOSITORY_ID}
NOT_OURS: dict[str, dict[str, Any]] = {
    "a fork's pull request": {"event": "pull_request", "head_repository_id": FORK_ID},
    "a fork that is gone": {"event": "pull_request", "head_repository_id": None},
    "a fork that says it was a push": {"head_repository_id": FORK_ID},
    "a pull request from the default branch": {"event": "pull_request"},
    "pull_request_target": {"event": "pull_request_target"},
    "workflow_run": {"event": "workflow_run"},
    "issue_comment": {"event": "issue_comment"},
    "another branch": {"head_branch": "main2"},
}
MADE_BY = {"ref": "refs/heads/main", "event_name": "push"}
PLANNED = {"ref": "refs/pull/7/merge", "event_name": "pull_request", "base_ref": "main"}


def keep(cloud: Cloud, run: int, *names: str, **facts: Any) -> None:
    """Artifacts of a run, newer than all before them."""
    cloud.record(run, **PUSH | facts)
    for name in names:
        (cloud.artifacts / str(run) / name).mkdir(parents=True)


def books(cloud: Cloud, workflow: Path, event: Mapping[str, Any]) -> Ran:
    """Run the job `books` of a workflow alone."""
    whole = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    alone = cloud.folder / "alone.yml"
    alone.write_text(yaml.safe_dump({**whole, "jobs": {"books": whole["jobs"]["books"]}}))
    (ran,) = run_workflow(cloud, alone, {"sha": "0" * 40, **event})["books"]
    return ran


@pytest.fixture(params=WORKFLOWS)
def workflow(request: pytest.FixtureRequest) -> Path:
    return WORKFLOWS[request.param]


@pytest.mark.parametrize("event", [MADE_BY, PLANNED], ids=["make", "plan"])
@pytest.mark.parametrize("stranger", NOT_OURS)
def test_only_runs_that_no_stranger_starts_are_believed(
    bare_cloud: Cloud, workflow: Path, stranger: str, event: Mapping[str, Any]
) -> None:
    """More than two pages of newer artifacts of the same name push the true one off no page."""
    keep(bare_cloud, 500, "pictures")
    flood = 210 if stranger.startswith("a fork's") else 2
    for run in range(600, 600 + flood):
        keep(bare_cloud, run, "pictures", "pictures@shard-1", **NOT_OURS[stranger])
    ran = books(bare_cloud, workflow, event)
    assert ran.result == "success", ran.steps
    assert ran.outputs["run"] == "500"
    assert not ran.outputs["expired"]
    assert not ran.outputs.get("unmerged")


@pytest.mark.parametrize("stranger", NOT_OURS)
def test_a_stranger_cannot_hold_up_the_first_run(
    bare_cloud: Cloud, workflow: Path, stranger: str
) -> None:
    """Without an artifact of ours there is none, whatever others have uploaded."""
    keep(bare_cloud, 600, "pictures", **NOT_OURS[stranger])
    ran = books(bare_cloud, workflow, MADE_BY)
    assert (ran.result, ran.outputs["run"], ran.outputs["expired"]) == ("success", "", "")


@pytest.mark.parametrize("event", ["push", "schedule", "workflow_dispatch"])
def test_the_newest_of_ours_is_taken(bare_cloud: Cloud, workflow: Path, event: str) -> None:
    for run in (500, 502, 501):
        keep(bare_cloud, run, "pictures", event=event)
    assert books(bare_cloud, workflow, MADE_BY).outputs["run"] == "501"


def test_another_branch_has_its_own_before_those_of_the_default_branch(
    bare_cloud: Cloud, workflow: Path
) -> None:
    """Its first run knows what the default branch paid for."""
    keep(bare_cloud, 500, "pictures")
    there = {**MADE_BY, "ref": "refs/heads/summer"}
    assert books(bare_cloud, workflow, there).outputs["run"] == "500"
    keep(bare_cloud, 501, "pictures", head_branch="summer")
    keep(bare_cloud, 502, "pictures")
    assert books(bare_cloud, workflow, there).outputs["run"] == "501"
    assert books(bare_cloud, workflow, MADE_BY).outputs["run"] == "502"


def test_an_expired_one_is_reported_and_no_older_one_taken_for_it(
    bare_cloud: Cloud, workflow: Path
) -> None:
    keep(bare_cloud, 500, "pictures")
    keep(bare_cloud, 501, "pictures", expired=True)
    ran = books(bare_cloud, workflow, MADE_BY)
    assert (ran.outputs["run"], ran.outputs["expired"]) == ("", "501")


def test_an_error_of_github_stops_it(bare_cloud: Cloud, workflow: Path) -> None:
    """Half of the pages are not all of them: it says so, and gives nothing."""
    keep(bare_cloud, 500, "pictures")
    (bare_cloud.folder / "offline").touch()
    ran = books(bare_cloud, workflow, MADE_BY)
    assert (ran.result, ran.outputs["run"]) == ("failure", None)
    assert "::error::GitHub does not say what earlier runs paid for" in ran.step("find").out


@pytest.mark.parametrize("event", ["pull_request_target", "workflow_run", "issue_comment"])
def test_an_event_that_strangers_cause_makes_nothing(
    bare_cloud: Cloud, workflow: Path, event: str
) -> None:
    ran = books(bare_cloud, workflow, {**MADE_BY, "event_name": event})
    assert ran.result == "failure"
    assert f"::error::The event {event}" in ran.step("find").out


@pytest.mark.parametrize("name", ["", "a b", "shop@winter", "shop*", "shop&per_page=1", "ü"])
def test_a_name_that_could_be_taken_for_another_one_is_refused(
    bare_cloud: Cloud, name: str
) -> None:
    bare_cloud.inputs = {"name": name}
    ran = books(bare_cloud, WORKFLOWS["reusable"], MADE_BY)
    assert ran.result == "failure"
    assert "::error::name: use letters" in ran.step("find").out


def test_what_is_unmerged_is_ours_newer_and_of_that_name(bare_cloud: Cloud) -> None:
    """Not what the last merge has, nor another recipe's whose name begins alike."""
    bare_cloud.inputs = {"name": "shop"}
    keep(bare_cloud, 500, "shop@shard-1")
    keep(bare_cloud, 501, "shop")
    keep(bare_cloud, 502, "shop@shard-1", "shop@shard-12")
    keep(bare_cloud, 503, "shop-shard-1", "shop-winter", "shop-winter@shard-1", "shop@base")
    keep(bare_cloud, 504, "shop@shard-1", event="pull_request", head_repository_id=FORK_ID)
    ran = books(bare_cloud, WORKFLOWS["reusable"], MADE_BY)
    assert ran.outputs["run"] == "501"
    assert sorted(ran.outputs["unmerged"].split("\n")) == ["502 shop@shard-1", "502 shop@shard-12"]
