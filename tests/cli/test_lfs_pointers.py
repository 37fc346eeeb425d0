"""Pictures in Git LFS: a pointer to the recorded picture is the picture, whatever is run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.errors import ExitCode
from tests.cli.conftest import Call, Folder
from tests.pointers import pointer_text, replace_with_pointer
from tests.repositories import a_repository

NAME = "output: {name: '${prompt}-${scale}'}\n"


def _forget(folder: Folder) -> None:
    """The API no longer has the results: whoever asks for one is told that there is none."""
    shutil.rmtree(folder.previews / ".spark-batch" / "sandbox")


@pytest.fixture
def pointers(folder: Folder, call: Call) -> dict[Path, bytes]:
    """Four finished jobs whose pictures are pointers, by path with the content they point to.

    The API no longer has the results.
    """
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    _forget(folder)
    return {path: replace_with_pointer(path) for path in folder.pictures()}


def _unchanged(folder: Folder, pointers: dict[Path, bytes]) -> bool:
    """Whether every pointer is where it was, and no task was made since."""
    texts = {path: pointer_text(content).encode() for path, content in pointers.items()}
    return {p: p.read_bytes() for p in folder.pictures()} == texts and folder.ledger() == []


def test_a_pointer_to_the_recorded_picture_is_done(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """Every command leaves it alone and advises `git lfs pull`; none calls it lost."""
    plan = call("plan", folder.recipe, "--sandbox", "--all", "--detailed-exitcode")
    assert plan.code == ExitCode.DONE
    assert plan.out.count("is a Git LFS pointer (`git lfs pull` fetches it)") == 4
    assert "4 Git LFS pointers: `git lfs pull` fetches the pictures" in plan.out
    document = json.loads(call("plan", folder.recipe, "--sandbox", "--json").out)
    assert {(job["action"], job["cause"]) for job in document["jobs"]} == {("keep", "lfs-pointer")}
    for command in ("run", "retry", "rescue"):
        ended = call(command, folder.recipe, "--sandbox")
        assert ended.code == ExitCode.DONE
        assert "nothing to" in ended.out
        assert "4 Git LFS pointers: `git lfs pull` fetches the pictures" in ended.err
    verified = call("verify", folder.recipe, "--sandbox")
    assert verified.code == ExitCode.DONE
    assert "4 files as recorded (4 Git LFS pointers among them: `git lfs pull`" in verified.out
    assert "4 done" in call("status", folder.recipe, "--sandbox").out
    assert _unchanged(folder, pointers)


def test_after_the_pull_nothing_is_said_of_pointers(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """`git lfs pull` puts the pictures back, and that is all there is to it."""
    for path, content in pointers.items():
        path.write_bytes(content)
    for command in ("plan", "run", "rescue", "verify"):
        ended = call(command, folder.recipe, "--sandbox")
        assert (ended.code, "LFS" in ended.out + ended.err) == (ExitCode.DONE, False)


@pytest.mark.parametrize("metadata", ["false", "true"])
def test_a_fresh_clone_with_the_manifest_alone(
    folder: Folder, call: Call, tmp_path: Path, metadata: str
) -> None:
    """A real clone has the recipe, the manifest and pointers: nothing is fetched or paid for."""
    folder.edit("price:", f"output: {{metadata: {metadata}}}\nprice:")
    call("run", folder.recipe, "--sandbox")
    for path in folder.pictures():
        replace_with_pointer(path)
    repository = a_repository(folder.path)
    (folder.path / ".gitignore").write_text(".spark-batch/\n*.html\n")
    repository.git("add", "--all")
    repository.git("commit", "--quiet", "--message", "pictures")
    repository.git("clone", "--quiet", ".", "clone")
    clone = Folder(folder.path / "clone")
    for command in ("verify", "plan", "run", "retry", "rescue", "verify"):
        ended = call(command, clone.recipe, "--sandbox")
        assert ended.code == ExitCode.DONE
        assert "`git lfs pull` fetches the pictures" in ended.out + ended.err
    assert "4 done" in call("status", clone.recipe, "--sandbox").out
    assert clone.ledger() == []


def test_a_pointer_to_another_picture_is_somebodys_work(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """It is told, never replaced, never lost, and nothing is paid for; `verify` finds it."""
    path = folder.pictures()[0]
    retouched = pointer_text(b"retouched")
    path.write_text(retouched)
    plan = call("plan", folder.recipe, "--sandbox", "--all", "--detailed-exitcode")
    assert plan.code == ExitCode.DONE
    assert "is a Git LFS pointer to another picture (sha256 " in plan.out
    for command in ("run", "retry", "rescue"):
        ended = call(command, folder.recipe, "--sandbox")
        assert ended.code == ExitCode.DONE
        assert "1 Git LFS pointer to other pictures than recorded" in ended.err
    verified = call("verify", folder.recipe, "--sandbox")
    assert verified.code == ExitCode.FAILED
    assert "changed: a Git LFS pointer to another picture" in verified.out
    assert "1 changed or missing" in verified.out
    assert path.read_text() == retouched
    assert "4 done" in call("status", folder.recipe, "--sandbox").out
    assert folder.ledger() == []


def test_a_new_name_waits_for_the_pull(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """The picture is a pointer under its old name: it is not copied, lost, or made again."""
    folder.edit("price:", f"{NAME}price:")
    ended = call("run", folder.recipe, "--sandbox")
    assert ended.code == ExitCode.FAILED
    assert ended.err.count("is a Git LFS pointer to its picture (`git lfs pull` fetches it)") == 4
    assert "4 unfinished" in ended.out
    assert "expired" not in ended.out + ended.err
    assert "4 unfinished" in call("retry", folder.recipe, "--sandbox").out
    assert _unchanged(folder, pointers)
    for path, content in pointers.items():
        path.write_bytes(content)
    assert "4 jobs done" in call("run", folder.recipe, "--sandbox").out
    made = sorted(folder.previews / f"{p}-{s}.jpg" for p in ("beach", "snow") for s in (0.4, 0.7))
    assert [path.read_bytes() for path in made] == list(pointers.values())
    assert folder.ledger() == []


def test_a_pointer_that_was_moved_to_the_new_name_is_found(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """As `git mv` leaves it: it is written down under the new name, and is done."""
    folder.edit("price:", f"{NAME}price:")
    for path in pointers:
        prompt, _, scale, _ = path.stem.split("-")
        path.replace(folder.previews / f"{prompt}-{scale.removeprefix('scale')}.jpg")
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    assert "4 files as recorded (4 Git LFS" in call("verify", folder.recipe, "--sandbox").out
    assert folder.ledger() == []


@pytest.mark.parametrize("command", ["run", "retry", "rescue"])
@pytest.mark.parametrize(
    ("form", "books"),
    [("whole", "checkpoint"), ("pointer", "checkpoint"), ("pointer", "manifest")],
)
def test_a_job_that_was_lost_is_not_paid_for_when_its_picture_is_there(
    folder: Folder, call: Call, pointers: dict[Path, bytes], *, command: str, form: str, books: str
) -> None:
    """An older version called it lost, or it came back with a pull: it is done, for nothing."""
    path, content = next(iter(pointers.items()))
    path.unlink()
    assert "1 expired" in call("run", folder.recipe, "--sandbox").out
    path.write_bytes(content if form == "whole" else pointer_text(content).encode())
    if books == "manifest":
        shutil.rmtree(folder.previews / ".spark-batch")
    assert "1 job" in call(command, folder.recipe, "--sandbox").out
    assert "4 done" in call("status", folder.recipe, "--sandbox").out
    assert folder.ledger() == []
    assert "4 files as recorded" in call("verify", folder.recipe, "--sandbox").out


def test_a_changed_prompt_puts_the_pointer_aside(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """What another request made under the name is kept as it stands there."""
    folder.edit("[Beach, Snow]", "[{id: beach, text: A beach}]")
    assert "2 tasks created" in call("run", folder.recipe, "--sandbox").out
    kept = {each.read_text() for each in (folder.previews / ".spark-batch" / "kept").iterdir()}
    texts = [pointer_text(content) for content in pointers.values()]
    assert kept == set(texts[:2])
    assert [path.read_text() for path in list(pointers)[2:]] == texts[2:]


def test_a_saved_plan_holds_before_and_after_a_pull(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """What is done needs no work, whether it has been fetched or not."""
    folder.edit("[Beach, Snow]", "[Beach, Snow, Rain]")
    plan = folder.path / "saved.plan"
    assert call("plan", folder.recipe, "--sandbox", "--out", plan).code == ExitCode.DONE
    for path, content in pointers.items():
        path.write_bytes(content)
    ended = call("run", folder.recipe, "--sandbox", "--plan", plan)
    assert (ended.code, "2 tasks created" in ended.out) == (ExitCode.DONE, True)


def test_a_merge_does_not_copy_pointers(folder: Folder, call: Call, tmp_path: Path) -> None:
    """The pictures come with a merge after the pull."""
    other = Folder(tmp_path / "other")
    other.path.mkdir()
    for name in ("recipe.yaml", "photo.jpg"):
        shutil.copy(folder.path / name, other.path / name)
    call("run", other.recipe, "--sandbox")
    contents = {path: replace_with_pointer(path) for path in other.pictures()}
    merged = call("merge", folder.recipe, other.out, "--sandbox")
    assert "4 done" in merged.out
    assert "4 pictures not copied: the sources have Git LFS pointers" in merged.err
    assert "missing" not in merged.err
    assert folder.pictures() == []
    for path, content in contents.items():
        path.write_bytes(content)
    assert "4 pictures copied" in call("merge", folder.recipe, other.out, "--sandbox").out
    assert [path.read_bytes() for path in folder.pictures()] == list(contents.values())


def test_a_merge_leaves_a_pointer_in_its_place(
    folder: Folder, call: Call, pointers: dict[Path, bytes], tmp_path: Path
) -> None:
    """It is the picture: nothing is missing."""
    copy = shutil.copytree(folder.previews, tmp_path / "copy")
    merged = call("merge", folder.recipe, copy / "tiny.manifest.csv", "--sandbox")
    assert merged.code == ExitCode.DONE
    assert "missing" not in merged.err
    assert "not copied" not in merged.err
    assert _unchanged(folder, pointers)


def test_trace_follows_a_pointer(folder: Folder, call: Call, pointers: dict[Path, bytes]) -> None:
    """By the SHA-256 that it names, from the checkpoint or from the manifest alone."""
    path = next(iter(pointers))
    assert "known by its SHA-256 in" in call("trace", path).out
    (folder.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    traced = json.loads(call("trace", path, "--json").out)[0]
    assert (traced["known_by"], traced["as_recorded"]) == ("sha256", True)
    assert traced["jobs"][0]["prompt"] == "Beach"
    path.write_text(pointer_text(b"another"))
    assert call("trace", path).code == ExitCode.FAILED


NOTICE = "this is a Git LFS pointer, not the file itself (`git lfs pull` fetches it)"
ROWS = "rows: rows.csv\n"


def _rows(folder: Folder) -> None:
    (folder.path / "rows.csv").write_text("image,prompt\nphoto.jpg,Beach\n")
    folder.edit("inputs: [photo.jpg]\nprompts: [Beach, Snow]\n", ROWS)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda folder: None, "recipe.yaml:3:10: error: inputs[0]: photo.jpg: "),
        (
            lambda folder: folder.edit("[photo.jpg]", "['*.jpg']"),
            "recipe.yaml:3:10: error: inputs[0]: photo.jpg: ",
        ),
        (
            lambda folder: folder.edit("[photo.jpg]", "[{path: '*.jpg', fit: true}]"),
            "recipe.yaml:3:17: error: inputs[0]: photo.jpg: ",
        ),
        (
            lambda folder: folder.edit("[photo.jpg]", "[{id: a, path: photo.jpg, fit: true}]"),
            "recipe.yaml:3:15: error: inputs[0]: photo.jpg: ",
        ),
        (_rows, "rows.csv:2:1: error: image: photo.jpg: "),
    ],
)
def test_an_input_that_is_a_pointer_is_an_error_at_its_line(
    folder: Folder,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Folder], None],
    place: str,
) -> None:
    """Named alone, by a glob, with `fit` and in a table; nothing is sent."""
    monkeypatch.chdir(folder.path)
    change(folder)
    replace_with_pointer(folder.path / "photo.jpg")
    validated = call("validate", "recipe.yaml")
    assert validated.code == ExitCode.WRONG
    assert f"{place}{NOTICE}" in validated.out + validated.err
    assert call("run", "recipe.yaml", "--sandbox").code == ExitCode.WRONG
    assert not (folder.path / "out").exists()


@pytest.mark.parametrize("command", ["validate", "plan", "run", "verify", "rescue"])
def test_a_recipe_that_is_a_pointer_says_so(folder: Folder, call: Call, command: str) -> None:
    """Not that a text stands where a mapping is expected."""
    replace_with_pointer(folder.recipe)
    ended = call(command, folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert f"recipe.yaml:1:1: error: {NOTICE}" in ended.out + ended.err


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_table_that_is_a_pointer_says_so(folder: Folder, call: Call, name: str) -> None:
    """At the table's own place."""
    _rows(folder)
    folder.edit("rows.csv", name)
    (folder.path / name).write_text(pointer_text(b"image,prompt\n"))
    ended = call("validate", folder.recipe)
    assert ended.code == ExitCode.WRONG
    assert f"{name}:1:1: error: {NOTICE}" in ended.out + ended.err


