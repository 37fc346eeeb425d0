"""What GitHub Actions is told: summary, outputs and annotations, through the real command."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.errors import ExitCode
from spark_batch.sandbox import Served
from tests.cli.conftest import RECIPE, Call, Folder

MIB = 1 << 20
Api = Callable[..., Served]


@dataclass(frozen=True)
class Runner:
    """The files that GitHub's runner gives to a step."""

    summary: Path
    outputs: Path

    def values(self) -> dict[str, str]:
        """The step's outputs, read as the runner reads them."""
        text = self.outputs.read_text(encoding="utf-8")
        found: dict[str, str] = {}
        while text:
            name, _, text = text.partition("<<")
            end, _, text = text.partition("\n")
            value, closing, text = text.partition(f"\n{end}\n")
            assert closing
            found[name] = value
        return found


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A step of a workflow whose workspace is the recipe's folder."""
    files = Runner(tmp_path / "summary.md", tmp_path / "outputs.txt")
    for path in (files.summary, files.outputs):
        path.touch()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(files.summary))
    monkeypatch.setenv("GITHUB_OUTPUT", str(files.outputs))
    return files


def annotations(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("::")]


@pytest.fixture
def api(server: Callable[..., Served], monkeypatch: pytest.MonkeyPatch) -> Api:
    """An API that does to each new request what a script says, and the key for it."""

    def make(*script: str | None, key: str = "k") -> Served:
        served = server(create=list(script), key=key)
        monkeypatch.setenv("SPARK_API_KEY", key)
        monkeypatch.setenv("SPARK_BASE_URL", served.url)
        return served

    return make


def test_a_run_that_succeeds(folder: Folder, call: Call, runner: Runner) -> None:
    """Values, and a summary without pictures: links in it would lead nowhere."""
    ended = call("run", folder.recipe, "--sandbox")
    assert runner.values() == {
        "jobs": "4",
        "done": "4",
        "failed": "0",
        "uncertain": "0",
        "cost": "0.12",
        "manifest": str(folder.previews / "tiny.manifest.csv"),
    }
    text = runner.summary.read_text(encoding="utf-8")
    assert text.startswith("# `tiny`\n")
    assert "<img" not in text
    assert annotations(ended.err) == []
    assert "::" not in ended.out


@pytest.mark.parametrize(
    "end",
    [
        (["create-code:003003002"], (), ExitCode.FAILED, ("3", "1", "0")),
        ([], ("--max-cost", "0.07"), ExitCode.OVER_BUDGET, ("2", "0", "0")),
        (["cut-after"], (), ExitCode.UNCERTAIN, ("3", "0", "1")),
        (["403"], (), ExitCode.REFUSED, ("0", "0", "0")),
    ],
)
def test_whatever_a_run_ends_with(
    folder: Folder,
    call: Call,
    runner: Runner,
    api: Api,
    end: tuple[list[str], tuple[str, ...], ExitCode, tuple[str, ...]],
) -> None:
    """The values of a run that failed are those that a later step needs most."""
    folder.edit("submit_rate: 100", "submit_rate: 100, concurrency: 1")
    script, options, code, expected = end
    api(*script)
    assert call("run", folder.recipe, *options).code == code
    values = runner.values()
    assert (values["done"], values["failed"], values["uncertain"]) == expected
    assert runner.summary.read_text().startswith("# `tiny`")


def test_the_values_of_several_recipes_are_their_sums(
    folder: Folder, call: Call, runner: Runner, api: Api
) -> None:
    """Those that fail count, whichever recipe is the last; one that cannot be run has none."""
    api("create-code:003003002", "create-code:003003002")
    paths = [folder.path / f"{name}.yaml" for name in ("tiny", "spoilt", "last")]
    for path in paths:
        path.write_text(folder.recipe.read_text().replace("tiny", path.stem))
    spoilt = folder.path / "out" / "spoilt" / ".spark-batch" / "spoilt.checkpoint"
    spoilt.parent.mkdir(parents=True)
    spoilt.write_bytes(b"spoilt" * 1000)
    call("run", *paths)
    assert runner.values() == {
        "jobs": "8",
        "done": "6",
        "failed": "2",
        "uncertain": "0",
        "cost": "0.18",
        "manifest": "\n".join(
            str(folder.path / "out" / name / f"{name}.manifest.csv") for name in ("tiny", "last")
        ),
    }


