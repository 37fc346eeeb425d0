"""`trace`: from any picture back to what made it, as a user asks it of real runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from spark_batch.checkpoint import Checkpoint
from spark_batch.errors import ExitCode
from spark_batch.sandbox import Served
from tests.cli.conftest import Call, Folder

NAME = "photo/beach-512x512-scale0.4-seed7.jpg"


def switch_on(folder: Folder) -> None:
    folder.edit("price: 0.03", "price: 0.03\noutput: {metadata: true}")


@pytest.fixture
def marked(folder: Folder, call: Call) -> Folder:
    """Four previews that carry metadata."""
    switch_on(folder)
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    return folder


@pytest.fixture
def plain(folder: Folder, call: Call) -> Folder:
    """Four previews as they came."""
    assert call("run", folder.recipe, "--sandbox").code == ExitCode.DONE
    return folder


def everything_below(folder: Path) -> dict[str, bytes]:
    """Every file and its bytes, but the lock's."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def document(call: Call, *arguments: object) -> dict[str, object]:
    """What `--json` says of one picture."""
    (found,) = json.loads(call("trace", "--json", *arguments).out)
    return found


def test_a_picture_tells_its_line_job_attempts_and_cost(plain: Folder, call: Call) -> None:
    """Without metadata, by its SHA-256 in the checkpoint above it."""
    ended = call("trace", plain.previews / NAME)
    assert ended.code == ExitCode.DONE
    lines = ended.out.splitlines()
    assert lines[0].endswith(" of tiny")
    assert lines[1].startswith("  line recipe.yaml:4:11, input photo (photo.jpg), prompt beach,")
    assert "  prompt: Beach" in lines
    assert "  scale 0.4, 512x512, seed 7, take 1, model spark_i2i_3_0" in lines
    assert "attempt 1  done at sandbox, task sandbox-" in ended.out
    assert ", 0.03 play USD" in ended.out
    assert "← this picture" in ended.out
    assert "  cost 0.03 play USD over all attempts" in lines
    assert lines[-2].startswith("  known by its SHA-256 in ")
    assert lines[-2].endswith("tiny.checkpoint")
    assert lines[-1].startswith("  marked: ")


def test_nothing_is_changed(marked: Folder, call: Call) -> None:
    """Not a file, and no other one appears."""
    before = everything_below(marked.path)
    for arguments in (["--json"], ["--in", marked.path], []):
        assert call("trace", marked.previews / NAME, *arguments).code == ExitCode.DONE
    assert everything_below(marked.path) == before


def test_while_a_run_holds_the_checkpoint(marked: Folder, call: Call) -> None:
    """It is looked at beside the run."""
    with Checkpoint.open(marked.previews / ".spark-batch" / "tiny.checkpoint"):
        assert "by its metadata" in call("trace", marked.previews / NAME).out


@pytest.mark.parametrize("name", ["sandbox/photo/renamed.jpg", "hero.jpg", "a/b/hero.jpg"])
def test_a_renamed_or_moved_picture(plain: Folder, call: Call, name: str) -> None:
    """Anywhere in the output folder, the one above the sandbox's too."""
    target = plain.out / name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(plain.previews / NAME, target)
    ended = call("trace", target)
    assert ended.code == ExitCode.DONE
    assert "line recipe.yaml:4:11" in ended.out


