"""The workflow that `init` writes: a pull request's plan, and what main makes, run by run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from spark_batch.sandbox import Served
from tests.ci.cloud import Cloud
from tests.ci.conftest import commit, printed, results, started, steps_with_key

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
