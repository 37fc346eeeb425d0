"""What outlives a machine, and what GitHub's own actions do with it, in folders on this disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


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


def use(
    cloud: Cloud, workspace: Path, step: Mapping[str, Any], contexts: Mapping[str, Any]
) -> dict[str, Any]:
    """What one of GitHub's own actions does, with folders; gives its outputs."""
    name, _, version = step["uses"].partition("@")
    assert version.startswith("v")
    given = step.get("with", {})
    if name == "actions/checkout":
        return _checkout(
            cloud, workspace, contexts["github"]["sha"], deep=given.get("fetch-depth") == 0
        )
    if name == "actions/setup-python":
        return {}
    if name == "actions/cache/restore":
        return _restore(cloud, workspace, given)
    if name == "actions/cache/save":
        if (workspace / given["path"]).exists():  # GitHub warns of a path that is not there
            shutil.copytree(workspace / given["path"], cloud.caches / given["key"])
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


def _restore(cloud: Cloud, workspace: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    prefix = given["restore-keys"].strip()
    # Not the time of the last change, which a copy takes along.
    known = sorted(cloud.caches.glob("*"), key=lambda path: path.stat().st_ctime_ns)
    found = [path for path in known if path.name == given["key"] or path.name.startswith(prefix)]
    if not found:
        return {"cache-matched-key": ""}
    shutil.copytree(found[-1], workspace / given["path"], dirs_exist_ok=True)
    return {"cache-matched-key": found[-1].name}


def _upload(cloud: Cloud, workspace: Path, given: Mapping[str, Any], run: int) -> dict[str, Any]:
    """The content of the folder, hidden files only when that is asked for."""
    source = workspace / given["path"]
    target = cloud.artifacts / str(run) / given["name"]
    if not source.exists():
        return {}
    if given.get("overwrite"):
        shutil.rmtree(target, ignore_errors=True)
    hidden = None if given.get("include-hidden-files") else shutil.ignore_patterns(".*")
    shutil.copytree(source, target, ignore=hidden)
    return {}


def _download(cloud: Cloud, workspace: Path, given: Mapping[str, Any], run: int) -> dict[str, Any]:
    for found in sorted((cloud.artifacts / str(run)).glob(given["pattern"])):
        target = workspace / given["path"]
        place = target if given.get("merge-multiple") else target / found.name
        shutil.copytree(found, place, dirs_exist_ok=True)
    return {}
