"""What outlives a machine, and what GitHub's own actions do with it, in folders on this disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

REPOSITORY_ID = 4711


@dataclass
class Cloud:
    """What outlives a machine: the repository, caches, artifacts, comments; and what comes next.

    `watch` is called with the job's name, its shard and the step's name and process, as the process
    starts. The machines of the jobs that are `lost` vanish before their first step.
    """

    folder: Path
    repository: Path
    python: Path  # the bin folder of an environment that has pip
    environment: Mapping[str, str]
    secrets: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    watch: Callable[[str, Any, str, subprocess.Popen[str]], None] | None = None
    runs: int = 0
    attempt: int = 1

    @property
    def caches(self) -> Path:
        return self.folder / "caches"

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    def record(self, run: int, **facts: Any) -> None:
        """Write down what GitHub knows of a run: its event, the branch and repository of its head.

        The artifacts of a run that is `expired` are listed, and cannot be had.
        """
        path = self.folder / "runs" / f"{run}.json"
        path.parent.mkdir(exist_ok=True)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **facts}))


def use(
    cloud: Cloud, workspace: Path, step: Mapping[str, Any], contexts: Mapping[str, Any]
) -> dict[str, Any]:
    """What one of GitHub's own actions does, with folders; gives its outputs."""
    name, _, version = step["uses"].partition("@")
    assert re.fullmatch(r"[0-9a-f]{40}", version), f"{name} is not pinned to a commit"
    given = step.get("with", {})
    if name == "actions/checkout":
        assert given.get("persist-credentials") is False
        return _checkout(
            cloud, workspace, contexts["github"]["sha"], deep=given.get("fetch-depth") == 0
        )
    if name == "actions/setup-python":
        return {}
    if name == "actions/cache/restore":
        return _restore(cloud, workspace, given, contexts["github"])
    if name == "actions/cache/save":
        if (workspace / given["path"]).exists():  # GitHub warns of a path that is not there
            scope = cloud.caches / quote(contexts["github"]["ref"], safe="")
            shutil.copytree(workspace / given["path"], scope / given["key"])
        return {}
    if name == "actions/upload-artifact":
        return _upload(cloud, workspace, given, contexts["github"]["run_id"])
    if name == "actions/download-artifact":
        return _download(cloud, workspace, given, contexts["github"]["run_id"])
    raise ValueError(f"no such action here: {step['uses']}")


def git(*arguments: object, cwd: Path) -> str:
    """Run git without the developer's settings; gives what it prints."""
    known = [
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.com",
        "-c",
        "protocol.file.allow=always",
    ]
    command = ["git", *known, *map(str, arguments)]
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(cwd)}
    return subprocess.run(
        command, cwd=cwd, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def _checkout(cloud: Cloud, workspace: Path, sha: str, *, deep: bool) -> dict[str, Any]:
    git("init", "--quiet", ".", cwd=workspace)
    git("remote", "add", "origin", cloud.repository.as_uri(), cwd=workspace)
    wanted = ["+refs/heads/*:refs/remotes/origin/*"] if deep else ["--depth=1", "origin"]
    if deep:
        git("fetch", "--quiet", "origin", *wanted, cwd=workspace)
    else:
        git("fetch", "--quiet", *wanted, sha, cwd=workspace)
    git("checkout", "--quiet", "--detach", sha, cwd=workspace)
    return {}


def _restore(
    cloud: Cloud, workspace: Path, given: Mapping[str, Any], github: Mapping[str, Any]
) -> dict[str, Any]:
    """The newest cache of the run's own branch, else of the branch that it is for, else of main."""
    prefix = given["restore-keys"].strip()
    for ref in (github["ref"], f"refs/heads/{github.get('base_ref', 'main')}", "refs/heads/main"):
        # Not the time of the last change, which a copy takes along.
        scope = cloud.caches / quote(ref, safe="")
        known = sorted(scope.glob("*"), key=lambda path: path.stat().st_ctime_ns)
        found = [path for path in known if path.name.startswith((given["key"], prefix))]
        if found:
            shutil.copytree(found[-1], workspace / given["path"], dirs_exist_ok=True)
            return {"cache-matched-key": found[-1].name}
    return {"cache-matched-key": ""}


def _upload(cloud: Cloud, workspace: Path, given: Mapping[str, Any], run: int) -> dict[str, Any]:
    """The content of the folder, hidden files only when that is asked for; or one file as it is.

    Such a file is an artifact of its own name, as the action has it since version 7.
    """
    source = workspace / given["path"]
    name = source.name if given.get("archive") is False else given["name"]
    target = cloud.artifacts / str(run) / name
    if not source.exists():
        return {}
    outputs = {"artifact-url": f"https://github.example.com/runs/{run}/artifacts/{name}"}
    if source.is_file():
        assert "name" not in given and given["archive"] is False  # else it would be a zip file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return outputs
    if given.get("overwrite"):
        shutil.rmtree(target, ignore_errors=True)
    hidden = None if given.get("include-hidden-files") else shutil.ignore_patterns(".*")
    shutil.copytree(source, target, ignore=hidden)
    return outputs


def _download(cloud: Cloud, workspace: Path, given: Mapping[str, Any], run: int) -> dict[str, Any]:
    """Of another run one artifact by its name, else all of this run's that match a pattern."""
    if "run-id" in given:
        assert given["github-token"]
        source = cloud.artifacts / str(given["run-id"]) / given["name"]
        shutil.copytree(source, workspace / given["path"], dirs_exist_ok=True)
        return {}
    for found in sorted((cloud.artifacts / str(run)).glob(given["pattern"])):
        target = workspace / given["path"]
        place = target if given.get("merge-multiple") else target / found.name
        shutil.copytree(found, place, dirs_exist_ok=True)
    return {}
