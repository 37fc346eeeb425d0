"""The composite action: what it is given reaches the command, and nothing of it is ever shell."""

from __future__ import annotations

import pytest

from spark_batch.sandbox import Served
from tests.ci.cloud import Cloud
from tests.ci.conftest import RECIPE, ROOT, commit
from tests.ci.runner import run_action

pytestmark = pytest.mark.proof

ACTION = ROOT / ".github" / "actions" / "spark-batch" / "action.yml"


def test_a_command_with_its_arguments(cloud: Cloud, served: Served) -> None:
    """The version beside the action is installed and run; its outputs are the step's."""
    sha = commit(cloud, {"poster.yaml": RECIPE})
    cloud.environment = {**cloud.environment, "SPARK_BASE_URL": served.url}
    given = {"recipe": "poster.yaml", "api-key": "sk-canary-9f2b"}
    arguments = "--max-cost\n1.00\n\n--only\nprompt=make-it-snow\n"
    ran = run_action(cloud, ACTION, sha, command="run", arguments=arguments, **given)
    assert ran.result == "success", ran.steps
    assert ran.outputs | {"manifest": ""} == {
        "jobs": "12",
        "done": "4",
        "failed": "0",
        "uncertain": "0",
        "cost": "0.12",
        "manifest": "",
    }
    assert len(served.ledger.accepted()) == 4
    assert "sk-canary" not in "".join(step.out + step.summary for step in ran.steps)


def test_what_it_is_given_is_never_shell(cloud: Cloud) -> None:
    """Neither the recipe nor an argument can run anything; the command says what is wrong."""
    sha = commit(cloud, {"poster.yaml": RECIPE})
    ran = run_action(
        cloud,
        ACTION,
        sha,
        command="plan",
        recipe="poster.yaml$(touch a)",
        arguments="--only\n$(touch b)`touch c`; touch d",
    )
    assert (ran.result, ran.step("spark-batch").code) == ("failure", 2)
    assert ran.workspace is not None
    assert not any((ran.workspace / name).exists() for name in "abcd")