def test_failed_jobs_are_told_at_the_recipes_line(
    folder: Folder,
    call: Call,
    runner: Runner,
    api: Api,
) -> None:
    """On stderr: stdout carries the result. A retry that mends it tells nothing more."""
    api("create-code:003003002", "create-code:003003002")
    folder.edit("submit_rate: 100", "submit_rate: 100, concurrency: 1")
    ended = call("run", folder.recipe)
    (line,) = annotations(ended.err)
    place = "file=recipe.yaml,line=4,col=11"
    assert line.startswith(f"::error {place},title=spark-batch%3A 2 jobs failed::photo/beach-")
    assert f"%0Aspark-batch run {folder.recipe}" in line
    assert "::" not in ended.out
    assert annotations(call("retry", folder.recipe).err) == []


def test_annotations_are_for_github_alone(
    folder: Folder, call: Call, runner: Runner, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without GITHUB_ACTIONS=true a terminal is spared them."""
    monkeypatch.setenv("GITHUB_ACTIONS", "false")
    api("create-code:003003002")
    assert annotations(call("run", folder.recipe).err) == []
    assert runner.values()["failed"] == "1"


@pytest.mark.parametrize(
    "arguments", [["run", "--max-cost", "x"], ["run"], ["report"], ["resolve", "x"]]
)
def test_what_fails_early_tells_nothing(
    folder: Folder, call: Call, runner: Runner, arguments: list[str]
) -> None:
    """No key, nothing that was run, a wrong option: exit 2 and empty files."""
    command, *rest = arguments
    assert call(command, folder.recipe, *rest).code == ExitCode.WRONG
    assert (runner.summary.read_bytes(), runner.outputs.read_bytes()) == (b"", b"")


def test_rescue_resolve_and_report_tell_where_things_stand(
    folder: Folder,
    call: Call,
    runner: Runner,
    api: Api,
) -> None:
    """Each the newest; a rescue of nothing and a report without Markdown add no summary."""
    api("cut-after")
    folder.edit("submit_rate: 100", "submit_rate: 100, concurrency: 1")
    call("run", folder.recipe)
    assert runner.values()["uncertain"] == "1"
    job = call("status", folder.recipe).out.split("(job ")[1][:16]
    for arguments in (
        ["rescue", folder.recipe],
        ["resolve", folder.recipe, job, "--not-charged"],
        ["report", folder.recipe],
    ):
        runner.outputs.write_bytes(b"")
        runner.summary.write_bytes(b"")
        call(*arguments)
        assert runner.values()["uncertain"] == ("1" if arguments[0] == "rescue" else "0")
        assert bool(runner.summary.read_bytes()) == (arguments[0] != "rescue")
    runner.summary.write_bytes(b"")
    call("report", folder.recipe, "--format", "json")
    assert runner.summary.read_bytes() == b""


def test_a_summary_is_appended(folder: Folder, call: Call, runner: Runner) -> None:
    """What the step wrote before stays."""
    runner.summary.write_text("before\n")
    runner.outputs.write_text("other<<E\n1\nE\n")
    call("run", folder.recipe, "--sandbox")
    assert runner.summary.read_text().startswith("before\n# `tiny`")
    assert runner.values()["other"] == "1"


@pytest.mark.parametrize("left", [0, 10, 150, 200])
def test_a_summary_is_cut_at_what_github_takes(
    folder: Folder, call: Call, runner: Runner, left: int
) -> None:
    """One byte more, and GitHub would show none of it; the cut says so, at a line's end."""
    runner.summary.write_bytes(b"x" * (MIB - left - 1) + b"\n")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    added = runner.summary.read_bytes()[MIB - left :].decode()
    assert runner.summary.stat().st_size <= MIB
    assert ("summary is cut here" in added) == (left >= 150)
    if left >= 150:
        assert added.startswith("# `tiny`\n")
        assert re.search(r"\n\n… the summary is cut here.*\n\Z", added)


def test_pictures_in_a_summary_need_an_address(
    folder: Folder, call: Call, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the output folder is served; anything else is no address, which is said."""
    monkeypatch.setenv("SPARK_BATCH_PICTURES_URL", "https://cdn.example/out")
    call("run", folder.recipe, "--sandbox")
    text = runner.summary.read_text()
    assert text.count('<img src="https://cdn.example/out/photo/') == 4
    runner.summary.write_text("")
    monkeypatch.setenv("SPARK_BATCH_PICTURES_URL", "javascript:alert(1)")
    ended = call("report", folder.recipe, "--sandbox")
    assert "SPARK_BATCH_PICTURES_URL is not an http or https address" in ended.err
    assert "<img" not in runner.summary.read_text()


@pytest.mark.parametrize("name", ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"])
def test_a_file_that_cannot_be_written_is_told(
    folder: Folder, call: Call, runner: Runner, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Exit 1 when all else went well; the result is on stdout, and the other file is written."""
    monkeypatch.setenv(name, str(folder.path / "nowhere" / "file"))
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.FAILED
    assert ended.out.startswith("4 jobs done")
    assert "cannot write GitHub's file" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err
    assert runner.summary.stat().st_size + runner.outputs.stat().st_size > 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in the file system are POSIX")
@pytest.mark.parametrize("name", ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"])
def test_a_pipe_that_nobody_reads_is_told(
    folder: Folder, call: Call, runner: Runner, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The run ends, as with any other file that cannot be written."""
    pipe = folder.path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv(name, str(pipe))
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.FAILED
    assert ended.err.splitlines()[-1].startswith(f"spark-batch: cannot write GitHub's file {pipe}:")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes in the file system are POSIX")
@pytest.mark.parametrize("name", ["GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT"])
def test_a_pipe_that_is_read_gets_it(
    folder: Folder, call: Call, runner: Runner, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As with `/dev/stdout` for a file, to look at it."""
    pipe = folder.path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setenv(name, str(pipe))
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    ended = call("run", folder.recipe, "--sandbox")
    written = os.read(reader, 1 << 16).decode()
    os.close(reader)
    assert ended.code == ExitCode.DONE, ended.err
    assert "0.12" in written


def test_a_folder_with_a_line_end_in_its_name_sets_no_other_value(
    tmp_path: Path, call: Call, runner: Runner
) -> None:
    """The delimiter is random: no text can end its value and begin another one."""
    place = tmp_path / "a\nEOF\nfailed<<EOF\n7\nEOF"
    place.mkdir()
    (place / "recipe.yaml").write_text(RECIPE.replace("photo.jpg", "../photo.jpg"))
    Image.new("RGB", (96, 64), (200, 120, 40)).save(tmp_path / "photo.jpg", "JPEG")
    assert call("run", place / "recipe.yaml", "--sandbox").code == ExitCode.DONE
    values = runner.values()
    assert list(values) == ["jobs", "done", "failed", "uncertain", "cost", "manifest"]
    assert values["failed"] == "0"
    assert values["manifest"].endswith("out/tiny/sandbox/tiny.manifest.csv")
    before = runner.outputs.read_text()
    call("report", place / "recipe.yaml", "--sandbox")
    first, second = (
        before.splitlines()[0],
        runner.outputs.read_text()[len(before) :].splitlines()[0],
    )
    assert first.startswith("jobs<<")
    assert first != second


def test_the_key_is_in_none_of_it(
    folder: Folder,
    call: Call,
    runner: Runner,
    api: Api,
) -> None:
    """Neither in what GitHub is given nor in a report, also of jobs that failed."""
    canary = "sk-canary-0123456789-never-show-me"
    api("create-code:003003002", "cut-after", key=canary)
    ended = call("run", folder.recipe)
    assert runner.values()["failed"] == "1"
    written = [p.read_bytes() for p in folder.path.rglob("*") if p.is_file()]
    assert len(written) > 8
    assert not any(canary.encode() in content for content in written)
    assert canary not in ended.out + ended.err


@pytest.mark.parametrize("empty", ["", " "])
def test_empty_variables_are_none(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, empty: str
) -> None:
    """A run outside GitHub whose starter sets them all the same."""
    for name in ("ACTIONS", "WORKSPACE", "STEP_SUMMARY", "OUTPUT"):
        monkeypatch.setenv(f"GITHUB_{name}", empty)
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.DONE
    assert "GitHub" not in ended.err


def test_a_folder_that_is_not_utf_8(
    tmp_path: Path, call: Call, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub's files and the reports are UTF-8 all the same."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system takes no such name")
    Image.new("RGB", (96, 64), (200, 120, 40)).save(folder / "photo.jpg", "JPEG")
    (folder / "recipe.yaml").write_text(RECIPE)
    monkeypatch.chdir(folder)
    assert call("run", "recipe.yaml", "--sandbox").code == ExitCode.DONE
    assert "caf\\udce9" in runner.values()["manifest"]
    runner.summary.read_text(encoding="utf-8")
