"""Real git repositories for tests, which know of no configuration but their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

_WHO = ("-c", "user.name=Tess", "-c", "user.email=tess@example.com")
_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "LC_ALL": "C"}


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree."""

    path: Path

    def git(self, *arguments: str, stdin: str = "") -> str:
        """What git says."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
        done = subprocess.run(
            ["git", *_WHO, *arguments],
            cwd=self.path,
            env={**kept, **_ALONE},
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        """Write texts, commit all that is there, and give the commit's id.

        A `__` in a name is a slash, a `_` before its last part a dot.
        """
        for name, text in files.items():
            stem, _, extension = name.replace("__", "/").rpartition("_")
            self.write(f"{stem}.{extension}", text)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", "a step")
        return self.git("rev-parse", "HEAD")

    def write(self, name: str, text: str) -> Path:
        """Write a text."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def photo(self, name: str, color: str = "teal") -> Path:
        """Write a picture of one colour."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (96, 64), color).save(path, "JPEG")
        return path

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Every file and folder, git's own too, with its size and the time of its last change."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            facts = path.lstat()
            found[str(path)] = (facts.st_size, facts.st_mtime_ns)
        return found


def a_repository(path: Path) -> Repository:
    """An empty repository whose branch is `main`."""
    path.mkdir(parents=True, exist_ok=True)
    made = Repository(path)
    made.git("init", "--quiet", "--initial-branch=main")
    return made


def instead_of_git(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, script: str
) -> None:
    """Put a git on PATH, in this folder, that runs a shell script for one of git's commands."""
    program = folder / "bin" / "git"
    program.parent.mkdir()
    real = shutil.which("git")
    text = f'case " $* " in *" {command} "*) {script};; esac\nexec {real} "$@"\n'
    program.write_text(f"#!/bin/sh\n{text}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
