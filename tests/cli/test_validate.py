"""`validate` as a command: what goes to which stream, and what it exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from spark_batch.cli.validate import command

BASE = "version: 1\nname: x\ninputs: [a.jpg]\nprompts: [Make it red]\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one right recipe, one with a warning and one with an error."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (1600, 1600)).save(tmp_path / "a.jpg", quality=5)
    (tmp_path / "good.yaml").write_text(BASE + "variants: {seed: [1, 2]}\n")
    (tmp_path / "warned.yaml").write_text(BASE + "variants: {seed: 0}\n")
    (tmp_path / "bad.yaml").write_text(BASE + "promts: []\n")
    return tmp_path


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, catch_exceptions=False)


def test_a_good_recipe(folder: Path) -> None:
    """A right recipe is one line on stdout, and exit code 0."""
    result = _run("good.yaml")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "good.yaml: 2 jobs\n", "")


def test_warnings_change_nothing(folder: Path) -> None:
    """A warning is told on stderr and counted on stdout; the exit code stays 0."""
    result = _run("warned.yaml")
    assert result.exit_code == 0
    assert result.stdout == "warned.yaml: 1 job, 1 warning\n"
    assert "warned.yaml:5:18: warning: variants.seed: 0 is unusual" in result.stderr


def test_all_recipes_are_judged(folder: Path) -> None:
    """An error in one recipe does not keep the others from being judged."""
    result = _run("bad.yaml", "missing.yaml", ".", "good.yaml")
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "bad.yaml: 1 error",
        "missing.yaml: 1 error",
        ".: 1 error",
        "good.yaml: 2 jobs",
    ]
    assert "bad.yaml:5:1: error: unknown key 'promts'; did you mean 'prompts'?" in result.stderr
    assert "missing.yaml:1:1: error: no such file" in result.stderr


@pytest.mark.parametrize("typed", ["good.yml", "good", "god.yaml"])
def test_a_mistyped_file(folder: Path, typed: str) -> None:
    """The one beside it with a similar name is suggested."""
    result = _run(typed)
    assert f"{typed}:1:1: error: no such file; did you mean 'good.yaml'?" in result.stderr


def test_json(folder: Path) -> None:
    """As JSON, all of it is one document on stdout."""
    result = _run("--format", "json", "bad.yaml", "warned.yaml")
    assert result.exit_code == 2
    assert result.stderr == ""
    bad, warned = json.loads(result.stdout)["recipes"]
    assert (bad["file"], bad["valid"], bad["jobs"]) == ("bad.yaml", False, None)
    assert [each["code"] for each in bad["errors"]] == ["unknown-key"]
    assert (warned["valid"], warned["jobs"]) == (True, 1)
    assert [each["code"] for each in warned["warnings"]] == ["seed-unusual"]


def test_github(folder: Path) -> None:
    """For GitHub, each diagnostic is a workflow command on stdout."""
    result = _run("--format", "github", "bad.yaml", "warned.yaml")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("::error file=bad.yaml,line=5,col=1,title=spark-batch unknown-key::")
    assert lines[2].startswith("::warning file=warned.yaml,line=5,col=18,")


def test_no_recipe() -> None:
    """Without a recipe the command line is wrong."""
    assert _run().exit_code == 2


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_strict_makes_errors_of_warnings(folder: Path, form: str) -> None:
    """In every format; a recipe without warnings is as right as before."""
    result = _run("warned.yaml", "good.yaml", "--strict", "--format", form)
    assert result.exit_code == 2
    told = result.stdout + result.stderr
    assert {
        "text": "recommends seeds from 1 to 2147483647 [seed-unusual]\n",
        "json": '"severity": "error"',
        "github": "::error file=warned.yaml,line=5,col=18",
    }[form] in told
    assert _run("good.yaml", "--strict").exit_code == 0


def test_a_warning_shows_the_code_that_silences_it(folder: Path) -> None:
    """So that nobody has to look it up."""
    assert " [seed-unusual]\n" in _run("warned.yaml").stderr


def test_pictures_of_spark_batch_are_left_out_with_a_note(folder: Path) -> None:
    """A note in each form, and no error with --strict: it is so after every run."""
    Path("globbed.yaml").write_text(BASE.replace("[a.jpg]", "['**/*.jpg']"))
    picture = folder / "out" / "x" / "a.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes((folder / "a.jpg").read_bytes())
    said = (
        "1 of 2 matches of '**/*.jpg' left out: pictures that spark-batch made, in the output"
        " folder 'out/x'"
    )
    result = _run("globbed.yaml", "--strict")
    assert (result.exit_code, result.stdout) == (0, "globbed.yaml: 1 job\n")
    assert f"globbed.yaml:3:10: note: inputs[0]: {said}" in result.stderr
    (found,) = json.loads(_run("globbed.yaml", "--format", "json").stdout)["recipes"][0]["notes"]
    assert (found["severity"], said in found["message"]) == ("note", True)
    assert "::notice file=globbed.yaml,line=3" in _run("globbed.yaml", "--format", "github").stdout
