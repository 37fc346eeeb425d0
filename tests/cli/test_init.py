"""`init`: what it makes runs as it stands, and nothing that is there is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.conftest import Call
from tests.repositories import a_repository


def test_the_folder_runs_at_once(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`validate --strict` finds nothing, and a run in the sandbox makes every picture."""
    made = call("init", tmp_path / "new")
    assert made.code == 0
    assert made.out.splitlines()[-1].endswith("spark-batch run recipe.yaml --sandbox")
    monkeypatch.chdir(tmp_path / "new")
    assert call("validate", "recipe.yaml", "--strict").out == "recipe.yaml: 6 jobs\n"
    ended = call("run", "recipe.yaml", "--sandbox")
    assert ended.out.startswith("6 jobs done")


def test_the_editor_finds_its_schema(tmp_path: Path, call: Call) -> None:
    """The modeline names a file that is there, whole in itself, and the recipe is right by it."""
    from jsonschema import Draft202012Validator

    call("init", tmp_path)
    first = (tmp_path / "recipe.yaml").read_text().splitlines()[0]
    schema = json.loads((tmp_path / first.partition("$schema=")[2]).read_text())
    recipe = yaml.safe_load((tmp_path / "recipe.yaml").read_text().replace("4:3", "'4:3'"))
    Draft202012Validator(schema).validate(recipe)


@pytest.mark.parametrize("name", ["recipe.yaml", ".gitignore", "photos/dandelion.jpg"])
def test_nothing_is_overwritten(tmp_path: Path, call: Call, name: str) -> None:
    """One line that names the file, exit 2, and nothing else is written either."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    ended = call("init", tmp_path)
    assert ended.code == 2
    assert f"{name} is there already" in ended.err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_file_in_the_way(tmp_path: Path, call: Call) -> None:
    """A folder that cannot be made is one line, and exit 1."""
    (tmp_path / "taken").write_text("")
    ended = call("init", tmp_path / "taken")
    assert (ended.code, ended.err.count("\n")) == (1, 1)
    assert "cannot write" in ended.err


def test_a_folder_deep_in_a_repository_has_no_workflow_that_runs(
    tmp_path: Path, call: Call
) -> None:
    """GitHub reads workflows at the top alone, which is said; at the top nothing is."""
    (tmp_path / ".git").mkdir()
    deep = call("init", tmp_path / "art")
    workflow = ".github/workflows/pictures.yml"
    moved = f"move {tmp_path}/art/{workflow} to {tmp_path}/{workflow}, and write art/ before"
    assert moved in " ".join(deep.out.split())
    assert f"in {tmp_path}/art/{workflow}, set SPARK_BATCH" in " ".join(deep.out.split())
    assert "GitHub" not in call("init", tmp_path).out


def test_a_folder_whose_name_begins_with_a_dash(
    tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed can be typed: `cd -art` would be an option."""
    monkeypatch.chdir(tmp_path)
    assert "now: cd ./-art && spark-batch run" in call("init", "--", "-art").out


def test_git_sees_no_report_and_no_ledger(tmp_path: Path, call: Call) -> None:
    """Of a contact sheet and of a sandbox that is served in the folder."""
    call("init", tmp_path)
    repository = a_repository(tmp_path)
    for name in ("out/first/first.sheet.png", ".spark-sandbox/ledger.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
        assert repository.git("check-ignore", name).strip() == name


URL, COMMIT = (
    "https://git.example.org/us/spark-batch.git",
    "0123456789abcdef0123456789abcdef01234567",
)
GIT = {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}


@pytest.mark.parametrize(
    ("record", "origin"),
    [
        ({"url": URL, "vcs_info": GIT}, f"git+{URL}@{COMMIT}"),
        ({"url": URL.replace("//", "//me:secret@"), "vcs_info": GIT}, None),
        ({"url": "ssh://git@git.example.org/us/spark-batch", "vcs_info": GIT}, None),
        ({"url": "file:///home/me/spark-batch", "dir_info": {"editable": True}}, None),
        ({"url": "https://example.org/a.whl", "archive_info": {}}, None),
        (None, None),
    ],
)
def test_ci_installs_the_commit_that_made_the_folder(
    tmp_path: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    record: dict[str, object] | None,
    origin: str | None,
) -> None:
    """As pip recorded it; otherwise an address that nobody can own, and a line that says so."""
    installed = tmp_path / "site" / "spark_i2i_batch-0.1.0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: spark-i2i-batch\n")
    if record is not None:
        (installed / "direct_url.json").write_text(json.dumps(record))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    made = call("init", tmp_path / "new")
    workflow = (tmp_path / "new" / ".github" / "workflows" / "pictures.yml").read_text()
    address = yaml.safe_load(workflow)["env"]["SPARK_BATCH"]
    assert address == (origin or "git+https://git.example.com/spark-batch@COMMIT")
    assert ("set SPARK_BATCH to the git address" in made.out) is (origin is None)
    assert "me:secret" not in workflow
