"""`checks:` from a recipe to every place where a person looks, and `spark-batch check`."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from tests.cli.conftest import Call, Folder

CHECKS = """\
checks:
  - size: expected
  - differs
  - similar: 0.999
  - not_blank
"""


@pytest.fixture
def checked(folder: Folder) -> Folder:
    """A recipe of four jobs, whose previews differ from the input more than it allows."""
    noise = Image.effect_noise((96, 64), 90).convert("RGB")
    noise.save(folder.path / "photo.jpg", "JPEG")
    folder.recipe.write_text(folder.recipe.read_text() + CHECKS)
    return folder


def rows(folder: Folder) -> list[dict[str, str]]:
    with (folder.previews / "tiny.manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def a_command(folder: Folder, code: str, *, only: bool = False) -> None:
    """Give the recipe a `run` check of a Python program."""
    script = folder.path / "look.py"
    script.write_text(code)
    line = f"  - run: {sys.executable} {script.name} ${{file}}\n"
    text = folder.recipe.read_text()
    kept = text.partition("checks:\n")[0] + "checks:\n" if only else text
    folder.recipe.write_text(kept + line)


# --- What a run says.


def test_a_failed_check_is_done_paid_and_flagged_everywhere(checked: Folder, call: Call) -> None:
    """Terminal, status, manifest, JUnit, summary, page, why: each with the reason in words."""
    ended = call("run", checked.recipe, "--sandbox")
    assert ended.code == 0
    assert "flagged: similar: 0.999: it is not like the input: 0." in ended.err
    assert "      4 done\n      4 flagged    of those done: look at the pictures\n" in ended.out
    found = rows(checked)
    assert list(found[0])[-2] == "checks"
    for row in found:
        assert (row["status"], row["error_code"]) == ("done", "flagged")
        results = {each["check"]: each for each in json.loads(row["checks"])}
        assert list(results) == ["size", "differs", "similar: 0.999", "not_blank"]
        assert [each["passed"] for each in results.values()] == [True, True, False, True]
        said = results["similar: 0.999"]["reason"]
        assert row["error_message"] == f"similar: 0.999: {said}"
    tree = ElementTree.parse(checked.previews / "tiny.junit.xml")
    failures = [each.get("message", "") for each in tree.iter("failure")]
    assert len(failures) == 4
    assert all("similar: 0.999: it is not like the input" in each for each in failures)
    assert "similar: 0.999" in (checked.previews / "tiny.md").read_text()
    page = (checked.previews / "tiny.html").read_text()
    assert "it is not like the input" in page
    why = call("why", checked.recipe, found[0]["job"], "--sandbox").out
    assert "  check similar: 0.999: failed: it is not like the input: 0." in why
    assert "  check size: passed: it is 512x512" in why


def test_a_run_that_passes_flags_nothing(checked: Folder, call: Call) -> None:
    checked.edit("similar: 0.999", "similar: 0.0001")
    assert call("run", checked.recipe, "--sandbox", "--strict").code == 0
    assert {row["error_code"] for row in rows(checked)} == {""}
    assert all('"passed":false' not in row["checks"] for row in rows(checked))


def test_strict_makes_flagged_pictures_a_failure(checked: Folder, call: Call) -> None:
    """Also those of an earlier run, so that a second one does not make a build green."""
    assert call("run", checked.recipe, "--sandbox", "--strict").code == 1
    assert call("run", checked.recipe, "--sandbox").code == 0
    assert call("run", checked.recipe, "--sandbox", "--strict").code == 1


def test_checks_change_no_job_id(checked: Folder, call: Call) -> None:
    """Nothing is paid for again when they change."""
    call("run", checked.recipe, "--sandbox")
    checked.edit("  - not_blank\n", "  - sharp\n")
    assert "nothing to do" in call("run", checked.recipe, "--sandbox").out
    assert len(checked.ledger()) == 4


def test_an_annotation_stands_at_the_line(
    checked: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(checked.path))
    ended = call("run", checked.recipe, "--sandbox")
    said = ended.out + ended.err
    assert "::warning file=recipe.yaml,line=4," in said
    assert "similar: 0.999: it is not like the input" in said


# --- A new task is made only when somebody asks.


def test_a_flagged_picture_is_made_anew_only_when_it_is_asked_for(
    checked: Folder, call: Call
) -> None:
    checked.edit("seed: 7", "seed: -1")
    call("run", checked.recipe, "--sandbox")
    before = {path.name: path.read_bytes() for path in checked.pictures()}
    for words in (("run",), ("retry",), ("retry", "--only", "input=photo")):
        assert call(*words, checked.recipe, "--sandbox").code == 0
        assert len(checked.ledger()) == 4, words
    planned = call("plan", checked.recipe, "--sandbox", "--retry", "--only", "status=flagged")
    assert "4 create" in planned.out or "4 to create" in planned.out
    assert "0.12" in planned.out
    assert "flagged: similar: 0.999" in planned.out
    ended = call("retry", checked.recipe, "--sandbox", "--only", "status=flagged")
    assert ended.code == 0
    assert len(checked.ledger()) == 8
    kept = {path.read_bytes() for path in (checked.previews / ".spark-batch/kept").iterdir()}
    assert {path.name for path in checked.pictures()} == set(before)
    assert all(row["attempts"] == "2" for row in rows(checked))
    now = [path.read_bytes() for path in checked.pictures()]
    assert all(old in kept or old in now for old in before.values())
    merged = call("merge", checked.recipe, "--sandbox")
    assert "twice" not in merged.out + merged.err


def test_an_alternative_that_does_not_say_flagged_pays_for_nothing(
    checked: Folder, call: Call
) -> None:
    """A selection that has flagged jobs in it for another reason does not make them anew."""
    call("run", checked.recipe, "--sandbox")
    only = ("--only", "scale=0.4", "--only", "status=flagged,scale=0.7,prompt=beach")
    call("retry", checked.recipe, "--sandbox", *only)
    assert len(checked.ledger()) == 5


def test_a_fixed_seed_is_named_before_it_is_paid_for(checked: Folder, call: Call) -> None:
    """The same request is likely to give the same picture."""
    call("run", checked.recipe, "--sandbox")
    planned = call("plan", checked.recipe, "--sandbox", "--retry", "--only", "status=flagged")
    assert "its seed is fixed, so it may get the same picture" in planned.out


def test_a_plan_of_retry_is_not_saved(checked: Folder, call: Call, tmp_path: Path) -> None:
    ended = call("plan", checked.recipe, "--sandbox", "--retry", "--out", tmp_path / "plan")
    assert ended.code == 2
    assert "leave --retry out" in ended.err


# --- The checks again.


def test_check_judges_again_what_is_there(checked: Folder, call: Call) -> None:
    """Without network and key, also for a job that the new limits no longer flag."""
    call("run", checked.recipe, "--sandbox")
    checked.edit("similar: 0.999", "similar: 0.0001")
    ended = call("check", checked.recipe, "--sandbox", "--strict")
    assert ended.code == 0, ended.err
    assert "4 pictures checked; 0 jobs flagged" in ended.out
    assert {row["error_code"] for row in rows(checked)} == {""}
    checked.edit("  - not_blank\n", "  - not_blank: 0.5\n")
    ended = call("check", checked.recipe, "--sandbox", "--only", "scale=0.7")
    assert ended.code == 0
    assert "2 pictures checked; 2 jobs flagged" in ended.out
    assert "flagged photo/beach-512x512-scale0.7-seed7.jpg: not_blank: 0.5: it is bl" in ended.out
    assert call("check", checked.recipe, "--sandbox", "--strict").code == 1
    assert (
        "checked: failed: not_blank: 0.5"
        in call("why", checked.recipe, rows(checked)[0]["job"], "--sandbox").out
    )
    assert len(checked.ledger()) == 4


def test_check_passes_over_what_is_not_the_recorded_picture(checked: Folder, call: Call) -> None:
    """A missing file, a changed one and a broken one keep what was found before."""
    call("run", checked.recipe, "--sandbox")
    first, second, third, _ = checked.pictures()
    first.unlink()
    Image.new("RGB", (512, 512)).save(second)
    third.write_bytes(b"broken")
    checked.edit("similar: 0.999", "similar: 0.0001")
    ended = call("check", checked.recipe, "--sandbox")
    assert ended.code == 0
    assert "1 picture checked, 3 pictures skipped; 3 jobs flagged" in ended.out
    assert "not checked: its file is not there" in ended.out
    assert "not checked: its file is not the recorded picture" in ended.out


def test_check_clears_what_the_recipe_no_longer_checks(checked: Folder, call: Call) -> None:
    """One check of several, then all, also of a picture that is not there; a run is green again."""
    call("run", checked.recipe, "--sandbox")
    checked.edit("  - differs\n", "")
    call("check", checked.recipe, "--sandbox")
    assert all('"differs"' not in row["checks"] for row in rows(checked))
    checked.recipe.write_text(checked.recipe.read_text().partition("checks:\n")[0])
    assert call("run", checked.recipe, "--sandbox", "--strict").code == 1
    checked.pictures()[0].unlink()
    ended = call("check", checked.recipe, "--sandbox")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "4 pictures checked; 0 jobs flagged")
    assert "note: the recipe has no checks any more: the results of earlier ones" in ended.err
    assert {(row["checks"], row["error_code"]) for row in rows(checked)} == {("", "")}
    assert call("run", checked.recipe, "--sandbox", "--strict").code == 0
    assert call("check", checked.recipe, "--sandbox").code == 2


def test_check_without_checks_or_pictures_says_so(folder: Folder, call: Call) -> None:
    ended = call("check", folder.recipe, "--sandbox")
    assert ended.code == 2
    assert "has no checks: write some into it, such as `checks: [" in " ".join(ended.err.split())
    *_, advised, _ = " ".join(ended.err.split()).split("`")
    before = folder.recipe.read_text()
    folder.recipe.write_text(f"{before}\n{advised}\n")
    assert call("validate", folder.recipe).code == 0
    folder.recipe.write_text(before + CHECKS)
    ended = call("check", folder.recipe, "--sandbox")
    assert ended.code == 2
    assert "nothing has been run yet" in ended.err


# --- Commands of the recipe.


def test_a_recipes_command_is_run_only_when_it_is_allowed(checked: Folder, call: Call) -> None:
    """Nothing is sent before, so that the refusal costs nothing."""
    a_command(checked, "open('ran', 'w'); print('no logo'); raise SystemExit(1)", only=True)
    for words in (("run",), ("retry",)):
        ended = call(*words, checked.recipe, "--sandbox")
        if words == ("run",):
            assert ended.code == 2
            assert "starts a program with your rights" in ended.err
            assert "--allow-commands" in ended.err
    assert not checked.ledger()
    assert not (checked.path / "ran").exists()
    ended = call("run", checked.recipe, "--sandbox", "--allow-commands")
    assert ended.code == 0
    assert (checked.path / "ran").exists()
    assert {row["error_message"].rpartition(": ")[2] for row in rows(checked)} == {"no logo"}
    refused = call("check", checked.recipe, "--sandbox")
    assert (refused.code, "--allow-commands" in refused.err) == (2, True)
    (checked.path / "look.py").write_text("print('the logo is there')")
    ended = call("check", checked.recipe, "--sandbox", "--allow-commands", "--strict")
    assert ended.code == 0
    assert {row["error_code"] for row in rows(checked)} == {""}


def test_the_variable_allows_it_too(
    checked: Folder, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_command(checked, "print('fine')", only=True)
    monkeypatch.setenv("SPARK_ALLOW_COMMANDS", "1")
    assert call("run", checked.recipe, "--sandbox", "--strict").code == 0


def test_the_note_about_a_command_stands_at_the_command(checked: Folder, call: Call) -> None:
    """The line of the check that starts it, and not that of the first check."""
    a_command(checked, "print('fine')")
    lines = checked.recipe.read_text(encoding="utf-8").splitlines()
    number = next(at for at, line in enumerate(lines, 1) if "run: " in line and "look.py" in line)
    told = call("validate", checked.recipe).err
    assert f"recipe.yaml:{number}:" in told


def test_validate_and_plan_run_no_command(checked: Folder, call: Call) -> None:
    a_command(checked, "open('ran', 'w')")
    assert "`spark-batch run` needs --allow-commands" in call("validate", checked.recipe).err
    assert call("plan", checked.recipe, "--sandbox").code == 0
    assert not (checked.path / "ran").exists()


def test_a_manifest_alone_brings_the_results_back(checked: Folder, call: Call) -> None:
    """A fresh checkout knows what was flagged, and why, once and not twice."""
    call("run", checked.recipe, "--sandbox")
    before = rows(checked)
    (checked.previews / ".spark-batch" / "tiny.checkpoint").unlink()
    assert "nothing to do" in call("run", checked.recipe, "--sandbox").out
    assert rows(checked) == before
    assert len(checked.ledger()) == 4