def test_a_picture_far_from_its_books(
    plain: Folder, call: Call, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing above it knows it; `--in` names where to look, and below."""
    target = tmp_path_factory.mktemp("elsewhere") / "hero.jpg"
    shutil.copy(plain.previews / NAME, target)
    ended = call("trace", target)
    assert ended.code == ExitCode.FAILED
    assert "  marked: digital source type" in ended.out
    assert ended.err.count("\n") == 1
    assert "name the output folder with --in" in ended.err
    ended = call("trace", target, "--in", plain.path)
    assert ended.code == ExitCode.DONE
    assert "line recipe.yaml:4:11" in ended.out


def test_a_marked_picture_far_from_its_books(
    marked: Folder, call: Call, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """On another machine it still tells what it was made of; its cost is not known there."""
    target = tmp_path_factory.mktemp("elsewhere") / "hero.jpg"
    shutil.copy(marked.previews / NAME, target)
    ended = call("trace", target)
    assert ended.code == ExitCode.DONE
    assert "  prompt: Beach" in ended.out
    assert "  task sandbox-" in ended.out
    assert "this is what its metadata say" in ended.out
    assert "cost 0" not in ended.out
    assert call("trace", target, "--in", marked.previews).out.count("attempt 1") == 1


def test_an_edited_picture_is_told(marked: Folder, call: Call) -> None:
    """Its metadata name the job, and its bytes are other ones."""
    path = marked.previews / NAME
    data = path.read_bytes()
    begin = data.index(b"http://ns.adobe.com/xap") - 4
    end = begin + 2 + int.from_bytes(data[begin + 2 : begin + 4], "big")
    with Image.open(path) as image:
        image.rotate(180).save(path, "JPEG")
    turned = path.read_bytes()
    path.write_bytes(turned[:2] + data[begin:end] + turned[2:])
    ended = call("trace", path)
    assert ended.code == ExitCode.DONE
    assert "CHANGED: its metadata name this job, and its SHA-256 differs from" in ended.out
    assert "← this picture" in ended.out
    told = document(call, path)
    assert (told["known_by"], told["as_recorded"]) == ("metadata", False)


def test_a_stripped_picture_is_known_by_how_it_came(marked: Folder, call: Call) -> None:
    """What the API gave, fetched by hand: those bytes are recorded, too."""
    previews = marked.previews / ".spark-batch" / "sandbox" / "previews"
    for path in previews.iterdir():
        told = document(call, path)
        assert (told["known_by"], told["metadata"]) == ("sha256", None)


def test_only_the_manifest_is_left(marked: Folder, call: Call) -> None:
    """From git, on a fresh machine: no line in the recipe and one attempt, but job and cost."""
    shutil.rmtree(marked.previews / ".spark-batch")
    ended = call("trace", marked.previews / NAME)
    assert ended.code == ExitCode.DONE
    assert "  input photo, prompt beach, output photo/beach-512x512-scale0.4-seed7" in ended.out
    assert "  cost 0.03 play USD over all attempts" in ended.out
    assert "tiny.manifest.csv, and by its metadata" in ended.out


def test_a_manifest_that_is_named(plain: Folder, call: Call, tmp_path: Path) -> None:
    """Wherever it stands and whatever it is called; one that is none is exit 2."""
    shutil.move(plain.previews / "tiny.manifest.csv", tmp_path / "copy.csv")
    shutil.copy(plain.previews / NAME, tmp_path / "a.jpg")
    shutil.rmtree(plain.out)
    ended = call("trace", tmp_path / "a.jpg", "--manifest", tmp_path / "copy.csv")
    assert (ended.code, ended.out.count("attempt 1")) == (ExitCode.DONE, 1)
    ended = call("trace", tmp_path / "a.jpg", "--manifest", plain.recipe)
    assert (ended.code, ended.err.count("\n")) == (ExitCode.WRONG, 1)
    assert "it has no column job" in ended.err
    assert call("trace", tmp_path / "a.jpg", "--manifest", tmp_path / "none").code == ExitCode.WRONG
    assert call("trace", tmp_path / "a.jpg", "--in", tmp_path / "none").code == ExitCode.WRONG


@pytest.mark.parametrize("broken", ["checkpoint", "manifest"])
def test_broken_books_are_passed_over(marked: Folder, call: Call, broken: str) -> None:
    """The other one tells; that one could not be read is told."""
    files = {
        "checkpoint": marked.previews / ".spark-batch" / "tiny.checkpoint",
        "manifest": marked.previews / "tiny.manifest.csv",
    }
    files[broken].write_bytes(b"no such thing\n" * 100)
    ended = call("trace", marked.previews / NAME)
    assert ended.code == ExitCode.DONE
    assert "attempt 1  done at sandbox" in ended.out
    if broken == "checkpoint":
        assert "skipped: the checkpoint" in ended.err
    far = call("trace", marked.path / "photo.jpg", "--in", marked.path)
    assert far.code == ExitCode.FAILED
    assert f"skipped: {'the checkpoint ' if broken == 'checkpoint' else ''}" in far.err


def test_a_picture_that_was_replaced(marked: Folder, call: Call) -> None:
    """It is kept, its line is gone, and it still tells what it was made of."""
    marked.edit("Beach", "{id: beach, text: Beach at night}")
    call("run", marked.recipe, "--sandbox")
    kept = sorted((marked.previews / ".spark-batch" / "kept").iterdir())
    assert len(kept) == 2
    for path in kept:
        ended = call("trace", path)
        assert ended.code == ExitCode.DONE
        assert "  prompt: Beach\n" in ended.out
        assert "← this picture" in ended.out
        assert "line recipe.yaml" not in ended.out
    assert "  prompt: Beach at night\n" in call("trace", marked.previews / NAME).out


def test_two_jobs_with_the_same_bytes(plain: Folder, call: Call) -> None:
    """Without metadata both are told."""
    first, second = plain.pictures()[:2]
    path = plain.previews / ".spark-batch" / "tiny.checkpoint"
    with Checkpoint.open(path) as checkpoint:
        one, two = (
            checkpoint.records_like(str(each.relative_to(plain.previews)))[0].attempt
            for each in (first, second)
        )
        checkpoint.refetched(two.id, one.picture, {})
    ended = call("trace", first)
    assert "2 jobs got these very bytes" in ended.out
    assert ended.out.count("← this picture") == 2


def test_metadata_that_came_with_a_picture(marked: Folder, call: Call) -> None:
    """The API handed on an input's: the record of the file counts, and that is told."""
    first, second = marked.pictures()[:2]
    path = marked.previews / ".spark-batch" / "tiny.checkpoint"
    with Checkpoint.open(path) as checkpoint:
        one, two = (
            checkpoint.records_like(str(each.relative_to(marked.previews)))[0].attempt
            for each in (first, second)
        )
        checkpoint.refetched(two.id, one.picture, {})
        assert f"job {one.key} of tiny" in call("trace", first).out.splitlines()[0]
        checkpoint.refetched(one.id, two.picture, {})
    ended = call("trace", first)
    assert f"job {two.key} of tiny" in ended.out.splitlines()[0]
    assert f"its metadata, which came with it, name job {one.key}" in ended.out


def test_a_preview_and_a_paid_picture_of_one_job(
    marked: Folder,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
    server: Callable[..., Served],
) -> None:
    """The same key stands in two checkpoints: the one whose task it was is told."""
    monkeypatch.setenv("SPARK_API_KEY", "canary-key-of-a-user")
    monkeypatch.setenv("SPARK_BASE_URL", server(key="canary-key-of-a-user").url)
    assert call("run", marked.recipe).code == ExitCode.DONE
    edited = marked.path / "edited.jpg"
    edited.write_bytes((marked.previews / NAME).read_bytes() + b"\0")
    ended = call("trace", edited, "--in", marked.path)
    assert "done at sandbox" in ended.out
    for path in (marked.out / NAME, marked.out / "tiny.manifest.csv"):
        assert b"canary" not in path.read_bytes()
    told = document(call, marked.out / NAME)
    assert str(told["jobs"][0]["checkpoint"]).endswith("out/tiny/.spark-batch/tiny.checkpoint")
    assert str(marked.path).encode() not in (marked.out / NAME).read_bytes()
    assert b"signature=" not in (marked.out / NAME).read_bytes()


def test_attempts_that_failed_are_told_with_their_cost(
    folder: Folder, call: Call, monkeypatch: pytest.MonkeyPatch, server: Callable[..., Served]
) -> None:
    """All attempts of the job, and the one that made the picture."""
    switch_on(folder)
    monkeypatch.setenv("SPARK_API_KEY", "k")
    monkeypatch.setenv("SPARK_BASE_URL", server(create=["create-code:003003099"]).url)
    assert call("run", folder.recipe, "--concurrency", "1").code == ExitCode.DONE
    found = [call("trace", path).out for path in folder.pictures(folder.out)]
    (twice,) = [text for text in found if "attempt 2" in text]
    assert "attempt 1  failed at http://" in twice
    assert ", 003003099, " in twice
    maker = next(line for line in twice.splitlines() if "←" in line)
    assert maker.startswith("  attempt 2  done")


def git(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=n@example.com", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.strip()


def test_the_commit_is_the_one_of_the_attempt(folder: Folder, call: Call) -> None:
    """Committed, run, changed, a picture deleted and fetched again: it is the same file."""
    switch_on(folder)
    git(folder.path, "init", "--quiet")
    git(folder.path, "add", ".")
    git(folder.path, "commit", "--quiet", "-m", "first")
    commit = git(folder.path, "rev-parse", "HEAD")
    call("run", folder.recipe, "--sandbox")
    path = folder.previews / NAME
    before = path.read_bytes()
    folder.edit("price", "# later\nprice")
    git(folder.path, "commit", "--quiet", "-a", "-m", "second")
    path.unlink()
    call("run", folder.recipe, "--sandbox")
    assert path.read_bytes() == before
    assert f"  commit {commit}\n" in call("trace", path).out
    shutil.rmtree(folder.previews / ".spark-batch")
    assert f"  commit {commit}\n" in call("trace", path).out


def test_rescue_writes_metadata_as_the_recipe_says(marked: Folder, call: Call) -> None:
    """It reads the recipe's head alone; the same file comes back."""
    path = marked.previews / NAME
    before = path.read_bytes()
    path.unlink()
    (marked.path / "photo.jpg").unlink()
    assert call("rescue", marked.recipe, "--sandbox").code == ExitCode.DONE
    assert path.read_bytes() == before


def test_the_other_commands_go_on_working(marked: Folder, call: Call) -> None:
    """What is recorded is the file on disk."""
    assert call("verify", marked.recipe, "--sandbox").code == ExitCode.DONE
    plan = call("plan", marked.recipe, "--sandbox", "--detailed-exitcode")
    assert plan.code == ExitCode.DONE
    before = (marked.previews / "tiny.manifest.csv").read_bytes()
    call("report", marked.recipe, "--sandbox")
    assert (marked.previews / "tiny.manifest.csv").read_bytes() == before
    shutil.rmtree(marked.previews / ".spark-batch" / "parts")
    (marked.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    assert "4 jobs adopted" in call("run", marked.recipe, "--sandbox").err
    assert call("verify", marked.recipe, "--sandbox").code == ExitCode.DONE


def test_several_files_and_the_gravest_code(plain: Folder, call: Call) -> None:
    """What is known is told; what is not has one line each."""
    text = plain.path / "a.txt"
    text.write_text("hello")
    empty = plain.path / "empty.jpg"
    empty.touch()
    good, unknown = plain.previews / NAME, plain.path / "photo.jpg"
    ended = call("trace", good, unknown)
    assert (ended.code, ended.err.count("\n")) == (ExitCode.FAILED, 1)
    ended = call("trace", unknown, text, plain.path, plain.path / "none.jpg", empty, good)
    assert ended.code == ExitCode.WRONG
    assert ended.err.count("\n") == 5
    assert all(line.startswith("spark-batch: ") for line in ended.err.splitlines())
    assert ended.out.count("← this picture") == 1
    assert call("trace", text, unknown).code == ExitCode.WRONG
    assert call("trace").code == ExitCode.WRONG


def test_json(marked: Folder, call: Call) -> None:
    """One document, an entry for each picture, also for one that nobody knows."""
    ended = call("trace", "--json", marked.previews / NAME, marked.path / "photo.jpg")
    known, unknown = json.loads(ended.out)
    assert ended.code == ExitCode.FAILED
    assert (unknown["known_by"], unknown["jobs"], unknown["metadata"]) == (None, [], None)
    assert (known["known_by"], known["as_recorded"]) == ("sha256", True)
    (job,) = known["jobs"]
    assert (job["prompt"], job["seed"], job["scale"], job["cost_usd"]) == ("Beach", 7, 0.4, "0.03")
    assert job["lines"][0]["source"] == "recipe.yaml:4:11"
    (attempt,) = job["attempts"]
    assert (attempt["made_this"], attempt["cost_usd"], attempt["state"]) == (True, "0.03", "done")
    assert attempt["sha256"] == known["sha256"]
    assert known["metadata"]["task_id"] == attempt["task_id"]


def test_metadata_of_anybody_cannot_steer_a_terminal(tmp_path: Path, call: Call) -> None:
    """Escape sequences and line breaks in what a picture claims."""
    namespace = "urn:spark-batch:provenance:1.0:"
    texts = {"job": "0" * 16, "seed": "1", "scale": "1", "width": "1", "height": "1", "take": "1"}
    texts |= {"prompt": "&#155;31m&#10;FAKE", "recipe": "&#133;x", "task_id": "&#8238;t"}
    values = "".join(f' s:{name}="{text}"' for name, text in texts.items())
    packet = f'http://ns.adobe.com/xap/1.0/\0<s:x xmlns:s="{namespace}"{values}/>'.encode()
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", "JPEG")
    data = (tmp_path / "a.jpg").read_bytes()
    segment = b"\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet
    (tmp_path / "a.jpg").write_bytes(data[:2] + segment + data[2:])
    ended = call("trace", tmp_path / "a.jpg")
    assert ended.code == ExitCode.DONE
    assert "prompt: \ufffd31m\ufffdFAKE" in ended.out
    assert all(line.isprintable() for line in ended.out.splitlines())
