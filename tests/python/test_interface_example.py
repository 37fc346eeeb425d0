"""The Python interface: the examples of its documents run as they stand."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path

import pytest

import spark_batch

ROOT = Path(__file__).parents[2]
FENCED = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def of_the_docstring() -> str:
    """The lines that are indented."""
    lines = (spark_batch.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ")))


def of_the_documents() -> list[str]:
    """The Python in recipes/README.md and in README.md."""
    names = ("recipes/README.md", "README.md")
    return [text for name in names for text in FENCED.findall((ROOT / name).read_text("utf-8"))]


@pytest.mark.parametrize("example", [of_the_docstring(), *of_the_documents()])
def test_an_example_runs(
    example: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a copy of the recipes, against the sandbox; a line for each job is printed."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(example, found)
    result = found["result"]
    assert isinstance(result, spark_batch.RunResult)
    assert result.ok
    assert result.sandbox
    printed = capsys.readouterr().out.splitlines()
    assert printed == [f"{job.output} {job.cost} done" for job in result.jobs]
