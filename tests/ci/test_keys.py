"""The key is in the environment of the steps that send or fetch, and of no other."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from spark_batch import cli
from tests.ci.conftest import ROOT
from tests.ci.expressions import fill

KEY = "SPARK_API_KEY"
CANARY = "sk-canary-9f2b"
ACTION = ROOT / ".github" / "actions" / "spark-batch" / "action.yml"
PIPELINE = ROOT / "recipes" / "ci" / "gitlab-ci.yml"
WORKFLOWS = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (".github/workflows/pictures.yml", "spark_batch/starter/pictures.yml")
}
_MENTIONS = re.compile(rf"{KEY}|api-key|\bsecrets\s*\[|toJSON\(\s*secrets", re.IGNORECASE)
_SENDS = re.compile(r"\bspark-batch\s+(?:run|retry|rescue)\b|\bspark-batch\s+plan\b.*\s--quote\b")
_INSTALLS = re.compile(r"\bpipx?\b|\buvx?\b")


def key_faults(workflow: Mapping[Any, Any]) -> Iterator[str]:
    """Say where a workflow gives the key to what needs none, or keeps it from what needs it."""
    if _mentions(workflow.get("env")):
        yield "the workflow's env has the key"
    for name, job in workflow["jobs"].items():
        if _mentions({part: job[part] for part in job if part not in ("steps", "secrets")}):
            yield f"{name}: the job has the key"
        if job.get("secrets") == "inherit":
            yield f"{name}: every secret is handed over"
        for number, step in enumerate(job.get("steps", [])):
            yield from (f"{name}[{number}]: {fault}" for fault in _step_faults(step))


def _step_faults(step: Mapping[str, Any]) -> Iterator[str]:
    script, has_key = step.get("run", ""), _mentions(step.get("env"))
    sends = _SENDS.search(script) is not None
    if _mentions({part: step[part] for part in step if part != "env"}):
        yield "the key is outside the environment"
    if has_key and not sends:
        yield "has the key and neither sends nor fetches"
    if sends and not has_key:
        yield "sends or fetches without the key"
    if has_key and _INSTALLS.search(script):
        yield "installs with the key"


def _mentions(value: object) -> bool:
    return _MENTIONS.search(str(value)) is not None


def test_the_commands_that_take_a_key_are_those_that_send_or_fetch() -> None:
    """What the other tests of this file call sending is what the command line calls so."""
    assert _commands_with_key() == {"run", "retry", "rescue", "plan"}


def _commands_with_key() -> set[str]:
    commands = {name: import_module(f"spark_batch.cli.{name}").command for name in cli.COMMANDS}
    return {
        name
        for name, command in commands.items()
        if any("--env-file" in option.opts for option in command.params)
    }


@pytest.mark.parametrize("name", WORKFLOWS)
def test_only_steps_that_send_or_fetch_have_the_key(name: str) -> None:
    """Neither the workflow nor a job has it, nor pip, a plan or a merge."""
    assert list(key_faults(yaml.safe_load(WORKFLOWS[name]))) == []


def test_the_readme_hands_the_key_to_the_same_steps() -> None:
    """Its workflow, and its steps by hand."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    steps = [block for block in blocks if isinstance(block, list)]
    assert steps
    for block in steps:
        assert list(key_faults({"jobs": {"make": {"steps": block}}})) == []


_SECRET = "${{ secrets.SPARK_API_KEY }}"
_AT_STEP = f"        env:\n          {KEY}: {_SECRET}\n"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("\njobs:\n", f"\n  {KEY}: {_SECRET}\njobs:\n", "the workflow's env has the key"),
        ("    steps:\n", f"    env:\n      {KEY}: {_SECRET}\n    steps:\n", "the job has the key"),
        ("      - name: install\n", f"      - name: install\n{_AT_STEP}", "installs with the key"),
        ("      - name: validate\n", f"      - name: validate\n{_AT_STEP}", "neither sends nor"),
        (_AT_STEP, "", "sends or fetches without the key"),
        ("run: spark-batch run", f"run: {KEY}={_SECRET} spark-batch run", "outside the environ"),
        (
            "        run: spark-batch run",
            "        run: pip install a && spark-batch run",
            "installs",
        ),
        ("--markdown", "--quote --markdown", "sends or fetches without the key"),
    ],
)
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_planted_fault_is_found(name: str, old: str, new: str, fault: str) -> None:
    """Each way in which the key could get to where it does not belong, or not to where it does."""
    text = WORKFLOWS[name]
    if old == "\njobs:\n":  # the mapping `env` ends right before it
        text = re.sub(r"\n+jobs:\n", "\njobs:\n", text)
    assert old in text
    found = list(key_faults(yaml.safe_load(text.replace(old, new, 1))))
    assert any(fault in each for each in found), found


