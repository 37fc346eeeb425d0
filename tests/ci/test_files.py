"""The files that others' CI reads are what their readers take."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
