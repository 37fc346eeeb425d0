"""A machine that runs a workflow's jobs as GitHub would, as far as one without GitHub can.

Each job has a folder, a home and an environment of its own; each step's shell is run by bash as
GitHub calls it. What GitHub's own actions do (checkout, setup-python, cache, artifacts) is done
with folders on this disk (`cloud.py`), and `gh` answers from them (`gh.py`). What is not known here
raises.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.cloud import REPOSITORY_ID, Cloud, use
from tests.ci.expressions import condition, fill, text

STEP_SECONDS = 120


@dataclass
class Step:
    """What a step came to."""

    name: str
    code: int
    out: str
    summary: str
    has_key: bool


@dataclass
class Ran:
    """What a job came to; `shard` is its place in the matrix."""

    name: str
    result: str
    shard: Any = None
    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    workspace: Path | None = None

    def step(self, name: str) -> Step:
        return next(each for each in self.steps if each.name == name)


def run_workflow(
    cloud: Cloud,
    path: Path,
    event: Mapping[str, Any],
    before: Mapping[str, list[Ran]] | None = None,
    *,
    all_jobs: bool = False,
) -> dict[str, list[Ran]]:
    """Run every job of a workflow, in the order in which it stands, by the name of the job.

    `event` is the context `github`, with the commit as `sha`. With what came of a run `before` its
    failed jobs are run again, and those that need them, as a further attempt of the same run; or
    with `all_jobs` every job.
    """
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    cloud.runs, cloud.attempt = (cloud.runs, cloud.attempt + 1) if before else (cloud.runs + 1, 1)
    before = {} if before is None or all_jobs else before
    events = workflow[True]  # YAML 1.1 reads the key `on` as true
    declared = events.get("workflow_call", {}).get("inputs", {})
    inputs = {name: each.get("default") for name, each in declared.items()} | dict(cloud.inputs)
    github = {
        "run_id": cloud.runs,
        "run_attempt": cloud.attempt,
        "token": "gh-token",
        "repository": "someone/pictures",
        "ref_name": event["ref"].removeprefix("refs/heads/").removeprefix("refs/"),
        **event,
    }
    cloud.record(
        cloud.runs,
        event=event["event_name"],
        head_branch=event.get("head_ref", github["ref_name"]),
        head_repository_id=event.get("head_repository_id", REPOSITORY_ID),
    )
    done: dict[str, list[Ran]] = {}
    for name, job in workflow["jobs"].items():
        known = before.get(name, [])
        wanted = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        if known and _stays(known, [(done[each], before[each]) for each in wanted]):
            done[name] = known
            continue
        needs = {each: _summed(done[each]) for each in wanted}
        good = all(each["result"] == "success" for each in needs.values())
        contexts = {
            "github": github,
            "inputs": inputs,
            "secrets": cloud.secrets,
            "needs": needs,
            "status": "success" if good else "failure",
        }
        if not condition(job.get("if"), contexts):
            done[name] = [Ran(name, "skipped")]
            continue
        contexts["env"] = fill(workflow.get("env", {}), contexts)
        failed = any(each.result == "failure" for each in known)
        done[name] = _run_matrix(cloud, name, job, contexts, known if failed else [])
    return done


def _stays(known: list[Ran], needs: list[tuple[list[Ran], list[Ran]]]) -> bool:
    """Whether a job is not run again: it has not failed, nor has one that it needs."""
    return all(each.result != "failure" for each in known) and all(
        now is then for now, then in needs
    )


def run_action(cloud: Cloud, path: Path, sha: str, **given: str) -> Ran:
    """Run a composite action with these inputs, in a checkout of a commit."""
    action = yaml.safe_load(path.read_text(encoding="utf-8"))
    cloud.runs += 1
    contexts = {
        "github": {"run_id": cloud.runs, "sha": sha},
        "inputs": {name: each.get("default") for name, each in action["inputs"].items()} | given,
        "env": {"GITHUB_ACTION_PATH": str(path.parent)},
    }
    assert action["runs"]["using"] == "composite"
    job = {
        "steps": [
            {"uses": f"actions/checkout@{'0' * 40}", "with": {"persist-credentials": False}},
            *action["runs"]["steps"],
        ],
        "outputs": {name: each["value"] for name, each in action["outputs"].items()},
    }
    return _run_job(cloud, "action", job, contexts, {})


def _run_matrix(
    cloud: Cloud,
    name: str,
    job: Mapping[str, Any],
    contexts: Mapping[str, Any],
    known: list[Ran],
) -> list[Ran]:
    """A job's machines, all at once: one for each value of its only axis.

    Those that are `known` to have done well are not started again.
    """
    axes = fill(job.get("strategy", {}).get("matrix", {}), contexts)
    places = [{axis: value} for axis, values in axes.items() for value in values] or [{}]
    good = {each.shard: each for each in known if each.result == "success"}

    def run(at: Mapping[str, Any]) -> Ran:
        return good.get(next(iter(at.values()), None)) or _run_job(cloud, name, job, contexts, at)

    with ThreadPoolExecutor(max_workers=len(places)) as pool:
        return list(pool.map(run, places))


def _summed(jobs: list[Ran]) -> dict[str, Any]:
    results = {each.result for each in jobs}
    result = "failure" if "failure" in results else results.pop()
    return {"result": result, "outputs": jobs[0].outputs}


def _run_job(
    cloud: Cloud,
    name: str,
    job: Mapping[str, Any],
    contexts: Mapping[str, Any],
    at: Mapping[str, Any],
) -> Ran:
    place = next(iter(at.values()), None)
    machine = cloud.folder / "machines" / f"{cloud.runs}-{name}-{place or 0}-{cloud.attempt}"
    workspace = machine / "work"
    workspace.mkdir(parents=True)
    (machine / "temp").mkdir()
    contexts = {**contexts, "matrix": at, "status": "success", "steps": {}}
    contexts["env"] = {**contexts["env"], **fill(job.get("env", {}), contexts)}
    ran = Ran(name, "success", shard=place, workspace=workspace)
    if name in cloud.lost:
        ran.result = "failure"
        return ran
    for number, step in enumerate(job["steps"]):
        outputs: dict[str, Any] = {}
        outcome = "success"
        if not condition(step.get("if"), contexts):
            contexts["steps"][step.get("id")] = {"outputs": {}, "outcome": "skipped"}
            continue
        if "uses" in step:
            outputs = use(cloud, workspace, fill(step, contexts), contexts)
        else:
            told = _run_step(cloud, ran, step, contexts, machine / f"step-{number}")
            outputs = _read_outputs(machine / f"step-{number}" / "output")
            outcome = "failure" if told.code else "success"
            if told.code and not step.get("continue-on-error"):
                ran.result = contexts["status"] = "failure"
        contexts["steps"][step.get("id")] = {"outputs": outputs, "outcome": outcome}
    ran.outputs = fill(job.get("outputs", {}), contexts)
    return ran


def _run_step(
    cloud: Cloud, ran: Ran, step: Mapping[str, Any], contexts: Mapping[str, Any], folder: Path
) -> Step:
    folder.mkdir()
    for name in ("output", "summary"):
        (folder / name).touch()
    github = contexts["github"]
    own = fill(step.get("env", {}), contexts)
    environment = {
        **cloud.environment,
        "PATH": f"{cloud.folder / 'bin'}:{cloud.python}:/usr/bin:/bin",
        "HOME": str(folder.parent),
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(ran.workspace),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_REPOSITORY": "someone/pictures",
        "GITHUB_RUN_ID": str(contexts["github"]["run_id"]),
        "GITHUB_REPOSITORY_ID": str(REPOSITORY_ID),
        "GITHUB_EVENT_NAME": github.get("event_name", ""),
        "GITHUB_REF_NAME": github.get("ref_name", ""),
        "GITHUB_HEAD_REF": github.get("head_ref", ""),
        "RUNNER_TEMP": str(folder.parent / "temp"),
        "GITHUB_BASE_REF": github.get("base_ref", ""),
        "GITHUB_SHA": github["sha"],
        **{key: text(value) for key, value in {**contexts["env"], **own}.items()},
    }
    script = fill(step["run"], contexts)
    process = subprocess.Popen(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=ran.workspace,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if cloud.watch is not None:
        cloud.watch(ran.name, ran.shard, step.get("name", ""), process)
    out, _ = process.communicate(timeout=STEP_SECONDS)
    summary = (folder / "summary").read_text(encoding="utf-8")
    has_key = bool(environment.get("SPARK_API_KEY"))
    told = Step(step.get("name", ""), process.returncode, out, summary, has_key)
    ran.steps.append(told)
    return told


def _read_outputs(path: Path) -> dict[str, str]:
    """What a step wrote to GITHUB_OUTPUT: `name=value`, or `name<<END` … `END`."""
    found: dict[str, str] = {}
    lines = iter(path.read_text(encoding="utf-8").splitlines())
    for line in lines:
        name, mark, end = line.partition("<<")
        if mark and "=" not in name:
            inside: list[str] = []
            for each in lines:
                if each == end:
                    break
                inside.append(each)
            found[name] = "\n".join(inside)
        else:
            name, _, value = line.partition("=")
            found[name] = value
    return found