@pytest.mark.parametrize("command", sorted({*cli.COMMANDS, "unknown"}))
@pytest.mark.parametrize("arguments", ["", "--sandbox", "--all\n--quote\n"])
@pytest.mark.parametrize("given", ["input", "environment"])
def test_the_action_gives_the_key_to_commands_that_send_or_fetch(
    command: str, arguments: str, given: str
) -> None:
    """Handed over as an input or by the caller's environment, it reaches no other command."""
    contexts = {
        "inputs": {
            "command": command,
            "arguments": arguments,
            "recipe": "recipe.yaml",
            "api-key": CANARY if given == "input" else "",
        },
        "env": {KEY: CANARY} if given == "environment" else {},
        "status": "success",
    }
    _, run, _ = _action_steps()
    sends = command in _commands_with_key() - {"plan"}
    sends = sends or (command == "plan" and "--quote" in arguments)
    assert fill(run["env"], contexts)[KEY] == (CANARY if sends else "")


def test_the_action_installs_without_the_key(tmp_path: Path) -> None:
    """Also where the caller's job has it in its environment."""
    install, *_ = _action_steps()
    assert "env" not in install
    environment = {KEY: CANARY, "GITHUB_ACTION_PATH": str(ACTION.parent)}
    ((has_key, call),) = calls_of([install["run"]], environment, tmp_path)
    assert (has_key, call.startswith("python -m pip install")) == (False, True)


def _action_steps() -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"][
        "steps"
    ]
    return steps


def calls_of(
    scripts: Iterable[str], environment: Mapping[str, str], folder: Path
) -> list[tuple[bool, str]]:
    """Run scripts, each in a shell of its own; gives each call of python and spark-batch.

    The programs do nothing but say how they were called, and whether they have the key.
    """
    log, programs = folder / "log", folder / "bin"
    programs.mkdir()
    for name in ("python", "spark-batch"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "${{{KEY}:+key}}:{name} $*" >> "{log}"\n')
        program.chmod(0o755)
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for script in scripts:
        subprocess.run(
            ["bash", "--noprofile", "--norc", "-euo", "pipefail", "-c", script],
            cwd=folder,
            env={**environment, "PATH": path},
            check=True,
            capture_output=True,
        )
    assert CANARY not in log.read_text()
    calls = (line.partition(":") for line in log.read_text().splitlines())
    return [(key == "key", call) for key, _, call in calls]


def gitlab_faults(text: str, folder: Path) -> list[str]:
    """Give the calls of a pipeline that have the key and need none, or need it and have none.

    As a runner has it, `before_script` and `script` are one shell, `after_script` is another one.
    """
    pipeline = yaml.safe_load(text)
    before = pipeline["default"]["before_script"]
    jobs = [job for job in pipeline.values() if isinstance(job, dict) and "script" in job]
    scripts = [[*before, *job["script"]] for job in jobs]
    scripts += [job["after_script"] for job in jobs if "after_script" in job]
    node = {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "4", "CI_MERGE_REQUEST_DIFF_BASE_SHA": "main"}
    node["CI_PIPELINE_ID"] = "9"
    environment = {**pipeline["variables"], **node, KEY: CANARY}
    calls = calls_of(map("\n".join, scripts), environment, folder)
    assert {"python", "spark-batch"} == {call.split()[0] for _, call in calls}
    return [call for has_key, call in calls if has_key is not bool(_SENDS.search(call))]


def test_gitlab_gives_the_key_to_run_and_rescue_alone(tmp_path: Path) -> None:
    """The variable is in every job's environment: pip, validate, plan and merge do not see it."""
    assert gitlab_faults(PIPELINE.read_text(encoding="utf-8"), tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("    - unset SPARK_API_KEY", "    - echo", "python -m pip install"),
        ('SPARK_API_KEY="$api_key" ', "", "spark-batch run"),
        ("    - spark-batch merge", "    - SPARK_API_KEY=$api_key spark-batch merge", "merge"),
        (
            "    - spark-batch rescue",
            "    - python -m pip install a; spark-batch rescue",
            "pip install",
        ),
    ],
)
def test_a_planted_fault_in_the_pipeline_is_found(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    """The key left in place, not handed back, or handed to what needs none."""
    text = PIPELINE.read_text(encoding="utf-8")
    assert old in text
    found = gitlab_faults(text.replace(old, new), tmp_path)
    assert any(fault in call for call in found), found
