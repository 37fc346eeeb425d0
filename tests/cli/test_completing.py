"""Shell completion: of recipes, jobs, axes and values; silent and in time whatever goes wrong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from spark_batch.cli import cli, completing
from tests.cli.conftest import ROOT, Call, Folder

Complete = Callable[..., list[str]]


@pytest.fixture
def complete(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """Complete the last word as bash asks; the recipe's folder is the current one."""
    monkeypatch.chdir(folder.path)
    monkeypatch.setattr(completing, "_SECONDS", 60)  # no test depends on the machine's speed

    def run(*words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", "\n".join(("spark-batch", *words)))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        asked = completing._Bash(cli, {}, "spark-batch", completing.VARIABLE)
        return asked.complete().splitlines()

    return run


def test_recipes_are_the_files_that_are_recipes(folder: Folder, complete: Complete) -> None:
    """Here and one folder below; where there are none, the shell offers its files."""
    below = folder.path / "recipes"
    below.mkdir()
    (below / "other.yml").write_text(folder.recipe.read_text())
    (folder.path / "compose.yaml").write_text("services: {}\n")
    (folder.path / ".hidden").mkdir()
    (folder.path / ".hidden" / "a.yaml").write_text(folder.recipe.read_text())
    os.mkfifo(folder.path / "pipe.yaml")
    for words in (("run", ""), ("plan", ""), ("run", "recipe.yaml", "")):
        assert complete(*words) == ["plain,recipe.yaml", "plain,recipes/other.yml"]
    assert complete("why", "recipes/") == ["plain,recipes/other.yml"]
    assert f"plain,../{folder.path.name}/recipe.yaml" in complete("why", "../")
    assert complete("run", "compose") == ["file,compose"]
    assert complete("run", "no/such/") == ["file,no/such/"]


def test_axes_and_values_of_a_selection(folder: Folder, complete: Complete) -> None:
    """Also with `=` and `:` as words of their own, as bash has them, and after `,` and `|`."""
    folder.edit("Snow", '{text: "A ${sky} sky", vars: {sky: [red, blue]}}')
    only = ("plan", "recipe.yaml", "--only")
    offered = complete(*only, "")
    assert {"plain,input=", "plain,prompt=", "plain,sky=", "plain,status="} <= set(offered)
    assert complete(*only, "inp") == ["plain,input=photo"]
    assert complete(*only, "sky", "=", "r") == ["plain,red"]
    assert complete(*only, "sky", "=") == ["plain,red", "plain,blue"]
    assert complete(*only, "prompt=beach,sc") == [
        "plain,prompt=beach,scale=0.4",
        "plain,prompt=beach,scale=0.7",
    ]
    assert complete(*only, "sky=red|b") == ["plain,sky=red|blue"]
    assert complete(*only, "status", "=", "un") == ["plain,uncertain"]
    assert complete(*only, "sky!", "=", "bl") == ["plain,blue"]
    assert complete("plan", "recipe.yaml", "--by", "prompt,sk") == ["plain,prompt,sky"]
    assert complete("plan", "--only", "inp") == []


def test_jobs_are_those_of_the_checkpoint(folder: Folder, call: Call, complete: Complete) -> None:
    """By name and by key; of previews, with --sandbox."""
    assert complete("why", "recipe.yaml", "ph") == ["file,ph"]
    call("run", folder.recipe, "--sandbox")
    for command in ("why", "resolve"):
        offered = complete(command, "recipe.yaml", "--sandbox", "photo/beach")
        assert [name[:24] for name in offered] == ["plain,photo/beach-512x51"] * 2
    keys = [name for name in complete("why", "recipe.yaml", "--sandbox", "") if "/" not in name]
    assert len(keys) == 4
    assert complete("why", "recipe.yaml", "--sandbox", keys[0][6:12]) == [keys[0]]


def test_a_broken_recipe_is_completed_from_its_checkpoint(
    folder: Folder, call: Call, complete: Complete
) -> None:
    """And without one, with what every recipe has."""
    call("run", folder.recipe, "--sandbox")
    folder.edit("prompts:", "promts:")
    only = ("--only", "prompt", "=")
    assert complete("status", "recipe.yaml", "--sandbox", *only) == ["plain,beach", "plain,snow"]
    assert complete("status", "recipe.yaml", *only) == []
    assert "plain,done" in complete("status", "recipe.yaml", "--only", "status", "=")


def test_a_value_that_a_shell_would_read_is_not_offered(folder: Folder, complete: Complete) -> None:
    """It comes from a recipe of anybody's."""
    values = "['$(touch pwned)', 'a b', '`x`', plain, '*']"
    folder.edit("Snow", f'{{text: "A ${{sky}} sky", vars: {{sky: {values}}}}}')
    assert complete("plan", "recipe.yaml", "--only", "sky", "=") == ["plain,plain"]


def test_what_takes_long_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found until then is offered."""
    monkeypatch.setattr(completing, "_SECONDS", 0.05)
    stopped = threading.Event()
    found: dict[str, None] = {}

    def endless() -> None:
        found["first"] = None
        stopped.wait(60)
        found["second"] = None

    completing._in_time(endless)
    assert list(found) == ["first"]
    stopped.set()


def _environment(**further: str) -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    return {"PATH": path, "HOME": os.environ["HOME"], "PYTHONPATH": str(ROOT), **further}


@pytest.mark.parametrize(
    "words",
    [
        ("run", "recipe.yaml", "--only", ""),
        ("why", "recipe.yaml", ""),
        ("nope", ""),
        ("run", "recipe.yaml", "--shard", "x", "--only", "inp"),
        ("run", "\ufffd\x1b", "--only", ""),
        ("run", "'unclosed"),
    ],
)
@pytest.mark.parametrize("content", [b"version: [", b"\xff\xfe\x00", b"- " * 5000, None])
def test_nothing_goes_wrong_loudly(
    content: bytes | None, words: tuple[str, ...], folder: Folder
) -> None:
    """A broken recipe, a missing one, a command that is none: no message, and no traceback."""
    folder.recipe.unlink()
    if content is not None:
        folder.recipe.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-m", "spark_batch"],
        cwd=folder.path,
        env=_environment(
            **{completing.VARIABLE: "bash_complete"},
            COMP_WORDS="\n".join(("spark-batch", *words)),
            COMP_CWORD=str(len(words)),
        ),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == b""
    assert b"Traceback" not in done.stdout
    assert not (folder.path / "out").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.skipif(
    not (Path(sys.executable).parent / "spark-batch").exists(), reason="it is not installed"
)
def test_bash_completes(folder: Folder) -> None:
    """The line of the README, in a real bash: its array of words and its function."""
    script = """
    eval "$(_SPARK_BATCH_COMPLETE=bash_source spark-batch)"
    COMP_WORDS=(spark-batch plan recipe.yaml --only prompt = s)
    COMP_CWORD=6
    _spark_batch_completion spark-batch
    printf '%s\\n' "${COMPREPLY[@]}"
    complete -p spark-batch
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=folder.path,
        env=_environment(),
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "snow"
    assert "_spark_batch_completion" in done.stdout.splitlines()[1]


def test_words_of_our_own(complete: Complete) -> None:
    """What `explain` and `schema` know, and formats, of which there may be several."""
    assert complete("explain", "expi") == ["plain,expired"]
    assert complete("explain", "size-s") == ["plain,size-small"]
    assert complete("schema", "plan") == ["plain,plan", "plain,planfile"]
    assert complete("report", "tiny.yaml", "--format", "csv,ju") == ["plain,csv,junit"]


def test_every_recipe_of_a_command_is_completed() -> None:
    """No command has a recipe, a job or a selection that a shell cannot complete."""
    context = click.Context(cli)
    asked = {"recipe_path", "recipe_paths", "job", "only", "by", "formats", "code"}
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        for parameter in command.params:
            if parameter.name in asked:
                assert parameter._custom_shell_complete is not None, (name, parameter.name)
