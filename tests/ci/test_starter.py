"""The workflow that `init` writes: a pull request's plan, and what main makes, run by run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from spark_batch.sandbox import Served
from tests.ci.cloud import Cloud
from tests.ci.conftest import RECIPE, commit, printed, results, started, steps_with_key

pytestmark = pytest.mark.proof


def test_it_plans_makes_and_goes_on(cloud: Cloud, served: Served, wheel: Path) -> None:
    """Six pictures from a fresh repository; later runs know that from the artifact or the cache."""
    subprocess.run([cloud.python / "spark-batch", "init", cloud.repository], check=True)
    workflow = cloud.repository / ".github" / "workflows" / "pictures.yml"
    written = workflow.read_text()
    placeholder = "git+https://git.example.com/spark-batch@COMMIT"
    assert written.count(placeholder) == 1
    workflow.write_text(written.replace(placeholder, str(wheel)))
    cloud.environment = {**cloud.environment, "SPARK_BASE_URL": served.url}
    commit(cloud, {})
    text = (cloud.repository / "recipe.yaml").read_text().replace("pixel art", "pencil")
    change = commit(cloud, {"recipe.yaml": text}, branch="pencil")
    planned = started(cloud, workflow, change, pull_request=True)
    assert results(planned) == {
        "books": ["success"],
        "plan": ["success"],
        "make": ["skipped"],
    }, printed(planned)
    assert "2 new" in planned["plan"][0].step("plan").summary
    assert steps_with_key(planned) == set()
    assert served.ledger.accepted() == []
    for gone in ("nothing", "caches", "artifacts"):
        if gone != "nothing":
            shutil.rmtree(cloud.folder / gone)
        made = started(cloud, workflow, change, pull_request=False)
        assert results(made) == {
            "books": ["success"],
            "plan": ["skipped"],
            "make": ["success"],
        }, printed(made)
        assert len(served.ledger.accepted()) == 6
    assert steps_with_key(made) == {"run", "rescue"}
    assert "nothing to do: 6 jobs done" in made["make"][0].step("run").out


@pytest.mark.usefixtures("installed")
def test_a_failed_job_that_is_run_again_pays_for_nothing_twice(
    cloud: Cloud, served: Served
) -> None:
    """`books` stays as it was, and knows of the run before only; run again as well, of this one."""
    subprocess.run([cloud.python / "spark-batch", "init", cloud.repository], check=True)
    workflow = cloud.repository / ".github" / "workflows" / "pictures.yml"
    placeholder = "git+https://git.example.com/spark-batch@COMMIT"
    workflow.write_text(workflow.read_text().replace(placeholder, cloud.inputs["install"]))
    cloud.environment = {**cloud.environment, "SPARK_BASE_URL": served.url}
    sha = commit(cloud, {"recipe.yaml": RECIPE.replace("[7, 8]", "7")})
    assert results(started(cloud, workflow, sha, pull_request=False))["make"] == ["success"]
    sha = commit(cloud, {"recipe.yaml": RECIPE.replace("run: {", "run: {max_cost: 0.27, ")})
    stopped = started(cloud, workflow, sha, pull_request=False)
    assert results(stopped)["make"] == ["failure"], printed(stopped)
    assert len(served.ledger.accepted()) == 9

    alone = started(cloud, workflow, sha, pull_request=False, before=stopped)
    assert results(alone)["make"] == ["failure"]
    assert len(served.ledger.accepted()) == 9, printed(alone)
    assert '::error::Use "Re-run all jobs".' in printed(alone)
    assert steps_with_key(alone) == set()
    started(cloud, workflow, sha, pull_request=False, before=alone, all_jobs=True)
    assert len(served.ledger.accepted()) == 9
    sha = commit(cloud, {"recipe.yaml": RECIPE})
    last = started(cloud, workflow, sha, pull_request=False)
    assert results(last)["make"] == ["success"], printed(last)
    requests = [entry.fingerprint for entry in served.ledger.accepted()]
    assert len(requests) == len(set(requests)) == 12
