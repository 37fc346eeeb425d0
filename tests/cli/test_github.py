"""The workflow that comments on pull requests, with real shell, curl and jq, and a small server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import ROOT, Folder
from tests.repositories import a_repository

WORKFLOW = ROOT / "recipes" / "ci" / "github-comment.yml"
BOT = "github-actions[bot]"


@dataclass
class Forge:
    """The comments of one pull request, as GitHub's API gives and takes them."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    seen: list[tuple[str, str | None]] = field(default_factory=list)

    def add(self, login: str, body: str) -> dict[str, Any]:
        """A further comment."""
        url = f"{self.url}/comments/{len(self.comments)}"
        made = {"url": url, "html_url": url, "body": body, "user": {"login": login}}
        self.comments.append(made)
        return made


@pytest.fixture
def forge() -> Iterator[Forge]:
    """A server on this machine."""
    found = Forge()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self, answer: Any) -> None:
            found.seen.append((self.command, self.headers["Authorization"]))
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _body(self) -> str:
            length = int(self.headers["Content-Length"])
            return str(json.loads(self.rfile.read(length))["body"])

        def do_GET(self) -> None:
            self._answer(found.comments)

        def do_POST(self) -> None:
            self._answer(found.add(BOT, self._body()))

        def do_PATCH(self) -> None:
            comment = found.comments[int(self.path.rsplit("/", 1)[1])]
            comment["body"] = self._body()
            self._answer(comment)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def test_github_would_take_it() -> None:
    """Judged by the schema for workflows."""
    judge = ["-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run(
        [sys.executable, *judge, str(WORKFLOW)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")), reason="there is no curl, or no jq"
)
def test_each_push_writes_over_the_last_comment(
    tmp_path: Path, folder: Folder, forge: Forge
) -> None:
    """One comment of ours, always the newest; one of somebody else's with our marker stays."""
    repo = a_repository(folder.path)
    repo.write(".gitignore", "out/\n")
    repo.git("update-ref", "refs/remotes/origin/main", repo.commit())
    forge.add("mallory", "<!-- spark-batch plan against: tiny -->\nmine")
    for words in ("Fog", "Hail"):
        text = folder.recipe.read_text()
        folder.recipe.write_text(text.replace("Snow", words).replace("Fog", words))
        _push(tmp_path / "bin", folder, forge)
    mine, ours = (each["body"] for each in forge.comments)
    assert mine.endswith("mine")
    assert ours.startswith("<!-- spark-batch plan against: tiny -->\n### `tiny` against")
    assert ("| `hail` |" in ours, "fog" in ours) == (True, False)
    assert [method for method, _ in forge.seen] == ["GET", "POST", "GET", "PATCH"]
    assert {key for _, key in forge.seen} == {"Bearer ghs_1"}


def _push(programs: Path, folder: Folder, forge: Forge) -> None:
    """The steps that are shell, as GitHub's runner calls them."""
    programs.mkdir(exist_ok=True)
    command = programs / "spark-batch"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m spark_batch "$@"\n')
    command.chmod(0o755)
    (job,) = yaml.safe_load(WORKFLOW.read_text())["jobs"].values()
    environment = {
        **job["env"],
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(programs),
        "GITHUB_BASE_REF": "main",
        "GITHUB_TOKEN": "ghs_1",
        "COMMENTS": f"{forge.url}/comments",
    }
    for step in job["steps"]:
        if "run" in step and step["name"] != "install":
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            subprocess.run(shell, cwd=folder.path, env=environment, check=True, timeout=120)
