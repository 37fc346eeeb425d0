"""The Python interface: the example of its docstring runs as it stands."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

import pytest

import spark_batch

ROOT = Path(__file__).parents[2]


def test_the_example_of_the_docstring_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a copy of the recipes, against the sandbox; a line for each job is printed."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    _, _, example = (spark_batch.__doc__ or "").partition(":\n\n")
    lines = [line for line in example.splitlines() if line.startswith("    ")]
    found: dict[str, object] = {}
    exec(textwrap.dedent("\n".join(lines)), found)
    result = found["result"]
    assert isinstance(result, spark_batch.RunResult)
    assert result.ok
    assert capsys.readouterr().out.splitlines() == [
        f"{job.output} 0.03 done" for job in result.jobs
    ]
