"""The pipeline for GitLab: right by GitLab's schema, and its scripts run as a runner runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from spark_batch.cli import COMMANDS
from tests.cli.conftest import ROOT, Call
from tests.repositories import Repository, a_repository

pytestmark = pytest.mark.proof

PIPELINE = ROOT / "recipes" / "ci" / "gitlab-ci.yml"


@pytest.fixture
def pipeline() -> dict[str, Any]:
    """The file, as any reader of YAML gives it."""
    found: dict[str, Any] = yaml.safe_load(PIPELINE.read_text())
    return found


class Runner:
    """Runs the scripts of jobs in a repository, everything in the sandbox."""

    def __init__(self, repo: Repository, pipeline: dict[str, Any]) -> None:
        self.repo = repo
        self._pipeline = pipeline
        command = repo.path.parent / "bin" / "spark-batch"
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spark_batch "$@"\n')
        command.chmod(0o755)
        self._environment = {
            "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(repo.path.parent),
        }

    def run(
        self,
        job: str,
        key: str = "script",
        *,
        folder: Path | None = None,
        code: int = 0,
        **variables: str,
    ) -> str:
        """What a job's script prints; its lines are one shell, which ends at the first error.

        `code` is its exit code.
        """
        given = {**self._pipeline["variables"], "SPARK_BATCH_FLAGS": "--sandbox", **variables}
        script = "\n".join(self._pipeline[job][key])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder or self.repo.path,
            env={**self._environment, **given},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout


@pytest.fixture
def runner(tmp_path: Path, call: Call, pipeline: dict[str, Any]) -> Runner:
    """A fresh folder of `init` in a repository, six jobs on main."""
    repo = a_repository(tmp_path / "repo")
    call("init", repo.path)
    repo.commit()
    return Runner(repo, pipeline)


def test_gitlab_would_take_it() -> None:
    """Judged by the schema that GitLab gives to editors."""
    judge = ["-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", str(PIPELINE)]
    done = subprocess.run([sys.executable, *judge], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_merge_request_is_told_what_it_changes(runner: Runner) -> None:
    """Valid, planned, and compared with where it left the target, as a comment in a file."""
    base = runner.repo.git("rev-parse", "HEAD")
    recipe = (runner.repo.path / "recipe.yaml").read_text()
    runner.repo.commit(recipe_yaml=recipe.replace("to beach", "to a snowy beach"))
    assert runner.run("validate") == "recipe.yaml: 6 jobs\n"
    told = runner.run("plan", CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    assert "6 to create" in told
    comment = (runner.repo.path / "changes.md").read_text()
    assert comment.startswith("<!-- spark-batch plan against: first -->\n")
    assert "**2 new, 0 changed, 4 kept, 2 removed;" in comment
    assert comment in told


def test_two_never_make_pictures_at_once(pipeline: dict[str, Any]) -> None:
    """The group is held by the job that waits for the whole child pipeline, this file again."""
    job = pipeline["pictures"]
    assert job["resource_group"] == "pictures"
    assert job["trigger"]["strategy"] == "depend"
    assert job["trigger"]["include"] == [{"local": ".gitlab-ci.yml"}]
    (never, branch) = job["rules"]
    assert never == {"if": '$CI_PIPELINE_SOURCE == "parent_pipeline"', "when": "never"}
    assert branch == {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}


def test_what_is_paid_for_is_kept_whatever_happens(pipeline: dict[str, Any]) -> None:
    """Shards hand it on and the merge puts it away, also where a job failed."""
    assert pipeline["shard"]["artifacts"] == {"when": "always", "paths": ["out/"]}
    assert pipeline["merge"]["cache"]["when"] == "always"
    assert pipeline["merge"]["cache"]["policy"] == "pull-push"
    assert [rule["when"] for rule in pipeline["merge"]["rules"]] == ["always"]
    caches = [job["cache"] for job in (pipeline["plan"], pipeline["merge"])]
    assert {cache["key"] for cache in (*caches, pipeline["shard"]["cache"][0])} == {"pictures"}


@pytest.mark.skipif("merge" not in COMMANDS, reason="there are no shards yet")
def test_shards_are_run_rescued_and_merged(runner: Runner, pipeline: dict[str, Any]) -> None:
    """On four machines; each picture is made once, and a second pipeline makes nothing."""
    total = pipeline["shard"]["parallel"]
    created = []
    for pipeline_id in ("9", "10"):
        machines = [runner.repo.path.parent / f"{pipeline_id}-{n}" for n in range(1, total + 1)]
        for index, machine in enumerate(machines, 1):
            shutil.copytree(runner.repo.path, machine)  # as checked out, with the cache
            node = {"CI_NODE_INDEX": str(index), "CI_NODE_TOTAL": str(total)}
            node["CI_PIPELINE_ID"] = pipeline_id
            created.append(runner.run("shard", folder=machine, **node))
            runner.run("shard", "after_script", folder=machine, **node)
        for machine in machines:  # artifacts of all shards are laid over each other
            shutil.copytree(machine / "out", runner.repo.path / "out", dirs_exist_ok=True)
        told = runner.run("merge", CI_PIPELINE_ID=pipeline_id)
    assert "6 done" in told
    tasks = [re.search(r"(\d+) tasks? created", each) for each in created]
    assert sum(int(each[1]) for each in tasks[:total] if each) == 6
    assert not any(tasks[total:])
    previews = runner.repo.path / "out" / "first" / "sandbox"
    assert len((previews / "first.manifest.csv").read_text().splitlines()) == 7
    assert len(list(previews.rglob("dandelion/*.jpg"))) == 6


@pytest.mark.parametrize("retried", ["9", "10"])
def test_a_shard_that_is_retried_after_a_merge_sends_nothing(runner: Runner, retried: str) -> None:
    """No merge follows: the next pipeline would pay again for what it pays for."""
    node = {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "1"}
    runner.run("shard", CI_PIPELINE_ID="9", **node)
    runner.run("merge", CI_PIPELINE_ID="10")
    recipe = (runner.repo.path / "recipe.yaml").read_text()
    runner.repo.commit(recipe_yaml=recipe.replace("to beach", "to a snowy beach"))
    told = runner.run("shard", CI_PIPELINE_ID=retried, code=1, **node)
    assert told.startswith("This pipeline is merged already")
    assert "created" in runner.run("shard", CI_PIPELINE_ID="11", **node)


def test_a_shard_that_is_retried_before_the_merge_goes_on(
    runner: Runner, pipeline: dict[str, Any]
) -> None:
    """The merge takes the artifacts of its last try alone, on whatever machine that was."""
    home = runner.repo.path.parent
    node = {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4", "CI_PIPELINE_ID": "9"}

    def shard(machine: Path, code: int = 0) -> str:
        shutil.copytree(runner.repo.path, machine)
        stored = {
            home / re.sub(r"\$(\w+)", lambda name: node[name[1]], cache["key"]): cache
            for cache in pipeline["shard"]["cache"]
        }
        for store in filter(Path.is_dir, stored):
            shutil.copytree(store, machine, dirs_exist_ok=True)
        told = runner.run("shard", folder=machine, code=code, **node)
        for store, cache in stored.items():
            if cache.get("policy") != "pull" and cache["when"] == "always":
                for path in cache["paths"]:
                    shutil.copytree(machine / path, store / path, dirs_exist_ok=True)
        return told

    assert "created" in shard(home / "first")
    assert "nothing to do" in shard(home / "second")
    shutil.copytree(home / "second" / "out", runner.repo.path / "out")
    runner.run("merge", CI_PIPELINE_ID="9")
    for path in pipeline["merge"]["cache"]["paths"]:
        (home / "pictures").mkdir(exist_ok=True)
        shutil.move(runner.repo.path / path, home / "pictures" / path)
    assert "is merged already" in shard(home / "third", code=1)


def test_what_a_person_paid_for_and_committed_is_known(runner: Runner) -> None:
    """Manifest and pictures come with the push; the cache is older, and laid over them."""
    node = {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "1", "SPARK_BATCH_FLAGS": "--sandbox"}
    out, cache = runner.repo.path / "out", runner.repo.path.parent / "cache"
    runner.run("shard", **node, CI_PIPELINE_ID="9")
    runner.run("merge", CI_PIPELINE_ID="9")
    shutil.copytree(out, cache)
    recipe = (runner.repo.path / "recipe.yaml").read_text()
    recipe_yaml = recipe.replace("to beach", "to a snowy beach")
    (runner.repo.path / "recipe.yaml").write_text(recipe_yaml)
    runner.run("shard", **node, CI_PIPELINE_ID="10")
    runner.run("merge", CI_PIPELINE_ID="10")
    (manifest,) = out.rglob("first.manifest.csv")
    runner.repo.git("add", "--force", str(manifest))
    runner.repo.commit(recipe_yaml=recipe_yaml)
    shutil.rmtree(out / "first" / "sandbox" / ".spark-batch")  # a fresh checkout has none
    shutil.copytree(cache, out, dirs_exist_ok=True)
    told = runner.run("plan", CI_MERGE_REQUEST_DIFF_BASE_SHA="HEAD")
    assert "to create" not in told
    shutil.copytree(cache, out, dirs_exist_ok=True)
    assert "created" not in runner.run("shard", **node, CI_PIPELINE_ID="11")