def test_a_manifest_that_is_a_pointer_stops_what_would_pay_again(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """What is paid for stands in it: nothing is sent, and the pointer stays."""
    manifest = folder.previews / "tiny.manifest.csv"
    content = replace_with_pointer(manifest)
    shutil.rmtree(folder.previews / ".spark-batch")
    for command in ("plan", "run", "rescue"):
        ended = call(command, folder.recipe, "--sandbox")
        assert ended.code == ExitCode.WRONG
        assert f"{manifest}: {NOTICE}" in ended.err
    assert manifest.read_text() == pointer_text(content)
    assert _unchanged(folder, pointers)


def test_a_checkpoint_or_saved_plan_that_is_a_pointer_says_so(
    folder: Folder, call: Call, pointers: dict[Path, bytes]
) -> None:
    """Nobody is advised to move a checkpoint away that a pull brings."""
    plan = folder.path / "saved.plan"
    call("plan", folder.recipe, "--sandbox", "--out", plan, "--max-cost", "1")
    replace_with_pointer(plan)
    ended = call("run", folder.recipe, "--sandbox", "--plan", plan)
    assert (ended.code, f"{plan}: {NOTICE}" in ended.err) == (ExitCode.WRONG, True)
    replace_with_pointer(folder.previews / ".spark-batch" / "tiny.checkpoint")
    ended = call("run", folder.recipe, "--sandbox")
    assert (ended.code, NOTICE in ended.err) == (ExitCode.FAILED, True)
    assert "pay again" not in ended.err
    assert _unchanged(folder, pointers)


@pytest.mark.parametrize("source", ["api", "kept"])
def test_what_is_put_back_leaves_the_pointer_beside_it(
    folder: Folder, call: Call, source: str
) -> None:
    """Two names of one request: the missing one is written, somebody's pointer stays."""
    folder.edit("prompts: [Beach, Snow]", "prompts: [Beach, {id: shore, text: Beach}]")
    call("run", folder.recipe, "--sandbox")
    beach, _, shore, _ = folder.pictures()
    content = beach.read_bytes()
    if source == "kept":
        kept = folder.previews / ".spark-batch" / "kept"
        kept.mkdir()
        name = hashlib.sha256(content).hexdigest()[:16]
        (kept / f"{name}.jpg").write_bytes(content)
        _forget(folder)
    beach.unlink()
    shore.write_text(pointer_text(b"retouched elsewhere"))
    assert "1 job done" in call("run", folder.recipe, "--sandbox").out
    assert beach.read_bytes() == content
    assert shore.read_text() == pointer_text(b"retouched elsewhere")


def test_a_rescued_picture_leaves_a_pointer_in_its_place(folder: Folder, call: Call) -> None:
    """A job that was lost, and whose place somebody took: what is fetched is kept."""
    call("run", folder.recipe, "--sandbox")
    path = folder.pictures()[0]
    content = path.read_bytes()
    state = folder.previews / ".spark-batch"
    path.unlink()
    (state / "sandbox").rename(folder.path / "away")
    assert "1 expired" in call("run", folder.recipe, "--sandbox").out
    shutil.rmtree(state / "sandbox")
    (folder.path / "away").rename(state / "sandbox")
    path.write_text(pointer_text(b"somebody's work"))
    assert "1 job rescued" in call("rescue", folder.recipe, "--sandbox").out
    assert path.read_text() == pointer_text(b"somebody's work")
    assert [each.read_bytes() for each in (state / "kept").iterdir()] == [content]
    assert "4 done" in call("status", folder.recipe, "--sandbox").out


def test_a_retouched_picture_beside_a_pointer_stays(folder: Folder, call: Call) -> None:
    """Two names of one request, and the result is no longer to be had: both files are work."""
    folder.edit("prompts: [Beach, Snow]", "prompts: [Beach, {id: shore, text: Beach}]")
    call("run", folder.recipe, "--sandbox")
    _forget(folder)
    beach, *_, shore = (folder.pictures()[number] for number in (0, 1, 2))
    Image.new("RGB", (512, 512), (1, 2, 3)).save(beach, "JPEG")
    shore.write_text(pointer_text(b"retouched elsewhere"))
    before = beach.read_bytes(), shore.read_bytes()
    ended = call("run", folder.recipe, "--sandbox")
    assert "it is left as it is, since" in ended.err
    assert (ended.code, "expired" in ended.out) == (ExitCode.DONE, False)
    assert (beach.read_bytes(), shore.read_bytes()) == before
    assert "another file is in its place" in call("plan", folder.recipe, "--sandbox", "--all").out
