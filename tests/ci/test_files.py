"""The files that others' CI reads are what their readers take."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (".github/workflows/pictures.yml", "github-workflows"),
        (".github/actions/spark-batch/action.yml", "github-actions"),
        ("spark_batch/starter/pictures.yml", "github-workflows"),
    ],
)
def test_the_schema_of_its_reader_takes_it(file: str, kind: str) -> None:
    """Judged by the published schema of each kind, which check-jsonschema carries."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}"]
    ended = subprocess.run(
        [*command, str(ROOT / file)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_readme_calls_the_workflow_as_it_is(tmp_path: Path) -> None:
    """Its lines are a workflow, and what they hand over is declared there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = [
        each for each in re.findall(r"```yaml\n(.*?)```", text, re.S) if "uses: OWNER" in each
    ]
    assert len(block.splitlines()) <= 10
    (tmp_path / "caller.yml").write_text(block)
    test_the_schema_of_its_reader_takes_it(str(tmp_path / "caller.yml"), "github-workflows")
    call = yaml.safe_load(block)["jobs"]["pictures"]
    declared = yaml.safe_load((ROOT / ".github/workflows/pictures.yml").read_text())[True]
    assert call["uses"] == "OWNER/spark-batch/.github/workflows/pictures.yml@COMMIT"
    inputs = declared["workflow_call"]["inputs"]
    required = {name for name, given in inputs.items() if given.get("required")}
    assert required <= set(call["with"]) <= set(inputs)
    assert set(call["secrets"]) == set(declared["workflow_call"]["secrets"])
