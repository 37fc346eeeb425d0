"""`spark-batch sandbox` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from spark_batch.cli.sandbox import command
from spark_batch.errors import RecipeError, UsageError
from spark_batch.sandbox import Ledger, Settings, serve
from spark_batch.sandbox.faults import listing
from tests.makers import MODEL

ROOT = Path(__file__).parents[2]
OWN = {
    "$defs": {
        "model": {"const": "mine_1"},
        "params": {
            "properties": {
                "prompt": {"type": "string"},
                "picture": {"type": "string", "x-picture": "url"},
                "style": {"type": "string", "enum": ["ink"]},
            }
        },
    }
}
RUN = "from spark_batch.cli.sandbox import command; command()"


# A signal at each line in turn that Python runs while the command waits for one.
AT_EACH_LINE = """
import signal, sys
from spark_batch.cli import stopping

stopping.TICK = 0.001

def at(line):
    def trace(frame, event, _):
        nonlocal line
        line -= event == "line"
        if event == "line" and line == 0:
            signal.raise_signal(signal.SIGTERM)
        return trace if frame.f_code.co_name != "stop" else None
    return trace

for line in range(1, 40):
    with stopping.until_stopped() as stopped:
        sys.settrace(at(line))
        stopping.wait(stopped)
        sys.settrace(None)
"""


@contextmanager
def running(*options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The command as a process, and the three lines that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", RUN, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    with process:
        try:
            assert process.stdout
            yield process, [process.stdout.readline().strip() for _ in range(3)]
        finally:
            process.kill()


def create(url: str, key: str, *, model: str = MODEL.name, **params: object) -> str:
    params = params or {"prompt": "x", "image_urls": ["https://pictures.example/a.jpg"]}
    request = urllib.request.Request(
        f"{url}/model/v1/generation",
        data=json.dumps({"model": model, "input": [{"params": params}]}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return str(json.load(answer)["id"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serves_until_stopped(tmp_path: Path, number: signal.Signals) -> None:
    """It says where it is and how to use it, serves, and ends with 0 and in silence when told."""
    with running("--dir", str(tmp_path), "--key-env", "MINE", MINE="k1") as (process, lines):
        url = lines[0].split()[2]
        assert lines == [
            f"sandbox at {url} (ledger {tmp_path / 'ledger.jsonl'})",
            f"export SPARK_BASE_URL={url}",
            "export SPARK_API_KEY=$MINE",
        ]
        assert create(url, "k1")
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_model_of_the_user_s_own_is_served(tmp_path: Path) -> None:
    """Beside the shipped ones, by the rules of its file."""
    own = tmp_path / "mine.schema.json"
    own.write_text(json.dumps(OWN))
    with running("--dir", str(tmp_path / "state"), "--model", str(own)) as (_, lines):
        url = lines[0].split()[2]
        params = {"prompt": "Beach", "picture": "https://example.com/a.png", "style": "ink"}
        assert create(url, "any", model="mine_1", **params)
        assert create(url, "any")
        with pytest.raises(urllib.error.HTTPError):
            create(url, "any", model="mine_1", **{**params, "style": "oil"})
    with pytest.raises(UsageError, match="the model 'mine_1' is given twice"):
        command.main(["--model", str(own), "--model", str(own)], standalone_mode=False)
    broken = OWN["$defs"] | {"model": {}}
    own.write_text(json.dumps({"$defs": broken}))
    with pytest.raises(RecipeError) as found:
        command.main(["--model", str(own)], standalone_mode=False)
    assert "missing key 'const'" in found.value.diagnostics[0].message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
def test_a_signal_at_any_moment_stops_it() -> None:
    """A handler that takes a lock which the waiting thread holds would make it deaf for ever."""
    subprocess.run([sys.executable, "-c", AT_EACH_LINE], cwd=ROOT, check=True, timeout=30)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_and_started_again(tmp_path: Path) -> None:
    """What it accepted before it was killed is known after it is started again."""
    with running("--dir", str(tmp_path)) as (process, lines):
        assert lines[2] == "export SPARK_API_KEY=sandbox"
        made = [create(lines[0].split()[2], "any") for _ in range(5)]
        process.kill()
    assert [entry.id for entry in Ledger(tmp_path / "ledger.jsonl").accepted()] == made


@pytest.mark.parametrize(
    "options",
    [
        ["--price", "free"],
        ["--price", "-1"],
        ["--task-seconds", "5:1"],
        ["--task-seconds", "soon"],
        ["--fault", "boom=0.1"],
        ["--fault", "429"],
        ["--fault", "429=first:none"],
        ["--script", "missing.yaml"],
        ["--key-env", "NOT_SET_ANYWHERE"],
        ["--model", "missing.json"],
    ],
)
def test_wrong_options(tmp_path: Path, options: list[str]) -> None:
    """A wrong option is a usage error of one line, and nothing is served."""
    with pytest.raises((UsageError, click.BadParameter)) as told:
        command.main(["--dir", str(tmp_path / "state"), *options], standalone_mode=False)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "state").exists()


def test_faults_are_listed() -> None:
    """`--list-faults` prints every fault and serves nothing."""
    done = CliRunner().invoke(command, ["--list-faults"])
    assert (done.exit_code, done.output) == (0, listing() + "\n")


def test_extra_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message installs what the extra does, by the extra's own requirements."""
    for name in [each for each in sys.modules if each.partition(".")[0] == "uvicorn"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("app", "answers", "deliveries", "wire"):
        monkeypatch.delitem(sys.modules, f"spark_batch.sandbox.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with (
        pytest.raises(UsageError) as told,
        serve(Settings(folder=tmp_path)),
    ):
        pass
    python, _, packages = str(told.value).partition(" -m pip install ")
    assert python.endswith(f": {sys.executable}")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (extra,) = re.findall(r"^sandbox = \[(.*)\]$", project, re.MULTILINE)
    assert packages.split() == re.findall(r'"([\w.-]+)>=', extra)


def test_import_is_light() -> None:
    """Importing the sandbox loads neither the web server nor the schema library nor Pillow."""
    heavy = "{'starlette', 'uvicorn', 'jsonschema', 'PIL', 'yaml'}"
    code = f"import sys, spark_batch.sandbox; sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr.strip() == ""
