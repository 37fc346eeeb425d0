"""A hostile pull request from a fork: no code of it runs, no key leaves, nothing is paid for."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from spark_batch.sandbox import Served
from tests.ci.cloud import Cloud, git
from tests.ci.conftest import RECIPE, ROOT, commit, printed, results, started, steps_with_key
from tests.ci.test_books import FORK_ID, keep

# The workflows ask for Python 3.11 or later, where PYTHONSAFEPATH keeps pip from importing
# what a stranger put into the checkout.
_SAFE_PATH = pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is of 3.11")
pytestmark = [pytest.mark.proof, _SAFE_PATH]

WORKFLOW = ROOT / ".github" / "workflows" / "pictures.yml"
SHELL = '"; touch "$HOME/owned"; $(touch "$HOME/owned")`touch "$HOME/owned"` #'
CODE = "import pathlib; (pathlib.Path.home() / 'owned').touch()\n"
HOSTILE = {
    "ref": "refs/pull/7/merge",
    "head_ref": "main",
    "head_repository_id": FORK_ID,
    "event": {"pull_request": {"number": 7, "title": SHELL, "body": SHELL, "head": {"ref": SHELL}}},
}


@pytest.fixture
def small(cloud: Cloud) -> Cloud:
    """A cloud whose workflow has one machine and asks for four pictures."""
    cloud.inputs = {**cloud.inputs, "shards": 1}
    return cloud


def propose(cloud: Cloud, links: dict[str, Path]) -> str:
    """Commit what an attacker would, on a branch of its own; gives the commit."""
    git("checkout", "--quiet", "-b", "hostile", cwd=cloud.repository)
    for name, target in links.items():
        (cloud.repository / name).symlink_to(target)
    files = {"poster.yaml": RECIPE, "pip.py": CODE, "sitecustomize.py": CODE}
    sha = commit(cloud, files, branch="hostile")
    git("checkout", "--quiet", "main", cwd=cloud.repository)
    return sha


def test_it_gets_nothing(small: Cloud, served: Served, tmp_path: Path) -> None:
    """Forged artifacts and caches, shell in titles, modules named like pip, links at file names."""
    outside = tmp_path / "outside"
    outside.write_text("mine")
    sha = commit(small, {"poster.yaml": RECIPE.replace("[0.4, 0.7]", "0.4")})
    made = started(small, WORKFLOW, sha, pull_request=False)
    assert results(made)["merge"] == ["success"], printed(made)
    assert len(served.ledger.accepted()) == 6

    links = {"plan.md": outside, "unmerged.txt": outside, "unmerged": tmp_path}
    planned = started(small, WORKFLOW, propose(small, links), pull_request=True, **HOSTILE)
    assert results(planned)["plan"] == ["success"], printed(planned)
    assert "6 kept" in planned["plan"][0].step("plan").summary
    assert outside.read_text() == "mine"
    assert steps_with_key(planned) == set()

    # What its own run could upload, under a hundred numbers, and write into its own scope.
    for run in range(600, 701):
        fork = {"event": "pull_request", "head_branch": "main", "head_repository_id": FORK_ID}
        keep(small, run, "pictures", "pictures@shard-1", **fork)
    for scope in ("refs%2Fpull%2F7%2Fmerge", "refs%2Fheads%2Fmain"):
        # The second one is of a recipe whose name begins alike.
        forged = small.caches / scope / "spark-batch-pictures-winter@9-1" / "forged"
        forged.mkdir(parents=True)
    shutil.rmtree(small.artifacts / "1")  # what is left of the true ones is the cache
    again = started(small, WORKFLOW, sha, pull_request=False)
    assert results(again)["merge"] == ["success"], printed(again)
    assert again["merge"][0].outputs["done"] == "6"
    assert len(served.ledger.accepted()) == 6
    assert steps_with_key(again) == {"run", "rescue"}

    machines = small.folder / "machines"
    assert not [path for name in ("owned", "forged") for path in machines.rglob(name)]
    assert "sk-canary-9f2b" not in printed(planned) + printed(again)


def test_an_output_folder_that_is_a_link_is_not_filled(small: Cloud, tmp_path: Path) -> None:
    """What the artifact holds would be written to where the pull request says."""
    commit(small, {"poster.yaml": RECIPE})
    artifact = small.artifacts / "500" / "pictures"
    keep(small, 500, "pictures")
    (artifact / "poster.html").write_text("<html>")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    planned = started(
        small, WORKFLOW, propose(small, {"out": elsewhere}), pull_request=True, **HOSTILE
    )
    assert results(planned)["plan"] == ["failure"]
    assert "symbolic link" in printed(planned)
    assert list(elsewhere.iterdir()) == []


def test_an_artifact_of_another_recipe_stops_it(small: Cloud, served: Served) -> None:
    """Two recipes that share one name would pay for everything again, run by run."""
    sha = commit(small, {"poster.yaml": RECIPE})
    keep(small, 500, "pictures")
    state = small.artifacts / "500" / "pictures" / "winter" / ".spark-batch"
    state.mkdir(parents=True)
    (state / "winter.checkpoint").touch()
    made = started(small, WORKFLOW, sha, pull_request=False)
    assert results(made)["base"] == ["failure"], printed(made)
    assert "is not of poster.yaml" in printed(made)
    assert served.ledger.accepted() == []


def test_an_expired_artifact_stops_it_until_somebody_says_so(small: Cloud, served: Served) -> None:
    """Without artifact, cache and manifest everything would be paid for again."""
    sha = commit(small, {"poster.yaml": RECIPE.replace("[7, 8]", "7")})
    keep(small, 500, "pictures", expired=True)
    made = started(small, WORKFLOW, sha, pull_request=False)
    assert results(made)["base"] == ["failure"], printed(made)
    assert "start-anew" in printed(made)
    assert served.ledger.accepted() == []
    small.inputs = {**small.inputs, "start-anew": True}
    anew = started(small, WORKFLOW, sha, pull_request=False)
    assert results(anew)["merge"] == ["success"], printed(anew)
    assert len(served.ledger.accepted()) == 6
